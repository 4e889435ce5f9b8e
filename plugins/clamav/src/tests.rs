//! Mail with what clamd knows, mail that only looks like it, and a clamd that is no use.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Clamav;

/// The test string of the European Institute for Computer Antivirus Research, in halves so that this file has no virus.
const HALVES: [&str; 2] = [
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANT",
    "IVIRUS-TEST-FILE!$H+H*",
];
const LATER: &str = "defer 451 4.7.1 this message cannot be examined now, try again later";
const REFUSED: &str =
    "reject 550 5.7.1 we do not take this message: Eicar-Test-Signature was found in it";

fn eicar() -> String {
    HALVES.concat()
}

/// Serves one connection and is gone.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// The octets of an INSTREAM conversation, by clamd(8).
fn streamed(stream: &mut TcpStream) -> Vec<u8> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).unwrap();
    assert_eq!(&command, b"zINSTREAM\0");
    let mut octets = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            return octets;
        }
        let start = octets.len();
        octets.resize(start + length, 0);
        stream.read_exact(&mut octets[start..]).unwrap();
    }
}

/// A clamd that knows one signature.
fn clamd() -> SocketAddr {
    server(|mut stream| {
        let octets = streamed(&mut stream);
        let eicar = eicar();
        let found = octets.windows(eicar.len()).any(|it| it == eicar.as_bytes());
        let answer: &[u8] = match found {
            true => b"stream: Eicar-Test-Signature FOUND\0",
            false => b"stream: OK\0",
        };
        stream.write_all(answer).unwrap();
    })
}

/// Hears everything and says just this.
fn saying(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut stream| {
        streamed(&mut stream);
        // Whoever has heard enough goes away.
        let _ = stream.write_all(&answer);
    })
}

fn report(address: SocketAddr, message: &str, config: &str) -> Report {
    let config = format!("address = '{address}'\n{config}");
    Transaction::new().message(message).run::<Clamav>(&config)
}

fn verdict(address: SocketAddr, message: &str, config: &str) -> String {
    report(address, message, config).verdict().to_string()
}

const PLAIN: &str = "Subject: minutes\n\nAs discussed.\n";

#[test]
fn catches_a_virus_alone_in_a_message() {
    let message = format!("Subject: test\n\n{}\n", eicar());
    assert_eq!(verdict(clamd(), &message, ""), REFUSED);
}

/// Chunks are 64 KiB: wherever they end, clamd hears the message as it is.
#[test]
fn catches_a_virus_that_lies_across_chunks() {
    for before in [65_500, 65_530, 131_060] {
        let filler = "x".repeat(before);
        let message = format!("Subject: long\n\n{filler}{}\n", eicar());
        assert_eq!(verdict(clamd(), &message, ""), REFUSED);
    }
}

#[test]
fn catches_a_virus_in_the_head_of_a_large_message() {
    let message = format!("Subject: large\n\n{}{}\n", eicar(), "x".repeat(200_000));
    let config = "most = '100 KiB'\nlarger = 'head'";
    assert_eq!(verdict(clamd(), &message, config), REFUSED);
}

#[test]
fn spares_who_writes_about_viruses() {
    for text in [
        "stream: Eicar-Test-Signature FOUND",
        "The string ends in $EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
        "Is X5O!P%@AP a virus?",
    ] {
        let message = format!("Subject: stream: Eicar FOUND\nX-Virus-Status: Infected\n\n{text}\n");
        assert_eq!(verdict(clamd(), &message, ""), "continue");
    }
}

#[test]
fn spares_a_message_without_a_body_and_one_of_just_the_size() {
    assert_eq!(verdict(clamd(), "Subject: empty\n\n", ""), "continue");
    let exact = format!("Subject: x\r\n\r\n{}\r\n", "y".repeat(1024 - 16));
    let config = "most = '1 KiB'\nlarger = 'defer'";
    assert_eq!(verdict(clamd(), &exact, config), "continue");
}

#[test]
fn spares_signatures_that_are_ignored() {
    let limits = || saying("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0");
    let config = "[signatures]\n'Heuristics.' = 'reject'\n'Heuristics.Limits.' = 'ignore'";
    let report = report(limits(), PLAIN, config);
    assert_eq!(report.verdict().to_string(), "continue");
    assert!(report.log()[0].contains("MaxFileSize is ignored"));
    let other = saying("stream: Heuristics.Phishing.Email FOUND\0");
    assert!(verdict(other, PLAIN, config).starts_with("reject 550"));
}

#[test]
fn does_with_a_finding_what_is_configured() {
    let found = || saying("stream: Eicar FOUND\0");
    let told = |answer: &str| report(found(), PLAIN, &format!("on-found = {answer}"));
    assert_eq!(
        told("'quarantine'").verdict().to_string(),
        "quarantine virus: Eicar"
    );
    assert_eq!(told("'defer'").verdict().to_string(), LATER);
    let tagged = told("'tag'");
    assert_eq!(tagged.verdict().to_string(), "continue");
    assert!(
        tagged
            .message()
            .starts_with("X-Virus-Status: Infected (Eicar)\r\n")
    );
    let scored = told("7.5");
    assert_eq!(
        (scored.symbols(), scored.scores()[0].points),
        (vec!["VIRUS"], 7.5)
    );
    assert_eq!(scored.note("reasons"), Some("VIRUS=7.5"));
}

#[test]
fn leaves_no_forged_field_where_it_writes_its_own() {
    let forged = "X-Virus-Status: Clean\nSubject: a\nx-virus-status: Clean\n\nb\n";
    let message = report(clamd(), forged, "on-found = 'tag'").message();
    assert_eq!(message, "Subject: a\r\n\r\nb\r\n");
}

/// A virus that cannot be marked does not pass unmarked.
#[test]
fn without_the_right_to_tag_a_message_waits() {
    let found = saying("stream: Eicar FOUND\0");
    let config = format!("address = '{found}'\non-found = 'tag'");
    let transaction = Transaction::new().message(PLAIN).deny("edit-headers");
    let report = transaction.run::<Clamav>(&config);
    assert_eq!(report.verdict().to_string(), LATER);
    assert!(report.log()[0].contains("edit-headers:X-Virus-Status"));
}

#[test]
fn large_messages_by_policy() {
    let large = format!("Subject: large\n\n{}\n", "x".repeat(3000));
    let nobody = "127.0.0.1:1".parse().unwrap();
    let told = |larger: &str| {
        let config = format!("most = '2 KiB'\nlarger = '{larger}'");
        report(nobody, &large, &config)
    };
    assert_eq!(told("skip").verdict().to_string(), "continue");
    assert_eq!(told("defer").verdict().to_string(), LATER);
    let tagged = told("tag").message();
    assert!(tagged.starts_with("X-Virus-Status: Unscanned (too large)\r\n"));
    assert!(told("skip").log()[0].contains("it is larger than `most`"));
}

/// Its own limit may be lower than ours: it breaks off, sometimes before it has heard all.
#[test]
fn a_clamd_that_breaks_off_is_a_large_message() {
    let limit = b"INSTREAM size limit exceeded. ERROR\0";
    let large = format!("Subject: large\n\n{}\n", "x".repeat(8 << 20));
    let broken_off = server(|mut stream| {
        let mut some = [0; 100_000];
        stream.read_exact(&mut some).unwrap();
        stream.write_all(limit).unwrap();
    });
    assert_eq!(verdict(broken_off, &large, "larger = 'skip'"), "continue");
    let at_the_end = report(saying(*limit), PLAIN, "larger = 'skip'");
    assert_eq!(at_the_end.verdict().to_string(), "continue");
    assert!(at_the_end.log()[0].contains("raise its StreamMaxLength"));
    assert_eq!(verdict(saying(*limit), PLAIN, ""), LATER);
}

#[test]
fn without_clamd_the_policy_answers() {
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let told = report(nobody, PLAIN, "");
    assert_eq!(told.verdict().to_string(), LATER);
    assert!(told.log()[0].contains("no connection to clamd (connection refused)"));
    let goes_on = "when-unavailable = 'continue'";
    assert_eq!(verdict(nobody, PLAIN, goes_on), "continue");
    let tagged = report(nobody, PLAIN, "when-unavailable = 'tag'").message();
    assert!(tagged.starts_with("X-Virus-Status: Unscanned (scanner unavailable)\r\n"));
}

#[test]
fn a_slow_clamd_is_waited_for_as_long_as_configured() {
    let begun = Instant::now();
    let slow = server(|mut stream| {
        streamed(&mut stream);
        thread::sleep(Duration::from_secs(60));
    });
    let report = report(slow, PLAIN, "time = '200ms'");
    assert_eq!(report.verdict().to_string(), LATER);
    assert!(report.log()[0].contains("did not answer within `time`"));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// One that dribbles does not stretch the time; one that takes nothing neither.
#[test]
fn a_clamd_that_dribbles_is_late() {
    let begun = Instant::now();
    let dribbling = server(|mut stream| {
        streamed(&mut stream);
        for octet in b"stream: OK\0".chunks(1) {
            thread::sleep(Duration::from_millis(100));
            if stream.write_all(octet).is_err() {
                break;
            }
        }
    });
    assert_eq!(verdict(dribbling, PLAIN, "time = '300ms'"), LATER);
    let deaf = server(|_stream| thread::sleep(Duration::from_secs(60)));
    let large = format!("Subject: large\n\n{}\n", "x".repeat(16 << 20));
    assert_eq!(verdict(deaf, &large, "time = '300ms'"), LATER);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_clamd_that_lies_is_believed_nothing() {
    let told = |answer: &[u8]| {
        let report = report(saying(answer), PLAIN, "");
        assert_eq!(report.verdict().to_string(), LATER, "{answer:?}");
        report.log()[0].clone()
    };
    let no_clamd = "what answers there is not clamd";
    assert!(told(&vec![b'x'; 64 << 10]).contains(no_clamd));
    assert!(told(b"HTTP/1.1 200 OK\r\n\r\n").contains(no_clamd));
    assert!(told(b"stream: OK\0stream: OK\0").contains(no_clamd));
    assert!(told(b"\xff\xfe\0").contains(no_clamd));
    assert!(told(b"").contains("no connection to clamd"));
    assert!(told(b"stream: no memory! ERROR\0").contains("clamd says: stream: no memory_"));
}

#[test]
fn says_what_is_wrong_with_its_configuration() {
    let problem = |toml: &str| configure::<Clamav>(toml).err().unwrap_or_default();
    for wrong in ["20", "0s", "301s", "s"] {
        let said = problem(&format!("time = '{wrong}'"));
        assert!(said.contains("write it as 20s or 500ms"), "{said}");
    }
    for wrong in ["25", "0 B", "4096 MiB", "-1 KiB"] {
        let said = problem(&format!("most = '{wrong}'"));
        assert!(said.contains("write it as 25 MiB or 500 KiB"), "{said}");
    }
    assert!(problem("on-found = 'refuse'").contains("write \"reject\""));
    assert!(problem("on-found = nan").contains("points such as 8.0"));
    assert!(problem("address = 'localhost'").contains("address"));
    assert!(problem("adress = '127.0.0.1:1'").contains("unknown field `adress`"));
    assert!(problem("[signatures]\n'' = 'ignore'").contains("write on-found"));
}
