//! What a message costs the two machines: parsing a command, a whole dialogue, and dots taken out and put in.
//! `cargo bench --bench protocol`
#![allow(missing_docs, clippy::unwrap_used)]

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::BytesCount;
use lazaret_smtp::data::{Decoded, Decoder, Encoder};
use lazaret_smtp::{Command, Event, Extensions, Keyword, Reply, Server, ServerConfig};

fn main() {
    divan::main();
}

/// Lines as in most mail; every fiftieth starts with a dot.
fn text(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 100);
    for number in 0.. {
        if text.len() >= size {
            return text;
        }
        let dot = if number % 50 == 49 { "." } else { "" };
        text.extend_from_slice(format!("{dot}{}\r\n", "word ".repeat(14)).as_bytes());
    }
    text
}

fn encoded(text: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new();
    encoder.encode(text, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    out
}

#[divan::bench(args = ["MAIL FROM:<sender@example.com> SIZE=4096", "RCPT TO:<r0@example.org>", "DATA"])]
fn command(line: &str) -> Command {
    Command::parse(divan::black_box(line.as_bytes())).unwrap()
}

/// MAIL, RCPT, DATA, 4 KiB and the dot, as one client sends them on a connection that is kept.
#[divan::bench]
fn transaction(bencher: Bencher) {
    let mut server = Server::new(ServerConfig::default());
    server.greet();
    server.receive(b"EHLO client.example.net\r\n");
    let mut input = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n".to_vec();
    input.extend_from_slice(&encoded(&text(4096)));
    bencher.bench_local(|| {
        server.receive(&input);
        answer_all(&mut server);
        server.output().split()
    });
}

fn answer_all(server: &mut Server) {
    loop {
        match server.next() {
            Event::NeedInput => return,
            Event::Hello(_) => server.accept_hello(&Extensions::from_iter([Keyword::Pipelining])),
            Event::Mail(_) => server.answer(Reply::sender_ok()),
            Event::Rcpt(_) => server.answer(Reply::recipient_ok()),
            Event::Data => server.go_ahead(),
            Event::End(_) => server.answer(Reply::ok()),
            _ => {}
        }
    }
}

#[divan::bench(args = [4 << 10, 1 << 20])]
fn take_dots_out(bencher: Bencher, size: usize) {
    let octets = encoded(&text(size));
    bencher
        .counter(BytesCount::from(octets.len()))
        .with_inputs(|| octets.clone())
        .bench_local_values(|mut octets| {
            let mut decoder = Decoder::new();
            while let Decoded::Octets(piece) = decoder.decode(&mut octets) {
                divan::black_box(piece);
            }
        });
}

#[divan::bench(args = [4 << 10, 1 << 20])]
fn put_dots_in(bencher: Bencher, size: usize) {
    let text = text(size);
    bencher
        .counter(BytesCount::from(text.len()))
        .with_inputs(|| BytesMut::with_capacity(text.len() + text.len() / 8))
        .bench_local_values(|mut out| {
            Encoder::new().encode(&text, &mut out).unwrap();
            out
        });
}
