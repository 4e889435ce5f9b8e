#![no_main]

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

#[path = "../../host/proxy/tests/checks/certificate.rs"]
mod checks;
#[path = "../../host/proxy/src/tls/client_certificate.rs"]
mod client_certificate;

use client_certificate::{believing, facts};

/// As `host/proxy` has it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::certificate(octets));
