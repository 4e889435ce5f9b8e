//! `clamav`, with Debian's clamd.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use lazaret_tests::peers::{self, clamd, eicar, free_port};
use lazaret_tests::proxy::Builder;
use lazaret_tests::{BackendDouble, Client, Proxy, Said};

use crate::trial::{MESSAGE, Service, Trial, in_time, vices};

const LATER: &str = "451 4.7.1 this message cannot be examined now, try again later (*)";

/// Answers that clamd never gives.
const LIES: [&[u8]; 5] = [
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"stream: OK\0stream: Eicar FOUND\0",
    b"stream: OK",
    b"\xff\xfe\x00",
    b"0 FOUND\0",
];

/// A clamd that finds something in every message; the filter gives it a second.
fn service(address: SocketAddr) -> Service {
    Service {
        address,
        limit: Duration::from_secs(1),
        says: |heard| match heard.ends_with(&[0; 4]) {
            true => Said::Answer(b"stream: Right.Answer FOUND\0".to_vec()),
            false => Said::Nothing,
        },
        reply: "550 *Right.Answer*",
        rest: Duration::from_secs(5),
    }
}

/// Puts the filter in, which gives clamd so long.
fn asking(clamd: SocketAddr, time: &str, config: &str) -> impl FnOnce(Builder) -> Builder + use<> {
    let changes = format!(
        "listeners = [\"plain\"]\ngrant = [\"body\", \"tcp:{clamd}\"]\n[config]\naddress = \"{clamd}\"\ntime = \"{time}\"\n{config}\n"
    );
    move |builder| builder.bundled("clamav", &changes)
}

fn virus() -> Vec<u8> {
    format!("Subject: a\r\n\r\n{}\r\n", eicar()).into_bytes()
}

#[test]
fn a_clamd_that_is_no_use_costs_its_own_messages_only() {
    let address = free_port();
    let trial = Trial::new(service(address), asking(address, "1s", ""));
    trial.goes_wrong(&vices(&LIES), LATER);
    let Some(mut clamd) = clamd(address, "") else {
        return;
    };
    trial.mends();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut refused = trial.message(&virus());
    while refused.code == 451 && Instant::now() < deadline {
        refused = trial.message(&virus());
    }
    assert!(
        refused.text().contains("Eicar-Test-Signature"),
        "{refused:?}"
    );
    clamd.stop();
    assert_eq!(trial.message(MESSAGE).code, 451);
    clamd.again();
    trial.mends();
    peers::ran("clamd");
}

#[test]
fn mail_may_pass_unexamined_and_says_so() {
    let address = free_port();
    let tagging = format!(
        "listeners = [\"plain\"]\nparallel = \"no\"\ngrant = [\"body\", \"tcp:{address}\", \"edit-headers:X-Virus-Status\"]\n\
         deny = [\"score\", \"notes\"]\n[config]\naddress = \"{address}\"\ntime = \"1s\"\nwhen-unavailable = \"tag\"\n"
    );
    let trial = Trial::new(service(address), |builder| {
        builder.bundled("clamav", &tagging)
    });
    trial.goes_wrong(&vices(&LIES[..1]), "250 *");
    trial.backend.forget();
    let forged = b"X-Virus-Status: Clean\r\nSubject: a\r\n\r\nb\r\n";
    assert_eq!(trial.message(forged).code, 250);
    let arrived = trial.backend.wait_for(1);
    let text = String::from_utf8_lossy(&arrived[0].octets);
    assert!(text.contains("X-Virus-Status: Unscanned (scanner unavailable)\r\n"));
    assert!(!text.contains("Clean"), "{text}");
}

/// Its own `time` is longer than it may wait: its policy answers all the same, and not `on-failure`.
#[test]
fn a_silent_clamd_is_no_failure_whatever_its_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound");
    let changes = format!(
        "listeners = [\"plain\"]\non-failure = \"reject\"\nwall = \"60s\"\ntcp-time = \"1s\"\ngrant = [\"body\", \"tcp:{address}\"]\n\
         [config]\naddress = \"{address}\"\ntime = \"50s\"\n"
    );
    let trial = Trial::new(service(address), |builder| {
        builder.bundled("clamav", &changes)
    });
    let begun = Instant::now();
    let reply = trial.message(MESSAGE);
    let waited = begun.elapsed();
    assert_eq!(reply.code, 451, "{reply:?}");
    let text = reply.text();
    assert!(
        text.contains("this message cannot be examined now"),
        "{text}"
    );
    assert!(waited < in_time(Duration::from_secs(1)), "{waited:?}");
}

/// `most` is over clamd's StreamMaxLength: clamd breaks off, and the message is a large one.
#[test]
fn what_clamd_will_not_take_is_large() {
    let address = free_port();
    let Some(_clamd) = clamd(address, "StreamMaxLength 1M") else {
        return;
    };
    let large = |larger: &str| {
        let backend = BackendDouble::start();
        let asking = asking(address, "20s", &format!("larger = \"{larger}\"\n"));
        let proxy: Proxy = asking(Proxy::before(backend.address())).start();
        let mut message = virus();
        message.extend(b"A line.\r\n".repeat(300_000));
        let mut client = Client::greeted(proxy.plain());
        client
            .deliver("eva@example.com", &["anna@example.org"], &message)
            .code
    };
    assert_eq!(large("skip"), 250);
    assert_eq!(large("defer"), 451);
    peers::ran("clamd");
}
