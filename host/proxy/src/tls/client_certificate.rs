//! Certificates of clients: asked for, never demanded. Whatever a client shows, the handshake goes on; what is told to
//! filters is only what it proved to hold the key of, and whether our roots vouch for it.

use std::fmt::Write;
use std::sync::Arc;

use lazaret_mail::Certificate;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::provider;

/// Octets of a name that are kept. A certificate may be as long as a handshake takes, and its facts live as long as the
/// session and its tickets.
const NAME: usize = 1 << 10;

/// Octets of modulus that aws-lc verifies signatures of.
const RSA: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Judges a chain by these roots.
pub(super) fn believing(roots: &Arc<RootCertStore>) -> Arc<dyn ClientCertVerifier> {
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
        .build()
        .expect("the configuration refuses an empty set of roots")
}

/// What filters learn of a client's certificate. None where it cannot be read, or nobody can know whether the client
/// holds its key.
pub(super) fn facts(
    chain: &[CertificateDer<'_>],
    believes: Option<&dyn ClientCertVerifier>,
) -> Option<Certificate> {
    let (own, others) = chain.split_first()?;
    let parsed = parse(own)?;
    Key::of(&parsed)?;
    let judged = believes.map(|it| it.verify_client_cert(own, others, UnixTime::now()));
    Some(Certificate {
        subject: cut(&parsed.subject().to_string()),
        issuer: cut(&parsed.issuer().to_string()),
        sha256: hex(&Sha256::digest(own)),
        verified: judged.is_some_and(|judged| judged.is_ok()),
    })
}

fn parse<'c>(certificate: &'c CertificateDer<'_>) -> Option<X509Certificate<'c>> {
    X509Certificate::from_der(certificate)
        .ok()
        .map(|(_, parsed)| parsed)
}

/// Of a long name no more memory is kept than of its beginning.
fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME)].to_owned()
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    for octet in octets {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// Asks for a certificate and takes any: expired, signed by nobody we know, of an age before extensions. Only a
/// signature that the shown key did not make ends the handshake: that is no bad certificate but somebody else's.
#[derive(Debug)]
pub(super) struct Asking(WebPkiSupportedAlgorithms);

impl Default for Asking {
    fn default() -> Self {
        Self(aws_lc_rs::default_provider().signature_verification_algorithms)
    }
}

impl Asking {
    fn prove(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let parsed = parse(certificate);
        // Not told to anybody, see `facts`.
        let Some(key) = parsed.as_ref().and_then(Key::of) else {
            return Ok(HandshakeSignatureValid::assertion());
        };
        let mapping = self.0.mapping.iter();
        let of_scheme = mapping.filter(|(scheme, _)| *scheme == signature.scheme);
        let mut algorithms = of_scheme.flat_map(|(_, algorithms)| algorithms.iter());
        let proven = algorithms.any(|algorithm| {
            let fits = algorithm.public_key_alg_id().as_ref() == key.algorithm;
            let verified =
                || algorithm.verify_signature(key.octets, message, signature.signature());
            fits && verified().is_ok()
        });
        match proven {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client that has a certificate shows it, whoever signed it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.prove(message, certificate, signature)
    }

    /// RFC 8446 section 4.2.3: no PKCS #1 here.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        use SignatureScheme as S;
        match signature.scheme {
            S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512 => {
                Err(CertificateError::BadSignature.into())
            }
            _ => self.prove(message, certificate, signature),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// A public key whose signatures we can verify.
struct Key<'c> {
    /// the content of its AlgorithmIdentifier (RFC 5280 section 4.1.1.2)
    algorithm: &'c [u8],
    octets: &'c [u8],
}

impl<'c> Key<'c> {
    fn of(certificate: &'c X509Certificate<'_>) -> Option<Self> {
        let info = certificate.public_key();
        let (_, whole) = Any::from_der(info.raw).ok()?;
        let (_, algorithm) = Any::from_der(whole.data).ok()?;
        let key = Self {
            algorithm: algorithm.data,
            octets: &info.subject_public_key.data,
        };
        let weak =
            matches!(info.parsed(), Ok(PublicKey::RSA(rsa)) if !RSA.contains(&rsa.key_size()));
        (key.is_known() && !weak).then_some(key)
    }

    fn is_known(&self) -> bool {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let mut known = algorithms.all.iter();
        known.any(|known| known.public_key_alg_id().as_ref() == self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_only_its_beginning_takes_memory() {
        let long = "\u{fc}".repeat(100_000);
        assert_eq!(cut(&long).len(), NAME);
        assert!(cut(&long).capacity() <= NAME);
        assert_eq!(cut("CN=a"), "CN=a");
    }
}
