//! Finding the end of data, CRLF.CRLF, in octets that come in pieces (RFC 5321, 4.1.1.4).

use memchr::memmem;

const END: &[u8; 5] = b"\r\n.\r\n";

/// What was seen of a message: just enough of its last octets to know an end that lies across two pieces.
#[derive(Debug)]
pub(crate) struct End {
    seen: [u8; 4],
    length: usize,
}

impl End {
    /// Before the first octet of a message: the CRLF of the command DATA stands before it.
    pub(crate) fn new() -> Self {
        Self {
            seen: [b'\r', b'\n', 0, 0],
            length: 2,
        }
    }

    /// How many octets of `piece` belong to the message, its end included; `None` while the end has not come.
    pub(crate) fn find(&mut self, piece: &[u8]) -> Option<usize> {
        if let Some(end) = self.across(piece).or_else(|| within(piece)) {
            return Some(end);
        }
        self.remember(piece);
        None
    }

    /// An end that began before `piece`.
    fn across(&self, piece: &[u8]) -> Option<usize> {
        let mut joined = [0; 8];
        let taken = piece.len().min(4);
        joined[..self.length].copy_from_slice(&self.seen[..self.length]);
        joined[self.length..self.length + taken].copy_from_slice(&piece[..taken]);
        let start = memmem::find(&joined[..self.length + taken], END)?;
        Some(start + END.len() - self.length)
    }

    fn remember(&mut self, piece: &[u8]) {
        let mut last = self.seen[..self.length].to_vec();
        last.extend_from_slice(&piece[piece.len().saturating_sub(4)..]);
        let last = &last[last.len().saturating_sub(4)..];
        self.seen[..last.len()].copy_from_slice(last);
        self.length = last.len();
    }
}

fn within(piece: &[u8]) -> Option<usize> {
    memmem::find(piece, END).map(|start| start + END.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_in_pieces(octets: &[u8], size: usize) -> Option<usize> {
        let mut end = End::new();
        let mut before = 0;
        for piece in octets.chunks(size) {
            if let Some(here) = end.find(piece) {
                return Some(before + here);
            }
            before += piece.len();
        }
        None
    }

    #[test]
    fn in_pieces_of_any_size() {
        for (octets, at) in [
            (&b".\r\n"[..], Some(3)),
            (b"a\r\n.\r\nQUIT\r\n", Some(6)),
            (b"a\r\n..\r\n.\r\n", Some(10)),
            (b"\r\n.\r\n", Some(5)),
            (b"a\r\n.\n\r\n.\r", None),
            (b"a.\r\n", None),
            (b"a\n.\r\n", None),
            (b"\r\r\n.\r\r\n.\r\n", Some(10)),
        ] {
            for size in 1..=octets.len() {
                assert_eq!(end_in_pieces(octets, size), at, "{octets:?} by {size}");
            }
        }
    }
}
