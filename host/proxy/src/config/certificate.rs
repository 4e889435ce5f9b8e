//! Certificates and private keys: read, matched, and put in order of server names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The certificates of a listener. The first answers clients that name no server or one we have no certificate for.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// never empty
    entries: Vec<(Vec<String>, Arc<CertifiedKey>)>,
}

impl Certificates {
    /// Reads pairs of a PEM chain (own certificate first) and its PEM key. The error says which file, why, and what
    /// to do.
    pub(super) fn read(pairs: &[(PathBuf, PathBuf)]) -> Result<Self, (String, String)> {
        let entries = pairs.iter().map(|(chain, key)| read_pair(chain, key));
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().map(str::to_ascii_lowercase);
        let named = wanted.and_then(|name| {
            self.entries
                .iter()
                .find(|(own, _)| own.iter().any(|own| covers(own, &name)))
        });
        named
            .or(self.entries.first())
            .map(|(_, key)| Arc::clone(key))
    }
}

/// A certificate's `*.example.org` stands for one label (RFC 6125 section 6.4.3).
fn covers(own: &str, name: &str) -> bool {
    match own.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => own == name,
    }
}

fn read_pair(
    chain: &Path,
    key: &Path,
) -> Result<(Vec<String>, Arc<CertifiedKey>), (String, String)> {
    let certificates = read_chain(chain)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| {
        (
            format!("no private key can be read from {}: {e}", key.display()),
            "it must hold one unencrypted key in PEM".to_owned(),
        )
    })?;
    let names = dns_names(&certificates[0]);
    let certified = CertifiedKey::from_der(certificates, key_der, &ring::default_provider()).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => (
            format!("the key {} does not fit the certificate {}", key.display(), chain.display()),
            "name the key that the certificate was issued for, and put the host's own certificate first in the chain"
                .to_owned(),
        ),
        e => (format!("{} and {} cannot be used: {e}", chain.display(), key.display()), "use an RSA, ECDSA or Ed25519 key".to_owned()),
    })?;
    Ok((names, Arc::new(certified)))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, (String, String)> {
    let cure = "it must hold the certificate chain in PEM, the host's own certificate first";
    let unreadable = |e: &dyn std::fmt::Display| {
        (
            format!("no certificate can be read from {}: {e}", path.display()),
            cure.to_owned(),
        )
    };
    let chain = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))?;
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|e| unreadable(&e))?;
    match chain.is_empty() {
        true => Err(unreadable(&"there is none in it")),
        false => Ok(chain),
    }
}

fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(dns).collect()
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("*.example.org", "mx.example.org"));
        assert!(!covers("*.example.org", "a.mx.example.org"));
        assert!(!covers("*.example.org", "example.org"));
        assert!(covers("mx.example.org", "mx.example.org"));
    }
}
