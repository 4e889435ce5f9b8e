//! SMTP as two pure state machines: [`Server`] faces the client, [`Client`] faces the backend.
//!
//! What this crate never does: open a socket, read a clock, spawn a task, log, allocate without
//! bound, or repair what is wrong. Time-outs, TLS and who may send what are the caller's business.
//! Everything that a peer sends is an attack until it is parsed, and what is parsed cannot hold
//! anything that breaks out of its line: [`Address`], [`Parameter`], [`Argument`] and [`Reply`]
//! only come out of parsers.
//!
//! # The contract
//!
//! **Answer each question before you ask for the next event.**
//!
//! 1. Make a [`Server`] and call [`greet`](Server::greet) or
//!    [`refuse_greeting`](Server::refuse_greeting); inside TLS from the start, first
//!    [`tls_established`](Server::tls_established).
//! 2. Call [`next`](Server::next) until it yields [`Event::NeedInput`] or [`Event::Close`].
//! 3. Answer [`Hello`](Event::Hello), [`StartTls`](Event::StartTls), [`Mail`](Event::Mail),
//!    [`Rcpt`](Event::Rcpt), [`Data`](Event::Data) and [`End`](Event::End) when they come, each
//!    by the method its documentation names, however long that takes. Asking on instead panics in
//!    debug builds and asks the same again in release builds; an answer that fits no question
//!    does nothing.
//! 4. On `NeedInput`, write [`output`](Server::output), then read into [`buffer`](Server::buffer)
//!    and go on at 2. So the replies to a group of commands leave in one write. On
//!    [`Event::Flush`], write the output and go on at 2 without reading.
//! 5. After [`start_tls`](Server::start_tls), write the output, shake hands, and call
//!    [`tls_established`](Server::tls_established). What came in clear behind STARTTLS is gone.
//! 6. On `Close`, write the output and close the connection.
//!
//! The [`Client`] asks nothing: [`send`](Client::send) commands, write its output, feed it what
//! comes, and take one reply for each command from [`next`](Client::next). Its first error is its last word.
//!
//! # What it follows
//!
//! | RFC | about | |
//! | --- | --- | --- |
//! | 5321 | SMTP | strict: CRLF only, one `CRLF.CRLF` ends data, grammar of paths |
//! | 1870 | SIZE | declared and real |
//! | 2034, 3463 | enhanced status codes | on every 2yz, 4yz and 5yz but greeting and hello |
//! | 2920 | PIPELINING | replies batched, in order |
//! | 3030 | CHUNKING | chunks of lines; BINARYMIME is not offered |
//! | 3207 | STARTTLS | injected octets dropped, both sides |
//! | 3461, 6533 | DSN parameters | checked and passed on |
//! | 4954 | AUTH | not offered; mechanisms of the backend are read |
//! | 6152 | 8BITMIME | octets pass unaltered |
//! | 6531 | SMTPUTF8 | UTF-8 in paths where MAIL asked for it |
//! | HAProxy | PROXY v1, v2 | [`ProxyHeader`], ahead of the session; TLVs checked, not believed |
//!
//! # An example
//!
//! ```
//! use lazaret_smtp::{Event, Extensions, Keyword, Reply, Server, ServerConfig};
//!
//! let mut server = Server::new(ServerConfig {
//!     hostname: "mx.example.org".to_owned(),
//!     ..ServerConfig::default()
//! });
//! server.greet();
//! server.receive(b"EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n");
//! server.receive(b"RCPT TO:<b@example.org>\r\nDATA\r\n..dot\r\n.\r\nQUIT\r\n");
//!
//! let offer = Extensions::from_iter([Keyword::Pipelining]);
//! let mut message = Vec::new();
//! loop {
//!     match server.next() {
//!         Event::Hello(_) => server.accept_hello(&offer),
//!         Event::Mail(_) => server.answer(Reply::sender_ok()),
//!         Event::Rcpt(path) if path.address.domain() == "example.org" => {
//!             server.answer(Reply::recipient_ok());
//!         }
//!         Event::Data => server.go_ahead(),
//!         Event::Content(octets) => message.extend_from_slice(&octets),
//!         Event::End(end) => {
//!             assert_eq!(end.octets, 6);
//!             server.answer(Reply::ok());
//!         }
//!         Event::Flush => {} // write server.output()
//!         Event::Quit | Event::Reset => {}
//!         Event::Close(_) => break, // write server.output(), close
//!         other => panic!("{other:?}: nobody asked for that here"),
//!     }
//! }
//! assert_eq!(message, b".dot\r\n");
//! assert!(server.output().ends_with(b"221 2.0.0 Bye\r\n"));
//! ```
#![forbid(unsafe_code)]

pub mod address;
pub mod argument;
pub mod chunk;
pub mod client;
pub mod command;
pub mod data;
mod domain;
pub mod enhanced;
pub mod event;
pub mod extension;
mod line;
mod newline;
pub mod parameter;
pub mod proxy_header;
mod replies;
pub mod reply;
pub mod reply_parser;
pub mod server;
mod text;
pub mod xtext;

pub use address::{Address, Path};
pub use argument::{Argument, Attribute};
pub use client::{Client, ClientError, ClientLimits};
pub use command::{Command, CommandError};
pub use enhanced::Enhanced;
pub use event::{CloseReason, End, Event, Fault, Hello, HelloVerb};
pub use extension::{Extensions, Keyword, Own};
pub use parameter::Parameter;
pub use proxy_header::{Origin, ProxyError, ProxyHeader};
pub use reply::{Code, Reply};
pub use server::{LineFeeds, Refusal, Refusals, Server, ServerConfig, Wanted};
pub use text::is_unsafe;
