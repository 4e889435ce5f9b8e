//! `[[listener]]`

mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use lazaret_config::{ConfigError, Source, Spanned};
use serde::Deserialize;

use super::recipients::{self, Recipients};

pub use tls::{ClientCertificates, LeastTls, ListenerTls, TlsTerms};

/// One listener: where it listens, how it speaks TLS, whom it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerConfig {
    /// as filters and the log know it; unique
    pub name: String,
    /// at least one
    pub listen: Vec<SocketAddr>,
    /// how TLS starts
    pub tls: ListenerTls,
    /// `recipients`
    pub recipients: Recipients,
    /// clients from here meet no filters and no early-talk check
    pub trusted: Vec<IpNet>,
    /// who must say by a PROXY header whose connection it passes on; None: nobody may
    pub balancers: Option<Balancers>,
    /// who may say by XCLIENT whose session it passes on
    pub xclient: Vec<IpNet>,
    /// clients from here may end lines with a bare LF, which becomes CRLF
    pub newline_exempt: Vec<IpNet>,
}

/// `proxy-protocol`: load balancers in front of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancers {
    /// not empty; each connection from here starts with a PROXY header, or is closed
    pub from: Vec<IpNet>,
    /// what others get
    pub others: Others,
}

/// What becomes of a connection that comes from no balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// closed: who comes past the balancer is not meant to
    Refused,
    /// served as the client that it is
    Served,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    name: Spanned<String>,
    listen: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    tls: tls::Word,
    require_tls: Option<Spanned<bool>>,
    certificate: Option<Spanned<PathBuf>>,
    private_key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    certificates: Vec<tls::Pair>,
    min_tls: Option<Spanned<tls::LeastTls>>,
    client_certificates: Option<Spanned<tls::ClientWord>>,
    client_ca: Option<Spanned<PathBuf>>,
    recipients: Option<Spanned<recipients::Written>>,
    #[serde(default)]
    trusted: Vec<Spanned<String>>,
    proxy_protocol: Option<WrittenBalancers>,
    xclient: Option<WrittenXClient>,
    #[serde(default)]
    newline_exempt: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenBalancers {
    from: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    require: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenXClient {
    from: Spanned<Vec<Spanned<String>>>,
}

pub(super) fn check_all(
    source: &Source,
    base: &Path,
    written: Vec<Spanned<Written>>,
) -> Result<Vec<ListenerConfig>, ConfigError> {
    if written.is_empty() {
        return Err(ConfigError::new(source.path(), "there is no [[listener]]")
            .cure("add one with name, listen and recipients"));
    }
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    let addresses = written.iter().flat_map(|it| it.get_ref().listen.get_ref());
    super::once(source, addresses)?;
    for written in written {
        let name = written.get_ref().name.clone();
        if listeners.iter().any(|known| known.name == *name.get_ref()) {
            return Err(source
                .error(
                    name.span(),
                    format!(
                        "two listeners are named `{}`",
                        name.get_ref().escape_debug()
                    ),
                )
                .cure("give each its own name"));
        }
        listeners.push(check(source, base, written)?);
    }
    Ok(listeners)
}

fn check(
    source: &Source,
    base: &Path,
    written: Spanned<Written>,
) -> Result<ListenerConfig, ConfigError> {
    let span = written.span();
    let written = written.into_inner();
    let name = check_name(source, &written.name)?;
    let Some(recipients) = &written.recipients else {
        return Err(source.error(span, format!("listener `{name}` has no `recipients`")).cure(
            "say whose mail it takes, e.g. recipients = [\"example.org\"]: there is no default, or it would be an open relay",
        ));
    };
    Ok(ListenerConfig {
        listen: addresses(source, &written.listen)?,
        tls: tls::check(source, base, span, &written)?,
        recipients: recipients::check(source, base, recipients)?,
        trusted: networks(source, &written.trusted)?,
        balancers: balancers(source, written.proxy_protocol.as_ref())?,
        xclient: xclient(source, written.xclient.as_ref())?,
        newline_exempt: networks(source, &written.newline_exempt)?,
        name,
    })
}

fn check_name(source: &Source, written: &Spanned<String>) -> Result<String, ConfigError> {
    let name = written.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        return Ok(name.clone());
    }
    Err(source
        .error(
            written.span(),
            format!("`{}` is not a listener's name", name.escape_debug()),
        )
        .cure("use letters, digits, - and _, e.g. \"mx\""))
}

/// Without `require` in the file, who comes past the balancers is refused.
fn balancers(
    source: &Source,
    written: Option<&WrittenBalancers>,
) -> Result<Option<Balancers>, ConfigError> {
    let Some(written) = written else {
        return Ok(None);
    };
    Ok(Some(Balancers {
        from: listed(source, "proxy-protocol", &written.from)?,
        others: match written.require.unwrap_or(true) {
            true => Others::Refused,
            false => Others::Served,
        },
    }))
}

fn xclient(source: &Source, written: Option<&WrittenXClient>) -> Result<Vec<IpNet>, ConfigError> {
    written.map_or(Ok(Vec::new()), |written| {
        listed(source, "xclient", &written.from)
    })
}

/// Networks whose word is taken for who the client is: at least one, and never everybody.
fn listed(
    source: &Source,
    key: &str,
    written: &Spanned<Vec<Spanned<String>>>,
) -> Result<Vec<IpNet>, ConfigError> {
    let networks = networks(source, written.get_ref())?;
    let problem = match networks.as_slice() {
        [] => Some(format!("`{key}` believes nobody: `from` is empty")),
        all if all.iter().any(|network| network.prefix_len() == 0) => {
            Some(format!("`{key}` believes everybody"))
        }
        _ => None,
    };
    match problem {
        None => Ok(networks),
        Some(problem) => Err(source
            .error(written.span(), problem)
            .cure("name the hosts that may say who the client is, e.g. from = [\"10.0.0.5\"]")),
    }
}

fn addresses(
    source: &Source,
    written: &Spanned<Vec<Spanned<String>>>,
) -> Result<Vec<SocketAddr>, ConfigError> {
    if written.get_ref().is_empty() {
        return Err(source
            .error(written.span(), "`listen` is empty")
            .cure("write e.g. listen = [\"0.0.0.0:25\", \"[::]:25\"]"));
    }
    written
        .get_ref()
        .iter()
        .map(|address| super::socket_address(source, address))
        .collect()
}

fn networks(source: &Source, written: &[Spanned<String>]) -> Result<Vec<IpNet>, ConfigError> {
    let parse = |text: &Spanned<String>| {
        let network = text.get_ref();
        let single = || {
            network
                .parse()
                .ok()
                .map(|ip: std::net::IpAddr| IpNet::from(ip))
        };
        let network_of = network.parse().ok().or_else(single).map(canonical);
        network_of.ok_or_else(|| {
            source
                .error(
                    text.span(),
                    format!("`{}` is not a network", network.escape_debug()),
                )
                .cure("write e.g. \"10.0.0.0/8\" or \"2001:db8::/32\"")
        })
    };
    written.iter().map(parse).collect()
}

/// IPv4 in IPv6 is IPv4, as the addresses are that it is compared with.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let length = v6.prefix_len().checked_sub(96);
    let mapped = v6.addr().to_ipv4_mapped().zip(length);
    let v4 = mapped.and_then(|(v4, length)| Ipv4Net::new(v4, length).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        for (written, meant) in [
            ("::ffff:10.0.0.5/128", "10.0.0.5/32"),
            ("::ffff:10.1.0.0/112", "10.1.0.0/16"),
            ("::/0", "::/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
        ] {
            assert_eq!(canonical(written.parse().unwrap()).to_string(), meant);
        }
    }
}
