//! A dialogue in a file, and the set-up it needs.
//!
//! ```text
//! # What this shows.
//! [filter.10-puppet.config]           # the filter's TOML, as an operator writes it
//! mail = { reject = "go away" }
//! ---
//! S: 220 *                            # the proxy to the client; `*` is any text, `...` any lines
//! C: EHLO client.example.com          # the client; lines in a row are sent at once
//! S: ...
//! S: 250 *
//! P: MAIL FROM:<a@example.com>*       # what the backend hears from the proxy, from MAIL to the dot
//! B: 250 2.1.0 ok                     # what it answers, where the ordinary answer is not the one
//! ```
//!
//! `P:` lines are all that the backend may hear of transactions: what is not there must not be heard.
//! In angle brackets: `<close>`, `<tls>` (handshake), `<wait 100>` (milliseconds), `<octets 5000 x>`, `<silence 100>`
//! (milliseconds in which nothing is heard),
//! and for the backend `<connect>`, `<content>`, `<silence>`.
//! Escapes in `C:` lines: `\r`, `\n`, `\0`, `\\`, `\xHH`; a backslash at the end leaves out the CRLF.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use toml::Table;

use crate::peers::{self, Daemon};
use crate::{BackendDouble, Proxy, Segments, Step};

mod play;
mod script;

/// A file of `tests/sessions`, read.
#[derive(Debug)]
pub struct Transcript {
    setup: Setup,
    lines: Vec<Line>,
}

/// How the client reaches the proxy.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// in the clear
    Plain,
    /// TLS after the greeting
    Starttls,
    /// TLS from the first octet
    Implicit,
    /// on the listener with STARTTLS, which the transcript itself says
    ByHand,
}

/// What stands before the `---`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Setup {
    /// Filters by file name, e.g. `10-puppet`; the key `guest` names the component, else it is the puppet. A bundled one is
    /// put in by `bundled = true`, with what its policy says otherwise than as shipped.
    #[serde(default)]
    filter: BTreeMap<String, Table>,
    /// a server that must run: `clamd` or `rspamd`; `PEER` in a filter's TOML is its address. Where it is not installed the
    /// transcript is skipped
    peer: Option<String>,
    /// changes to the proxy's configuration
    #[serde(default)]
    proxy: Table,
    /// names for filters that ask the DNS, as a zone file; without it every name fails
    zone: Option<String>,
    /// what the backend offers in EHLO
    offer: Option<Vec<String>>,
    /// the ways it is played; all by default
    ways: Option<Vec<Way>>,
    /// in the clear on this listener instead of `plain`
    listener: Option<String>,
    /// how octets are handed to the network; whole and single by default
    segments: Option<Vec<Segments>>,
    /// what must be there afterwards
    #[serde(default)]
    after: After,
}

/// What must be there after each play.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct After {
    /// messages in the quarantine, in order
    #[serde(default)]
    quarantine: Vec<Kept>,
    /// patterns, each of which a line of the log must fit that was written meanwhile
    #[serde(default)]
    log: Vec<String>,
    /// patterns, each of which exactly one such line must fit
    #[serde(default)]
    log_once: Vec<String>,
}

/// One message in the quarantine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// patterns of the lines of the message
    message: Vec<String>,
    /// texts that occur in the record beside it
    record: Vec<String>,
}

/// One line of the dialogue.
#[derive(Clone, Debug, PartialEq)]
enum Line {
    /// the client sends these octets
    Client(Vec<u8>),
    /// the client closes
    ClientCloses,
    /// the client begins TLS
    Handshake,
    /// the client waits, in milliseconds
    ClientWaits(u64),
    /// a line that the client hears
    Server(String),
    /// any lines that the client hears
    ServerAny,
    /// the client hears nothing for so long, in milliseconds
    ServerSilent(u64),
    /// the client sees the end of the connection
    ServerCloses,
    /// a line that the backend hears
    Heard(String),
    /// what it does then
    Backend(Step),
}

impl Transcript {
    /// Reads a file; panics with file and line if it is not a transcript.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("a readable transcript");
        Self::parse(&text).unwrap_or_else(|problem| panic!("{}:{problem}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (setup, dialogue) = text.split_once("---\n").ok_or("1: no line `---`")?;
        let offset = setup.lines().count() + 2;
        let setup = toml::from_str(setup).map_err(|error| format!("1: {error}"))?;
        let lines = dialogue
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(n, line)| script::line(line).map_err(|what| format!("{}: {what}", n + offset)))
            .collect::<Result<_, _>>()?;
        Ok(Self { setup, lines })
    }

    /// Plays it in every way that it names, whole and with one octet a segment, against one proxy.
    pub fn play(&self) -> Result<(), String> {
        let peer = match self.setup.peer.as_deref().map(peer) {
            None => None,
            Some(Some(peer)) => Some(peer),
            Some(None) => return Ok(()),
        };
        let address = peer.as_ref().map(Daemon::address);
        let backend = BackendDouble::start();
        if let Some(offer) = &self.setup.offer {
            backend.offer(offer);
        }
        let proxy = self.proxy(backend.address(), address);
        if let Some(keyword) = self.offered(&backend) {
            proxy.until_offered(&keyword);
        }
        let all = &[Way::Plain, Way::Starttls, Way::Implicit];
        self.play_in(&proxy, &backend, all, &[Segments::Whole, Segments::Single])?;
        if let Some(name) = &self.setup.peer {
            peers::ran(name);
        }
        Ok(())
    }

    /// What a client of before may learn of the backend's offer: nothing where somebody would notice that there was one. It
    /// is the size, which is another one as long as the backend's is not known.
    fn offered(&self, backend: &BackendDouble) -> Option<String> {
        /// What the proxy keeps free for the fields that it adds.
        const HEADROOM: u64 = 64 << 10;
        let notices = |line: &Line| match line {
            Line::Heard(line) => line.starts_with('<') || line.starts_with("EHLO"),
            _ => false,
        };
        let setup = &self.setup;
        let is_ordinary = setup.filter.is_empty() && setup.proxy.is_empty();
        if !is_ordinary || self.lines.iter().any(notices) {
            return None;
        }
        let size = backend.size()?.saturating_sub(HEADROOM);
        Some(format!("SIZE {size}"))
    }

    /// Against a proxy that is there already, in the clear and whole unless it says otherwise. Its own filters and
    /// configuration do not count.
    pub fn play_at(&self, proxy: &Proxy, backend: &BackendDouble) -> Result<(), String> {
        self.play_in(proxy, backend, &[Way::Plain], &[Segments::Whole])
    }

    fn play_in(
        &self,
        proxy: &Proxy,
        backend: &BackendDouble,
        ways: &[Way],
        segments: &[Segments],
    ) -> Result<(), String> {
        let ways = self.setup.ways.as_deref().unwrap_or(ways);
        let segments = self.setup.segments.as_deref().unwrap_or(segments);
        for way in ways {
            for segments in segments {
                play::play(self, proxy, backend, *way, *segments)
                    .map_err(|problem| format!("{way:?}, {segments:?}: {problem}"))?;
            }
        }
        Ok(())
    }

    fn proxy(&self, backend: SocketAddr, peer: Option<SocketAddr>) -> Proxy {
        let builder = Proxy::before(backend).set_table(self.setup.proxy.clone());
        let peer = peer.map(|address| address.to_string()).unwrap_or_default();
        let add = |builder: crate::proxy::Builder, (name, policy): (&String, &Table)| {
            let policy = policy.to_string().replace("PEER", &peer);
            let mut policy: Table = policy.parse().expect("as it was");
            if policy.remove("bundled").is_some() {
                let (_, filter) = name.split_once('-').expect("NN-name");
                return builder.bundled_table(filter, policy);
            }
            let guest = policy.remove("guest");
            let guest = guest.as_ref().and_then(toml::Value::as_str);
            let guest = crate::guests::Guest::named(guest.unwrap_or("puppet"));
            builder.filter_table(name, guest.expect("a guest of that name"), policy)
        };
        let builder = self.setup.filter.iter().fold(builder, add);
        match &self.setup.zone {
            Some(zone) => builder.engine(crate::proxy::engine_with_zone(zone)).start(),
            None => builder.start(),
        }
    }
}

/// Starts the server of that name; None where it is not installed.
fn peer(name: &str) -> Option<Daemon> {
    match name {
        "clamd" => peers::clamd(peers::free_port(), ""),
        "rspamd" => peers::rspamd(peers::free_port()),
        other => panic!("no peer {other}"),
    }
}
