//! Signals of the operator: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads.

use std::future::Future;

use lazaret_proxy::Reloader;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Starts listening for signals at once; the future ends when the program shall drain.
pub fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping: no new connections, transactions under way may finish");
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("second signal: ending at once");
            crate::logging::flush();
            std::process::exit(i32::from(Exit::Temporary.code()));
        });
    })
}

/// SIGHUP, heard from now on: one that comes while the proxy starts does not end the program.
#[derive(Debug)]
pub struct Hangup(Signal);

/// See [`Hangup`].
pub fn hangup() -> Result<Hangup, Failure> {
    listen(SignalKind::hangup()).map(Hangup)
}

impl Hangup {
    /// Reloads at each.
    pub fn reloads(mut self, reloader: Reloader) {
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                reloader.reload();
            }
        });
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|e| Failure::temporary(format!("cannot listen for signals: {e}")))
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
