//! Everything that is compared.

mod haproxy;
mod haraka;
mod lazaret;
mod milter;
mod nginx;
mod postfix;

pub use haraka::find as haraka_below;

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use anyhow::Result;
use lazaret_load::Security;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ground::Ground;
use crate::scenario::Scenario;
use crate::server::Server;

/// One way to stand in front of the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// nobody: the generator talks to the sink. What is left is nobody's cost; in the clear only
    Direct,
    /// HAProxy in TCP mode: ends TLS, copies octets, knows nothing of mail. What everything is compared with
    Haproxy,
    /// this project, with so many null filters
    Lazaret(Filters),
    /// nginx's mail proxy: speaks SMTP up to the first recipient, then copies octets
    Nginx,
    /// Postfix as a proxy before the queue, without content inspection
    PostfixProxy,
    /// Postfix with a queue and so many null milters
    PostfixMilters(usize),
    /// Haraka with a plugin that does nothing on every hook
    Haraka,
}

/// The filters of a Lazaret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filters {
    /// how many
    pub count: usize,
    /// whether each pulls the whole message
    pub read_body: bool,
}

/// Why a peer takes no part.
pub enum Absent {
    /// it is not installed
    NotHere(String),
    /// it does not work
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Absent {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<std::io::Error> for Absent {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl Peer {
    /// Those that are compared unless others are asked for.
    pub fn usual() -> Vec<Self> {
        let lazaret = |count| {
            Self::Lazaret(Filters {
                count,
                read_body: true,
            })
        };
        vec![
            Self::Direct,
            Self::Haproxy,
            lazaret(0),
            lazaret(1),
            lazaret(3),
            Self::Lazaret(Filters {
                count: 3,
                read_body: false,
            }),
            Self::Nginx,
            Self::Haraka,
            Self::PostfixProxy,
            Self::PostfixMilters(1),
            Self::PostfixMilters(3),
        ]
    }

    /// Starts it from a directory of its own.
    pub fn start(self, ground: &Ground) -> Result<Server, Absent> {
        match self {
            Self::Direct => Ok(Server::nobody(ground.sink.address())?),
            Self::Haproxy => haproxy::start(ground),
            Self::Lazaret(filters) => lazaret::start(ground, filters),
            Self::Nginx => nginx::start(ground),
            Self::PostfixProxy => postfix::start(ground, postfix::Role::Proxy),
            Self::PostfixMilters(count) => postfix::start(ground, postfix::Role::Milters(count)),
            Self::Haraka => haraka::start(ground),
        }
    }

    /// The version that its program tells.
    pub fn version(self, ground: &Ground) -> String {
        match self {
            Self::Direct => String::new(),
            Self::Haproxy => first_line(Command::new("haproxy").arg("-v")),
            Self::Lazaret(_) => first_line(Command::new(&ground.lazaret).arg("--version")),
            Self::Nginx => first_line(Command::new("nginx").arg("-v")),
            Self::PostfixProxy | Self::PostfixMilters(_) => {
                first_line(Command::new("postconf").args(["-d", "mail_version"]))
            }
            Self::Haraka => haraka::version(ground),
        }
    }

    /// Does it keep idle connections in processes that all of them share? Postfix has one process for each, and not so
    /// many as this would need.
    pub fn holds_crowds(self) -> bool {
        !matches!(
            self,
            Self::Direct | Self::PostfixProxy | Self::PostfixMilters(_)
        )
    }

    /// Can it be put under this load? The sink has no TLS, and who copies octets cannot be told to begin it.
    pub fn takes(self, scenario: &Scenario) -> bool {
        match scenario.security() {
            Security::Plain => true,
            Security::Implicit => self != Self::Direct,
            Security::Starttls => !matches!(self, Self::Direct | Self::Haproxy),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Haproxy => f.write_str("haproxy"),
            Self::Lazaret(Filters { count, read_body }) => {
                let blind = if *read_body { "" } else { "-blind" };
                write!(f, "lazaret-{count}{blind}")
            }
            Self::Nginx => f.write_str("nginx"),
            Self::PostfixProxy => f.write_str("postfix-proxy"),
            Self::PostfixMilters(count) => write!(f, "postfix-milters-{count}"),
            Self::Haraka => f.write_str("haraka"),
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let count = |text: &str| text.parse().ok();
        let known = match name {
            "direct" => Some(Self::Direct),
            "haproxy" => Some(Self::Haproxy),
            "nginx" => Some(Self::Nginx),
            "haraka" => Some(Self::Haraka),
            "postfix-proxy" => Some(Self::PostfixProxy),
            name => match name.strip_prefix("postfix-milters-") {
                Some(number) => count(number).map(Self::PostfixMilters),
                None => lazaret_named(name),
            },
        };
        known.ok_or_else(|| {
            format!(
                "there is no peer {name}: direct, haproxy, lazaret-N, lazaret-N-blind, nginx, haraka, postfix-proxy, \
                 postfix-milters-N"
            )
        })
    }
}

fn lazaret_named(name: &str) -> Option<Peer> {
    let rest = name.strip_prefix("lazaret-")?;
    let (count, read_body) = match rest.strip_suffix("-blind") {
        Some(count) => (count, false),
        None => (rest, true),
    };
    let count = count.parse().ok()?;
    Some(Peer::Lazaret(Filters { count, read_body }))
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Peer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    without_escapes(text.lines().next().unwrap_or_default())
}

/// Without what colours it on a terminal (ECMA-48, 5.4) and without other control characters.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c| matches!(c, '@'..='~')).map(|end| end + 1);
        plain.push_str(&part[end.unwrap_or(part.len())..]);
    }
    plain.retain(|c| !c.is_control());
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_no_colours() {
        for (said, plain) in [
            (
                "\u{1b}[32mHaraka.js\u{1b}[0m — Version: 3.3.4",
                "Haraka.js — Version: 3.3.4",
            ),
            ("\u{1b}[1;38;5;208mA\u{1b}[m", "A"),
            ("HAProxy version 2.6\r", "HAProxy version 2.6"),
            ("cut \u{1b}[3", "cut "),
        ] {
            assert_eq!(without_escapes(said), plain);
        }
    }

    #[test]
    fn names_there_and_back() {
        for peer in Peer::usual() {
            assert_eq!(peer.to_string().parse(), Ok(peer));
        }
        for wrong in ["lazaret", "lazaret-x", "postfix-milters-", "exim", ""] {
            assert!(Peer::from_str(wrong).is_err(), "{wrong}");
        }
    }
}
