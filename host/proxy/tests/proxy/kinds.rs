//! Certificates of two kinds, ECDSA and RSA, at one listener: each client is shown one that it can verify.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::kit::{Backend, Running, Setup};

/// Not every provider of rcgen makes one.
const RSA_KEY: &str = include_str!("rsa_key.pem");

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

fn rsa() -> KeyPair {
    KeyPair::from_pem(RSA_KEY).unwrap()
}

fn ecdsa() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// The pair number `pair` for this name in `dir`.
fn write(dir: &Path, pair: usize, name: &str, key: &KeyPair) -> CertificateDer<'static> {
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.self_signed(key).unwrap();
    std::fs::write(dir.join(format!("{pair}.pem")), certificate.pem()).unwrap();
    std::fs::write(dir.join(format!("{pair}.key")), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// A proxy with these, and what they are.
struct Shop {
    proxy: Running,
    shown: Vec<CertificateDer<'static>>,
    _dir: tempfile::TempDir,
}

impl Shop {
    async fn with(pairs: &[(&str, KeyPair)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let written = pairs.iter().enumerate();
        let shown = written.map(|(pair, (name, key))| write(dir.path(), pair, name, key));
        let shown = shown.collect();
        let path = dir.path().display();
        let named = |pair: usize, sep: &str| {
            format!("certificate = \"{path}/{pair}.pem\"{sep}private-key = \"{path}/{pair}.key\"")
        };
        let more: Vec<_> = (1..pairs.len())
            .map(|pair| format!("{{ {} }}", named(pair, ", ")))
            .collect();
        let listener = format!(
            "tls = \"implicit\"\n{}\ncertificates = [{}]",
            named(0, "\n"),
            more.join(", ")
        );
        let setup = Setup {
            // Leaked: a test's few octets, and the setup wants what lives for ever.
            listener: listener.leak(),
            ..Setup::default()
        };
        let backend = Backend::honest().await;
        Self {
            proxy: Running::start(&backend, setup).await,
            shown,
            _dir: dir,
        }
    }

    /// Which of them a client is shown that asks for this name, or why it does not go on.
    async fn shows(
        &self,
        provider: &CryptoProvider,
        version: &'static SupportedProtocolVersion,
        name: &str,
    ) -> Result<usize, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.shown {
            roots.add(certificate.clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(self.proxy.address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let tls = connector.connect(name, tcp).await;
        let tls = tls.map_err(|error| error.to_string())?;
        let certificate = &tls.get_ref().1.peer_certificates().unwrap()[0];
        let mut shown = self.shown.iter();
        Ok(shown.position(|it| it == certificate).unwrap())
    }
}

/// Verifies signatures of this kind only.
fn verifying(kind: &str) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let mapping = algorithms.mapping.iter().copied();
    let mapping: Vec<_> = mapping
        .filter(|(scheme, _)| format!("{scheme:?}").starts_with(kind))
        .collect();
    provider.signature_verification_algorithms = WebPkiSupportedAlgorithms {
        mapping: mapping.leak(),
        ..algorithms
    };
    provider
}

/// Offers suites of this kind only, whatever it could verify.
fn offering(kind: &str) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_of_kind = |suite| format!("{suite:?}").contains(kind);
    provider.cipher_suites.retain(|it| is_of_kind(it.suite()));
    provider
}

const NAME: &str = "mx.example.org";

#[tokio::test]
async fn each_client_is_shown_the_kind_it_can_verify() {
    let rsa_first = Shop::with(&[(NAME, rsa()), (NAME, ecdsa())]).await;
    let ecdsa_first = Shop::with(&[(NAME, ecdsa()), (NAME, rsa())]).await;
    for version in VERSIONS {
        for (client, of_rsa_first, of_ecdsa_first) in [
            (aws_lc_rs::default_provider(), 0, 0),
            (verifying("ECDSA"), 1, 0),
            (verifying("RSA"), 0, 1),
            // Of RSA what TLS 1.3 knows alone.
            (verifying("RSA_PSS"), 0, 1),
        ] {
            let shown = rsa_first.shows(&client, version, NAME).await;
            assert_eq!(shown, Ok(of_rsa_first), "{version:?}");
            let shown = ecdsa_first.shows(&client, version, NAME).await;
            assert_eq!(shown, Ok(of_ecdsa_first), "{version:?}");
        }
    }
}

/// RFC 5246 section 7.4.2: in TLS 1.2 the suite says what the key must be.
#[tokio::test]
async fn a_suite_of_tls_1_2_says_which_kind() {
    let shop = Shop::with(&[(NAME, rsa()), (NAME, ecdsa())]).await;
    let version = &rustls::version::TLS12;
    for (kind, shown) in [("ECDHE_ECDSA", 1), ("ECDHE_RSA", 0)] {
        let told = shop.shows(&offering(kind), version, NAME).await;
        assert_eq!(told, Ok(shown), "{kind}");
    }
}

/// With PKCS #1 v1.5 a client of TLS 1.3 verifies certificates, not handshakes (RFC 8446 section 4.2.3).
#[tokio::test]
async fn what_is_for_certificates_alone_is_no_reason_for_rsa() {
    let shop = Shop::with(&[(NAME, rsa()), (NAME, ecdsa())]).await;
    let mut client = verifying("ECDSA");
    let pkcs1 = verifying("RSA_PKCS1").signature_verification_algorithms;
    let ours = &mut client.signature_verification_algorithms;
    ours.mapping = [pkcs1.mapping, ours.mapping].concat().leak();
    let version = &rustls::version::TLS13;
    assert_eq!(shop.shows(&client, version, NAME).await, Ok(1));
}

#[tokio::test]
async fn the_name_goes_before_the_kind_and_any_before_none() {
    let other = "other.example.org";
    let shop = Shop::with(&[(other, ecdsa()), (NAME, rsa()), (NAME, ecdsa())]).await;
    for version in VERSIONS {
        let all = aws_lc_rs::default_provider();
        assert_eq!(shop.shows(&all, version, NAME).await, Ok(1));
        assert_eq!(shop.shows(&verifying("ECDSA"), version, NAME).await, Ok(2));
        // Most mail servers do not mind the name, and none of that name fits.
        let told = shop.shows(&verifying("RSA"), version, other).await;
        let told = told.unwrap_err();
        assert!(
            told.contains("only valid for DnsName(\"mx.example.org\")"),
            "{told}"
        );
    }
    let shop = Shop::with(&[(NAME, ecdsa())]).await;
    for version in VERSIONS {
        assert!(shop.shows(&verifying("RSA"), version, NAME).await.is_err());
    }
}
