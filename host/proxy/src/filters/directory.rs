//! The filter directory and what runs of it: one generation, replaced as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream};
use lazaret_mail::{Filter, LoadError, Loader, Policy, Unloadable};
use tokio::task::spawn_blocking;

use super::draft::{self, Draft, Key, Origin, Reading, Unread};
use super::look::{Entry, Look, Stamp};
use super::needs::Needs;

/// Filters that are compiled at once.
const LOADS: usize = 2;

/// A filter that takes part, and the files it was made from.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) stem: String,
    pub(super) origin: Option<Origin>,
    pub(super) filter: Arc<dyn Filter>,
    /// it could not be loaded and answers with its `on-failure`: why
    pub(super) absent: Option<LoadError>,
    entry: Entry,
    lists: BTreeMap<PathBuf, Stamp>,
}

/// A directory that is loaded, and loaded again where it changed.
pub(crate) struct Directory {
    path: PathBuf,
    loader: Arc<dyn Loader>,
    needs: Arc<ArcSwap<Needs>>,
    held: Vec<Held>,
    /// what failed since, so that nothing is compiled twice to no avail
    failed: BTreeMap<Origin, LoadError>,
    /// what was looked at last, with the lists as they were when they were read
    tried: Look,
}

/// What looking again came to.
#[derive(Debug)]
pub(super) enum Renewed {
    /// nothing that matters changed
    Same,
    /// files changed while they were read: look again
    Unsettled,
    /// the next generation is ready
    Changed(Change),
    /// what runs stays, for these reasons
    Refused(Vec<LoadError>),
}

/// Names of filters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) added: Vec<String>,
    pub(super) changed: Vec<String>,
    /// another number, the same filter
    pub(super) moved: Vec<String>,
    pub(super) removed: Vec<String>,
}

/// What becomes of one filter of the directory.
enum Step {
    Keep(Held),
    Read {
        stem: String,
        entry: Entry,
        reading: Box<Reading>,
    },
}

impl Directory {
    /// Loads every filter; those that cannot be loaded are stood in for.
    pub(crate) async fn open(path: PathBuf, needs: Needs, loader: Arc<dyn Loader>) -> Self {
        let (mut tried, held) = first(&path, &*loader).await;
        tried.lists = lists(&held);
        Self {
            path,
            loader,
            needs: Arc::new(ArcSwap::from_pointee(needs)),
            held,
            failed: BTreeMap::new(),
            tried,
        }
    }

    /// Where another configuration is told, also while filters are loaded: those that come later must fit it.
    pub(super) fn needs(&self) -> Arc<ArcSwap<Needs>> {
        Arc::clone(&self.needs)
    }

    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with filters that are stood in for.
    pub(crate) fn errors(&self) -> Vec<LoadError> {
        let errors = self.held.iter().filter_map(|held| held.absent.clone());
        errors.collect()
    }

    pub(crate) fn filters(&self) -> Vec<Arc<dyn Filter>> {
        let filters = self.held.iter().map(|held| Arc::clone(&held.filter));
        filters.collect()
    }

    /// Looks from outside at all files that matter.
    pub(super) async fn look(&self) -> Look {
        look(&self.path, self.tried.lists.keys().cloned().collect()).await
    }

    /// Is this what was tried last?
    pub(super) fn has_tried(&self, look: &Look) -> bool {
        self.tried == *look
    }

    /// Reads what changed and makes the next generation of it, or keeps what runs. `afresh`: reads all files, and tries
    /// again what failed.
    pub(super) async fn renew(&mut self, look: Look, afresh: bool) -> Renewed {
        if let Some(error) = self.vanished(&look) {
            self.tried = look;
            return Renewed::Refused(vec![error]);
        }
        let mut steps = plan(&look, self.held.clone(), afresh).await;
        if self.look().await != look {
            return Renewed::Unsettled;
        }
        if afresh {
            self.failed.clear();
        }
        steps.iter_mut().for_each(|step| self.refuse_early(step));
        let mut next = load_all(steps, &*self.loader).await;
        next.iter_mut().for_each(|held| self.no_worse(held));
        self.tried = Look {
            lists: lists(&next),
            ..look
        };
        self.take(next)
    }

    /// Filters that run do not end because a disk is not mounted or a copier begins by clearing.
    fn vanished(&self, look: &Look) -> Option<LoadError> {
        if look.trouble.is_some() {
            return super::absence(&self.path, look);
        }
        (look.entries.is_empty() && !self.held.is_empty()).then(|| {
            draft::error(
                &self.path,
                "holds no filter any more",
                "put the files back; to run without filters, take `filters` out of the configuration and restart"
                    .to_owned(),
            )
        })
    }

    /// Spares the compiler what is known to fail.
    fn refuse_early(&self, step: &mut Step) {
        let Step::Read { reading, entry, .. } = step else {
            return;
        };
        let Ok(draft) = &reading.result else {
            return;
        };
        let toml = entry.toml.as_ref().map(|(path, _)| path.as_path());
        let known = self.failed.get(&draft.origin).cloned();
        let origin = known.is_some().then(|| draft.origin.clone());
        let misfit = || self.needs.load().misfit(toml, &draft.source.policy);
        if let Some(error) = known.or_else(misfit) {
            reading.result = Err(Unread {
                policy: Some(draft.source.policy.clone()),
                error,
                origin,
            });
        }
    }

    /// A filter that is stood in for, and fails again, changes nothing and is in nobody's way. Of what could not be read nobody
    /// knows whether it is the same; there the reason says it.
    fn no_worse(&self, held: &mut Held) {
        let same = |old: &&Held| {
            old.stem == held.stem
                && old.key() == held.key()
                && held.absent.is_some()
                && (held.key().is_some() || old.absent == held.absent)
        };
        let before = self
            .held
            .iter()
            .filter(|old| old.absent.is_some())
            .find(same);
        if let Some(old) = before {
            held.filter = Arc::clone(&old.filter);
            if let Some(error) = held.absent.as_ref().filter(|_| old.absent != held.absent) {
                tracing::error!(%error, "filter still not loaded");
            }
        }
    }

    /// The configuration may have changed while it was loaded.
    fn misfit(&self, held: &Held) -> Option<LoadError> {
        let running = self.held.iter().any(|old| old.is(held));
        if running || held.absent.is_some() {
            return None;
        }
        let toml = held.entry.toml.as_ref().map(|(path, _)| path.as_path());
        self.needs.load().misfit(toml, held.filter.policy())
    }

    /// All or nothing.
    fn take(&mut self, next: Vec<Held>) -> Renewed {
        let stood_in = |held: &Held| {
            let before = self.held.iter().find(|old| old.is(held));
            before.is_some_and(|old| old.absent.is_some())
        };
        let (mut errors, mut failed) = (Vec::new(), Vec::new());
        for held in &next {
            let misfit = self.misfit(held);
            let absent = held.absent.as_ref().filter(|_| !stood_in(held));
            let Some(error) = absent.or(misfit.as_ref()) else {
                continue;
            };
            errors.push(error.clone());
            if misfit.is_some() {
                continue;
            }
            let origin = held.origin.clone();
            failed.extend(origin.map(|origin| (origin, error.clone())));
        }
        self.failed = failed.into_iter().collect();
        if !errors.is_empty() {
            return Renewed::Refused(errors);
        }
        let change = Change::between(&self.held, &next);
        self.held = next;
        match change == Change::default() {
            true => Renewed::Same,
            false => Renewed::Changed(change),
        }
    }
}

impl Held {
    fn new(
        stem: String,
        entry: Entry,
        lists: BTreeMap<PathBuf, Stamp>,
        origin: Option<Origin>,
        loaded: Result<Arc<dyn Filter>, (Option<Policy>, LoadError)>,
    ) -> Self {
        let (filter, absent) = match loaded {
            Ok(filter) => (filter, None),
            Err((policy, error)) => {
                let name = draft::name(&stem);
                let policy = policy.unwrap_or_default();
                let filter = Unloadable::new(name, policy, &error.problem);
                (Arc::new(filter) as Arc<dyn Filter>, Some(error))
            }
        };
        Self {
            stem,
            origin,
            filter,
            absent,
            entry,
            lists,
        }
    }

    /// No chain at all would let everything in: mail waits until somebody has looked.
    fn missing_directory(error: LoadError) -> Self {
        let stem = "filters".to_owned();
        let nothing = (Entry::default(), BTreeMap::new());
        Self::new(stem, nothing.0, nothing.1, None, Err((None, error)))
    }

    fn key(&self) -> Option<Key> {
        self.origin.as_ref().map(|origin| origin.key)
    }

    /// Are these the files it was made from, untouched?
    fn matches(&self, stem: &str, entry: &Entry, look: &Look) -> bool {
        let same = |(path, stamp): (&PathBuf, &Stamp)| look.lists.get(path) == Some(stamp);
        self.stem == stem && self.entry == *entry && self.watched().all(same)
    }

    /// Lists whose change makes it another, or may mend it: at those of `[lists]` the host looks once a filter was loaded.
    fn watched(&self) -> impl Iterator<Item = (&PathBuf, &Stamp)> {
        let absent = self.origin.as_ref().filter(|_| self.absent.is_some());
        let waited_for = absent.into_iter().flat_map(|origin| &origin.held_lists);
        self.lists.iter().chain(waited_for)
    }

    /// The very same filter?
    fn is(&self, other: &Held) -> bool {
        Arc::ptr_eq(&self.filter, &other.filter)
    }
}

impl Change {
    fn between(before: &[Held], after: &[Held]) -> Self {
        let mut change = Self::default();
        for held in after {
            let name = held.filter.name().to_owned();
            match before.iter().find(|old| old.filter.name() == name) {
                None => change.added.push(name),
                Some(old) if !old.is(held) => change.changed.push(name),
                Some(old) if old.stem != held.stem => change.moved.push(name),
                Some(_) => {}
            }
        }
        let is_gone = |old: &&Held| {
            let name = old.filter.name();
            after.iter().all(|held| held.filter.name() != name)
        };
        let gone = before.iter().filter(is_gone);
        change.removed = gone.map(|old| old.filter.name().to_owned()).collect();
        change
    }
}

/// `+added ~changed >moved -removed`
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [
            ('+', &self.added),
            ('~', &self.changed),
            ('>', &self.moved),
            ('-', &self.removed),
        ];
        let signed = |(sign, names): (char, &Vec<String>)| {
            let signed = names.iter().map(|name| format!("{sign}{name}"));
            signed.collect::<Vec<_>>()
        };
        let words: Vec<_> = kinds.into_iter().flat_map(signed).collect();
        f.write_str(&words.join(" "))
    }
}

/// Every filter of a directory that nothing is known of.
pub(super) async fn load_once(directory: &Path, loader: &dyn Loader) -> Vec<Held> {
    first(directory, loader).await.1
}

async fn first(directory: &Path, loader: &dyn Loader) -> (Look, Vec<Held>) {
    let look = look(directory, BTreeSet::new()).await;
    let held = match super::absence(directory, &look) {
        Some(error) => vec![Held::missing_directory(error)],
        None => load_all(plan(&look, Vec::new(), false).await, loader).await,
    };
    (look, held)
}

async fn look(directory: &Path, lists: BTreeSet<PathBuf>) -> Look {
    let directory = directory.to_owned();
    spawn_blocking(move || Look::at(&directory, &lists))
        .await
        .expect("looking at files does not panic")
}

/// Reads what is not known yet.
async fn plan(look: &Look, held: Vec<Held>, afresh: bool) -> Vec<Step> {
    let look = look.clone();
    let plan = move || {
        let twice = draft::twice(look.entries.keys());
        let entries = look.entries.iter();
        entries
            .map(|(stem, entry)| step(stem, entry, &look, &held, &twice, afresh))
            .collect()
    };
    spawn_blocking(plan)
        .await
        .expect("reading files does not panic")
}

fn step(
    stem: &str,
    entry: &Entry,
    look: &Look,
    held: &[Held],
    twice: &BTreeSet<String>,
    afresh: bool,
) -> Step {
    // Two of a name are wrong whether they were touched or not; what has no key could not be read, for reasons that may
    // lie elsewhere.
    let alone = !twice.contains(draft::name(stem));
    let untouched = held
        .iter()
        .find(|held| !afresh && alone && held.origin.is_some() && held.matches(stem, entry, look));
    if let Some(held) = untouched {
        return Step::Keep(held.clone());
    }
    let reading = draft::read(stem, entry, twice);
    let origin = reading.result.as_ref().ok().map(|draft| &draft.origin);
    let same = |held: &&Held| match held.absent {
        None => origin.is_some() && held.key() == origin.map(|origin| origin.key),
        Some(_) => !afresh && origin.is_some() && held.origin.as_ref() == origin,
    };
    match held.iter().find(same) {
        Some(held) => Step::Keep(Held {
            stem: stem.to_owned(),
            entry: entry.clone(),
            lists: reading.lists,
            ..held.clone()
        }),
        None => Step::Read {
            stem: stem.to_owned(),
            entry: entry.clone(),
            reading: Box::new(reading),
        },
    }
}

/// In order, a few at once.
async fn load_all(steps: Vec<Step>, loader: &dyn Loader) -> Vec<Held> {
    let loads = steps.into_iter().map(|step| load(step, loader));
    stream::iter(loads).buffered(LOADS).collect().await
}

async fn load(step: Step, loader: &dyn Loader) -> Held {
    let (stem, entry, reading) = match step {
        Step::Keep(held) => return held,
        Step::Read {
            stem,
            entry,
            reading,
        } => (stem, entry, *reading),
    };
    let (origin, loaded) = match reading.result {
        Err(unread) => (unread.origin, Err((unread.policy, unread.error))),
        Ok(Draft { origin, source }) => {
            let policy = source.policy.clone();
            let loaded = loader.load(source).await;
            (Some(origin), loaded.map_err(|error| (Some(policy), error)))
        }
    };
    Held::new(stem, entry, reading.lists, origin, loaded)
}

fn lists(held: &[Held]) -> BTreeMap<PathBuf, Stamp> {
    let lists = held.iter().flat_map(Held::watched);
    lists.map(|(path, stamp)| (path.clone(), *stamp)).collect()
}
