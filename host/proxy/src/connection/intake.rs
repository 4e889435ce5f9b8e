//! The content while it comes in: spooled, and its header section shown to filters as soon as it is complete. SMTP has
//! no reply between 354 and the dot, so what is refused here is only read on.

use std::io;

use bytes::{Bytes, BytesMut};
use lazaret_mail::{Decision, HeaderFault};

use crate::spool::{Spool, Spooled};

/// A message coming in.
#[derive(Debug)]
pub(super) struct Intake {
    state: State,
    header: Option<HeaderWatch>,
    octets: u64,
}

#[derive(Debug)]
enum State {
    Spooling(Spool),
    /// nothing more is kept
    Refused(Refusal),
}

/// Why the rest is not kept; told after the dot.
#[derive(Debug)]
pub(super) enum Refusal {
    /// a filter's verdict at the stage headers
    Judged(Decision),
    /// the header section
    Header(HeaderFault),
    /// the disk
    Storage(io::Error),
}

impl Intake {
    /// `watch` octets of header section are watched for the empty line; None: nobody asks for it.
    pub(super) fn new(spool: Spool, watch: Option<usize>) -> Self {
        Self {
            state: State::Spooling(spool),
            header: watch.map(HeaderWatch::new),
            octets: 0,
        }
    }

    /// Octets that came in so far.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes octets. Gives the header section, its empty line included, at the moment it is complete.
    pub(super) async fn push(&mut self, octets: &[u8]) -> Option<Bytes> {
        self.octets += octets.len() as u64;
        let State::Spooling(spool) = &mut self.state else {
            return None;
        };
        if let Err(error) = spool.push(octets).await {
            self.refuse(Refusal::Storage(error));
            return None;
        }
        match self.header.as_mut()?.push(octets) {
            Watched::More => None,
            Watched::Complete(section) => {
                self.header = None;
                Some(section)
            }
            Watched::TooLarge(limit) => {
                self.refuse(Refusal::Header(HeaderFault::TooLarge(limit)));
                None
            }
        }
    }

    /// The rest is read and forgotten, what is spooled is dropped.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.header = None;
        self.state = State::Refused(refusal);
    }

    /// A message that ended before its empty line: it is all header section. None if it was seen already.
    pub(super) fn unfinished_header(&mut self) -> Option<Bytes> {
        self.header.take().map(|watch| watch.section.freeze())
    }

    /// The message whole, or why it is not.
    pub(super) async fn finish(self) -> Result<Spooled, Refusal> {
        match self.state {
            State::Spooling(spool) => spool.finish().await.map_err(Refusal::Storage),
            State::Refused(refusal) => Err(refusal),
        }
    }
}

/// Collects octets up to the first empty line. Each octet is looked at once, however small the pieces.
#[derive(Debug)]
struct HeaderWatch {
    limit: usize,
    section: BytesMut,
    /// where the line under way starts
    line: usize,
}

enum Watched {
    More,
    Complete(Bytes),
    TooLarge(usize),
}

impl HeaderWatch {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            section: BytesMut::new(),
            line: 0,
        }
    }

    fn push(&mut self, octets: &[u8]) -> Watched {
        let mut rest = octets;
        while let Some(lf) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(lf + 1);
            self.section.extend_from_slice(line);
            rest = behind;
            if self.section[self.line..] == *b"\r\n" {
                return Watched::Complete(self.section.split().freeze());
            }
            self.line = self.section.len();
        }
        self.section.extend_from_slice(rest);
        match self.section.len() > self.limit {
            true => Watched::TooLarge(self.limit),
            false => Watched::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(limit: usize, pieces: &[&[u8]]) -> String {
        let mut watch = HeaderWatch::new(limit);
        for piece in pieces {
            match watch.push(piece) {
                Watched::More => {}
                Watched::Complete(section) => {
                    return String::from_utf8_lossy(&section).into_owned();
                }
                Watched::TooLarge(_) => return "too large".into(),
            }
        }
        "more".into()
    }

    #[test]
    fn the_section_ends_at_the_first_empty_line_however_it_is_cut() {
        let message = b"A: 1\r\n b\r\n\r\nbody\r\n\r\n";
        for size in 1..message.len() {
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            assert_eq!(watch(99, &pieces), "A: 1\r\n b\r\n\r\n", "pieces of {size}");
        }
        assert_eq!(watch(99, &[b"\r\nbody"]), "\r\n");
        assert_eq!(watch(99, &[b"A: 1\r\n"]), "more");
    }

    #[test]
    fn a_section_over_the_limit_is_noticed_without_an_empty_line() {
        assert_eq!(watch(5, &[b"A: 12", b"3"]), "too large");
        assert_eq!(watch(4, &[b"A: 12345\r\n\r\n"]), "A: 12345\r\n\r\n");
    }
}
