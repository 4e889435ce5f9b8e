//! What was decided lately and why, for `lazaret explain`: recorded as it happens, put into words only when somebody asks.
//!
//! A session keeps a `Case`; what is over is an `Entry` in one of two rings. Sessions that never came to a
//! transaction have a ring of their own: whoever knocks and runs must not push real mail out.

mod case;
mod entry;
mod kept;
pub mod report;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lazaret_mail::Session;
use lazaret_smtp::Reply;

pub(crate) use case::Case;
pub(crate) use entry::{By, Ended, Entry, Judgement, Of, Phases, Transaction};
pub use report::Explanation;

/// The last decisions of a proxy, and the sessions under way.
#[derive(Debug)]
pub(crate) struct Decisions {
    open: Mutex<HashMap<Arc<str>, Weak<Case>>>,
    transactions: Mutex<Ring>,
    sessions: Mutex<Ring>,
}

/// The newest entries, bounded in number and octets.
#[derive(Debug)]
struct Ring {
    most: usize,
    most_octets: usize,
    octets: usize,
    entries: VecDeque<(usize, Arc<Entry>)>,
}

impl Decisions {
    /// At most so many of each kind, and so many octets of all together.
    pub(crate) fn new(most: usize, octets: usize) -> Arc<Self> {
        let of_sessions = octets / 4;
        Arc::new(Self {
            open: Mutex::default(),
            transactions: Mutex::new(Ring::new(most, octets - of_sessions)),
            sessions: Mutex::new(Ring::new(most, of_sessions)),
        })
    }

    /// From the next decision on.
    pub(crate) fn limit(&self, most: usize, octets: usize) {
        let of_sessions = octets / 4;
        lock(&self.transactions).limit(most, octets - of_sessions);
        lock(&self.sessions).limit(most, of_sessions);
    }

    /// A session begins: it can be asked about from now on.
    pub(crate) fn open(self: &Arc<Self>, case: impl FnOnce(&Arc<Self>) -> Case) -> Arc<Case> {
        let case = Arc::new(case(self));
        lock(&self.open).insert(Arc::clone(case.id()), Arc::downgrade(&case));
        case
    }

    fn close(&self, id: &str) {
        lock(&self.open).remove(id);
    }

    /// Something is decided.
    pub(crate) fn enter(&self, entry: Arc<Entry>) {
        let ring = match entry.is_transaction() {
            true => &self.transactions,
            false => &self.sessions,
        };
        let weight = entry.weight();
        let gone = lock(ring).push(weight, entry);
        // Freed when the lock is free again.
        drop(gone);
    }

    /// A client was turned away before it had a session.
    pub(crate) fn turned_away(&self, session: Session, reply: Reply) {
        self.enter(Arc::new(Entry::turned_away(session, reply)));
    }

    /// How many are kept, and their octets.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let count = |ring: &Mutex<Ring>| {
            let ring = lock(ring);
            (ring.entries.len(), ring.octets)
        };
        let (one, other) = (count(&self.transactions), count(&self.sessions));
        (one.0 + other.0, one.1 + other.1)
    }

    /// What is known of a session, or of one of its transactions; `id` may be written as in a reply, `(ID)`.
    pub(crate) fn explain(&self, id: &str) -> Option<Explanation> {
        let id = id.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '.'));
        let id = id.to_ascii_uppercase();
        let session = id.split('-').next().unwrap_or_default();
        let case = lock(&self.open).get(session).and_then(Weak::upgrade);
        let entries = [&self.transactions, &self.sessions].map(|ring| lock(ring).of(session));
        let known = case.is_some() || entries.iter().any(|entries| !entries.is_empty());
        let explanation = known.then(|| report::explanation(case.as_deref(), &entries.concat()))?;
        match id.contains('-') {
            true => explanation.only(&id),
            false => Some(explanation),
        }
    }
}

impl Ring {
    fn new(most: usize, most_octets: usize) -> Self {
        Self {
            most,
            most_octets,
            octets: 0,
            entries: VecDeque::new(),
        }
    }

    fn limit(&mut self, most: usize, most_octets: usize) {
        (self.most, self.most_octets) = (most, most_octets);
    }

    /// Of so many octets. Gives back what had to go for it.
    fn push(&mut self, weight: usize, entry: Arc<Entry>) -> Vec<(usize, Arc<Entry>)> {
        self.octets += weight;
        self.entries.push_back((weight, entry));
        let mut gone = Vec::new();
        while self.entries.len() > self.most || self.octets > self.most_octets {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.octets -= oldest.0;
            gone.push(oldest);
        }
        gone
    }

    fn of(&self, session: &str) -> Vec<Arc<Entry>> {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        let of_it = entries.filter(|entry| &*entry.session.id == session);
        of_it.cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::entry::tests::entry;

    #[test]
    fn the_newest_are_kept_within_number_and_octets() {
        let decisions = Decisions::new(3, 1 << 20);
        for session in ["A", "B", "C", "D"] {
            decisions.enter(Arc::new(entry(session, Some(1))));
        }
        assert!(decisions.explain("A").is_none());
        assert!(decisions.explain("D").is_some());
        assert_eq!(decisions.kept().0, 3);
        let one = entry("A", Some(1)).weight();
        let small = Decisions::new(1000, 4 * one * 10 / 3 + 4);
        for number in 0..100 {
            small.enter(Arc::new(entry("A", Some(number))));
        }
        let (kept, octets) = small.kept();
        assert_eq!(kept, 10);
        assert_eq!(octets, 10 * one);
    }

    #[test]
    fn sessions_without_mail_push_no_mail_out() {
        let decisions = Decisions::new(10, 1 << 20);
        decisions.enter(Arc::new(entry("MAIL", Some(1))));
        (0..100).for_each(|n| decisions.enter(Arc::new(entry(&format!("N{n}"), None))));
        assert!(decisions.explain("MAIL").is_some());
        assert!(decisions.explain("N99").is_some());
        assert!(decisions.explain("N1").is_none());
    }

    #[test]
    fn a_session_under_way_is_told_as_it_is_now() {
        let decisions = Decisions::new(10, 1 << 20);
        let client = ([192, 0, 2, 1], 40000).into();
        let mut session = Arc::new(Session::new("7F3K2Q".into(), &"mx".into(), client));
        let case = decisions.open(|home| Case::new(home, &session));
        Arc::make_mut(&mut session).hello = Some("client.example".into());
        case.is_now(&session);
        let told = decisions.explain("7F3K2Q").unwrap().session;
        assert_eq!(told.helo.as_deref(), Some("client.example"));
        assert_eq!(Arc::strong_count(&session), 2, "there is one of it");
    }

    #[test]
    fn an_id_is_found_as_it_stands_in_a_reply() {
        let decisions = Decisions::new(10, 1 << 20);
        decisions.enter(Arc::new(entry("7F3K2Q", Some(1))));
        decisions.enter(Arc::new(entry("7F3K2Q", Some(2))));
        for id in ["7F3K2Q", "(7F3K2Q)", " 7f3k2q "] {
            assert_eq!(decisions.explain(id).unwrap().transactions.len(), 2, "{id}");
        }
        let one = decisions.explain("7F3K2Q-2").unwrap();
        assert_eq!(one.transactions.len(), 1);
        assert_eq!(one.transactions[0].id, "7F3K2Q-2");
        for id in ["7F3K2Q-3", "", "-", "7F3K2"] {
            assert!(decisions.explain(id).is_none(), "{id:?}");
        }
    }
}
