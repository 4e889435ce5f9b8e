//! What became of one message, and what it cost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::chain::{Said, Weight};
use lazaret_mail::{Action, Edit, Field, Record};

use crate::trial::journey::{Journey, Step};

/// The field by which a delivered message counts as tagged: a filter of this chain wrote it, with `YES`.
const FLAG: &str = "X-Spam-Flag";

/// What a folder is counted by. Every message has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// the backend would be asked to take it
    Accepted,
    /// the same, with `X-Spam-Flag: YES`
    Tagged,
    /// the client would have heard 4xx
    Deferred,
    /// the client would have heard 5xx
    Refused,
    /// 250, and quarantined or discarded
    Kept,
    /// a filter failed on it, whatever its `on-failure` said then
    Failed,
    /// no filter was asked: the file cannot be read, or is nothing the proxy takes
    Damaged,
}

impl Fate {
    /// In the order of columns.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Tagged,
        Self::Deferred,
        Self::Refused,
        Self::Kept,
        Self::Failed,
        Self::Damaged,
    ];

    /// In a heading.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Accepted => "accepted",
            Fate::Tagged => "tagged",
            Fate::Deferred => "deferred",
            Fate::Refused => "refused",
            Fate::Kept => "kept",
            Fate::Failed => "failed",
            Fate::Damaged => "damaged",
        }
    }
}

/// One message, tried.
#[derive(Debug)]
pub struct Judged {
    /// in the corpus
    pub folder: usize,
    /// the file
    pub path: PathBuf,
    /// of the message on the wire; 0 where it cannot be read
    pub octets: u64,
    /// what became of it
    pub fate: Fate,
    /// the filter that decided; what is wrong with a damaged one
    pub by: Option<Arc<str>>,
    /// the points of all filters together
    pub score: f64,
    /// symbols of points that counted
    pub symbols: Vec<String>,
    /// CPU of each filter that was asked, all stages together, and whether it failed
    pub shares: Vec<Share>,
    /// real time of the whole journey
    pub wall: Duration,
}

/// One filter's part in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// its name
    pub filter: Arc<str>,
    /// CPU time
    pub cpu: Duration,
    /// it failed
    pub failed: bool,
}

impl Judged {
    /// CPU of all filters.
    pub fn cpu(&self) -> Duration {
        self.shares.iter().map(|share| share.cpu).sum()
    }

    /// A file that no filter was asked about.
    pub fn damaged(folder: usize, path: PathBuf, octets: u64, why: &str) -> Self {
        Self {
            folder,
            path,
            octets,
            fate: Fate::Damaged,
            by: Some(why.into()),
            score: 0.0,
            symbols: Vec::new(),
            shares: Vec::new(),
            wall: Duration::ZERO,
        }
    }

    /// A message that went through the chain.
    pub fn tried(
        folder: usize,
        path: PathBuf,
        octets: u64,
        journey: &Journey,
        wall: Duration,
    ) -> Self {
        let (fate, by) = decided(journey);
        let counted = journey
            .steps
            .iter()
            .filter(|step| step.record.took_effect());
        let symbols = counted.flat_map(|step| &step.record.scores);
        Self {
            folder,
            path,
            octets,
            fate,
            by,
            score: journey.score,
            symbols: symbols.map(|(symbol, ..)| symbol.clone()).collect(),
            shares: shares(&journey.steps),
            wall,
        }
    }
}

fn decided(journey: &Journey) -> (Fate, Option<Arc<str>>) {
    let records = || journey.steps.iter().map(|step| &step.record);
    if let Some(record) = records().find(|record| failed(record)) {
        return (Fate::Failed, Some(record.filter.clone()));
    }
    if journey.delivered.is_some() {
        let tagger = records().find(|record| tags(record));
        return match tagger {
            Some(record) => (Fate::Tagged, Some(record.filter.clone())),
            None => (Fate::Accepted, None),
        };
    }
    let last = journey.replies.last();
    let fate = match last.map(|heard| &heard.action) {
        Some(Action::Keep(_)) => Fate::Kept,
        Some(Action::Refuse(reply) | Action::Close(reply)) if reply.code().get() < 500 => {
            Fate::Deferred
        }
        Some(Action::Refuse(_) | Action::Close(_) | Action::Pass) | None => Fate::Refused,
    };
    (fate, last.and_then(|heard| heard.by.clone()))
}

/// A filter that is only watched fails to nobody's harm.
fn failed(record: &Record) -> bool {
    let failed = matches!(record.said, Said::Failed(_) | Said::FailedEarlier(_));
    failed && record.weight != Weight::Observed
}

fn tags(record: &Record) -> bool {
    let counts = record.took_effect() && record.edit_fault.is_none();
    counts && record.edits.iter().any(is_flag)
}

fn is_flag(edit: &Edit) -> bool {
    let written: Option<&Field> = match edit {
        Edit::Add(field) | Edit::Replace(_, field) => Some(field),
        Edit::Remove(_) | Edit::RemoveAll(_) => None,
    };
    written.is_some_and(|field| field.is(FLAG) && field.text().eq_ignore_ascii_case("yes"))
}

fn shares(steps: &[Step]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for Step { record, .. } in steps {
        let failed = matches!(record.said, Said::Failed(_));
        match shares
            .iter_mut()
            .find(|share| share.filter == record.filter)
        {
            Some(share) => {
                share.cpu += record.cpu;
                share.failed |= failed;
            }
            None => shares.push(Share {
                filter: record.filter.clone(),
                cpu: record.cpu,
                failed,
            }),
        }
    }
    shares
}
