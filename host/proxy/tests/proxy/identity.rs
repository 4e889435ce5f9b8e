//! The backend learns who the client is, or gets no mail.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lazaret_mail::{Called as Answer, ClientNames};
use lazaret_proxy::{Config, probe};

use crate::kit::{Act, Backend, Running, Setup};

const SESSION: &str = "S: 220\nC: EHLO client.example.com\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: a\nC: .\nS: 250";

#[tokio::test]
async fn xclient_comes_first_and_ehlo_in_the_clients_name_after_it() {
    let backend = Backend::honest().await;
    backend
        .state()
        .ehlo
        .push("XCLIENT NAME ADDR PORT PROTO HELO LOGIN");
    let proxy = Running::start(
        &backend,
        Setup {
            backend: "identity = \"xclient\"",
            ..Setup::default()
        },
    )
    .await;
    proxy.play(SESSION).await;
    let xclient = backend.heard("XCLIENT").remove(0);
    assert!(
        xclient.starts_with("XCLIENT NAME=[TEMPUNAVAIL] PORT="),
        "{xclient}"
    );
    assert!(
        xclient.ends_with("PROTO=ESMTP HELO=client.example.com ADDR=127.0.0.1"),
        "{xclient}"
    );
    assert_eq!(
        backend.heard("EHLO").last().unwrap(),
        "EHLO client.example.com"
    );
    // The backend writes the true Received field itself.
    assert_eq!(backend.messages(), ["a\r\n"]);
}

#[tokio::test]
async fn xforward_is_told_for_each_transaction() {
    let backend = Backend::honest().await;
    backend.state().ehlo.push("XFORWARD NAME ADDR PROTO HELO");
    let proxy = Running::start(
        &backend,
        Setup {
            backend: "identity = \"xforward\"",
            ..Setup::default()
        },
    )
    .await;
    proxy
        .play(SESSION)
        .await
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
        .await;
    let told = "XFORWARD NAME=[UNAVAILABLE] PROTO=ESMTP HELO=client.example.com ADDR=127.0.0.1";
    assert_eq!(backend.heard("XFORWARD"), [told, told]);
    assert!(backend.messages()[0].starts_with("Received: from client.example.com"));
}

/// Who answers what, one time after the other; and how often he was asked.
#[derive(Default)]
struct Called {
    answers: Mutex<Vec<Answer>>,
    asked: AtomicUsize,
}

#[async_trait]
impl ClientNames for Called {
    async fn name_of(&self, address: IpAddr) -> Answer {
        assert!(address.is_loopback());
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        match answers.len() {
            1 => answers[0].clone(),
            _ => answers.remove(0),
        }
    }
}

/// What the backend was told in two sessions of two transactions each, and how often somebody was asked for the name.
async fn told(identity: &'static str, answers: Vec<Answer>) -> (Vec<String>, usize) {
    let backend = Backend::honest().await;
    backend
        .state()
        .ehlo
        .extend(["XCLIENT NAME ADDR", "XFORWARD NAME ADDR"]);
    let names = Arc::new(Called {
        answers: Mutex::new(answers),
        ..Called::default()
    });
    let setup = Setup {
        backend: identity,
        names: Some(names.clone()),
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    for _ in 0..2 {
        proxy
            .play(SESSION)
            .await
            .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
            .await;
    }
    let verb = ["XCLIENT", "XFORWARD"].map(|verb| backend.heard(verb));
    (verb.concat(), names.asked.load(Ordering::SeqCst))
}

/// Backends restrict clients by name (reject_unknown_client_hostname), and no filter need have asked for it.
#[tokio::test]
async fn the_backend_is_told_what_the_client_is_called() {
    let name = || vec![Answer::Name("client.example.net".into())];
    let named = "NAME=client.example.net ADDR=127.0.0.1";
    let (said, asked) = told("identity = \"xclient\"", name()).await;
    assert_eq!(
        said,
        [format!("XCLIENT {named}"), format!("XCLIENT {named}")]
    );
    assert_eq!(asked, 2, "once for each session");
    let (said, asked) = told("identity = \"xforward\"", name()).await;
    assert_eq!(said, vec![format!("XFORWARD {named}"); 4]);
    assert_eq!(asked, 2);
    let (said, _) = told("identity = \"xclient\"", vec![Answer::Nothing]).await;
    assert_eq!(said[0], "XCLIENT NAME=[UNAVAILABLE] ADDR=127.0.0.1");
    let (said, asked) = told("identity = \"none\"", name()).await;
    assert_eq!((said.len(), asked), (0, 0), "nobody wants to know");
}

#[tokio::test]
async fn a_name_that_nobody_answers_for_is_not_known_now() {
    let (said, asked) = told("identity = \"xclient\"", vec![Answer::Unanswered]).await;
    assert_eq!(said, ["XCLIENT NAME=[TEMPUNAVAIL] ADDR=127.0.0.1"; 2]);
    assert_eq!(asked, 2, "not again for what is not said again");
    let later = vec![Answer::Unanswered, Answer::Name("late.example".into())];
    let (said, asked) = told("identity = \"xforward\"", later).await;
    assert_eq!(said[0], "XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.1");
    assert_eq!(said[1], "XFORWARD NAME=late.example ADDR=127.0.0.1");
    assert_eq!(asked, 3, "two sessions, the first of them twice");
}

#[tokio::test]
async fn without_the_identity_that_is_configured_there_is_no_mail() {
    // Without ADDR the backend would act on our own address.
    for (identity, offered) in [
        ("identity = \"xclient\"", "HELP"),
        ("identity = \"xforward\"", "HELP"),
        ("identity = \"xclient\"", "XCLIENT NAME PROTO HELO"),
        ("identity = \"xforward\"", "XFORWARD"),
    ] {
        let backend = Backend::honest().await;
        backend.state().ehlo.push(offered);
        let proxy = Running::start(
            &backend,
            Setup {
                backend: identity,
                ..Setup::default()
            },
        )
        .await;
        proxy
            .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 451 4.3.5")
            .await;
        assert_eq!(backend.heard("MAIL").len(), 0);
    }
}

async fn probed(backend: &Backend, identity: &str) -> lazaret_proxy::ProbeReport {
    probed_all(&[backend], identity).await
}

async fn probed_all(backends: &[&Backend], identity: &str) -> lazaret_proxy::ProbeReport {
    let addresses: Vec<_> = backends
        .iter()
        .map(|backend| format!("\"{}\"", backend.address))
        .collect();
    let text = format!(
        "hostname = \"mx.example.org\"\n[[listener]]\nname = \"mx\"\nlisten = [\"127.0.0.1:0\"]\nrecipients = \"any\"\n\
         [backend]\naddress = [{}]\nidentity = \"{identity}\"\n",
        addresses.join(", ")
    );
    probe(&Config::parse("lazaret.toml".as_ref(), &text).unwrap()).await
}

#[tokio::test]
async fn the_probe_sees_a_relay_and_a_backend_that_is_none() {
    let open = Backend::honest().await;
    let report = probed(&open, "none").await;
    assert!(
        !report.is_good() && report.to_string().contains("RELAYS"),
        "{report}"
    );
    assert_eq!(open.heard("DATA").len(), 0);

    let closed = Backend::with(
        "RCPT",
        Act::Say(b"554 5.7.1 Relay access denied\r\n".to_vec()),
    )
    .await;
    closed
        .state()
        .ehlo
        .push("XCLIENT NAME ADDR PORT PROTO HELO");
    let report = probed(&closed, "xclient").await;
    assert!(report.is_good(), "{report}");
    // One open door is enough, wherever it is.
    for backends in [[&closed, &open], [&open, &closed]] {
        let report = probed_all(&backends, "none").await;
        assert!(report.to_string().contains("RELAYS"), "{report}");
    }
    assert!(closed.heard("XCLIENT")[0].contains("ADDR=192.0.2.1"));

    // To be put off says nothing about relaying.
    for verb in ["MAIL", "RCPT"] {
        let busy = Backend::with(verb, Act::Say(b"450 4.2.0 Greylisted\r\n".to_vec())).await;
        let report = probed(&busy, "none").await;
        let said = report.to_string();
        assert!(
            !report.is_good() && said.contains("says nothing about relaying"),
            "{said}"
        );
    }

    let unprepared = Backend::honest().await;
    let report = probed(&unprepared, "xclient").await;
    assert!(
        !report.is_good()
            && report
                .to_string()
                .contains("smtpd_authorized_xclient_hosts"),
        "{report}"
    );
}

#[tokio::test]
async fn a_hello_name_that_backends_refuse_is_unknown_to_them() {
    let backend = Backend::honest().await;
    backend
        .state()
        .ehlo
        .push("XCLIENT NAME ADDR PORT PROTO HELO");
    let proxy = Running::start(
        &backend,
        Setup {
            backend: "identity = \"xclient\"",
            ..Setup::default()
        },
    )
    .await;
    proxy
        .play("S: 220\nC: EHLO j\u{f6}rg.example.com\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
        .await;
    assert_eq!(backend.heard("EHLO").last().unwrap(), "EHLO unknown");
    assert!(backend.heard("XCLIENT")[0].contains("HELO=unknown "));
}

#[tokio::test]
async fn without_idle_each_transaction_of_a_client_has_its_own_connection() {
    for (idle, connections) in [("0s", 2), ("100s", 1)] {
        let backend = Backend::honest().await;
        backend.state().ehlo.push("XCLIENT NAME ADDR");
        let config = format!("identity = \"xclient\"\nidle = \"{idle}\"\nhold = \"100s\"").leak();
        let setup = Setup {
            backend: config,
            ..Setup::default()
        };
        let proxy = Running::start(&backend, setup).await;
        let mut client = proxy.play(SESSION).await;
        let (_, again) = SESSION.split_once("S: 250\n").unwrap();
        client.play(again).await;
        assert_eq!(backend.heard("XCLIENT").len(), connections, "{idle}");
    }
}

/// `idle` counts from the end of a transaction, however it ended, and not from its MAIL.
#[tokio::test]
async fn a_client_keeps_its_connection_behind_a_long_transaction() {
    let backend = Backend::honest().await;
    backend.state().ehlo.push("XCLIENT NAME ADDR");
    let setup = Setup {
        backend: "identity = \"xclient\"\nidle = \"2s\"\nhold = \"100s\"",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let opening = SESSION.split("\nC: DATA").next().unwrap();
    let mut client = proxy.play(opening).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    client
        .play("C: RSET\nC: MAIL FROM:<>\nC: RCPT TO:<b@example.org>\nS: 250\nS: 250\nS: 250")
        .await;
    assert_eq!(backend.heard("XCLIENT").len(), 1);
}
