//! Row 27: nobody reads the log.

use super::accepted;
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

/// A pipe holds 64 KiB, so it was full before half of them; what is counted once the log's own queue is full, too, is in
/// `tests/observe.rs`.
fn blocked(ground: &mut Ground) -> String {
    let load = ground.begin(Load::of("blocked", usize::MAX));
    ground.until_more(ground.share(1).max(400));
    load.stop();
    ground.only("blocked/", accepted);
    let dropped = ground.metric("lazaret_log_lines_dropped_total");
    format!("{dropped} lines dropped; {}", ground.heard("blocked/"))
}
