//! What a filter talks about. No sockets, no wasmtime.
#![forbid(unsafe_code)]

pub mod chain;
pub mod facts;
pub mod filter;
pub mod loader;
pub mod message;
pub mod policy;
pub mod stage;
pub mod verdict;

pub use chain::{Action, Chain, Decision, Judge, Keep, Observation, Record, Unloadable};
pub use facts::{Certificate, Envelope, Party, Path, Session, Tls};
pub use filter::{
    Answer, Ask, Effects, Failure, FailureKind, Filter, Notes, Outcome, Question, Sandbox, Scope,
};
pub use loader::{LoadError, Loader};
pub use message::{
    Content, Edit, EditError, EditScope, Field, HeaderEditor, HeaderFault, Message, PartInfo,
    Parts, PartsFault, Segment,
};
pub use policy::{Grant, Mode, OnFailure, Policy, VerdictGrants};
pub use stage::{Stage, StageSet};
pub use verdict::{ReplyHint, Verdict, VerdictKind};
