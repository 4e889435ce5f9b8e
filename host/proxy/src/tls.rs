//! TLS towards clients (RFC 3207, RFC 8314). TLS 1.2 and 1.3 only (RFC 8996).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::Tls;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::config::Certificates;
use crate::wire::Wire;

/// What a listener with TLS needs for each client.
pub(crate) fn acceptor(certificates: Certificates) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring serves TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    TlsAcceptor::from(Arc::new(config))
}

/// The handshake with a client, within a deadline.
pub(crate) async fn accept(
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
    deadline: Duration,
) -> io::Result<(Wire, Tls)> {
    let stream = timeout(deadline, acceptor.accept(tcp)).await??;
    let (_, connection) = stream.get_ref();
    let facts = Tls {
        version: connection
            .protocol_version()
            .and_then(|v| v.as_str())
            .unwrap_or("unknown")
            .replace('_', "."),
        cipher: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
            // rustls names the suites of TLS 1.3 TLS13_…, IANA TLS_…
            .replacen("TLS13_", "TLS_", 1),
        server_name: connection.server_name().map(str::to_owned),
        client_certificate: None,
    };
    Ok((Wire::Tls(Box::new(TlsStream::Server(stream))), facts))
}

/// What does the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
