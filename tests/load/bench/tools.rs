//! The generator and the sink against Postfix's own, `smtp-source` and `smtp-sink`, where they overlap: plain, and
//! connections kept. Who is slower than what it measures is no measure.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lazaret_load::{Ending, Plan, Tree, send};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::ground::{Ground, end, find, free_port, wait_for};

/// One pair under one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pair {
    /// who sends, who takes, messages of how many octets
    pub source: String,
    pub sink: String,
    pub size: usize,
    /// messages a second
    pub rate: f64,
    /// 10^6 octets of messages a second
    pub megabytes: f64,
    /// CPU time in microseconds a message
    pub source_cpu: f64,
    pub sink_cpu: f64,
}

/// Sessions at once.
const CONNECTIONS: usize = 20;

/// Every combination that is installed, in each round.
pub fn rounds(arguments: &Arguments, ground: &Ground) -> Result<Vec<Vec<Pair>>> {
    let round = |_| pairs(ground, arguments.quick);
    (0..arguments.rounds()).map(round).collect()
}

fn pairs(ground: &Ground, quick: bool) -> Result<Vec<Pair>> {
    let theirs = SmtpSink::start()?;
    let mut sinks = vec![("lazaret-load", ground.sink.address(), ground.sink.tree())];
    if let Some(sink) = &theirs {
        sinks.push(("smtp-sink", sink.address, Tree::of(&[sink.child.id()])));
    }
    let mut pairs = Vec::new();
    for (size, messages) in loads(quick) {
        for (sink, address, tree) in &sinks {
            for source in [Source::Ours, Source::Theirs] {
                let pair = source.measure(*address, tree, size, messages)?;
                pairs.extend(pair.map(|figures| Pair {
                    source: source.name().to_owned(),
                    sink: (*sink).to_owned(),
                    size,
                    ..figures
                }));
            }
        }
    }
    Ok(pairs)
}

fn loads(quick: bool) -> [(usize, usize); 2] {
    match quick {
        true => [(4096, 4000), (10 << 20, 40)],
        false => [(4096, 40_000), (10 << 20, 200)],
    }
}

#[derive(Clone, Copy)]
enum Source {
    Ours,
    Theirs,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "lazaret-load",
            Self::Theirs => "smtp-source",
        }
    }

    fn measure(
        self,
        target: SocketAddr,
        sink: &Tree,
        size: usize,
        messages: usize,
    ) -> Result<Option<Pair>> {
        let own = Tree::own();
        let before = (own.cpu(), sink.cpu(), Instant::now());
        let went = match self {
            Self::Ours => ours(target, size, messages),
            Self::Theirs => theirs(target, size, messages)?,
        };
        let took = before.2.elapsed().as_secs_f64();
        // Our own children count with us, and the sink of ours is one of them.
        let sink_cpu = sink.cpu().saturating_sub(before.1);
        let source_cpu = own.cpu().saturating_sub(before.0).saturating_sub(sink_cpu);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
        Ok(went.then(|| Pair {
            source: String::new(),
            sink: String::new(),
            size,
            rate: messages as f64 / took,
            megabytes: (messages * size) as f64 / 1e6 / took,
            source_cpu: each(source_cpu),
            sink_cpu: each(sink_cpu),
        }))
    }
}

fn ours(target: SocketAddr, size: usize, messages: usize) -> bool {
    let plan = Plan {
        size,
        connections: CONNECTIONS,
        messages: messages / CONNECTIONS,
        ending: Ending::Connections(CONNECTIONS),
        ..Plan::to(target)
    };
    let report = send(&plan);
    report.failures == 0
}

/// `-d`: keep connections. `false` where it is not installed.
fn theirs(target: SocketAddr, size: usize, messages: usize) -> Result<bool> {
    let Some(program) = find("smtp-source") else {
        return Ok(false);
    };
    let status = Command::new(program)
        .args(["-d", "-s", &CONNECTIONS.to_string()])
        .args(["-m", &messages.to_string(), "-l", &size.to_string()])
        .args(["-f", "sender@example.com", "-t", "r0@example.org"])
        .arg(format!("inet:{target}"))
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "smtp-source ended with {status}");
    Ok(true)
}

struct SmtpSink {
    child: Child,
    address: SocketAddr,
}

impl SmtpSink {
    fn start() -> Result<Option<Self>> {
        let Some(program) = find("smtp-sink") else {
            return Ok(None);
        };
        let address = free_port()?;
        let mut child = Command::new(program)
            .args(["-u", "nobody", &format!("inet:{address}"), "4096"])
            .spawn()?;
        wait_for(address, || matches!(child.try_wait(), Ok(None)))?;
        Ok(Some(Self { child, address }))
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        let _ = end(&mut self.child);
    }
}
