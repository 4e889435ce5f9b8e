//! Sizes, counts and times: each with a default that holds under attack.

use std::ops::RangeInclusive;
use std::time::Duration;

use lazaret_config::{ByteSize, ConfigError, Source, Span, Spanned};
use lazaret_mail::message::{PARSE_LIMIT, PARSE_ROOM};
use serde::Deserialize;

/// No bound.
const MOST: usize = usize::MAX;
/// A client's buffer grows to this.
const MOST_COMMAND: usize = 1 << 20;
/// Whoever wants to know about more has the log.
const MOST_DECISIONS: usize = 1_000_000;
/// More tasks than this are no help to anybody.
const MOST_OBSERVERS: usize = 100_000;

/// The largest message that is parsed needs so much.
const LEAST_PARSE_MEMORY: usize = 3 * PARSE_LIMIT as usize;

/// Sizes and counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// clients at once, all listeners together; the next one hears 421. Default 10,000
    pub connections: usize,
    /// clients at once from one IPv4 address or one IPv6 /64; the next one hears 421. Default 100
    pub connections_per_client: usize,
    /// octets of a message; announced as SIZE, larger ones get 552. Default 50 MiB
    pub message_size: u64,
    /// octets of a header section; larger ones get 552. Default 1 MiB
    pub header_size: usize,
    /// recipients of a transaction; the next one gets 452. Default 1000
    pub recipients: usize,
    /// octets of a command line, CRLF included; longer ones get 500. Default 4 KiB
    pub command: usize,
    /// refused commands of a session before 421. Default 20
    pub errors: u32,
    /// commands between two messages that bring none nearer (HELO, EHLO, RSET, NOOP, HELP, VRFY, MAIL that was refused);
    /// those beyond count as refused. Default 100
    pub junk_commands: u32,
    /// octets of a message kept in memory before it goes to a file. Default 256 KiB
    pub spool_memory: usize,
    /// octets of all messages together kept in memory; beyond it messages go to files at once. Default 256 MiB
    pub spool_memory_total: usize,
    /// octets of all messages together that were not answered for yet, in memory or in files; beyond it MAIL and messages
    /// get 452. Default 2 GiB
    pub in_flight: u64,
    /// octets of those that are messages of one client, an IPv4 address or an IPv6 /64; beyond it the same. Default a
    /// quarter of `in_flight`, at least a message of the largest size
    pub in_flight_per_client: u64,
    /// octets of memory for the MIME trees of all messages over 64 KiB; beyond it they wait a while, then are judged as
    /// unparsed. Default 512 MiB
    pub parse_memory: u64,
    /// Received fields in a message before it counts as looping and gets 554. Default 100
    pub received: usize,
    /// observers (`on-outcome`, `on-disconnect`) running at once; what comes on top is dropped and counted. Default 256
    pub observers: usize,
    /// decisions kept for `lazaret explain`, of transactions and of sessions without one each. Default 10,000
    pub decisions: usize,
    /// octets that these take. Default 128 MiB
    pub decisions_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_client: 100,
            message_size: 50 << 20,
            header_size: 1 << 20,
            recipients: 1000,
            command: 4096,
            errors: 20,
            junk_commands: 100,
            spool_memory: 256 << 10,
            spool_memory_total: 256 << 20,
            in_flight: 2 << 30,
            in_flight_per_client: 512 << 20,
            parse_memory: PARSE_ROOM,
            received: 100,
            observers: 256,
            decisions: 10_000,
            decisions_memory: 128 << 20,
        }
    }
}

/// How long a phase may take in whole, however busily the peer trickles octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// for a client to complete a command (RFC 5321 section 4.5.3.2). Default 5 min
    pub command: Duration,
    /// for a client to send each 16 KiB of a message. Default 3 min
    pub block: Duration,
    /// for a client to send a message, however it trickles. Default 1 h
    pub message: Duration,
    /// for a TLS handshake. Default 10 s
    pub handshake: Duration,
    /// for a whole session; it ends with 421 wherever it is. Default 4 h
    pub session: Duration,
    /// for a client to take our replies. Default 1 min
    pub write: Duration,
    /// before the greeting, to notice clients that do not wait for it. Default none
    pub greet_delay: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenDeadlines {
    command: Option<Spanned<Span>>,
    block: Option<Spanned<Span>>,
    message: Option<Spanned<Span>>,
    handshake: Option<Spanned<Span>>,
    session: Option<Spanned<Span>>,
    write: Option<Spanned<Span>>,
    greet_delay: Option<Span>,
}

impl WrittenDeadlines {
    pub(super) fn check(self, source: &Source) -> Result<Deadlines, ConfigError> {
        Ok(Deadlines {
            command: at_least_time(source, "command", self.command, 300)?,
            block: at_least_time(source, "block", self.block, 180)?,
            message: at_least_time(source, "message", self.message, 3600)?,
            handshake: at_least_time(source, "handshake", self.handshake, 10)?,
            session: at_least_time(source, "session", self.session, 4 * 3600)?,
            write: at_least_time(source, "write", self.write, 60)?,
            greet_delay: self.greet_delay.map_or(Duration::ZERO, |span| span.0),
        })
    }
}

/// How the files of filters are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// how often they are looked at. Default 250 ms
    pub look: Duration,
    /// how long they must be still before they are read, so that no half-written file is. Default 300 ms
    pub quiet: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenReload {
    look: Option<Spanned<Span>>,
    quiet: Option<Spanned<Span>>,
}

impl WrittenReload {
    pub(super) fn check(self, source: &Source) -> Result<Reload, ConfigError> {
        /// A file system counts the times of files in steps of some milliseconds.
        const LEAST: Span = Span(Duration::from_millis(10));
        let check = |name, written: Option<Spanned<Span>>, usual| match written {
            None => Ok(Duration::from_millis(usual)),
            Some(written) if *written.get_ref() >= LEAST => Ok(written.get_ref().0),
            Some(written) => Err(source
                .error(written.span(), format!("`{name}` is too short"))
                .cure(format!(
                    "the least that works is \"{LEAST}\", the default \"{usual}ms\""
                ))),
        };
        Ok(Reload {
            look: check("look", self.look, 250)?,
            quiet: check("quiet", self.quiet, 300)?,
        })
    }
}

/// Nobody answers in no time: 0 would refuse everybody.
pub(super) fn at_least_time(
    source: &Source,
    name: &str,
    written: Option<Spanned<Span>>,
    seconds: u64,
) -> Result<Duration, ConfigError> {
    const LEAST: Span = Span(Duration::from_millis(100));
    match written {
        None => Ok(Duration::from_secs(seconds)),
        Some(written) if *written.get_ref() >= LEAST => Ok(written.get_ref().0),
        Some(written) => Err(source
            .error(written.span(), format!("`{name}` is too short"))
            .cure(format!(
                "the least that works is \"{LEAST}\", the default \"{seconds}s\""
            ))),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Written {
    connections: Option<Spanned<usize>>,
    connections_per_client: Option<Spanned<usize>>,
    message_size: Option<Spanned<ByteSize>>,
    header_size: Option<Spanned<ByteSize>>,
    recipients: Option<Spanned<usize>>,
    command: Option<Spanned<ByteSize>>,
    errors: Option<Spanned<u32>>,
    junk_commands: Option<u32>,
    spool_memory: Option<ByteSize>,
    spool_memory_total: Option<ByteSize>,
    in_flight: Option<Spanned<ByteSize>>,
    in_flight_per_client: Option<Spanned<ByteSize>>,
    parse_memory: Option<Spanned<ByteSize>>,
    received: Option<Spanned<usize>>,
    observers: Option<Spanned<usize>>,
    decisions: Option<Spanned<usize>>,
    decisions_memory: Option<ByteSize>,
}

impl Written {
    pub(super) fn check(self, source: &Source) -> Result<Limits, ConfigError> {
        let usual = Limits::default();
        let count = |written, name, bounds, or| within(source, name, written, &COUNT, bounds, or);
        let size = |written, name, bounds, or| within(source, name, written, &SIZE, bounds, or);
        let message_size = size(self.message_size, "message-size", 64 << 10..=MOST, 50 << 20)?;
        let one_fits = |written, name, or| room(source, written, name, message_size as u64, or);
        let in_flight = one_fits(self.in_flight, "in-flight", usual.in_flight)?;
        let per_client = self.in_flight_per_client;
        let per_client = one_fits(per_client, "in-flight-per-client", in_flight / 4)?;
        let parse_memory = octets(&ByteSize(usual.parse_memory));
        let or = |written: Option<ByteSize>, usual| written.map_or(usual, |size| octets(&size));
        Ok(Limits {
            connections: count(self.connections, "connections", 1..=MOST, usual.connections)?,
            connections_per_client: count(
                self.connections_per_client,
                "connections-per-client",
                1..=MOST,
                usual.connections_per_client,
            )?,
            message_size: message_size as u64,
            parse_memory: size(
                self.parse_memory,
                "parse-memory",
                LEAST_PARSE_MEMORY..=MOST,
                parse_memory,
            )? as u64,
            in_flight,
            in_flight_per_client: per_client,
            header_size: size(
                self.header_size,
                "header-size",
                4096..=MOST,
                usual.header_size,
            )?,
            // RFC 5321 section 4.5.3.1.8: at least 100 recipients.
            recipients: count(self.recipients, "recipients", 100..=MOST, usual.recipients)?,
            // RFC 5321 section 4.5.3.1.4 with room for ESMTP parameters.
            command: size(self.command, "command", 1024..=MOST_COMMAND, usual.command)?,
            errors: errors(source, self.errors)?.unwrap_or(usual.errors),
            junk_commands: self.junk_commands.unwrap_or(usual.junk_commands),
            spool_memory: or(self.spool_memory, usual.spool_memory),
            spool_memory_total: or(self.spool_memory_total, usual.spool_memory_total),
            received: count(self.received, "received", 1..=MOST, usual.received)?,
            observers: count(
                self.observers,
                "observers",
                0..=MOST_OBSERVERS,
                usual.observers,
            )?,
            decisions: count(
                self.decisions,
                "decisions",
                0..=MOST_DECISIONS,
                usual.decisions,
            )?,
            decisions_memory: or(self.decisions_memory, usual.decisions_memory),
        })
    }
}

/// What a limit counts: how it is read, and how its bounds are shown so that they may be written.
struct Unit<T> {
    read: fn(&T) -> usize,
    show: fn(usize) -> String,
}

const COUNT: Unit<usize> = Unit {
    read: |count| *count,
    show: |count| count.to_string(),
};
const SIZE: Unit<ByteSize> = Unit {
    read: octets,
    show: |octets| format!("\"{}\"", ByteSize(octets as u64)),
};

/// The value, `or` where none is written; refuses one that is not within its bounds.
fn within<T>(
    source: &Source,
    name: &str,
    written: Option<Spanned<T>>,
    unit: &Unit<T>,
    bounds: RangeInclusive<usize>,
    or: usize,
) -> Result<usize, ConfigError> {
    let Some(written) = written else {
        return Ok(or);
    };
    let value = (unit.read)(written.get_ref());
    let (word, which, bound) = match value {
        _ if value < *bounds.start() => ("small", "least", bounds.start()),
        _ if value > *bounds.end() => ("large", "most", bounds.end()),
        _ => return Ok(value),
    };
    Err(source
        .error(written.span(), format!("`{name}` is too {word}"))
        .cure(format!("the {which} that works is {}", (unit.show)(*bound))))
}

/// One message of the largest size must fit, or it could never be taken.
fn room(
    source: &Source,
    written: Option<Spanned<ByteSize>>,
    name: &str,
    message_size: u64,
    or: u64,
) -> Result<u64, ConfigError> {
    let Some(written) = written else {
        return Ok(or.max(message_size));
    };
    if written.get_ref().0 >= message_size {
        return Ok(written.get_ref().0);
    }
    let problem =
        format!("`{name}` is less than `message-size`: the largest message could never be taken");
    let cure = format!("write at least \"{}\"", ByteSize(message_size));
    Err(source.error(written.span(), problem).cure(cure))
}

fn octets(size: &ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// At least one.
fn errors(source: &Source, written: Option<Spanned<u32>>) -> Result<Option<u32>, ConfigError> {
    const ERRORS: Unit<u32> = Unit {
        read: |errors| *errors as usize,
        show: |errors| errors.to_string(),
    };
    let errors = written.as_ref().map(|written| *written.get_ref());
    within(source, "errors", written, &ERRORS, 1..=MOST, 1)?;
    Ok(errors)
}
