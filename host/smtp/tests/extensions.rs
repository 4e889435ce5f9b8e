//! Service extensions: what is offered, and what parameters may say.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod kit;

use kit::{HELLO, Play, check, check_envelope, check_hello, config, offer};
use lazaret_smtp::{CloseReason, Event, Extensions, Keyword, Own, Reply, Server, ServerConfig};

fn own(start_tls: bool) -> Own {
    Own {
        max_message: 1000,
        headroom: 100,
        start_tls,
    }
}

fn backend(lines: &str) -> Extensions {
    let text = format!("250-backend.example.org\r\n{lines}250 HELP\r\n");
    Extensions::parse(&Reply::parse(text.as_bytes()).unwrap())
}

fn names(extensions: &Extensions) -> Vec<String> {
    extensions.known().iter().map(Keyword::to_string).collect()
}

#[test]
fn an_ehlo_answer_is_read() {
    let read = backend(
        "250-size 0\r\n250-Pipelining\r\n250-AUTH login PLAIN\r\n250-AUTH=LOGIN\r\n\
         250-XCLIENT NAME ADDR\r\n250-X-UNKNOWN 1\r\n250- \r\n250-DSN\r\n250-DSN\r\n",
    );
    assert_eq!(
        names(&read),
        [
            "SIZE",
            "PIPELINING",
            "AUTH LOGIN PLAIN",
            "XCLIENT NAME ADDR",
            "DSN",
            "HELP"
        ]
    );
    assert_eq!(read.unknown(), ["X-UNKNOWN"]);
    assert_eq!(read.auth_mechanisms(), ["LOGIN", "PLAIN"]);
    assert_eq!(read.xclient_attributes().unwrap(), ["NAME", "ADDR"]);
    assert_eq!(read.xforward_attributes(), None);
}

#[test]
fn a_malformed_size_counts_as_none() {
    for line in ["SIZE ten", "SIZE -1", "SIZE 123456789012345678901"] {
        assert!(
            !backend(&format!("250-{line}\r\n")).has(&Keyword::Size(None)),
            "{line}"
        );
    }
}

/// An allow-list: what only the backend can do is not offered without it, what only concerns us
/// and the backend never is.
#[test]
fn the_offer_is_computed() {
    let all = backend(
        "250-SIZE 500\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-XCLIENT ADDR\r\n\
         250-XFORWARD ADDR\r\n250-ETRN\r\n250-VRFY\r\n250-CHUNKING\r\n250-BINARYMIME\r\n\
         250-AUTH PLAIN\r\n250-STARTTLS\r\n",
    );
    let ours = [
        "PIPELINING",
        "SIZE 400",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "CHUNKING",
        "HELP",
    ];
    assert_eq!(names(&Extensions::offer(&all, &own(false))), ours);
    let nothing = Extensions::offer(&Extensions::new(), &own(true));
    assert_eq!(
        names(&nothing),
        [
            "PIPELINING",
            "SIZE 1000",
            "STARTTLS",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "HELP"
        ]
    );
}

/// RFC 6531 section 3.1: SMTPUTF8 needs 8BITMIME.
#[test]
fn smtputf8_needs_8bitmime() {
    let offer = Extensions::offer(&backend("250-SMTPUTF8\r\n"), &own(false));
    assert!(!offer.has(&Keyword::SmtpUtf8));
}

/// 0 would say that there is no limit.
#[test]
fn the_offered_size_is_never_zero() {
    for (told, offered) in [(50, 1), (100, 1), (101, 1), (102, 2), (5000, 1000)] {
        let offer = Extensions::offer(&backend(&format!("250-SIZE {told}\r\n")), &own(false));
        assert_eq!(offer.size(), Some(offered), "backend says {told}");
    }
}

/// The machine makes no promise it cannot keep, whatever it is told to offer.
#[test]
fn the_machine_offers_only_what_it_can_do() {
    let play = Play {
        offer: Extensions::from_iter([
            Keyword::Size(None),
            Keyword::BinaryMime,
            Keyword::SmtpUtf8,
            Keyword::Auth(vec!["PLAIN".to_owned()]),
        ]),
        ..Play::default()
    };
    play.check("S: 220 ...\nC: EHLO client.example.net\nS: 250-mx.example.org\nS: 250 SIZE 1000");
}

#[test]
fn parameters_of_mail() {
    let good = [
        "SIZE=1000",
        "size=0",
        "BODY=8BITMIME",
        "body=7bit",
        "SMTPUTF8",
        "RET=FULL",
        "RET=hdrs",
        "ENVID=QQ314159",
        "ENVID=a+2Bb",
        "SIZE=5 BODY=7BIT RET=HDRS",
        " SIZE=5  BODY=7BIT",
    ];
    for parameters in good {
        check_hello(&format!(
            "C: MAIL FROM:<a@example.net> {parameters}\nS: 250 2.1.0 ..."
        ));
    }
    let bad = [
        "SIZE",
        "SIZE=",
        "SIZE=abc",
        "SIZE=-1",
        "SIZE=1234567890123456789012345",
        "BODY=9BIT",
        "BODY",
        "SMTPUTF8=yes",
        "RET=FOO",
        "RET",
        "ENVID=a+2",
        "ENVID=a+0D+0A",
        "ENVID=a=b",
        "SIZE=1 SIZE=1",
        "=1",
        "-X=1",
        "A=\x07",
    ];
    for parameters in bad.iter().filter(|p| !p.contains('\x07')) {
        check_hello(&format!(
            "C: MAIL FROM:<a@example.net> {parameters}\nS: 501 5.5.4 ..."
        ));
    }
    let long = "x".repeat(101);
    check_hello(&format!(
        "C: MAIL FROM:<a@example.net> ENVID={long}\nS: 501 5.5.4 ..."
    ));
}

#[test]
fn parameters_of_rcpt() {
    let good = [
        "NOTIFY=NEVER",
        "NOTIFY=success,FAILURE,delay",
        "ORCPT=rfc822;b+2Bc@example.org",
        "ORCPT=utf-8;b\\\\x{e9}@example.org",
        "NOTIFY=DELAY ORCPT=rfc822;b@example.org",
    ];
    for parameters in good {
        check_hello(&format!(
            "C: MAIL FROM:<a@example.net>\nS: 250 ...\n\
             C: RCPT TO:<b@example.org> {parameters}\nS: 250 2.1.5 ..."
        ));
    }
    let bad = [
        "NOTIFY=NEVER,DELAY",
        "NOTIFY=DELAY,FAILURE,delay",
        "NOTIFY=",
        "NOTIFY",
        "NOTIFY=SOMETIMES",
        "ORCPT=b@example.org",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+0A",
        "ORCPT=;a",
        "NOTIFY=DELAY NOTIFY=DELAY",
    ];
    for parameters in bad {
        check_hello(&format!(
            "C: MAIL FROM:<a@example.net>\nS: 250 ...\n\
             C: RCPT TO:<b@example.org> {parameters}\nS: 501 5.5.4 ..."
        ));
    }
}

/// RFC 5321 section 4.1.1.11: parameters unknown, of the other command, or not offered.
#[test]
fn parameters_that_are_not_offered() {
    for parameter in [
        "FOO",
        "FOO=BAR",
        "BODY=BINARYMIME",
        "AUTH=<>",
        "NOTIFY=NEVER",
        "XVERP",
    ] {
        check_hello(&format!(
            "C: MAIL FROM:<a@example.net> {parameter}\nS: 555 5.5.4 ..."
        ));
    }
    let play = Play {
        offer: Extensions::from_iter([Keyword::Size(Some(1000))]),
        ..Play::default()
    };
    for parameter in ["BODY=8BITMIME", "SMTPUTF8", "RET=FULL", "ENVID=x"] {
        play.check(&format!(
            "S: 220 ...
             C: EHLO client.example.net
             S: 250-mx.example.org
             S: 250 SIZE 1000
             C: MAIL FROM:<a@example.net> {parameter}
             S: 555 5.5.4 ...
             C: MAIL FROM:<a@example.net>
             S: 250 2.1.0 ...
             C: RCPT TO:<b@example.org> NOTIFY=NEVER
             S: 555 5.5.4 ..."
        ));
    }
}

#[test]
fn parameters_are_passed_on_as_written() {
    let played = check_hello(
        "C: MAIL FROM:<a@example.net> RET=hdrs ENVID=x+2By smtputf8
         S: 250 ...
         C: RCPT TO:<b@example.org> NOTIFY=success ORCPT=rfc822;c@example.org
         S: 250 ...",
    );
    let sender = played.senders[0].to_string();
    assert_eq!(sender, "<a@example.net> RET=hdrs ENVID=x+2By smtputf8");
    let recipient = played.recipients[0].to_string();
    assert_eq!(
        recipient,
        "<b@example.org> NOTIFY=success ORCPT=rfc822;c@example.org"
    );
}

/// RFC 1870: declared, declared too small, and not declared.
#[test]
fn size() {
    check_hello("C: MAIL FROM:<a@example.net> SIZE=1001\nS: 552 5.3.4 ...");
    check_hello("C: MAIL FROM:<a@example.net> SIZE=99999999999999999999\nS: 552 5.3.4 ...");
    let exact = "x".repeat(998);
    let played = check_envelope(&format!(
        "C: DATA\nS: 354 ...\nC: {exact}\nC: .\nS: 250 2.0.0 Ok"
    ));
    assert_eq!(played.message().len(), 1000);
    let over = "x".repeat(999);
    let played = check_hello(&format!(
        "C: MAIL FROM:<a@example.net> SIZE=10
         S: 250 ...
         C: RCPT TO:<b@example.org>
         S: 250 ...
         C: DATA
         S: 354 ...
         C: {over}
         C: .
         S: 552 5.3.4 Message over the size limit
         C: NOOP
         S: 250 2.0.0 Ok"
    ));
    assert!(
        played.message().len() == 1000,
        "what is over the limit is swallowed"
    );
}

/// The offer's SIZE counts where it is smaller than our own limit.
#[test]
fn the_offered_size_is_enforced() {
    let play = Play {
        offer: Extensions::from_iter([Keyword::Size(Some(5))]),
        ..Play::default()
    };
    play.check(
        "S: 220 ...
         C: EHLO client.example.net
         S: 250-mx.example.org
         S: 250 SIZE 5
         C: MAIL FROM:<a@example.net> SIZE=6
         S: 552 5.3.4 ...
         C: MAIL FROM:<a@example.net>
         S: 250 ...
         C: RCPT TO:<b@example.org>
         S: 250 ...
         C: DATA
         S: 354 ...
         C: abcd
         C: .
         S: 552 5.3.4 ...",
    );
}

/// RFC 6531: the parameter on MAIL allows UTF-8 in the whole transaction, and only there.
#[test]
fn smtputf8() {
    let played = check_hello(
        "C: MAIL FROM:<jos\\xc3\\xa9@example.net>
         S: 550 5.6.7 ...
         C: MAIL FROM:<jos\\xc3\\xa9@ex\\xc3\\xa4mple.net> SMTPUTF8
         S: 250 ...
         C: RCPT TO:<\\xe5\\x98\\x8a@example.org>
         S: 250 ...
         C: RCPT TO:<a\\xc2\\x85b@example.org>
         S: 501 5.1.3 ...
         C: RCPT TO:<a\\xe2\\x80\\xaeb@example.org>
         S: 501 5.1.3 ...
         C: RSET
         S: 250 ...
         C: MAIL FROM:<a@example.net>
         S: 250 ...
         C: RCPT TO:<jos\\xc3\\xa9@example.org>
         S: 553 5.6.7 ...
         C: RCPT TO:<b@example.org> ORCPT=utf-8;jos\\xc3\\xa9@example.org
         S: 553 5.6.7 ...",
    );
    assert_eq!(played.senders[0].address.mailbox(), "josé@exämple.net");
}

#[test]
fn starttls_forgets_all_and_is_offered_once() {
    let played = check_hello(
        "C: STARTTLS now
         S: 501 5.5.4 ...
         C: STARTTLS
         S: 220 2.0.0 Ready to start TLS
         C: MAIL FROM:<a@example.net>
         S: 503 5.5.1 ...
         C: EHLO client.example.net
         S: 250-mx.example.org
         S: 250-PIPELINING
         S: 250-SIZE 1000
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-DSN
         S: 250-CHUNKING
         S: 250 HELP
         C: STARTTLS
         S: 503 5.5.1 ...",
    );
    assert_eq!(played.closed, None);
}

#[test]
fn starttls_where_it_is_not_offered() {
    let play = Play {
        offer: Extensions::new(),
        ..Play::default()
    };
    play.check(
        "S: 220 ...\nC: EHLO client.example.net\nS: 250 mx.example.org\nC: STARTTLS\nS: 502 5.5.1 ...",
    );
    check("S: 220 ...\nC: HELO client.example.net\nS: 250 ...\nC: STARTTLS\nS: 502 5.5.1 ...");
}

/// RFC 3207 section 6: what came in clear behind STARTTLS is never taken for what comes in TLS.
#[test]
fn octets_behind_starttls_are_dropped() {
    let mut server = Server::new(config());
    server.greet();
    server.receive(b"EHLO client.example.net\r\n");
    assert!(matches!(server.next(), Event::Hello(_)));
    server.accept_hello(&offer());
    server.output().clear();
    server.receive(b"STARTTLS\r\nEHLO injected.example.net\r\nMAIL FROM:<evil@example.net>\r\n");
    assert_eq!(server.next(), Event::StartTls);
    server.start_tls();
    assert!(!server.has_input());
    assert_eq!(server.next(), Event::NeedInput);
    server.receive(b"NOOP\r\n");
    assert_eq!(server.next(), Event::NeedInput);
    server.tls_established();
    server.output().clear();
    server.receive(b"NOOP\r\n");
    assert_eq!(server.next(), Event::NeedInput);
    assert_eq!(&server.output()[..], b"250 2.0.0 Ok\r\n");
}

#[test]
fn tls_first_where_it_is_required() {
    let play = Play {
        config: ServerConfig {
            require_tls: true,
            ..config()
        },
        ..Play::default()
    };
    play.check_hello(
        "C: MAIL FROM:<a@example.net>
         S: 530 5.7.0 Must issue a STARTTLS command first
         C: RCPT TO:<b@example.org>
         S: 530 5.7.0 ...
         C: VRFY b
         S: 530 5.7.0 ...
         C: NOOP
         S: 250 2.0.0 Ok
         C: STARTTLS
         S: 220 2.0.0 ...
         C: HELO client.example.net
         S: 250 mx.example.org
         C: MAIL FROM:<a@example.net>
         S: 250 2.1.0 ...",
    );
}

/// A caller that calls it by mistake loses nobody's transaction.
#[test]
fn tls_in_the_middle_of_a_session_does_nothing() {
    let mut server = Server::new(config());
    server.greet();
    server.receive(b"EHLO client.example.net\r\n");
    assert!(matches!(server.next(), Event::Hello(_)));
    server.tls_established();
    assert!(server.awaits_answer());
    server.accept_hello(&offer());
    assert!(server.output().split().ends_with(b"250 HELP\r\n"));
    server.receive(b"STARTTLS\r\n");
    server.tls_established();
    assert_eq!(server.next(), Event::StartTls);
}

/// RFC 8314: inside TLS from the first octet on.
#[test]
fn implicit_tls() {
    let mut server = Server::new(config());
    server.tls_established();
    server.greet();
    server.receive(b"EHLO client.example.net\r\n");
    assert!(matches!(server.next(), Event::Hello(_)));
    server.accept_hello(&offer());
    let heard = String::from_utf8(server.output().to_vec()).unwrap();
    assert!(
        heard.starts_with("220 ") && !heard.contains("STARTTLS"),
        "{heard}"
    );
}

/// RFC 2920 section 3.1: groups are answered in order, all at once.
#[test]
fn groups_of_commands() {
    check_hello(
        "C: MAIL FROM:<a@example.net>
         C: RCPT TO:<bad>
         C: RCPT TO:<b@example.org>
         C: DATA
         S: 250 2.1.0 ...
         S: 501 5.1.3 ...
         S: 250 2.1.5 ...
         S: 354 ...
         C: Text
         C: .
         C: NOOP
         C: MAIL FROM:<a@example.net>
         S: 250 2.0.0 Ok
         S: 250 2.0.0 Ok
         S: 250 2.1.0 ...
         C: RCPT TO:<bad>
         C: DATA
         S: 501 5.1.3 ...
         S: 554 5.5.1 ...",
    );
    check_hello(&format!(
        "{}{}",
        "C: NOOP\n".repeat(60),
        "S: 250 2.0.0 Ok\n".repeat(60)
    ));
    let all = HELLO.replace("S: 220 mx.example.org ESMTP", "");
    let group = format!("C: NOOP\n{all}").replacen("S:", "S: 250 2.0.0 Ok\nS:", 1);
    check(&format!("S: 220 ...\n{group}"));
}

/// Content sent before the 354 is content, once; after a refused DATA it is a row of errors.
#[test]
fn content_before_its_time() {
    let played = check_envelope(
        "C: DATA\nC: Text\nC: .\nC: NOOP\nS: 354 ...\nS: 250 2.0.0 Ok\nS: 250 2.0.0 Ok",
    );
    assert_eq!(played.message(), b"Text\r\n");
    let lines = "C: Some line of text\n".repeat(30);
    let errors = "S: 500 5.5.1 ...\n".repeat(19);
    let played = check_hello(&format!(
        "C: DATA\n{lines}S: 503 5.5.1 ...\n{errors}S: 421 4.7.0 ..."
    ));
    assert_eq!(played.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn what_two_servers_have_in_common() {
    let one = backend(
        "250-PIPELINING\r\n250-SIZE 1000\r\n250-DSN\r\n250-XFORWARD NAME ADDR HELO\r\n250-X-ODD\r\n",
    );
    let two =
        backend("250-SIZE 500\r\n250-XFORWARD ADDR PORT NAME\r\n250-PIPELINING\r\n250-X-ODD\r\n");
    let both = Extensions::new()
        .with(Keyword::Pipelining)
        .with(Keyword::Size(Some(500)))
        .with(Keyword::XForward(vec!["NAME".into(), "ADDR".into()]))
        .with(Keyword::Help);
    assert_eq!(one.common(&two), both);
    assert_eq!(two.common(&one).size(), Some(500));
    let unlimited = backend("250-SIZE\r\n");
    assert_eq!(one.common(&unlimited).size(), Some(1000));
    assert_eq!(unlimited.common(&unlimited).size(), None);
}
