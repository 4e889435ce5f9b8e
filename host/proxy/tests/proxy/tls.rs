//! TLS towards clients and towards the backend.

use std::sync::{Arc, Mutex};

use lazaret_mail::{Stage, Verdict};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::kit::filter::say;
use crate::kit::{Act, Backend, Client, Filters, Running, Setup};

/// A certificate for a name, written where the configuration of these tests looks for it.
fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn connector(certificate: &CertifiedKey<KeyPair>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A proxy with this TLS line and a certificate for mx.example.org, which is returned.
async fn proxy(
    backend: &Backend,
    listener: &str,
    filters: Filters,
) -> (Running, CertifiedKey<KeyPair>, tempfile::TempDir) {
    let certificate = certificate("mx.example.org");
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, certificate.cert.pem()).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let listener = format!(
        "{listener}\ncertificate = \"{}\"\nprivate-key = \"{}\"",
        cert.display(),
        key.display()
    );
    // Leaked: a test's few octets, and the setup wants what lives for ever.
    let setup = Setup {
        listener: listener.leak(),
        filters,
        ..Setup::default()
    };
    (Running::start(backend, setup).await, certificate, dir)
}

async fn handshake(tcp: TcpStream, certificate: &CertifiedKey<KeyPair>) -> Client {
    let name = ServerName::try_from("mx.example.org").unwrap();
    Client::over(Box::new(
        connector(certificate).connect(name, tcp).await.unwrap(),
    ))
}

/// What a client and the proxy agreed upon.
async fn connect(
    proxy: &Running,
    certificate: &CertifiedKey<KeyPair>,
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(proxy.address).await.unwrap();
    let name = ServerName::try_from("mx.example.org").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let tls = connector.connect(name, tcp).await.unwrap();
    tls.into_inner().1
}

/// Most clients name AES-256 first.
#[tokio::test]
async fn aes_128_is_chosen_where_it_is_offered() {
    let backend = Backend::honest().await;
    let listener = "tls = \"implicit\"";
    let (proxy, certificate, _dir) = proxy(&backend, listener, Filters::default()).await;
    let mut only_256 = aws_lc_rs::default_provider();
    let suite = |suite: CipherSuite| format!("{suite:?}");
    only_256
        .cipher_suites
        .retain(|it| suite(it.suite()).contains("AES_256"));
    for (provider, chosen) in [
        (aws_lc_rs::default_provider(), "AES_128"),
        (only_256, "AES_256"),
    ] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let tls = connect(&proxy, &certificate, provider.clone(), version).await;
            let spoken = tls.negotiated_cipher_suite().unwrap().suite();
            assert!(suite(spoken).contains(chosen), "{spoken:?} in {version:?}");
        }
    }
}

/// draft-ietf-tls-ecdhe-mlkem: what is recorded today is not read when somebody has a quantum computer. The client's order
/// counts: who names it first gets it, who names X25519 first gets that, and who has nothing else is served, too.
#[tokio::test]
async fn keys_are_exchanged_as_the_client_prefers() {
    let backend = Backend::honest().await;
    let listener = "tls = \"implicit\"";
    let (proxy, certificate, _dir) = proxy(&backend, listener, Filters::default()).await;
    let (hybrid, classical) = (kx_group::X25519MLKEM768, kx_group::X25519);
    let offers: [Vec<&'static dyn SupportedKxGroup>; 3] = [
        vec![hybrid, classical],
        vec![classical, hybrid],
        vec![hybrid],
    ];
    for groups in offers {
        let first = groups[0].name();
        let provider = CryptoProvider {
            kx_groups: groups,
            ..aws_lc_rs::default_provider()
        };
        let tls = connect(&proxy, &certificate, provider, &rustls::version::TLS13).await;
        let agreed = tls.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(agreed, first);
    }
}

/// A front may pass on the rest of the stream as it comes: behind STARTTLS its client would be taken for it.
#[tokio::test]
async fn who_was_passed_on_in_the_clear_gets_no_tls() {
    let backend = Backend::honest().await;
    let listener = "tls = \"starttls\"\nxclient = { from = [\"127.0.0.1\"] }";
    let (proxy, ..) = proxy(&backend, listener, Filters::default()).await;
    let mut client = proxy
        .play("S: 220\nC: EHLO front.example.org\nS: 250\nC: XCLIENT ADDR=192.0.2.9\nS: 220\nC: EHLO a.example.net")
        .await;
    assert!(!client.lines().await.join(" ").contains("STARTTLS"));
    client
        .play("C: STARTTLS\nS: 502\nC: XCLIENT ADDR=127.0.0.1\nS: 502")
        .await;
}

/// RFC 3207 section 4.2: nothing counts that was said of a client before.
#[tokio::test]
async fn a_front_that_wants_tls_passes_on_inside() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let filters = Filters::one(Stage::Hello, move |question| {
        let client = &question.session.client;
        let name = client.name.known_by_now().unwrap_or("-");
        let told = format!("{} {name}", client.address.ip());
        noted.lock().unwrap().push(told);
        say(Verdict::Continue)
    });
    let backend = Backend::honest().await;
    let listener = "tls = \"starttls\"\nxclient = { from = [\"127.0.0.1\"] }";
    let (proxy, certificate, _dir) = proxy(&backend, listener, filters).await;
    let front = "EHLO front.example.org";
    let tcp = start_tls(&proxy, &[front, "XCLIENT NAME=evil.example.net", front], "").await;
    let mut client = handshake(tcp, &certificate).await;
    client.play("C: MAIL FROM:<>\nS: 503").await;
    client
        .play("C: EHLO front.example.org\nS: 250\nC: XCLIENT ADDR=192.0.2.9\nS: 220\nC: EHLO a.example.net\nS: 250")
        .await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen[3..], ["192.0.2.9 -"]);
    assert!(
        seen[..3].iter().all(|told| told == "127.0.0.1 -"),
        "{seen:?}"
    );
}

const MESSAGE: &str = "C: EHLO client.example.com\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: a\nC: .\nS: 250";

#[tokio::test]
async fn implicit_tls_carries_a_session_and_received_says_so() {
    let backend = Backend::honest().await;
    let (proxy, certificate, _dir) =
        proxy(&backend, "tls = \"implicit\"", Filters::default()).await;
    let mut client = handshake(
        TcpStream::connect(proxy.address).await.unwrap(),
        &certificate,
    )
    .await;
    client.play("S: 220\nC: EHLO a").await;
    assert!(!client.lines().await.join(" ").contains("STARTTLS"));
    client.play(MESSAGE).await;
    let message = backend.messages().remove(0);
    assert!(
        message
            .replace("\r\n", "")
            .contains("with ESMTPS (using TLSv1.3 with cipher TLS_"),
        "{message}"
    );
}

/// STARTTLS by hand, on the bare socket, behind these commands.
async fn start_tls(proxy: &Running, said: &[&str], injected: &str) -> TcpStream {
    let mut wire = BufReader::new(TcpStream::connect(proxy.address).await.unwrap());
    reply(&mut wire).await;
    for command in said {
        let command = format!("{command}\r\n");
        wire.write_all(command.as_bytes()).await.unwrap();
        let last = reply(&mut wire).await;
        assert!(last.starts_with('2'), "{command}{last}");
    }
    let command = format!("STARTTLS\r\n{injected}");
    wire.write_all(command.as_bytes()).await.unwrap();
    let last = reply(&mut wire).await;
    assert!(last.starts_with("220 "), "{last}");
    assert!(wire.buffer().is_empty());
    wire.into_inner()
}

/// Its last line.
async fn reply(wire: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        wire.read_line(&mut line).await.unwrap();
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    }
}

#[tokio::test]
async fn what_comes_in_the_clear_behind_starttls_is_dropped() {
    let backend = Backend::honest().await;
    let (proxy, certificate, _dir) =
        proxy(&backend, "tls = \"starttls\"", Filters::default()).await;
    let tcp = start_tls(
        &proxy,
        &["EHLO a"],
        "MAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.org>\r\n",
    )
    .await;
    let mut client = handshake(tcp, &certificate).await;
    // HELO is forgotten too; nothing injected is answered.
    client.play("C: MAIL FROM:<>\nS: 503").await;
    client.play(MESSAGE).await;
    assert_eq!(backend.heard("MAIL"), ["MAIL FROM:<>"]);
}

#[tokio::test]
async fn each_server_name_gets_its_certificate() {
    let backend = Backend::honest().await;
    let other = certificate("other.example.org");
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, other.cert.pem()).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    let more = format!(
        "tls = \"implicit\"\ncertificates = [{{ certificate = \"{}\", private-key = \"{}\" }}]",
        cert.display(),
        key.display()
    );
    let (proxy, first, _dir) = proxy(&backend, &more, Filters::default()).await;
    for (name, shown) in [
        ("mx.example.org", &first),
        ("other.example.org", &other),
        ("unknown.example.org", &first),
    ] {
        let tcp = TcpStream::connect(proxy.address).await.unwrap();
        let connected = connector(shown)
            .connect(ServerName::try_from(name).unwrap(), tcp)
            .await;
        match connected {
            Ok(tls) => assert_eq!(
                tls.get_ref().1.peer_certificates().unwrap()[0],
                *shown.cert.der()
            ),
            Err(error) => assert!(
                name.starts_with("unknown")
                    && error
                        .to_string()
                        .contains("only valid for DnsName(\"mx.example.org\")"),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn require_tls_refuses_mail_in_the_clear() {
    let backend = Backend::honest().await;
    let (proxy, _certificate, _dir) = proxy(
        &backend,
        "tls = \"starttls\"\nrequire-tls = true",
        Filters::default(),
    )
    .await;
    proxy
        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 530 5.7.0")
        .await;
}

#[tokio::test]
async fn a_handshake_that_is_none_ends_alone() {
    let backend = Backend::honest().await;
    let (proxy, certificate, _dir) =
        proxy(&backend, "tls = \"implicit\"", Filters::default()).await;
    let mut garbage = proxy.client().await;
    garbage.send(b"EHLO not tls\r\n").await;
    let other = handshake(
        TcpStream::connect(proxy.address).await.unwrap(),
        &certificate,
    );
    other.await.play("S: 220").await;
}

/// A backend behind TLS: STARTTLS is answered, the rest of the session runs to an honest one.
async fn tls_backend(
    certificate: &CertifiedKey<KeyPair>,
    honest: &Backend,
    behind: &'static str,
) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, honest) = (listener.local_addr().unwrap(), honest.address);
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut said = [0; 512];
                tcp.write_all(b"220 backend\r\n").await.unwrap();
                drop(tcp.read(&mut said).await);
                tcp.write_all(b"250-backend\r\n250 STARTTLS\r\n")
                    .await
                    .unwrap();
                drop(tcp.read(&mut said).await);
                tcp.write_all(format!("220 go\r\n{behind}").as_bytes())
                    .await
                    .unwrap();
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut inner = TcpStream::connect(honest).await.unwrap();
                // Its greeting belongs to a connection without STARTTLS.
                drop(inner.read(&mut said).await);
                drop(tokio::io::copy_bidirectional(&mut tls, &mut inner).await);
            });
        }
    });
    address
}

/// What MAIL gets with this `[backend]`, in front of a TLS backend with this certificate.
async fn mail_gets(backend: std::net::SocketAddr, lines: &str) -> String {
    let text = format!(
        "hostname = \"mx.example.org\"\n[[listener]]\nname = \"mx\"\nlisten = [\"127.0.0.1:0\"]\nrecipients = \"any\"\n\
         [backend]\naddress = [\"{backend}\"]\n{lines}\n"
    );
    let dir = tempfile::tempdir().unwrap();
    let mut config = lazaret_proxy::Config::parse("lazaret.toml".as_ref(), &text).unwrap();
    config.control = Some(dir.path().join("control.sock"));
    let proxy = lazaret_proxy::Proxy::bind(config, Arc::new(Filters::default()))
        .await
        .unwrap();
    let address = proxy.addresses()[0].1;
    tokio::spawn(proxy.run(std::future::pending()));
    let mut client = Client::connect(address).await;
    client
        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>")
        .await;
    client.reply().await
}

#[tokio::test]
async fn the_policy_towards_the_backend_never_falls_back() {
    let honest = Backend::honest().await;
    let good = certificate("backend.example.org");
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, good.cert.pem()).unwrap();
    let verify = |name: &str| {
        format!(
            "tls = \"verify\"\nname = \"{name}\"\nca = \"{}\"",
            ca.display()
        )
    };
    let tls = tls_backend(&good, &honest, "").await;

    for (backend, lines, wanted) in [
        (tls, "tls = \"require\"".to_owned(), "250"),
        (tls, "tls = \"opportunistic\"".to_owned(), "250"),
        (tls, verify("backend.example.org"), "250"),
        (tls, verify("other.example.org"), "451 4.7.5"),
        (
            tls,
            "tls = \"verify\"\nname = \"backend.example.org\"".to_owned(),
            "451 4.7.5",
        ),
        (honest.address, "tls = \"require\"".to_owned(), "451 4.7.5"),
        (honest.address, verify("backend.example.org"), "451 4.7.5"),
        (honest.address, "tls = \"opportunistic\"".to_owned(), "250"),
    ] {
        let reply = mail_gets(backend, &lines).await;
        assert!(
            reply.starts_with(wanted),
            "{lines}: wanted {wanted}, got {reply}"
        );
    }
}

#[tokio::test]
async fn replies_injected_behind_the_backends_starttls_are_an_error() {
    let honest = Backend::honest().await;
    let good = certificate("backend.example.org");
    let injecting = tls_backend(&good, &honest, "250-evil\r\n250 AUTH PLAIN\r\n").await;
    let reply = mail_gets(injecting, "tls = \"require\"").await;
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    drop(Act::Close);
}
