//! Row 27: nobody reads the log.

use std::time::{Duration, Instant};

use super::accepted;
use crate::faults::client::{Connection, Security};
use crate::faults::load::Load;
use crate::faults::{Ground, Row};
use crate::program::{Launch, Log};

pub(super) const ROWS: [Row; 1] = [Row {
    launch: || {
        Ok(Launch {
            log: Log::Blocked,
            ..Launch::default()
        })
    },
    ..Row::new(27, "log is a pipe that nobody reads", blocked)
}];

/// A pipe holds 64 KiB and the log some thousand lines, which it keeps: both are full for the second half of the messages.
fn blocked(ground: &mut Ground) -> String {
    let grown = ground.over_and_over(|ground, round| {
        let load = ground.begin(Load::of(&format!("blocked-{round}"), usize::MAX));
        ground.until_more(ground.share(2).max(200));
        until_dropped(ground);
        ground.until_more(ground.share(2).max(200));
        load.stop();
    });
    ground.only("blocked-", accepted);
    let dropped = ground.metric(DROPPED);
    format!(
        "{dropped} lines dropped; {grown}; {}",
        ground.heard("blocked-")
    )
}

const DROPPED: &str = "lazaret_log_lines_dropped_total";

/// At level trace each connection is some lines.
fn until_dropped(ground: &Ground) {
    let (address, deadline) = (
        ground.program.address("plain"),
        Instant::now() + Duration::from_secs(120),
    );
    while ground.metric(DROPPED) == 0.0 {
        assert!(
            Instant::now() < deadline,
            "no line is dropped, or none counted"
        );
        for _ in 0..200 {
            let connection = Connection::open(address, Security::Plain);
            let greeted = connection.and_then(|mut it| it.greet("client.example.com"));
            assert_eq!(greeted.ok(), Some(250));
        }
    }
}
