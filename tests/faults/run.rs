//! Plays rows and judges them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::ground::{Ending, Ground};
use super::held::Held;
use super::ledger::{Balance, Told};
use super::{Neighbour, Process, Row, Scale};
use crate::quantile::quantile;
use crate::{Samples, peers};

/// Other sessions may take so many times as long as when it is quiet.
pub const TIMES: u32 = 5;
/// While all is well each message is answered so soon after its dot: who waits longer for a reply that is on its way may
/// send again (RFC 1047).
pub const ANSWERED: Duration = Duration::from_secs(5);
/// How often a row is played in which the others were slow, and nothing else was wrong.
const TRIES: usize = 3;
/// Whatever the quiet time is, this is not slow: on a machine shared with the clients a few switches of tasks take as long.
pub const NOT_SLOW: Duration = Duration::from_millis(10);
/// The same for the short table, beside other tests; there it is the median that is judged, of few samples.
const NOT_SLOW_IN_SHORT: Duration = Duration::from_secs(1);

/// All rows.
#[derive(Debug, Default)]
pub struct Outcome {
    /// in order
    pub lines: Vec<Line>,
    /// in all
    pub took: Duration,
}

/// What came of one row.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// of the row
    pub number: u8,
    /// of the row
    pub fault: &'static str,
    /// what was seen, or why it could not be played
    pub seen: String,
    /// was it played?
    pub state: State,
    /// what went wrong
    pub faults: Vec<String>,
    /// what could not be played, all of it or a part, and why
    pub skipped: Vec<String>,
    /// that the others were slow, until the row has been played again
    pub slow: Option<String>,
    /// the books
    pub balance: Balance,
    /// 99th percentile of the client beside it, before
    pub quiet: Duration,
    /// meanwhile; zero where it shares the fault
    pub meanwhile: Duration,
    /// the longest that a message before the fault waited for its reply, from the dot on
    pub answered: Duration,
    /// how many messages these were
    pub timed: usize,
    /// what the process held before
    pub base: Held,
    /// and at last
    pub after: Held,
    /// in all
    pub took: Duration,
}

/// Was a row played?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// it could not be here
    #[default]
    Skipped,
    /// to its end or to a fault
    Played,
}

impl Outcome {
    /// Did every row that was played pass?
    pub fn is_good(&self) -> bool {
        self.lines.iter().all(|line| line.faults.is_empty())
    }
}

/// Plays these rows with `program` one after the other; `progress` is told before each, and what came of it after it.
pub fn run(
    rows: &[Row],
    program: &Path,
    scale: Scale,
    progress: &dyn Fn(&Row, Option<&Line>),
) -> Outcome {
    let begun = Instant::now();
    let play_one = |row: &Row| {
        progress(row, None);
        let line = play(row, program, scale);
        progress(row, Some(&line));
        line
    };
    Outcome {
        lines: rows.iter().map(play_one).collect(),
        took: begun.elapsed(),
    }
}

/// Plays one row. If nothing was wrong but that the others were slow, it is played again: on a machine that has other
/// things to do that happens without us; mail that is lost is lost at once.
pub fn play(row: &Row, program: &Path, scale: Scale) -> Line {
    let mut line = play_once(row, program, scale);
    for _ in 1..TRIES {
        if line.slow.is_none() || !line.faults.is_empty() {
            break;
        }
        line = play_once(row, program, scale);
    }
    line.faults.extend(line.slow.take());
    if peers::are_required() {
        line.faults
            .extend(line.skipped.iter().map(|why| wanted(why)));
    }
    line
}

fn wanted(skipped: &str) -> String {
    format!("skipped: {skipped}, and LAZARET_REQUIRE_PEERS=1 wants all")
}

fn play_once(row: &Row, program: &Path, scale: Scale) -> Line {
    let begun = Instant::now();
    let played = catch_unwind(AssertUnwindSafe(|| on_ground(row, program, scale)));
    let line = played.unwrap_or_else(|panic| Line {
        state: State::Played,
        faults: vec![words_of(&*panic)],
        ..Line::default()
    });
    Line {
        number: row.number,
        fault: row.fault,
        took: begun.elapsed(),
        ..line
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

fn on_ground(row: &Row, program: &Path, scale: Scale) -> Line {
    let launch = match (row.launch)() {
        Ok(launch) => launch,
        Err(why) => {
            return Line {
                seen: format!("skipped: {why}"),
                skipped: vec![why],
                ..Line::default()
            };
        }
    };
    let mut ground = Ground::prepare(row, program, scale, launch);
    let seen = (row.play)(&mut ground);
    if row.process == Process::Stays {
        ground.recovers("again", Duration::from_secs(5));
    }
    let ending = ground.end();
    let meanwhile = match row.neighbour {
        Neighbour::Shares => Duration::ZERO,
        _ => quantile(&ending.samples.attack, 0.99),
    };
    Line {
        seen,
        state: State::Played,
        faults: judge(row, scale, &ending),
        slow: match row.neighbour {
            Neighbour::Shares => ending.late,
            _ => slow(&ending.samples, scale).or(ending.late),
        },
        answered: longest(&ending.answered),
        timed: ending.answered.len(),
        skipped: ending.skipped,
        quiet: quantile(&ending.samples.quiet, 0.99),
        meanwhile,
        base: ending.base,
        after: ending.after,
        balance: ending.balance,
        ..Line::default()
    }
}

fn judge(row: &Row, scale: Scale, ending: &Ending) -> Vec<String> {
    let mut faults = ending.balance.faults();
    if ending.hurt < scale.messages {
        faults.push(format!("only {} messages were sent", ending.hurt));
    }
    faults.extend(not_spared(row, scale, ending));
    let answered = longest(&ending.answered);
    if answered > scale.patience(ANSWERED) {
        faults.push(format!("a reply came {answered:.1?} after the dot"));
    }
    let is_raised = |gauge: &String| format!("with no client {gauge}");
    faults.extend(ending.raised.iter().map(is_raised));
    match (row.process, ending.ended) {
        (Process::Ends, _) => {}
        (Process::Stays, Some(status)) => faults.push(format!("the process ended: {status}")),
        (Process::Stays, None) => faults.extend(grown(ending)),
    }
    faults
}

fn longest(spans: &[Duration]) -> Duration {
    spans.iter().max().copied().unwrap_or_default()
}

/// The client beside the fault heard what it has not deserved. In the short table it may be told to come back later: there
/// the machine may be slower than a deadline.
fn not_spared(row: &Row, scale: Scale, ending: &Ending) -> Option<String> {
    let may_hear = match row.neighbour {
        Neighbour::Shares => return None,
        Neighbour::MayHear(code) => Told::Refused(code),
        Neighbour::Spared => Told::Accepted,
    };
    let is_wrong = |told: Told| {
        let is_late = !scale.is_whole() && told.is_temporary();
        told != Told::Accepted && told != may_hear && !is_late
    };
    let wrong = ending.beside.iter().filter(|(told, _)| is_wrong(**told));
    let wrong: Vec<_> = wrong
        .map(|(told, times)| format!("{told} x{times}"))
        .collect();
    (!wrong.is_empty()).then(|| format!("the others heard {}", wrong.join(", ")))
}

fn slow(samples: &Samples, scale: Scale) -> Option<String> {
    if samples.attack.is_empty() {
        return Some("nothing of the others was accepted meanwhile".to_owned());
    }
    let (share, not_slow) = match scale.is_whole() {
        true => (0.99, NOT_SLOW),
        false => (0.5, NOT_SLOW_IN_SHORT),
    };
    let [quiet, meanwhile] =
        [&samples.quiet, &samples.attack].map(|samples| quantile(samples, share));
    let is_slow = meanwhile > not_slow && meanwhile > quiet * TIMES;
    is_slow.then(|| format!("the others took {meanwhile:.1?}, and {quiet:.1?} when it was quiet"))
}

fn grown(ending: &Ending) -> Option<String> {
    let Ending {
        base, after, slack, ..
    } = ending;
    (!after.is_near(base, slack)).then(|| {
        format!(
            "it holds {} KiB, {} descriptors, {} threads; before {} KiB, {}, {}",
            after.resident >> 10,
            after.descriptors,
            after.threads,
            base.resident >> 10,
            base.descriptors,
            base.threads
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(quiet: u64, meanwhile: u64) -> Samples {
        Samples {
            quiet: vec![Duration::from_millis(quiet); 100],
            attack: vec![Duration::from_millis(meanwhile); 100],
        }
    }

    #[test]
    fn slow_is_five_times_and_not_little() {
        let whole = |samples: &Samples| slow(samples, Scale::WHOLE);
        assert_eq!(whole(&samples(1, 10)), None);
        assert!(whole(&samples(1, 11)).is_some());
        assert_eq!(whole(&samples(4, 20)), None);
        assert_eq!(whole(&samples(50, 249)), None);
        assert!(whole(&samples(50, 251)).is_some());
        assert!(whole(&Samples::default()).is_some());
        assert_eq!(slow(&samples(50, 999), Scale::SHORT), None);
        assert!(slow(&samples(50, 1001), Scale::SHORT).is_some());
    }

    #[test]
    fn a_process_that_ended_or_grew_fails_the_row() {
        let row = Row::new(99, "nothing", |_| String::new());
        let mut ending = Ending {
            samples: samples(5, 5),
            ..Ending::default()
        };
        let scale = Scale { messages: 0 };
        assert_eq!(judge(&row, scale, &ending), [""; 0]);
        ending.after.descriptors = 1;
        assert_eq!(judge(&row, scale, &ending).len(), 1);
        ending.after.descriptors = 0;
        ending.raised = vec!["lazaret_clients is 1".to_owned()];
        assert_eq!(
            judge(&row, scale, &ending),
            ["with no client lazaret_clients is 1"]
        );
        ending.raised.clear();
        ending.answered = vec![Duration::from_secs(1), Duration::from_secs(6)];
        assert_eq!(
            judge(&row, Scale { messages: 500 }, &ending)[1..],
            ["a reply came 6.0s after the dot"]
        );
        ending.answered.clear();
        ending.ended = Some(std::process::ExitStatus::default());
        assert_eq!(judge(&row, scale, &ending).len(), 1);
        assert_eq!(judge(&row, Scale { messages: 1 }, &ending).len(), 2);
    }

    #[test]
    fn the_others_hear_nothing_but_250_or_what_the_row_allows() {
        let mut row = Row::new(99, "nothing", |_| String::new());
        let mut ending = Ending {
            hurt: Scale::WHOLE.messages,
            ..Ending::default()
        };
        ending.beside.insert(Told::Accepted, 500);
        assert_eq!(judge(&row, Scale::WHOLE, &ending), [""; 0]);
        ending.beside.insert(Told::Refused(452), 2);
        assert_eq!(
            judge(&row, Scale::WHOLE, &ending),
            ["the others heard 452 x2"]
        );
        assert_eq!(judge(&row, Scale::SHORT, &ending), [""; 0]);
        row.neighbour = Neighbour::MayHear(452);
        assert_eq!(judge(&row, Scale::WHOLE, &ending), [""; 0]);
        ending.beside.insert(Told::Cut, 1);
        assert_eq!(
            judge(&row, Scale::SHORT, &ending),
            ["the others heard cut off x1"]
        );
        row.neighbour = Neighbour::Shares;
        assert_eq!(judge(&row, Scale::WHOLE, &ending), [""; 0]);
    }

    #[test]
    fn a_row_that_panics_has_failed_and_a_row_that_cannot_be_is_skipped() {
        let mut row = Row::new(99, "nothing", |_| String::new());
        row.launch = || Err("there is no moon".to_owned());
        let line = play(&row, Path::new("/nowhere"), Scale::SHORT);
        assert_eq!(
            (line.state, line.seen.as_str()),
            (State::Skipped, "skipped: there is no moon")
        );
        assert_eq!(line.skipped, ["there is no moon"]);
        assert_eq!(line.faults.is_empty(), !peers::are_required());
        row.launch = || panic!("the moon fell");
        let line = play(&row, Path::new("/nowhere"), Scale::SHORT);
        assert_eq!(
            (line.state, line.faults),
            (State::Played, vec!["the moon fell".to_owned()])
        );
    }
}
