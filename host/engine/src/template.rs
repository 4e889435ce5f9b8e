//! A filter made ready: compiled, linked, tried once. Sandboxes are forked from it.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lazaret_mail::{FailureKind, LoadError, Policy, Stage, StageSet};
use lazaret_services::Reach;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, Linker};
use wasmtime::{Store, UpdateDeadline};

use crate::boot::{BootFault, Phase, call_configure, not_bootable, refuse_memory};
use crate::clock::Clock;
use crate::clues::{Reporter, of_the_late};
use crate::contain::{Stopped, contained, explain};
use crate::engine::Engine;
use crate::grants::Rights;
use crate::guest::Guest;
use crate::imports::{Ctx, link};
use crate::inspect::Preparation;
use crate::journal::{Ear, Journal};
use crate::limiter::Limiter;
use crate::lines::Lines;
use crate::machine::{compile_fault, link_fault};
use crate::meter::{Look, Meter};
use crate::pages::can_be_told;
use crate::parked::Lot;
use crate::prepare::Product;
use crate::renewal::{Footing, Renewal};
use crate::settings::CallLimits;
use crate::stages::{Exports, Found};

/// CPU that a fork may use in any case.
const LEAST_BOOT: Duration = Duration::from_millis(50);
/// Seconds of CPU that a message's size can add.
const MOST_BY_SIZE: f64 = 3600.0;
/// Forks may take this many times the CPU that the first `configure` took.
const FORK_SLACK: u32 = 8;
/// … but no longer than it by more than this.
const FORK_MARGIN: Duration = Duration::from_secs(1);

/// Used sandboxes that are tried before one is made.
const RENEWALS: usize = 2;

/// So many sandboxes of which too much was to be restored make it unlikely that the next is another.
const MOST_FUTILE: u32 = 8;
/// … and then one of so many is tried.
const FUTILE_EACH: u32 = 64;
/// After so many that could not be put back no more are.
const MOST_FAULTS: u32 = 3;

/// One for each loaded filter.
pub struct Template {
    name: Arc<str>,
    engine: Engine,
    instance: InstancePre<Guest>,
    exports: Exports,
    /// called in each fork; None where there is none, or where the fork starts from a snapshot
    configure: Option<ComponentExportIndex>,
    preparation: Preparation,
    /// the same in words
    prepared: String,
    stages: StageSet,
    policy: Policy,
    rights: Arc<Rights>,
    /// empty until it is in service
    reach: OnceLock<Arc<Reach>>,
    limits: Arc<CallLimits>,
    boot_cpu: Duration,
    slots: u32,
    lines: Lines,
    /// of failures before the first question
    reporter: Reporter,
    /// None where a used sandbox cannot be put back
    renewal: Option<Renewal>,
    /// how often putting one back went wrong, which it never should
    faults: AtomicU32,
    /// sandboxes one after the other of which more was to be restored than pays, and those that were not kept after them
    futile: AtomicU32,
    lot: Arc<Lot>,
}

/// A sandbox that is instantiated and configured. Dropped as a whole after any failure.
pub struct Live {
    /// the store with all memory of the guest
    pub store: Store<Guest>,
    /// the component in it
    pub instance: Instance,
    /// functions of it that were called
    pub found: Found,
    /// its log
    pub journal: Arc<Journal>,
    footing: Option<Footing>,
    slots: OwnedSemaphorePermit,
}

impl Live {
    /// Slots that it holds.
    pub fn slots(&self) -> usize {
        self.slots.num_permits()
    }
}

impl Template {
    /// Takes a prepared filter over and links it; where blocking is allowed.
    pub fn make(
        engine: &Engine,
        name: &str,
        product: &Product,
        rights: Rights,
        policy: Policy,
    ) -> Result<Self, LoadError> {
        let Product {
            seen,
            preparation,
            ground,
            ..
        } = product;
        let component = product.code.component(engine.wasm());
        let component = component.map_err(|error| compile_fault(&error))?;
        refuse_memory(&component, policy.memory, engine.settings().max_memory)?;
        let mut linker = Linker::new(engine.wasm());
        let linked = link(&mut linker, &seen.permissions, &rights.denied);
        let instance = linked.and_then(|()| linker.instantiate_pre(&component));
        let instance = instance.map_err(|error| link_fault(&error))?;
        let exports = Exports::find(&instance, seen.stages).map_err(|error| link_fault(&error))?;
        let configure = match preparation {
            Preparation::InEachFork(_) => component.get_export_index(None, "configure"),
            Preparation::Snapshot | Preparation::Absent => None,
        };
        let settings = engine.settings();
        let renewal = ground.and_then(|ground| Renewal::of(&component, ground));
        let instances = seen.core_instances + u32::from(renewal.is_some());
        let slots = engine.slots_of(&component, instances);
        Ok(Self {
            name: name.into(),
            slots,
            renewal: renewal.filter(|_| can_be_told()),
            faults: AtomicU32::new(0),
            futile: AtomicU32::new(0),
            lot: engine.lot(slots),
            engine: engine.clone(),
            instance,
            exports,
            boot_cpu: match configure {
                Some(_) => settings.prepare.configure_time,
                None => settings.prepare.start_time,
            },
            configure,
            prepared: preparation.to_string(),
            preparation: preparation.clone(),
            stages: policy.narrow(seen.stages),
            policy,
            rights: Arc::new(rights),
            reach: OnceLock::new(),
            limits: Arc::new(settings.call.clone()),
            lines: product.lines.clone(),
            reporter: Reporter::default(),
        })
    }

    /// Makes one sandbox to see whether it can be done, and takes the measure of all later ones. The first one of a
    /// snapshot is slow: it makes the image of memory that all later ones share.
    pub async fn tried(mut self) -> Result<Self, LoadError> {
        let meter = self.engine.meter();
        let wall = self.engine.settings().prepare.configure_wall;
        let tried = tokio::time::timeout(wall, self.fork(&meter)).await;
        let late = || BootFault::Failed(FailureKind::Wall(wall), Box::new(of_the_late(&meter)));
        let tried = tried.unwrap_or_else(|_| Err(late()));
        tried.map_err(|fault| not_bootable(self.phase(), fault))?;
        let took = meter.spent();
        let configured = matches!(self.preparation, Preparation::InEachFork(_));
        if configured && took > self.policy.time {
            let time = self.policy.time;
            tracing::warn!(
                filter = &*self.name,
                ?took,
                ?time,
                "each sandbox costs this much CPU before its first question"
            );
        }
        // Of a snapshot nothing runs before the first question: what took its time was the image.
        self.boot_cpu = match configured {
            true => boot_cpu(took, self.policy.time),
            false => boot_cpu(Duration::ZERO, self.policy.time),
        };
        tracing::debug!(filter = &*self.name, ?took, "tried one sandbox");
        Ok(self)
    }

    /// For sandboxes that are made from now on its services are there.
    pub fn put_in_service(&self, reach: Arc<Reach>) {
        let first = self.reach.set(reach).is_ok();
        debug_assert!(first, "a filter goes into service once");
    }

    fn phase(&self) -> Phase {
        match self.configure {
            Some(_) => Phase::Configure,
            None => Phase::Start,
        }
    }

    /// A sandbox as `fork` makes it: one that was used and put back, or else a fresh one.
    pub async fn sandbox(&self, meter: &Arc<Meter>) -> Result<Box<Live>, BootFault> {
        for _ in 0..RENEWALS {
            let Some(used) = self.lot.take() else {
                break;
            };
            if let Some(renewed) = self.renewed(used, meter).await {
                self.engine.count_renewed();
                return Ok(renewed);
            }
        }
        // In a box of its own: seldom wanted, and far larger than the rest.
        Ok(Box::new(Box::pin(self.fork(meter)).await?))
    }

    /// Whoever has no more questions for a sandbox leaves it here. Kept is only what can be put back: the size of its
    /// memory is that of the start, and the host has nothing for it.
    pub fn leave(&self, live: Box<Live>) {
        let guest = live.store.data();
        let as_made = |renewal: &Renewal| guest.limiter.memory() == renewal.memory();
        let wanted = self.reach.get().is_some() && !self.engine.is_short() && self.may_pay();
        if wanted && self.renewal.as_ref().is_some_and(as_made) && guest.knows_no_wasi() {
            self.lot.park(live);
        }
    }

    /// None where it could not be put back: it is gone.
    async fn renewed(&self, mut live: Box<Live>, meter: &Arc<Meter>) -> Option<Box<Live>> {
        let renewal = self.renewal.as_ref()?;
        let reach = self.reach.get();
        match live.journal.ear() == ear(reach) {
            true => live.journal.renew(&self.limits),
            false => live.journal = self.journal(),
        }
        let ctx = &mut live.store.data_mut().ctx;
        ctx.renew(&live.journal, meter, reach);
        watch(&mut live.store, meter);
        live.store.data_mut().ctx.begin(None);
        let Live {
            store,
            instance,
            footing,
            ..
        } = &mut *live;
        let work = renewal.renew(store, instance, footing);
        let done = contained(meter, self.boot_cpu, work).await;
        live.journal.end();
        match done {
            Ok(true) => {
                self.futile.store(0, Relaxed);
                Some(live)
            }
            Ok(false) => {
                self.futile.fetch_add(1, Relaxed);
                None
            }
            Err(stopped) => {
                self.went_wrong(&stopped);
                None
            }
        }
    }

    /// After so many in vain only some are still tried.
    fn may_pay(&self) -> bool {
        let in_vain = self.futile.load(Relaxed) >= MOST_FUTILE;
        let tried = !in_vain
            || self
                .futile
                .fetch_add(1, Relaxed)
                .is_multiple_of(FUTILE_EACH);
        tried && self.faults.load(Relaxed) < MOST_FAULTS
    }

    fn went_wrong(&self, stopped: &Stopped) {
        let faults = self.faults.fetch_add(1, Relaxed) + 1;
        if faults == MOST_FAULTS {
            let filter = &*self.name;
            tracing::warn!(
                filter,
                ?stopped,
                "its sandboxes are made anew each time: {faults} could not be put back"
            );
        }
    }

    /// A fresh sandbox, configured: no memory of it was ever another's. Waits for slots for at most half of `wall`.
    pub async fn fork(&self, meter: &Arc<Meter>) -> Result<Live, BootFault> {
        let wait = tokio::time::timeout(self.policy.wall / 2, self.engine.slots(self.slots));
        let slots = wait.await.map_err(|_| no_slot())?;
        let (ctx, journal) = self.ctx(meter);
        let mut store = self.store(ctx, meter);
        store.data_mut().ctx.begin(None);
        let booted = contained(meter, self.boot_cpu, self.boot(&mut store)).await;
        journal.end();
        match booted {
            Ok((instance, Ok(()))) => {
                self.engine.count_made();
                Ok(Live {
                    store,
                    instance,
                    found: Found::default(),
                    journal,
                    footing: None,
                    slots,
                })
            }
            Ok((_, Err(complaint))) => Err(BootFault::Complaint(complaint)),
            Err(stopped) => Err(self.not_born(stopped, &store, &journal)),
        }
    }

    fn not_born(&self, stopped: Stopped, store: &Store<Guest>, journal: &Journal) -> BootFault {
        let limiter = &store.data().limiter;
        let clues = self.reporter.clues(&stopped, limiter, journal, &self.lines);
        let argument = self.limits.argument;
        let kind = explain(stopped, self.boot_cpu, store, journal, argument);
        BootFault::Failed(kind, Box::new(clues))
    }

    /// Instantiates, which runs the guest's start functions, and configures.
    async fn boot(
        &self,
        store: &mut Store<Guest>,
    ) -> wasmtime::Result<(Instance, Result<(), String>)> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        let Some(configure) = self.configure else {
            return Ok((instance, Ok(())));
        };
        let done = call_configure(store, &instance, configure, &self.policy.config).await?;
        Ok((instance, done))
    }

    /// What the host keeps for a sandbox, and its log.
    fn ctx(&self, meter: &Arc<Meter>) -> (Ctx, Arc<Journal>) {
        let reach = self.reach.get();
        let journal = self.journal();
        let ctx = Ctx::new(
            self.name.clone(),
            self.rights.clone(),
            self.limits.clone(),
            journal.clone(),
            meter.clone(),
            reach.cloned(),
        );
        (ctx, journal)
    }

    fn journal(&self) -> Arc<Journal> {
        let ear = ear(self.reach.get());
        Arc::new(Journal::new(self.name.clone(), &self.limits, ear))
    }

    /// A store with all its limits set: whoever forgets one of them has a guest that never yields.
    fn store(&self, ctx: Ctx, meter: &Arc<Meter>) -> Store<Guest> {
        let memory = usize::try_from(self.policy.memory).unwrap_or(usize::MAX);
        let limiter = Limiter::new(memory, self.engine.settings().table_elements);
        let mut store = Store::new(self.engine.wasm(), Guest::new(ctx, limiter, Clock::Fork));
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(self.limits.argument);
        watch(&mut store, meter);
        store
    }

    /// CPU that a stage may use. Where a message is looked at, its size counts (octets).
    pub fn cpu_at(&self, stage: Stage, message: Option<u64>) -> Duration {
        let octets = match stage {
            Stage::Headers | Stage::Message | Stage::Outcome => message.unwrap_or(0),
            _ => return self.policy.time,
        };
        let mib = octets as f64 / (1 << 20) as f64;
        let by_size = self.policy.time_per_mib.as_secs_f64() * mib;
        self.policy.time + Duration::from_secs_f64(by_size.min(MOST_BY_SIZE))
    }

    /// Where it runs.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The filter's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where its stages are.
    pub fn exports(&self) -> &Exports {
        &self.exports
    }

    /// Lines of its source, where it was built with them.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// How its sandboxes come by their configured state.
    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// The same in words.
    pub fn prepared(&self) -> &str {
        &self.prepared
    }

    /// The stages it is asked at.
    pub fn stages(&self) -> StageSet {
        self.stages
    }

    /// What the operator wrote.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Caps of one call.
    pub fn call_limits(&self) -> &CallLimits {
        &self.limits
    }
}

/// Whose CPU time its guest's is, and how it yields.
fn watch(store: &mut Store<Guest>, meter: &Arc<Meter>) {
    let meter = meter.clone();
    // Tokio's own yield lets its driver run: with a plain one, a loop would keep its worker from sockets for long.
    store.epoch_deadline_callback(move |_| {
        Ok(match meter.look() {
            Look::Exhausted => UpdateDeadline::Interrupt,
            Look::Due => UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())),
            Look::Early => UpdateDeadline::Continue(1),
        })
    });
    store.set_epoch_deadline(1);
}

/// What has the outside works for mail.
fn ear(reach: Option<&Arc<Reach>>) -> Ear {
    reach.map_or(Ear::Trial, |_| Ear::Mail)
}

fn no_slot() -> BootFault {
    FailureKind::Busy.into()
}

/// CPU that a fork may use, where the trial took `took`: `time` is for the questions, and a filter that is slow to
/// configure must not be allowed its whole `wall`.
fn boot_cpu(took: Duration, time: Duration) -> Duration {
    let slack = (took * FORK_SLACK).min(took + FORK_MARGIN);
    slack.max(time).max(LEAST_BOOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_may_use_what_the_trial_used_and_some_more() {
        let millis = Duration::from_millis;
        assert_eq!(boot_cpu(millis(0), millis(10)), LEAST_BOOT);
        assert_eq!(boot_cpu(millis(1), millis(250)), millis(250));
        assert_eq!(boot_cpu(millis(100), millis(250)), millis(800));
        assert_eq!(boot_cpu(millis(2000), millis(250)), millis(3000));
    }
}
