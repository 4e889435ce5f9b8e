//! `greylist` with a Redis that is down, slow, resets and lies.

use std::net::SocketAddr;
use std::time::Duration;

use lazaret_services::STORE_PATIENCE;
use lazaret_tests::Said;
use lazaret_tests::peers::free_port;

use crate::rate::{commands, is_let_down};
use crate::trial::Service;

/// A Redis that knows that everybody has tried once, a moment ago.
fn service(address: SocketAddr) -> Service {
    Service {
        address,
        limit: STORE_PATIENCE,
        says: |heard| match (has(heard, b"EVAL"), is_of_the_past(heard)) {
            (true, true) => Said::Answer(b"$-1\r\n".to_vec()),
            (true, false) => Said::Answer(b"$1\r\n1\r\n".to_vec()),
            // One answer to each command of those with which a connection begins.
            (false, _) => Said::SmallTalk(b"+PONG\r\n".repeat(commands(heard))),
        },
        reply: "451 4.7.1 we do not know you yet, *",
        // Its connection is made anew, after a pause of up to three seconds.
        rest: Duration::from_secs(6),
    }
}

/// Is it asked for a triplet or a network that has passed, or for one that is trusted?
fn is_of_the_past(heard: &[u8]) -> bool {
    let keys = [&b"known "[..], b"network ", b"good "];
    keys.iter().any(|key| has(heard, key))
}

fn has(heard: &[u8], words: &[u8]) -> bool {
    heard.windows(words.len()).any(|part| part == words)
}

/// Not by failing: then mail would be refused.
fn greylist_is_let_down(when_unavailable: &str, expected: &str) {
    let changes = format!(
        "on-failure = \"reject\"\nlisteners = [\"plain\"]\n\
         [config]\nwhen-unavailable = \"{when_unavailable}\"\n"
    );
    is_let_down(service(free_port()), "greylist", &changes, expected);
}

#[test]
fn a_redis_that_is_no_use_makes_nobody_come_again() {
    greylist_is_let_down("continue", "250 *");
}

#[test]
fn a_redis_that_is_no_use_makes_mail_wait_where_that_is_wanted() {
    greylist_is_let_down(
        "defer",
        "451 4.7.1 we cannot take mail right now, try again later (*)",
    );
}
