//! Row 27: nobody reads the log.

use std::time::{Duration, Instant};

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

/// A pipe holds 64 KiB and the log some thousand lines: both must have been full for some of the time.
fn blocked(ground: &mut Ground) -> String {
    let load = ground.begin(Load::of("blocked", usize::MAX));
    ground.until_more(ground.share(1).max(400));
    let dropped = || ground.metric("lazaret_log_lines_dropped_total");
    let deadline = Instant::now() + Duration::from_secs(90);
    while dropped() == 0.0 {
        assert!(
            Instant::now() < deadline,
            "no line is dropped, or none counted"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    ground.until_more(ground.share(2));
    load.stop();
    ground.only("blocked/", accepted);
    format!("{} lines dropped; {}", dropped(), ground.heard("blocked/"))
}
