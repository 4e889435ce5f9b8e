//! The client machine against backends that behave, err and lie.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use lazaret_smtp::client::OurFault;
use lazaret_smtp::data::BareOctet;
use lazaret_smtp::reply_parser::ReplyError;
use lazaret_smtp::{Attribute, Client, ClientError, ClientLimits, Code, Command};

fn greeted() -> Client {
    let mut client = Client::new(ClientLimits::default());
    client.receive(b"220 backend.example.org ESMTP\r\n");
    assert_eq!(client.next().unwrap().unwrap().code(), Code::READY);
    client
}

fn asked(commands: usize) -> Client {
    let mut client = greeted();
    for _ in 0..commands {
        client.send(&Command::Rset);
    }
    client
}

#[test]
fn replies_come_in_order() {
    let mut client = asked(3);
    assert_eq!(client.output().split(), "RSET\r\nRSET\r\nRSET\r\n");
    client.receive(b"250 one\r\n450-two\r\n4");
    assert_eq!(client.next().unwrap().unwrap().text(), "one");
    assert_eq!(client.next(), Ok(None));
    client.receive(b"50 lines\r\n550 three\r\n");
    assert_eq!(client.next().unwrap().unwrap().text(), "two\nlines");
    assert!(!client.is_in_step());
    assert_eq!(client.next().unwrap().unwrap().text(), "three");
    assert_eq!(client.next(), Ok(None));
    assert!(client.is_in_step());
}

#[test]
fn a_message_is_sent_with_its_dots() {
    let mut client = greeted();
    client.content(b".a\r");
    client.content(b"\n.b");
    client.end_content();
    assert_eq!(client.output().split(), "..a\r\n..b\r\n.\r\n");
    assert_eq!(client.owed(), 1);
}

#[test]
fn a_chunk_is_sent_as_it_is() {
    let mut client = greeted();
    client.chunk(&[".a\r", "\n.b\r\n"]);
    assert_eq!(client.output().split(), "BDAT 8 LAST\r\n.a\r\n.b\r\n");
    assert_eq!(client.owed(), 1);
    assert_eq!(client.next(), Ok(None));
}

#[test]
fn nothing_of_a_chunk_with_bare_octets_is_sent() {
    for bad in [["a\n", "b"], ["a\r", "b"], ["a", "\0b"], ["a\r\n", "\r"]] {
        let mut client = greeted();
        client.chunk(&bad);
        assert!(client.output().is_empty(), "{bad:?}");
        let fault = ClientError::Ours(OurFault::Content(BareOctet));
        assert_eq!(client.next(), Err(fault));
    }
}

/// Any doubt, and the error stays: what comes later might belong to something else.
#[test]
fn doubtful_backends() {
    use ClientError as E;
    let long = [b"250 ".as_slice(), &[b'x'; 5000]].concat();
    let many = b"250-x\r\n".repeat(129);
    let much = [b"250-".as_slice(), &[b'x'; 4000], b"\r\n"]
        .concat()
        .repeat(17);
    let table: [(&[u8], ClientError); 8] = [
        (b"999 what\r\n", E::Reply(ReplyError::Code)),
        (b"250 Ok\n", E::Reply(ReplyError::Octet)),
        (b"250 O\x07k\r\n", E::Reply(ReplyError::Octet)),
        (b"HTTP/1.1 400\r\n", E::Reply(ReplyError::Code)),
        (b"250-Ok\r\n251 Ok\r\n", E::Reply(ReplyError::MixedCodes)),
        (&long, E::Reply(ReplyError::LineTooLong(4096))),
        (&many, E::Reply(ReplyError::TooManyLines(128))),
        (&much, E::Reply(ReplyError::TooLong(65_536))),
    ];
    for (octets, error) in table {
        for chunk in [1, 1000, usize::MAX] {
            let mut client = asked(1);
            let mut heard = Ok(None);
            for piece in octets.chunks(chunk.min(octets.len())) {
                client.receive(piece);
                heard = heard.and(client.next());
            }
            assert_eq!(heard, Err(error.clone()));
            client.receive(b"250 Ok\r\n");
            assert_eq!(client.next(), Err(error.clone()), "for ever");
            client.output().clear();
            client.send(&Command::Quit);
            client.content(b"text");
            assert!(client.output().is_empty(), "nothing is sent any more");
        }
    }
}

#[test]
fn a_reply_to_nothing_is_an_error() {
    let mut client = greeted();
    client.receive(b"250 Ok\r\n");
    assert_eq!(client.next(), Err(ClientError::Unasked(Code::OK)));
    let mut client = asked(1);
    client.receive(b"250 Ok\r\n250 Ok\r\n");
    assert!(client.next().is_ok());
    assert_eq!(client.next(), Err(ClientError::Unasked(Code::OK)));
}

/// RFC 5321 section 3.8: it may close at any time, with a word of warning.
#[test]
fn the_backend_closes() {
    let mut client = greeted();
    client.receive(b"421 4.3.2 going down\r\n");
    let error = client.next().unwrap_err();
    assert_eq!(
        error.to_string(),
        "backend: closes the connection: going down"
    );
}

#[test]
fn replies_behind_starttls_are_injected() {
    let mut client = greeted();
    client.send(&Command::StartTls);
    client.receive(b"220 Go ahead\r\n250 injected\r\n");
    assert_eq!(client.next().unwrap().unwrap().code(), Code::READY);
    assert_eq!(client.tls_started(), Err(ClientError::Injection));
    assert_eq!(client.next(), Err(ClientError::Injection));

    let mut client = greeted();
    client.send(&Command::StartTls);
    client.receive(b"220 Go ahead\r\n");
    assert!(client.next().unwrap().is_some());
    assert_eq!(client.tls_started(), Ok(()));
    client.send(&Command::Rset);
    assert_eq!(client.tls_started(), Err(ClientError::Ours(OurFault::Owed)));
}

/// Should anything bare ever come this far, the message is not ended: nobody can take it.
#[test]
fn bare_octets_are_never_sent() {
    for bad in ["a\nb", "a\rb", "a\0b", "a\r"] {
        let mut client = greeted();
        client.content(bad.as_bytes());
        client.end_content();
        let sent = client.output().split();
        assert!(!sent.ends_with(b"\r\n.\r\n"), "{bad:?}");
        let fault = ClientError::Ours(OurFault::Content(BareOctet));
        assert_eq!(client.next(), Err(fault.clone()));
        assert!(fault.to_string().starts_with("proxy: "));
    }
}

/// Values are encoded, so that nothing a client says about itself becomes another attribute.
#[test]
fn attributes_are_encoded() {
    let mut client = greeted();
    let attributes = [("NAME", "[UNAVAILABLE]"), ("helo", "a b=c+d\r\né")];
    let attributes = attributes.map(|(name, value)| Attribute::new(name, value).unwrap());
    client.send(&Command::XClient(attributes.to_vec()));
    let sent = client.output().split();
    assert_eq!(
        sent,
        "XCLIENT NAME=[UNAVAILABLE] HELO=a+20b+3Dc+2Bd??+C3+A9\r\n"
    );
    assert_eq!(Attribute::new("NAME", ""), None);
    assert_eq!(Attribute::new("NA ME", "x"), None);
}

/// Two replies at once: the second is there before the dot, so it cannot be about the message.
#[test]
fn a_reply_before_its_command_is_an_error() {
    for (early, error) in [
        ("250 taken\r\n", ClientError::Unasked(Code::OK)),
        ("250 tak", ClientError::Early),
        ("250-taken\r\n", ClientError::Early),
    ] {
        let mut client = greeted();
        client.send(&Command::Data);
        client.receive(b"354 go on\r\n");
        client.receive(early.as_bytes());
        assert_eq!(client.next().unwrap().unwrap().code(), Code::START_CONTENT);
        client.content(b"text\r\n");
        client.end_content();
        assert!(!client.output().ends_with(b".\r\n"), "nobody can take it");
        assert_eq!(client.next(), Err(error));
    }
}

/// What the backend says on its way out goes into the log, in one line.
#[test]
fn a_farewell_of_many_lines_is_told_in_one() {
    let mut client = greeted();
    client.receive(b"421-going down\r\n421 12:00:00 INFO delivered\r\n");
    let error = client.next().unwrap_err();
    assert_eq!(
        error.to_string(),
        "backend: closes the connection: going down / 12:00:00 INFO delivered"
    );
}
