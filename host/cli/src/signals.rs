//! Signals of the operator: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// What a proxy does at the first signal.
pub const DRAINS: &str = "stopping: no new connections, transactions under way may finish";

/// Starts listening for signals at once; the future ends at the first, when the program shall drain, and `notice` is logged.
pub fn stop(notice: &'static str) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("{notice}");
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
    /// Waits for the next one; false: none will come any more.
    pub async fn comes(&mut self) -> bool {
        self.0.recv().await.is_some()
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
