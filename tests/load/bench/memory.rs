//! What a connection costs while nothing happens, and a message while it comes in.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lazaret_load::hold::{Held, Posture};
use lazaret_load::{Plan, Security, send};
use serde::{Deserialize, Serialize};

use crate::ground::Ground;
use crate::peers::{Absent, Peer};
use crate::server::Server;

/// Messages in flight at once, each all but complete.
const IN_FLIGHT: usize = 20;

/// Their size.
const LARGE: usize = 10 << 20;

/// How long a server may take to let go of what it needed for setting up.
const REST: Duration = Duration::from_secs(2);

/// Kibibytes of proportional set size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// with a few connections served and none open
    pub base: f64,
    /// for each idle connection, with the number of them
    pub plain: Vec<(usize, f64)>,
    /// likewise, with TLS
    pub tls: Vec<(usize, f64)>,
    /// for each message of 10 MiB of which all but 100 octets have come
    pub in_flight: f64,
}

/// Measures a fresh instance of `peer` for each kind of connection.
pub fn memory(peer: Peer, ground: &Ground, crowds: &[usize]) -> Result<Memory> {
    let (base, plain) = idle(peer, ground, Security::Plain, crowds)?;
    let (_, tls) = idle(peer, ground, Security::Implicit, crowds)?;
    Ok(Memory {
        base,
        plain,
        tls,
        in_flight: in_flight(peer, ground)?,
    })
}

fn idle(
    peer: Peer,
    ground: &Ground,
    security: Security,
    crowds: &[usize],
) -> Result<(f64, Vec<(usize, f64)>)> {
    let server = fresh(peer, ground, security)?;
    let base = kibibytes(&server);
    let (mut held, mut figures, mut open) = (Vec::new(), Vec::new(), 0);
    for &crowd in crowds {
        let plan = Plan {
            security,
            connections: crowd - open,
            ..Plan::to(server.address(security))
        };
        let more = Held::open(&plan, Posture::Idle);
        held.push(more.with_context(|| format!("{crowd} idle connections"))?);
        open = crowd;
        sleep(REST);
        figures.push((crowd, (kibibytes(&server) - base) / crowd as f64));
    }
    Ok((base, figures))
}

/// Mebibytes above the level at rest, for each crowd of idle connections; `None` if the peer is not installed.
pub fn growing(
    peer: Peer,
    ground: &Ground,
    security: Security,
    crowds: &[usize],
) -> Result<Option<Vec<(f64, f64)>>> {
    if let Err(Absent::NotHere(_)) = peer.start(ground) {
        return Ok(None);
    }
    let (_, figures) = idle(peer, ground, security, crowds)?;
    let total = |(crowd, each): (usize, f64)| (crowd as f64, each * crowd as f64 / 1024.0);
    Ok(Some(figures.into_iter().map(total).collect()))
}

fn in_flight(peer: Peer, ground: &Ground) -> Result<f64> {
    let server = fresh(peer, ground, Security::Implicit)?;
    let base = kibibytes(&server);
    let plan = Plan {
        security: Security::Implicit,
        connections: IN_FLIGHT,
        size: LARGE,
        ..Plan::to(server.implicit())
    };
    let _held = Held::open(&plan, Posture::Sending(LARGE - 100))?;
    sleep(REST);
    Ok((kibibytes(&server) - base) / IN_FLIGHT as f64)
}

/// An instance that has served before, so that what is made once is made.
fn fresh(peer: Peer, ground: &Ground, security: Security) -> Result<Server> {
    let server = match peer.start(ground) {
        Ok(server) => server,
        Err(Absent::NotHere(what)) => anyhow::bail!("{what} is not installed"),
        Err(Absent::Broken(error)) => return Err(error),
    };
    let before = ground.sink.messages()?;
    let plan = Plan {
        security,
        connections: 20,
        ending: lazaret_load::Ending::Connections(100),
        ..Plan::to(server.address(security))
    };
    let report = send(&plan);
    ensure!(report.failures == 0, "{report}");
    ground.sink.wait_for(before + report.messages)?;
    sleep(REST);
    Ok(server)
}

fn kibibytes(server: &Server) -> f64 {
    server.tree().pss() as f64 / 1024.0
}
