//! Message content: dots taken out and put in (RFC 5321 section 4.5.2).
//!
//! Only CRLF.CRLF ends it. A bare CR, a bare LF and NUL are faults in both directions: what one
//! server takes for text and the next one for a line end is how messages are smuggled.

use bytes::{Bytes, BytesMut};
use memchr::memchr3;

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

/// What stands at the start of a line.
enum Dot {
    Unknown,
    Stuffed,
    End,
    Fault,
    None,
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

    /// Takes as much from the front of `input` as forms one run of the message, without copying.
    pub fn decode(&mut self, input: &mut BytesMut) -> Decoded {
        if self.place == Place::LineStart {
            match dot(input) {
                Dot::Unknown => return Decoded::NeedInput,
                Dot::Fault => return Decoded::Fault,
                Dot::End => {
                    let _ = input.split_to(b".\r\n".len());
                    return Decoded::End;
                }
                Dot::Stuffed => {
                    let _ = input.split_to(1);
                    self.place = Place::Inside;
                }
                Dot::None => {}
            }
        }
        match self.run(input) {
            Some(0) => Decoded::NeedInput,
            Some(length) => Decoded::Octets(input.split_to(length).freeze()),
            None => Decoded::Fault,
        }
    }

    /// Length of the octets in front that are text and whole line ends, up to the next line that
    /// starts with a dot; `None` if a fault comes first.
    fn run(&mut self, input: &[u8]) -> Option<usize> {
        let mut end = 0;
        while let Some(next) = memchr3(b'\r', b'\n', 0, &input[end..]) {
            let place = end + next;
            match (input[place], input.get(place + 1)) {
                (b'\r', Some(b'\n')) => end = place + 2,
                (b'\r', None) => return Some(self.stop(Place::Inside, place)),
                _ if place > 0 => return Some(self.stop(Place::Inside, place)),
                _ => return None,
            }
            if input.get(end) == Some(&b'.') {
                return Some(self.stop(Place::LineStart, end));
            }
        }
        let place = if end == input.len() {
            Place::LineStart
        } else {
            Place::Inside
        };
        Some(self.stop(place, input.len()))
    }

    fn stop(&mut self, place: Place, length: usize) -> usize {
        if length > 0 {
            self.place = place;
        }
        length
    }
}

/// `.` at the start of a line: end of data before CRLF, else the first octet of a stuffed line.
fn dot(input: &[u8]) -> Dot {
    match input {
        [] | [b'.'] | [b'.', b'\r'] => Dot::Unknown,
        [b'.', b'\r', b'\n', ..] => Dot::End,
        [b'.', b'\r', ..] => Dot::Fault,
        [b'.', ..] => Dot::Stuffed,
        _ => Dot::None,
    }
}

/// The content holds a bare CR, bare LF or NUL, which must not be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bare CR, bare LF or NUL in the content to be sent")]
pub struct BareOctet;

/// Puts the dots in, whatever the chunking.
#[derive(Clone, Debug)]
pub struct Encoder {
    place: Place,
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
        }
    }

    /// Adds a piece of the message to `out`.
    ///
    /// # Errors
    /// [`BareOctet`]; what is in `out` must then not be ended with a dot.
    pub fn encode(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), BareOctet> {
        let mut rest = piece;
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
        if self.place == Place::LineStart && text[0] == b'.' {
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
