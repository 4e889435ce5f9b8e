//! The hostile set: filters and files that do all they can to hurt somebody, and what must come of each.
//!
//! * [`set`] has the attacks, one file for each way of thinking; [`attack`] says what an attack is.
//! * [`forge`] makes filters from WebAssembly text; the puppet of `tests/guests` does what is easier said in Rust.
//! * [`files`] has what is already hostile as a file: bombs, damage, switched-off proposals, random components;
//!   [`nursery`] is where they are loaded.
//! * [`site`] is one proxy with a listener for each attack, [`play`] one session with it, [`good`] the client beside it.
//! * [`run`], [`report`] and [`page`] are `cargo xtask hostile`.

pub mod attack;
pub mod files;
pub mod forge;
pub mod good;
pub mod nursery;
pub mod page;
pub mod play;
pub mod process;
pub mod reply;
pub mod report;
pub mod run;
pub mod set;
pub mod sink;
pub mod site;
pub mod witness;

pub use attack::{Attack, Expected, Guest, Point};
pub use nursery::Nursery;
pub use site::Site;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use witness::Seen;

/// CPU that a filter may take over its limit before it is stopped.
pub const GRACE: Duration = Duration::from_millis(50);

/// Plays an attack once and says what was heard, or what was wrong. A client that hears something impossible panics;
/// that is a fault like others.
pub fn invoke(site: &Site, attack: &Attack, number: u64) -> Result<String, String> {
    let played = catch_unwind(AssertUnwindSafe(|| play::play(site, attack, number)));
    played.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.unwrap_or_else(|| "the client panicked".to_owned()))
    })
}

/// Plays it until its CPU is within its limit, five times at most, and says what was wrong the last time: on a busy
/// machine whoever is to stop it may come late. Any other fault is one at once.
pub fn invoke_in_time(site: &Site, attack: &Attack, number: u64) -> Result<Seen, String> {
    let play = |number| invoke(site, attack, number).and_then(|_| examine(attack, 1));
    let mut played = play(number);
    for again in 1..5 {
        if !played.as_ref().is_err_and(|fault| is_late(fault)) {
            break;
        }
        // What the log says of the rest of that session comes after the reply.
        std::thread::sleep(Duration::from_secs(1));
        witness::forget_at(&attack.name(), attack.point.name());
        played = play(number + again * 100);
    }
    played
}

/// Is the CPU all that was wrong?
pub fn is_late(fault: &str) -> bool {
    fault.starts_with("used ") && fault.contains(" of CPU")
}

/// What the log says after `times` invocations: did the filter fail as expected, and within its limit?
pub fn examine(attack: &Attack, times: u64) -> Result<Seen, String> {
    let Some(stage) = attack.point.stage() else {
        return Ok(Seen::default());
    };
    let words: &[&str] = match &attack.expected {
        Expected::Failure(word) => &[*word],
        Expected::FailureOf(words) => words,
        _ => &[],
    };
    let failures = if words.is_empty() { 0 } else { times };
    let enough = |seen: &Seen| seen.asked >= times && seen.failed >= failures;
    let seen = witness::wait_for(&attack.name(), stage, enough);
    if !enough(&seen) {
        let Seen {
            asked,
            failed,
            record,
            ..
        } = seen;
        return Err(format!(
            "asked {asked} and failed {failed} times of {times}: {record}"
        ));
    }
    let limit = attack.time();
    if seen.longest > limit + GRACE {
        return Err(format!(
            "used {:?} of CPU, allowed are {limit:?}",
            seen.longest
        ));
    }
    if !words.is_empty() && !words.iter().any(|word| seen.last_failure.contains(word)) {
        return Err(format!("expected one of {words:?}: {}", seen.last_failure));
    }
    Ok(seen)
}
