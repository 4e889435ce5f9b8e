//! What a filter talks about. No sockets, no wasmtime.
#![forbid(unsafe_code)]

pub mod facts;
pub mod filter;
pub mod loader;
pub mod message;
pub mod policy;
pub mod stage;
pub mod verdict;

pub use facts::{Certificate, Envelope, Party, Path, Session, Tls};
pub use filter::{Answer, Effects, Failure, FailureKind, Filter, Question, Sandbox};
pub use loader::{LoadError, Loader};
pub use message::{Content, Edit, Field, HeaderEditor, Message};
pub use policy::{Grant, Mode, OnFailure, Policy, VerdictGrants};
pub use stage::{Stage, StageSet};
pub use verdict::{ReplyHint, Verdict, VerdictKind};
