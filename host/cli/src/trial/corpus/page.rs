//! The counts for people.

use std::fmt::Write;
use std::time::Duration;

use lazaret_config::ByteSize;

use super::Run;
use super::fate::{Fate, Judged};
use super::tally::Tally;
use crate::output::{Table, printable};

/// How many symbols are told; `--json` has all.
const SYMBOLS: usize = 40;

/// The matrix first, then who decided, what was found, what it cost.
pub fn text(tally: &Tally, run: &Run) -> String {
    let mut text = String::new();
    for note in &run.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(text, "{}\n", heading(tally, run));
    text += &matrix(tally).print(0);
    section(&mut text, "who decided", deciders(tally));
    section(&mut text, "what gave points, by messages", symbols(tally));
    section(&mut text, "what filters cost", costs(tally));
    section(&mut text, "the slowest", slowest(tally));
    printable(&text)
}

/// One message, for `--each`.
pub fn line(judged: &Judged, folder: &str) -> String {
    let by = judged.by.as_deref().unwrap_or("-");
    let file = judged.path.display();
    let cpu = milliseconds(judged.cpu());
    let fate = judged.fate.word();
    let symbols = judged.symbols.join(" ");
    let line = format!(
        "{folder}\t{fate}\t{by}\t{:.1}\t{cpu}\t{file}\t{symbols}",
        judged.score
    );
    printable(&line).replace('\n', " ") + "\n"
}

fn heading(tally: &Tally, run: &Run) -> String {
    let done = tally.messages();
    let messages = match done == run.of {
        true => format!("{done} messages"),
        false => format!("stopped after {done} of {} messages", run.of),
    };
    let passed_over = match run.passed_over {
        0 => String::new(),
        some => format!(" ({some} other files passed over)"),
    };
    format!(
        "{messages} in {} folders{passed_over}, {} at once, {:.1} s; {:.2} s of CPU in filters",
        tally.folders().len(),
        run.hands,
        run.elapsed.as_secs_f64(),
        tally.cpu().as_secs_f64()
    )
}

fn section(text: &mut String, title: &str, table: Option<Table>) {
    if let Some(table) = table {
        let _ = write!(text, "\n{title}\n\n{}", table.print(0));
    }
}

fn matrix(tally: &Tally) -> Table {
    let fates = Fate::ALL.map(Fate::word);
    let heading: Vec<_> = ["folder", "messages"].into_iter().chain(fates).collect();
    let mut table = Table::new(&heading);
    for (folder, name) in tally.folders().iter().enumerate() {
        let all = tally.messages_of(folder);
        let counts = Fate::ALL.map(|fate| share(tally.count(folder, fate), all));
        table.row([name.clone(), all.to_string()].into_iter().chain(counts));
    }
    table
}

/// `12 (1.2 %)`
fn share(count: u64, of: u64) -> String {
    match count {
        0 => "0".to_owned(),
        _ => format!("{count} ({:.1} %)", count as f64 * 100.0 / of as f64),
    }
}

fn deciders(tally: &Tally) -> Option<Table> {
    let mut rows: Vec<_> = tally.deciders().collect();
    rows.sort_by_key(|(_, fate, counts)| (*fate, std::cmp::Reverse(counts.iter().sum::<u64>())));
    let mut table = by_folder(tally, &["what", "by"]);
    for (by, fate, counts) in &rows {
        let words = [fate.word().to_owned(), (*by).to_owned()];
        table.row(words.into_iter().chain(counts.iter().map(u64::to_string)));
    }
    (!rows.is_empty()).then_some(table)
}

fn symbols(tally: &Tally) -> Option<Table> {
    let mut rows: Vec<_> = tally.symbols().collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
    let mut table = by_folder(tally, &["symbol"]);
    for (symbol, counts) in rows.iter().take(SYMBOLS) {
        let name = [(*symbol).to_owned()].into_iter();
        table.row(name.chain(counts.iter().map(u64::to_string)));
    }
    (!rows.is_empty()).then_some(table)
}

fn by_folder(tally: &Tally, first: &[&str]) -> Table {
    let folders = tally.folders().iter().map(String::as_str);
    let heading: Vec<_> = first.iter().copied().chain(folders).collect();
    Table::new(&heading)
}

fn costs(tally: &Tally) -> Option<Table> {
    let mut table = Table::new(&["filter", "messages", "failed", "CPU", "a message", "most"]);
    for user in tally.users() {
        table.row([
            user.filter.to_string(),
            user.messages.to_string(),
            user.failed.to_string(),
            format!("{:.2} s", user.cpu.as_secs_f64()),
            milliseconds(user.mean()),
            milliseconds(user.most),
        ]);
    }
    Some(table)
}

fn slowest(tally: &Tally) -> Option<Table> {
    let mut table = Table::new(&["CPU", "took", "size", "mostly", "file"]);
    for slow in tally.slowest() {
        table.row([
            milliseconds(slow.cpu),
            milliseconds(slow.wall),
            ByteSize(slow.octets).to_string(),
            slow.filter.as_deref().unwrap_or_default().to_owned(),
            slow.path.display().to_string().replace('\n', "?"),
        ]);
    }
    (!tally.slowest().is_empty()).then_some(table)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_steer_no_terminal() {
        let judged = Judged::damaged(0, "a\x1b[2J\nb".into(), 0, "cannot be read");
        let line = line(&judged, "ham");
        let expected = "ham\tdamaged\tcannot be read\t0.0\t0.00 ms\ta?[2J b\t\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_share_is_of_its_folder() {
        assert_eq!(share(0, 0), "0");
        assert_eq!(share(3, 448), "3 (0.7 %)");
    }
}
