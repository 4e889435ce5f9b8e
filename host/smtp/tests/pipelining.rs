//! When replies to a group of commands leave (RFC 2920).

mod kit;

use lazaret_smtp::{Event, Extensions, Reply, Server, ServerConfig};

/// RFC 2920 section 3.2, points 4 and 5.
#[test]
fn what_ends_a_group_does_not_wait_for_what_follows() {
    let mut server = Server::new(kit::config());
    server.greet();
    let mut said = |input: &str| {
        server.receive(input.as_bytes());
        let mut writes = Vec::new();
        loop {
            let event = server.next();
            match &event {
                Event::NeedInput | Event::Flush => {
                    let output = server.output().split();
                    let replies = output.iter().filter(|octet| **octet == b'\n').count();
                    writes.extend((replies > 0).then_some(replies));
                    if event == Event::NeedInput {
                        return writes;
                    }
                }
                Event::Hello(_) => server.accept_hello(&Extensions::new()),
                Event::Data => server.go_ahead(),
                _ => server.answer(Reply::ok()),
            }
        }
    };
    assert_eq!(said("HELO a\r\nNOOP\r\nVRFY b\r\n"), [2, 1, 1]);
    assert_eq!(said("RSET\r\nRSET\r\nWHAT\r\nRSET\r\n"), [3, 1]);
    let wrong = "MAIL FROM:<a@b> FOO=1\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    assert_eq!(said(wrong), [3], "it is a group all the same");
    let group = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@d>\r\nDATA\r\n";
    assert_eq!(said(group), [4]);
    assert_eq!(said(&format!("text\r\n.\r\n{group}")), [1, 4]);
}

/// Whoever answers MAIL may see what comes behind it first; the replies stay in order.
#[test]
fn an_answer_to_mail_is_withheld_until_rcpt_is_there() {
    let answered = |mail: Reply| {
        let mut server = Server::new(kit::config());
        server.greet();
        server.receive(b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        assert!(matches!(server.next(), Event::Hello(_)));
        server.accept_hello(&Extensions::new());
        assert_eq!(server.next(), Event::Flush);
        server.output().clear();
        assert!(!server.rcpt_follows(), "nobody asked about MAIL yet");
        assert!(matches!(server.next(), Event::Mail(_)));
        assert!(server.rcpt_follows());
        server.withhold();
        assert!(server.withholds() && server.output().is_empty());
        assert!(matches!(server.next(), Event::Rcpt(_)));
        server.settle(mail);
        if server.awaits_answer() {
            server.answer(Reply::recipient_ok());
        }
        while server.next() == Event::Data {
            server.go_ahead();
        }
        String::from_utf8(server.output().to_vec()).unwrap()
    };
    let said = answered(Reply::sender_ok());
    let codes = |said: &str| {
        said.lines()
            .map(|line| line[..3].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&said), ["250", "250", "354"], "{said}");
    assert!(said.starts_with("250 2.1.0"), "{said}");
    let said = answered(Reply::not_implemented());
    assert_eq!(codes(&said), ["502", "503", "503"], "{said}");
    assert_eq!(codes(&answered(Reply::unavailable())), ["421"]);
}

/// Only a line that will be asked about, and that is here to its end.
#[test]
fn nothing_but_rcpt_follows_mail() {
    let follows = |behind: &str| {
        let mut server = Server::new(kit::config());
        server.greet();
        server.receive(format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{behind}").as_bytes());
        while !matches!(server.next(), Event::Mail(_)) {
            server.accept_hello(&Extensions::new());
        }
        server.rcpt_follows()
    };
    assert!(follows("RCPT TO:<c@d>\r\n") && follows("rcpt to:<c@d>\r\nDATA\r\n"));
    for other in [
        "",
        "RCPT TO:<c@d>",
        "RCPT TO:<c@d>\r",
        "RCPT TO:<c@d>\n",
        "RCPT TO:<c@d> FOO=1\r\n",
        "RCPT TO:<\u{fc}@d>\r\n",
        "RCPT TO:c\r\n",
        "DATA\r\n",
        "RSET\r\nRCPT TO:<c@d>\r\n",
    ] {
        assert!(!follows(other), "{other:?}");
    }
}

#[test]
fn replies_to_a_flood_of_commands_are_not_piled_up() {
    let mut server = Server::new(ServerConfig {
        max_junk: u32::MAX,
        ..kit::config()
    });
    server.greet();
    // RSET is answered with its group, so that only their number sends the replies off.
    server.receive("RSET\r\n".repeat(100_000).as_bytes());
    let (mut most, mut all) = (0, 0);
    loop {
        let event = server.next();
        let output = server.output().split();
        most = most.max(output.len());
        all += output.len();
        match event {
            Event::Flush => {}
            Event::NeedInput => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(most <= 17 << 10, "{most} octets at once");
    assert_eq!(
        all - "220 mx.example.org ESMTP\r\n".len(),
        100_000 * "250 2.0.0 Ok\r\n".len()
    );
}
