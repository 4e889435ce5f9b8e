//! xtext (RFC 3461 section 4): printable ASCII with everything else as `+XX`.

use std::fmt::{self, Write};

/// Octets that print as xtext.
#[derive(Clone, Copy, Debug)]
pub struct Xtext<'a>(pub &'a [u8]);

/// `xtext = *( xchar / hexchar )`, `hexchar = "+" 2(%x30-39 / %x41-46)`
impl fmt::Display for Xtext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet {
                b'+' | b'=' => write!(f, "+{octet:02X}")?,
                b'!'..=b'~' => f.write_char(char::from(octet))?,
                _ => write!(f, "+{octet:02X}")?,
            }
        }
        Ok(())
    }
}

/// What the xtext stands for; `None` if it is not xtext.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'=' => return None,
            b'!'..=b'~' => octet,
            _ => return None,
        });
    }
    Some(octets)
}

/// Upper case only, as the grammar says.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
