//! BDAT (RFC 3030): chunks in any chunking, and everything that can be wrong with one.

mod kit;

use kit::{Answer, Play, Played, check, check_envelope, check_hello, config};
use lazaret_smtp::{CloseReason, Code, Enhanced, Event, Extensions, Keyword, Reply, ServerConfig};
use proptest::prelude::*;

/// RFC 3030 section 4.1: one chunk, and nothing is said before its octets.
#[test]
fn one_chunk() {
    let played = check_envelope(
        "C: BDAT 11 LAST
         C| Hi.\\r\\nthere\\n
         S: 554 5.6.11 ...",
    );
    assert_eq!(played.messages.len(), 1);
    let played = check_envelope(
        "C: BDAT 12 LAST
         C| Hi.\\r\\nthere\\r\\n
         S: 250 2.0.0 Ok",
    );
    assert_eq!(played.message(), b"Hi.\r\nthere\r\n");
}

/// RFC 3030 section 4.2: each chunk is answered, the empty one too.
#[test]
fn chunks_and_an_empty_last_one() {
    let played = check_envelope(
        "C: BDAT 4
         C| one\\r
         S: 250 2.0.0 4 octets received
         C: BDAT 0
         S: 250 2.0.0 0 octets received
         C: NOOP between
         S: 250 2.0.0 Ok
         C: BDAT 6
         C| \\ntwo\\r\\n
         S: 250 2.0.0 6 octets received
         C: bdat 0 last
         S: 250 2.0.0 Ok",
    );
    assert_eq!(played.message(), b"one\r\ntwo\r\n");
}

/// No dots are taken out, and CRLF.CRLF ends nothing.
#[test]
fn dots_are_octets() {
    let played = check_envelope(
        "C: BDAT 16 LAST
         C| .\\r\\n..\\r\\n\\r\\n.\\r\\nQUIT
         S: 250 2.0.0 Ok",
    );
    assert_eq!(played.message(), b".\r\n..\r\n\r\n.\r\nQUIT\r\n");
}

/// The next commands may come behind the chunk, and the next transaction too (RFC 2920).
#[test]
fn chunks_in_a_group() {
    let played = check_hello(
        "C: MAIL FROM:<a@example.net>
         C: RCPT TO:<b@example.org>
         C: BDAT 5
         C: one
         C: BDAT 5 LAST
         C: two
         C: MAIL FROM:<c@example.net>
         C: RCPT TO:<b@example.org>
         C: BDAT 7 LAST
         C: three
         C: QUIT
         S: 250 2.1.0 ...
         S: 250 2.1.5 ...
         S: 250 2.0.0 5 octets received
         S: 250 2.0.0 Ok
         S: 250 2.1.0 ...
         S: 250 2.1.5 ...
         S: 250 2.0.0 Ok
         S: 221 2.0.0 Bye",
    );
    assert_eq!(played.messages, [&b"one\r\ntwo\r\n"[..], b"three\r\n"]);
}

/// What DATA would add to the last line is added, and an empty message stays empty.
#[test]
fn a_last_line_without_its_end() {
    assert_eq!(
        check_envelope("C: BDAT 3 LAST\nC| one\nS: 250 2.0.0 Ok").message(),
        b"one\r\n"
    );
    assert_eq!(
        check_envelope("C: BDAT 0 LAST\nS: 250 2.0.0 Ok").message(),
        b""
    );
    let played = check_envelope("C: BDAT 4 LAST\nC| one\\r\nS: 554 5.6.11 ...");
    assert_eq!(played.message(), b"one");
}

/// Bare octets are refused as behind DATA. Where the chunk ends is known, so the session goes on.
#[test]
fn bare_octets_in_chunks() {
    for bad in [
        r"a\nb", r"a\rb", r"a\0b", r"\nab", r"\rab", r"\0ab", r"\n\r.", r"\r\r\n",
    ] {
        check_envelope(&format!(
            "C: BDAT 3 LAST\nC| {bad}\nC: NOOP\nS: 554 5.6.11 ...\nS: 250 2.0.0 Ok"
        ));
        check_envelope(&format!(
            "C: BDAT 2
             C| xy
             C: BDAT 3
             C| {bad}
             C: BDAT 4
             C| RSET
             C: BDAT 0 LAST
             C: NOOP
             S: 250 2.0.0 2 octets received
             S: 554 5.6.11 ...
             S: 503 5.5.1 ...
             S: 503 5.5.1 ...
             S: 250 2.0.0 Ok"
        ));
    }
}

/// RFC 3030 section 2: after an error only RSET, or a new hello, goes on.
#[test]
fn a_refused_chunk_spoils_the_transaction() {
    let spoiled = "C: BDAT 1
         C| \\n
         S: 554 5.6.11 ...
         C: RCPT TO:<c@example.org>
         S: 503 5.5.1 ...
         C: DATA
         S: 503 5.5.1 ...
         C: MAIL FROM:<a@example.net>
         S: 503 5.5.1 ...
         C: STARTTLS
         S: 503 5.5.1 ...
         C: VRFY b
         S: 252 2.5.2 ...";
    let played = check_envelope(&format!(
        "{spoiled}
         C: RSET
         S: 250 2.0.0 Ok
         {}
         C: BDAT 3 LAST
         C| one
         S: 250 2.0.0 Ok",
        kit::ENVELOPE
    ));
    assert_eq!(played.messages, [&b""[..], b"one\r\n"]);
    assert_eq!(played.resets, 0, "the end of the first message was told");
    let ehlo = kit::HELLO.split_once("ESMTP").map_or("", |(_, ehlo)| ehlo);
    check_envelope(&format!("{spoiled}\n{ehlo}{}", kit::ENVELOPE));
}

/// RFC 3030 section 3: BDAT and DATA never in one transaction.
#[test]
fn data_behind_chunks() {
    let played = check_envelope(
        "C: BDAT 3
         C| one
         S: 250 2.0.0 3 octets received
         C: DATA
         S: 503 5.5.1 ...
         C: BDAT 0 LAST
         S: 503 5.5.1 ...
         C: RSET
         S: 250 2.0.0 Ok",
    );
    assert_eq!((played.messages.len(), played.resets), (0, 1));
}

#[test]
fn rset_and_ehlo_between_chunks() {
    let played = check_envelope(&format!(
        "C: BDAT 5
         C: one
         S: 250 2.0.0 5 octets received
         C: MAIL FROM:<a@example.net>
         S: 503 5.5.1 ...
         C: RCPT TO:<c@example.org>
         S: 503 5.5.1 ...
         C: RSET
         S: 250 2.0.0 Ok
         C: BDAT 5 LAST
         C: two
         S: 503 5.5.1 ...
         {}
         C: BDAT 7 LAST
         C: three
         S: 250 2.0.0 Ok",
        kit::ENVELOPE
    ));
    assert_eq!(played.resets, 1);
    assert_eq!(played.message(), b"three\r\n");
    let ehlo = kit::HELLO.split_once("ESMTP").map_or("", |(_, ehlo)| ehlo);
    let played = check_envelope(&format!(
        "C: BDAT 5\nC: one\nS: 250 2.0.0 5 octets received\n{ehlo}"
    ));
    assert_eq!(played.resets, 1);
}

/// Their octets are swallowed whatever they look like, and the reply comes behind them.
#[test]
fn chunks_where_none_may_come() {
    let octets = "C: NOOP\nC: RSET\nC| \\0.\\r\\n\nC: QUIT";
    let at = |code: &str| format!("C: BDAT 22 LAST\n{octets}\nC: NOOP\nS: {code}\nS: 250 2.0.0 Ok");
    check(&format!("S: 220 ...\n{}", at("502 5.5.1 ...").as_str()));
    check(&format!(
        "S: 220 ...\nC: HELO client.example.net\nS: 250 mx.example.org\n{}",
        at("502 5.5.1 ...")
    ));
    check_hello(&at("503 5.5.1 Bad sequence of commands"));
    check_hello(&format!(
        "C: MAIL FROM:<a@example.net>\nS: 250 ...\n{}",
        at("503 5.5.1 No valid recipients")
    ));
    check_envelope(&format!(
        "C: BDAT 0 LAST\nS: 250 2.0.0 Ok\n{}",
        at("503 5.5.1 Bad sequence of commands")
    ));
    let play = Play {
        config: ServerConfig {
            require_tls: true,
            ..config()
        },
        ..Play::default()
    };
    play.check_hello(&at("530 5.7.0 ..."));
    let play = Play {
        offer: Extensions::new(),
        ..Play::default()
    };
    play.check(&format!(
        "S: 220 ...\nC: EHLO client.example.net\nS: 250 mx.example.org\n{}",
        at("502 5.5.1 ...")
    ));
}

/// Nobody knows where such a chunk ends, so nothing behind it is read.
#[test]
fn announcements_that_cannot_be_read() {
    for bad in [
        "BDAT -1",
        "BDAT 99999999999999999999",
        "BDAT ten",
        "BDAT",
        "BDAT 5 FIRST",
        "BDAT 5 LAST LAST",
        "BDAT 0x5",
        "BDAT +5",
        "bdat 5.0",
        "BDAT 5\\x09LAST",
        "BDAT\\x095",
        "BDAT 5\\nQUIT",
        "BDAT 5\\rQUIT",
        "BDAT 5 \\0",
        "BDAT \\xff",
        &format!("BDAT {}5", " ".repeat(5000)),
    ] {
        let played = check_envelope(&format!("C: {bad}\nC: NOOP\nC: NOOP\nS: 501 5.5.4 ..."));
        assert_eq!(played.closed, Some(CloseReason::Chunk), "{bad}");
    }
    check_hello("C: BDATS 5\nS: 500 5.5.1 ...");
}

/// RFC 1870: the limit holds for all chunks together, and a chunk over it is read to its end.
#[test]
fn the_size_limit() {
    let over = "x".repeat(996);
    let played = check_envelope(&format!(
        "C: BDAT 5\nC: abc\nS: 250 2.0.0 5 octets received\n\
         C: BDAT 996\nC| {over}\nC: NOOP\nS: 552 5.3.4 ...\nS: 250 2.0.0 Ok\n\
         C: BDAT 0 LAST\nS: 503 5.5.1 ..."
    ));
    assert_eq!(played.message(), b"abc\r\n");
    let exact = "x".repeat(993);
    let played = check_envelope(&format!(
        "C: BDAT 5\nC: abc\nS: 250 ...\nC: BDAT 995 LAST\nC: {exact}\nS: 250 2.0.0 Ok"
    ));
    assert_eq!(played.message().len(), 1000);
    let unended = "x".repeat(999);
    check_envelope(&format!(
        "C: BDAT 999 LAST\nC| {unended}\nC: NOOP\nS: 552 ...\nS: 250 ..."
    ));
    let played = check_envelope("C: BDAT 4001 LAST\nC: NOOP\nS: 552 5.3.4 ...");
    assert_eq!(played.closed, Some(CloseReason::Chunk));
}

/// RFC 3030 section 3: BINARYMIME is not offered, so it is refused at MAIL.
#[test]
fn binarymime() {
    check_hello("C: MAIL FROM:<a@example.net> BODY=BINARYMIME\nS: 555 5.5.4 ...");
}

fn refusing(event: &Event) -> Option<Answer> {
    let reply = || Reply::new(Code::LOCAL_ERROR, Enhanced::new(4, 3, 0), "Not now");
    matches!(event, Event::Data).then(|| Answer::Reply(reply()))
}

/// The caller wants no content: the next chunk must not pass for the first one.
#[test]
fn a_first_chunk_that_is_refused() {
    let play = Play {
        judge: refusing,
        ..Play::default()
    };
    let played = play.check_envelope(
        "C: BDAT 5
         C: one
         C: BDAT 5 LAST
         C: two
         S: 451 4.3.0 Not now
         S: 503 5.5.1 ...
         C: RSET
         S: 250 2.0.0 Ok",
    );
    assert_eq!((played.messages.len(), played.resets), (0, 1));
    let played = play.check_envelope(
        "C: BDAT 5 LAST
         C: one
         C: MAIL FROM:<a@example.net>
         S: 451 4.3.0 Not now
         S: 250 2.1.0 ...",
    );
    assert_eq!(played.resets, 1);
}

/// A client that leaves in the middle of a chunk leaves no message.
#[test]
fn a_chunk_that_is_cut() {
    let played = check_envelope("C: BDAT 100 LAST\nC: one");
    assert_eq!(played.messages.len(), 0);
}

fn offered() -> Play {
    Play {
        config: ServerConfig {
            max_message: 1 << 20,
            max_errors: u32::MAX,
            ..config()
        },
        offer: Extensions::from_iter([Keyword::Chunking]),
        ..Play::default()
    }
}

fn play(stream: &[u8], piece: usize) -> (Played, Vec<u8>) {
    let play = offered();
    let mut server = lazaret_smtp::Server::new(play.config.clone());
    let mut played = Played::default();
    server.greet();
    for octets in stream.chunks(piece) {
        server.receive(octets);
        play.drive(&mut server, &mut played);
    }
    let heard = server.output().to_vec();
    (played, heard)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// However the lines are cut into chunks and the chunks into pieces, the lines arrive.
    #[test]
    fn any_chunking_gives_the_same(lines in prop::collection::vec("[^\r\n\0]{0,60}|\\.", 0..30),
                                   cuts in prop::collection::vec(0usize..90, 1..6),
                                   piece in 1usize..200) {
        let message = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        let mut stream = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n".to_vec();
        let mut rest = message.as_bytes();
        for cut in cuts {
            let (chunk, behind) = rest.split_at(cut.min(rest.len()));
            stream.extend_from_slice(format!("BDAT {cut}\r\n", cut = chunk.len()).as_bytes());
            stream.extend_from_slice(chunk);
            rest = behind;
        }
        stream.extend_from_slice(format!("BDAT {} LAST\r\n", rest.len()).as_bytes());
        stream.extend_from_slice(rest);
        stream.extend_from_slice(b"QUIT\r\n");
        let (played, heard) = play(&stream, piece);
        prop_assert_eq!(played.message(), message.as_bytes());
        prop_assert_eq!(played.closed, Some(CloseReason::Quit));
        prop_assert_eq!(play(&stream, usize::MAX), (played, heard));
    }

    /// One odd octet anywhere in a long message: refused, nothing bare came out, still in step.
    #[test]
    fn nothing_bare_comes_out(lines in prop::collection::vec(0usize..120, 5..40), odd in 0usize..2000,
                              what in prop::sample::select(&b"\r\n\0"[..]), cut in 1usize..400, piece in 1usize..1500) {
        let mut message: Vec<u8> = lines.iter().flat_map(|n| [vec![b'x'; *n], b"\r\n".to_vec()].concat()).collect();
        let place = odd % message.len();
        let changed = message[place] != what;
        message[place] = what;
        let mut stream = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n".to_vec();
        for chunk in message.chunks(cut) {
            stream.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            stream.extend_from_slice(chunk);
        }
        stream.extend_from_slice(b"BDAT 0 LAST\r\nQUIT\r\n");
        let (played, heard) = play(&stream, piece);
        let heard = String::from_utf8_lossy(&heard).into_owned();
        prop_assert_eq!(heard.contains("554 5.6.11"), changed);
        prop_assert!(heard.ends_with("221 2.0.0 Bye\r\n"));
        let passed = played.message();
        prop_assert!(!passed.contains(&0) && !passed.ends_with(b"\r"));
        for place in 0..passed.len() {
            let lf = passed.get(place + 1) == Some(&b'\n');
            prop_assert!((passed[place] == b'\r') == lf && passed[0] != b'\n');
        }
    }
}
