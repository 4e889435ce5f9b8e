//! Deadlines hold for the whole of a phase: whoever sends an octet now and then is as late as one who sends none.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::kit::{Backend, Client, DATA, Running, Setup};

/// Seconds for what is under test, in which everybody else must be done, and the usual time for all else.
const TABLES: [(&str, &str); 5] = [
    ("block", "[deadlines]\nblock = \"2s\""),
    ("handshake", "[deadlines]\nhandshake = \"5s\""),
    ("message", "[deadlines]\nmessage = \"5s\""),
    ("command", "[deadlines]\ncommand = \"5s\""),
    (
        "write",
        "[deadlines]\nwrite = \"2s\"\n[limits]\njunk-commands = 10000000",
    ),
];

async fn proxy(backend: &Backend, listener: &'static str, deadline: &str) -> Running {
    let tables = TABLES.iter().find(|(name, _)| *name == deadline).unwrap().1;
    let setup = Setup {
        listener,
        tables,
        ..Setup::default()
    };
    Running::start(backend, setup).await
}

/// Sends these octets over and over, one every 150 ms, until the other side closes; what it said.
async fn trickle(tcp: &mut TcpStream, octets: &[u8]) -> String {
    let (mut read, mut write) = tcp.split();
    let talk = async {
        for octet in octets.iter().cycle() {
            if write.write_all(&[*octet]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(150)).await;
        }
    };
    let mut heard = Vec::new();
    let listen = async { drop(read.read_to_end(&mut heard).await) };
    let over = async {
        tokio::select! {
            () = talk => {}
            () = listen => {}
        }
    };
    timeout(Duration::from_secs(20), over)
        .await
        .expect("closed in time");
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_proxy_header_octet_by_octet_is_too_late() {
    let backend = Backend::honest().await;
    let balanced = "proxy-protocol = { from = [\"127.0.0.1\"] }";
    let proxy = proxy(&backend, balanced, "handshake").await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(
        trickle(
            &mut tcp,
            b"PROXY TCP4 192.0.2.111 198.51.100.1 40000 25\r\n"
        )
        .await,
        ""
    );
}

#[tokio::test]
async fn a_handshake_octet_by_octet_is_too_late() {
    let backend = Backend::honest().await;
    let made = rcgen::generate_simple_self_signed(["mx.example.org".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().display();
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let tls = format!(
        "tls = \"implicit\"\ncertificate = \"{here}/cert.pem\"\nprivate-key = \"{here}/key.pem\""
    );
    let proxy = proxy(&backend, tls.leak(), "handshake").await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    // A record of 16 KiB that is never complete.
    let mut hello = vec![22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb];
    hello.extend([3; 400]);
    assert_eq!(trickle(&mut tcp, &hello).await, "");
}

#[tokio::test]
async fn a_message_line_by_line_is_too_late_header_and_body_alike() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "message").await;
    tokio::join!(
        line_by_line(&proxy, ""),
        line_by_line(&proxy, "Subject: a\r\n\r\n")
    );
    assert!(backend.messages().is_empty());
}

/// Whoever sends too much hears so even where he is late, and does not come again. A line's first dot is not of the message.
#[tokio::test]
async fn who_is_late_with_too_much_hears_of_the_size() {
    let backend = Backend::honest().await;
    let setup = Setup {
        tables: "[deadlines]\nmessage = \"5s\"\n[limits]\nmessage-size = \"64 KiB\"",
        ..Setup::default()
    };
    let proxy = &Running::start(&backend, setup).await;
    let late = |line: &'static str, lines, heard| async move {
        let mut client = proxy.play(DATA).await;
        let octets = format!("A: b\r\n\r\n{}", line.repeat(lines));
        client.send(octets.as_bytes()).await;
        client.play(heard).await;
    };
    tokio::join!(
        late("0123456789\r\n", 6000, "S: 552 5.3.4\nS: closed"),
        late("..\r\n", 20_000, "S: 421 4.4.2\nS: closed")
    );
}

/// A message of which so much comes at once.
async fn line_by_line(proxy: &Running, begun: &str) {
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    tcp.write_all(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        .await
        .unwrap();
    tcp.write_all(begun.as_bytes()).await.unwrap();
    let heard = trickle(&mut tcp, b"X: y\r\n").await;
    let last = heard.lines().last().unwrap();
    assert!(last.starts_with("421 4.4.2 Too slow, closing ("), "{heard}");
}

const TO_ONE: &str = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n";

#[tokio::test]
async fn a_chunk_octet_by_octet_is_too_late() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "message").await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    tcp.write_all(format!("{TO_ONE}BDAT 100000\r\n").as_bytes())
        .await
        .unwrap();
    let heard = trickle(&mut tcp, b"X: y\r\n").await;
    let last = heard.lines().last().unwrap();
    assert!(last.starts_with("421 4.4.2 Too slow, closing ("), "{heard}");
    assert!(backend.messages().is_empty());
}

/// The time is the message's, however many chunks it comes in.
#[tokio::test]
async fn a_message_in_chunks_of_one_octet_is_too_late() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "message").await;
    let mut client = proxy.client().await;
    client
        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
        .await;
    let begun = Instant::now();
    let last = loop {
        client.send(b"BDAT 1\r\nx").await;
        let reply = client.reply().await;
        if !reply.starts_with("250") {
            break reply;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it never ends");
        sleep(Duration::from_millis(200)).await;
    };
    assert!(last.starts_with("421 4.4.2 Too slow, closing ("), "{last}");
    assert!(begun.elapsed() >= Duration::from_millis(4900), "{begun:?}");
    assert!(backend.messages().is_empty());
}

/// A chunk without a recipient is let pass as part of its command, and takes its time from that.
#[tokio::test]
async fn a_chunk_that_nobody_wants_is_too_late_octet_by_octet() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "command").await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    tcp.write_all(b"EHLO a\r\nMAIL FROM:<>\r\nBDAT 100000\r\n")
        .await
        .unwrap();
    let heard = trickle(&mut tcp, b"X: y\r\n").await;
    let last = heard.lines().last().unwrap();
    assert!(last.starts_with("421 4.4.2"), "{heard}");
    assert!(backend.messages().is_empty());
}

/// The time of a message is its own: the one before took nothing from it, nor do pauses between two.
#[tokio::test]
async fn each_message_has_its_own_time() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "message").await;
    let mut client = proxy.play("S: 220\nC: EHLO a\nS: 250").await;
    for _ in 0..3 {
        client
            .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
            .await;
        sleep(Duration::from_secs(2)).await;
        client.play("C: DATA\nS: 354\nC: a\nC: .\nS: 250").await;
    }
    assert_eq!(backend.messages().len(), 3);
}

#[tokio::test]
async fn a_hello_octet_by_octet_is_too_late() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "command").await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    let heard = trickle(&mut tcp, b"EHLO").await;
    assert!(
        heard.lines().last().unwrap().starts_with("421 4.4.2"),
        "{heard}"
    );
    // Whoever is not slow is served meanwhile.
    Client::connect(proxy.address)
        .await
        .play("S: 220\nC: QUIT\nS: 221")
        .await;
}

/// What is counted. Sessions run side by side: the octets that come second are to find those that came first.
const IN_FLIGHT: &str = "lazaret_in_flight_bytes";

/// Of all messages together only so many octets wait for their verdict.
#[tokio::test]
async fn mail_that_finds_no_room_in_flight_hears_452_and_finds_it_later() {
    let backend = Backend::honest().await;
    let setup = Setup {
        tables: "[limits]\nmessage-size = \"64 KiB\"\nin-flight = \"64 KiB\"\nin-flight-per-client = \"1 MiB\"",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let (mut first, mut second) = (proxy.play(DATA).await, proxy.play(DATA).await);
    let line = format!("{}\r\n", "x".repeat(998));
    first.send(line.repeat(40).as_bytes()).await;
    proxy.until(IN_FLIGHT, |octets| octets >= 39_000.0).await;
    second.send(line.repeat(30).as_bytes()).await;
    second.play("C: .\nS: 452 4.3.1").await;
    // Said before a message that could not be taken is sent, and only to that.
    second
        .play("C: MAIL FROM:<> SIZE=30000\nS: 452 4.3.1 Too many messages under way, try later (")
        .await;
    second
        .play("C: MAIL FROM:<> SIZE=10000\nS: 250\nC: RSET\nS: 250")
        .await;
    first.play("C: .\nS: 250").await;
    second.play("C: MAIL FROM:<> SIZE=30000\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354").await;
    second.send(line.repeat(30).as_bytes()).await;
    second.play("C: .\nS: 250").await;
    assert_eq!(backend.messages().len(), 2);
}

/// One client cannot take all of it.
#[tokio::test]
async fn a_client_has_its_share_of_what_is_in_flight_and_others_theirs() {
    let backend = Backend::honest().await;
    let setup = Setup {
        tables: "[limits]\nmessage-size = \"64 KiB\"\nin-flight-per-client = \"64 KiB\"",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let (mut first, mut second) = (proxy.play(DATA).await, proxy.play(DATA).await);
    let line = format!("{}\r\n", "x".repeat(998));
    first.send(line.repeat(40).as_bytes()).await;
    proxy.until(IN_FLIGHT, |octets| octets >= 39_000.0).await;
    second.send(line.repeat(30).as_bytes()).await;
    second.play("C: .\nS: 452 4.3.1").await;
    second
        .play("C: MAIL FROM:<> SIZE=30000\nS: 452 4.3.1 Too many messages of yours under way, try later (")
        .await;
    first.play("C: .\nS: 250").await;
    second.play("C: MAIL FROM:<> SIZE=30000\nS: 250").await;
    assert_eq!(backend.messages().len(), 1);
}

/// It has room for more replies than the system keeps for a client that reads none of them.
#[tokio::test]
async fn who_takes_no_replies_is_left() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "write").await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    let asked = "HELP\r\n".repeat(10_000);
    let begun = Instant::now();
    let flood = async { while tcp.write_all(asked.as_bytes()).await.is_ok() {} };
    timeout(Duration::from_secs(60), flood)
        .await
        .expect("it is left in time");
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

/// Behind DATA it is content that is waited for, from its first octet on.
#[tokio::test]
async fn a_client_that_says_data_has_the_time_for_a_block() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "block").await;
    let mut client = proxy.play(DATA).await;
    let begun = Instant::now();
    client.send(b"A: 1\r\n").await;
    client.play("S: 421 4.4.2\nS: closed").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{begun:?}");
}

/// Between two chunks we wait for a command, not for content.
#[tokio::test]
async fn between_two_chunks_a_client_has_the_time_for_a_command() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "", "block").await;
    let mut client = Client::connect(proxy.address).await;
    let begin = "S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<a@example.com>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250";
    client.play(begin).await;
    client.send(b"BDAT 8\r\nA: 1\r\n\r\n").await;
    client.play("S: 250").await;
    sleep(Duration::from_secs(3)).await;
    client.play("C: NOOP\nS: 250").await;
    sleep(Duration::from_secs(3)).await;
    client.send(b"BDAT 6 LAST\r\ntext\r\n").await;
    client.play("S: 250").await;
    assert_eq!(backend.messages().len(), 1);
    // In the middle of one it is content that we wait for.
    client
        .play("C: MAIL FROM:<a@example.com>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
        .await;
    client.send(b"BDAT 8\r\nA: 1").await;
    client.play("S: 421 4.4.2\nS: closed").await;
}
