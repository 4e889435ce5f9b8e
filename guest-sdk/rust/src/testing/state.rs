//! What the permission functions answer from: one made-up world a thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeBounds;

use super::message::Message;
use super::outside::Outside;
use super::report::Score;
use crate::http::Request;
use crate::notes::Scope;
use crate::score::Entry;
use crate::session::{ClientInfo, TlsInfo};
use crate::{Address, Error};

/// Where in the session the filter is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Configure,
    Connect,
    Hello,
    Mail,
    Rcpt,
    Headers,
    Message,
    Outcome,
    Disconnect,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Headers => "headers",
            Self::Message => "message",
            Self::Outcome => "outcome",
            Self::Disconnect => "disconnect",
        }
    }
}

/// What is so from the start.
#[derive(Clone, Debug)]
pub struct Facts {
    pub client: ClientInfo,
    pub listener: String,
    pub greeting: String,
    pub tls: Option<TlsInfo>,
    pub user: Option<String>,
    pub early_talker: bool,
    pub parts_fault: Option<Error>,
    pub denied: Vec<String>,
    pub edit_scope: Vec<String>,
    /// least and most points together
    pub score_scope: (f64, f64),
    pub notes: Vec<Note>,
    pub earlier: Vec<Entry>,
    pub outside: Outside,
}

impl Facts {
    /// A harmless client.
    pub fn new() -> Self {
        Self {
            client: ClientInfo {
                address: "192.0.2.1".to_owned(),
                port: 40_000,
                name: None,
            },
            listener: "mx".to_owned(),
            greeting: "client.example.net".to_owned(),
            tls: None,
            user: None,
            early_talker: false,
            parts_fault: None,
            denied: Vec::new(),
            edit_scope: Vec::new(),
            score_scope: (f64::NEG_INFINITY, f64::INFINITY),
            notes: Vec::new(),
            earlier: Vec::new(),
            outside: Outside::default(),
        }
    }
}

/// One note.
#[derive(Clone, Debug)]
pub struct Note {
    pub scope: Scope,
    pub filter: String,
    pub key: String,
    pub value: String,
}

impl Note {
    pub fn transaction(filter: &str, key: &str, value: &str) -> Self {
        Self {
            scope: Scope::Transaction,
            filter: filter.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }
}

/// The world as the filter finds it now, and what it did so far.
#[derive(Debug)]
pub struct World {
    pub facts: Facts,
    pub stage: Stage,
    pub hello: Option<String>,
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    pub message: Option<Message>,
    /// as edited in this stage; replaces `message` when the stage returns
    pub edited: Option<Message>,
    pub edits: Vec<String>,
    pub scores: Vec<Score>,
    pub log: Vec<String>,
    pub held: u64,
    pub spent: Spent,
    pub requests: Vec<Request>,
    pub metrics: BTreeMap<String, f64>,
}

impl World {
    pub fn new(facts: Facts) -> Self {
        Self {
            facts,
            stage: Stage::Configure,
            hello: None,
            sender: None,
            recipients: Vec::new(),
            message: None,
            edited: None,
            edits: Vec::new(),
            scores: Vec::new(),
            log: Vec::new(),
            held: 0,
            spent: Spent::default(),
            requests: Vec::new(),
            metrics: BTreeMap::new(),
        }
    }
}

/// What the call under way has done of what it may do so much of.
#[derive(Debug, Default)]
pub struct Spent {
    pub edits: usize,
    /// octets of fields
    pub written: usize,
    pub scores: usize,
    pub notes: usize,
    /// milliseconds
    pub held: u32,
}

/// One more, if it is not one too many.
pub fn spend(count: &mut usize, more: usize, most: usize) -> Result<(), Error> {
    let sum = *count + more;
    if sum > most {
        return Err(Error::Limit);
    }
    *count = sum;
    Ok(())
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The filter under test writes its notes under this name.
pub const THIS_FILTER: &str = "";

/// Puts a world in place, or takes it away.
pub fn replace(world: Option<World>) -> Option<World> {
    WORLD.replace(world)
}

/// Asks or changes the world.
pub fn with<T>(ask: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| {
        ask(world
            .as_mut()
            .expect("permissions are there while `testing::Transaction::run` asks the filter"))
    })
}

/// As [`with`], for the functions that answer with an error: at these stages only, and not when denied.
pub fn permitted<T>(
    permission: &str,
    stages: impl RangeBounds<Stage>,
    ask: impl FnOnce(&mut World) -> Result<T, Error>,
) -> Result<T, Error> {
    with(|world| {
        if world.facts.denied.iter().any(|denied| denied == permission) {
            return Err(Error::NotGranted);
        }
        if !stages.contains(&world.stage) {
            return Err(Error::NotNow);
        }
        ask(world)
    })
}
