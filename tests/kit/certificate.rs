//! One certificate for all proxies and doubles of a test process, and both sides of TLS with it.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

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
        Self::signed(params())
    }

    /// A new one that was valid once.
    pub fn expired() -> Self {
        let mut params = params();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        Self::signed(params)
    }

    fn signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("valid parameters");
        Self {
            der: certificate.der().clone(),
            key: key.serialize_der(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// The certificate as PEM, for those who are to believe it.
    pub fn pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Writes `cert.pem` and `key.pem` into `dir`.
    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join("cert.pem"), &self.certificate_pem).expect("a writable directory");
        std::fs::write(dir.join("key.pem"), &self.key_pem).expect("a writable directory");
    }

    /// The side that presents it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc supports the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key)
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }

    /// The side that trusts it and nothing else.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_of(rustls::DEFAULT_VERSIONS)
    }

    /// The same, of these versions of TLS alone.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a valid certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("aws-lc supports these versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

fn params() -> CertificateParams {
    let names = [NAME, "localhost", "127.0.0.1"].map(str::to_owned);
    CertificateParams::new(names).expect("three valid names")
}
