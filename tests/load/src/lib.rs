//! Load for mail servers, and what it costs them.
//!
//! * [`send`] plays a [`Plan`]: so many connections, so many messages on each, plain or with TLS, and checks every reply.
//! * [`hold`](hold::Held) opens connections and keeps them: idle, or in the middle of a message.
//! * [`Sink`] is a mail server that takes everything and keeps nothing, fast enough to stand behind what is measured.
//! * [`Tree`] reads what a server and its children use: CPU time, memory.
//!
//! Everything runs on current-thread runtimes, one for each thread asked for: a load generator is to be cheap, and its
//! connections have nothing to share.
//!
//! ```
//! use lazaret_load::{Plan, Sink, SinkOptions};
//!
//! let sink = Sink::start(&SinkOptions::default())?;
//! let mut plan = Plan::to(sink.address());
//! plan.messages = 3;
//! let report = lazaret_load::send(&plan);
//! assert_eq!((report.messages, sink.counts().messages), (3, 3));
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

mod dialogue;
pub mod hold;
mod letter;
mod plan;
mod process;
mod report;
mod send;
mod session;
mod sink;
mod tls;
mod workers;

pub use dialogue::Fault;
pub use plan::{Ending, Handshakes, Pace, Plan, Security};
pub use process::Tree;
pub use report::{Latency, Report};
pub use send::send;
pub use sink::{Counts, Offer, Sink, SinkOptions};
