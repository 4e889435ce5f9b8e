//! When is a message at its end? Written a second time, slowly and plainly, knowing nothing of
//! the decoder: look at the whole stream, octet by octet, as RFC 5321 sections 2.3.8, 4.1.1.4 and
//! 4.5.2 say it in prose.

/// What a stream behind 354 is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A whole message, dots taken out, and what follows.
    End { message: Vec<u8>, rest: Vec<u8> },
    /// A bare CR, bare LF or NUL before the end.
    Fault,
    /// Neither yet.
    Open,
}

pub fn judge(stream: &[u8]) -> Verdict {
    let mut message = Vec::new();
    let mut line = Vec::new();
    let mut place = 0;
    while place < stream.len() {
        match (stream[place], stream.get(place + 1)) {
            (b'\r', None) => return Verdict::Open,
            (b'\r', Some(b'\n')) => {
                place += 2;
                if line == b"." {
                    let rest = stream[place..].to_vec();
                    return Verdict::End { message, rest };
                }
                if line.first() == Some(&b'.') {
                    line.remove(0);
                }
                line.extend_from_slice(b"\r\n");
                message.append(&mut line);
            }
            (b'\r' | b'\n' | 0, _) => return Verdict::Fault,
            (other, _) => {
                line.push(other);
                place += 1;
            }
        }
    }
    Verdict::Open
}

/// What the client hears to each of these chunks, sent one behind the other with nothing between,
/// and the message, if one was taken: RFC 3030 section 2, with our rules for lines and size.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub fn chunks(chunks: &[(&[u8], bool)], limit: usize) -> (Vec<u16>, Option<Vec<u8>>) {
    let mut message = Vec::new();
    let mut codes = Vec::new();
    let mut over = false;
    let mut taken = None;
    for (octets, last) in chunks {
        message.extend_from_slice(octets);
        if over {
            codes.push(503);
            continue;
        }
        // A CR in front of a chunk that is still to come may be half a line end.
        let waiting = if *last {
            None
        } else {
            message.strip_suffix(b"\r")
        };
        let code = match message.len() > limit {
            true => 552,
            false if has_bare(waiting.unwrap_or(&message)) => 554,
            false => 250,
        };
        if *last && code == 250 && !message.is_empty() && !message.ends_with(b"\n") {
            message.extend_from_slice(b"\r\n");
        }
        let code = if message.len() > limit { 552 } else { code };
        codes.push(code);
        over = *last || code != 250;
        taken = (*last && code == 250).then(|| message.clone());
    }
    (codes, taken)
}

/// As `judge`, where a bare LF is a line end; `strict` if DATA itself ended with CRLF: then only
/// CRLF.CRLF ends the message, and any other lone dot is a line.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub fn judge_line_feeds(stream: &[u8], strict: bool) -> Verdict {
    let mut message = Vec::new();
    let mut proper = strict;
    let mut rest = stream;
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let (line, behind) = (&rest[..end], &rest[end + 1..]);
        let before = proper;
        proper = line.ends_with(b"\r");
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.contains(&b'\r') || text.contains(&0) {
            return Verdict::Fault;
        }
        let ends = !strict || (before && proper);
        match text {
            b"." if ends => {
                let rest = behind.to_vec();
                return Verdict::End { message, rest };
            }
            b"." => message.push(b'.'),
            text => message.extend_from_slice(text.strip_prefix(b".").unwrap_or(text)),
        }
        message.extend_from_slice(b"\r\n");
        rest = behind;
    }
    let text = rest.strip_suffix(b"\r").unwrap_or(rest);
    match text.contains(&b'\r') || text.contains(&0) {
        true => Verdict::Fault,
        false => Verdict::Open,
    }
}

fn has_bare(text: &[u8]) -> bool {
    (0..text.len()).any(|place| match text[place] {
        0 => true,
        b'\r' => text.get(place + 1) != Some(&b'\n'),
        b'\n' => place == 0 || text[place - 1] != b'\r',
        _ => false,
    })
}
