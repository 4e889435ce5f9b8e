//! What a filter talks about: the session, the envelope, the message, verdicts and edits; and the chain that asks one
//! filter after the other. No sockets, no clock, no wasmtime: whatever runs a filter implements [`Filter`].
//!
//! # How a connection is judged
//!
//! **Tell the [`Judge`] each stage as it happens, and do what its [`Decision`] says.**
//!
//! 1. [`Judge::new`] for a connection; [`Judge::connect`] before the greeting, [`Judge::hello`] at HELO or EHLO.
//! 2. [`Judge::mail`] opens a transaction on the newest [`Chain`]; [`Judge::rcpt`] for each recipient.
//! 3. [`Judge::headers`] when the header section is complete: a refusal is held until the dot.
//! 4. [`Judge::message`] at the end of data: gives back the message as edited. Fields of our own go on top after that.
//! 5. [`Judge::finish`] with the reply the client got, or [`Judge::reset`] if it never came to a dot.
//! 6. [`Judge::disconnect`] at the end. What 5 and 6 return is spawned: observers delay nobody.
//!
//! If a stage is left out its filters are not asked; that is the caller's decision, nothing else breaks. A judge whose
//! chain nobody subscribed to allocates nothing.
//!
//! ```
//! use std::sync::Arc;
//! use lazaret_mail::{Action, Chain, Filter, Judge, Party, Policy, Session, Unloadable};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! // A filter that could not be loaded answers with its `on-failure`, here the default: defer.
//! let filter: Arc<dyn Filter> = Arc::new(Unloadable::new("access", Policy::default(), "not Wasm"));
//! let chain = Chain::new(1, vec![filter]);
//! let session = Arc::new(Session {
//!     id: "7F3K2".into(),
//!     listener: "mx".into(),
//!     client: Party { address: "192.0.2.1:40000".parse().unwrap(), name: lazaret_mail::ClientName::default() },
//!     hello: None,
//!     tls: None,
//!     user: None,
//!     early_talker: false,
//! });
//! let mut judge = Judge::new(chain.clone(), "mx");
//! assert_eq!(judge.connect(&session).await.action, Action::Pass);
//!
//! let sender = lazaret_smtp::Path::new(lazaret_smtp::Address::parse("a@example.org").unwrap());
//! let decision = judge.mail(chain, &session, &sender).await;
//! let Action::Refuse(reply) = decision.action else { panic!("it defers at MAIL") };
//! assert_eq!(reply.code().get(), 451);
//! # });
//! ```
#![forbid(unsafe_code)]

pub mod chain;
pub mod facts;
pub mod filter;
pub mod loader;
pub mod message;
pub mod policy;
pub mod score;
pub mod stage;
pub mod verdict;
mod within;

pub use chain::{
    Action, Chain, Decision, Judge, Keep, Observation, Place, Record, Switchboard, Switched, Tally,
    Unloadable,
};
pub use facts::{
    Called, Certificate, ClientName, ClientNames, Envelope, Party, Path, Session, Tls,
};
pub use filter::{
    Answer, Ask, Clues, Effects, Failure, FailureKind, Filter, NOTE_LIMIT, Notes, Outcome,
    Question, Sandbox, Scope,
};
pub use lazaret_smtp::is_unsafe;
pub use loader::{LoadError, Loader, Source};
pub use message::{
    Content, Edit, EditError, EditScope, Field, HeaderEditor, HeaderFault, Message, PartInfo,
    Parts, PartsFault, Segment,
};
pub use policy::{
    Grant, ListDefinition, ListKind, Mode, OnFailure, Parallel, Policy, VerdictGrants,
};
pub use score::{ENTRY_LIMIT, Points, SCORE_LIMIT, Score};
pub use stage::{Stage, StageSet};
pub use verdict::{ReplyHint, Verdict, VerdictKind};
pub use within::within;
