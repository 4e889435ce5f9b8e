//! `lazaret.toml` read again while mail flows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::kit::Client;
use crate::kit::harbour::Harbour;

/// Rewrites the configuration and asks for it.
async fn change(harbour: &Harbour, old: &str, new: &str) {
    rewrite(harbour, old, new);
    harbour.reloader.reloaded().await;
}

fn rewrite(harbour: &Harbour, old: &str, new: &str) {
    let path = harbour.configuration();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{old} is not in {text}");
    std::fs::write(&path, text.replacen(old, new, 1)).unwrap();
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(std::time::Instant::now() < deadline, "it never is");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a new session hears for this recipient.
async fn recipient(harbour: &Harbour, address: &str) -> String {
    let mut client = harbour.sender().await;
    client
        .send(format!("RCPT TO:<{address}>\r\n").as_bytes())
        .await;
    client.reply().await
}

async fn health(harbour: &Harbour) -> String {
    harbour.http("GET", "/healthz").await.1
}

#[tokio::test]
async fn what_changed_holds_from_the_next_session_on() {
    let harbour = Harbour::with(&[]).await;
    let mut before = harbour.sender().await;
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("550 5.7.1")
    );
    change(&harbour, "[\"example.org\"]", "[\"example.net\"]").await;
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("250")
    );
    assert!(
        recipient(&harbour, "b@example.org")
            .await
            .starts_with("550 5.7.1")
    );
    // A session keeps the configuration it began with.
    before.play("C: RCPT TO:<b@example.org>\nS: 250").await;
    change(
        &harbour,
        "[admin]",
        "[limits]\nmessage-size = \"1 MiB\"\n[admin]",
    )
    .await;
    let mut client = Client::connect(harbour.address()).await;
    client.play("S: 220\nC: EHLO a").await;
    let offer = client.lines().await.join("\n");
    assert!(offer.contains("SIZE 1048576"), "{offer}");
    assert_eq!(health(&harbour).await, "ok\n");
}

#[tokio::test]
async fn lists_of_recipients_are_read_again() {
    let harbour = Harbour::with(&[]).await;
    let list = harbour.dir.path().join("domains.txt");
    std::fs::write(&list, "example.org\n").unwrap();
    change(&harbour, "[\"example.org\"]", "{ lines = \"domains.txt\" }").await;
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("550 5.7.1")
    );
    std::fs::write(&list, "example.net\n").unwrap();
    harbour.reloader.reloaded().await;
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("250")
    );
}

/// A filter that is compiled for a minute, or a disk of theirs that hangs, is no reason to go on with a wrong configuration.
#[tokio::test]
async fn it_does_not_wait_for_filters() {
    let harbour = Harbour::with(&[]).await;
    harbour.put("10-gate.toml", "listeners = [\"mx\"]");
    harbour.put("10-gate.wasm", "gated A");
    until(async || harbour.foundry.loads() == 1).await;
    rewrite(&harbour, "[\"example.org\"]", "[\"example.net\"]");
    harbour.reloader.reload();
    until(async || {
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("250")
    })
    .await;
    assert_eq!(harbour.report().await.generation, 1);
    harbour.foundry.gate.notify_one();
    harbour.generation(2).await;
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("550 5.7.1 A")
    );
}

/// The verdict is taken from the filter, then its quarantine from the configuration, before the filter is compiled.
#[tokio::test]
async fn a_configuration_that_fits_the_filters_to_come_holds_with_them() {
    let harbour = Harbour::with(&[]).await;
    std::fs::create_dir(harbour.dir.path().join("kept")).unwrap();
    change(&harbour, "filters =", "quarantine = \"kept\"\nfilters =").await;
    harbour.put("10-gate.toml", "verdicts = [\"quarantine\"]");
    harbour.put("10-gate.wasm", "pass");
    harbour.generation(2).await;
    harbour.put("10-gate.toml", "");
    harbour.put("10-gate.wasm", "gated A");
    until(async || harbour.foundry.loads() == 2).await;
    rewrite(&harbour, "quarantine = \"kept\"\n", "");
    harbour.reloader.reload();
    until(async || health(&harbour).await.contains("may quarantine")).await;
    harbour.foundry.gate.notify_one();
    harbour.generation(3).await;
    until(async || health(&harbour).await == "ok\n").await;
}

/// The one that came while it was compiled counts.
#[tokio::test]
async fn a_filter_fits_the_configuration_that_holds_when_it_is_ready() {
    let harbour = Harbour::with(&[]).await;
    let kept = harbour.dir.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    change(&harbour, "filters =", "quarantine = \"kept\"\nfilters =").await;
    harbour.put("10-gate.toml", "verdicts = [\"quarantine\"]");
    harbour.put("10-gate.wasm", "gated A");
    until(async || harbour.foundry.loads() == 1).await;
    rewrite(&harbour, "quarantine = \"kept\"\n", "");
    rewrite(
        &harbour,
        "[admin]",
        "[limits]\nmessage-size = \"1 MiB\"\n[admin]",
    );
    harbour.reloader.reload();
    until(async || {
        let mut client = Client::connect(harbour.address()).await;
        client.play("S: 220\nC: EHLO a").await;
        client.lines().await.join("\n").contains("SIZE 1048576")
    })
    .await;
    harbour.foundry.gate.notify_one();
    let trouble = harbour.trouble().await;
    assert!(
        trouble[0].contains("10-gate.toml: may quarantine"),
        "{trouble:?}"
    );
    assert_eq!(harbour.settled().await.generation, 1);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told() {
    let harbour = Harbour::with(&[]).await;
    let good = std::fs::read_to_string(harbour.configuration()).unwrap();
    // One thing right, another wrong: neither holds.
    change(
        &harbour,
        "recipients = [\"example.org\"]",
        "recipients = [\"example.net\"]\ntrustd = []",
    )
    .await;
    assert!(
        recipient(&harbour, "b@example.org")
            .await
            .starts_with("250")
    );
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("550")
    );
    let health = health(&harbour).await;
    for words in [
        "degraded: the configuration changed",
        "lazaret.toml:11:",
        "`trusted`",
    ] {
        assert!(health.contains(words), "{words}: {health}");
    }
    std::fs::write(harbour.configuration(), good).unwrap();
    harbour.reloader.reloaded().await;
    assert_eq!(self::health(&harbour).await, "ok\n");
}

/// In an emergency somebody leaves a quote open, and then wants the panic switch.
#[tokio::test]
async fn a_file_that_cannot_be_parsed_keeps_nobody_from_asking() {
    let harbour = Harbour::with(&[("10-gate.wasm", "say A"), ("10-gate.toml", "")]).await;
    for broken in [
        "hostname = \"mx",
        "[backend",
        "[admin]\nlisten = [\"127.0.0.1:0\"]",
    ] {
        let good = std::fs::read_to_string(harbour.configuration()).unwrap();
        std::fs::write(harbour.configuration(), format!("{broken}\n{good}")).unwrap();
        assert_eq!(harbour.report().await.filters.len(), 1, "{broken}");
        std::fs::write(harbour.configuration(), good).unwrap();
    }
}

/// Without anybody asking: whoever watches `/healthz` learns of it before a client meets the old one expired.
#[tokio::test]
async fn a_broken_certificate_is_told_while_the_old_one_serves() {
    let harbour = Harbour::with(&[]).await;
    let made = rcgen::generate_simple_self_signed(["mx.example.org".to_owned()]).unwrap();
    let (cert, key) = ["cert.pem", "key.pem"]
        .map(|name| harbour.dir.path().join(name))
        .into();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls =
        "name = \"mx\"\ntls = \"starttls\"\ncertificate = \"cert.pem\"\nprivate-key = \"key.pem\"";
    change(&harbour, "name = \"mx\"", tls).await;
    assert_eq!(health(&harbour).await, "ok\n");
    std::fs::write(&cert, "half a certificate").unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let told = loop {
        let health = health(&harbour).await;
        if health != "ok\n" || std::time::Instant::now() > deadline {
            break health;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(
        told.contains("degraded: listener `mx`: certificates changed"),
        "{told}"
    );
    std::fs::write(&cert, made.cert.pem()).unwrap();
    harbour.reloader.reloaded().await;
    assert_eq!(health(&harbour).await, "ok\n");
}

/// Its file is another now, so nobody would find that it was once valid.
#[tokio::test]
async fn an_expired_certificate_takes_no_valid_ones_place_by_another_name() {
    let harbour = Harbour::with(&[]).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let valid = rcgen::CertificateParams::new(["mx.example.org".to_owned()]).unwrap();
    let mut over = valid.clone();
    over.not_before = rcgen::date_time_ymd(2001, 1, 1);
    over.not_after = rcgen::date_time_ymd(2002, 1, 1);
    for (name, params) in [("new.pem", valid), ("old.pem", over)] {
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(harbour.dir.path().join(name), pem).unwrap();
    }
    std::fs::write(harbour.dir.path().join("key.pem"), key.serialize_pem()).unwrap();
    let tls =
        "name = \"mx\"\ntls = \"starttls\"\ncertificate = \"new.pem\"\nprivate-key = \"key.pem\"";
    change(&harbour, "name = \"mx\"", tls).await;
    assert_eq!(health(&harbour).await, "ok\n");
    change(&harbour, "new.pem", "old.pem").await;
    let told = health(&harbour).await;
    for words in [
        "the configuration changed",
        "listener `mx`",
        "old.pem",
        "has expired",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    change(&harbour, "old.pem", "new.pem").await;
    assert_eq!(health(&harbour).await, "ok\n");
    // One that has expired for another name, from the start, is in nobody's way.
    let more =
        "\n[[listener.certificates]]\ncertificate = \"other.pem\"\nprivate-key = \"key.pem\"";
    let mut other = rcgen::CertificateParams::new(["old.example.org".to_owned()]).unwrap();
    other.not_before = rcgen::date_time_ymd(2001, 1, 1);
    other.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let pem = other.self_signed(&key).unwrap().pem();
    std::fs::write(harbour.dir.path().join("other.pem"), pem).unwrap();
    change(&harbour, "[backend]", &format!("{more}\n[backend]")).await;
    let told = health(&harbour).await;
    assert!(told.contains("old.example.org has expired"), "{told}");
    change(&harbour, "new.pem", "old.pem").await;
    let told = health(&harbour).await;
    assert!(told.contains("the configuration changed"), "{told}");
}

#[tokio::test]
async fn the_backend_may_move() {
    let harbour = Harbour::with(&[]).await;
    let other = crate::kit::Backend::honest().await;
    let mut before = harbour.sender().await;
    let here = harbour.backend().to_string();
    change(&harbour, &here, &other.address.to_string()).await;
    let mut after = harbour.sender().await;
    for client in [&mut before, &mut after] {
        client
            .play("C: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: .\nS: 250")
            .await;
    }
    assert_eq!(other.messages().len(), 1);
}

#[tokio::test]
async fn an_address_takes_a_restart_and_the_rest_holds() {
    let harbour = Harbour::with(&[]).await;
    change(&harbour, "[\"127.0.0.1:0\"]", "[\"127.0.0.1:1\"]").await;
    change(&harbour, "[\"example.org\"]", "[\"example.net\"]").await;
    assert!(
        recipient(&harbour, "b@example.net")
            .await
            .starts_with("250")
    );
}

/// Fault 17: each change is a generation of its own, and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_nothing() {
    const SENDERS: usize = 4;
    const RELOADS: usize = 10;
    let harbour = Harbour::with(&[("10-gate.wasm", "pass"), ("10-gate.toml", "")]).await;
    let address = harbour.address();
    let enough = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let enough = Arc::clone(&enough);
            tokio::spawn(async move {
                let mut sent = 0;
                // One more under the last configuration.
                let mut rest = 1;
                while rest > 0 {
                    rest -= usize::from(enough.load(Ordering::Relaxed));
                    let mut client = Client::connect(address).await;
                    client
                        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: a\nC: .\nS: 250\nC: QUIT\nS: 221")
                        .await;
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for reloads in 0..RELOADS {
        let errors = format!("[limits]\nerrors = {}\n[admin]", 20 + reloads % 2);
        let old = match reloads {
            0 => "[admin]".to_owned(),
            n => format!("[limits]\nerrors = {}\n[admin]", 20 + (n - 1) % 2),
        };
        change(&harbour, &old, &errors).await;
        // However fast the machine is, there is mail under each of them.
        let before = harbour.delivered();
        while harbour.delivered() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    enough.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for sender in senders {
        let sender = timeout(Duration::from_secs(60), sender).await;
        sent += sender.unwrap().unwrap();
    }
    assert_eq!(harbour.delivered(), sent);
    assert!(sent >= RELOADS, "only {sent} messages");
}
