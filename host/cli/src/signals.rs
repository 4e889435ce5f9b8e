//! Signals of the operator: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP is answered in the log.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Starts listening for signals at once; the future ends when the program shall drain.
pub fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::warn!("SIGHUP: this version does not reload yet; restart to apply changes");
        }
    });
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping: no new connections, transactions under way may finish");
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("second signal: ending at once");
            std::process::exit(i32::from(Exit::Temporary.code()));
        });
    })
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
