//! Message content: dots taken out and put in (RFC 5321 section 4.5.2).
//!
//! Only CRLF.CRLF ends it. A bare CR, a bare LF and NUL are faults in both directions: what one
//! server takes for text and the next one for a line end is how messages are smuggled.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr3, memrchr};

/// What [`Decoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Nothing more without more input.
    NeedInput,
    /// Octets of the message, never empty.
    Octets(Bytes),
    /// CRLF.CRLF; what follows belongs to the next command.
    End,
    /// A bare CR, bare LF or NUL.
    Fault,
}

/// Takes the dots out. All its memory is whether it stands at the start of a line; at most two
/// octets stay in the input until the next one tells what they mean.
#[derive(Clone, Debug)]
pub struct Decoder {
    place: Place,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Inside,
    /// Only the encoder: a CR was the last octet.
    AfterCr,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// At the first octet behind the 354.
    pub fn new() -> Self {
        Self {
            place: Place::LineStart,
        }
    }

    /// Takes all text from the front of `input` as one piece: without copying where no dot has to
    /// be taken out, else moved together in place. So a message of dots costs no more events than
    /// another.
    pub fn decode(&mut self, input: &mut BytesMut) -> Decoded {
        let (mut used, mut kept) = (0, 0);
        let stop = loop {
            match self.dot(&input[used..]) {
                Ok(dots) => used += dots,
                Err(stop) => break stop,
            }
            let Some(length) = self.run(&input[used..]) else {
                break Decoded::Fault;
            };
            if length == 0 {
                break Decoded::NeedInput;
            }
            if used > kept {
                input.copy_within(used..used + length, kept);
            }
            (used, kept) = (used + length, kept + length);
        };
        if kept > 0 {
            let mut piece = input.split_to(used);
            piece.truncate(kept);
            return Decoded::Octets(piece.freeze());
        }
        if stop == Decoded::End {
            input.advance(b".\r\n".len());
        }
        stop
    }

    /// What a dot at the start of a line means: how many octets to take out, or why to stop.
    fn dot(&mut self, input: &[u8]) -> Result<usize, Decoded> {
        if self.place != Place::LineStart {
            return Ok(0);
        }
        match input {
            [] | [b'.'] | [b'.', b'\r'] => Err(Decoded::NeedInput),
            [b'.', b'\r', b'\n', ..] => Err(Decoded::End),
            [b'.', b'\r', ..] => Err(Decoded::Fault),
            [b'.', ..] => {
                self.place = Place::Inside;
                Ok(1)
            }
            _ => Ok(0),
        }
    }

    /// Length of the octets in front that are text and whole line ends, up to the next line that
    /// starts with a dot; `None` if a fault comes first.
    fn run(&mut self, input: &[u8]) -> Option<usize> {
        let mut end = plain_lines(self.place, input);
        while end == 0 || input.get(end).is_some_and(|first| *first != b'.') {
            let Some(next) = memchr3(b'\r', b'\n', 0, &input[end..]) else {
                return Some(self.stop(Place::Inside, input.len()));
            };
            let place = end + next;
            match (input[place], input.get(place + 1)) {
                (b'\r', Some(b'\n')) => end = place + 2,
                (b'\r', None) => return Some(self.stop(Place::Inside, place)),
                _ if place > 0 => return Some(self.stop(Place::Inside, place)),
                _ => return None,
            }
        }
        Some(self.stop(Place::LineStart, end))
    }

    fn stop(&mut self, place: Place, length: usize) -> usize {
        if length > 0 {
            self.place = place;
        }
        length
    }
}

/// Length of the whole lines in front that need no second look: no bare CR, no bare LF, no NUL, no
/// dot at a line's start. Found by blocks without a branch in the loop, ten times as fast as line
/// by line; so it may fall short, never beyond.
fn plain_lines(place: Place, text: &[u8]) -> usize {
    const BLOCK: usize = 256;
    let before = match place {
        Place::LineStart => b'\n',
        Place::Inside => b' ',
        Place::AfterCr => b'\r',
    };
    if text.first().is_none_or(|first| is_odd(before, *first)) {
        return 0;
    }
    let mut end = 1;
    // Arrays: their length is known, which makes the loop half as fast again.
    while let (Some(before), Some(block)) = (
        text[end - 1..].first_chunk::<BLOCK>(),
        text[end..].first_chunk::<BLOCK>(),
    ) {
        let pairs = before.iter().zip(block);
        if pairs.fold(false, |any, (b, o)| any | is_odd(*b, *o)) {
            break;
        }
        end += BLOCK;
    }
    memrchr(b'\n', &text[..end]).map_or(0, |last| last + 1)
}

/// Does this octet, behind that one, need a second look?
fn is_odd(before: u8, octet: u8) -> bool {
    let bare = (octet == b'\n') != (before == b'\r');
    bare | (octet == 0) | ((octet == b'.') & (before == b'\n'))
}

/// The content holds a bare CR, bare LF or NUL, which must not be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bare CR, bare LF or NUL in the content to be sent")]
pub struct BareOctet;

/// Puts the dots in, whatever the chunking.
#[derive(Clone, Debug)]
pub struct Encoder {
    place: Place,
    dots: Dots,
}

/// What becomes of a dot at the start of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dots {
    /// it gets another one (DATA)
    Doubled,
    /// it stays as it is (BDAT)
    Kept,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// At the first octet of a message.
    pub fn new() -> Self {
        Self {
            place: Place::LineStart,
            dots: Dots::Doubled,
        }
    }

    /// At the first octet of a message that goes out as a chunk (RFC 3030): looked through as any other, nothing added.
    pub fn of_chunk() -> Self {
        Self {
            dots: Dots::Kept,
            ..Self::new()
        }
    }

    /// How many octets in front of a piece of the message are sent as they are: whole lines. They count as encoded; the
    /// rest is to be given to [`encode`](Self::encode).
    pub fn pass(&mut self, piece: &[u8]) -> usize {
        let plain = plain_lines(self.place, piece);
        if plain > 0 {
            self.place = Place::LineStart;
        }
        plain
    }

    /// Adds a piece of the message to `out`.
    ///
    /// # Errors
    /// [`BareOctet`]; what is in `out` must then not be ended with a dot.
    pub fn encode(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), BareOctet> {
        let (plain, mut rest) = piece.split_at(self.pass(piece));
        out.extend_from_slice(plain);
        if self.place == Place::AfterCr && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").ok_or(BareOctet)?;
            out.extend_from_slice(b"\n");
            self.place = Place::LineStart;
        }
        while !rest.is_empty() {
            rest = self.line(rest, out)?;
        }
        Ok(())
    }

    /// Adds what is in front up to a line end; gives the rest.
    fn line<'a>(&mut self, text: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], BareOctet> {
        let starts = self.place == Place::LineStart && text[0] == b'.';
        if starts && self.dots == Dots::Doubled {
            out.extend_from_slice(b".");
        }
        let stop = memchr3(b'\r', b'\n', 0, text).unwrap_or(text.len());
        let (length, place) = match text[stop..] {
            [] => (stop, Place::Inside),
            [b'\r'] => (stop + 1, Place::AfterCr),
            [b'\r', b'\n', ..] => (stop + 2, Place::LineStart),
            _ => return Err(BareOctet),
        };
        out.extend_from_slice(&text[..length]);
        self.place = place;
        Ok(&text[length..])
    }

    /// Ends a chunk, to which nothing is added.
    ///
    /// # Errors
    /// [`BareOctet`] if it ended with a bare CR.
    pub fn finish_chunk(self) -> Result<(), BareOctet> {
        match self.place {
            Place::LineStart | Place::Inside => Ok(()),
            Place::AfterCr => Err(BareOctet),
        }
    }

    /// Ends the message: a CRLF if the last line has none, then the dot.
    ///
    /// # Errors
    /// [`BareOctet`] if the message ended with a bare CR.
    pub fn finish(&mut self, out: &mut BytesMut) -> Result<(), BareOctet> {
        match self.place {
            Place::LineStart => {}
            Place::Inside => out.extend_from_slice(b"\r\n"),
            Place::AfterCr => return Err(BareOctet),
        }
        out.extend_from_slice(b".\r\n");
        self.place = Place::LineStart;
        Ok(())
    }
}
