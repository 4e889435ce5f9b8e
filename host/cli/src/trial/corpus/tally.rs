//! Counts over many messages. What it holds does not grow with their number.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::fate::{Fate, Judged, Share};

/// How many of the slowest messages are told.
const SLOWEST: usize = 10;

/// Symbols that are counted by name; a filter may make them up. Those beyond are counted together.
const SYMBOLS: usize = 1000;

/// Where symbols beyond [`SYMBOLS`] are counted.
const OTHERS: &str = "(others)";

/// A count for each folder.
pub type PerFolder = Vec<u64>;

/// What came of messages, by folder.
pub struct Tally {
    folders: Vec<String>,
    fates: BTreeMap<Fate, PerFolder>,
    deciders: BTreeMap<(Arc<str>, Fate), PerFolder>,
    symbols: BTreeMap<String, PerFolder>,
    users: Vec<User>,
    slowest: Vec<Slow>,
}

/// What one filter cost.
#[derive(Clone, Debug)]
pub struct User {
    /// its name
    pub filter: Arc<str>,
    /// messages it was asked about
    pub messages: u64,
    /// those it failed on
    pub failed: u64,
    /// CPU of all of them
    pub cpu: Duration,
    /// CPU of the one that took most
    pub most: Duration,
}

/// One of the slowest messages.
#[derive(Clone, Debug)]
pub struct Slow {
    /// the file
    pub path: PathBuf,
    /// octets
    pub octets: u64,
    /// CPU of all filters
    pub cpu: Duration,
    /// real time
    pub wall: Duration,
    /// the filter that took most of it
    pub filter: Option<Arc<str>>,
}

impl Tally {
    /// For these folders, and filters in the order they are asked.
    pub fn new(folders: Vec<String>, filters: Vec<Arc<str>>) -> Self {
        let user = |filter| User {
            filter,
            messages: 0,
            failed: 0,
            cpu: Duration::ZERO,
            most: Duration::ZERO,
        };
        Self {
            folders,
            fates: BTreeMap::new(),
            deciders: BTreeMap::new(),
            symbols: BTreeMap::new(),
            users: filters.into_iter().map(user).collect(),
            slowest: Vec::new(),
        }
    }

    /// Counts one.
    pub fn add(&mut self, judged: &Judged) {
        let (folder, folders) = (judged.folder, self.folders.len());
        let none = || vec![0; folders];
        self.fates.entry(judged.fate).or_insert_with(none)[folder] += 1;
        if let Some(by) = &judged.by {
            let key = (by.clone(), judged.fate);
            self.deciders.entry(key).or_insert_with(none)[folder] += 1;
        }
        self.count_symbols(judged);
        for share in &judged.shares {
            self.charge(share);
        }
        self.compare(judged);
    }

    /// Once a message, however often it was given.
    fn count_symbols(&mut self, judged: &Judged) {
        let mut symbols: Vec<&str> = judged.symbols.iter().map(String::as_str).collect();
        symbols.sort_unstable();
        symbols.dedup();
        for symbol in symbols {
            let known = self.symbols.contains_key(symbol) || self.symbols.len() < SYMBOLS;
            let symbol = if known { symbol } else { OTHERS };
            let none = || vec![0; self.folders.len()];
            let counts = self.symbols.entry(symbol.to_owned()).or_insert_with(none);
            counts[judged.folder] += 1;
        }
    }

    fn charge(&mut self, share: &Share) {
        let user = self
            .users
            .iter_mut()
            .find(|user| user.filter == share.filter);
        if let Some(user) = user {
            user.messages += 1;
            user.failed += u64::from(share.failed);
            user.cpu += share.cpu;
            user.most = user.most.max(share.cpu);
        }
    }

    fn compare(&mut self, judged: &Judged) {
        let cpu = judged.cpu();
        let place = self.slowest.partition_point(|slow| slow.cpu >= cpu);
        if place >= SLOWEST || judged.shares.is_empty() {
            return;
        }
        let most = judged.shares.iter().max_by_key(|share| share.cpu);
        let slow = Slow {
            path: judged.path.clone(),
            octets: judged.octets,
            cpu,
            wall: judged.wall,
            filter: most.map(|share| share.filter.clone()),
        };
        self.slowest.insert(place, slow);
        self.slowest.truncate(SLOWEST);
    }

    /// The folders' names.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// One folder's name.
    pub fn folder(&self, folder: usize) -> &str {
        &self.folders[folder]
    }

    /// Messages that were tried.
    pub fn messages(&self) -> u64 {
        self.fates.values().flatten().sum()
    }

    /// Messages of a folder that were tried.
    pub fn messages_of(&self, folder: usize) -> u64 {
        self.fates.values().map(|counts| counts[folder]).sum()
    }

    /// Messages of a folder that this became of.
    pub fn count(&self, folder: usize, fate: Fate) -> u64 {
        self.fates.get(&fate).map_or(0, |counts| counts[folder])
    }

    /// Who decided what; the reason where it was no filter.
    pub fn deciders(&self) -> impl Iterator<Item = (&str, Fate, &PerFolder)> {
        self.deciders
            .iter()
            .map(|((by, fate), counts)| (&**by, *fate, counts))
    }

    /// Symbols of points, by name.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, &PerFolder)> {
        self.symbols
            .iter()
            .map(|(symbol, counts)| (&**symbol, counts))
    }

    /// Filters in the order they are asked.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// CPU of all filters over all messages.
    pub fn cpu(&self) -> Duration {
        self.users.iter().map(|user| user.cpu).sum()
    }

    /// The slowest first.
    pub fn slowest(&self) -> &[Slow] {
        &self.slowest
    }
}

impl User {
    /// CPU of one message.
    pub fn mean(&self) -> Duration {
        let messages = u32::try_from(self.messages.max(1)).unwrap_or(u32::MAX);
        self.cpu / messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(folder: usize, fate: Fate, milliseconds: u64) -> Judged {
        let cpu = Duration::from_millis(milliseconds);
        let share = Share {
            filter: "rules".into(),
            cpu,
            failed: fate == Fate::Failed,
        };
        let by = (fate != Fate::Accepted).then(|| "rules".into());
        Judged {
            fate,
            by,
            symbols: vec![
                "NO_DATE".into(),
                "NO_DATE".into(),
                format!("S{milliseconds}"),
            ],
            shares: vec![share],
            ..Judged::damaged(folder, format!("{milliseconds}.eml").into(), 10, "")
        }
    }

    fn tally(all: &[Judged]) -> Tally {
        let mut tally = Tally::new(vec!["ham".into(), "spam".into()], vec!["rules".into()]);
        all.iter().for_each(|judged| tally.add(judged));
        tally
    }

    #[test]
    fn messages_are_counted_by_folder_fate_and_filter() {
        let tally = tally(&[
            judged(0, Fate::Accepted, 1),
            judged(1, Fate::Refused, 2),
            judged(1, Fate::Refused, 6),
            judged(1, Fate::Failed, 3),
        ]);
        assert_eq!((tally.messages(), tally.messages_of(1)), (4, 3));
        assert_eq!(tally.count(1, Fate::Refused), 2);
        assert_eq!(tally.count(0, Fate::Tagged), 0);
        let deciders: Vec<_> = tally.deciders().collect();
        let expected = [
            ("rules", Fate::Refused, &vec![0, 2]),
            ("rules", Fate::Failed, &vec![0, 1]),
        ];
        assert_eq!(deciders, expected);
        let user = &tally.users()[0];
        assert_eq!((user.messages, user.failed), (4, 1));
        assert_eq!(user.mean(), Duration::from_millis(3));
        assert_eq!(user.most, Duration::from_millis(6));
        let named = tally.symbols().find(|(symbol, _)| *symbol == "NO_DATE");
        assert_eq!(named, Some(("NO_DATE", &vec![1, 3])));
    }

    /// However many there are, and whatever a filter calls its points.
    #[test]
    fn what_is_held_has_an_end() {
        let many: Vec<_> = (0..3000).map(|n| judged(0, Fate::Accepted, n)).collect();
        let tally = tally(&many);
        assert_eq!(tally.slowest().len(), SLOWEST);
        let slowest: Vec<_> = tally
            .slowest()
            .iter()
            .map(|it| it.cpu.as_millis())
            .collect();
        assert_eq!(slowest[..3], [2999, 2998, 2997]);
        assert_eq!(tally.symbols().count(), SYMBOLS + 1);
        let others = tally.symbols().find(|(symbol, _)| *symbol == OTHERS);
        // 3000 made-up ones and NO_DATE, of which 1000 are known by name.
        assert_eq!(others, Some((OTHERS, &vec![2001, 0])));
    }
}
