//! `cargo xtask hostile`: the whole set, over and over, beside clients that do nothing wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_engine::EngineSettings;

use super::files::{self, Family};
use super::good::Good;
use super::nursery::{Loaded, Nursery};
use super::{Attack, Site, examine, invoke, invoke_in_time, is_late, process, set, witness};
use crate::Window;

/// Attackers at once.
const ATTACKERS: u64 = 4;
/// Good clients at once.
const GOOD: usize = 2;
/// An attack is played so often at once, then it is quiet for half as long.
const ROUND: u64 = 8;
/// A quiet window is never shorter: the good clients must get to send.
const LEAST_QUIET: Duration = Duration::from_millis(25);
/// Nor longer.
const MOST_QUIET: Duration = Duration::from_millis(500);
/// Growth of resident memory over the whole run that is not a leak: an allocator keeps what it had at the worst moment.
const MEMORY_SLACK: u64 = 48 << 20;
/// Descriptors that may be on their way to be closed.
const DESCRIPTOR_SLACK: usize = 8;
/// Between two files there are so many attacks.
const FILES_EVERY: u64 = 40;

/// What became of one attack at one stage, or of one kind of file.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// e.g. `endless loop`
    pub kind: String,
    /// e.g. `mail`, or `load`
    pub stage: &'static str,
    /// what was heard the last time
    pub answer: String,
    /// invocations
    pub times: u64,
    /// the longest call in CPU time
    pub longest: Duration,
    /// until it was loaded or refused, in real time; zero for what was loaded before
    pub loading: Duration,
    /// messages of the good clients meanwhile
    pub attack: Vec<Duration>,
    /// messages of the good clients just after
    pub quiet: Vec<Duration>,
    /// what the process held before it was played for the last time
    pub base: Held,
    /// what it held after that
    pub held: Held,
    /// the first thing that was wrong
    pub fault: Option<String>,
}

/// What the process held at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// octets resident
    pub resident: u64,
    /// open descriptors
    pub descriptors: usize,
}

impl Held {
    fn now() -> Self {
        Self {
            resident: process::resident(),
            descriptors: process::descriptors(),
        }
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// one for each attack at each stage, and for each kind of file
    pub rows: Vec<Row>,
    /// after everything was played once
    pub before: Held,
    /// at the end, when all was quiet
    pub after: Held,
    /// messages that the good clients were promised
    pub accepted: u64,
    /// how long all of it took
    pub took: Duration,
    /// what was wrong besides the rows
    pub faults: Vec<String>,
}

impl Outcome {
    /// Invocations of all rows.
    pub fn invocations(&self) -> u64 {
        self.rows.iter().map(|row| row.times).sum()
    }

    /// Was everything as it must be?
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.rows.iter().all(|row| row.fault.is_none())
    }
}

/// Plays everything until there are `invocations` of it; `progress` is told the count and what goes on.
pub fn run(invocations: u64, nursery: &Nursery, progress: &dyn Fn(u64, &str)) -> Outcome {
    let begun = Instant::now();
    progress(0, "loading the set");
    let attacks = set::asked();
    // Hundreds of filters that compile need no process of their own each.
    let site = Arc::new(Site::start(&attacks, EngineSettings::default()));
    let mut arena = Arena::new(site, attacks, nursery);
    arena.play_each_once(progress);
    arena.outcome.before = Held::now();
    arena.play_on(invocations, progress);
    let mut outcome = arena.finish();
    outcome.took = begun.elapsed();
    outcome
}

/// The running site and all that takes part.
struct Arena<'n> {
    site: Arc<Site>,
    attacks: Vec<Attack>,
    families: Vec<Family>,
    nursery: &'n Nursery,
    good: Vec<Good>,
    played: u64,
    /// rows: first the attacks, then the families
    outcome: Outcome,
}

impl<'n> Arena<'n> {
    fn new(site: Arc<Site>, attacks: Vec<Attack>, nursery: &'n Nursery) -> Self {
        let mut families = files::families();
        families.retain(|family| !family.is_slow || nursery.is_apart());
        let row = |kind: &str, stage| Row {
            kind: kind.to_owned(),
            stage,
            ..Row::default()
        };
        let asked = attacks
            .iter()
            .map(|attack| row(attack.kind, attack.point.name()));
        let loaded = families
            .iter()
            .map(|family| row(&family.kind, family.stage));
        let rows = asked.chain(loaded).collect();
        let good = (0..GOOD).map(|n| Good::start(&site, &format!("good-{n}")));
        Self {
            good: good.collect(),
            outcome: Outcome {
                rows,
                ..Outcome::default()
            },
            played: 0,
            site,
            attacks,
            families,
            nursery,
        }
    }

    /// So that every page is touched that ever will be.
    fn play_each_once(&mut self, progress: &dyn Fn(u64, &str)) {
        for attack in 0..self.attacks.len() {
            self.attack(attack, 1);
            progress(self.played, self.attacks[attack].kind);
        }
        for family in 0..self.families.len() {
            self.load(family);
            progress(self.played, &self.families[family].kind);
        }
        std::thread::sleep(Duration::from_millis(500));
    }

    fn play_on(&mut self, invocations: u64, progress: &dyn Fn(u64, &str)) {
        let quick: Vec<usize> = (0..self.families.len())
            .filter(|family| !self.families[*family].is_slow)
            .collect();
        let (mut attacks, mut files) = ((0..self.attacks.len()).cycle(), quick.into_iter().cycle());
        let mut rounds = 0;
        while self.played < invocations {
            let attack = attacks.next().expect("the set is not empty");
            self.attack(attack, ROUND.min(invocations - self.played));
            progress(self.played, self.attacks[attack].kind);
            rounds += 1;
            if rounds % (FILES_EVERY / ROUND) == 0 && self.played < invocations {
                let family = files.next().expect("there are files");
                self.load(family);
            }
        }
    }

    /// One attack `times` over, then quiet for a while.
    fn attack(&mut self, at: usize, times: u64) {
        let (site, attack) = (&self.site, &self.attacks[at]);
        let (from, base) = (self.played, Held::now());
        let play = |first| {
            let numbers = (first..times).step_by(ATTACKERS as usize);
            numbers
                .map(|n| invoke(site, attack, from + n))
                .collect::<Vec<_>>()
        };
        let begun = self.enter(Window::Attack);
        let played: Vec<_> = std::thread::scope(|scope| {
            let play = &play;
            let threads: Vec<_> = (0..ATTACKERS)
                .map(|first| scope.spawn(move || play(first)))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("faults are caught"))
                .collect()
        });
        self.quiet(at, begun);
        let row = &mut self.outcome.rows[at];
        row.base = base;
        for played in played {
            row.times += 1;
            match played {
                Ok(said) => row.answer = said,
                Err(fault) => row.fault = row.fault.take().or(Some(fault)),
            }
        }
        self.played += times;
    }

    /// The next file of a family, then quiet for a while.
    fn load(&mut self, family: usize) {
        let at = self.attacks.len() + family;
        let specimen = self.families[family].specimen(self.outcome.rows[at].times);
        let base = Held::now();
        let begun = self.enter(Window::Attack);
        let tried = self.nursery.try_out(&specimen);
        self.quiet(at, begun);
        let row = &mut self.outcome.rows[at];
        row.base = base;
        row.times += 1;
        self.played += 1;
        match tried {
            Ok(Loaded {
                answer,
                took,
                asked,
            }) => {
                row.answer = answer;
                row.loading = row.loading.max(took);
                row.longest = row.longest.max(asked.longest);
            }
            Err(fault) => row.fault = row.fault.take().or(Some(fault)),
        }
    }

    fn enter(&self, window: Window) -> Instant {
        self.good.iter().for_each(|good| good.enter(window));
        Instant::now()
    }

    /// What began at `begun` is over: quiet for half as long, and what the good clients tell of both belongs to that row.
    fn quiet(&mut self, at: usize, begun: Instant) {
        let took = (begun.elapsed() / 2).clamp(LEAST_QUIET, MOST_QUIET);
        self.enter(Window::Quiet);
        std::thread::sleep(took);
        for good in 0..self.good.len() {
            let life = self.good[good].tell();
            self.outcome.accepted += life.accepted;
            self.outcome.faults.extend(life.faults);
            let row = &mut self.outcome.rows[at];
            row.attack.extend(life.attack);
            row.quiet.extend(life.quiet);
            row.held = Held::now();
        }
    }

    fn finish(mut self) -> Outcome {
        for (at, (attack, row)) in self.attacks.iter().zip(&mut self.outcome.rows).enumerate() {
            let seen = examine(attack, row.times);
            // Once more on its own, with numbers that nobody had.
            let seen = match seen {
                Err(fault) if is_late(&fault) => {
                    witness::forget_at(&attack.name(), attack.point.name());
                    invoke_in_time(&self.site, attack, (at as u64 + 1) << 32)
                }
                seen => seen,
            };
            match seen {
                Ok(seen) => row.longest = seen.longest,
                Err(fault) => row.fault = row.fault.take().or(Some(fault)),
            }
        }
        for good in self.good.drain(..) {
            let life = good.finish();
            self.outcome.accepted += life.accepted;
            self.outcome.faults.extend(life.faults);
        }
        let rest = self.site.sink.rest();
        if !rest.is_empty() {
            let fault = format!("messages that nobody sent, or twice: {}", rest.join(", "));
            self.outcome.faults.push(fault);
        }
        std::thread::sleep(Duration::from_secs(1));
        self.outcome.after = Held::now();
        judge_growth(&mut self.outcome);
        witness::forget();
        self.outcome
    }
}

fn judge_growth(outcome: &mut Outcome) {
    let (before, after) = (outcome.before, outcome.after);
    if after.resident > before.resident + MEMORY_SLACK {
        let grown = (after.resident - before.resident) >> 20;
        outcome
            .faults
            .push(format!("resident memory grew by {grown} MiB"));
    }
    if after.descriptors > before.descriptors + DESCRIPTOR_SLACK {
        let grown = after.descriptors - before.descriptors;
        outcome
            .faults
            .push(format!("{grown} descriptors were not closed"));
    }
}
