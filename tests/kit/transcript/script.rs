//! One line of a transcript.

use std::time::Duration;

use super::Line;
use crate::Step;
use crate::backend::say;

/// Reads `C: …`, `S: …`, `P: …` or `B: …`.
pub(super) fn line(line: &str) -> Result<Line, String> {
    let (who, text) = line.split_once(':').ok_or("neither C:, S:, P: nor B:")?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    match who {
        "C" => client(text),
        "S" => server(text),
        "P" => Ok(Line::Heard(text.to_owned())),
        "B" => backend(text).map(Line::Backend),
        _ => Err(format!("{who:?} is neither C, S, P nor B")),
    }
}

fn server(text: &str) -> Result<Line, String> {
    Ok(match directive(text).as_slice() {
        ["close"] => Line::ServerCloses,
        ["silence", span] => Line::ServerSilent(number(span)?),
        _ if text == "..." => Line::ServerAny,
        _ => Line::Server(text.to_owned()),
    })
}

fn client(text: &str) -> Result<Line, String> {
    match directive(text).as_slice() {
        ["close"] => Ok(Line::ClientCloses),
        ["tls"] => Ok(Line::Handshake),
        ["wait", span] => Ok(Line::ClientWaits(number(span)?)),
        ["octets", count, octet] => {
            let count = usize::try_from(number(count)?).map_err(|error| error.to_string())?;
            Ok(Line::Client(octet.repeat(count).into_bytes()))
        }
        _ => octets(text).map(Line::Client),
    }
}

fn backend(text: &str) -> Result<Step, String> {
    Ok(match directive(text).as_slice() {
        ["close"] => Step::Close,
        ["silence"] => Step::Silence,
        ["commit"] => Step::Commit,
        ["ordinary"] => Step::Ordinary,
        ["wait", span] => Step::Wait(Duration::from_millis(number(span)?)),
        ["octets", count, octet] => {
            let count = usize::try_from(number(count)?).map_err(|error| error.to_string())?;
            Step::Flood(octet.as_bytes()[0], count)
        }
        _ => match octets(text)? {
            raw if text.contains('\\') => Step::Say(raw),
            _ => say(text),
        },
    })
}

/// The words of `<word word …>`; none if it is not in angle brackets.
fn directive(text: &str) -> Vec<&str> {
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    inner.map_or_else(Vec::new, |inner| inner.split(' ').collect())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number"))
}

/// Undoes the escapes; CRLF at the end unless a backslash stands there.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else {
            return Ok(out);
        };
        rest = after;
        out.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
                rest = rest.get(2..).unwrap_or_default();
                let octet = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
                octet.ok_or("\\x wants two hex digits")?
            }
            other => return Err(format!("unknown escape \\{}", other as char)),
        });
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let sends = |text, octets: &[u8]| assert_eq!(line(text), Ok(Line::Client(octets.to_vec())));
        sends("C: QUIT", b"QUIT\r\n");
        sends("C: a\\r\\nb\\", b"a\r\nb");
        sends("C: \\x80", b"\x80\r\n");
        sends("C: <octets 3 x>", b"xxx");
        sends("C: ", b"\r\n");
        sends("C:", b"\r\n");
        assert_eq!(line("C: <close>"), Ok(Line::ClientCloses));
        assert_eq!(line("S: ..."), Ok(Line::ServerAny));
        assert_eq!(line("S: <silence 9>"), Ok(Line::ServerSilent(9)));
        assert_eq!(line("B: 250 ok"), Ok(Line::Backend(say("250 ok"))));
        assert_eq!(
            line("B: 25\\"),
            Ok(Line::Backend(Step::Say(b"25".to_vec())))
        );
        assert!(line("X: what").is_err());
        assert!(line("C: \\q").is_err());
    }
}
