//! The content while it comes in: spooled, and its header section shown to filters as soon as it is complete. SMTP has
//! no reply between 354 and the dot, so what is refused here is only read on.

use std::io;

use bytes::Bytes;
use lazaret_mail::{Decision, HeaderFault};

use crate::spool::{Spool, Spooled};

/// A message coming in.
#[derive(Debug)]
pub(super) struct Intake {
    state: State,
    header: Option<HeaderWatch>,
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
        }
    }

    /// Takes octets. Gives the header section, its empty line included, at the moment it is complete.
    pub(super) async fn push(&mut self, octets: &[u8]) -> Option<Bytes> {
        let State::Spooling(spool) = &mut self.state else {
            return None;
        };
        if let Err(error) = spool.push(octets).await {
            self.refuse(Refusal::Storage(error));
            return None;
        }
        match self.header.as_mut()?.push(octets) {
            Watched::More => None,
            Watched::Complete(octets) => self.show(octets).await,
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
    pub(super) async fn unfinished_header(&mut self) -> Option<Bytes> {
        let octets = self.header.as_ref()?.seen;
        self.show(octets).await
    }

    /// The first octets of the message.
    async fn show(&mut self, octets: usize) -> Option<Bytes> {
        self.header = None;
        let State::Spooling(spool) = &mut self.state else {
            return None;
        };
        match spool.head(octets).await {
            Ok(section) => Some(section),
            Err(error) => {
                self.refuse(Refusal::Storage(error));
                None
            }
        }
    }

    /// The message whole, or why it is not.
    pub(super) async fn finish(self) -> Result<Spooled, Refusal> {
        match self.state {
            State::Spooling(spool) => spool.finish().await.map_err(Refusal::Storage),
            State::Refused(refusal) => Err(refusal),
        }
    }
}

/// Finds the first empty line, and keeps nothing: the octets are in the spool. Each is looked at once, however small
/// the pieces.
#[derive(Debug)]
struct HeaderWatch {
    limit: usize,
    /// octets so far
    seen: usize,
    line: Line,
}

/// What the line under way has so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Cr,
    Text,
}

#[derive(Debug, PartialEq, Eq)]
enum Watched {
    More,
    /// octets of the section, its empty line included
    Complete(usize),
    TooLarge(usize),
}

impl HeaderWatch {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            seen: 0,
            line: Line::Nothing,
        }
    }

    fn push(&mut self, octets: &[u8]) -> Watched {
        let mut rest = octets;
        while let Some(lf) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(lf + 1);
            self.seen += line.len();
            if matches!(
                (self.line, line),
                (Line::Nothing, b"\r\n") | (Line::Cr, b"\n")
            ) {
                return Watched::Complete(self.seen);
            }
            self.line = Line::Nothing;
            rest = behind;
        }
        self.seen += rest.len();
        self.line = match (self.line, rest) {
            (line, []) => line,
            (Line::Nothing, b"\r") => Line::Cr,
            _ => Line::Text,
        };
        match self.seen > self.limit {
            true => Watched::TooLarge(self.limit),
            false => Watched::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(limit: usize, pieces: &[&[u8]]) -> Watched {
        let mut watch = HeaderWatch::new(limit);
        let mut watched = pieces.iter().map(|piece| watch.push(piece));
        watched
            .find(|watched| *watched != Watched::More)
            .unwrap_or(Watched::More)
    }

    #[test]
    fn the_section_ends_at_the_first_empty_line_however_it_is_cut() {
        let message = b"A: 1\r\n b\r\n\r\nbody\r\n\r\n";
        for size in 1..message.len() {
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            assert_eq!(
                watch(99, &pieces),
                Watched::Complete(12),
                "pieces of {size}"
            );
        }
        assert_eq!(watch(99, &[b"\r\nbody"]), Watched::Complete(2));
        assert_eq!(watch(99, &[b"A: 1\r\n"]), Watched::More);
    }

    #[test]
    fn a_section_over_the_limit_is_noticed_without_an_empty_line() {
        assert_eq!(watch(5, &[b"A: 12", b"3"]), Watched::TooLarge(5));
    }
}
