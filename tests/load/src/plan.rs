//! What is to be sent, and how.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;

/// A load: everything but the target has a default, one small message in the clear.
#[derive(Clone, Debug)]
pub struct Plan {
    /// the server
    pub target: SocketAddr,
    /// how connections are protected
    pub security: Security,
    /// whether TLS sessions are resumed
    pub handshakes: Handshakes,
    /// how commands are grouped
    pub pace: Pace,
    /// connections at once
    pub connections: usize,
    /// messages on each connection
    pub messages: usize,
    /// recipients of each message
    pub recipients: usize,
    /// octets of each message: header section, empty line, body
    pub size: usize,
    /// when it is over
    pub ending: Ending,
    /// threads that share the connections
    pub threads: usize,
    /// how long a reply, or a connection, may take before it counts as a failure
    pub patience: Duration,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Security {
    /// in the clear
    Plain,
    /// TLS after STARTTLS (RFC 3207)
    Starttls,
    /// TLS from the first octet (RFC 8314)
    Implicit,
}

/// Whether a connection may resume the TLS session of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Handshakes {
    /// each connection does all of it
    Full,
    /// with the ticket of an earlier connection where the server gave one
    Resumed,
}

/// How commands are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// each waits for the reply to the one before
    OneByOne,
    /// MAIL, RCPT and DATA in one segment (RFC 2920); the server must offer it
    Pipelined,
}

/// When the load is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// after so many connections, each with all its messages
    Connections(usize),
    /// no connection is begun after this time; those under way finish
    After(Duration),
}

impl Plan {
    /// One message of 4 KiB to one recipient on one connection.
    pub fn to(target: SocketAddr) -> Self {
        Self {
            target,
            security: Security::Plain,
            handshakes: Handshakes::Full,
            pace: Pace::OneByOne,
            connections: 1,
            messages: 1,
            recipients: 1,
            size: 4096,
            ending: Ending::Connections(1),
            threads: 1,
            patience: Duration::from_secs(60),
        }
    }
}
