//! The hash of a body in a canonical form, RFC 6376 section 3.4, fed piece by piece.

use sha2::{Digest, Sha256};

use super::Canonical;

/// Octets that are gathered before they are hashed.
const PIECE: usize = 4096;

/// A hash under way.
pub struct BodyHash {
    form: Canonical,
    hash: Sha256,
    out: Vec<u8>,
    octets: u64,
    /// ends of lines that are not written yet: those at the very end count as one or none
    ends: u64,
    held: Held,
}

/// What came last and is not written yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Blank,
    Return,
}

/// A hash that is done.
pub struct Hashed {
    pub form: Canonical,
    pub hash: [u8; 32],
    /// of the canonical form
    pub octets: u64,
}

impl BodyHash {
    pub fn new(form: Canonical) -> Self {
        Self {
            form,
            hash: Sha256::new(),
            out: Vec::with_capacity(PIECE + 8),
            octets: 0,
            ends: 0,
            held: Held::Nothing,
        }
    }

    /// The next octets of the body.
    pub fn feed(&mut self, octets: &[u8]) {
        for octet in octets {
            match (self.held, octet) {
                // Blanks before it are gone.
                (Held::Return, b'\n') => {
                    self.held = Held::Nothing;
                    self.ends += 1;
                }
                (_, b'\r') => self.held = Held::Return,
                (_, b' ' | b'\t') if self.form == Canonical::Relaxed => self.held = Held::Blank,
                (held, octet) => {
                    self.line_ends();
                    if held == Held::Blank {
                        self.push(b' ');
                    }
                    self.held = Held::Nothing;
                    self.push(*octet);
                }
            }
        }
    }

    /// The last line gets an end if it has none; empty lines behind it do not count.
    pub fn end(mut self) -> Hashed {
        self.ends = match (self.form, self.octets) {
            (Canonical::Relaxed, 0) => 0,
            _ => 1,
        };
        self.line_ends();
        self.hash.update(&self.out);
        Hashed {
            form: self.form,
            hash: self.hash.finalize().into(),
            octets: self.octets,
        }
    }

    fn line_ends(&mut self) {
        for _ in 0..std::mem::take(&mut self.ends) {
            self.push(b'\r');
            self.push(b'\n');
        }
    }

    fn push(&mut self, octet: u8) {
        self.out.push(octet);
        self.octets += 1;
        if self.out.len() >= PIECE {
            self.hash.update(&self.out);
            self.out.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(form: Canonical, body: &[u8], piece: usize) -> ([u8; 32], u64) {
        let mut hash = BodyHash::new(form);
        body.chunks(piece).for_each(|octets| hash.feed(octets));
        let hashed = hash.end();
        (hashed.hash, hashed.octets)
    }

    /// Section 3.4.5 of RFC 6376, and the hashes of an empty body in 3.4.3 and 3.4.4.
    #[test]
    fn examples_of_the_standard() {
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        let cases: [(Canonical, &[u8], &[u8]); 6] = [
            (Canonical::Relaxed, body, b" C\r\nD E\r\n"),
            (Canonical::Simple, body, b" C \r\nD \t E\r\n"),
            (Canonical::Relaxed, b"", b""),
            (Canonical::Simple, b"", b"\r\n"),
            (Canonical::Simple, b"\r\n\r\n", b"\r\n"),
            (Canonical::Relaxed, b" \r\n\t\r\n", b""),
        ];
        for (form, body, expected) in cases {
            for piece in [1, 2, 3, 100] {
                let hash: [u8; 32] = Sha256::digest(expected).into();
                let got = canonical(form, body, piece);
                assert_eq!(got, (hash, expected.len() as u64), "{form:?} {body:?}");
            }
        }
    }

    #[test]
    fn a_line_without_an_end_gets_one() {
        let whole = canonical(Canonical::Simple, b"a\r\n", 9);
        assert_eq!(canonical(Canonical::Simple, b"a", 9), whole);
        assert_eq!(canonical(Canonical::Relaxed, b"a \t", 9), whole);
    }

    #[test]
    fn long_bodies_are_hashed_piece_by_piece() {
        let line = b"seventy octets are enough for one line of text, and it goes on ..\r\n";
        let body = line.repeat(1000);
        let hash: [u8; 32] = Sha256::digest(&body).into();
        assert_eq!(
            canonical(Canonical::Simple, &body, 777),
            (hash, body.len() as u64)
        );
    }
}
