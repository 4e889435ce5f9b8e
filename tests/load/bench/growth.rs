//! How cost grows: with open connections, with filters, with the size of messages; and memory with connections.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lazaret_load::hold::{Held, Posture};
use lazaret_load::{Plan, Security};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::ground::Ground;
use crate::measure::measure;
use crate::memory;
use crate::peers::{Absent, Filters, Peer};
use crate::scenario::{ORDINARY, Scenario, TLS};
use crate::server::Server;
use crate::statistics::Spread;

/// What one cost does while something else grows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    /// of its file
    pub name: String,
    /// in words
    pub about: String,
    /// what grows
    pub x: String,
    /// what it costs, with its unit
    pub y: String,
    pub axes: Axes,
    pub lines: Vec<Line>,
}

/// How both axes are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Axes {
    Linear,
    /// x by powers, y linear: what is flat looks flat
    PowersOfX,
    /// both by powers: what is linear looks straight
    Powers,
}

/// One peer's points, x growing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub peer: String,
    pub points: Vec<(f64, f64)>,
}

const OURS: Peer = lazaret(3);
const BLIND: Peer = Peer::Lazaret(Filters {
    count: 3,
    read_body: false,
});

/// Connections that send large messages.
const BIG_ONES: usize = 4;

const fn lazaret(count: usize) -> Peer {
    Peer::Lazaret(Filters {
        count,
        read_body: true,
    })
}

/// The crowds of idle connections.
pub fn crowds_of(arguments: &Arguments) -> &'static [usize] {
    Steps::of(arguments.quick).crowds
}

/// Octets of files at once: each connection of the curve of sizes has a message in one.
pub fn largest_files(arguments: &Arguments) -> u64 {
    let largest = Steps::of(arguments.quick).sizes.iter().max();
    largest.map_or(0, |size| *size as u64) * BIG_ONES as u64
}

/// Every server that a curve has is started once and stopped.
pub fn rehearse(arguments: &Arguments, ground: &Ground) -> Result<()> {
    let most = Steps::of(arguments.quick).filters.iter().max();
    let ours = [OURS, BLIND, lazaret(most.copied().unwrap_or(0))];
    for peer in ours {
        drop(started(peer, ground).with_context(|| peer.to_string())?);
    }
    match Peer::Haproxy.start(ground) {
        Err(Absent::Broken(error)) => Err(error.context("haproxy")),
        Ok(_) | Err(Absent::NotHere(_)) => Ok(()),
    }
}

/// All four.
pub fn curves(arguments: &Arguments, ground: &Ground) -> Result<Vec<Curve>> {
    let steps = Steps::of(arguments.quick);
    Ok(vec![
        crowds(arguments, ground, &steps)?,
        filters(arguments, ground, &steps)?,
        sizes(arguments, ground, &steps)?,
        memories(arguments, ground, &steps)?,
    ])
}

/// Where each curve has its points.
struct Steps {
    crowds: &'static [usize],
    filters: &'static [usize],
    /// octets
    sizes: &'static [usize],
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Steps {
    fn of(quick: bool) -> Self {
        match quick {
            true => Self {
                crowds: &[20, 200],
                filters: &[0, 3],
                sizes: &[4 * KIB, MIB],
            },
            false => Self {
                crowds: &[1, 20, 100, 500, 1000, 2500, 5000],
                filters: &[0, 1, 2, 3, 5, 7, 10],
                sizes: &[
                    4 * KIB,
                    16 * KIB,
                    64 * KIB,
                    256 * KIB,
                    MIB,
                    4 * MIB,
                    16 * MIB,
                    50 * MIB,
                ],
            },
        }
    }
}

/// So many connections are open, and at most twenty of them busy at once.
fn crowds(arguments: &Arguments, ground: &Ground, steps: &Steps) -> Result<Curve> {
    let figure = |server: &Server, crowd: usize| {
        let busy = ORDINARY.with_connections(crowd.min(20));
        let _idle = idle(server, crowd.saturating_sub(20))?;
        cpu(server, ground, &busy, arguments.time())
    };
    Ok(Curve {
        name: "connections".to_owned(),
        about: "CPU of a message while connections grow: plain, 4 KiB, at most 20 connections busy, the others idle".to_owned(),
        x: "open connections".to_owned(),
        y: "CPU, us a message".to_owned(),
        axes: Axes::PowersOfX,
        lines: lines(
            arguments,
            ground,
            &[OURS, Peer::Haproxy],
            steps.crowds,
            figure,
        )?,
    })
}

fn idle(server: &Server, connections: usize) -> Result<Option<Held>> {
    if connections == 0 {
        return Ok(None);
    }
    let plan = Plan {
        connections,
        ..Plan::to(server.address(Security::Plain))
    };
    let held = Held::open(&plan, Posture::Idle);
    Ok(Some(held.with_context(|| {
        format!("{connections} idle connections")
    })?))
}

/// Round by round, each number of filters a server of its own.
fn filters(arguments: &Arguments, ground: &Ground, steps: &Steps) -> Result<Curve> {
    let mut servers = Vec::new();
    for &count in steps.filters {
        servers.push((count as f64, started(lazaret(count), ground)?));
    }
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds() {
        for (count, server) in &servers {
            let figure = cpu(server, ground, &ORDINARY, arguments.time())?;
            rounds.push((*count, figure));
        }
    }
    Ok(Curve {
        name: "filters".to_owned(),
        about: "CPU of a message while filters grow: plain, 4 KiB, each exports every stage and reads all".to_owned(),
        x: "filters".to_owned(),
        y: "CPU, us a message".to_owned(),
        axes: Axes::Linear,
        lines: vec![Line {
            peer: "lazaret".to_owned(),
            points: medians(&rounds),
        }],
    })
}

fn sizes(arguments: &Arguments, ground: &Ground, steps: &Steps) -> Result<Curve> {
    let figure = |server: &Server, size: usize| {
        let load = TLS
            .with_size(size)
            .with_connections(BIG_ONES)
            .with_messages(2);
        cpu(server, ground, &load, arguments.time())
    };
    let peers = [OURS, BLIND, Peer::Haproxy];
    Ok(Curve {
        name: "size".to_owned(),
        about: "CPU of a message while it grows: TLS, 4 connections, 2 messages each".to_owned(),
        x: "octets".to_owned(),
        y: "CPU, us a message".to_owned(),
        axes: Axes::Powers,
        lines: lines(arguments, ground, &peers, steps.sizes, figure)?,
    })
}

fn memories(arguments: &Arguments, ground: &Ground, steps: &Steps) -> Result<Curve> {
    let mut lines: Vec<Line> = Vec::new();
    for _ in 0..arguments.rounds() {
        for peer in [OURS, Peer::Haproxy] {
            for (security, word) in [(Security::Plain, "plain"), (Security::Implicit, "TLS")] {
                let figures = memory::growing(peer, ground, security, steps.crowds)?;
                note(
                    &mut lines,
                    format!("{peer}, {word}"),
                    figures.unwrap_or_default(),
                );
            }
        }
    }
    lines.retain(|line| !line.points.is_empty());
    for line in &mut lines {
        line.points = medians(&line.points);
    }
    Ok(Curve {
        name: "memory".to_owned(),
        about: "Memory of all processes above that at rest while idle connections grow".to_owned(),
        x: "idle connections".to_owned(),
        y: "MiB".to_owned(),
        axes: Axes::Linear,
        lines,
    })
}

fn note(lines: &mut Vec<Line>, peer: String, points: Vec<(f64, f64)>) {
    match lines.iter_mut().find(|line| line.peer == peer) {
        Some(line) => line.points.extend(points),
        None => lines.push(Line { peer, points }),
    }
}

/// Every present peer at every step, round by round, the medians of them.
fn lines(
    arguments: &Arguments,
    ground: &Ground,
    peers: &[Peer],
    steps: &[usize],
    figure: impl Fn(&Server, usize) -> Result<f64>,
) -> Result<Vec<Line>> {
    let mut running = Vec::new();
    for peer in peers {
        match peer.start(ground) {
            Ok(server) => running.push((*peer, server, Vec::new())),
            Err(Absent::NotHere(_)) => {}
            Err(Absent::Broken(error)) => return Err(error),
        }
    }
    for _ in 0..arguments.rounds() {
        for &step in steps {
            for (peer, server, rounds) in &mut running {
                let found = figure(server, step).with_context(|| format!("{peer} at {step}"))?;
                eprintln!("bench: {peer} at {step}: {found:.0} us CPU a message");
                rounds.push((step as f64, found));
            }
        }
    }
    let line = |(peer, _, rounds): (Peer, Server, Vec<(f64, f64)>)| Line {
        peer: peer.to_string(),
        points: medians(&rounds),
    };
    Ok(running.into_iter().map(line).collect())
}

/// After a short load of the same kind: who was idle is cold.
fn cpu(server: &Server, ground: &Ground, load: &Scenario, time: Duration) -> Result<f64> {
    measure(server, ground, load, time / 8)?;
    let sample = measure(server, ground, load, time)?;
    ensure!(sample.cpu > 0.0, "no CPU time was seen");
    Ok(sample.cpu)
}

fn started(peer: Peer, ground: &Ground) -> Result<Server> {
    match peer.start(ground) {
        Ok(server) => Ok(server),
        Err(Absent::NotHere(what)) => anyhow::bail!("{what} is not installed"),
        Err(Absent::Broken(error)) => Err(error),
    }
}

/// For each x its median, in the order in which they came first.
fn medians(rounds: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut steps: Vec<f64> = Vec::new();
    for (x, _) in rounds {
        if !steps.contains(x) {
            steps.push(*x);
        }
    }
    let median = |x: f64| {
        let of_x = rounds.iter().filter(|round| round.0 == x);
        let spread = Spread::of(of_x.map(|round| round.1));
        (x, spread.expect("a step has at least one round").median)
    };
    steps.into_iter().map(median).collect()
}

impl Line {
    /// The slope of the line that fits best: y for one more of x.
    pub fn slope(&self) -> Option<f64> {
        let count = self.points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let square: f64 = self.points.iter().map(|p| (p.0 - x).powi(2)).sum();
        let product: f64 = self.points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        (square > 0.0).then(|| product / square)
    }

    /// The largest y in terms of the smallest.
    pub fn range(&self) -> Option<f64> {
        let spread = Spread::of(self.points.iter().map(|point| point.1))?;
        (spread.least > 0.0).then(|| spread.most / spread.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_become_medians() {
        let rounds = [
            (1.0, 5.0),
            (2.0, 7.0),
            (1.0, 3.0),
            (2.0, 9.0),
            (1.0, 4.0),
            (2.0, 8.0),
        ];
        assert_eq!(medians(&rounds), [(1.0, 4.0), (2.0, 8.0)]);
    }

    #[test]
    fn slopes_and_ranges() {
        let line = |points: &[(f64, f64)]| Line {
            peer: String::new(),
            points: points.to_vec(),
        };
        let straight = line(&[(0.0, 10.0), (1.0, 12.0), (3.0, 16.0)]);
        assert_eq!(straight.slope(), Some(2.0));
        assert_eq!(straight.range(), Some(1.6));
        assert_eq!(line(&[(1.0, 1.0)]).slope(), None);
        assert_eq!(line(&[]).range(), None);
    }
}
