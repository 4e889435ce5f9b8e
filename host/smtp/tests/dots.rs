//! End of data, and the dots: tables of what is one, what is not, and what is an attack.

mod kit;
mod oracle;

use bytes::BytesMut;
use kit::check_envelope;
use lazaret_smtp::CloseReason;
use lazaret_smtp::data::{Decoded, Decoder, Encoder};
use oracle::Verdict;
use proptest::prelude::*;

fn decode(stream: &[u8], chunk: usize) -> Verdict {
    let mut decoder = Decoder::new();
    let mut input = BytesMut::new();
    let mut message = Vec::new();
    let mut pieces = stream.chunks(chunk.max(1));
    loop {
        match decoder.decode(&mut input) {
            Decoded::Octets(octets) => message.extend_from_slice(&octets),
            Decoded::Fault => return Verdict::Fault,
            Decoded::End => {
                let rest: Vec<u8> = input
                    .iter()
                    .copied()
                    .chain(pieces.flatten().copied())
                    .collect();
                return Verdict::End { message, rest };
            }
            Decoded::NeedInput => match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return Verdict::Open,
            },
        }
    }
}

fn check_all(stream: &[u8], expected: &Verdict) {
    for chunk in [1, 2, 3, 5, 1000] {
        assert_eq!(
            &decode(stream, chunk),
            expected,
            "{} by {chunk}",
            stream.escape_ascii()
        );
    }
}

fn end(message: &[u8], rest: &[u8]) -> Verdict {
    Verdict::End {
        message: message.to_vec(),
        rest: rest.to_vec(),
    }
}

#[test]
fn messages() {
    let table: &[(&[u8], Verdict)] = &[
        // Nothing at all is a message.
        (b".\r\n", end(b"", b"")),
        (b"\r\n.\r\n", end(b"\r\n", b"")),
        // A dot in front of text is taken away; one inside stays.
        (b"..\r\n.\r\n", end(b".\r\n", b"")),
        (b".a\r\n.\r\n", end(b"a\r\n", b"")),
        (b"...\r\n.\r\n", end(b"..\r\n", b"")),
        (b"a.b\r\n.\r\n", end(b"a.b\r\n", b"")),
        (b"a\r\n..b\r\n..c\r\n.\r\n", end(b"a\r\n.b\r\n.c\r\n", b"")),
        // A line of dot and blank is text: nothing but CRLF may follow.
        (b". \r\n.\r\n", end(b" \r\n", b"")),
        (b"a \r\n\t\r\n.\r\n", end(b"a \r\n\t\r\n", b"")),
        // What follows belongs to the next command.
        (b"a\r\n.\r\nQUIT\r\n", end(b"a\r\n", b"QUIT\r\n")),
        (b".\r\n.\r\n", end(b"", b".\r\n")),
        // Not yet.
        (b"", Verdict::Open),
        (b"a\r\n.\r", Verdict::Open),
        (b"a\r\n.", Verdict::Open),
        (b"a.\r\n", Verdict::Open),
        (b"a\r", Verdict::Open),
    ];
    for (stream, expected) in table {
        check_all(stream, expected);
        assert_eq!(
            &oracle::judge(stream),
            expected,
            "the oracle on {}",
            stream.escape_ascii()
        );
    }
}

/// What some server takes for an end of data, and another for text.
const SMUGGLING: [&[u8]; 20] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\n",
    b"\n\n.\r\n",
    b"\r\n.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n\n.\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n.\r\0\n",
    b"\r\0\n.\r\0\n",
    b"\n\r.\r\n",
];

#[test]
fn look_alikes_are_faults() {
    for alike in SMUGGLING {
        let mut stream = b"text".to_vec();
        stream.extend_from_slice(alike);
        stream.extend_from_slice(b"more\r\n.\r\n");
        check_all(&stream, &Verdict::Fault);
        check_all(&stream[4..], &Verdict::Fault);
        assert_eq!(
            oracle::judge(&stream),
            Verdict::Fault,
            "{}",
            alike.escape_ascii()
        );
    }
}

#[test]
fn look_alikes_end_the_session() {
    for alike in SMUGGLING {
        let alike = alike.escape_ascii().to_string().replace("\\x00", "\\0");
        let played = check_envelope(&format!(
            "C: DATA
             S: 354 ...
             C| text{alike}MAIL FROM:<evil@example.net>\\r\\n.\\r\\nNOOP\\r\\n
             S: 554 5.6.11 ..."
        ));
        assert_eq!(played.closed, Some(CloseReason::Smuggling), "{alike}");
        assert!(played.messages.is_empty());
    }
}

/// RFC 5321 section 4.5.3.1.6 wants 1000 octets a line; we pass any length, in pieces.
#[test]
fn long_lines_are_unaltered() {
    for length in [998, 1 << 20] {
        let mut stream = vec![b'x'; length];
        stream.extend_from_slice(b"\r\n");
        let message = stream.clone();
        stream.extend_from_slice(b".\r\n");
        for chunk in [1000, 4096, usize::MAX] {
            assert_eq!(decode(&stream, chunk), end(&message, b""));
        }
    }
}

/// At most two octets wait for the next one, so no line costs memory.
#[test]
fn nothing_is_hoarded() {
    let mut decoder = Decoder::new();
    let mut input = BytesMut::new();
    for octet in b"line\r\n..line\r\n.".repeat(100) {
        input.extend_from_slice(&[octet]);
        while let Decoded::Octets(_) = decoder.decode(&mut input) {}
        assert!(input.len() <= 2);
    }
}

/// So that a message of nothing but dots costs no more than another.
#[test]
fn dots_do_not_multiply_the_pieces() {
    let mut input = BytesMut::from(&b"..\r\n".repeat(1000)[..]);
    match Decoder::new().decode(&mut input) {
        Decoded::Octets(octets) => assert_eq!(octets, b".\r\n".repeat(1000)),
        other => panic!("{other:?}"),
    }
    assert!(input.is_empty());
}

#[test]
fn a_run_of_text_is_not_copied() {
    let mut input = BytesMut::from(&b"one\r\ntwo\r\n.\r\n"[..]);
    let place = input.as_ptr();
    match Decoder::new().decode(&mut input) {
        Decoded::Octets(octets) => {
            assert_eq!(&octets[..], b"one\r\ntwo\r\n");
            assert_eq!(octets.as_ptr(), place);
        }
        other => panic!("{other:?}"),
    }
}

fn encode(message: &[u8], chunk: usize) -> Result<Vec<u8>, lazaret_smtp::data::BareOctet> {
    let mut encoder = Encoder::new();
    let mut out = BytesMut::new();
    for piece in message.chunks(chunk.max(1)) {
        encoder.encode(piece, &mut out)?;
    }
    encoder.finish(&mut out)?;
    Ok(out.to_vec())
}

/// The same, with what may be sent as it is not copied first.
fn pass(message: &[u8], chunk: usize) -> Result<Vec<u8>, lazaret_smtp::data::BareOctet> {
    pass_pieces(message.chunks(chunk.max(1)))
}

fn pass_pieces<'m>(
    pieces: impl IntoIterator<Item = &'m [u8]>,
) -> Result<Vec<u8>, lazaret_smtp::data::BareOctet> {
    let mut encoder = Encoder::new();
    let mut out = BytesMut::new();
    for piece in pieces {
        let (plain, rest) = piece.split_at(encoder.pass(piece));
        out.extend_from_slice(plain);
        encoder.encode(rest, &mut out)?;
    }
    encoder.finish(&mut out)?;
    Ok(out.to_vec())
}

/// Between CR and LF, LF and dot, before what must not pass: nothing depends on where a piece ends.
#[test]
fn a_long_text_passes_alike_wherever_it_is_cut() {
    let line: &[u8] = &[b'x'; 300];
    for odd in [&b"\r\n."[..], b"\r\n..", b"\0", b"\r", b"\n", b"\r\n"] {
        let text = [line, b"\r\n", line, odd, line, b"\r\n.", line, b"\r\n"].concat();
        let whole = encode(&text, text.len());
        for cut in 0..text.len() {
            let (front, back) = text.split_at(cut);
            assert_eq!(
                pass_pieces([front, back]),
                whole,
                "{cut}: {}",
                odd.escape_ascii()
            );
        }
    }
}

#[test]
fn dots_are_put_in() {
    let table: &[(&[u8], &[u8])] = &[
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n.b\r\n..c", b"a\r\n..b\r\n...c\r\n.\r\n"),
    ];
    for (message, stuffed) in table {
        for chunk in [1, 2, 100] {
            assert_eq!(encode(message, chunk).unwrap(), *stuffed);
            assert_eq!(pass(message, chunk).unwrap(), *stuffed);
        }
    }
}

#[test]
fn what_must_not_be_sent_is_not_sent() {
    for alike in SMUGGLING {
        for chunk in [1, 2, 100] {
            assert!(encode(alike, chunk).is_err(), "{}", alike.escape_ascii());
            assert!(pass(alike, chunk).is_err(), "{}", alike.escape_ascii());
        }
    }
    assert!(encode(b"a\r", 1).is_err());
}

/// Streams made of what matters, so that every combination comes up.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => Just(&b"\r\n"[..]),
        4 => Just(&b"."[..]),
        4 => Just(&b"text"[..]),
        2 => Just(&b".\r\n"[..]),
        1 => Just(&b"\r\n.\r\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\xff\x85"[..]),
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_decoder_agrees_with_the_oracle(stream in stream(), chunk in 1usize..8) {
        prop_assert_eq!(decode(&stream, chunk), oracle::judge(&stream));
    }

    /// Long streams, which are looked at by blocks, with one odd thing somewhere.
    #[test]
    fn long_streams(lines in prop::collection::vec(0usize..120, 10..40), odd in 0usize..2000,
                    what in prop::sample::select(&b"\r\n.\0x"[..]), chunk in 1usize..1500) {
        let mut stream: Vec<u8> = lines.iter().flat_map(|n| [vec![b'x'; *n], b"\r\n".to_vec()].concat()).collect();
        let place = odd % stream.len();
        stream[place] = what;
        let message = stream.clone();
        stream.extend_from_slice(b".\r\n");
        prop_assert_eq!(decode(&stream, chunk), oracle::judge(&stream));
        let encoded = encode(&message, chunk);
        prop_assert_eq!(&pass(&message, chunk), &encoded);
        prop_assert_eq!(encoded.is_err(), oracle::judge(&stream) == Verdict::Fault);
        if let Ok(stuffed) = encoded {
            prop_assert_eq!(decode(&stuffed, chunk), end(&message, b""));
        }
    }

    #[test]
    fn there_and_back(lines in prop::collection::vec("[^\r\n\0]{0,20}|\\.{0,3}", 0..10),
                      chunks in (1usize..9, 1usize..9)) {
        let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let stuffed = encode(message.as_bytes(), chunks.0).unwrap();
        prop_assert_eq!(decode(&stuffed, chunks.1), end(message.as_bytes(), b""));
    }
}
