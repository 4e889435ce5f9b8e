//! The loads that every peer is put under.

use std::time::Duration;

use lazaret_load::{Ending, Handshakes, Pace, Plan, Security};
use serde::Serialize;

use crate::server::Server;

/// One load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scenario {
    /// what tables and `--scenarios` call it
    pub name: &'static str,
    /// in words
    pub about: &'static str,
    #[serde(skip)]
    security: Security,
    #[serde(skip)]
    handshakes: Handshakes,
    #[serde(skip)]
    pace: Pace,
    connections: usize,
    messages: usize,
    recipients: usize,
    size: usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The ordinary load: 20 connections at once, 20 messages of 4 KiB on each, in the clear, one command at a time.
pub const ORDINARY: Scenario = Scenario {
    name: "plain-20",
    about: "plain, 20 messages a connection",
    security: Security::Plain,
    handshakes: Handshakes::Full,
    pace: Pace::OneByOne,
    connections: 20,
    messages: 20,
    recipients: 1,
    size: 4 * KIB,
};

/// TLS from the first octet: every peer can do that, STARTTLS needs one that knows SMTP.
pub const TLS: Scenario = Scenario {
    name: "tls-20",
    about: "TLS, 20 messages a connection",
    security: Security::Implicit,
    ..ORDINARY
};

/// All of them.
pub const ALL: [Scenario; 13] = [
    ORDINARY,
    Scenario {
        name: "plain-1",
        about: "plain, 1 message a connection",
        messages: 1,
        ..ORDINARY
    },
    TLS,
    Scenario {
        name: "tls-1",
        about: "TLS, 1 message a connection, full handshakes",
        messages: 1,
        ..TLS
    },
    Scenario {
        name: "tls-1-resumed",
        about: "TLS, 1 message a connection, resumed where offered",
        messages: 1,
        handshakes: Handshakes::Resumed,
        ..TLS
    },
    Scenario {
        name: "starttls-20",
        about: "STARTTLS, 20 messages a connection",
        security: Security::Starttls,
        ..ORDINARY
    },
    Scenario {
        name: "rcpt-5",
        about: "plain, 20 messages a connection, 5 recipients each",
        recipients: 5,
        ..ORDINARY
    },
    Scenario {
        name: "crowd",
        about: "plain, 100 connections, 20 messages each",
        connections: 100,
        ..ORDINARY
    },
    Scenario {
        name: "pipelined",
        about: "plain, 20 messages a connection, MAIL RCPT DATA in one segment",
        pace: Pace::Pipelined,
        ..ORDINARY
    },
    Scenario {
        name: "alone",
        about: "plain, 1 connection, 20 messages",
        connections: 1,
        ..ORDINARY
    },
    Scenario {
        name: "alone-tls",
        about: "TLS, 1 connection after the other, 1 message each",
        connections: 1,
        messages: 1,
        ..TLS
    },
    Scenario {
        name: "mib-1",
        about: "TLS, 4 connections, 4 messages of 1 MiB each",
        connections: 4,
        messages: 4,
        size: MIB,
        ..TLS
    },
    Scenario {
        name: "mib-10",
        about: "TLS, 4 connections, 2 messages of 10 MiB each",
        connections: 4,
        messages: 2,
        size: 10 * MIB,
        ..TLS
    },
];

impl Scenario {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scenario| scenario.name == name)
    }

    /// The load for `server`: connections are begun for so long.
    pub fn plan(&self, server: &Server, time: Duration) -> Plan {
        Plan {
            ending: Ending::After(time),
            ..self.plan_to(server.address(self.security))
        }
    }

    /// The same, to any address in the clear, for so many messages at least.
    pub fn plan_of(&self, target: std::net::SocketAddr, messages: usize) -> Plan {
        Plan {
            ending: Ending::Connections(messages.div_ceil(self.messages)),
            ..self.plan_to(target)
        }
    }

    /// The same on so many connections at once.
    pub fn with_connections(self, connections: usize) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// The same with so many messages on each connection.
    pub fn with_messages(self, messages: usize) -> Self {
        Self { messages, ..self }
    }

    /// The same with messages of so many octets.
    pub fn with_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// How its connections are protected.
    pub fn security(&self) -> Security {
        self.security
    }

    /// Octets of one message.
    pub fn size(&self) -> usize {
        self.size
    }

    fn plan_to(&self, target: std::net::SocketAddr) -> Plan {
        Plan {
            security: self.security,
            handshakes: self.handshakes,
            pace: self.pace,
            connections: self.connections,
            messages: self.messages,
            recipients: self.recipients,
            size: self.size,
            ..Plan::to(target)
        }
    }
}
