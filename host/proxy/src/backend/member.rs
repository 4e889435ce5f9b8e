//! One address of the backend: what it offers, whether it is alive, and its idle connections.
#![expect(
    clippy::vec_box,
    reason = "a connection goes from hand to hand in its box"
)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lazaret_smtp::Extensions;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::circuit::Circuit;
use super::{Error, Link};
use crate::workers::Post;

/// An address behind one of the configured ones.
pub(super) struct Member {
    /// where
    pub(super) address: SocketAddr,
    /// the host as configured: the name its certificate must hold unless another is configured
    pub(super) host: String,
    condition: Mutex<Condition>,
    idle: Mutex<Vec<Box<Link>>>,
    in_use: AtomicUsize,
    /// it offered CHUNKING, and did not take BDAT
    no_chunks: AtomicBool,
    /// it took one
    knows_chunks: AtomicBool,
    /// at most one health check with all patience
    pub(super) checks: Arc<Semaphore>,
    /// at most one quick check of a dead address
    pub(super) probes: Arc<Semaphore>,
    pub(super) counts: Arc<Counts>,
}

/// What is known of it.
#[derive(Debug, Default)]
struct Condition {
    circuit: Circuit,
    /// what the newest connection was offered before any identity was passed on
    offer: Option<Arc<Extensions>>,
    /// when that was asked last, in vain or not: when the question left us
    asked: Option<Instant>,
    /// when a connection was last opened
    opened: Option<Instant>,
    /// when a transaction was last answered to its end
    served: Option<Instant>,
    /// why it is not alive
    trouble: Option<Error>,
    clarity: Clarity,
}

/// Whether its newest connection is in TLS, where that is as it offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Clarity {
    #[default]
    Unknown,
    Tls,
    Clear,
}

/// Since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// connections opened
    pub(super) opened: AtomicU64,
    /// of those, in clear though TLS was wanted
    pub(super) in_clear: AtomicU64,
    /// transactions that found an idle connection
    pub(super) reused: AtomicU64,
    /// connections that could not be opened, transactions that broke off
    pub(super) failed: AtomicU64,
    /// messages whose end was sent and whose reply was not understood: they may have been taken
    pub(super) ambiguous: AtomicU64,
}

/// The counts of each address. They outlive a backend that is configured anew and an address that names lead to now and
/// then: sessions go on with what they began with, and what is counted there counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<HashMap<SocketAddr, Arc<Counts>>>>);

impl Ledger {
    /// Addresses that are remembered; of more, those that nobody uses are forgotten.
    const MOST: usize = 1024;

    pub(super) fn of(&self, address: SocketAddr) -> Arc<Counts> {
        let mut known = self.0.lock().expect("no holder of this lock panics");
        if known.len() >= Self::MOST {
            known.retain(|_, counts| Arc::strong_count(counts) > 1);
        }
        Arc::clone(known.entry(address).or_default())
    }
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// How the standing of an address changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    CameBack,
    Left,
}

impl Member {
    pub(super) fn new(address: SocketAddr, host: String, ledger: &Ledger) -> Arc<Self> {
        Arc::new(Self {
            counts: ledger.of(address),
            address,
            host,
            condition: Mutex::default(),
            idle: Mutex::default(),
            in_use: AtomicUsize::new(0),
            no_chunks: AtomicBool::new(false),
            knows_chunks: AtomicBool::new(false),
            checks: Arc::new(Semaphore::new(1)),
            probes: Arc::new(Semaphore::new(1)),
        })
    }

    /// Did it take BDAT so far?
    pub(super) fn takes_chunks(&self) -> bool {
        !self.no_chunks.load(Ordering::Relaxed)
    }

    /// Has it taken one?
    pub(super) fn knows_chunks(&self) -> bool {
        self.knows_chunks.load(Ordering::Relaxed)
    }

    /// It took one, with the message in it.
    pub(super) fn took_chunk(&self) {
        if !self.knows_chunks() {
            self.knows_chunks.store(true, Ordering::Relaxed);
        }
    }

    /// It gets no chunk any more; true the first time.
    pub(super) fn gives_up_chunks(&self) -> bool {
        !self.no_chunks.swap(true, Ordering::Relaxed)
    }

    /// Do all sessions use it?
    pub(super) fn is_alive(&self) -> bool {
        self.condition().circuit.is_closed()
    }

    /// Can no connection be opened to it?
    pub(super) fn is_down(&self) -> bool {
        self.condition().circuit == Circuit::Down
    }

    /// See [`Circuit::admits_trial`].
    pub(super) fn admits_trial(&self, now: Instant) -> bool {
        self.condition().circuit.admits_trial(now)
    }

    /// What is thought of it.
    pub(super) fn circuit(&self) -> Circuit {
        self.condition().circuit
    }

    /// Why it is not alive.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.condition().trouble.clone()
    }

    /// What it offers, if it is known.
    pub(super) fn offer(&self) -> Option<Arc<Extensions>> {
        self.condition().offer.clone()
    }

    /// Was its offer asked for after `then`, in vain or not?
    pub(super) fn was_asked_since(&self, then: Instant) -> bool {
        self.condition().asked.is_some_and(|asked| asked >= then)
    }

    /// Is what is known of its offer younger than `age`?
    pub(super) fn is_known(&self, age: Duration) -> bool {
        let asked = self.condition().asked;
        asked.is_some_and(|asked| asked.elapsed() < age)
    }

    /// Was a connection opened within this time?
    pub(super) fn was_opened_within(&self, age: Duration) -> bool {
        let opened = self.condition().opened;
        opened.is_some_and(|opened| opened.elapsed() < age)
    }

    /// With `tls = "opportunistic"`: what the newest connection is; told when it changes.
    pub(super) fn turned_out(&self, clarity: Clarity) {
        if clarity == Clarity::Clear {
            Counts::add(&self.counts.in_clear);
        }
        let before = std::mem::replace(&mut self.condition().clarity, clarity);
        if before == clarity {
            return;
        }
        match clarity {
            Clarity::Clear => tracing::warn!(
                address = %self.address,
                "backend offers no STARTTLS: mail goes to it in clear, as `tls = \"opportunistic\"` has it"
            ),
            _ => tracing::info!(address = %self.address, "mail goes to this backend in TLS"),
        }
    }

    /// A connection was opened, and this was offered when it was asked.
    pub(super) fn opened(&self, offer: &Extensions, asked: Instant) -> Change {
        Counts::add(&self.counts.opened);
        let mut condition = self.condition();
        condition.opened = Some(Instant::now());
        condition.learn(offer, asked);
        condition.change(Circuit::opened, None)
    }

    /// On a connection that was open this was offered when it was asked.
    pub(super) fn offered(&self, offer: &Extensions, asked: Instant) {
        self.condition().learn(offer, asked);
    }

    /// A connection that somebody began to open at `begun` cannot be had. Not held against an address that served
    /// others meanwhile: it is busy, not dead.
    pub(super) fn not_opened(&self, begun: Instant, error: &Error) -> Change {
        Counts::add(&self.counts.failed);
        let mut condition = self.condition();
        condition.note_asked(begun);
        if condition.served.is_some_and(|served| served >= begun) {
            return Change::None;
        }
        condition.change(Circuit::not_opened, Some(error))
    }

    /// A transaction was answered to its end.
    pub(super) fn served(&self) -> Change {
        let mut condition = self.condition();
        condition.served = Some(Instant::now());
        condition.change(Circuit::served, None)
    }

    /// It wants no more of this client.
    pub(super) fn refused(&self, error: &Error) {
        if matches!(error, Error::InDoubt(_)) {
            self.cut_off();
        }
    }

    /// It may have taken a message, and nobody hears its reply.
    pub(super) fn cut_off(&self) {
        Counts::add(&self.counts.failed);
        Counts::add(&self.counts.ambiguous);
    }

    /// A transaction failed on an open connection.
    pub(super) fn failed(&self, error: &Error) -> Change {
        Counts::add(&self.counts.failed);
        if matches!(error, Error::InDoubt(_)) {
            Counts::add(&self.counts.ambiguous);
        }
        let now = Instant::now();
        self.condition().change(|c| c.failed(now), Some(error))
    }

    /// Keeps an idle connection.
    pub(super) fn keep(&self, link: Box<Link>) {
        self.idle().push(link);
    }

    /// The idle connection that was used last, for the others may run out of time; of those of this thread, if there are
    /// any, for its events come here.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        let mut idle = self.idle();
        let near = idle.iter().rposition(|link| link.post() == Post::here());
        near.map(|at| idle.remove(at)).or_else(|| idle.pop())
    }

    /// The idle connections for which this is not true.
    pub(super) fn sort_out(&self, mut keep: impl FnMut(&mut Link) -> bool) -> Vec<Box<Link>> {
        let mut idle = self.idle();
        idle.extract_if(.., |link| !keep(link)).collect()
    }

    /// Connections that wait for a transaction.
    pub(super) fn idle_links(&self) -> usize {
        self.idle().len()
    }

    /// Connections in use.
    pub(super) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition
            .lock()
            .expect("no holder of this lock panics")
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<Link>>> {
        self.idle.lock().expect("no holder of this lock panics")
    }
}

impl Condition {
    /// Replies may overtake each other: the question that left us last counts.
    fn learn(&mut self, offer: &Extensions, asked: Instant) {
        if self.asked.is_some_and(|newer| newer > asked) && self.offer.is_some() {
            return;
        }
        self.note_asked(asked);
        if self.offer.as_deref() != Some(offer) {
            self.offer = Some(Arc::new(offer.clone()));
        }
    }

    fn note_asked(&mut self, asked: Instant) {
        self.asked = self.asked.max(Some(asked));
    }

    fn change(&mut self, event: impl FnOnce(&mut Circuit), trouble: Option<&Error>) -> Change {
        let before = self.circuit.is_closed();
        event(&mut self.circuit);
        match (before, self.circuit.is_closed()) {
            (true, true) => Change::None,
            (false, true) => {
                self.trouble = None;
                Change::CameBack
            }
            (was_alive, false) => {
                self.trouble = trouble.cloned().or(self.trouble.take());
                if was_alive {
                    Change::Left
                } else {
                    Change::None
                }
            }
        }
    }
}

/// A connection of this address is in use, as long as this lives. An idle one has none, so that it does not keep alive the
/// address that keeps it.
pub(super) struct InUse(Arc<Member>);

impl InUse {
    pub(super) fn new(member: &Arc<Member>) -> Self {
        member.in_use.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(member))
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}
