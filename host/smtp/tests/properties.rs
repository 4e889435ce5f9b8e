//! Properties: chunking does not matter, what is sent arrives, what is printed reads back.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod kit;

use bytes::BytesMut;
use kit::{Play, Played, config, offer};
use lazaret_smtp::{Argument, Client, ClientLimits, Command, Reply, Server, ServerConfig};
use proptest::prelude::*;

/// A client and a server joined in memory, with pieces of any size in between.
struct Joined {
    client: Client,
    server: Server,
    play: Play,
    played: Played,
    chunk: usize,
}

impl Joined {
    fn new(chunk: usize) -> Self {
        let play = Play {
            config: ServerConfig {
                max_message: 1 << 20,
                ..config()
            },
            offer: offer().with(lazaret_smtp::Keyword::Size(None)),
            ..Play::default()
        };
        let mut server = Server::new(play.config.clone());
        server.greet();
        Self {
            client: Client::new(ClientLimits::default()),
            server,
            play,
            played: Played::default(),
            chunk,
        }
    }

    /// Carries octets both ways until all replies are there.
    fn settle(&mut self) -> Vec<Reply> {
        let sent = self.client.output().split();
        for piece in sent.chunks(self.chunk) {
            self.server.receive(piece);
            self.play.drive(&mut self.server, &mut self.played);
        }
        self.play.drive(&mut self.server, &mut self.played);
        let mut replies = Vec::new();
        let heard: BytesMut = self.server.output().split();
        for piece in heard.chunks(self.chunk) {
            self.client.receive(piece);
            while let Some(reply) = self.client.next().unwrap() {
                replies.push(reply);
            }
        }
        assert!(self.client.is_in_step());
        replies
    }

    fn ask(&mut self, lines: &[&str]) -> Vec<Reply> {
        for line in lines {
            self.client.send(&Command::parse(line.as_bytes()).unwrap());
        }
        self.settle()
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        prop::collection::vec(
            any::<u8>().prop_filter("a line end", |b| !b"\r\n\0".contains(b)),
            0..80
        ),
        "\\.{1,3}[a-z ]{0,3}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(line, 0..20).prop_map(|lines| {
        lines
            .into_iter()
            .flat_map(|line| [line, b"\r\n".to_vec()].concat())
            .collect()
    })
}

/// Parts of sessions, well formed and not, that say nothing about TLS: octets behind STARTTLS
/// are dropped if they came already, so there chunking does matter.
fn session() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => Just(&b"EHLO client.example.net\r\n"[..]),
        3 => Just(&b"MAIL FROM:<a@example.net>\r\n"[..]),
        3 => Just(&b"RCPT TO:<b@example.org>\r\n"[..]),
        3 => Just(&b"DATA\r\n"[..]),
        3 => Just(&b".\r\n"[..]),
        2 => Just(&b"text\r\n"[..]),
        1 => Just(&b"RSET\r\n"[..]),
        1 => Just(&b"BDAT 7\r\n"[..]),
        1 => Just(&b"MAIL FROM:<a@example.net> SIZE=5000\r\n"[..]),
        1 => Just(&b"\r\n"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&[b'x'; 600][..]),
        1 => Just(&b"QUIT\r\n"[..]),
    ];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

fn play(octets: &[u8], chunks: &[usize]) -> (Played, Vec<u8>) {
    let play = Play {
        config: ServerConfig {
            max_command: 512,
            max_errors: 5,
            ..config()
        },
        ..Play::default()
    };
    let mut server = Server::new(play.config.clone());
    let mut played = Played::default();
    server.greet();
    let mut sizes = chunks.iter().cycle();
    let mut rest = octets;
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| rest.len().min(*size));
        server.receive(&rest[..size]);
        play.drive(&mut server, &mut played);
        rest = &rest[size..];
    }
    let heard = server.output().to_vec();
    (played, heard)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_chunking_gives_the_same(octets in session(),
                                   chunks in prop::collection::vec(1usize..700, 1..5)) {
        prop_assert_eq!(play(&octets, &[]), play(&octets, &chunks));
        prop_assert_eq!(play(&octets, &[]), play(&octets, &[1]));
    }

    #[test]
    fn exactly_the_octets_arrive(bodies in prop::collection::vec(body(), 1..4),
                                 chunk in 1usize..300, pieces in 1usize..300) {
        let mut joined = Joined::new(chunk);
        joined.settle();
        joined.ask(&["EHLO client.example.net"]);
        for body in &bodies {
            let replies = joined.ask(&[
                "MAIL FROM:<a@example.net> BODY=8BITMIME",
                "RCPT TO:<b@example.org>",
                "DATA",
            ]);
            prop_assert_eq!(replies[2].code().get(), 354);
            for piece in body.chunks(pieces) {
                joined.client.content(piece);
            }
            joined.client.end_content();
            joined.client.send(&Command::Noop(Argument::default()));
            prop_assert_eq!(joined.settle(), [Reply::ok(), Reply::ok()]);
        }
        prop_assert_eq!(&joined.played.messages, &bodies);
    }

    #[test]
    fn commands_print_and_read_back(line in "(?i:(HELO|EHLO|NOOP|VRFY|EXPN|HELP|AUTH|BDAT|MAIL FROM:|RCPT TO:|XCLIENT|XFORWARD|DATA|RSET|TURN)) ?[ -~é]{0,40}") {
        if let Ok(command) = Command::parse(line.as_bytes()) {
            let printed = command.to_string();
            prop_assert_eq!(Command::parse(printed.as_bytes()), Ok(command), "{}", printed);
        }
    }

    #[test]
    fn paths_print_and_read_back(
        local in "[a-z.]{1,9}|\"([ !#-\\[\\]-~]|\\\\[ -~]){0,9}\"", domain in "[a-z0-9.-]{1,12}|\\[[0-9.]{7,15}\\]",
        parameters in prop::collection::vec("SIZE=[0-9]{1,3}|RET=FULL|ENVID=[!-~]{1,9}|BODY=7BIT|SMTPUTF8", 0..3),
    ) {
        let line = format!("MAIL FROM:<{local}@{domain}> {}", parameters.join(" "));
        if let Ok(command) = Command::parse(line.as_bytes()) {
            prop_assert_eq!(command.to_string(), line.trim_end());
        }
    }
}
