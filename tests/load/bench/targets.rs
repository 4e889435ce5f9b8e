//! What the project means to reach, and what was measured.

use crate::measure::Sample;
use crate::memory::Memory;
use crate::peers::{Filters, Peer};
use crate::results::{Figure, Results};

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
    /// the figure of a run
    pub measured: fn(&Results) -> Option<f64>,
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
pub const TARGETS: [Target; 19] = [
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
            let ours = r.spread("plain-20", OURS, CPU)?.median;
            Some((ours - r.spread("plain-20", ONE, CPU)?.median) / 2.0)
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
        "CPU a GB, 10 MiB over TLS, body not read; HAProxy",
        1.1,
        2.0,
        Unit::Times,
        |r| {
            let pair = (BLIND, Peer::Haproxy);
            Some(r.ratio("mib-10", pair, |s| s.cpu_per_gigabyte)?.median)
        },
    ),
    target("the same; Haraka", 30.0, 30.0, Unit::Part, |r| {
        let pair = (Peer::Haraka, BLIND);
        Some(r.ratio("mib-10", pair, |s| s.cpu_per_gigabyte)?.median)
    }),
    target(
        "memory of an idle TLS connection",
        17.0,
        32.0,
        Unit::Kibibytes,
        |r| Some(memory(r)?.tls.last()?.1),
    ),
    target(
        "memory of an idle plain connection",
        3.3,
        7.0,
        Unit::Kibibytes,
        |r| Some(memory(r)?.plain.last()?.1),
    ),
    target(
        "memory of a 10 MiB message in flight",
        512.0,
        2048.0,
        Unit::Kibibytes,
        |r| Some(memory(r)?.in_flight),
    ),
    target(
        "system calls a message, plain, 20 a connection",
        16.0,
        30.0,
        Unit::Count,
        |r| {
            let ours = r.syscalls.iter().find(|(peer, _)| *peer == OURS)?;
            Some(ours.1)
        },
    ),
];

impl Target {
    /// How `figure` stands.
    pub fn standing(&self, figure: f64) -> Standing {
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
    measured: fn(&Results) -> Option<f64>,
) -> Target {
    Target {
        measure,
        aim,
        limit,
        unit,
        measured,
    }
}

fn ratio(results: &Results, scenario: &str, other: Peer, figure: Figure) -> Option<f64> {
    Some(results.ratio(scenario, (OURS, other), figure)?.median)
}

fn inverse(results: &Results, scenario: &str, other: Peer, figure: Figure) -> Option<f64> {
    Some(results.ratio(scenario, (other, OURS), figure)?.median)
}

/// What stands between the client and the sink, against what HAProxy is.
fn added_latency(results: &Results) -> Option<f64> {
    let p50 = |peer| {
        let figure: Figure = |sample: &Sample| sample.latency.p50;
        Some(results.spread("alone", peer, figure)?.median)
    };
    let direct = p50(Peer::Direct)?;
    let (ours, theirs) = (p50(OURS)? - direct, p50(Peer::Haproxy)? - direct);
    // Where HAProxy answers sooner than nobody does, there is nothing to compare with.
    (theirs > 0.0).then(|| ours / theirs)
}

fn memory(results: &Results) -> Option<&Memory> {
    let ours = results.memory.iter().find(|(peer, _)| *peer == OURS)?;
    Some(&ours.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(unit: Unit, aim: f64, limit: f64, figure: f64) -> Standing {
        target("", aim, limit, unit, |_| None).standing(figure)
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
    fn no_limit_is_stricter_than_its_aim() {
        for target in &TARGETS {
            let standing = target.standing(target.aim);
            assert_eq!(standing, Standing::Reached, "{}", target.measure);
            assert_ne!(
                target.standing(target.limit),
                Standing::Missed,
                "{}",
                target.measure
            );
        }
    }
}
