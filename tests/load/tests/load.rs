//! The generator and the sink, each held against a second implementation: the other one, and where Postfix is installed,
//! its `smtp-sink` and `smtp-source`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use lazaret_load::hold::{Held, Posture};
use lazaret_load::{Counts, Ending, Offer, Pace, Plan, Sink, SinkOptions};

fn sink() -> Sink {
    Sink::start(&SinkOptions::default()).expect("a free port")
}

#[test]
fn every_message_is_counted_on_both_sides() {
    for pace in [Pace::OneByOne, Pace::Pipelined] {
        let sink = sink();
        let plan = Plan {
            connections: 7,
            messages: 3,
            recipients: 4,
            size: 5000,
            threads: 2,
            ending: Ending::Connections(20),
            pace,
            ..Plan::to(sink.address())
        };
        let report = lazaret_load::send(&plan);
        assert_eq!(report.failures, 0, "{report}");
        assert_eq!((report.sessions, report.messages), (20, 60));
        assert_eq!(report.octets, 60 * 5000);
        let counted = Counts {
            connections: 20,
            messages: 60,
            octets: 60 * 5000,
        };
        assert_eq!(sink.counts(), counted);
    }
}

#[test]
fn a_large_message_arrives_whole() {
    let sink = sink();
    let plan = Plan {
        size: 20 << 20,
        ..Plan::to(sink.address())
    };
    let report = lazaret_load::send(&plan);
    assert_eq!(report.failures, 0, "{report}");
    assert_eq!(sink.counts().octets, 20 << 20);
}

#[test]
fn a_time_ends_the_load() {
    let sink = sink();
    let plan = Plan {
        connections: 3,
        messages: 2,
        ending: Ending::After(Duration::from_millis(200)),
        ..Plan::to(sink.address())
    };
    let report = lazaret_load::send(&plan);
    assert!(
        report.sessions >= 3 && report.messages == 2 * report.sessions,
        "{report}"
    );
}

#[test]
fn what_is_not_offered_is_not_used() {
    let options = SinkOptions {
        offer: Offer::NoPipelining,
        ..SinkOptions::default()
    };
    let sink = Sink::start(&options).unwrap();
    let plan = Plan {
        pace: Pace::Pipelined,
        connections: 2,
        ending: Ending::Connections(100),
        ..Plan::to(sink.address())
    };
    let report = lazaret_load::send(&plan);
    assert_eq!((report.messages, report.failures), (0, 2));
    assert!(report.first_failure.unwrap().contains("PIPELINING"));
}

/// A server that says each line after it read one, whatever it is.
fn scripted(lines: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the generator connects");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        for line in lines {
            stream.write_all(line.as_bytes()).expect("it listens");
            let mut command = String::new();
            reader.read_line(&mut command).expect("it speaks");
        }
    });
    address
}

#[test]
fn every_reply_is_checked() {
    for (lines, complaint) in [
        (
            &["554 go away\r\n"][..],
            "the connection was answered \"554 go away\"",
        ),
        (
            &["220 hi\r\n", "250 hi\r\n", "450 later\r\n"],
            "MAIL was answered \"450 later\"",
        ),
        (
            &["220 hi\r\n", "250 hi\r\n", "250 a\r\n", "550 b\r\n"],
            "RCPT was answered \"550 b\"",
        ),
        (
            &[
                "220 hi\r\n",
                "250 hi\r\n",
                "250 a\r\n",
                "250 b\r\n",
                "250 c\r\n",
            ],
            "DATA was answered",
        ),
        (
            &["220 hi\r\n", "250 hi\r\n", "yes\r\n"],
            "\"yes\\r\\n\" is no reply",
        ),
        (
            &["220 hi\r\n"],
            "closed the connection instead of answering EHLO",
        ),
    ] {
        let report = lazaret_load::send(&Plan::to(scripted(lines)));
        let first = report.first_failure.unwrap();
        assert!(first.contains(complaint), "{first}");
        assert_eq!(report.messages, 0);
    }
}

#[test]
fn a_dead_server_ends_the_load() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = Plan {
        connections: 4,
        ending: Ending::After(Duration::from_secs(600)),
        ..Plan::to(listener.local_addr().unwrap())
    };
    drop(listener);
    let report = lazaret_load::send(&plan);
    assert_eq!(report.failures, 4);
}

#[test]
fn connections_are_held_until_released() {
    let sink = sink();
    let plan = Plan {
        connections: 120,
        size: 100_000,
        ..Plan::to(sink.address())
    };
    let held = Held::open(&plan, Posture::Sending(50_000)).unwrap();
    assert_eq!(sink.counts().connections, 120);
    assert_eq!(sink.counts().messages, 0);
    drop(held);
    let report = lazaret_load::send(&Plan::to(sink.address()));
    assert_eq!(report.messages, 1);
}

#[test]
fn the_generator_and_smtp_sink_agree() {
    let Some(sink) = SmtpSink::start() else {
        return;
    };
    for (size, pace) in [
        (4096, Pace::OneByOne),
        (4096, Pace::Pipelined),
        (3 << 20, Pace::OneByOne),
    ] {
        let plan = Plan {
            connections: 5,
            messages: 4,
            ending: Ending::Connections(10),
            size,
            pace,
            ..Plan::to(sink.address)
        };
        let report = lazaret_load::send(&plan);
        assert_eq!((report.failures, report.messages), (0, 40), "{report}");
    }
}

#[test]
fn the_sink_and_smtp_source_agree() {
    if !installed("smtp-source") {
        return;
    }
    let sink = sink();
    let target = format!("inet:{}", sink.address());
    let source = Command::new("smtp-source")
        .args([
            "-s",
            "5",
            "-m",
            "40",
            "-l",
            "10000",
            "-f",
            "a@example.com",
            "-t",
            "b@example.org",
        ])
        .arg(target)
        .status();
    assert!(source.unwrap().success());
    let counts = sink.counts();
    assert_eq!(counts.messages, 40);
    assert!(counts.octets >= 40 * 10_000, "{counts:?}");
}

struct SmtpSink {
    child: Child,
    address: SocketAddr,
}

impl SmtpSink {
    fn start() -> Option<Self> {
        if !installed("smtp-sink") {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let mut command = Command::new("smtp-sink");
        command
            .args(["-u", "nobody"])
            .arg(format!("inet:{address}"))
            .arg("1000");
        let child = command.spawn().expect("it is installed");
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "smtp-sink does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, address })
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says so where a peer does not take part, as the other peer tests do.
fn installed(program: &str) -> bool {
    let known = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
    let there = known
        .iter()
        .any(|dir| std::path::Path::new(dir).join(program).is_file());
    match there {
        true => println!("peer: {program} ran"),
        false => println!("skipped: {program} not installed"),
    }
    there
}
