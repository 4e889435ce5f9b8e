//! TLS towards clients (RFC 3207, RFC 8314). TLS 1.2 and 1.3 only (RFC 8996).

mod acceptor;
mod client_certificate;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub(crate) use acceptor::Acceptor;

/// What does the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Draws the first random number, which everything in TLS begins with: who has none learns it at start, not in a session.
pub(crate) fn draw() {
    let mut one = [0];
    if provider().secure_random.fill(&mut one).is_err() {
        tracing::error!("the system gives no random numbers: there will be no TLS");
    }
}
