//! Clients of others that send a file or relay what they were given: msmtp, Postfix's smtp, Exim. The octets that arrive
//! are those that were sent, below the trace fields of both.

use std::net::SocketAddr;
use std::process::Command;

use lazaret_tests::peers::journey::{on_top, row, used, with_header};
use lazaret_tests::peers::{self, Backend, EximClient, Postfix, Service};
use lazaret_tests::{BackendDouble, Client, Delivery, Proxy};

/// How a client protects its connection, and the listener for that.
const WAYS: [(&str, &str); 3] = [
    ("plain", "plain"),
    ("STARTTLS", "starttls"),
    ("implicit TLS", "implicit"),
];

struct Site {
    backend: BackendDouble,
    proxy: Proxy,
}

impl Site {
    fn start() -> Self {
        let backend = BackendDouble::start();
        let proxy = Proxy::before(backend.address()).start();
        proxy.until_offered("DSN");
        Self { backend, proxy }
    }

    fn address(&self, listener: &str) -> SocketAddr {
        self.proxy.address(listener)
    }

    fn certificate(&self) -> String {
        self.proxy.dir().join("cert.pem").display().to_string()
    }

    /// The message from that sender, once it has arrived.
    fn delivered(&self, count: usize, sender: &str) -> Delivery {
        let all = self.backend.wait_for(count);
        let from = format!("<{sender}>");
        let found = all
            .into_iter()
            .find(|delivery| delivery.envelope[0].contains(&from));
        found.unwrap_or_else(|| panic!("nothing came from {sender}"))
    }

    /// It must have arrived as it was sent; tells so, with what the client made use of.
    fn arrived(
        &self,
        count: usize,
        peer: &str,
        way: &str,
        sender: &str,
        sent: &[u8],
    ) -> Vec<String> {
        let delivery = self.delivered(count, sender);
        // The log escapes what is not ASCII.
        let ascii = sender.split('ü').next().expect("a beginning");
        let top = on_top(ascii, sent, &delivery.octets);
        let is_trace = |line: &str| line.starts_with("Received: ") || line.starts_with([' ', '\t']);
        assert!(
            top.lines().all(is_trace),
            "{peer} put more on top than trace fields:\n{top}"
        );
        peers::ran(&format!("{peer}, {way}"));
        used(&delivery.envelope)
    }
}

/// 8-bit text, dots, blank ends of lines.
fn message() -> Vec<u8> {
    with_header("Grüße.\r\n.\u{20}\r\n..two\r\n.\r\ntrailing  \t \r\n\r\nend\r\n".as_bytes())
}

#[test]
fn msmtp_sends_a_file() {
    let Some(msmtp) = peers::find("msmtp") else {
        return;
    };
    let version = peers::run(Command::new(&msmtp).arg("--version"));
    let version = version.split_whitespace().nth(2).expect("msmtp version N");
    let peer = format!("msmtp {version}");
    let site = Site::start();
    for (n, (way, listener)) in WAYS.into_iter().enumerate() {
        let sender = format!("msmtp-{listener}@example.com");
        let mut command = Command::new(&msmtp);
        command
            .args([
                "--host=127.0.0.1",
                "--domain=client.example.com",
                "--auth=off",
            ])
            .args(["--dsn-notify=failure", "--dsn-return=headers"])
            .arg(format!("--port={}", site.address(listener).port()))
            .arg(format!("--from={sender}"));
        match way {
            "plain" => command.arg("--tls=off"),
            _ => command
                .args(["--tls=on", "--tls-host-override=mx.example.org"])
                .arg(format!("--tls-trust-file={}", site.certificate()))
                .arg(format!(
                    "--tls-starttls={}",
                    if way == "STARTTLS" { "on" } else { "off" }
                )),
        };
        // It reads lines as its system has them.
        let input = String::from_utf8(message())
            .expect("UTF-8")
            .replace("\r\n", "\n");
        peers::feed(command.args(["--", "bob@example.org"]), input.as_bytes());
        let used = site.arrived(n + 1, &peer, way, &sender, &message());
        assert!(used.contains(&"DSN".to_owned()), "{used:?}");
        row("client", &peer, way, &used);
    }
}

/// Gives a relay a message with everything it may ask for on the way, and in the end the relay sends it on.
fn dialogue(sender: &str) -> Vec<u8> {
    let mut dialogue = format!(
        "EHLO origin.example.com\r\nMAIL FROM:<{sender}> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1\r\n\
         RCPT TO:<bob@example.org> NOTIFY=FAILURE\r\nDATA\r\n"
    )
    .into_bytes();
    dialogue.extend(lazaret_tests::client::stuffed(&message()));
    dialogue.extend(b"QUIT\r\n");
    dialogue
}

#[test]
fn postfix_relays() {
    let site = Site::start();
    let mut peer = String::new();
    for (n, (way, listener)) in WAYS.into_iter().enumerate() {
        let tls = match way {
            "plain" => "smtp_tls_security_level = none",
            "STARTTLS" => "smtp_tls_security_level = encrypt",
            _ => "smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes",
        };
        let extra = format!(
            "relayhost = [127.0.0.1]:{}\nvirtual_mailbox_domains =\nmyhostname = client.example.com\n\
             mynetworks = 127.0.0.0/8\nsmtp_dns_support_level = disabled\nsmtp_host_lookup = native\n{tls}",
            site.address(listener).port()
        );
        let Some(postfix) = Postfix::start(Service::default(), &extra) else {
            return;
        };
        peer = postfix.name();
        let sender = format!("postfix-{listener}-ü@example.com");
        let mut client = Client::connect(postfix.address());
        client.expect("220 *");
        client.ask("EHLO origin.example.com", "250 *");
        client.ask(
            &format!("MAIL FROM:<{sender}> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1"),
            "250 *",
        );
        client.ask("RCPT TO:<bob@example.org> NOTIFY=FAILURE", "250 *");
        client.ask("DATA", "354 *");
        client.content(&message());
        client.expect("250 *");
        let used = site.arrived(n + 1, &peer, way, &sender, &message());
        for word in ["8BITMIME", "SMTPUTF8", "DSN"] {
            assert!(
                used.contains(&word.to_owned()),
                "{word} in {used:?}\n{}",
                postfix.log()
            );
        }
        row("client", &peer, way, &used);
    }
    assert!(!peer.is_empty());
}

#[test]
fn exim_relays() {
    let site = Site::start();
    for (n, (way, listener)) in WAYS.into_iter().enumerate() {
        let transport = match way {
            "plain" => "hosts_avoid_tls = *",
            "STARTTLS" => "hosts_require_tls = *\n  tls_verify_hosts =\n  tls_try_verify_hosts =",
            _ => "protocol = smtps\n  tls_verify_hosts =\n  tls_try_verify_hosts =",
        };
        let Some(exim) = EximClient::to(site.address(listener), transport) else {
            return;
        };
        let (peer, sender) = (exim.name(), format!("exim-{listener}-ü@example.com"));
        let said = exim.submit(&dialogue(&sender));
        assert!(said.contains("250 OK id="), "{said}");
        let mut used = site.arrived(n + 1, &peer, way, &sender, &message());
        // It does not say BODY=8BITMIME, and sends 8 bits all the same.
        for word in ["SMTPUTF8", "DSN"] {
            assert!(
                used.contains(&word.to_owned()),
                "{word} in {used:?}\n{said}"
            );
        }
        // Its log says with K that the message went in chunks.
        assert!(
            said.lines()
                .any(|line| line.contains(" => ") && line.contains(" K ")),
            "{said}"
        );
        used.push("CHUNKING".to_owned());
        row("client", &peer, way, &used);
    }
}
