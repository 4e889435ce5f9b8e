//! Instantiates the instrumented component and runs `configure` under its limits.

use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::{EditScope, FailureKind, LoadError};
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store, UpdateDeadline};

use super::Order;
use crate::boot::{BootFault, Phase, call_configure, not_bootable, refuse_memory};
use crate::clock::Clock;
use crate::clues::{Reporter, of_the_late};
use crate::contain::{Stopped, contained, explain};
use crate::contract::Permission;
use crate::grants::{ClientNames, Rights};
use crate::guest::Guest;
use crate::imports::{Ctx, link};
use crate::inspect::fault;
use crate::journal::{Ear, Journal};
use crate::limiter::Limiter;
use crate::lines::Lines;
use crate::meter::{Look, Meter};

/// Where a component is configured.
pub struct Bench<'a> {
    /// limits and name
    pub order: &'a Order,
    /// compiled the component
    pub engine: &'a Engine,
    /// what it imports of the contract
    pub permissions: &'a [Permission],
    /// of these, what is linked to stubs
    pub denied: Vec<Permission>,
    /// lines of its source
    pub lines: &'a Lines,
}

/// A component that was instantiated and configured.
pub struct Configured {
    /// all its memory
    pub store: Store<Guest>,
    /// the component in it
    pub instance: Instance,
    /// runs calls into it
    pub runtime: Runtime,
}

/// Instantiates and configures, each under its own CPU budget and both under one wall.
pub fn configured(
    bench: &Bench<'_>,
    component: &Component,
    config: &str,
) -> Result<Configured, LoadError> {
    refuse_memory(component, bench.order.memory, bench.order.max_memory)?;
    let mut linker = Linker::new(bench.engine);
    let linked = link(&mut linker, bench.permissions, &bench.denied);
    let pre = linked.and_then(|()| linker.instantiate_pre(component));
    let pre = pre.map_err(|error| crate::machine::link_fault(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| {
            fault(
                format!("no runtime for its configure: {error}"),
                "try again",
            )
        })?;
    let wall = bench.order.limits.configure_wall;
    let meter = Arc::new(Meter::default());
    let run = async {
        let run = bench.run(component, &pre, config, &meter);
        let run = tokio::time::timeout(wall, run).await;
        run.unwrap_or_else(|_| Err(late(wall, &meter)))
    };
    let (store, instance) = runtime.block_on(run)?;
    Ok(Configured {
        store,
        instance,
        runtime,
    })
}

fn late(wall: Duration, meter: &Meter) -> LoadError {
    let fault = BootFault::Failed(FailureKind::Wall(wall), Box::new(of_the_late(meter)));
    not_bootable(Phase::Configure, fault)
}

impl Bench<'_> {
    async fn run(
        &self,
        component: &Component,
        pre: &InstancePre<Guest>,
        config: &str,
        meter: &Arc<Meter>,
    ) -> Result<(Store<Guest>, Instance), LoadError> {
        let limits = &self.order.limits;
        let journal = Arc::new(Journal::new(
            (*self.order.name).into(),
            &self.order.call,
            Ear::Mail,
        ));
        let mut store = self.store(meter, &journal);
        store.data_mut().ctx.begin(None);
        let started = pre.instantiate_async(&mut store);
        let started = contained(meter, limits.start_time, started).await;
        let failed = |stopped, cpu: Duration, store: &Store<Guest>, phase| {
            journal.end();
            self.failed(stopped, cpu, store, phase, &journal)
        };
        let instance =
            started.map_err(|stopped| failed(stopped, limits.start_time, &store, Phase::Start))?;
        let Some(configure) = component.get_export_index(None, "configure") else {
            return Ok((store, instance));
        };
        let call = call_configure(&mut store, &instance, configure, config);
        let done = contained(meter, limits.configure_time, call)
            .await
            .map_err(|stopped| failed(stopped, limits.configure_time, &store, Phase::Configure))?;
        journal.end();
        match done {
            Ok(()) => Ok((store, instance)),
            Err(words) => Err(not_bootable(Phase::Configure, BootFault::Complaint(words))),
        }
    }

    fn failed(
        &self,
        stopped: Stopped,
        cpu: Duration,
        store: &Store<Guest>,
        phase: Phase,
        journal: &Journal,
    ) -> LoadError {
        let limiter = &store.data().limiter;
        let clues = Reporter::default().clues(&stopped, limiter, journal, self.lines);
        let kind = explain(stopped, cpu, store, journal, self.order.call.argument);
        let starved = limiter.is_starved() || is_for_want_of_memory(&kind);
        let error = not_bootable(phase, BootFault::Failed(kind, Box::new(clues)));
        match starved {
            true => self.starved(error),
            false => error,
        }
    }

    /// It stayed within its own `memory`: what is at its end is what all of the preparation may use.
    fn starved(&self, error: LoadError) -> LoadError {
        let most = self.order.limits.memory >> 20;
        LoadError {
            problem: format!(
                "its preparation may use {most} MiB of memory in all, its compiler included, and the filter wanted more \
                 (within its own `memory` of {} MiB)",
                self.order.memory >> 20
            ),
            cure: "give it less to hold".to_owned(),
            ..error
        }
    }

    /// A store with all limits of a sandbox.
    fn store(&self, meter: &Arc<Meter>, journal: &Arc<Journal>) -> Store<Guest> {
        // In `configure` there is nothing to edit and to score: no grant is needed to say so.
        let rights = Rights {
            denied: self.denied.clone(),
            edits: EditScope::of(&[]),
            score: (0.0, 0.0),
            client_name: ClientNames::Hidden,
            tcp: Vec::new(),
            // stdout and stderr are streams, too, with caps of their own
            tcp_size: u64::MAX,
            tcp_time: Duration::ZERO,
            may_send: false,
            remarks: Vec::new(),
        };
        let ctx = Ctx::new(
            (*self.order.name).into(),
            Arc::new(rights),
            Arc::new(self.order.call.clone()),
            journal.clone(),
            Arc::default(),
            None,
        );
        let memory = usize::try_from(self.order.memory).unwrap_or(usize::MAX);
        let limiter = Limiter::new(memory, self.order.table_elements);
        let guest = Guest::new(ctx, limiter, Clock::configure());
        let mut store = Store::new(self.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(self.order.call.argument);
        let meter = meter.clone();
        store.epoch_deadline_callback(move |_| {
            Ok(match meter.look() {
                Look::Exhausted => UpdateDeadline::Interrupt,
                Look::Due | Look::Early => {
                    UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
                }
            })
        });
        store.set_epoch_deadline(1);
        store
    }
}

/// The system's own words, where it had no memory for an instance.
fn is_for_want_of_memory(kind: &FailureKind) -> bool {
    matches!(kind, FailureKind::Trap(words) if words.contains("Cannot allocate memory"))
}
