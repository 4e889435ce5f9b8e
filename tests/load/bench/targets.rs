//! What the project means to reach, and what was measured.

use crate::memory::Memory;
use crate::peers::{Filters, Peer};
use crate::results::{Figure, Results, Rounds};
use crate::statistics::Spread;

/// One aim. Figures of ours are those of three null filters unless said.
pub struct Target {
    /// in words
    pub measure: &'static str,
    /// what we want
    pub aim: f64,
    /// what we do not want to exceed
    pub limit: f64,
    /// how it is written
    pub unit: Unit,
    /// the rounds of a run
    pub measured: fn(&Results) -> Option<Spread>,
}

/// How a figure is written, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// times the other's; less is better
    Times,
    /// times the other's; more is better
    TimesMore,
    /// how many of ours make one of the other's; more is better
    Part,
    /// microseconds
    Microseconds,
    /// kibibytes
    Kibibytes,
    /// milliseconds that are never exceeded: the worst round is judged, not the median
    Milliseconds,
    /// a number
    Count,
}

/// How a figure stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Reached,
    Within,
    Missed,
}

const OURS: Peer = Peer::Lazaret(Filters {
    count: 3,
    read_body: true,
});
const ONE: Peer = Peer::Lazaret(Filters {
    count: 1,
    read_body: true,
});
const BLIND: Peer = Peer::Lazaret(Filters {
    count: 3,
    read_body: false,
});
const MILTERS: Peer = Peer::PostfixMilters(3);

const CPU: Figure = |sample| sample.cpu;
const RATE: Figure = |sample| sample.rate;

/// In the order of the page.
pub const TARGETS: [Target; 21] = [
    target(
        "CPU, plain, 20 messages a connection; HAProxy",
        1.25,
        2.0,
        Unit::Times,
        |r| ratio(r, "plain-20", Peer::Haproxy, CPU),
    ),
    target(
        "the same; Postfix and 3 milters",
        60.0,
        40.0,
        Unit::Part,
        |r| inverse(r, "plain-20", MILTERS, CPU),
    ),
    target(
        "CPU, plain, 1 message a connection; HAProxy",
        1.0,
        1.6,
        Unit::Times,
        |r| ratio(r, "plain-1", Peer::Haproxy, CPU),
    ),
    target(
        "CPU, TLS, 20 messages a connection; HAProxy",
        1.2,
        1.8,
        Unit::Times,
        |r| ratio(r, "tls-20", Peer::Haproxy, CPU),
    ),
    target("the same; Haraka and a plugin", 8.0, 5.0, Unit::Part, |r| {
        inverse(r, "tls-20", Peer::Haraka, CPU)
    }),
    target(
        "CPU, TLS, a full handshake for each message; HAProxy",
        0.6,
        1.0,
        Unit::Times,
        |r| ratio(r, "tls-1", Peer::Haproxy, CPU),
    ),
    target(
        "the same; Postfix and 3 milters",
        25.0,
        25.0,
        Unit::Part,
        |r| inverse(r, "tls-1", MILTERS, CPU),
    ),
    target(
        "CPU of one more null filter",
        10.0,
        40.0,
        Unit::Microseconds,
        |r| {
            let loads = [("plain-20", OURS, CPU), ("plain-20", ONE, CPU)];
            r.joined(loads, |[three, one]| Some((three - one) / 2.0))
        },
    ),
    target(
        "messages/s, 20 connections; HAProxy",
        0.85,
        0.6,
        Unit::TimesMore,
        |r| ratio(r, "plain-20", Peer::Haproxy, RATE),
    ),
    target(
        "messages/s, 100 connections; HAProxy",
        0.85,
        0.6,
        Unit::TimesMore,
        |r| ratio(r, "crowd", Peer::Haproxy, RATE),
    ),
    target(
        "messages/s, 20 connections; Postfix and 3 milters",
        20.0,
        12.0,
        Unit::TimesMore,
        |r| ratio(r, "plain-20", MILTERS, RATE),
    ),
    target(
        "the same, 100 connections",
        20.0,
        12.0,
        Unit::TimesMore,
        |r| ratio(r, "crowd", MILTERS, RATE),
    ),
    target(
        "TLS set-up p50, 1 connection; HAProxy",
        0.8,
        1.1,
        Unit::Times,
        |r| ratio(r, "alone-tls", Peer::Haproxy, |sample| sample.set_up.p50),
    ),
    target(
        "latency added at p50, 1 connection; HAProxy",
        1.5,
        3.0,
        Unit::Times,
        added_latency,
    ),
    target(
        "no stall of 40 ms: TLS set-up and latency p50, 1 connection, in each round",
        20.0,
        20.0,
        Unit::Milliseconds,
        longest_wait,
    ),
    target(
        "CPU a GB, 10 MiB over TLS, body not read; HAProxy",
        1.1,
        2.0,
        Unit::Times,
        |r| r.ratio("mib-10", (BLIND, Peer::Haproxy), |s| s.cpu_per_gigabyte),
    ),
    target("the same; Haraka", 30.0, 30.0, Unit::Part, |r| {
        r.ratio("mib-10", (Peer::Haraka, BLIND), |s| s.cpu_per_gigabyte)
    }),
    target(
        "memory of an idle TLS connection",
        17.0,
        32.0,
        Unit::Kibibytes,
        |r| memory(r)?.spread(|memory| last(&memory.tls)),
    ),
    target(
        "memory of an idle plain connection",
        3.3,
        7.0,
        Unit::Kibibytes,
        |r| memory(r)?.spread(|memory| last(&memory.plain)),
    ),
    target(
        "memory of a 10 MiB message in flight",
        512.0,
        2048.0,
        Unit::Kibibytes,
        |r| memory(r)?.spread(|memory| memory.in_flight),
    ),
    target(
        "system calls a message, plain, 20 a connection",
        16.0,
        30.0,
        Unit::Count,
        |r| {
            let mut peers = r.syscalls.as_ref()?.figures.iter();
            peers.find(|of| of.peer == OURS)?.spread(|calls| *calls)
        },
    ),
];

impl Target {
    /// How the rounds stand: their median, or where nothing may be over, the worst of them.
    pub fn standing(&self, rounds: Spread) -> Standing {
        let figure = match self.unit {
            Unit::Milliseconds => rounds.most,
            _ => rounds.median,
        };
        let as_good_as = |bound| match self.unit {
            Unit::TimesMore | Unit::Part => figure >= bound,
            _ => figure <= bound,
        };
        if as_good_as(self.aim) {
            Standing::Reached
        } else if as_good_as(self.limit) {
            Standing::Within
        } else {
            Standing::Missed
        }
    }
}

impl Unit {
    /// The figure as the page shows it.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Times | Self::TimesMore => format!("{figure:.2}x"),
            Self::Part => format!("1/{figure:.0}"),
            Self::Microseconds => format!("{figure:.0} us"),
            Self::Milliseconds => format!("{figure:.1} ms"),
            Self::Kibibytes => format!("{figure:.1} KiB"),
            Self::Count => format!("{figure:.1}"),
        }
    }
}

const fn target(
    measure: &'static str,
    aim: f64,
    limit: f64,
    unit: Unit,
    measured: fn(&Results) -> Option<Spread>,
) -> Target {
    Target {
        measure,
        aim,
        limit,
        unit,
        measured,
    }
}

fn ratio(results: &Results, scenario: &str, other: Peer, figure: Figure) -> Option<Spread> {
    results.ratio(scenario, (OURS, other), figure)
}

fn inverse(results: &Results, scenario: &str, other: Peer, figure: Figure) -> Option<Spread> {
    results.ratio(scenario, (other, OURS), figure)
}

/// What stands between the client and the sink, against what HAProxy is.
fn added_latency(results: &Results) -> Option<Spread> {
    const P50: Figure = |sample| sample.latency.p50;
    let peers = [Peer::Direct, OURS, Peer::Haproxy];
    let loads = peers.map(|peer| ("alone", peer, P50));
    // Where HAProxy answers sooner than nobody does, there is nothing to compare with.
    results.joined(loads, |[direct, ours, theirs]| {
        (theirs > direct).then(|| (ours - direct) / (theirs - direct))
    })
}

/// Half of the clients that are alone wait no longer for anything, in milliseconds.
fn longest_wait(results: &Results) -> Option<Spread> {
    const SET_UP: Figure = |sample| sample.set_up.p50;
    const LATENCY: Figure = |sample| sample.latency.p50;
    let loads = [
        ("alone-tls", OURS, SET_UP),
        ("alone-tls", OURS, LATENCY),
        ("alone", OURS, LATENCY),
    ];
    let milliseconds = |waits: [f64; 3]| waits.into_iter().fold(0.0, f64::max) / 1000.0;
    results.joined(loads, |waits| Some(milliseconds(waits)))
}

fn memory(results: &Results) -> Option<&Rounds<Memory>> {
    let mut peers = results.memory.as_ref()?.figures.iter();
    peers.find(|of_peer| of_peer.peer == OURS)
}

/// Of the largest crowd.
fn last(crowds: &[(usize, f64)]) -> f64 {
    crowds.last().map_or(f64::NAN, |crowd| crowd.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(figure: f64) -> Spread {
        Spread::of([figure]).unwrap()
    }

    fn standing(unit: Unit, aim: f64, limit: f64, figure: f64) -> Standing {
        target("", aim, limit, unit, |_| None).standing(one(figure))
    }

    #[test]
    fn less_is_better_for_costs() {
        assert_eq!(standing(Unit::Times, 1.25, 2.0, 1.2), Standing::Reached);
        assert_eq!(standing(Unit::Times, 1.25, 2.0, 1.3), Standing::Within);
        assert_eq!(standing(Unit::Times, 1.25, 2.0, 2.1), Standing::Missed);
    }

    #[test]
    fn more_is_better_for_rates_and_parts() {
        assert_eq!(standing(Unit::TimesMore, 0.85, 0.6, 0.9), Standing::Reached);
        assert_eq!(standing(Unit::Part, 60.0, 40.0, 50.0), Standing::Within);
        assert_eq!(standing(Unit::Part, 60.0, 40.0, 39.0), Standing::Missed);
    }

    #[test]
    fn a_single_stall_misses_its_aim_and_a_single_slow_round_does_not() {
        let rounds = Spread::of([1.0, 1.0, 40.0]).unwrap();
        let never = target("", 20.0, 20.0, Unit::Milliseconds, |_| None);
        assert_eq!(never.standing(rounds), Standing::Missed);
        let usually = target("", 20.0, 20.0, Unit::Microseconds, |_| None);
        assert_eq!(usually.standing(rounds), Standing::Reached);
    }

    #[test]
    fn no_limit_is_stricter_than_its_aim() {
        for target in &TARGETS {
            let standing = target.standing(one(target.aim));
            assert_eq!(standing, Standing::Reached, "{}", target.measure);
            assert_ne!(
                target.standing(one(target.limit)),
                Standing::Missed,
                "{}",
                target.measure
            );
        }
    }
}
