//! What the sink says: a machine without sockets. Octets in, replies out, messages counted and forgotten.

use memchr::memchr;

use super::end::End;

/// A command line of more octets is refused, and the connection with it.
const LONGEST: usize = 64 * 1024;

/// What the sink announces beyond what every server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// PIPELINING, SIZE, 8BITMIME, CHUNKING, XCLIENT
    Everything,
    /// SIZE and 8BITMIME, as a server that wants one command at a time
    NoPipelining,
}

/// What one call of [`Session::take`] came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// messages whose end was seen
    pub(crate) messages: u64,
    /// octets of content, end of data not included
    pub(crate) octets: u64,
    /// the connection is to be closed once the replies are written
    pub(crate) close: bool,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    offer: Offer,
    state: State,
    recipients: usize,
    /// a command that has not come whole
    partial: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Commands,
    /// with the octets so far
    Data(End, u64),
    Chunk {
        left: u64,
        last: bool,
    },
}

pub(crate) const GREETING: &[u8] = b"220 sink.example.org ESMTP\r\n";
const OK: &[u8] = b"250 2.0.0 ok\r\n";

impl Session {
    pub(crate) fn new(offer: Offer) -> Self {
        Self {
            offer,
            state: State::Commands,
            recipients: 0,
            partial: Vec::new(),
        }
    }

    /// Takes what came; replies are appended to `replies`. `status` is what HELP answers.
    pub(crate) fn take(
        &mut self,
        mut input: &[u8],
        replies: &mut Vec<u8>,
        status: impl Fn() -> String,
    ) -> Taken {
        let mut taken = Taken::default();
        while !input.is_empty() && !taken.close {
            input = match &mut self.state {
                State::Commands => self.commands(input, replies, &mut taken, &status),
                State::Data(..) => self.data(input, replies, &mut taken),
                State::Chunk { .. } => self.chunk(input, replies, &mut taken),
            };
        }
        taken
    }

    fn commands<'a>(
        &mut self,
        input: &'a [u8],
        replies: &mut Vec<u8>,
        taken: &mut Taken,
        status: impl Fn() -> String,
    ) -> &'a [u8] {
        let Some(end) = memchr(b'\n', input) else {
            self.partial.extend_from_slice(input);
            if self.partial.len() > LONGEST {
                replies.extend_from_slice(b"500 5.5.2 line too long\r\n");
                taken.close = true;
            }
            return &[];
        };
        let (line, rest) = input.split_at(end + 1);
        if self.partial.is_empty() {
            self.command(line, replies, taken, status);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(line);
            self.command(&whole, replies, taken, status);
        }
        rest
    }

    fn command(
        &mut self,
        line: &[u8],
        replies: &mut Vec<u8>,
        taken: &mut Taken,
        status: impl Fn() -> String,
    ) {
        let line = line.trim_ascii_end();
        let length = line.iter().position(|octet| matches!(octet, b' ' | b':'));
        let (verb, argument) = line.split_at(length.unwrap_or(line.len()));
        let reply = match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" => self.hello(),
            b"HELO" | b"RSET" | b"MAIL" | b"XFORWARD" => self.begin(),
            b"RCPT" => self.recipient(),
            b"DATA" => self.start_data(),
            b"BDAT" => return self.start_chunk(argument, replies, taken),
            b"XCLIENT" => GREETING,
            b"NOOP" => OK,
            b"HELP" => {
                return replies.extend_from_slice(format!("214 {}\r\n", status()).as_bytes());
            }
            b"QUIT" => {
                taken.close = true;
                b"221 2.0.0 bye\r\n"
            }
            _ => b"502 5.5.1 not implemented\r\n",
        };
        replies.extend_from_slice(reply);
    }

    fn hello(&mut self) -> &'static [u8] {
        self.recipients = 0;
        match self.offer {
            Offer::Everything => {
                b"250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                250-ENHANCEDSTATUSCODES\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n250 CHUNKING\r\n"
            }
            Offer::NoPipelining => b"250-sink.example.org\r\n250-SIZE 0\r\n250 8BITMIME\r\n",
        }
    }

    fn begin(&mut self) -> &'static [u8] {
        self.recipients = 0;
        OK
    }

    fn recipient(&mut self) -> &'static [u8] {
        self.recipients += 1;
        OK
    }

    fn start_data(&mut self) -> &'static [u8] {
        if self.recipients == 0 {
            return b"503 5.5.1 no recipients\r\n";
        }
        self.state = State::Data(End::new(), 0);
        b"354 go ahead\r\n"
    }

    /// BDAT size [LAST] (RFC 3030).
    fn start_chunk(&mut self, argument: &[u8], replies: &mut Vec<u8>, taken: &mut Taken) {
        let text = String::from_utf8_lossy(argument).to_ascii_uppercase();
        let mut words = text.split_ascii_whitespace();
        let size = words.next().and_then(|size| size.parse::<u64>().ok());
        let (Some(left), true) = (size, self.recipients > 0) else {
            // What follows may be content: nothing can be understood any more.
            replies.extend_from_slice(b"503 5.5.1 bad chunk\r\n");
            taken.close = true;
            return;
        };
        let last = words.next() == Some("LAST");
        self.state = State::Chunk { left, last };
        if left == 0 {
            self.chunk(&[], replies, taken);
        }
    }

    fn data<'a>(&mut self, input: &'a [u8], replies: &mut Vec<u8>, taken: &mut Taken) -> &'a [u8] {
        let State::Data(end, octets) = &mut self.state else {
            return input;
        };
        let Some(consumed) = end.find(input) else {
            *octets += input.len() as u64;
            return &[];
        };
        // ".CRLF" is not content.
        taken.octets += *octets + consumed as u64 - 3;
        self.finish(replies, taken);
        &input[consumed..]
    }

    fn chunk<'a>(&mut self, input: &'a [u8], replies: &mut Vec<u8>, taken: &mut Taken) -> &'a [u8] {
        let State::Chunk { left, last } = &mut self.state else {
            return input;
        };
        let here = input
            .len()
            .min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= here as u64;
        taken.octets += here as u64;
        match (*left, *last) {
            (0, true) => self.finish(replies, taken),
            (0, false) => {
                self.state = State::Commands;
                replies.extend_from_slice(OK);
            }
            _ => {}
        }
        &input[here..]
    }

    fn finish(&mut self, replies: &mut Vec<u8>, taken: &mut Taken) {
        self.state = State::Commands;
        self.recipients = 0;
        taken.messages += 1;
        replies.extend_from_slice(OK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(session: &mut Session, input: &[u8]) -> (String, Taken) {
        let mut replies = Vec::new();
        let taken = session.take(input, &mut replies, || "status".to_owned());
        let codes = String::from_utf8(replies).unwrap();
        let codes: Vec<_> = codes.lines().map(|line| &line[..4]).collect();
        (codes.join("").trim_end().to_owned(), taken)
    }

    const GROUP: &[u8] = b"MAIL FROM:<a@example.com>\r\nrcpt to:<b@example.org>\r\nDATA\r\n";

    #[test]
    fn a_message_in_any_slices() {
        let input = [GROUP, b"Subject: x\r\n\r\n..\r\nend\r\n.\r\nQUIT\r\n"].concat();
        for size in 1..input.len() {
            let mut session = Session::new(Offer::Everything);
            let (mut said, mut messages, mut octets) = (String::new(), 0, 0);
            for slice in input.chunks(size) {
                let (codes, taken) = answers(&mut session, slice);
                said = format!("{said} {codes}").trim().to_owned();
                messages += taken.messages;
                octets += taken.octets;
            }
            assert_eq!(said.replace("  ", " "), "250 250 354 250 221", "{size}");
            assert_eq!(messages, 1, "{size}");
            assert_eq!(octets, 23, "{size}");
        }
    }

    #[test]
    fn messages_back_to_back() {
        let input = [
            GROUP,
            b"a\r\n.\r\n",
            GROUP,
            b".\r\n",
            b"MAIL FROM:<>\r\nDATA\r\n",
        ]
        .concat();
        let mut session = Session::new(Offer::Everything);
        let (codes, taken) = answers(&mut session, &input);
        assert_eq!(codes, "250 250 354 250 250 250 354 250 250 503");
        assert_eq!((taken.messages, taken.octets), (2, 3));
    }

    #[test]
    fn chunks() {
        let input = b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nBDAT 5\r\nabc\r\nBDAT 3 last\r\nx\r\nNOOP\r\nBDAT 0 LAST\r\n";
        let mut session = Session::new(Offer::Everything);
        let (codes, taken) = answers(&mut session, input);
        assert_eq!(codes, "250 250 250 250 250 503");
        assert_eq!((taken.messages, taken.octets, taken.close), (1, 8, true));
    }

    #[test]
    fn what_is_offered() {
        let (codes, _) = answers(&mut Session::new(Offer::Everything), b"EHLO me\r\n");
        assert!(codes.starts_with("250-250-") && codes.ends_with("250"));
        let mut replies = Vec::new();
        let mut session = Session::new(Offer::NoPipelining);
        session.take(b"ehlo me\r\nHELP\r\nSTARTTLS\r\n", &mut replies, || {
            "7".to_owned()
        });
        let replies = String::from_utf8(replies).unwrap();
        assert!(!replies.contains("PIPELINING"));
        assert!(replies.ends_with("214 7\r\n502 5.5.1 not implemented\r\n"));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut session = Session::new(Offer::Everything);
        let (codes, taken) = answers(&mut session, &vec![b'x'; LONGEST + 1]);
        assert_eq!((codes.as_str(), taken.close), ("500", true));
    }
}
