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
use crate::wire::{Ahead, Wire};

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
            .expect("aws-lc serves TLS 1.2 and 1.3")
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
        let stream = self
            .connector
            .connect(name.clone(), Ahead::new(tcp))
            .await?;
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

#[cfg(test)]
mod tests {
    use rustls::CertificateError;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Takes every signature, and finds every certificate out of date.
    #[derive(Debug)]
    struct Expired(AnyCertificate);

    impl ServerCertVerifier for Expired {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Err(CertificateError::Expired.into())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.0
                .verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.0
                .verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.supported_verify_schemes()
        }
    }

    /// Says one octet in TLS to each who comes.
    async fn server() -> std::net::SocketAddr {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if let Ok(mut tls) = acceptor.accept(tcp).await {
                    drop(tls.write_all(b"x").await);
                    drop(tls.shutdown().await);
                }
            }
        });
        address
    }

    /// How the handshake went. What the server says is read, its tickets among it.
    async fn visit(connector: &Connector, to: std::net::SocketAddr) -> io::Result<HandshakeKind> {
        let tcp = TcpStream::connect(to).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut wire = connector.connect(name, tcp).await?;
        wire.read_u8().await?;
        match &wire {
            Wire::Tls(tls) => match &**tls {
                TlsStream::Client(tls) => Ok(tls.get_ref().1.handshake_kind().unwrap()),
                TlsStream::Server(_) => panic!("we are the client"),
            },
            Wire::Plain(_) => panic!("in the clear"),
        }
    }

    #[tokio::test]
    async fn a_session_is_resumed_and_does_not_outlive_its_certificate() {
        let address = server().await;
        let mut connector = Connector::new(&BackendTls::Require).unwrap();
        let first = visit(&connector, address).await.unwrap();
        assert_ne!(first, HandshakeKind::Resumed);
        let second = visit(&connector, address).await.unwrap();
        assert_eq!(second, HandshakeKind::Resumed);
        connector.verifier = Arc::new(Expired(AnyCertificate(provider())));
        let third = visit(&connector, address).await;
        let error = third.expect_err("the certificate is out of date");
        assert!(error.to_string().ends_with("Expired"), "{error}");
    }
}
