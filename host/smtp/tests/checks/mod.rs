//! What must hold for any octets. The fuzz targets run these, and so does `tests/corpus.rs` over
//! `fuzz/corpus`, so that what was found once stays found.

use bytes::BytesMut;
use lazaret_smtp::data::{Decoded, Decoder, Encoder};
use lazaret_smtp::{
    Client, ClientLimits, Code, Command, End, Event, Extensions, Fault, Keyword, LineFeeds, Own,
    ProxyHeader, Reply, Server, ServerConfig,
};

use crate::oracle;

/// A check over octets; it panics where something does not hold.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub type Check = fn(&[u8]);

/// A check with the name of its fuzz target and corpus folder.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub const ALL: [(&str, Check); 8] = [
    ("command", command),
    ("reply", reply),
    ("data", data),
    ("chunks", chunks),
    ("client", client),
    ("newlines", newlines),
    ("server", server),
    ("proxy", proxy),
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
    let chunk = usize::from(*chunk).max(1);
    // As a message on its way out: however it is cut, and whether what needs no dots is copied or not.
    assert_eq!(passed(stream, chunk), encoded(stream));
    // By BDAT as it is, or not at all, and that for the same octets as behind DATA.
    let whole = encoded(stream).map(|_| stream.to_vec());
    assert_eq!(chunked(stream, chunk), whole);
    let verdict = decode(stream, chunk);
    assert_eq!(verdict, oracle::judge(stream));
    if let oracle::Verdict::End { message, .. } = verdict {
        let stuffed = encoded(&message).expect("the decoder lets nothing bare through");
        let rest = Vec::new();
        assert_eq!(decode(&stuffed, 7), oracle::Verdict::End { message, rest });
    }
}

fn encoded(message: &[u8]) -> Option<Vec<u8>> {
    let (mut encoder, mut out) = (Encoder::new(), BytesMut::new());
    encoder.encode(message, &mut out).ok()?;
    encoder.finish(&mut out).ok()?;
    Some(out.to_vec())
}

fn chunked(message: &[u8], chunk: usize) -> Option<Vec<u8>> {
    let (mut encoder, mut out) = (Encoder::of_chunk(), BytesMut::new());
    for piece in message.chunks(chunk) {
        encoder.encode(piece, &mut out).ok()?;
    }
    encoder.finish_chunk().ok()?;
    Some(out.to_vec())
}

fn passed(message: &[u8], chunk: usize) -> Option<Vec<u8>> {
    let (mut encoder, mut out) = (Encoder::new(), BytesMut::new());
    for piece in message.chunks(chunk) {
        let (plain, rest) = piece.split_at(encoder.pass(piece));
        out.extend_from_slice(plain);
        encoder.encode(rest, &mut out).ok()?;
    }
    encoder.finish(&mut out).ok()?;
    Some(out.to_vec())
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

/// A message in chunks: the machine and the oracle agree on every reply and on the message,
/// whatever the pieces (the first octet says how large), and what comes behind is in step.
pub fn chunks(octets: &[u8]) {
    const LIMIT: usize = 96;
    let Some((piece, input)) = octets.split_first() else {
        return;
    };
    let chunks = cut(input);
    let mut stream = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n".to_vec();
    for (octets, last) in &chunks {
        let end = if *last { " LAST" } else { "" };
        stream.extend_from_slice(format!("BDAT {}{end}\r\n", octets.len()).as_bytes());
        stream.extend_from_slice(octets);
    }
    stream.extend_from_slice(b"VRFY c\r\n");
    let (heard, messages) = converse(&stream, usize::from(*piece).max(1), LIMIT);
    let (codes, message) = oracle::chunks(&chunks, LIMIT);
    let expected = [&[220, 250, 250, 250], codes.as_slice(), &[252]].concat();
    assert_eq!(heard, expected);
    assert_eq!(messages, Vec::from_iter(message));
}

/// Each chunk: an octet with its length, and LAST in the highest bit, then its octets.
fn cut(input: &[u8]) -> Vec<(&[u8], bool)> {
    let mut chunks = Vec::new();
    let mut rest = input;
    while let Some((head, behind)) = rest.split_first() {
        let (octets, after) = behind.split_at(behind.len().min(usize::from(head & 0x7f)));
        chunks.push((octets, head & 0x80 != 0));
        rest = after;
    }
    chunks
}

/// Content whose bare LF is normalised: machine and oracle agree on where it ends and on every
/// octet, whatever the pieces. The first octet is the size of a piece; its highest bit says that
/// the client ends DATA with LF, too.
pub fn newlines(octets: &[u8]) {
    let Some((first, stream)) = octets.split_first() else {
        return;
    };
    let strict = first & 0x80 == 0;
    let verdict = receive_normalised(stream, strict, usize::from(first & 0x7f).max(1));
    assert_eq!(verdict, oracle::judge_line_feeds(stream, strict));
}

pub fn receive_normalised(stream: &[u8], strict: bool, piece: usize) -> oracle::Verdict {
    let mut server = Server::new(ServerConfig {
        line_feeds: LineFeeds::Normalised,
        ..ServerConfig::default()
    });
    server.greet();
    let end = if strict { "\r\n" } else { "\n" };
    let envelope = format!("EHLO x\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\nDATA{end}");
    let input = [envelope.as_bytes(), stream].concat();
    let mut message = Vec::new();
    let mut sent = 0;
    for octets in input.chunks(piece) {
        server.receive(octets);
        sent += octets.len();
        loop {
            match server.next() {
                Event::NeedInput => break,
                Event::Hello(_) => server.accept_hello(&Extensions::new()),
                Event::Data => server.go_ahead(),
                Event::Content(octets) => message.extend_from_slice(&octets),
                Event::End(_) => {
                    let left = [server.buffer().as_ref(), &input[sent..]].concat();
                    return oracle::Verdict::End {
                        message,
                        rest: left,
                    };
                }
                Event::Close(_) => return oracle::Verdict::Fault,
                _ => server.answer(Reply::ok()),
            }
        }
    }
    oracle::Verdict::Open
}

/// The codes a client hears whom everybody says yes to, and its messages.
fn converse(stream: &[u8], piece: usize, limit: usize) -> (Vec<u16>, Vec<Vec<u8>>) {
    let mut server = Server::new(ServerConfig {
        max_message: limit as u64,
        max_errors: u32::MAX,
        ..ServerConfig::default()
    });
    server.greet();
    let mut messages = Vec::new();
    let mut content = Vec::new();
    for octets in stream.chunks(piece) {
        server.receive(octets);
        loop {
            match server.next() {
                Event::NeedInput => break,
                Event::Hello(_) => {
                    server.accept_hello(&Extensions::from_iter([Keyword::Chunking]));
                }
                Event::Data => server.go_ahead(),
                Event::Content(octets) => content.extend_from_slice(&octets),
                Event::End(end) => {
                    let message = std::mem::take(&mut content);
                    if end.fault.is_none() {
                        assert_eq!(end.octets, message.len() as u64);
                        messages.push(message);
                    }
                    server.answer(Reply::ok());
                }
                Event::Mail(_) | Event::Rcpt(_) => server.answer(Reply::ok()),
                Event::Flush => {}
                other => panic!("{other:?}"),
            }
        }
    }
    (codes(&server.output().split()), messages)
}

fn codes(output: &[u8]) -> Vec<u16> {
    well_formed(output);
    let lines = output
        .split(|b| *b == b'\n')
        .filter(|l| l.get(3) == Some(&b' '));
    let number = |line: &[u8]| std::str::from_utf8(&line[..3]).map(str::parse);
    lines
        .map(|line| number(line).expect("digits").expect("three of them"))
        .collect()
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

/// A PROXY header is found at one length only: less is not enough, more changes nothing, and a
/// fault stays one.
pub fn proxy(octets: &[u8]) {
    let whole = ProxyHeader::parse(octets);
    let length = match whole {
        Ok(Some(header)) => header.length,
        _ => octets.len(),
    };
    assert!(length <= octets.len());
    let earlier = |cut: usize| ProxyHeader::parse(&octets[..cut]);
    if let Ok(Some(_)) = whole {
        assert!((0..length).all(|cut| cut + ProxyHeader::missing(&octets[..cut]) <= length));
    }
    let certain = (0..length).find(|cut| earlier(*cut) != Ok(None));
    match certain {
        None => {}
        Some(cut) => {
            assert!(whole.is_err(), "less was enough");
            assert_eq!(earlier(cut), whole);
            assert!((cut..length).all(|cut| earlier(cut) == whole));
        }
    }
    if whole != Ok(None) {
        assert_eq!(ProxyHeader::parse(&[octets, b"EHLO x\r\n"].concat()), whole);
    }
}

/// Of the session, as at the end of each refusal.
const ID: &str = "7F3K2Q";

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
            id: ID.to_owned(),
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
            3 => server.refuse_greeting(Reply::no_recipients().naming(ID)),
            4 => server.accept_hello(&offer()),
            5 => server.refuse_hello(Reply::sender_not_ascii().naming(ID)),
            6 | 7 => server.answer(Reply::ok()),
            8 => server.answer(Reply::too_many_recipients().naming(ID)),
            9 => server.answer(Reply::new(Code::START_CONTENT, None, "")),
            10 | 11 => server.go_ahead(),
            12 => server.start_tls(),
            13 => server.tls_established(),
            14 => server.refuse_greeting(Reply::unavailable().naming(ID)),
            _ => server.close(Reply::unavailable().naming(ID)),
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
                Event::Reset => self.content.clear(),
                Event::End(end) => self.end(end),
                _ => {}
            }
        }
        let output = self.server.output().split();
        well_formed(&output);
        refusals_are_named(&output);
    }

    fn end(&mut self, end: End) {
        let content = std::mem::take(&mut self.content);
        assert_eq!(end.fault == Some(Fault::TooBig), end.octets > 64);
        assert!(content.len() as u64 <= end.octets.min(64));
        if end.fault.is_none() {
            assert_eq!(content.len() as u64, end.octets);
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

/// Each 4yz and 5yz ends in the id, whether the machine said it or was told to.
fn refusals_are_named(output: &[u8]) {
    let named = format!("({ID})\r\n");
    for line in output.split_inclusive(|b| *b == b'\n') {
        let is_last_of_refusal = matches!(line, [b'4' | b'5', _, _, b' ', ..]);
        assert!(!is_last_of_refusal || line.ends_with(named.as_bytes()));
    }
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
