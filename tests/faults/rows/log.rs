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

fn blocked(ground: &mut Ground) -> String {
    // A pipe holds 64 KiB, so it was full before half of them.
    let load = ground.begin(Load::of("blocked", usize::MAX));
    ground.until_more(ground.share(1).max(400));
    load.stop();
    ground.only("blocked/", accepted);
    let dropped = ground.metric("lazaret_log_lines_dropped_total");
    assert!(dropped > 0.0, "no line was dropped, or none was counted");
    format!("{dropped} lines dropped; {}", ground.heard("blocked/"))
}
