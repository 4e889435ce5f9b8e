//! One certificate for all proxies and doubles of a test process, and both sides of TLS with it.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name in the certificate.
pub const NAME: &str = "mx.example.org";

/// A certificate for [`NAME`], `localhost` and 127.0.0.1 that signs itself, with its key.
#[derive(Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    key: Vec<u8>,
    certificate_pem: String,
    key_pem: String,
}

static SHARED: LazyLock<Certificate> = LazyLock::new(Certificate::make);

/// The certificate that everything in this process presents and trusts.
pub fn shared() -> &'static Certificate {
    &SHARED
}

impl Certificate {
    /// A new one.
    pub fn make() -> Self {
        let names = [NAME, "localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("three valid names");
        Self {
            der: made.cert.der().clone(),
            key: made.signing_key.serialize_der(),
            certificate_pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
        }
    }

    /// Writes `cert.pem` and `key.pem` into `dir`.
    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join("cert.pem"), &self.certificate_pem).expect("a writable directory");
        std::fs::write(dir.join("key.pem"), &self.key_pem).expect("a writable directory");
    }

    /// The side that presents it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key)
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }

    /// The side that trusts it and nothing else.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a valid certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
