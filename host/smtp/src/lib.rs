//! SMTP as two pure state machines. No sockets, no clock, no threads, no unsafe.
#![forbid(unsafe_code)]

pub mod address;
pub mod argument;
pub mod client;
pub mod command;
pub mod data;
mod domain;
pub mod enhanced;
pub mod event;
pub mod extension;
mod line;
pub mod parameter;
mod replies;
pub mod reply;
pub mod reply_parser;
pub mod server;
pub mod xtext;

pub use address::{Address, Path};
pub use argument::{Argument, Attribute};
pub use client::{Client, ClientError, ClientLimits};
pub use command::{Command, CommandError};
pub use enhanced::Enhanced;
pub use event::{CloseReason, End, Event, Fault, Hello, HelloVerb};
pub use extension::{Extensions, Keyword, Own};
pub use parameter::Parameter;
pub use reply::{Code, Reply};
pub use server::{Server, ServerConfig};
