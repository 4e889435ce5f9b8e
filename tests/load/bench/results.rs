//! Everything that was measured, each stage in a run of its own or all in one.

use serde::{Deserialize, Serialize};

use crate::growth::Curve;
use crate::machine::Origin;
use crate::measure::Sample;
use crate::memory::Memory;
use crate::peers::Peer;
use crate::statistics::Spread;
use crate::tools::Pair;

/// What there is of each stage.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    pub loads: Option<Stage<Vec<Load>>>,
    pub memory: Option<Stage<Vec<Rounds<Memory>>>>,
    /// system calls a message
    pub syscalls: Option<Stage<Vec<Rounds<f64>>>>,
    /// round by round, the same pairs in each
    pub tools: Option<Stage<Vec<Vec<Pair>>>>,
    pub growth: Option<Stage<Vec<Curve>>>,
}

/// A stage, and where its figures come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage<T> {
    pub origin: Origin,
    pub figures: T,
}

/// A peer, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Presence {
    pub peer: Peer,
    pub version: String,
    /// why it took no part
    pub absent: Option<String>,
}

/// All rounds of one peer under one scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    pub scenario: String,
    pub peer: Peer,
    /// one a round; `None` where the round failed
    pub samples: Vec<Option<Sample>>,
}

/// All rounds of one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rounds<T> {
    pub peer: Peer,
    /// those that did not fail
    pub rounds: Vec<T>,
}

impl<T> Rounds<T> {
    /// One figure of all rounds.
    pub fn spread(&self, figure: impl Fn(&T) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(figure))
    }
}

/// One number of a sample.
pub type Figure = fn(&Sample) -> f64;

impl Results {
    /// The rounds of `peer` under `scenario`.
    pub fn spread(&self, scenario: &str, peer: Peer, figure: Figure) -> Option<Spread> {
        Spread::of(self.samples(scenario, peer).flatten().map(figure))
    }

    /// Round by round, how many times the figure of `other` that of `peer` is: what the machine did meanwhile was done
    /// to both.
    pub fn ratio(
        &self,
        scenario: &str,
        (peer, other): (Peer, Peer),
        figure: Figure,
    ) -> Option<Spread> {
        let rounds = self
            .samples(scenario, peer)
            .zip(self.samples(scenario, other));
        Spread::of(rounds.filter_map(|(one, other)| Some(figure(one?) / figure(other?))))
    }

    /// Round by round, one figure of each of several loads, put together by `join`; a round in which one failed, or of
    /// which `join` makes nothing, is left out.
    pub fn joined<const N: usize>(
        &self,
        loads: [(&str, Peer, Figure); N],
        join: impl Fn([f64; N]) -> Option<f64>,
    ) -> Option<Spread> {
        let samples = loads.map(|(scenario, peer, figure)| {
            let figures = self.samples(scenario, peer);
            figures.map(|s| s.map(figure)).collect::<Vec<_>>()
        });
        let rounds = samples.iter().map(Vec::len).min().unwrap_or(0);
        let round = |number: usize| {
            let mut figures = [0.0; N];
            for (figure, rounds) in figures.iter_mut().zip(&samples) {
                *figure = rounds[number]?;
            }
            join(figures)
        };
        Spread::of((0..rounds).filter_map(round))
    }

    /// Those that took part in the loads, in the order they were asked for.
    pub fn present(&self) -> impl Iterator<Item = Peer> {
        let peers = self.loads.iter().flat_map(|stage| &stage.origin.peers);
        let present = peers.filter(|presence| presence.absent.is_none());
        present.map(|presence| presence.peer)
    }

    /// Was there a load of that name?
    pub fn has(&self, scenario: &str) -> bool {
        let mut loads = self.loads.iter().flat_map(|stage| &stage.figures);
        loads.any(|load| load.scenario == scenario)
    }

    fn samples(&self, scenario: &str, peer: Peer) -> impl Iterator<Item = Option<&Sample>> {
        let mut loads = self.loads.iter().flat_map(|stage| &stage.figures);
        let load = loads.find(|load| load.scenario == scenario && load.peer == peer);
        load.into_iter()
            .flat_map(|load| load.samples.iter().map(Option::as_ref))
    }
}

#[cfg(test)]
mod tests {
    use lazaret_load::Latency;

    use super::*;

    fn sample(cpu: f64) -> Sample {
        Sample {
            messages: 1,
            cpu,
            cpu_per_gigabyte: 1.0,
            rate: 1.0,
            latency: Latency::default(),
            set_up: Latency::default(),
            generator: 1.0,
            sink: 1.0,
            resumed: 0.0,
        }
    }

    fn load(peer: Peer, cpu: [Option<f64>; 3]) -> Load {
        Load {
            scenario: "plain-20".to_owned(),
            peer,
            samples: cpu.map(|cpu| cpu.map(sample)).into(),
        }
    }

    #[test]
    fn rounds_are_joined_where_nobody_failed() {
        let origin = Origin {
            commit: String::new(),
            day: String::new(),
            machine: Vec::new(),
            load: String::new(),
            rounds: 3,
            seconds: 4.0,
            peers: Vec::new(),
        };
        let figures = vec![
            load(Peer::Haproxy, [Some(1.0), None, Some(3.0)]),
            load(Peer::Nginx, [Some(2.0), Some(9.0), Some(12.0)]),
        ];
        let results = Results {
            loads: Some(Stage { origin, figures }),
            ..Results::default()
        };
        let cpu: Figure = |sample| sample.cpu;
        let loads = [
            ("plain-20", Peer::Haproxy, cpu),
            ("plain-20", Peer::Nginx, cpu),
        ];
        let more = results.joined(loads, |[one, other]| Some(other - one));
        assert_eq!(more, Spread::of([1.0, 9.0]));
        let times = results.ratio("plain-20", (Peer::Nginx, Peer::Haproxy), cpu);
        assert_eq!(times, Spread::of([2.0, 4.0]));
        let absent = [("plain-20", Peer::Direct, cpu)];
        assert_eq!(results.joined(absent, |[one]| Some(one)), None);
    }
}
