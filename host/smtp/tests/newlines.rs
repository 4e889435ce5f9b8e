//! Clients whose bare LF is normalised: what they get, what they do not, and what ever comes out.

mod checks;
mod kit;
mod oracle;

use kit::{Play, check_envelope, config};
use lazaret_smtp::{CloseReason, LineFeeds, ServerConfig};
use proptest::prelude::*;

fn exempt() -> Play {
    Play {
        config: ServerConfig {
            line_feeds: LineFeeds::Normalised,
            ..config()
        },
        ..Play::default()
    }
}

/// A device that knows no CRLF at all.
#[test]
fn a_client_of_bare_line_feeds() {
    let played = exempt().check(
        r"S: 220 ...
          C| HELO printer\n
          S: 250 mx.example.org
          C| MAIL FROM:<a@example.net>\nRCPT TO:<b@example.org>\nDATA\n
          S: 250 2.1.0 ...
          S: 250 2.1.5 ...
          S: 354 ...
          C| Subject: toner\n\n..low\n.\nMAIL FROM:<a@example.net>\nQUIT\n
          S: 250 2.0.0 Ok
          S: 250 2.1.0 ...
          S: 221 2.0.0 Bye",
    );
    assert_eq!(played.message(), b"Subject: toner\r\n\r\n.low\r\n");
}

/// A client that knows CRLF and carries a text that does not: LF.LF must not end the message, or
/// whoever wrote the text could add a message of his own.
#[test]
fn a_client_that_knows_better_must_end_better() {
    for dot in [r"\n.\n", r"\n.\r\n", r"\r\n.\n"] {
        let played = exempt().check(&format!(
            "S: 220 ...
             C: HELO relay
             S: 250 mx.example.org
             C: MAIL FROM:<a@example.net>
             S: 250 ...
             C: RCPT TO:<b@example.org>
             S: 250 ...
             C: DATA
             S: 354 ...
             C| text{dot}MAIL FROM:<forged@example.net>\\n..\\nend
             C| \\r\\n.\\r\\n
             C: QUIT
             S: 250 2.0.0 Ok
             S: 221 2.0.0 Bye"
        ));
        let message = String::from_utf8_lossy(played.message()).into_owned();
        let forged = "text\r\n.\r\nMAIL FROM:<forged@example.net>\r\n.\r\nend\r\n";
        assert_eq!(message, forged, "{dot}");
        assert_eq!(played.senders.len(), 1);
    }
}

/// Bare CR and NUL are nobody's line end.
#[test]
fn bare_cr_and_nul_stay_faults() {
    for bad in [r"a\rb", r"a\r\r", r"\0"] {
        let played = exempt().check(&format!(
            "S: 220 ...\nC: HELO relay\nS: 250 ...\nC: MAIL FROM:<a@example.net>\nS: 250 ...\n\
             C: RCPT TO:<b@example.org>\nS: 250 ...\nC: DATA\nS: 354 ...\nC| {bad}\\n\n\
             S: 554 5.6.11 ..."
        ));
        assert_eq!(played.closed, Some(CloseReason::Smuggling), "{bad}");
    }
}

/// So many octets would no longer be so many.
#[test]
fn chunks_are_not_for_them() {
    let hello = kit::HELLO.replace("S: 250-CHUNKING", "");
    let played = exempt().check(&format!(
        "{hello}
         C: BDAT 5 LAST
         C: QUIT
         S: 502 5.5.1 ..."
    ));
    assert_eq!(played.closed, Some(CloseReason::Chunk));
}

/// For everybody else nothing has changed.
#[test]
fn others_are_refused() {
    let played = check_envelope("C: DATA\nS: 354 ...\nC| a\\n.\\n\nS: 554 5.6.11 ...");
    assert_eq!(played.closed, Some(CloseReason::Smuggling));
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => Just(&b"\r\n"[..]),
        6 => Just(&b"\n"[..]),
        5 => Just(&b"."[..]),
        4 => Just(&b"text"[..]),
        1 => Just(&b".\r\n"[..]),
        1 => Just(&b".\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\0"[..]),
    ];
    prop::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_machine_agrees_with_the_oracle(stream in stream(), first in any::<u8>()) {
        checks::newlines(&[&[first], stream.as_slice()].concat());
    }

    /// Whatever comes in, what comes out is lines that end with CRLF and holds nothing bare.
    #[test]
    fn nothing_bare_comes_out(stream in stream(), strict in any::<bool>()) {
        let received = checks::receive_normalised(&stream, strict, 3);
        if let oracle::Verdict::End { message, .. } = received {
            let stuffed = [message.as_slice(), b".\r\n"].concat();
            prop_assert_ne!(oracle::judge(&stuffed), oracle::Verdict::Fault);
            prop_assert!(message.is_empty() || message.ends_with(b"\r\n"));
        }
    }
}
