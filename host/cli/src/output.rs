//! What people read: text to standard output, aligned tables. A reader that went away is nobody's fault, so a closed
//! pipe is not an error and never a panic.

use std::io::{ErrorKind, Write};

use lazaret_mail::is_unsafe;
use serde::Serialize;

use crate::exit::Failure;

/// Writes to standard output and flushes.
///
/// # Errors
/// What was asked for cannot be written, to a full disk for example; a reader that went away is none.
pub fn say(text: &str) -> Result<(), Failure> {
    tell(text).map(drop)
}

/// Who reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// somebody
    There,
    /// nobody any more: what is said next is lost
    Gone,
}

/// The same, for whoever has more to say.
///
/// # Errors
/// The same.
pub fn tell(text: &str) -> Result<Reader, Failure> {
    let mut stdout = std::io::stdout().lock();
    let said = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match said {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::temporary(format!(
            "standard output cannot be written: {error}"
        ))),
        Err(_) => Ok(Reader::Gone),
        Ok(()) => Ok(Reader::There),
    }
}

/// Writes one line to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "lazaret: {}", printable(text));
}

/// What could steer a terminal or turn its direction, and may come from a message or a filter, becomes `?`; newlines and
/// tabs stay.
pub fn printable(text: &str) -> String {
    let harmless = |c: char| matches!(c, '\n' | '\t') || !is_unsafe(c);
    text.chars()
        .map(|c| if harmless(c) { c } else { '?' })
        .collect()
}

/// As JSON over many lines. What could steer a terminal is spelt, and so is still what it was to who parses it.
pub fn json(report: &impl Serialize) -> String {
    spelt(serde_json::to_string_pretty(report))
}

/// The same in one line.
pub fn json_line(report: &impl Serialize) -> String {
    spelt(serde_json::to_string(report))
}

fn spelt(json: serde_json::Result<String>) -> String {
    let json = json.expect("a report is JSON: its maps have strings for keys");
    let mut text = String::with_capacity(json.len() + 1);
    // Controls below 0x20 are spelt already; what is left of others is in strings, where an escape stands for it.
    for c in json.chars() {
        match c != '\n' && is_unsafe(c) {
            true => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                text.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
            false => text.push(c),
        }
    }
    text + "\n"
}

/// Rows of cells, printed in columns as wide as their widest cell.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its heading.
    pub fn new(heading: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(heading.iter().map(|cell| (*cell).to_owned()));
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, every line indented by `indent` spaces, without spaces at line ends.
    pub fn print(&self, indent: usize) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max()
        };
        (0..columns).map(|c| width(c).unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["filter", "stages"]);
        table.row(["access".to_owned(), "connect".to_owned()]);
        table.row(["a".to_owned(), String::new()]);
        assert_eq!(table.print(2), "  filter  stages\n  access  connect\n  a\n");
    }

    #[test]
    fn json_is_spelt_and_reads_the_same() {
        let told = "a\x1b[2J\u{9b}2J\u{202e}\u{e0001}ä\"\n";
        let text = json(&[told]);
        assert_eq!(
            text,
            "[\n  \"a\\u001b[2J\\u009b2J\\u202e\\udb40\\udc01ä\\\"\\n\"\n]\n"
        );
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [told]);
        assert_eq!(json_line(&[1, 2]), "[1,2]\n");
    }

    #[test]
    fn terminal_escapes_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n\tc\u{9b}"), "a?[2Jb?\n\tc?");
        assert_eq!(printable("annex\u{202e}fdp.exe"), "annex?fdp.exe");
    }
}
