//! One load on one peer.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use lazaret_load::{Latency, send};
use serde::{Deserialize, Serialize};

use crate::ground::Ground;
use crate::scenario::Scenario;
use crate::server::Server;

/// What a server may still do once the client and the sink are content: log, observe, tidy up.
const AFTERMATH: Duration = Duration::from_millis(150);

/// The figures of one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// messages that the sink took
    pub messages: u64,
    /// CPU time of the front end, all its processes, in microseconds a message
    pub cpu: f64,
    /// CPU seconds of the front end for 10^9 octets of messages
    pub cpu_per_gigabyte: f64,
    /// messages a second, until the sink had the last one
    pub rate: f64,
    /// MAIL to final reply, in microseconds
    pub latency: Latency,
    /// connection, TLS, greeting, EHLO, in microseconds
    pub set_up: Latency,
    /// CPU time of the generator, in microseconds a message: what is measured must not be this
    pub generator: f64,
    /// CPU time of the sink, likewise
    pub sink: f64,
    /// connections that resumed a TLS session, of 1
    pub resumed: f64,
}

/// Puts `server` under `scenario` for `time`. Whatever does not go as planned is an error: figures of a load in which
/// messages failed, were lost or doubled would be worth nothing.
pub fn measure(
    server: &Server,
    ground: &Ground,
    scenario: &Scenario,
    time: Duration,
) -> Result<Sample> {
    let (tree, sink) = (server.tree(), ground.sink.tree());
    let before = ground.sink.messages()?;
    let (cpu, sink_cpu, start) = (tree.cpu(), sink.cpu(), Instant::now());
    let report = send(&scenario.plan(server, time));
    if let Some(first) = &report.first_failure {
        bail!(
            "{} of {} connections failed: {first}\n{}",
            report.failures,
            report.sessions,
            server.output()
        );
    }
    ensure!(report.messages > 0, "no message went through");
    ground.sink.wait_for(before + report.messages)?;
    let took = start.elapsed();
    sleep(AFTERMATH);
    let (cpu, sink_cpu) = (
        tree.cpu().saturating_sub(cpu),
        sink.cpu().saturating_sub(sink_cpu),
    );
    let messages = report.messages as f64;
    Ok(Sample {
        messages: report.messages,
        cpu: cpu.as_secs_f64() * 1e6 / messages,
        cpu_per_gigabyte: cpu.as_secs_f64() * 1e9 / (messages * scenario.size() as f64),
        rate: messages / took.as_secs_f64(),
        latency: report.latency,
        set_up: report.set_up,
        generator: report.own_cpu_seconds * 1e6 / messages,
        sink: sink_cpu.as_secs_f64() * 1e6 / messages,
        resumed: report.resumed as f64 / report.sessions as f64,
    })
}
