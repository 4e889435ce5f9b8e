//! The run: peers are started, put under each load in turns, and measured at rest.

use anyhow::{Result, bail};

use crate::arguments::{Arguments, Kind};
use crate::ground::Ground;
use crate::machine::{load, machine};
use crate::measure::{Sample, measure};
use crate::memory::memory;
use crate::peers::{Absent, Peer};
use crate::results::{Load, Presence, Results};
use crate::scenario::Scenario;
use crate::server::Server;
use crate::{growth, syscalls, tools};

/// Connections that the largest crowd needs here, twice over: we have the client's ends, HAProxy has both.
const DESCRIPTORS: u64 = 12_000;

/// Everything that `arguments` want.
pub fn run(arguments: &Arguments, ground: &Ground) -> Result<Results> {
    let mut results = Results {
        machine: machine(),
        seconds: arguments.time().as_secs_f64(),
        rounds: arguments.rounds(),
        peers: Vec::new(),
        loads: Vec::new(),
        memory: Vec::new(),
        syscalls: Vec::new(),
        tools: Vec::new(),
        growth: Vec::new(),
    };
    if arguments.wants(Kind::Tools) {
        say("generators and sinks");
        results.tools = tools::pairs(ground, arguments.quick)?;
    }
    let running = start(arguments, ground, &mut results)?;
    if arguments.wants(Kind::Loads) {
        results.loads = loads(arguments, ground, &running);
    }
    if arguments.wants(Kind::Syscalls) {
        results.syscalls = count_syscalls(ground, &running);
    }
    let present: Vec<Peer> = running.iter().map(|(peer, _)| *peer).collect();
    drop(running);
    if arguments.wants(Kind::Memory) {
        results.memory = memories(arguments, ground, &present)?;
    }
    if arguments.wants(Kind::Growth) {
        say("how cost grows");
        results.growth = growth::curves(arguments, ground)?;
    }
    Ok(results)
}

type Running = Vec<(Peer, Server)>;

/// Starts every peer that is there. They stay, idle, while others are measured; nobody has to warm up twice.
fn start(arguments: &Arguments, ground: &Ground, results: &mut Results) -> Result<Running> {
    let mut running = Vec::new();
    for peer in arguments.peers() {
        say(&format!("{peer} starts"));
        let absent = match peer.start(ground) {
            Ok(server) => {
                running.push((peer, server));
                None
            }
            Err(Absent::NotHere(what)) => Some(format!("{what} is not installed")),
            Err(Absent::Broken(error)) if matches!(peer, Peer::Lazaret(_)) => return Err(error),
            Err(Absent::Broken(error)) => Some(format!("it does not start: {error}")),
        };
        if let Some(reason) = &absent {
            say(&format!("{peer} is absent: {reason}"));
        }
        results.peers.push(Presence {
            peer,
            version: peer.version(ground),
            absent,
        });
    }
    Ok(running)
}

/// Round by round, load by load, peer by peer: neighbours in time are compared.
fn loads(arguments: &Arguments, ground: &Ground, running: &Running) -> Vec<Load> {
    let mut loads: Vec<Load> = Vec::new();
    for round in 1..=arguments.rounds() {
        for scenario in arguments.scenarios() {
            for (peer, server) in running.iter().filter(|(peer, _)| peer.takes(&scenario)) {
                let sample = one(arguments, ground, (*peer, server), &scenario);
                say(&line(round, &scenario, *peer, sample.as_ref()));
                note(&mut loads, scenario.name, *peer, sample);
            }
        }
    }
    loads
}

/// A short load first: who was idle while others worked is cold. A failure is said and leaves a gap; the load goes on.
fn one(
    arguments: &Arguments,
    ground: &Ground,
    (peer, server): (Peer, &Server),
    scenario: &Scenario,
) -> Option<Sample> {
    let time = arguments.time();
    let sample = measure(server, ground, scenario, time / 8)
        .and_then(|_| measure(server, ground, scenario, time));
    match sample {
        Ok(sample) => Some(sample),
        Err(error) => {
            say(&format!("{peer} failed under {}: {error}", scenario.name));
            None
        }
    }
}

fn note(loads: &mut Vec<Load>, scenario: &'static str, peer: Peer, sample: Option<Sample>) {
    let known = loads
        .iter_mut()
        .find(|load| load.scenario == scenario && load.peer == peer);
    match known {
        Some(load) => load.samples.push(sample),
        None => loads.push(Load {
            scenario,
            peer,
            samples: vec![sample],
        }),
    }
}

fn line(round: usize, scenario: &Scenario, peer: Peer, sample: Option<&Sample>) -> String {
    let name = scenario.name;
    match sample {
        None => format!("round {round}, {name}, {peer}: failed"),
        Some(sample) => format!(
            "round {round}, {name}, {peer}: {:.0} us CPU a message, {:.0} messages/s, p50 {:.0} us \
             (generator {:.0} us, sink {:.0} us, machine's load {})",
            sample.cpu,
            sample.rate,
            sample.latency.p50,
            sample.generator,
            sample.sink,
            load()
        ),
    }
}

fn count_syscalls(ground: &Ground, running: &Running) -> Vec<(Peer, f64)> {
    if !syscalls::available() {
        say("strace is not installed: no system calls are counted");
        return Vec::new();
    }
    let scenario = Scenario::named("plain-20").expect("one of all");
    let mut counted = Vec::new();
    for (peer, server) in running.iter().filter(|(peer, _)| *peer != Peer::Direct) {
        match syscalls::syscalls(server, ground, &scenario) {
            Ok(calls) => {
                say(&format!("{peer}: {calls:.1} system calls a message"));
                counted.push((*peer, calls));
            }
            Err(error) => say(&format!("{peer}: {error}")),
        }
    }
    counted
}

fn memories(
    arguments: &Arguments,
    ground: &Ground,
    present: &[Peer],
) -> Result<Vec<(Peer, crate::memory::Memory)>> {
    let crowds = arguments.crowds();
    let largest = crowds.last().copied().unwrap_or(0) as u64;
    if largest * 2 > descriptors() {
        bail!("{DESCRIPTORS} open files are needed: run `ulimit -n {DESCRIPTORS}` first");
    }
    let mut all = Vec::new();
    for peer in present.iter().filter(|peer| peer.holds_crowds()) {
        match memory(*peer, ground, crowds) {
            Ok(memory) => {
                say(&format!("{peer}: {memory:?}"));
                all.push((*peer, memory));
            }
            Err(error) => say(&format!("{peer}: {error:#}")),
        }
    }
    Ok(all)
}

/// How many files this process, and what it starts, may have open.
fn descriptors() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    soft.unwrap_or(u64::MAX)
}

fn say(text: &str) {
    eprintln!("bench: {text}");
}
