//! `dns`: names, from a cache, from resolvers, or from a zone file in place of the network.

mod cache;
mod client;
mod grant;
mod name;
mod network;
mod system;
mod zone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::{Fault, Refused};

pub use client::Confirmed;
pub use grant::{Grant, Pattern};
pub use name::DomainName;
use network::Heard;
pub use zone::Zone;

/// Queries of one batch.
pub const BATCH: usize = 64;
/// Queries of one call of a filter.
pub const QUERIES: u32 = 100;
/// Records of one answer that holds no texts; the rest is left out.
pub const RECORDS: usize = 64;
/// Octets of all records of such an answer; the rest is left out.
pub const OCTETS: usize = 16 << 10;
/// Octets of all texts of an answer: what one message of the name system holds (RFC 1035 section 4.2.2), so that nothing of
/// one is left out. Which record comes last is chance, and SPF looks for one among them.
pub const TEXT_OCTETS: usize = 65_535;

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Settings {
    /// nobody: every name fails
    #[default]
    Nobody,
    /// the resolvers of the system, as `/etc/resolv.conf` names them whenever a name is asked for; while it names none,
    /// every name fails
    System,
    /// `servers`: these resolvers
    Servers(Vec<SocketAddr>),
    /// `zone`: no network, every name that exists stands in this file
    Zone(PathBuf),
}

/// What is asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses
    A,
    /// IPv6 addresses
    Aaaa,
    /// who takes its mail
    Mx,
    /// text
    Txt,
    /// the names of an address
    Ptr,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// a domain name; with [`Kind::Ptr`] an IP address
    pub name: String,
    /// what of it
    pub kind: Kind,
}

/// One answer; texts as the contract has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// at least one
    Records(Vec<String>),
    /// NXDOMAIN
    NoName,
    /// the name exists, without such a record
    NoData,
    /// SERVFAIL, a loop, nonsense
    Failed,
    /// no answer in time
    Late,
}

/// What one call of a filter may still ask.
#[derive(Clone, Debug)]
pub struct Budget {
    queries: u32,
    time: Duration,
}

impl Budget {
    /// Full, for a filter with this `dns-time`.
    pub fn of(grant: &Grant) -> Self {
        Self {
            queries: QUERIES,
            time: grant.time,
        }
    }

    /// Is there time left?
    pub fn has_time(&self) -> bool {
        !self.time.is_zero()
    }

    /// Has it all the time that it had at the beginning?
    pub fn is_untouched(&self, grant: &Grant) -> bool {
        self.time == grant.time
    }

    fn take(&mut self, queries: usize) -> Result<Duration, Refused> {
        let queries = u32::try_from(queries).map_err(|_| Refused::Limit)?;
        self.queries = self.queries.checked_sub(queries).ok_or(Refused::Limit)?;
        match self.has_time() {
            true => Ok(self.time),
            false => Err(Refused::Unavailable),
        }
    }
}

/// Answers questions about names; cheap to clone.
#[derive(Clone)]
pub struct Names {
    source: Arc<Source>,
    /// where sockets are served, whoever asks; None where there are no sockets
    runtime: Option<Handle>,
}

enum Source {
    Nobody,
    Network(Box<network::Network>),
    System(Arc<system::System>),
    Zone(Zone),
}

impl Names {
    /// Nobody is asked: every name fails.
    pub fn nobody() -> Self {
        Self {
            source: Arc::new(Source::Nobody),
            runtime: None,
        }
    }

    /// Reads the zone file or the system's configuration; asks nobody yet. Inside a tokio runtime, which serves it.
    pub fn open(settings: &Settings) -> Result<Self, Fault> {
        let source = match settings {
            Settings::Nobody => Source::Nobody,
            Settings::System => Source::System(system::System::open()),
            Settings::Servers(servers) => Source::Network(Box::new(network::Network::of(servers)?)),
            Settings::Zone(file) => Source::Zone(Zone::read(file)?),
        };
        Ok(Self {
            source: Arc::new(source),
            runtime: Handle::try_current().ok(),
        })
    }

    /// Answers from a zone.
    pub fn of_zone(zone: Zone) -> Self {
        Self {
            source: Arc::new(Source::Zone(zone)),
            runtime: Handle::try_current().ok(),
        }
    }

    /// For a filter: checks names against its grant, asks all at once, takes queries and time from the budget.
    ///
    /// # Errors
    /// [`Refused::Limit`] for more than [`BATCH`] queries, and when the budget has none left; [`Refused::Invalid`] and
    /// [`Refused::NotGranted`] if one of the names is; [`Refused::Unavailable`] when the time is used up.
    pub async fn ask(
        &self,
        grant: &Grant,
        budget: &mut Budget,
        queries: &[Query],
    ) -> Result<Vec<Answer>, Refused> {
        if queries.len() > BATCH {
            return Err(Refused::Limit);
        }
        let asked = queries.iter().map(|query| {
            let name = DomainName::of(query)?;
            match grant.allows(&name) {
                true => Ok((name, query.kind)),
                false => Err(Refused::NotGranted),
            }
        });
        let asked = asked.collect::<Result<Vec<_>, _>>()?;
        let patience = budget.take(asked.len())?;
        let begun = Instant::now();
        let answers = self.resolve_all(asked, patience).await;
        budget.time = budget.time.saturating_sub(begun.elapsed());
        Ok(answers)
    }

    /// All at once, in order; whoever has not answered within `patience` is late.
    pub async fn resolve_all(
        &self,
        asked: Vec<(DomainName, Kind)>,
        patience: Duration,
    ) -> Vec<Answer> {
        let mut answers = vec![Answer::Late; asked.len()];
        let mut heard = vec![Heard::Nothing; asked.len()];
        let mut tasks = JoinSet::new();
        for (at, (name, kind)) in asked.into_iter().enumerate() {
            let source = self.source.clone();
            let answering = async move {
                let answer = timeout(patience, source.resolve(&name, kind)).await;
                let (answer, said) = answer.unwrap_or((Answer::Late, Heard::Silence));
                (at, answer.capped(kind), said)
            };
            match self.runtime() {
                Some(runtime) => tasks.spawn_on(answering, runtime),
                None => tasks.spawn(answering),
            };
        }
        while let Some(answered) = tasks.join_next().await {
            if let Ok((at, answer, said)) = answered {
                (answers[at], heard[at]) = (answer, said);
            }
        }
        match &*self.source {
            Source::Network(network) => network.note(&heard),
            Source::System(system) => system.note(&heard),
            Source::Nobody | Source::Zone(_) => {}
        }
        answers
    }

    /// Why names are not answered at the moment, in words; None as far as anybody knows.
    pub fn trouble(&self) -> Option<String> {
        match &*self.source {
            Source::Network(network) => network.trouble(),
            Source::System(system) => system.trouble(self.runtime()),
            Source::Nobody | Source::Zone(_) => None,
        }
    }

    /// Where sockets are served.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    /// One question of the host's own.
    pub async fn resolve(&self, name: DomainName, kind: Kind, patience: Duration) -> Answer {
        let mut answers = self.resolve_all(vec![(name, kind)], patience).await;
        answers.pop().expect("one answer to one question")
    }
}

impl Source {
    async fn resolve(&self, name: &DomainName, kind: Kind) -> (Answer, Heard) {
        match self {
            Source::Nobody => (Answer::Failed, Heard::Nothing),
            Source::Network(network) => network.resolve(name, kind).await,
            Source::System(system) => match system.network().await {
                Some(network) => network.resolve(name, kind).await,
                None => (Answer::Failed, Heard::Nothing),
            },
            Source::Zone(zone) => (zone.resolve(name, kind), Heard::Nothing),
        }
    }
}

impl Answer {
    /// At most [`RECORDS`] of at most [`OCTETS`], texts of at most [`TEXT_OCTETS`]; of a first record that is larger by itself
    /// nothing is left.
    fn capped(self, kind: Kind) -> Self {
        let Answer::Records(records) = self else {
            return self;
        };
        let (most_records, most_octets) = match kind {
            Kind::Txt => (usize::MAX, TEXT_OCTETS),
            Kind::A | Kind::Aaaa | Kind::Mx | Kind::Ptr => (RECORDS, OCTETS),
        };
        let mut octets = 0;
        let fits = |record: &String| {
            octets += on_the_wire(record);
            octets <= most_octets
        };
        let kept = records.into_iter().take(most_records).take_while(fits);
        let kept: Vec<_> = kept.collect();
        match kept.is_empty() {
            true => Answer::Failed,
            false => Answer::Records(kept),
        }
    }

    /// Does it leave the question open?
    fn is_open(&self) -> bool {
        matches!(self, Answer::Failed | Answer::Late)
    }

    /// The records, if there are any.
    pub fn records(&self) -> &[String] {
        match self {
            Answer::Records(records) => records,
            _ => &[],
        }
    }
}

/// Octets that a text had at least where it came from: each U+FFFD may stand for a single one.
fn on_the_wire(text: &str) -> usize {
    let replaced = text.matches(char::REPLACEMENT_CHARACTER).count();
    text.len() - replaced * (char::REPLACEMENT_CHARACTER.len_utf8() - 1)
}
