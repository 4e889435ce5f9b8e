//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::peers::Peer;
use crate::scenario::{ALL, Scenario};

const EXAMPLES: &str = "\
Examples, by way of `cargo xtask bench`, which builds the two programs and the filter first:
  cargo xtask bench                                          everything, most of an hour; rewrites docs/performance.md
  cargo xtask bench --only memory                            one stage; rewrites its part of the page and the table of aims
  cargo xtask bench --quick                                  a look, some minutes, the page stays as it is
  cargo xtask bench --quick --peers haproxy,lazaret-0,lazaret-3 --scenarios plain-20,tls-1 --only loads
  cargo xtask bench --peers lazaret-1,lazaret-10 --json

Peers that are not installed are reported as absent. On Debian: apt-get install haproxy postfix nginx-light
libnginx-mod-mail libmilter-dev gcc strace; npm install --prefix target/bench Haraka. Postfix wants root.
Everything listens on loopback and lives in directories of its own.";

/// Lazaret beside HAProxy, nginx, Postfix, milters and Haraka, on this machine, in turns.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", after_help = EXAMPLES)]
pub struct Arguments {
    /// Short loads, one round, smaller crowds; the figures are a hint and the page stays as it is
    #[arg(long)]
    pub quick: bool,
    /// Whom to compare, e.g. haproxy,lazaret-3
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Under which loads
    #[arg(long, value_delimiter = ',', value_parser = scenario)]
    scenarios: Vec<Scenario>,
    /// Which stages
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Rounds [default: 3, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each load [default: 4, with --quick 0.5]
    #[arg(long)]
    seconds: Option<f64>,
    /// Print everything that was measured as one object instead of tables
    #[arg(long)]
    pub json: bool,
    /// The page to rewrite, its figures in a directory named as it; without it, with --quick, or of some peers or loads
    /// only, tables are printed
    #[arg(long)]
    page: Option<PathBuf>,
    /// The program to measure
    #[arg(long)]
    pub lazaret: PathBuf,
    /// The null filter
    #[arg(long)]
    pub null_filter: PathBuf,
    /// Where npm has installed Haraka
    #[arg(long, default_value = "target/bench")]
    pub npm: PathBuf,
}

/// A stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// CPU time, rate, latency
    Loads,
    /// idle connections, messages in flight
    Memory,
    /// under strace
    Syscalls,
    /// the generator and the sink against smtp-source and smtp-sink
    Tools,
    /// how cost grows with connections, filters, sizes
    Growth,
}

impl Kind {
    /// In the order of a run.
    pub const ALL: [Self; 5] = [
        Self::Tools,
        Self::Loads,
        Self::Syscalls,
        Self::Memory,
        Self::Growth,
    ];
}

impl Arguments {
    pub fn peers(&self) -> Vec<Peer> {
        match self.peers.as_slice() {
            [] => Peer::usual(),
            some => some.to_vec(),
        }
    }

    pub fn scenarios(&self) -> Vec<Scenario> {
        match self.scenarios.as_slice() {
            [] => ALL.to_vec(),
            some => some.to_vec(),
        }
    }

    pub fn wants(&self, kind: Kind) -> bool {
        self.only.is_empty() || self.only.contains(&kind)
    }

    /// The stages of this run.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.wants(*kind))
    }

    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }

    pub fn time(&self) -> Duration {
        let usual = if self.quick { 0.5 } else { 4.0 };
        Duration::from_secs_f64(self.seconds.unwrap_or(usual).clamp(0.05, 60.0))
    }

    /// Idle connections to open, in steps.
    pub fn crowds(&self) -> &'static [usize] {
        match self.quick {
            true => &[200],
            false => &[1000, 5000],
        }
    }

    /// The page that is to be rewritten: of whole stages only.
    pub fn page(&self) -> Option<&PathBuf> {
        let whole = self.peers.is_empty() && self.scenarios.is_empty();
        self.page
            .as_ref()
            .filter(|_| whole && !self.quick && !self.json)
    }
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        format!("there is no load {name}: {}", names.join(", "))
    })
}
