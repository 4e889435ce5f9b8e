//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use lazaret_load::hold::Posture;
use lazaret_load::{Ending, Handshakes, Offer, Pace, Plan, Security};

const EXAMPLES: &str = "\
Examples:
  lazaret-load sink --listen 127.0.0.1:2526
  lazaret-load send 127.0.0.1:2526 --connections 20 --messages 20 --seconds 5
  lazaret-load send 127.0.0.1:465 --security implicit --handshakes resumed --connections 20 --total 2000
  lazaret-load send 127.0.0.1:25 --pace pipelined --recipients 5 --size 1048576 --json
  lazaret-load hold 127.0.0.1:25 --security starttls --connections 5000 --seconds 60 --process 4711
  lazaret-load hold 127.0.0.1:25 --connections 20 --size 10485760 --sending 10000000

Send only to servers that are yours: this is made to use all they have.";

/// Load for mail servers: send messages, hold connections, or take everything and keep nothing.
#[derive(Debug, Parser)]
#[command(name = "lazaret-load", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    pub task: Task,
}

#[derive(Debug, Subcommand)]
pub enum Task {
    /// Send messages, check every reply, say how long it took
    #[command(after_help = EXAMPLES)]
    Send(Send),
    /// Open connections and keep them, idle or in the middle of a message
    #[command(after_help = EXAMPLES)]
    Hold(Hold),
    /// Take every message and keep none; HELP answers how many
    Sink(Serve),
}

#[derive(Debug, Args)]
pub struct Send {
    #[command(flatten)]
    common: Common,
    /// Messages on each connection
    #[arg(long, default_value_t = 1)]
    messages: usize,
    /// Connections in all [default: as many as at once]
    #[arg(long, conflicts_with = "seconds")]
    total: Option<usize>,
    /// Begin connections for so long instead; those under way finish
    #[arg(long)]
    seconds: Option<f64>,
    /// How commands are grouped
    #[arg(long, value_enum, default_value = "one-by-one")]
    pace: Pace,
    /// Threads that share the connections
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print one object instead of words
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = Output::parser())]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Hold {
    #[command(flatten)]
    common: Common,
    /// How long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Say MAIL, RCPT, DATA and send so many octets of the message
    #[arg(long)]
    sending: Option<usize>,
    /// Processes whose memory, children included, is printed once all are open
    #[arg(long)]
    pub process: Vec<u32>,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Threads that share the connections
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Announce no PIPELINING, CHUNKING, XCLIENT
    #[arg(long)]
    bare: bool,
}

#[derive(Debug, Args)]
struct Common {
    /// The server
    target: SocketAddr,
    /// Connections at once
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How connections are protected; certificates are not checked
    #[arg(long, value_enum, default_value = "plain")]
    security: Security,
    /// Whether TLS sessions are resumed
    #[arg(long, value_enum, default_value = "full")]
    handshakes: Handshakes,
    /// Octets of each message
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Recipients of each message, in example.org
    #[arg(long, default_value_t = 1)]
    recipients: usize,
}

/// What a report is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Words,
    Json,
}

impl Output {
    fn parser() -> impl clap::builder::TypedValueParser<Value = Self> {
        use clap::builder::TypedValueParser;
        clap::builder::BoolValueParser::new().map(|json| match json {
            true => Self::Json,
            false => Self::Words,
        })
    }
}

impl Common {
    fn plan(&self) -> Plan {
        Plan {
            security: self.security,
            handshakes: self.handshakes,
            connections: self.connections,
            recipients: self.recipients,
            size: self.size,
            ..Plan::to(self.target)
        }
    }
}

impl Send {
    pub fn plan(&self) -> Plan {
        let ending = match self.seconds {
            Some(seconds) => Ending::After(Duration::from_secs_f64(seconds.max(0.0))),
            None => Ending::Connections(self.total.unwrap_or(self.common.connections)),
        };
        Plan {
            messages: self.messages,
            pace: self.pace,
            threads: self.threads,
            ending,
            ..self.common.plan()
        }
    }
}

impl Hold {
    pub fn plan(&self) -> Plan {
        self.common.plan()
    }

    pub fn posture(&self) -> Posture {
        self.sending.map_or(Posture::Idle, Posture::Sending)
    }

    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.max(0.0))
    }
}

impl Serve {
    pub fn offer(&self) -> Offer {
        match self.bare {
            true => Offer::NoPipelining,
            false => Offer::Everything,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_examples_are_understood() {
        Arguments::command().debug_assert();
        let lines = EXAMPLES.lines().filter(|line| line.starts_with("  "));
        for line in lines {
            let words = line.split_ascii_whitespace();
            assert!(Arguments::try_parse_from(words).is_ok(), "{line}");
        }
    }
}
