//! The resolvers of the network, asked by hickory, behind a cache of ours.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use super::cache::Cache;
use super::{Answer, DomainName, Kind};
use crate::Fault;

/// One attempt at one server.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Attempts after the first.
const RETRIES: usize = 1;

/// So often in a row without an answer is a trouble, not a slow domain.
const SILENCE: u32 = 5;

/// What a question says of the resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// they were not asked
    Nothing,
    /// one of them answered
    Answer,
    /// none did, as far as whoever asked could wait
    Silence,
}

pub struct Network {
    resolver: TokioResolver,
    cache: Cache,
    /// how often in a row they were asked, whatever was asked at once, and nobody answered
    unanswered: AtomicU32,
}

impl Network {
    /// Those that a `resolv.conf` names, at this port.
    pub fn of_file(text: &[u8], port: u16) -> Result<Self, Fault> {
        let parsed = hickory_resolver::system_conf::parse_resolv_conf(text);
        let (config, options) = parsed.map_err(no_resolver)?;
        let mut servers = config.name_servers().to_vec();
        let connections = servers.iter_mut().flat_map(|it| &mut it.connections);
        connections.for_each(|connection| connection.port = port);
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        Self::open(config, options)
    }

    pub fn of(servers: &[SocketAddr]) -> Result<Self, Fault> {
        let servers = servers.iter().map(|server| {
            let at_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(at_port).to_vec();
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        Self::open(config, ResolverOpts::default())
    }

    fn open(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, Fault> {
        options.timeout = ATTEMPT;
        options.attempts = RETRIES;
        // It keeps whole answers, and counts them.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = false;
        options.max_active_requests = 1024;
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let resolver = builder.with_options(options).build();
        Ok(Self {
            resolver: resolver.map_err(no_resolver)?,
            cache: Cache::new(),
            unanswered: AtomicU32::new(0),
        })
    }

    pub async fn resolve(&self, name: &DomainName, kind: Kind) -> (Answer, Heard) {
        if let Some(answer) = self.cache.get(name, kind) {
            return (answer, Heard::Nothing);
        }
        let Some(wire) = name.wire() else {
            return (Answer::Failed, Heard::Nothing);
        };
        let found = self.resolver.lookup(wire, record_type(kind)).await;
        let heard = match &found {
            Err(error) if is_silence(error) => Heard::Silence,
            _ => Heard::Answer,
        };
        let (answer, until) = match found {
            Ok(found) => {
                let answers = found.answers().iter();
                let records = answers.filter_map(|record| text(&record.data, kind));
                let answer = or_no_data(records.collect()).capped(kind);
                (answer, Some(found.valid_until()))
            }
            Err(error) => (failed(&error), negative_until(&error)),
        };
        if let Some(until) = until {
            self.cache.keep(name, kind, &answer, until);
        }
        (answer, heard)
    }

    /// Of all that was asked at once: many names of one domain that is slow are one silence.
    pub fn note(&self, heard: &[Heard]) {
        if heard.contains(&Heard::Answer) {
            self.unanswered.store(0, Ordering::Relaxed);
        } else if heard.contains(&Heard::Silence) {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Do the resolvers say nothing at all at the moment?
    pub fn trouble(&self) -> Option<String> {
        let unanswered = self.unanswered.load(Ordering::Relaxed);
        (unanswered >= SILENCE).then(|| {
            format!(
                "the resolvers did not answer the last {unanswered} times they were asked for names"
            )
        })
    }
}

pub fn no_resolver(error: impl Display) -> Fault {
    Fault::new(
        format!("no resolver for names: {error}"),
        "correct /etc/resolv.conf, or write `servers` under [dns]",
    )
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Txt => RecordType::TXT,
        Kind::Ptr => RecordType::PTR,
    }
}

fn or_no_data(records: Vec<String>) -> Answer {
    match records.is_empty() {
        true => Answer::NoData,
        false => Answer::Records(records),
    }
}

/// Did no resolver say anything?
fn is_silence(error: &NetError) -> bool {
    matches!(
        error,
        NetError::Timeout | NetError::Io(_) | NetError::NoConnections
    )
}

/// How long it may be believed that there is nothing (RFC 2308).
fn negative_until(error: &NetError) -> Option<Instant> {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else {
        return None;
    };
    let seconds = none.negative_ttl?;
    Some(Instant::now() + Duration::from_secs(seconds.into()))
}

fn failed(error: &NetError) -> Answer {
    match error {
        NetError::Timeout => Answer::Late,
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Answer::NoName,
            ResponseCode::NoError => Answer::NoData,
            _ => Answer::Failed,
        },
        _ => Answer::Failed,
    }
}

/// A record of that kind as the contract writes it.
fn text(data: &RData, kind: Kind) -> Option<String> {
    match (data, kind) {
        (RData::A(address), Kind::A) => Some(address.0.to_string()),
        (RData::AAAA(address), Kind::Aaaa) => Some(address.0.to_string()),
        (RData::MX(mx), Kind::Mx) => Some(format!("{} {}", mx.preference, plain(&mx.exchange))),
        (RData::PTR(name), Kind::Ptr) => Some(plain(&name.0)),
        (RData::TXT(text), Kind::Txt) => {
            let octets = text.txt_data.concat();
            Some(String::from_utf8_lossy(&octets).into_owned())
        }
        _ => None,
    }
}

fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    text.trim_end_matches('.').to_ascii_lowercase()
}
