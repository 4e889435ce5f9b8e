//! Row 17: asked to read everything again, over and over, while it changes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{accepted, stamps};
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Row};

pub(super) const ROWS: [Row; 1] = [Row {
    site: stamps::by_two_filters,
    ..Row::new(17, "SIGHUP 1000 times under load", hung_up)
}];

/// Between two changes of the files there are so many reloads.
const EVERY: usize = 50;
/// A reload in which filters changed takes some seconds on a machine at work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Said once for each reload, when the configuration was read.
const READ: &str = "the configuration was read again: ";
/// Said at the end of a reload.
const DONE: [&str; 2] = ["nothing changed: generation ", "reloaded generation "];

fn hung_up(ground: &mut Ground) -> String {
    let mut log = Tail::of(&ground.program.dir().join("log"));
    let half = ground.times(1000) / 2;
    let mut reloads = 0;
    let grown = ground.over_and_over(|ground, _| {
        round(ground, &mut log, reloads..reloads + half);
        reloads += half;
    });
    ground.only("hup-", accepted);
    let changes = (0..reloads).filter(|n| changes_at(*n)).count();
    let counted = |words: &str| ground.program.log(&[words]).len();
    assert_eq!(counted(READ), reloads, "lines `{READ}`");
    let others = counted("it holds from the next session on");
    assert_eq!(others, changes, "configurations that were others");
    let seen = stamps::all(ground);
    assert_eq!(seen.len(), changes + 1, "generations in mail: {seen:?}");
    format!(
        "{reloads} reloads, counted; {} generations, each message of one; {grown}; {}",
        seen.len(),
        ground.heard("hup-")
    )
}

fn changes_at(number: usize) -> bool {
    number.is_multiple_of(EVERY)
}

/// Some of the reloads, one after the other: signals that come while one is under way are taken for one.
fn round(ground: &Ground, log: &mut Tail, numbers: Range<usize>) {
    let load = ground.begin(Load::of(&format!("hup-{}", numbers.start), usize::MAX));
    for number in numbers {
        if changes_at(number) {
            change(ground, number / EVERY);
        }
        ground.program.signal("HUP");
        log.until(ground, &[READ]);
        log.until(ground, &DONE);
        if changes_at(number) {
            // The others came before, and keep the settings that they came under.
            let letter = Letter::new(&format!("hup-new-{number}"), FINE, 600);
            let told = ground.connection().deliver(&letter);
            ground.enter(&letter.token, told);
        }
    }
    ground.until_more(ground.share(2));
    load.stop();
}

/// Both filters and the configuration, for the next reload.
fn change(ground: &Ground, number: usize) {
    let (before, after) = (
        format!("build-{number}\""),
        format!("build-{}\"", number + 1),
    );
    for name in ["10-first.toml", "20-second.toml"] {
        let text = std::fs::read_to_string(ground.program.filter(name)).expect("our file");
        assert!(text.contains(&before), "no {before} in {text}");
        ground
            .program
            .put(name, text.replace(&before, &after).as_bytes());
    }
    let path = ground.program.dir().join("lazaret.toml");
    let text = std::fs::read_to_string(&path).expect("our file");
    let mut config: toml::Table = text.parse().expect("our own TOML");
    let command = format!("{}s", 200 + number).into();
    let deadlines = toml::Table::from_iter([("command".to_owned(), command)]);
    config.insert("deadlines".to_owned(), deadlines.into());
    std::fs::write(&path, config.to_string()).expect("our directory");
}

/// A log, read once and as it grows: it gets long.
struct Tail {
    file: BufReader<File>,
    line: String,
}

impl Tail {
    /// From its end on.
    fn of(path: &Path) -> Self {
        let mut file = BufReader::new(File::open(path).expect("our log"));
        std::io::copy(&mut file, &mut std::io::sink()).expect("our log");
        Self {
            file,
            line: String::new(),
        }
    }

    /// Reads up to a line with one of these.
    fn until(&mut self, ground: &Ground, words: &[&str]) {
        let deadline = Instant::now() + ground.patience(PATIENCE);
        loop {
            // What is not a whole line yet is read on later.
            self.file.read_line(&mut self.line).expect("our log");
            if !self.line.ends_with('\n') {
                let is_late = Instant::now() > deadline;
                let errors = is_late.then(|| ground.program.log(&["ERROR"]));
                assert!(!is_late, "no line with one of {words:?}, but {errors:?}");
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if words.iter().any(|word| line.contains(word)) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_change_at_the_first_reload_and_each_fiftieth_after_it() {
        let changes: Vec<_> = (0..160).filter(|n| changes_at(*n)).collect();
        assert_eq!(changes, [0, 50, 100, 150]);
    }
}
