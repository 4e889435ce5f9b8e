//! What the machine refuses of its own accord: each reply ends in the id of the session, and whoever keeps records learns
//! what the client was after.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod kit;

use lazaret_smtp::{Event, Refusals, Reply, Server, ServerConfig, Wanted};

const ID: &str = "7F3K2Q";

/// A session behind its greeting.
fn session(config: ServerConfig) -> Server {
    let mut server = Server::new(ServerConfig {
        id: ID.to_owned(),
        ..config
    });
    server.greet();
    server
}

/// Sends these lines; everything that is asked is granted.
fn send(server: &mut Server, lines: &str) -> (String, Option<Refusals>) {
    server.output().clear();
    server.receive(lines.as_bytes());
    loop {
        match server.next() {
            Event::NeedInput | Event::Close(_) => break,
            Event::Hello(_) => server.accept_hello(&kit::offer()),
            Event::Data => server.go_ahead(),
            Event::Content(_) | Event::Reset | Event::Quit | Event::Flush => {}
            _ => server.answer(Reply::ok()),
        }
    }
    let said = String::from_utf8(server.output().split().to_vec()).unwrap();
    (said, server.take_refusals())
}

/// What was wanted, each with the address where it is known.
fn wanted(refusals: Option<Refusals>) -> Vec<String> {
    let address = |address: Option<lazaret_smtp::Address>| {
        address.map_or("?".to_owned(), |it| it.mailbox().to_owned())
    };
    let word = |wanted| match wanted {
        Wanted::Transaction(from) => format!("mail {}", address(from)),
        Wanted::Recipient(to) => format!("rcpt {}", address(to)),
        Wanted::Content => "data".to_owned(),
        Wanted::Other => "other".to_owned(),
    };
    let told = refusals.map(|it| it.told).unwrap_or_default();
    told.into_iter().map(|it| word(it.wanted)).collect()
}

/// Each refusal in its state: lines before it, the line, its code, what it was after.
#[test]
fn each_refusal_ends_in_the_id_and_tells_what_was_wanted() {
    const HELLO: &str = "EHLO client.example.net\r\n";
    const MAIL: &str = "EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n";
    const RCPT: &str =
        "EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n";
    for (before, line, code, after) in [
        ("", "MAIL FROM:<a@example.net>", "503", "mail a@example.net"),
        ("", "RCPT TO:<b@example.org>", "503", "rcpt b@example.org"),
        ("", "DATA", "503", "data"),
        ("", "BDAT 0 LAST", "502", "data"),
        (
            HELLO,
            "MAIL FROM:<a@example.net> SIZE=1001",
            "552",
            "mail a@example.net",
        ),
        (HELLO, "MAIL FROM:<a@example.net> FOO=1", "555", "mail ?"),
        (HELLO, "MAIL FROM:<a@example.net> SIZE=x", "501", "mail ?"),
        (HELLO, "MAIL FROM:<a b>", "501", "mail ?"),
        (
            HELLO,
            "MAIL FROM:<\u{e4}@example.net>",
            "550",
            "mail \u{e4}@example.net",
        ),
        (HELLO, "MAIL FROM:<\u{1}@example.net>", "500", "mail ?"),
        (HELLO, "BDAT 0 LAST", "503", "data"),
        (
            MAIL,
            "MAIL FROM:<c@example.net>",
            "503",
            "mail c@example.net",
        ),
        (MAIL, "RCPT TO:<>", "501", "rcpt ?"),
        (
            MAIL,
            "RCPT TO:<\u{e4}@example.org>",
            "553",
            "rcpt \u{e4}@example.org",
        ),
        (MAIL, "RCPT TO:<b@example.org> FOO=1", "555", "rcpt ?"),
        (MAIL, "DATA", "554", "data"),
        (MAIL, "BDAT 0 LAST", "503", "data"),
        (RCPT, "RCPT TO:<c@example.org>", "452", "rcpt c@example.org"),
        (RCPT, "DATA x", "501", "data"),
        (RCPT, "XCLIENT ADDR=192.0.2.1", "502", "other"),
        (HELLO, "EHLO \u{1}", "500", "other"),
        (HELLO, "HELO", "501", "other"),
        (HELLO, "EXPN list", "502", "other"),
        (HELLO, "AUTH PLAIN", "502", "other"),
        (HELLO, "VRFY", "501", "other"),
        (HELLO, "NONSENSE", "500", "other"),
        (HELLO, "GET / HTTP/1.1", "554", "other"),
        (HELLO, "BDAT x", "501", "other"),
    ] {
        let mut server = session(ServerConfig {
            max_recipients: 1,
            ..kit::config()
        });
        send(&mut server, before);
        let (said, refusals) = send(&mut server, &format!("{line}\r\n"));
        assert!(said.starts_with(code), "{line}: {said}");
        assert!(said.ends_with(&format!(" ({ID})\r\n")), "{line}: {said}");
        assert_eq!(wanted(refusals), [after], "{line}");
    }
}

#[test]
fn without_tls_where_it_is_required_the_sender_is_told() {
    let mut server = session(ServerConfig {
        require_tls: true,
        ..kit::config()
    });
    let (said, refusals) = send(
        &mut server,
        "EHLO a.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
    );
    let refused: Vec<_> = said.lines().filter(|line| line.starts_with('5')).collect();
    let line = format!("530 5.7.0 Must issue a STARTTLS command first ({ID})");
    assert_eq!(refused, [&line, &line, &line]);
    let told = wanted(refusals);
    assert_eq!(told, ["mail a@example.net", "rcpt b@example.org", "data"]);
}

#[test]
fn what_ends_a_session_is_named_too() {
    for lines in [
        "NONSENSE\r\n".repeat(3),
        "X".repeat(100_000),
        "EHLO a.example\r\nBDAT 5000\r\n".to_owned(),
        "EHLO a.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\n"
            .to_owned(),
    ] {
        let mut server = session(ServerConfig {
            max_errors: 2,
            ..kit::config()
        });
        let (said, refusals) = send(&mut server, &lines);
        assert!(said.ends_with(&format!(" ({ID})\r\n")), "{said}");
        let told = refusals.unwrap().told;
        assert!(said.ends_with(&told.last().unwrap().reply.to_string()));
    }
}

/// An answer that cannot be meant becomes one of ours.
#[test]
fn what_stands_in_for_a_bad_answer_is_named() {
    let mut server = session(kit::config());
    send(&mut server, "EHLO a.example\r\n");
    server.receive(b"MAIL FROM:<a@example.net>\r\n");
    assert!(matches!(server.next(), Event::Mail(_)));
    let intermediate = lazaret_smtp::Code::START_CONTENT;
    server.answer(Reply::new(intermediate, None, "go on"));
    let said = String::from_utf8(server.output().split().to_vec()).unwrap();
    assert!(
        said.starts_with("451 ") && said.ends_with(&format!("({ID})\r\n")),
        "{said}"
    );
}
