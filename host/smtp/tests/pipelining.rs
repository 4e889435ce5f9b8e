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
