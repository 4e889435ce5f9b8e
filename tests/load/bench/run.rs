//! The run: peers are started, put under each load in turns, and measured at rest.

use anyhow::Result;

use crate::arguments::{Arguments, Kind};
use crate::ground::Ground;
use crate::machine::{Origin, load};
use crate::measure::{Sample, measure};
use crate::memory::{Memory, memory};
use crate::peers::{Absent, Peer};
use crate::results::{Load, Presence, Results, Rounds, Stage};
use crate::scenario::Scenario;
use crate::server::Server;
use crate::{growth, syscalls, tools};

/// The stages that `arguments` want.
pub fn run(arguments: &Arguments, ground: &Ground) -> Result<Results> {
    if arguments.wants(Kind::Growth) {
        say("whatever grows is tried once");
        growth::rehearse(arguments, ground)?;
    }
    let mut results = Results::default();
    if arguments.wants(Kind::Tools) {
        say("generators and sinks");
        results.tools = Some(stage(arguments, Vec::new(), || {
            tools::rounds(arguments, ground)
        })?);
    }
    let peers = [Kind::Loads, Kind::Syscalls, Kind::Memory];
    if peers.iter().any(|kind| arguments.wants(*kind)) {
        compare(arguments, ground, &mut results)?;
    }
    if arguments.wants(Kind::Growth) {
        say("how cost grows");
        let growth = stage(arguments, Vec::new(), || growth::curves(arguments, ground));
        results.growth = Some(growth?);
    }
    Ok(results)
}

/// The stages in which peers are compared.
fn compare(arguments: &Arguments, ground: &Ground, results: &mut Results) -> Result<()> {
    let (running, peers) = start(arguments, ground)?;
    if arguments.wants(Kind::Loads) {
        let loads = || Ok(loads(arguments, ground, &running));
        results.loads = Some(stage(arguments, peers.clone(), loads)?);
    }
    if arguments.wants(Kind::Syscalls) {
        let counted = || Ok(count_syscalls(arguments, ground, &running));
        results.syscalls = Some(stage(arguments, peers.clone(), counted)?);
    }
    let present: Vec<Peer> = running.iter().map(|(peer, _)| *peer).collect();
    drop(running);
    if arguments.wants(Kind::Memory) {
        let memories = || Ok(memories(arguments, ground, &present));
        results.memory = Some(stage(arguments, peers, memories)?);
    }
    Ok(())
}

/// Measures a stage; where and when it was is looked at before.
fn stage<T>(
    arguments: &Arguments,
    peers: Vec<Presence>,
    measure: impl FnOnce() -> Result<T>,
) -> Result<Stage<T>> {
    let origin = Origin::now(arguments, peers);
    let figures = measure()?;
    Ok(Stage { origin, figures })
}

type Running = Vec<(Peer, Server)>;

/// Starts every peer that is there. They stay, idle, while others are measured; nobody has to warm up twice.
fn start(arguments: &Arguments, ground: &Ground) -> Result<(Running, Vec<Presence>)> {
    let (mut running, mut peers) = (Vec::new(), Vec::new());
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
        peers.push(Presence {
            peer,
            version: peer.version(ground),
            absent,
        });
    }
    Ok((running, peers))
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

fn note(loads: &mut Vec<Load>, scenario: &str, peer: Peer, sample: Option<Sample>) {
    let known = loads
        .iter_mut()
        .find(|load| load.scenario == scenario && load.peer == peer);
    match known {
        Some(load) => load.samples.push(sample),
        None => loads.push(Load {
            scenario: scenario.to_owned(),
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

fn count_syscalls(arguments: &Arguments, ground: &Ground, running: &Running) -> Vec<Rounds<f64>> {
    if !syscalls::available() {
        say("strace is not installed: no system calls are counted");
        return Vec::new();
    }
    let scenario = Scenario::named("plain-20").expect("one of all");
    let counted = running.iter().filter(|(peer, _)| *peer != Peer::Direct);
    let counted: Vec<_> = counted.map(|(peer, server)| (*peer, server)).collect();
    alternated(arguments.rounds(), &counted, |peer, server| {
        let calls = syscalls::syscalls(server, ground, &scenario)?;
        say(&format!("{peer}: {calls:.1} system calls a message"));
        Ok(calls)
    })
}

fn memories(arguments: &Arguments, ground: &Ground, present: &[Peer]) -> Vec<Rounds<Memory>> {
    let holding = present.iter().filter(|peer| peer.holds_crowds());
    let holding: Vec<_> = holding.map(|peer| (*peer, ())).collect();
    alternated(arguments.rounds(), &holding, |peer, ()| {
        let memory = memory(peer, ground, arguments.crowds())?;
        say(&format!("{peer}: {memory:?}"));
        Ok(memory)
    })
}

/// Round by round, peer by peer. A failure is said and leaves a gap.
fn alternated<P: Copy, T>(
    rounds: usize,
    peers: &[(Peer, P)],
    measure: impl Fn(Peer, P) -> Result<T>,
) -> Vec<Rounds<T>> {
    let empty = |&(peer, _): &(Peer, P)| Rounds {
        peer,
        rounds: Vec::new(),
    };
    let mut all: Vec<_> = peers.iter().map(empty).collect();
    for _ in 0..rounds {
        for (of_peer, (peer, how)) in all.iter_mut().zip(peers) {
            match measure(*peer, *how) {
                Ok(figure) => of_peer.rounds.push(figure),
                Err(error) => say(&format!("{peer}: {error:#}")),
            }
        }
    }
    all.retain(|of_peer| !of_peer.rounds.is_empty());
    all
}

fn say(text: &str) {
    eprintln!("bench: {text}");
}
