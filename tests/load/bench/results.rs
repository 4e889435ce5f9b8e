//! Everything that was measured in one run.

use serde::Serialize;

use crate::growth::Curve;
use crate::measure::Sample;
use crate::memory::Memory;
use crate::peers::Peer;
use crate::statistics::Spread;
use crate::tools::Pair;

/// A run.
#[derive(Debug, Serialize)]
pub struct Results {
    pub machine: Vec<String>,
    /// seconds of each load
    pub seconds: f64,
    pub rounds: usize,
    pub peers: Vec<Presence>,
    pub loads: Vec<Load>,
    pub memory: Vec<(Peer, Memory)>,
    pub syscalls: Vec<(Peer, f64)>,
    pub tools: Vec<Pair>,
    pub growth: Vec<Curve>,
}

/// A peer, and what became of it.
#[derive(Debug, Serialize)]
pub struct Presence {
    pub peer: Peer,
    pub version: String,
    /// why it took no part
    pub absent: Option<String>,
}

/// All rounds of one peer under one scenario.
#[derive(Debug, Serialize)]
pub struct Load {
    pub scenario: &'static str,
    pub peer: Peer,
    /// one a round; `None` where the round failed
    pub samples: Vec<Option<Sample>>,
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

    /// The present peers, in the order they were asked for.
    pub fn present(&self) -> impl Iterator<Item = Peer> {
        let present = self.peers.iter().filter(|p| p.absent.is_none());
        present.map(|presence| presence.peer)
    }

    fn samples(&self, scenario: &str, peer: Peer) -> impl Iterator<Item = Option<&Sample>> {
        let load = self
            .loads
            .iter()
            .find(|load| load.scenario == scenario && load.peer == peer);
        load.into_iter()
            .flat_map(|load| load.samples.iter().map(Option::as_ref))
    }
}
