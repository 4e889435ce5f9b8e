//! Playing a plan.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::dialogue::Fault;
use crate::plan::{Ending, Plan};
use crate::process::own_cpu;
use crate::report::{Report, Tally};
use crate::session::{Script, Session};
use crate::tls;
use crate::workers::{run, share, spread};

/// Plays `plan` and tells what came of it; returns when the last connection is closed. A connection on which something
/// else happens than the plan says is a failure, and its slot is not used again: a dead server ends the load.
pub fn send(plan: &Plan) -> Report {
    let (start, cpu) = (Instant::now(), own_cpu());
    let load = Arc::new(Load::new(plan.clone()));
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    let tallies = spread(threads, |number| {
        let slots = share(plan.connections, threads, number);
        run(one_thread(Arc::clone(&load), slots))
    });
    let mut total = Tally::new();
    tallies.into_iter().for_each(|tally| total.add(tally));
    total.report(start.elapsed(), own_cpu().saturating_sub(cpu))
}

/// What all threads share.
struct Load {
    plan: Plan,
    script: Script,
    start: Instant,
    begun: AtomicUsize,
}

impl Load {
    fn new(plan: Plan) -> Self {
        Self {
            script: Script::new(&plan),
            start: Instant::now(),
            begun: AtomicUsize::new(0),
            plan,
        }
    }

    /// May one more connection begin?
    fn another(&self) -> bool {
        match self.plan.ending {
            Ending::Connections(limit) => self.begun.fetch_add(1, Ordering::Relaxed) < limit,
            Ending::After(time) => self.start.elapsed() < time,
        }
    }
}

async fn one_thread(load: Arc<Load>, slots: usize) -> Tally {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let tls = tls::client(load.plan.handshakes);
    let mut running = JoinSet::new();
    for _ in 0..slots {
        running.spawn_local(slot(Arc::clone(&load), Arc::clone(&tls), Rc::clone(&tally)));
    }
    while running.join_next().await.is_some() {}
    let tally = Rc::into_inner(tally).expect("every slot has ended");
    tally.into_inner()
}

/// One connection after the other.
async fn slot(load: Arc<Load>, tls: Arc<ClientConfig>, tally: Rc<RefCell<Tally>>) {
    while load.another() {
        if let Err(fault) = connection(&load, &tls, &tally).await {
            tally.borrow_mut().failure(&fault);
            return;
        }
    }
}

async fn connection(
    load: &Load,
    tls: &Arc<ClientConfig>,
    tally: &RefCell<Tally>,
) -> Result<(), Fault> {
    let mut session = Session::open(&load.plan, tls).await?;
    tally.borrow_mut().session(session.set_up, session.resumed);
    for _ in 0..load.plan.messages {
        let start = Instant::now();
        session.message(&load.script, load.plan.pace).await?;
        tally
            .borrow_mut()
            .message(load.script.size(), start.elapsed());
    }
    session.quit().await
}
