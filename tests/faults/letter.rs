//! A message that says what it is: its token gives its length, and both give every octet.

/// A message with its sender.
#[derive(Clone, Debug)]
pub struct Letter {
    /// unique; ends in `.OCTETS`
    pub token: String,
    /// a mailbox
    pub sender: String,
    /// header section and body, lines with CRLF, no dots at the start of a line
    pub octets: Vec<u8>,
}

const LINE: &[u8] =
    b"Sphinx of black quartz, judge my vow; how quickly daft jumping zebras vex.\r\n";

impl Letter {
    /// About `size` octets long. `token` must not be in use; it gets the length at its end if it has none.
    pub fn new(token: &str, sender: &str, size: usize) -> Self {
        let token = match octets_of(token) {
            Some(_) => token.to_owned(),
            None => format!("{token}.{size}"),
        };
        Self {
            octets: content(&token),
            token,
            sender: sender.to_owned(),
        }
    }
}

fn octets_of(token: &str) -> Option<usize> {
    token.rsplit_once('.')?.1.parse().ok()
}

fn content(token: &str) -> Vec<u8> {
    let size = octets_of(token).unwrap_or(0);
    let mut octets = format!("From: someone@example.com\r\nSubject: {token}\r\n\r\n").into_bytes();
    let last = format!("{token}\r\n");
    let lines = size.saturating_sub(octets.len() + last.len()) / LINE.len();
    octets.extend(LINE.repeat(lines));
    octets.extend(last.as_bytes());
    octets
}

/// The token of a message at the backend, if all of it is there, below what we put on top.
pub fn token_of(stored: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(stored).ok()?;
    let token = text.strip_suffix("\r\n")?.rsplit("\r\n").next()?;
    octets_of(token)?;
    stored.ends_with(&content(token)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_the_whole_message() {
        let letter = Letter::new("row-1", "a@example.com", 5000);
        assert_eq!(letter.token, "row-1.5000");
        assert!((4900..5100).contains(&letter.octets.len()));
        let stored = [b"Received: by us\r\n", &letter.octets[..]].concat();
        assert_eq!(token_of(&stored), Some("row-1.5000"));
        let mut changed = stored.clone();
        changed[60] = b'_';
        assert_eq!(token_of(&changed), None);
        assert_eq!(token_of(&stored[..stored.len() - 9]), None);
    }
}
