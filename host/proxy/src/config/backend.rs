//! `[backend]`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lazaret_config::{ConfigError, Source, Span, Spanned};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use serde::Deserialize;

use super::limits::at_least_time as at_least;
use super::listener::ListenerConfig;
use super::roots;

/// Default of `offer-age`.
const OFFER_AGE: Duration = Duration::ZERO;

/// The mail server behind us.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendConfig {
    /// `host:port`; each is all its addresses, and mail is spread over those that are alive. At least one
    pub address: Vec<String>,
    /// how the connection to it is protected
    pub tls: BackendTls,
    /// how it learns who the client is
    pub identity: Identity,
    /// connections at once to all addresses together, idle ones included. Default 40
    pub connections: usize,
    /// how long the first RCPT may wait for one of them before 451. Default 10 s
    pub wait: Duration,
    /// how long a connection is kept for a client between its first RCPT and its end of data. Default 20 s
    pub hold: Duration,
    /// how long an idle connection waits for the next transaction; zero: it does not. Default 5 s
    pub idle: Duration,
    /// transactions on one connection. Default 100
    pub reuse: u32,
    /// how often an address is asked whether it is alive when nobody else asks. Default 10 s
    pub check: Duration,
    /// for connecting, TLS included. Default 10 s
    pub connect: Duration,
    /// for the greeting and each reply before the end of data, and for taking each block of it. Default 30 s
    pub reply: Duration,
    /// for all that precedes the end of data once the client's has come: the journal played again, DATA, the content.
    /// Default 2 min
    pub handover: Duration,
    /// for the reply to the end of data; if that is too short for the backend, mail it accepts is sent again by the
    /// client and doubled. Default 60 s
    pub accept: Duration,
    /// how old what we know of its EHLO may be when a client says EHLO. Default 0: it is asked anew
    pub offer_age: Duration,
    /// may small messages go out by BDAT where it is offered? Default true
    pub chunking: bool,
}

/// How the connection to the backend is protected. No policy falls back to a weaker one.
#[derive(Clone, Debug)]
pub enum BackendTls {
    /// in the clear
    Off,
    /// STARTTLS where offered, any certificate
    Opportunistic,
    /// STARTTLS or 451, any certificate
    Require,
    /// STARTTLS with a certificate that is valid for `name`, or 451
    Verify {
        /// None: the host part of `address`
        name: Option<ServerName<'static>>,
        /// whom we believe
        roots: Arc<RootCertStore>,
    },
}

impl PartialEq for BackendTls {
    fn eq(&self, other: &Self) -> bool {
        use BackendTls::{Off, Opportunistic, Require, Verify};
        match (self, other) {
            (Off, Off) | (Opportunistic, Opportunistic) | (Require, Require) => true,
            (
                Verify { name, roots },
                Verify {
                    name: other_name,
                    roots: other_roots,
                },
            ) => name == other_name && roots.roots == other_roots.roots,
            _ => false,
        }
    }
}

/// How the backend learns who the client is. Never dropped silently: a backend that does not offer it gets no mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Postfix XCLIENT: the backend acts as if the client had connected to it
    Xclient,
    /// Postfix XFORWARD: the backend logs the client
    Xforward,
    /// not at all
    #[default]
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TlsWord {
    #[default]
    Off,
    Opportunistic,
    Require,
    Verify,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    address: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    tls: TlsWord,
    name: Option<Spanned<String>>,
    ca: Option<Spanned<PathBuf>>,
    #[serde(default)]
    identity: Identity,
    connections: Option<Spanned<usize>>,
    wait: Option<Span>,
    handover: Option<Spanned<Span>>,
    hold: Option<Spanned<Span>>,
    idle: Option<Spanned<Span>>,
    reuse: Option<Spanned<u32>>,
    check: Option<Spanned<Span>>,
    connect: Option<Spanned<Span>>,
    reply: Option<Spanned<Span>>,
    accept: Option<Spanned<Span>>,
    offer_age: Option<Span>,
    chunking: Option<bool>,
}

impl Written {
    pub(super) fn check(
        self,
        source: &Source,
        listeners: &[ListenerConfig],
    ) -> Result<BackendConfig, ConfigError> {
        not_ourselves(source, self.address.get_ref(), listeners)?;
        let tls = self.check_tls(source)?;
        let or = |span: Option<Span>, seconds| span.map_or(Duration::from_secs(seconds), |s| s.0);
        Ok(BackendConfig {
            address: addresses(source, &self.address)?,
            tls,
            identity: self.identity,
            connections: connections(source, self.connections)?,
            wait: or(self.wait, 10),
            hold: patience(source, "hold", self.hold, 20)?,
            idle: patience(source, "idle", self.idle, 5)?,
            reuse: reuse(source, self.reuse)?,
            check: at_least(source, "check", self.check, 10)?,
            connect: at_least(source, "connect", self.connect, 10)?,
            reply: at_least(source, "reply", self.reply, 30)?,
            handover: at_least(source, "handover", self.handover, 120)?,
            accept: at_least(source, "accept", self.accept, 60)?,
            offer_age: self.offer_age.map_or(OFFER_AGE, |age| age.0),
            chunking: self.chunking.unwrap_or(true),
        })
    }

    fn check_tls(&self, source: &Source) -> Result<BackendTls, ConfigError> {
        let only_verify = self
            .name
            .as_ref()
            .map(|n| (n.span(), "name"))
            .or(self.ca.as_ref().map(|c| (c.span(), "ca")));
        match (self.tls, only_verify) {
            (TlsWord::Verify, _) => Ok(BackendTls::Verify {
                name: self
                    .name
                    .as_ref()
                    .map(|name| server_name(source, name))
                    .transpose()?,
                roots: roots(source, self.ca.as_ref())?,
            }),
            (_, Some((span, key))) => Err(source
                .error(
                    span,
                    format!("`{key}` has no effect: the certificate is not checked"),
                )
                .cure("add tls = \"verify\"")),
            (TlsWord::Off, None) => Ok(BackendTls::Off),
            (TlsWord::Opportunistic, None) => Ok(BackendTls::Opportunistic),
            (TlsWord::Require, None) => Ok(BackendTls::Require),
        }
    }
}

fn addresses(
    source: &Source,
    written: &Spanned<Vec<Spanned<String>>>,
) -> Result<Vec<String>, ConfigError> {
    if written.get_ref().is_empty() {
        return Err(source
            .error(written.span(), "`address` is empty")
            .cure("write e.g. address = [\"127.0.0.1:10025\"]"));
    }
    let check = |address: &Spanned<String>| {
        let (host, port) = address.get_ref().rsplit_once(':').unwrap_or_default();
        if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) {
            return Ok(address.get_ref().clone());
        }
        Err(source
            .error(
                address.span(),
                format!(
                    "`{}` is not a host with a port",
                    address.get_ref().escape_debug()
                ),
            )
            .cure("write e.g. \"127.0.0.1:10025\" or \"mail.internal:25\""))
    };
    super::once(source, written.get_ref())?;
    written.get_ref().iter().map(check).collect()
}

/// Mail to ourselves would go round until it is refused as looping.
fn not_ourselves(
    source: &Source,
    written: &[Spanned<String>],
    listeners: &[ListenerConfig],
) -> Result<(), ConfigError> {
    for address in written {
        let text = address.get_ref().replacen("localhost:", "127.0.0.1:", 1);
        let Ok(target) = text.parse::<SocketAddr>() else {
            continue;
        };
        let is_own = |own: &SocketAddr| {
            let everywhere = own.ip().is_unspecified() && target.ip().is_loopback();
            own.port() == target.port() && (own.ip() == target.ip() || everywhere)
        };
        if let Some(own) = listeners.iter().find(|own| own.listen.iter().any(is_own)) {
            let problem = format!("the backend {target} is our own listener `{}`", own.name);
            return Err(source
                .error(address.span(), problem)
                .cure("name the address where the mail server behind us listens"));
        }
    }
    Ok(())
}

fn connections(source: &Source, written: Option<Spanned<usize>>) -> Result<usize, ConfigError> {
    match written {
        None => Ok(40),
        Some(w) if (1..=10_000).contains(w.get_ref()) => Ok(*w.get_ref()),
        Some(w) => Err(source
            .error(w.span(), "`connections` must be from 1 to 10000")
            .cure("write as many as the backend takes at once, e.g. connections = 40")),
    }
}

fn reuse(source: &Source, written: Option<Spanned<u32>>) -> Result<u32, ConfigError> {
    match written {
        None => Ok(100),
        Some(w) if *w.get_ref() >= 1 => Ok(*w.get_ref()),
        Some(w) => Err(source
            .error(w.span(), "`reuse` must be at least 1")
            .cure("write reuse = 1 for a fresh connection for each transaction")),
    }
}

/// RFC 5321 lets a backend wait five minutes for a command; under stress Postfix waits ten seconds.
fn patience(
    source: &Source,
    key: &str,
    written: Option<Spanned<Span>>,
    seconds: u64,
) -> Result<Duration, ConfigError> {
    const MOST: Duration = Duration::from_secs(100);
    match written {
        None => Ok(Duration::from_secs(seconds)),
        Some(w) if w.get_ref().0 <= MOST => Ok(w.get_ref().0),
        Some(w) => Err(source
            .error(w.span(), format!("`{key}` is longer than backends wait"))
            .cure("write at most \"100s\": a third of the five minutes RFC 5321 gives a command")),
    }
}

fn server_name(
    source: &Source,
    written: &Spanned<String>,
) -> Result<ServerName<'static>, ConfigError> {
    ServerName::try_from(written.get_ref().clone()).map_err(|_| {
        let name = written.get_ref().escape_debug();
        source
            .error(
                written.span(),
                format!("`{name}` is not a name a certificate can hold"),
            )
            .cure("write the backend's host name, e.g. name = \"mail.example.org\"")
    })
}

fn roots(
    source: &Source,
    ca: Option<&Spanned<PathBuf>>,
) -> Result<Arc<RootCertStore>, ConfigError> {
    match ca {
        Some(written) => roots::read(source, written),
        None => Ok(Arc::new(RootCertStore::from_iter(
            webpki_roots::TLS_SERVER_ROOTS.iter().cloned(),
        ))),
    }
}
