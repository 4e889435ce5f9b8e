//! Words of a guest made safe for a log.

use lazaret_mail::is_unsafe;

/// The first `octets` of `text`, cut at a character.
pub fn clip(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `text` with every character escaped that could forge a log line, steer a terminal or turn its direction.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clip_never_cuts_a_character() {
        assert_eq!(clip("naïve", 3), "na");
        assert_eq!(clip("naïve", 4), "naï");
        assert_eq!(clip("short", 100), "short");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\r\nb\u{1b}[2J"), "a\\r\\nb\\u{1b}[2J");
        assert_eq!(printable("x\u{202e}y\u{85}"), "x\\u{202e}y\\u{85}");
        assert_eq!(printable("Grüße"), "Grüße");
    }
}
