//! Sessions as transcripts: order of commands, limits, and what is said about errors.

mod kit;

use kit::{Answer, HELLO, Play, check, check_envelope, check_hello, config, offer};
use lazaret_smtp::{
    Address, CloseReason, Code, Enhanced, Event, Extensions, HelloVerb, Keyword, Reply, Server,
    ServerConfig,
};

fn blocked() -> Reply {
    Reply::new(Code::REFUSED, Enhanced::new(5, 7, 1), "Not you")
}

/// RFC 5321 section 4.1.1.1: one line, and no extensions.
#[test]
fn helo_gets_one_line_and_no_parameters() {
    check(
        "S: 220 mx.example.org ESMTP
         C: HELO client.example.net
         S: 250 mx.example.org
         C: MAIL FROM:<a@example.net> SIZE=10
         S: 555 5.5.4 ...
         C: MAIL FROM:<a@example.net>
         S: 250 2.1.0 ...",
    );
}

#[test]
fn hello_needs_a_name() {
    check(
        "S: 220 ...
         C: EHLO
         S: 501 HELO and EHLO need...
         C: EHLO ;-)
         S: 501 HELO and EHLO need...
         C: HELO [127.0.0.300]
         S: 501 HELO and EHLO need...
         C: HELO two words
         S: 501 HELO and EHLO need...
         C: HELO [192.0.2.1]
         S: 250 mx.example.org
         C: HELO [IPv6:2001:db8::1]
         S: 250 mx.example.org
         C: helo my_pc.
         S: 250 mx.example.org",
    );
}

/// RFC 5321 section 4.1.4: who, from whom, to whom, what, in this order.
#[test]
fn commands_out_of_order() {
    check(
        "S: 220 ...
         C: MAIL FROM:<a@example.net>
         S: 503 5.5.1 ...
         C: RCPT TO:<b@example.org>
         S: 503 5.5.1 ...
         C: DATA
         S: 503 5.5.1 ...
         C: STARTTLS
         S: 503 5.5.1 ...",
    );
    check_hello(
        "C: RCPT TO:<b@example.org>
         S: 503 5.5.1 ...
         C: DATA
         S: 503 5.5.1 ...
         C: MAIL FROM:<a@example.net>
         S: 250 2.1.0 ...
         C: DATA
         S: 554 5.5.1 No valid recipients
         C: STARTTLS
         S: 503 5.5.1 ...",
    );
}

#[test]
fn a_nested_mail_is_refused_and_the_first_stands() {
    let played = check_envelope(
        "C: MAIL FROM:<other@example.net>
         S: 503 5.5.1 ...
         C: DATA
         S: 354 ...
         C: .
         S: 250 2.0.0 Ok",
    );
    assert_eq!(played.senders.len(), 1);
    assert_eq!(played.message(), b"");
}

#[test]
fn rset_and_a_second_ehlo_drop_the_transaction() {
    let ehlo = HELLO.split_once("ESMTP").unwrap().1;
    let played = check_envelope(&format!(
        "C: RSET
         S: 250 2.0.0 Ok
         C: RCPT TO:<b@example.org>
         S: 503 5.5.1 ...
         C: MAIL FROM:<a@example.net>
         S: 250 2.1.0 ...
         {ehlo}
         C: RCPT TO:<b@example.org>
         S: 503 5.5.1 ..."
    ));
    assert_eq!(played.resets, 2);
}

#[test]
fn two_transactions_on_one_connection() {
    let transaction = format!(
        "{}
         C: DATA
         S: 354 ...
         C: one
         C: .
         S: 250 2.0.0 Ok",
        kit::ENVELOPE
    );
    let played = check_hello(&transaction.repeat(2));
    assert_eq!(played.messages, [b"one\r\n", b"one\r\n"]);
}

#[test]
fn small_commands_and_old_ones() {
    check_hello(
        "C: nOoP with text
         S: 250 2.0.0 Ok
         C: HELP
         S: 214 2.0.0 ...
         C: VRFY
         S: 501 5.5.4 ...
         C: VRFY <b@example.org>
         S: 252 2.5.2 ...
         C: EXPN list
         S: 502 5.5.1 ...
         C: SEND FROM:<a@example.net>
         S: 502 5.5.1 ...
         C: SOML FROM:<a@example.net>
         S: 502 5.5.1 ...
         C: SAML FROM:<a@example.net>
         S: 502 5.5.1 ...
         C: TURN
         S: 502 5.5.1 ...
         C: AUTH PLAIN AGEAYg==
         S: 502 5.5.1 ...
         C: XCLIENT ADDR=192.0.2.1
         S: 502 5.5.1 ...
         C: XFORWARD ADDR=192.0.2.1
         S: 502 5.5.1 ...
         C: RSET now
         S: 501 5.5.4 ...
         C: QUIT now
         S: 501 5.5.4 ...
         C: DATA now
         S: 501 5.5.4 ...
         C: FOO
         S: 500 5.5.1 ...
         C:\x20
         S: 500 5.5.1 ...
         C:   NOOP
         S: 500 5.5.1 ...
         C: NOOP\x20
         S: 250 2.0.0 Ok
         C: AVERYLONGVERB
         S: 500 5.5.1 ...",
    );
}

/// RFC 5321 section 4.5.3.1.10: those over the limit are put off, the rest is served.
#[test]
fn recipients_over_the_limit() {
    let play = Play {
        config: ServerConfig {
            max_recipients: 2,
            max_errors: 3,
            ..config()
        },
        ..Play::default()
    };
    let more = "C: RCPT TO:<c@example.org>\nS: 452 4.5.3 ...\n".repeat(10);
    let played = play.check_envelope(&format!(
        "C: RCPT TO:<b@example.org>
         S: 250 2.1.5 ...
         {more}
         C: DATA
         S: 354 ...
         C: .
         S: 250 2.0.0 Ok"
    ));
    assert_eq!(played.recipients.len(), 2);
}

#[test]
fn a_thousand_recipients_are_taken() {
    let more = "C: RCPT TO:<c@example.org>\nS: 250 2.1.5 ...\n".repeat(999);
    assert_eq!(check_envelope(&more).recipients.len(), 1000);
}

/// RFC 5321 section 4.5.3.1.4 wants 512 octets; we take 4096. A longer line is answered at once,
/// swallowed up to its end, and does not cost the session unless it never ends.
#[test]
fn long_lines() {
    check_hello(&format!(
        "C: NOOP {}\nS: 250 2.0.0 Ok",
        "x".repeat(4096 - 7)
    ));
    check_hello(&format!(
        "C: NOOP {}\nS: 500 5.5.2 ...",
        "x".repeat(4096 - 6)
    ));
    check_hello(&format!(
        "C: NOOP {}\nC: NOOP\nS: 500 5.5.2 ...\nS: 250 2.0.0 Ok",
        "x".repeat(20_000)
    ));
    let endless = format!(
        "C| NOOP {}\nS: 500 5.5.2 ...\nS: 421 4.7.0 ...",
        "x".repeat(70_000)
    );
    assert_eq!(check_hello(&endless).closed, Some(CloseReason::LongLine));
}

/// A line with such an octet is refused as a whole, so nothing behind a bare LF is ever run.
#[test]
fn bare_line_ends_and_controls_in_commands() {
    for bad in [
        r"NOOP\nMAIL FROM:<a@example.net>",
        r"NOOP\rRSET",
        r"NO\0OP",
        r"NOOP \x1b[2J",
    ] {
        check_hello(&format!(
            "C: {bad}\nS: 500 5.5.2 ...\nC: NOOP\nS: 250 2.0.0 Ok"
        ));
    }
    check_hello("C: \\r\nS: 500 5.5.2 ...\nC: NOOP\nS: 250 2.0.0 Ok");
    check_hello("C: NOOP \\xff\nS: 500 5.5.2 ...");
    check_hello("C: MAIL FROM:<a\\xc0\\x8a@example.net>\nS: 500 5.5.2 ...");
    check_hello("C: MAIL FROM:<a\\xe5\\x98\\x8a@example.net>\nS: 550 5.6.7 ...");
}

/// It hears of each line, so that whoever types at it learns what is wrong.
#[test]
fn a_client_that_sends_bare_line_feeds_only() {
    check(
        r"S: 220 ...
          C| EHLO client.example.net\nMAIL FROM:<a@example.net>\nQUIT\n
          S: 500 5.5.2 ...
          S: 500 5.5.2 ...
          S: 500 5.5.2 ...",
    );
}

/// A browser can be made to send such requests to any port.
#[test]
fn other_protocols_are_cut_off() {
    for foreign in [
        "POST / HTTP/1.1",
        "get / HTTP/1.0",
        "CONNECT mx.example.org:25 HTTP/1.1",
        "PRI * HTTP/2.0",
        r"GET /\n",
        r"\x16\x03\x01\x02\x00\x01",
    ] {
        let played = check(&format!(
            "S: 220 ...\nC: {foreign}\nC: NOOP\nS: 554 5.5.1 This is SMTP"
        ));
        assert_eq!(played.closed, Some(CloseReason::Foreign), "{foreign}");
    }
}

/// What ends a session names it, so that whoever is asked finds it in a log.
#[test]
fn each_reply_of_ours_names_the_session() {
    let play = Play {
        config: ServerConfig {
            id: "7F3K2".to_owned(),
            max_errors: 1,
            ..config()
        },
        ..Play::default()
    };
    let greeting = "S: 220 mx.example.org ESMTP (7F3K2)";
    play.check(&format!(
        "{greeting}\nC: GET / HTTP/1.0\nS: 554 5.5.1 This is SMTP (7F3K2)"
    ));
    let hello = "C: HELO client.example.net\nS: 250 mx.example.org (7F3K2)";
    let after = |rest: &str| play.check(&format!("{greeting}\n{hello}\n{rest}"));
    after(
        "C: EHLO client.example.net\nS: 250-mx.example.org (7F3K2)\n\
         S: 250-PIPELINING\nS: 250-SIZE 1000\nS: 250-STARTTLS\nS: 250-ENHANCEDSTATUSCODES\n\
         S: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250-DSN\nS: 250-CHUNKING\nS: 250 HELP",
    );
    after(
        "C: FOO\nS: 500 5.5.1 Command not recognized (7F3K2)\nC: FOO\nS: 421 4.7.0 Too many errors, closing (7F3K2)",
    );
    // RFC 2034 section 4: behind EHLO no reply has an enhanced code.
    after(
        "C: FOO\nS: 500 5.5.1 Command not recognized (7F3K2)\nC: EHLO\nS: 421 Too many errors, closing (7F3K2)",
    );
    after(
        "C: NOOP\nS: 250 2.0.0 Ok (7F3K2)\nC: RSET\nS: 250 2.0.0 Ok (7F3K2)\nC: QUIT\nS: 221 2.0.0 Bye (7F3K2)",
    );
    after(
        "C: MAIL FROM:<a@example.com>\nS: 250 ...\nC: RCPT TO:<b@example.org>\nS: 250 ...\n\
         C: DATA\nS: 354 End with <CR><LF>.<CR><LF> (7F3K2)\nC: a\\nb\n\
         S: 554 5.6.11 Lines end with CR LF only, and NUL is not allowed (7F3K2)",
    );
}

#[test]
fn a_hello_refused_for_good_stays_refused() {
    let play = Play {
        judge: |event| match event {
            Event::Hello(hello) if hello.name == "evil.example.net" => {
                Some(Answer::RefuseHello(blocked()))
            }
            _ => None,
        },
        ..Play::default()
    };
    play.check_envelope(
        "C: EHLO evil.example.net
         S: 550 Not you
         C: HELO good.example.net
         S: 550 Not you
         C: RSET
         S: 250 2.0.0 Ok
         C: MAIL FROM:<a@example.net>
         S: 550 5.7.1 Not you
         C: RCPT TO:<b@example.org>
         S: 503 5.5.1 ...
         C: QUIT
         S: 221 2.0.0 Bye",
    );
}

#[test]
fn a_hello_refused_once_may_try_again() {
    let play = Play {
        judge: |event| match event {
            Event::Hello(hello) if hello.verb == HelloVerb::Ehlo => Some(Answer::Reply(blocked())),
            _ => None,
        },
        ..Play::default()
    };
    play.check(
        "S: 220 ...
         C: EHLO client.example.net
         S: 550 Not you
         C: MAIL FROM:<a@example.net>
         S: 503 5.5.1 ...
         C: HELO client.example.net
         S: 250 mx.example.org",
    );
}

/// RFC 5321 section 3.1: 503 to everything but QUIT.
#[test]
fn a_refusing_greeting() {
    let mut server = Server::new(config());
    server.refuse_greeting(Reply::new(
        Code::FAILED,
        Enhanced::new(5, 7, 1),
        "No service",
    ));
    server.receive(b"EHLO x\r\nHELP\r\nBDAT 4\r\nRSETFOO\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(server.next(), Event::Quit);
    assert_eq!(server.next(), Event::Close(CloseReason::Quit));
    let heard = String::from_utf8(server.output().to_vec()).unwrap();
    let codes: Vec<&str> = heard.lines().map(|line| &line[..10]).collect();
    assert_eq!(codes[0], "554 No ser");
    assert_eq!(codes[1], "503 No ser");
    assert_eq!(codes[2..5], ["503 5.5.1 "; 3]);
    assert_eq!(codes[5..], ["221 2.0.0 "]);
}

#[test]
fn a_greeting_with_421_closes() {
    let mut server = Server::new(config());
    server.refuse_greeting(Reply::unavailable());
    assert_eq!(server.next(), Event::Close(CloseReason::Asked));
    assert_eq!(
        &server.output()[..],
        b"421 Service not available, closing\r\n"
    );
}

/// RFC 2034 section 4.
#[test]
fn a_close_at_hello_has_no_enhanced_code() {
    let mut server = Server::new(config());
    server.greet();
    server.receive(b"EHLO client.example.net\r\n");
    assert!(matches!(server.next(), Event::Hello(_)));
    server.output().clear();
    server.close(Reply::unavailable());
    assert_eq!(
        &server.output()[..],
        b"421 Service not available, closing\r\n"
    );
}

#[test]
fn nothing_is_answered_before_the_greeting() {
    let mut server = Server::new(config());
    server.receive(b"EHLO early.example.net\r\n");
    assert_eq!(server.next(), Event::NeedInput);
    assert!(server.has_input());
    server.greet();
    assert!(matches!(server.next(), Event::Hello(_)));
}

#[test]
fn an_idle_session_gives_its_memory_back() {
    let mut server = Server::new(config());
    server.greet();
    server.receive(b"NOOP\r\nNOO");
    assert_eq!(server.next(), Event::Flush);
    assert_eq!(server.next(), Event::NeedInput);
    server.output().clear();
    server.release();
    assert_eq!(server.output().capacity(), 0);
    server.receive(b"P\r\n");
    assert_eq!(
        server.next(),
        Event::NeedInput,
        "what is not used yet is kept"
    );
    assert_eq!(&server.output()[..], b"250 2.0.0 Ok\r\n");
    server.release();
    assert_eq!(server.buffer().capacity(), 0);
}

#[test]
fn the_caller_closes_between_commands() {
    let play = Play {
        judge: |event| match event {
            Event::Rcpt(_) => Some(Answer::Close(Reply::unavailable())),
            Event::Mail(path) if path.address.is_null() => {
                Some(Answer::Reply(Reply::unavailable()))
            }
            _ => None,
        },
        ..Play::default()
    };
    for last in ["RCPT TO:<b@example.org>", "MAIL FROM:<>"] {
        let first = if last.starts_with("RCPT") {
            "C: MAIL FROM:<a@example.net>\nS: 250 2.1.0 ...\n"
        } else {
            ""
        };
        let played = play.check_hello(&format!("{first}C: {last}\nC: NOOP\nS: 421 4.3.2 ..."));
        assert_eq!(played.closed, Some(CloseReason::Asked));
    }
}

/// What the caller cannot mean must not put client and server out of step.
#[test]
fn absurd_answers_become_451() {
    let play = Play {
        judge: |event| match event {
            Event::Mail(path) if path.address.is_null() => {
                Some(Answer::Reply(Reply::new(Code::START_CONTENT, None, "go")))
            }
            Event::Data => Some(Answer::Reply(Reply::ok())),
            _ => None,
        },
        ..Play::default()
    };
    play.check_hello(
        "C: MAIL FROM:<>
         S: 451 4.3.0 ...
         C: MAIL FROM:<a@example.net>
         S: 250 2.1.0 ...
         C: RCPT TO:<b@example.org>
         S: 250 2.1.5 ...
         C: DATA
         S: 451 4.3.0 ...
         C: RSET
         S: 250 2.0.0 Ok",
    );
}

#[test]
fn answers_without_a_question_do_nothing() {
    let mut server = Server::new(config());
    server.greet();
    let greeting = server.output().split();
    assert_eq!(&greeting[..], b"220 mx.example.org ESMTP\r\n");
    server.greet();
    server.refuse_greeting(blocked());
    server.accept_hello(&offer());
    server.refuse_hello(blocked());
    server.answer(Reply::ok());
    server.go_ahead();
    server.start_tls();
    assert_eq!(server.next(), Event::NeedInput);
    assert!(server.output().is_empty());
}

#[test]
#[should_panic(expected = "before")]
#[cfg(debug_assertions)]
fn a_question_must_be_answered() {
    let mut server = Server::new(config());
    server.greet();
    server.receive(b"EHLO client.example.net\r\n");
    server.next();
    server.next();
}

/// RFC 2034 section 4: the class agrees, and a reply without code is given one.
#[test]
fn answers_get_an_enhanced_code() {
    let play = Play {
        judge: |event| match event {
            Event::Mail(_) => Some(Answer::Reply(Reply::new(Code::OK, None, "fine"))),
            Event::Rcpt(_) => {
                let wrong = Enhanced::new(2, 1, 5);
                Some(Answer::Reply(Reply::new(
                    Code::MAILBOX_BUSY,
                    wrong,
                    "two\nlines",
                )))
            }
            _ => None,
        },
        ..Play::default()
    };
    play.check_hello(
        "C: MAIL FROM:<a@example.net>
         S: 250 2.0.0 fine
         C: RCPT TO:<b@example.org>
         S: 450-4.1.5 two
         S: 450 4.1.5 lines",
    );
}

/// Only where the caller offers it; afterwards the session starts anew.
#[test]
fn xclient_and_xforward_where_offered() {
    let attributes = vec!["ADDR".to_owned(), "HELO".to_owned()];
    let play = Play {
        offer: Extensions::from_iter([
            Keyword::XClient(attributes.clone()),
            Keyword::XForward(attributes),
        ]),
        judge: |event| match event {
            Event::XClient(all) => {
                assert_eq!(all[1].value(), "a b=c");
                Some(Answer::Reply(Reply::new(Code::READY, None, "again")))
            }
            _ => None,
        },
        ..Play::default()
    };
    play.check(
        "S: 220 ...
         C: EHLO proxy.example.org
         S: 250-mx.example.org
         S: 250-XCLIENT ADDR HELO
         S: 250 XFORWARD ADDR HELO
         C: XFORWARD ADDR=192.0.2.1
         S: 250 2.0.0 Ok
         C: XFORWARD ADDR=+4
         S: 501 5.5.4 ...
         C: XCLIENT ADDR=192.0.2.1 HELO=a+20b+3Dc
         S: 220 again
         C: XCLIENT ADDR=192.0.2.1 HELO=a+20b+3Dc
         S: 220 again
         C: MAIL FROM:<a@example.net>
         S: 503 5.5.1 ...",
    );
}

#[test]
fn what_an_address_may_be_told_apart_by() {
    let played = check_hello(
        r#"C: MAIL FROM:<>
           S: 250 2.1.0 ...
           C: RCPT TO:<Postmaster>
           S: 250 2.1.5 ...
           C: rcpt to: <"a > \" b"@[IPv6:::1]>
           S: 250 2.1.5 ..."#
            .replace('\\', r"\\")
            .as_str(),
    );
    assert!(played.senders[0].address.is_null());
    assert!(played.recipients[0].address.is_bare_postmaster());
    let quoted = Address::parse(r#""a > \" b"@[IPv6:::1]"#).unwrap();
    assert_eq!(played.recipients[1].address, quoted);
}
