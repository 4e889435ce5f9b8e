//! `rspamd`, with Debian's rspamd.

use std::net::SocketAddr;
use std::time::Duration;

use lazaret_tests::Said;
use lazaret_tests::peers::{self, free_port, rspamd};
use lazaret_tests::proxy::Builder;

use crate::trial::{MESSAGE, Service, Trial, vices};

const LATER: &str = "451 4.7.1 this message cannot be examined now, try again later (*)";

/// Answers that rspamd never gives.
const LIES: [&[u8]; 5] = [
    b"stream: OK\0",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n{\"action\":\"no action\",\"score\":\"zero\"}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{\"action\":",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
];

/// What rspamd says of a message that it does not want.
const UNWANTED: &str =
    "{\"action\":\"reject\",\"score\":20.0,\"messages\":{\"smtp_message\":\"the right answer\"}}";

/// An rspamd that wants no message; the filter gives it a second.
fn service(address: SocketAddr) -> Service {
    Service {
        address,
        limit: Duration::from_secs(1),
        says: |heard| match heard.ends_with(b"\r\nA line.\r\n") {
            true => {
                let length = UNWANTED.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                Said::Answer((head + UNWANTED).into_bytes())
            }
            false => Said::Nothing,
        },
        reply: "550 5.7.1 the right answer (*)",
        rest: Duration::from_secs(5),
    }
}

/// Every fact that `tests/kit/peers/rspamd.rs` writes into a field is let through.
fn asking(rspamd: SocketAddr, config: &str) -> impl FnOnce(Builder) -> Builder + use<> {
    let changes = format!(
        "listeners = [\"plain\"]\nhttp-time = \"1s\"\n\
         grant = [\"session:name\", \"envelope\", \"body\", \"http:{rspamd}\", \"edit-headers:X-*\", \"score:-10..20\", \"notes\"]\n\
         [config]\nurl = \"http://{rspamd}\"\n{config}\n"
    );
    move |builder| builder.bundled("rspamd", &changes)
}

#[test]
fn an_rspamd_that_is_no_use_costs_its_own_messages_only() {
    let address = free_port();
    let trial = Trial::new(service(address), asking(address, ""));
    trial.goes_wrong(&vices(&LIES), LATER);
    let Some(mut rspamd) = rspamd(address) else {
        return;
    };
    trial.mends();
    rspamd.stop();
    assert_eq!(trial.message(MESSAGE).code, 451);
    rspamd.again();
    trial.mends();
    peers::ran("rspamd");
}

#[test]
fn mail_may_pass_unjudged() {
    let address = free_port();
    let passing = asking(address, "when-unavailable = \"continue\"");
    Trial::new(service(address), passing).goes_wrong(&vices(&LIES[..1]), "250 *");
}
