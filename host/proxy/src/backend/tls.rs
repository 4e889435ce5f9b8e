//! TLS towards the backend (RFC 3207). TLS 1.2 and 1.3 only (RFC 8996); sessions are resumed.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::config::BackendTls;
use crate::tls::provider;
use crate::wire::Wire;

/// Begins TLS with the backend, by policy. One for all connections: each may resume the session of another.
pub(super) struct Connector {
    connector: TlsConnector,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Connector {
    /// None for the policy `off`.
    pub(super) fn new(policy: &BackendTls) -> Option<Self> {
        let verifier: Arc<dyn ServerCertVerifier> = match policy {
            BackendTls::Off => return None,
            // They keep listeners-in out, not somebody in the middle, and promise no more.
            BackendTls::Opportunistic | BackendTls::Require => Arc::new(AnyCertificate(provider())),
            BackendTls::Verify { roots, .. } => {
                WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider())
                    .build()
                    .expect("the configuration refuses an empty set of roots")
            }
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring serves TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        Some(Self {
            connector: TlsConnector::from(Arc::new(config)),
            verifier,
        })
    }

    /// The handshake; the caller keeps the deadline.
    pub(super) async fn connect(
        &self,
        name: ServerName<'static>,
        tcp: TcpStream,
    ) -> io::Result<Wire> {
        let stream = self.connector.connect(name.clone(), tcp).await?;
        self.check_again(&name, stream.get_ref().1)?;
        Ok(Wire::Tls(Box::new(TlsStream::Client(stream))))
    }

    /// In a resumed session the backend shows no certificate. The one it showed first must be valid now, too: else a
    /// session would outlive its certificate.
    fn check_again(&self, name: &ServerName<'_>, tls: &ClientConnection) -> io::Result<()> {
        if tls.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Ok(());
        }
        let shown = tls.peer_certificates().unwrap_or_default();
        let (first, others) = shown
            .split_first()
            .ok_or_else(|| io::Error::other("a resumed session without a certificate"))?;
        let verified = self
            .verifier
            .verify_server_cert(first, others, name, &[], UnixTime::now());
        verified.map(drop).map_err(io::Error::other)
    }
}

/// Checks that the backend holds the key of the certificate it shows, not whose certificate it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
