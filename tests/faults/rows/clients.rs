//! Rows 10 and 11: clients that go away.

use std::io;

use super::accepted;
use crate::client::stuffed;
use crate::faults::client::{Connection, Security, TO};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Row};

pub(super) const ROWS: [Row; 2] = [
    Row::new(10, "client vanishes at each stage", vanishes),
    Row::new(11, "client half-closes after the dot", half_closes),
];

/// How far a client gets before it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Far {
    Connect,
    Hello,
    Mail,
    Rcpt,
    Data,
    Body,
    /// all of it but the dot's own CRLF
    Dot,
    /// all of it
    Sent,
}

const ALL: [Far; 8] = [
    Far::Connect,
    Far::Hello,
    Far::Mail,
    Far::Rcpt,
    Far::Data,
    Far::Body,
    Far::Dot,
    Far::Sent,
];

fn vanishes(ground: &mut Ground) -> String {
    let load = ground.begin(Load {
        clients: 2,
        ..Load::of("others", ground.share(2))
    });
    for far in ALL {
        for n in 0..ground.share(16) {
            leave(ground, far, &format!("fin-{n}"), Connection::vanish);
            leave(ground, far, &format!("rst-{n}"), Connection::reset);
        }
    }
    load.finish();
    ground.only("others/", accepted);
    format!(
        "left: {}; the others: {}",
        ground.heard("leaves-"),
        ground.heard("others/")
    )
}

fn leave(ground: &Ground, far: Far, name: &str, goes: fn(Connection)) {
    let letter = Letter::new(&format!("leaves-{far:?}-{name}"), FINE, 4_000);
    let opened = Connection::open(ground.program.plain(), Security::Plain);
    let mut connection = opened.expect("the proxy listens");
    let got = go(&mut connection, &letter, far);
    goes(connection);
    got.unwrap_or_else(|error| panic!("{}: {error}", letter.token));
    let told = if far == Far::Sent {
        Told::Unknown
    } else {
        Told::Cut
    };
    ground.enter(&letter.token, told);
}

/// Up to there.
fn go(connection: &mut Connection, letter: &Letter, far: Far) -> io::Result<()> {
    if far >= Far::Hello {
        must_be(connection.greet("client.example.com")?, 250)?;
    }
    let commands = [
        (Far::Mail, format!("MAIL FROM:<{}>", letter.sender), 250),
        (Far::Rcpt, format!("RCPT TO:<{TO}>"), 250),
        (Far::Data, "DATA".to_owned(), 354),
    ];
    for (_, command, code) in commands.iter().filter(|(needed, ..)| far >= *needed) {
        must_be(connection.ask(command)?, *code)?;
    }
    let wire = stuffed(&letter.octets);
    let length = match far {
        Far::Sent => wire.len(),
        Far::Dot => wire.len() - 2,
        Far::Body => wire.len() / 2,
        _ => 0,
    };
    connection.octets(&wire[..length])
}

fn must_be(code: u16, right: u16) -> io::Result<()> {
    match code == right {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{code} where {right} was expected"
        ))),
    }
}

fn half_closes(ground: &mut Ground) -> String {
    for n in 0..ground.share(1) {
        let letter = Letter::new(&format!("half-{n}"), FINE, 2_000);
        let mut connection = ground.connection();
        assert_eq!(connection.begin(&letter).ok(), Some(354));
        let sent = connection.octets(&stuffed(&letter.octets));
        sent.expect("the proxy reads");
        connection.half_close();
        let told = match connection.reply() {
            Ok(250) => Told::Accepted,
            Ok(code) => Told::Refused(code),
            Err(_) => Told::Unknown,
        };
        ground.enter(&letter.token, told);
    }
    ground.only("half-", accepted);
    ground.heard("half-")
}
