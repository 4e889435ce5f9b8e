//! What is known of a session under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lazaret_mail::{Decision, Session, Stage};
use lazaret_smtp::{Address, Reply};

use super::Decisions;
use super::entry::{By, Ended, Entry, Judgement, Of, Transaction};
use super::kept::Kept;
use crate::backend::Dialogue;

/// Judgements of a transaction that are kept; of those beyond only the number.
const MOST: usize = 200;
/// Judgements outside of transactions that are kept.
const MOST_OF_CONNECTION: usize = 30;
/// Octets of a reply that are kept: the backend's may be long.
const MOST_OF_REPLY: usize = 1 << 10;

/// One session. Its own lock is taken by itself alone, until somebody asks.
#[derive(Debug)]
pub(crate) struct Case {
    id: Arc<str>,
    home: Arc<Decisions>,
    began: SystemTime,
    clock: Instant,
    /// with the backend
    pub(crate) dialogue: Dialogue,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    session: Arc<Session>,
    connection: Arc<Vec<Judgement>>,
    transaction: Option<Pending>,
}

/// A transaction under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) number: u32,
    pub(crate) at: Duration,
    pub(crate) generation: u64,
    pub(crate) sender: Address,
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) more: usize,
}

/// What is known of a session under way, at this moment.
pub(crate) struct Glance {
    pub(crate) session: Arc<Session>,
    pub(crate) began: SystemTime,
    pub(crate) connection: Arc<Vec<Judgement>>,
    pub(crate) transaction: Option<(Pending, crate::backend::Talk)>,
}

impl Case {
    pub(crate) fn new(home: &Arc<Decisions>, session: &Arc<Session>) -> Self {
        Self {
            id: Arc::clone(&session.id),
            home: Arc::clone(home),
            began: SystemTime::now(),
            clock: Instant::now(),
            dialogue: Dialogue::default(),
            open: Mutex::new(Open {
                session: Arc::clone(session),
                connection: Arc::default(),
                transaction: None,
            }),
        }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// How old the session is.
    pub(crate) fn age(&self) -> Duration {
        self.clock.elapsed()
    }

    /// More is known of the session than before.
    pub(crate) fn is_now(&self, session: &Arc<Session>) {
        self.open().session = Arc::clone(session);
    }

    /// A transaction begins.
    pub(crate) fn begin(
        &self,
        session: &Arc<Session>,
        number: u32,
        generation: u64,
        sender: &Address,
    ) {
        // Of a connection that was kept, between two transactions.
        drop(self.dialogue.take());
        let mut open = self.open();
        open.session = Arc::clone(session);
        open.transaction = Some(Pending {
            number,
            at: self.age(),
            generation,
            sender: sender.clone(),
            judgements: Vec::new(),
            more: 0,
        });
    }

    /// Filters were asked. Their records are taken out of the decision.
    pub(crate) fn judged(
        &self,
        session: &Arc<Session>,
        stage: Stage,
        of: Of,
        decision: &mut Decision,
    ) {
        use lazaret_mail::Action;
        let reply = match &decision.action {
            Action::Pass | Action::Keep(_) => None,
            Action::Refuse(reply) | Action::Close(reply) => Some(reply.clone()),
        };
        if decision.records.is_empty() && reply.is_none() {
            return;
        }
        let records = std::mem::take(&mut decision.records);
        let judgement = Judgement {
            at: self.age(),
            stage: Some(stage),
            of,
            records: records.into_iter().map(Kept::from).collect(),
            reply,
            by: By::filter(decision.by.clone(), By::Nobody),
        };
        self.keep(session, judgement);
    }

    /// Something was refused without a filter.
    pub(crate) fn refused(
        &self,
        session: &Arc<Session>,
        stage: Option<Stage>,
        of: Of,
        reply: &Reply,
        by: By,
    ) {
        let judgement = Judgement {
            at: self.age(),
            stage,
            of,
            records: Box::default(),
            reply: Some(reply.abridged(MOST_OF_REPLY)),
            by,
        };
        self.keep(session, judgement);
    }

    fn keep(&self, session: &Arc<Session>, judgement: Judgement) {
        let mut open = self.open();
        let outside = matches!(
            judgement.stage,
            Some(Stage::Connect | Stage::Hello | Stage::Auth)
        );
        match open.transaction.as_mut().filter(|_| !outside) {
            Some(transaction) if transaction.judgements.len() < MOST => {
                transaction.judgements.push(judgement);
            }
            Some(transaction) => transaction.more += 1,
            None => {
                open.session = Arc::clone(session);
                if open.connection.len() < MOST_OF_CONNECTION {
                    let connection = Arc::make_mut(&mut open.connection);
                    connection.reserve_exact(1);
                    connection.push(judgement);
                }
            }
        }
    }

    /// The transaction is over: what was recorded of it is handed to `end`, which says the rest.
    pub(crate) fn end(
        &self,
        session: &Arc<Session>,
        end: impl FnOnce(Pending) -> Transaction,
    ) -> Option<Arc<Entry>> {
        let mut open = self.open();
        open.session = Arc::clone(session);
        let pending = open.transaction.take()?;
        let connection = Arc::clone(&open.connection);
        drop(open);
        let entry = Arc::new(Entry {
            session: Arc::clone(session),
            began: self.began,
            connection,
            ended: Ended::Transaction(Box::new(end(pending))),
        });
        self.home.enter(Arc::clone(&entry));
        Some(entry)
    }

    /// The session is over. It is kept if anything was decided in it outside of transactions.
    pub(crate) fn over(&self, session: &Arc<Session>, reason: &'static str) {
        let connection = Arc::clone(&self.open().connection);
        if connection.iter().all(|judgement| judgement.reply.is_none()) {
            return;
        }
        self.home.enter(Arc::new(Entry {
            session: Arc::clone(session),
            began: self.began,
            connection,
            ended: Ended::Session(reason),
        }));
    }

    /// For whoever asks meanwhile.
    pub(super) fn glance(&self) -> Glance {
        let open = self.open();
        Glance {
            session: Arc::clone(&open.session),
            began: self.began,
            connection: Arc::clone(&open.connection),
            transaction: open
                .transaction
                .clone()
                .map(|pending| (pending, self.dialogue.so_far())),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.home.close(&self.id);
    }
}
