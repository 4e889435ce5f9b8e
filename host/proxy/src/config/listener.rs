//! `[[listener]]`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use lazaret_config::{ConfigError, Source, Spanned};
use serde::Deserialize;

use super::certificate::Certificates;
use super::recipients::{self, Recipients};

/// One listener: where it listens, how it speaks TLS, whom it serves.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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

/// How TLS starts on a listener.
#[derive(Clone, Debug)]
pub enum ListenerTls {
    /// never
    Off,
    /// by STARTTLS (RFC 3207)
    Starttls {
        /// what clients are shown
        certificates: Certificates,
        /// MAIL in the clear gets 530
        required: bool,
    },
    /// from the first octet (RFC 8314)
    Implicit(Certificates),
}

impl ListenerTls {
    /// What clients are shown.
    pub(crate) fn certificates(&self) -> Option<&Certificates> {
        match self {
            ListenerTls::Off => None,
            ListenerTls::Starttls { certificates, .. } | ListenerTls::Implicit(certificates) => {
                Some(certificates)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TlsWord {
    #[default]
    Off,
    Starttls,
    Implicit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    name: Spanned<String>,
    listen: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    tls: TlsWord,
    #[serde(default)]
    require_tls: Option<Spanned<bool>>,
    certificate: Option<Spanned<PathBuf>>,
    private_key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    certificates: Vec<Pair>,
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Pair {
    certificate: Spanned<PathBuf>,
    private_key: Spanned<PathBuf>,
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
        tls: check_tls(source, base, span, &written)?,
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
        network.parse().ok().or_else(single).ok_or_else(|| {
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

fn check_tls(
    source: &Source,
    base: &Path,
    span: std::ops::Range<usize>,
    written: &Written,
) -> Result<ListenerTls, ConfigError> {
    let required = written.require_tls.as_ref().is_some_and(|r| *r.get_ref());
    match written.tls {
        TlsWord::Off => {
            refuse_keys_without_tls(source, written)?;
            Ok(ListenerTls::Off)
        }
        TlsWord::Starttls => {
            let certificates = certificates(source, base, span, written)?;
            Ok(ListenerTls::Starttls {
                certificates,
                required,
            })
        }
        TlsWord::Implicit => certificates(source, base, span, written).map(ListenerTls::Implicit),
    }
}

fn refuse_keys_without_tls(source: &Source, written: &Written) -> Result<(), ConfigError> {
    let required = written
        .require_tls
        .as_ref()
        .filter(|r| *r.get_ref())
        .map(|r| (r.span(), "require-tls"));
    let certificate = written
        .certificate
        .as_ref()
        .map(|c| (c.span(), "certificate"));
    match required.or(certificate) {
        Some((span, key)) => Err(source
            .error(
                span,
                format!("`{key}` has no effect: this listener speaks no TLS"),
            )
            .cure("add tls = \"starttls\" or tls = \"implicit\"")),
        None => Ok(()),
    }
}

fn certificates(
    source: &Source,
    base: &Path,
    span: std::ops::Range<usize>,
    written: &Written,
) -> Result<Certificates, ConfigError> {
    let missing = |key: &str| {
        Err(source
            .error(
                span.clone(),
                format!(
                    "listener `{}` speaks TLS but has no `{key}`",
                    written.name.get_ref()
                ),
            )
            .cure(format!("add {key} = \"FILE.pem\", or tls = \"off\"")))
    };
    let (Some(certificate), Some(key)) = (&written.certificate, &written.private_key) else {
        return missing(if written.certificate.is_none() {
            "certificate"
        } else {
            "private-key"
        });
    };
    let mut pairs = vec![(certificate, key)];
    pairs.extend(
        written
            .certificates
            .iter()
            .map(|pair| (&pair.certificate, &pair.private_key)),
    );
    for file in pairs
        .iter()
        .flat_map(|(certificate, key)| [certificate, key])
    {
        exists(source, base, file)?;
    }
    let paths: Vec<_> = pairs
        .iter()
        .map(|(c, k)| (base.join(c.get_ref()), base.join(k.get_ref())))
        .collect();
    Certificates::read(paths)
        .map_err(|(problem, cure)| source.error(certificate.span(), problem).cure(cure))
}

fn exists(source: &Source, base: &Path, file: &Spanned<PathBuf>) -> Result<(), ConfigError> {
    let path = base.join(file.get_ref());
    match std::fs::metadata(&path) {
        Ok(_) => Ok(()),
        Err(e) => Err(source
            .error(
                file.span(),
                format!("{} cannot be read: {e}", path.display()),
            )
            .cure("relative paths start from the directory of this file")),
    }
}
