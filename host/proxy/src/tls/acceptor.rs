//! Handshakes with clients: certificates by server name, tickets for those that come again, and the facts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::{Certificate, Tls};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CipherSuite, ServerConfig, ServerConnection, SupportedCipherSuite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::client_certificate::{self, Asking};
use super::provider;
use crate::config::{Certificates, ClientCertificates, TlsTerms};
use crate::wire::{Ahead, Wire};

/// What a listener with TLS needs for each client.
pub(crate) struct Acceptor {
    terms: TlsTerms,
    acceptor: TlsAcceptor,
    /// believes those whom `client-ca` signed
    believes: Option<Arc<dyn ClientCertVerifier>>,
}

impl Acceptor {
    pub(crate) fn new(terms: &TlsTerms) -> Self {
        let believes = match &terms.clients {
            ClientCertificates::Ask(Some(roots)) => Some(client_certificate::believing(roots)),
            ClientCertificates::Ask(None) | ClientCertificates::Off => None,
        };
        Self {
            acceptor: TlsAcceptor::from(Arc::new(server_config(terms))),
            terms: terms.clone(),
            believes,
        }
    }

    /// Was it made for these terms?
    pub(crate) fn has(&self, terms: &TlsTerms) -> bool {
        self.terms == *terms
    }

    /// Reads certificates again that changed; true if some did and are good.
    pub(crate) fn renew(&self) -> bool {
        self.terms.certificates.renew()
    }

    /// Looks now and then whether certificates changed.
    pub(crate) fn watch(&self) {
        self.terms.certificates.watch();
    }

    /// What is wrong with the certificate files as they are now.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.terms.certificates.trouble()
    }

    /// Those that are shown.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.terms.certificates
    }

    /// The handshake with a client, within a deadline that holds for all of it.
    pub(crate) async fn accept(
        &self,
        tcp: TcpStream,
        deadline: Duration,
    ) -> io::Result<(Wire, Tls)> {
        let stream = timeout(deadline, self.acceptor.accept(Ahead::new(tcp))).await??;
        let facts = self.facts(stream.get_ref().1);
        Ok((Wire::Tls(Box::new(TlsStream::Server(stream))), facts))
    }

    fn facts(&self, connection: &ServerConnection) -> Tls {
        let version = connection.protocol_version().and_then(|v| v.as_str());
        let suite = connection.negotiated_cipher_suite();
        let cipher = suite.and_then(|suite| suite.suite().as_str());
        Tls {
            version: version.unwrap_or("unknown").replace('_', "."),
            // rustls names the suites of TLS 1.3 TLS13_…, IANA TLS_…
            cipher: cipher.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1),
            server_name: connection.server_name().map(str::to_owned),
            client_certificate: self.client_certificate(connection),
        }
    }

    /// Judged anew for a session that was resumed: what a ticket remembers may have expired since.
    fn client_certificate(&self, connection: &ServerConnection) -> Option<Certificate> {
        let chain = connection.peer_certificates()?;
        client_certificate::facts(chain, self.believes.as_deref())
    }
}

/// AES-128 before AES-256, which most clients name first out of habit: its key schedule is SHA-256, so that a handshake
/// costs a fifth less. A client that offers nothing but AES-256 gets it.
fn quick_first() -> CryptoProvider {
    let mut provider = CryptoProvider::clone(&provider());
    let weight = |suite: &SupportedCipherSuite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        _ => 1,
    };
    // Only those of the version that was agreed upon are compared.
    provider.cipher_suites.sort_by_key(weight);
    provider
}

fn server_config(terms: &TlsTerms) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(quick_first()))
        .with_protocol_versions(terms.least.versions())
        .expect("aws-lc serves TLS 1.2 and 1.3");
    let builder = match terms.clients {
        ClientCertificates::Off => builder.with_no_client_auth(),
        ClientCertificates::Ask(_) => {
            builder.with_client_cert_verifier(Arc::new(Asking::default()))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(terms.certificates.clone()));
    config.ignore_client_order = true;
    // Tickets cost no memory of ours, however many clients come. Their keys are this acceptor's own: a ticket of one
    // listener says nothing at another.
    match aws_lc_rs::Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        Err(error) => tracing::warn!(%error, "TLS sessions cannot be resumed by ticket"),
    }
    config
}
