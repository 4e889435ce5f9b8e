//! Connections that are opened and then kept: what does one cost while nothing happens?

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::dialogue::Fault;
use crate::plan::Plan;
use crate::session::{Script, Session};
use crate::tls;
use crate::workers::run;

/// How many connections are being opened at once.
const AT_ONCE: usize = 50;

/// What a kept connection is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posture {
    /// after the reply to EHLO
    Idle,
    /// after DATA and so many octets of the message; the rest never comes
    Sending(usize),
}

/// Open connections; they are dropped, without a QUIT, with this.
#[derive(Debug)]
pub struct Held {
    release: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    set_up: Duration,
}

impl Held {
    /// Opens as many connections as `plan` says, brings each into `posture`, and keeps them.
    ///
    /// # Errors
    /// The first connection that does not come that far.
    pub fn open(plan: &Plan, posture: Posture) -> Result<Self, Fault> {
        let (opened, ready) = mpsc::channel();
        let (release, released) = oneshot::channel();
        let plan = Arc::new(plan.clone());
        let thread = std::thread::spawn(move || {
            run(async move {
                match open_all(&plan, posture).await {
                    Err(fault) => drop(opened.send(Err(fault))),
                    Ok((_sessions, slowest)) => {
                        let _ = opened.send(Ok(slowest));
                        // Its sender is dropped to end it.
                        let _ = released.await;
                    }
                }
            });
        });
        let set_up = ready.recv().unwrap_or(Err(Fault::Patience))?;
        Ok(Self {
            release: Some(release),
            thread: Some(thread),
            set_up,
        })
    }

    /// The longest that one of them took to open.
    pub fn slowest(&self) -> Duration {
        self.set_up
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn open_all(plan: &Arc<Plan>, posture: Posture) -> Result<(Vec<Session>, Duration), Fault> {
    let tls = tls::client(plan.handshakes);
    let script = Arc::new(Script::new(plan));
    let mut sessions = Vec::with_capacity(plan.connections);
    let mut opening = JoinSet::new();
    let mut slowest = Duration::ZERO;
    for begun in 0..plan.connections {
        if begun >= AT_ONCE {
            sessions.push(opened(&mut opening).await?);
        }
        let (plan, tls, script) = (Arc::clone(plan), Arc::clone(&tls), Arc::clone(&script));
        opening.spawn_local(async move { one(&plan, &tls, &script, posture).await });
    }
    while !opening.is_empty() {
        sessions.push(opened(&mut opening).await?);
    }
    for session in &sessions {
        slowest = slowest.max(session.set_up);
    }
    Ok((sessions, slowest))
}

async fn opened(opening: &mut JoinSet<Result<Session, Fault>>) -> Result<Session, Fault> {
    let next = opening.join_next().await.expect("asked while one is open");
    next.expect("opening a connection does not panic")
}

async fn one(
    plan: &Plan,
    tls: &Arc<ClientConfig>,
    script: &Script,
    posture: Posture,
) -> Result<Session, Fault> {
    let mut session = Session::open(plan, tls).await?;
    if let Posture::Sending(octets) = posture {
        let octets = octets.min(script.size() - 2);
        session.begin(script, octets).await?;
    }
    Ok(session)
}
