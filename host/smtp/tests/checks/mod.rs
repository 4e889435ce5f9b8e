//! What must hold for any octets. The fuzz targets run these, and so does `tests/corpus.rs` over
//! `fuzz/corpus`, so that what was found once stays found.

use bytes::BytesMut;
use lazaret_smtp::data::{Decoded, Decoder, Encoder};
use lazaret_smtp::{
    Client, ClientLimits, Code, Command, Event, Extensions, Keyword, Own, Reply, Server,
    ServerConfig,
};

use crate::oracle;

/// A check over octets; it panics where something does not hold.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub type Check = fn(&[u8]);

/// A check with the name of its fuzz target and corpus folder.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub const ALL: [(&str, Check); 5] = [
    ("command", command),
    ("reply", reply),
    ("data", data),
    ("client", client),
    ("server", server),
];

/// A line that parses prints as one line that parses to the same.
pub fn command(octets: &[u8]) {
    match Command::parse(octets) {
        Ok(command) => {
            let printed = command.to_string();
            assert!(!printed.bytes().any(|b| b.is_ascii_control()));
            assert_eq!(Command::parse(printed.as_bytes()), Ok(command));
        }
        Err(error) => assert!(error.reply().code().is_permanent()),
    }
}

/// A reply that parses prints as one that parses to the same; any text makes a well-formed reply.
pub fn reply(octets: &[u8]) {
    if let Ok(reply) = Reply::parse(octets) {
        let printed = reply.to_string();
        assert_eq!(Reply::parse(printed.as_bytes()), Ok(reply.clone()));
        let extensions = Extensions::parse(&reply);
        assert!(extensions.known().len() + extensions.unknown().len() < reply.lines().count());
    }
    let text = String::from_utf8_lossy(octets);
    let made = Reply::new(Code::FAILED, None, &text).to_string();
    assert_eq!(well_formed(made.as_bytes()), 1);
}

/// The decoder agrees with the oracle, whatever the chunking (the first octet chooses it), and
/// what it gives can be encoded and decoded again.
pub fn data(octets: &[u8]) {
    let Some((chunk, stream)) = octets.split_first() else {
        return;
    };
    let verdict = decode(stream, usize::from(*chunk).max(1));
    assert_eq!(verdict, oracle::judge(stream));
    if let oracle::Verdict::End { message, .. } = verdict {
        let mut stuffed = BytesMut::new();
        let mut encoder = Encoder::new();
        encoder
            .encode(&message, &mut stuffed)
            .expect("the decoder lets nothing bare through");
        encoder
            .finish(&mut stuffed)
            .expect("the decoder ends every line");
        let rest = Vec::new();
        assert_eq!(decode(&stuffed, 7), oracle::Verdict::End { message, rest });
    }
}

fn decode(stream: &[u8], chunk: usize) -> oracle::Verdict {
    let mut decoder = Decoder::new();
    let mut input = BytesMut::new();
    let mut message = Vec::new();
    let mut pieces = stream.chunks(chunk);
    loop {
        match decoder.decode(&mut input) {
            Decoded::Octets(octets) => message.extend_from_slice(&octets),
            Decoded::Fault => return oracle::Verdict::Fault,
            Decoded::End => {
                let rest = input.iter().chain(pieces.flatten()).copied().collect();
                return oracle::Verdict::End { message, rest };
            }
            Decoded::NeedInput => match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return oracle::Verdict::Open,
            },
        }
    }
}

/// Replies are never more than were owed, an error stays, and chunking does not matter.
pub fn client(octets: &[u8]) {
    let Some((asked, stream)) = octets.split_first() else {
        return;
    };
    let whole = listen(stream, usize::from(asked % 8), stream.len().max(1));
    assert_eq!(whole, listen(stream, usize::from(asked % 8), 1));
}

fn listen(stream: &[u8], asked: usize, chunk: usize) -> (Vec<Reply>, Option<String>) {
    let mut client = Client::new(ClientLimits::default());
    (0..asked).for_each(|_| client.send(&Command::Rset));
    let mut replies = Vec::new();
    for piece in stream.chunks(chunk) {
        client.receive(piece);
        loop {
            match client.next() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(client.next(), Err(error.clone()));
                    assert!(!client.is_in_step());
                    return (replies, Some(error.to_string()));
                }
            }
        }
    }
    assert_eq!(replies.len() + client.owed(), asked + 1);
    (replies, None)
}

/// Octets and answers in any order. Each octet of the input is an instruction: `0` and `1` feed
/// the length-prefixed octets behind it, the others call the machine, fitting or not.
pub fn server(octets: &[u8]) {
    let mut session = Watched::new();
    let mut rest = octets;
    while let Some((instruction, behind)) = rest.split_first() {
        rest = match instruction % 16 {
            0 | 1 => session.feed(behind),
            other => {
                session.call(other);
                behind
            }
        };
        session.watch();
    }
}

/// A server, and what was seen of it.
struct Watched {
    server: Server,
    closed: bool,
    content: Vec<u8>,
}

impl Watched {
    fn new() -> Self {
        let config = ServerConfig {
            max_message: 64,
            max_recipients: 3,
            max_command: 512,
            ..ServerConfig::default()
        };
        Self {
            server: Server::new(config),
            closed: false,
            content: Vec::new(),
        }
    }

    fn feed<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let Some((length, behind)) = input.split_first() else {
            return input;
        };
        let (piece, rest) = behind.split_at(behind.len().min(usize::from(*length)));
        self.server.receive(piece);
        rest
    }

    fn call(&mut self, instruction: u8) {
        let server = &mut self.server;
        match instruction {
            2 => server.greet(),
            3 => server.refuse_greeting(Reply::no_recipients()),
            4 => server.accept_hello(&offer()),
            5 => server.refuse_hello(Reply::sender_not_ascii()),
            6 | 7 => server.answer(Reply::ok()),
            8 => server.answer(Reply::too_many_recipients()),
            9 => server.answer(Reply::new(Code::START_CONTENT, None, "")),
            10 | 11 => server.go_ahead(),
            12 => server.start_tls(),
            13 => server.tls_established(),
            14 => server.refuse_greeting(Reply::unavailable()),
            _ => server.close(Reply::unavailable()),
        }
    }

    /// Takes all events up to the next question, and looks at what was said.
    fn watch(&mut self) {
        while !self.server.awaits_answer() {
            let event = self.server.next();
            assert!(
                !self.closed || matches!(event, Event::Close(_)),
                "{event:?} after Close"
            );
            match event {
                Event::NeedInput => break,
                Event::Close(_) => {
                    self.closed = true;
                    break;
                }
                Event::Content(octets) => self.content.extend_from_slice(&octets),
                Event::End(end) => self.end(end.octets, end.fault.is_some()),
                _ => {}
            }
        }
        well_formed(&self.server.output().split());
    }

    fn end(&mut self, octets: u64, too_big: bool) {
        let content = std::mem::take(&mut self.content);
        assert_eq!(too_big, octets > 64);
        assert_eq!(content.len() as u64, octets.min(64));
        if !too_big {
            let stuffed = [content.as_slice(), b".\r\n"].concat();
            assert_ne!(oracle::judge(&stuffed), oracle::Verdict::Fault);
            assert!(content.is_empty() || content.ends_with(b"\r\n"));
        }
    }
}

fn offer() -> Extensions {
    let backend = Extensions::from_iter([Keyword::EightBitMime, Keyword::SmtpUtf8, Keyword::Dsn]);
    let own = Own {
        max_message: 60,
        headroom: 0,
        start_tls: true,
    };
    Extensions::offer(&backend, &own)
        .with(Keyword::Size(None))
        .with(Keyword::XClient(vec!["ADDR".to_owned()]))
}

/// How many replies these are; each line whole, printable, at most 512 octets, with its code.
fn well_formed(output: &[u8]) -> usize {
    let mut replies = 0;
    for line in output.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("lines end with CRLF");
        assert!(line.len() <= 512 && text.iter().all(|b| matches!(b, b' '..=b'~')));
        assert!(text[..3].iter().all(u8::is_ascii_digit));
        replies += usize::from(text[3] == b' ');
        assert!(matches!(text[3], b' ' | b'-'));
    }
    replies
}
