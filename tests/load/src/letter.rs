//! The message that is sent, again and again.

/// The end of the data, after the message's last CRLF (RFC 5321, 4.1.1.4).
const END: &[u8] = b".\r\n";

const HEADER: &str = "From: Load <sender@example.com>\r\n\
    To: <r0@example.org>\r\n\
    Subject: a message of the load generator\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
    Message-ID: <load@load.example.com>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=us-ascii\r\n\
    \r\n";

/// One line of the body, CRLF included: nothing in it starts with a dot.
const LINE: &[u8] =
    b"abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789\r\n";

/// The smallest message: the header section and a body of one empty line.
pub(crate) const SMALLEST: usize = HEADER.len() + 2;

/// A message of `size` octets (at least [`SMALLEST`]) as it goes over the wire, end of data included.
pub(crate) fn letter(size: usize) -> Vec<u8> {
    let size = size.max(SMALLEST);
    let mut octets = Vec::with_capacity(size + END.len());
    octets.extend_from_slice(HEADER.as_bytes());
    while size - octets.len() >= LINE.len() + 2 {
        octets.extend_from_slice(LINE);
    }
    let last = size - octets.len() - 2;
    octets.extend(LINE.iter().cycle().take(last).map(|octet| match octet {
        b'\r' | b'\n' => b'x',
        octet => *octet,
    }));
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(END);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_size_that_was_asked_for() {
        for size in [SMALLEST, SMALLEST + 1, 1000, 1001, 4096, 65_536, 1 << 20] {
            let octets = letter(size);
            assert_eq!(octets.len(), size + END.len(), "{size}");
            assert!(octets.ends_with(b"\r\n.\r\n"), "{size}");
        }
    }

    #[test]
    fn is_never_smaller_than_its_header() {
        assert_eq!(letter(0).len(), SMALLEST + END.len());
    }

    #[test]
    fn needs_no_dot_stuffing_and_keeps_lines_short() {
        let octets = letter(10_000);
        let text = String::from_utf8(octets).unwrap();
        let lines: Vec<_> = text.split("\r\n").collect();
        let dots = lines.iter().filter(|line| line.starts_with('.')).count();
        assert_eq!(dots, 1);
        assert!(lines.iter().all(|line| line.len() < 200));
    }
}
