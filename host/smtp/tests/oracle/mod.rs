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
