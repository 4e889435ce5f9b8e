//! What a listener's TLS is made of: how it starts, with which certificates, on which terms.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lazaret_config::{ConfigError, Source, Spanned};
use rustls::version::TLS13;
use rustls::{RootCertStore, SupportedProtocolVersion};
use serde::Deserialize;

use super::Written;
use crate::config::certificate::{Certificates, Part};
use crate::config::roots;

/// For `min-tls = "1.3"`.
static ONLY_1_3: &[&SupportedProtocolVersion] = &[&TLS13];

/// How TLS starts on a listener.
#[derive(Clone, Debug, PartialEq)]
pub enum ListenerTls {
    /// never
    Off,
    /// by STARTTLS (RFC 3207)
    Starttls {
        /// certificates and versions
        terms: TlsTerms,
        /// MAIL in the clear gets 530
        required: bool,
    },
    /// from the first octet (RFC 8314)
    Implicit(TlsTerms),
}

/// On which terms a listener speaks TLS. Equal if they name the same files, versions and authorities.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsTerms {
    /// what clients are shown
    pub certificates: Certificates,
    /// `min-tls`
    pub least: LeastTls,
    /// `client-certificates`
    pub clients: ClientCertificates,
}

/// The oldest version that is spoken. Older ones than 1.2 never are (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum LeastTls {
    /// TLS 1.2 (RFC 5246)
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446)
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whether clients are asked for a certificate. Never demanded: filters judge what is shown.
#[derive(Clone, Debug)]
pub enum ClientCertificates {
    /// not asked for
    Off,
    /// asked for; verified by these authorities, by none if there are none
    Ask(Option<Arc<RootCertStore>>),
}

impl ListenerTls {
    /// Certificates and versions, if it speaks TLS at all.
    pub fn terms(&self) -> Option<&TlsTerms> {
        match self {
            ListenerTls::Off => None,
            ListenerTls::Starttls { terms, .. } | ListenerTls::Implicit(terms) => Some(terms),
        }
    }
}

impl LeastTls {
    /// The versions that are spoken.
    pub(crate) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            LeastTls::V1_2 => rustls::ALL_VERSIONS,
            LeastTls::V1_3 => ONLY_1_3,
        }
    }

    /// As written in TOML.
    pub fn word(self) -> &'static str {
        match self {
            LeastTls::V1_2 => "1.2",
            LeastTls::V1_3 => "1.3",
        }
    }
}

impl PartialEq for ClientCertificates {
    fn eq(&self, other: &Self) -> bool {
        use ClientCertificates::{Ask, Off};
        match (self, other) {
            (Off, Off) | (Ask(None), Ask(None)) => true,
            (Ask(Some(these)), Ask(Some(those))) => these.roots == those.roots,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Word {
    #[default]
    Off,
    Starttls,
    Implicit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ClientWord {
    Off,
    Ask,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Pair {
    certificate: Spanned<PathBuf>,
    private_key: Spanned<PathBuf>,
}

pub(super) fn check(
    source: &Source,
    base: &Path,
    span: std::ops::Range<usize>,
    written: &Written,
) -> Result<ListenerTls, ConfigError> {
    if written.tls == Word::Off {
        refuse_keys_without_tls(source, written)?;
        return Ok(ListenerTls::Off);
    }
    let least = written.min_tls.as_ref().map(|least| *least.get_ref());
    let terms = TlsTerms {
        certificates: certificates(source, base, span, written)?,
        least: least.unwrap_or_default(),
        clients: clients(source, written)?,
    };
    let required = written.require_tls.as_ref().is_some_and(|r| *r.get_ref());
    Ok(match written.tls {
        Word::Starttls => ListenerTls::Starttls { terms, required },
        Word::Implicit | Word::Off => ListenerTls::Implicit(terms),
    })
}

/// What would be thought to protect, and does nothing.
fn refuse_keys_without_tls(source: &Source, written: &Written) -> Result<(), ConfigError> {
    let required = written.require_tls.as_ref().filter(|r| *r.get_ref());
    let asked = written.client_certificates.as_ref();
    let asked = asked.filter(|word| *word.get_ref() == ClientWord::Ask);
    let keys = [
        required.map(|r| (r.span(), "require-tls")),
        written
            .certificate
            .as_ref()
            .map(|c| (c.span(), "certificate")),
        written
            .private_key
            .as_ref()
            .map(|it| (it.span(), "private-key")),
        written
            .certificates
            .first()
            .map(|pair| (pair.certificate.span(), "certificates")),
        written.min_tls.as_ref().map(|it| (it.span(), "min-tls")),
        asked.map(|it| (it.span(), "client-certificates")),
        written
            .client_ca
            .as_ref()
            .map(|it| (it.span(), "client-ca")),
    ];
    match keys.into_iter().flatten().next() {
        Some((span, key)) => Err(source
            .error(
                span,
                format!("`{key}` has no effect: this listener speaks no TLS"),
            )
            .cure("add tls = \"starttls\" or tls = \"implicit\"")),
        None => Ok(()),
    }
}

fn clients(source: &Source, written: &Written) -> Result<ClientCertificates, ConfigError> {
    let word = written.client_certificates.as_ref().map(|it| *it.get_ref());
    match (word, &written.client_ca) {
        (Some(ClientWord::Ask), None) => Ok(ClientCertificates::Ask(None)),
        (Some(ClientWord::Ask), Some(ca)) => {
            let roots = roots::read(source, ca)?;
            Ok(ClientCertificates::Ask(Some(roots)))
        }
        (_, None) => Ok(ClientCertificates::Off),
        (_, Some(ca)) => Err(source
            .error(
                ca.span(),
                "`client-ca` has no effect: clients are not asked for certificates",
            )
            .cure("add client-certificates = \"ask\"")),
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
    Certificates::read(paths).map_err(|fault| {
        let (certificate, key) = pairs[fault.pair];
        let file = match fault.part {
            Part::Chain => certificate,
            Part::Key => key,
        };
        source.error(file.span(), fault.problem).cure(fault.cure)
    })
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
