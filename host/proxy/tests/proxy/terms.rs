//! The terms of TLS towards clients: versions, certificates of either side, sessions that come again.

use std::sync::{Arc, Mutex};

use lazaret_mail::{Certificate, Stage, Verdict};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::filter::say;
use crate::kit::{Backend, Client, Filters, Running, Setup};

/// A key pair and its certificate of X.509 version 1, as tools made them for inner use for decades.
const VERSION_1: &str = include_str!("version_1.pem");
/// The same with an RSA key of 1024 bits, whose signatures nobody should believe.
const WEAK: &str = include_str!("weak.pem");

/// What filters were told of each session's client certificate.
type Seen = Arc<Mutex<Vec<Option<Certificate>>>>;

/// A proxy with TLS from the first octet.
struct Quay {
    proxy: Running,
    backend: Backend,
    roots: RootCertStore,
    dir: tempfile::TempDir,
    seen: Seen,
}

impl Quay {
    /// With these lines in its listener.
    async fn with(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let roots = write_certificate(&dir, "mx.example.org");
        std::fs::write(dir.path().join("ca.pem"), authority().pem()).unwrap();
        let seen = Seen::default();
        let noted = Arc::clone(&seen);
        let filters = Filters::one(Stage::Hello, move |question| {
            let tls = question.session.tls.as_ref().unwrap();
            noted.lock().unwrap().push(tls.client_certificate.clone());
            say(Verdict::Continue)
        });
        let here = dir.path().display();
        let listener = format!(
            "tls = \"implicit\"\ncertificate = \"{here}/cert.pem\"\nprivate-key = \"{here}/key.pem\"\n{}",
            lines.replace("CA", &format!("{here}/ca.pem"))
        );
        let setup = Setup {
            // Leaked: a test's few octets, and the setup wants what lives for ever.
            listener: listener.leak(),
            filters,
            ..Setup::default()
        };
        let backend = Backend::honest().await;
        Self {
            proxy: Running::start(&backend, setup).await,
            backend,
            roots,
            dir,
            seen,
        }
    }

    async fn tls(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.proxy.address).await?;
        let name = ServerName::try_from("mx.example.org").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }

    /// Shows this certificate, says hello, and tells what filters were told; an error is that of the handshake.
    async fn shows(&self, shown: CertifiedKey) -> std::io::Result<Option<Certificate>> {
        self.greets(shows(&self.roots, shown)).await?;
        Ok(self.seen.lock().unwrap().pop().unwrap())
    }

    /// TLS 1.3 tells a client of a refusal only with the first octets.
    async fn greets(&self, config: ClientConfig) -> std::io::Result<()> {
        let mut tls = self.tls(config).await?;
        let mut octets = [0; 512];
        if tls.read(&mut octets).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Client::over(Box::new(tls)).play("C: EHLO a\nS: 250").await;
        Ok(())
    }
}

fn write_certificate(dir: &tempfile::TempDir, name: &str) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

/// Whom the listener believes, the same in every test.
fn authority() -> &'static CertifiedIssuer<'static, KeyPair> {
    static AUTHORITY: std::sync::OnceLock<CertifiedIssuer<'static, KeyPair>> =
        std::sync::OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let names = &mut params.distinguished_name;
        names.push(rcgen::DnType::CommonName, "Our authority");
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    })
}

fn client_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let names = &mut params.distinguished_name;
    *names = rcgen::DistinguishedName::new();
    names.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn signed(params: &CertificateParams) -> CertifiedKey {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority()).unwrap();
    certified(certificate.der().clone(), &key)
}

fn certified(certificate: CertificateDer<'static>, key: &KeyPair) -> CertifiedKey {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    from_parts(certificate, &key)
}

fn from_parts(certificate: CertificateDer<'static>, key: &PrivateKeyDer<'_>) -> CertifiedKey {
    let key = aws_lc_rs::sign::any_supported_type(key).unwrap();
    CertifiedKey::new(vec![certificate], key)
}

/// Shows a certificate whatever it is.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}

fn shows(roots: &RootCertStore, shown: CertifiedKey) -> ClientConfig {
    versions(rustls::ALL_VERSIONS)
        .with_root_certificates(roots.clone())
        .with_client_cert_resolver(Arc::new(Shows(Arc::new(shown))))
}

fn versions(
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
}

fn nameless(quay: &Quay, only: &'static SupportedProtocolVersion) -> ClientConfig {
    versions(&[only])
        .with_root_certificates(quay.roots.clone())
        .with_no_client_auth()
}

const ASK: &str = "client-certificates = \"ask\"\nclient-ca = \"CA\"";

#[tokio::test]
async fn a_client_certificate_is_a_fact_for_filters() {
    let quay = Quay::with(ASK).await;
    let shown = signed(&client_params("client.example.com"));
    let der = shown.cert[0].clone();
    let told = quay.shows(shown).await.unwrap().unwrap();
    assert_eq!(told.subject, "CN=client.example.com");
    assert!(told.issuer.contains("CN=Our authority"), "{}", told.issuer);
    let sum: String = <sha2::Sha256 as sha2::Digest>::digest(&der)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert_eq!(told.sha256, sum);
    assert!(told.verified);
}

/// It is kept as long as the session, and what is kept for thousands of sessions has an end.
#[tokio::test]
async fn of_a_long_name_in_a_certificate_filters_hear_the_beginning() {
    let quay = Quay::with(ASK).await;
    let mut params = client_params("client.example.com");
    let names = &mut params.distinguished_name;
    names.push(rcgen::DnType::CommonName, "\u{fc}".repeat(3000));
    let shown = signed(&params);
    let told = quay.shows(shown).await.unwrap().unwrap();
    assert!(
        told.subject.starts_with("CN=\u{fc}\u{fc}"),
        "{}",
        told.subject
    );
    assert!((1020..=1024).contains(&told.subject.len()));
}

#[tokio::test]
async fn a_bad_certificate_breaks_no_handshake_and_is_not_verified() {
    let quay = Quay::with(ASK).await;
    let own = KeyPair::generate().unwrap();
    let own_signed = client_params("self.example.com").self_signed(&own).unwrap();
    let mut expired = client_params("expired.example.com");
    expired.not_before = date_time_ymd(2001, 1, 1);
    expired.not_after = date_time_ymd(2002, 1, 1);
    let mut for_servers = client_params("server.example.com");
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for (shown, subject) in [
        (
            certified(own_signed.der().clone(), &own),
            "CN=self.example.com",
        ),
        (signed(&expired), "CN=expired.example.com"),
        (signed(&for_servers), "CN=server.example.com"),
        (pem(VERSION_1), "CN=old.example.com, O=Example"),
    ] {
        let told = quay.shows(shown).await.unwrap().unwrap();
        assert_eq!((told.subject.as_str(), told.verified), (subject, false));
    }
}

fn pem(text: &str) -> CertifiedKey {
    let certificate = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
    from_parts(
        certificate,
        &PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap(),
    )
}

/// Whose certificate that is, nobody can know: the session goes on, and filters hear of none.
#[tokio::test]
async fn a_key_whose_signatures_cannot_be_believed_is_nobodys() {
    let quay = Quay::with(ASK).await;
    let weak = CertificateDer::from_pem_slice(WEAK.as_bytes()).unwrap();
    let key = KeyPair::generate().unwrap();
    assert!(quay.shows(certified(weak, &key)).await.unwrap().is_none());
    let garbage = CertificateDer::from(b"no certificate".to_vec());
    assert!(
        quay.shows(certified(garbage, &key))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_certificate_without_its_key_ends_the_handshake() {
    let quay = Quay::with(ASK).await;
    let stolen = signed(&client_params("client.example.com"));
    let other = KeyPair::generate().unwrap();
    let shown = certified(stolen.cert[0].clone(), &other);
    let error = quay.shows(shown).await.unwrap_err();
    assert!(error.to_string().contains("DecryptError"), "{error}");
    assert!(quay.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_authorities_nobody_is_verified_and_unasked_nobody_shows() {
    let quay = Quay::with("client-certificates = \"ask\"").await;
    let shown = signed(&client_params("client.example.com"));
    assert!(!quay.shows(shown).await.unwrap().unwrap().verified);
    quay.greets(nameless(&quay, &rustls::version::TLS13))
        .await
        .unwrap();
    assert!(quay.seen.lock().unwrap().pop().unwrap().is_none());
    let quay = Quay::with("").await;
    let shown = signed(&client_params("client.example.com"));
    assert!(quay.shows(shown).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_that_comes_again_is_resumed_with_its_facts() {
    let quay = Quay::with(ASK).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let shown = signed(&client_params("client.example.com"));
        let mut config = versions(&[version])
            .with_root_certificates(quay.roots.clone())
            .with_client_cert_resolver(Arc::new(Shows(Arc::new(shown))));
        config.resumption = Resumption::in_memory_sessions(8);
        quay.greets(config.clone()).await.unwrap();
        // The certificate of the server may change meanwhile: what was agreed on stays.
        let mut again = quay.tls(config).await.unwrap();
        assert_ne!(again.read(&mut [0; 512]).await.unwrap(), 0);
        let kind = again.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Resumed), "{version:?}");
        Client::over(Box::new(again))
            .play("C: EHLO a\nS: 250")
            .await;
        let mut seen = quay.seen.lock().unwrap();
        let (second, first) = (seen.pop().unwrap().unwrap(), seen.pop().unwrap().unwrap());
        assert_eq!(first.sha256, second.sha256);
        assert!(second.verified);
    }
}

#[tokio::test]
async fn min_tls_refuses_what_is_older() {
    let quay = Quay::with("min-tls = \"1.3\"").await;
    quay.greets(nameless(&quay, &rustls::version::TLS13))
        .await
        .unwrap();
    let refused = quay.tls(nameless(&quay, &rustls::version::TLS12)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let quay = Quay::with("").await;
    quay.greets(nameless(&quay, &rustls::version::TLS12))
        .await
        .unwrap();
}

/// RFC 8996: a client that speaks nothing newer than TLS 1.1 gets a fatal alert, handshake_failure or protocol_version.
#[tokio::test]
async fn tls_1_0_and_1_1_are_refused() {
    let quay = Quay::with("").await;
    for minor in [1, 2] {
        let mut tcp = TcpStream::connect(quay.proxy.address).await.unwrap();
        tcp.write_all(&old_hello(minor)).await.unwrap();
        let mut answer = Vec::new();
        drop(tcp.read_to_end(&mut answer).await);
        assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
        assert!(
            matches!(answer.get(5..), Some([2, 40 | 70])),
            "fatal: {answer:?}"
        );
    }
}

/// A ClientHello of TLS 1.`minor`-1 with the suites of its time.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 4, 0x00, 0x2f, 0x00, 0x35]);
    body.extend([1, 0]);
    let mut hello = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    hello.extend(body);
    let mut record = vec![22, 3, minor, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);
    record
}

/// A connection that ends without close_notify may have been cut by anybody: what came so far is no message.
#[tokio::test]
async fn a_cut_connection_ends_no_message() {
    let quay = Quay::with("").await;
    let tls = quay
        .tls(nameless(&quay, &rustls::version::TLS13))
        .await
        .unwrap();
    let (mut tcp, mut session) = tls.into_inner();
    let script = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    let mut stream = ByHand {
        tcp: &mut tcp,
        session: &mut session,
    };
    stream.expect("220").await;
    for line in script.split_inclusive('\n') {
        stream.say(line).await;
        stream
            .expect(if line == "DATA\r\n" { "354" } else { "250" })
            .await;
    }
    stream.say("Subject: half\r\n\r\nof a message\r\n").await;
    // FIN, without a word.
    tcp.shutdown().await.unwrap();
    let mut rest = Vec::new();
    drop(tcp.read_to_end(&mut rest).await);
    assert_eq!(quay.backend.messages(), [""; 0]);
    assert!(quay.backend.heard("DATA").is_empty());
}

/// TLS by hand, so that the connection can be cut underneath it.
struct ByHand<'s> {
    tcp: &'s mut TcpStream,
    session: &'s mut rustls::ClientConnection,
}

impl ByHand<'_> {
    async fn say(&mut self, text: &str) {
        use std::io::Write;
        self.session.writer().write_all(text.as_bytes()).unwrap();
        let mut octets = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut octets).unwrap();
        }
        self.tcp.write_all(&octets).await.unwrap();
    }

    async fn expect(&mut self, code: &str) {
        use std::io::Read;
        let mut text = String::new();
        while !text
            .lines()
            .any(|line| line.starts_with(&format!("{code} ")))
        {
            let mut octets = [0; 4096];
            let read = self.tcp.read(&mut octets).await.unwrap();
            assert!(read > 0, "closed; so far: {text}");
            self.session.read_tls(&mut &octets[..read]).unwrap();
            self.session.process_new_packets().unwrap();
            let mut plain = Vec::new();
            drop(self.session.reader().read_to_end(&mut plain));
            text.push_str(&String::from_utf8_lossy(&plain));
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_while_old_connections_live() {
    let quay = Quay::with("").await;
    // Whoever comes again by ticket is shown no certificate.
    let mut config = nameless(&quay, &rustls::version::TLS13);
    config.resumption = Resumption::disabled();
    let mut before = Client::over(Box::new(quay.tls(config.clone()).await.unwrap()));
    before.play("S: 220\nC: EHLO a\nS: 250").await;
    let fresh = write_certificate(&quay.dir, "mx.example.org");
    quay.proxy.reloader.reloaded().await;
    assert!(
        quay.tls(config).await.is_err(),
        "the old one is not shown any more"
    );
    let believing = versions(rustls::ALL_VERSIONS)
        .with_root_certificates(fresh.clone())
        .with_no_client_auth();
    quay.greets(believing.clone()).await.unwrap();
    // A broken one changes nothing, but is told.
    std::fs::write(quay.dir.path().join("key.pem"), "half a key").unwrap();
    quay.proxy.reloader.reloaded().await;
    quay.greets(believing).await.unwrap();
    before.play("C: NOOP\nS: 250").await;
}
