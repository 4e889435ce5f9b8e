//! What runs and what is wrong, for everybody who asks.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use lazaret_mail::{Chain, Filter, LoadError, Mode, OnFailure, Switchboard};

use super::directory::{Directory, Held};
use super::report::{ChainReport, FilterReport, TroubleReport, rights, seconds, word};

/// Shared by the watcher, which changes it, and by those who report.
pub(crate) struct Standing {
    /// what the operator says over the heads of filters
    pub(crate) board: Switchboard,
    now: Mutex<Now>,
}

struct Now {
    /// of the configuration, for all filters
    configured: Mode,
    generation: u64,
    since: SystemTime,
    filters: Vec<Listed>,
    trouble: Option<TroubleReport>,
}

/// A filter that could not be loaded: why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// its `on-failure` answers for it, and lets nothing pass
    StopsMail(String),
    /// mail passes as if it were not there: it only observes, or `on-failure` says skip
    IsMissed(String),
}

struct Listed {
    stem: String,
    hash: String,
    filter: Arc<dyn Filter>,
    absent: Option<String>,
}

impl Standing {
    /// Before the first generation. `configured` is the configuration's mode for all filters.
    pub(crate) fn new(configured: Mode) -> Self {
        Self {
            board: Switchboard::new(configured),
            now: Mutex::new(Now {
                configured,
                generation: 0,
                since: SystemTime::now(),
                filters: Vec::new(),
                trouble: None,
            }),
        }
    }

    /// The configuration has another mode for all filters: from the next question on.
    pub(crate) fn configure(&self, mode: Mode) {
        self.lock().configured = mode;
        self.board.configure(mode);
    }

    /// The next generation, made of what the directory holds. To be told with [`publish`](Self::publish) once it runs.
    pub(crate) fn next(&self, directory: Option<&Directory>) -> Arc<Chain> {
        let filters = directory.map_or_else(Vec::new, Directory::filters);
        let generation = self.lock().generation + 1;
        Chain::under(generation, filters, &self.board)
    }

    /// That generation runs.
    pub(crate) fn publish(&self, directory: Option<&Directory>) {
        let held = directory.map_or(&[][..], Directory::held);
        self.board
            .retain(|name| held.iter().any(|held| held.filter.name() == name));
        let mut now = self.lock();
        now.generation += 1;
        now.since = SystemTime::now();
        now.filters = held.iter().map(Listed::of).collect();
        now.trouble = None;
    }

    /// The same filters run; why one is stood in for may have changed.
    pub(super) fn retell(&self, directory: &Directory) {
        self.lock().filters = directory.held().iter().map(Listed::of).collect();
    }

    /// What is wrong now; true if that is not known already.
    pub(super) fn complain(&self, errors: &[LoadError]) -> bool {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let mut now = self.lock();
        let known = now.trouble.as_ref();
        if known.is_some_and(|trouble| trouble.errors == errors) {
            return false;
        }
        let since = known.map_or_else(|| seconds(SystemTime::now()), |trouble| trouble.since);
        now.trouble = Some(TroubleReport { since, errors });
        true
    }

    /// Nothing is wrong any more; true if something was.
    pub(super) fn mended(&self) -> bool {
        self.lock().trouble.take().is_some()
    }

    /// Why the directory, as it is now, does not run.
    pub(crate) fn trouble(&self) -> Option<TroubleReport> {
        self.lock().trouble.clone()
    }

    /// What is wrong with filters that are stood in for, and what that means for mail.
    pub(crate) fn absent(&self) -> Vec<Absent> {
        let now = self.lock();
        now.filters
            .iter()
            .filter_map(|listed| listed.absent(&self.board))
            .collect()
    }

    /// Filters that failed over and over and are not asked for a while.
    pub(crate) fn suspended(&self) -> Vec<String> {
        let now = self.lock();
        let names = now.filters.iter().map(|listed| listed.filter.name());
        let suspended = names.filter(|name| self.board.place(name).is_suspended());
        suspended.map(str::to_owned).collect()
    }

    pub(crate) fn report(&self) -> ChainReport {
        let now = self.lock();
        ChainReport {
            generation: now.generation,
            since: seconds(now.since),
            configured_mode: word(now.configured).to_owned(),
            switched: self.board.words().0.map(Into::into),
            filters: now
                .filters
                .iter()
                .map(|it| it.report(&self.board))
                .collect(),
            load_error: now.trouble.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("no holder of this lock panics")
    }
}

impl Listed {
    fn of(held: &Held) -> Self {
        let octets = held.origin.iter().flat_map(|origin| &origin.key[..6]);
        Self {
            stem: held.stem.clone(),
            hash: octets.map(|octet| format!("{octet:02x}")).collect(),
            filter: Arc::clone(&held.filter),
            absent: held.absent.as_ref().map(ToString::to_string),
        }
    }

    fn absent(&self, board: &Switchboard) -> Option<Absent> {
        let why = self.absent.clone()?;
        let policy = self.filter.policy();
        let mode = board.place(self.filter.name()).mode(policy.mode);
        let stops = mode == Mode::Enforce && policy.on_failure != OnFailure::Skip;
        Some(match stops {
            true => Absent::StopsMail(why),
            false => Absent::IsMissed(why),
        })
    }

    fn report(&self, board: &Switchboard) -> FilterReport {
        let (filter, name) = (&self.filter, self.filter.name());
        let own = filter.policy().mode;
        let place = board.place(name);
        let tally = place.tally();
        let switched = board.switched(name).filter(|_| own != Mode::Off);
        FilterReport {
            file: self.stem.clone(),
            name: name.to_owned(),
            mode: word(place.mode(own)).to_owned(),
            own_mode: word(own).to_owned(),
            switched: switched.map(Into::into),
            stages: filter
                .stages()
                .iter()
                .map(|it| it.name().to_owned())
                .collect(),
            rights: Some(rights(filter.policy())),
            preparation: filter.preparation().to_owned(),
            hash: self.hash.clone(),
            not_loaded: self.absent.clone(),
            asked: tally.asked,
            failed: tally.failed,
            cpu_ms: u64::try_from(tally.cpu.as_millis()).unwrap_or(u64::MAX),
            breaker: place.breaker().into(),
            kept_out: tally.kept_out,
        }
    }
}
