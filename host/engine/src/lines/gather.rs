//! From DWARF to our table: the programs of `.debug_line` are run and their rows sorted by address.

use std::collections::HashMap;

use gimli::{
    AttributeValue, DebugLine, DebugLineOffset, DebugLineStr, DebugStr, EndianSlice, FileEntry,
    LineProgramHeader, LineRow, LittleEndian,
};

use super::code::{Module, modules};
use super::short;
use super::varint::{push, push_text};
use crate::text::printable;

/// Rows that are looked at in all modules together: a second of CPU at most.
const MOST_ROWS: usize = 4_000_000;
/// Octets of a path whose reading takes as long as a row does.
const OCTETS_PER_ROW: usize = 8;
/// Octets of all tables together.
const MOST_OCTETS: usize = 8 << 20;
/// Octets of an address in WebAssembly of 32 bits.
const ADDRESS: u8 = 4;

type Octets<'a> = EndianSlice<'a, LittleEndian>;

/// A table for each module that has lines.
pub fn gather(wasm: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = MOST_ROWS;
    for module in modules(wasm) {
        let table = Rows::of(&module, &mut left).table(&module);
        if out.len() + table.len() > MOST_OCTETS {
            tracing::warn!(
                "its debug information has too many lines for backtraces: build it with fewer"
            );
            break;
        }
        push(&mut out, table.len() as u64);
        out.extend_from_slice(&table);
    }
    out
}

/// From here on, it is this line of that file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    address: u64,
    /// counted from 1; 0 is nowhere, which sorts before what begins at the same address
    file: u64,
    line: u64,
}

/// The rows of one module.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    files: Vec<String>,
    known: HashMap<String, u64>,
}

impl Rows {
    fn of(module: &Module<'_>, left: &mut usize) -> Self {
        let [lines, texts, line_texts] = module.debug;
        let texts = Texts {
            texts: DebugStr::new(texts, LittleEndian),
            line_texts: DebugLineStr::from(EndianSlice::new(line_texts, LittleEndian)),
        };
        let section = DebugLine::new(lines, LittleEndian);
        let (mut rows, mut at) = (Rows::default(), 0);
        while let Ok(program) = section.program(DebugLineOffset(at), ADDRESS, None, None) {
            let header = program.header();
            let (length, prefix) = (header.unit_length(), header.format().initial_length_size());
            rows.run(program, module, &texts, left);
            at = at
                .saturating_add(length)
                .saturating_add(usize::from(prefix));
            if *left == 0 {
                break;
            }
        }
        rows.rows.sort_unstable();
        rows.rows
            .dedup_by_key(|row| (row.file, row.line, row.address));
        rows
    }

    /// Takes the rows of a program, sequence by sequence. Those of functions that the linker dropped begin nowhere in the
    /// code.
    fn run(
        &mut self,
        program: gimli::IncompleteLineProgram<Octets<'_>>,
        module: &Module<'_>,
        texts: &Texts<'_>,
        left: &mut usize,
    ) {
        let first = module.starts[0];
        let mut files = HashMap::new();
        let mut sequence: Vec<Row> = Vec::new();
        let mut rows = program.rows();
        while let Ok(Some((header, row))) = rows.next_row() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return;
            }
            let file = match row.end_sequence() {
                true => 0,
                false => *files
                    .entry(row.file_index())
                    .or_insert_with(|| self.file(texts, header, row, left)),
            };
            sequence.push(as_row(row, file));
            if row.end_sequence() {
                let kept = sequence
                    .first()
                    .is_some_and(|row| (first..module.length).contains(&row.address));
                let rows = sequence.drain(..);
                self.rows.extend(rows.filter(|_| kept));
            }
        }
    }

    /// The number of a file, 0 where it has no name.
    fn file(
        &mut self,
        texts: &Texts<'_>,
        header: &LineProgramHeader<Octets<'_>>,
        row: &LineRow,
        left: &mut usize,
    ) -> u64 {
        let Some(path) = row.file(header).and_then(|file| texts.path(file, header)) else {
            return 0;
        };
        // A million names may be one and the same text of ten megabytes.
        *left = left.saturating_sub(path.len() / OCTETS_PER_ROW);
        let path = printable(short(&path));
        let next = self.files.len() as u64 + 1;
        *self.known.entry(path).or_insert_with_key(|path| {
            self.files.push(path.clone());
            next
        })
    }

    /// As `Lines::find` reads it.
    fn table(&self, module: &Module<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, module.starts.len() as u64);
        push(&mut out, module.imported);
        push_gaps(&mut out, module.starts.iter().map(|start| (*start, [])));
        push(&mut out, self.files.len() as u64);
        self.files.iter().for_each(|file| push_text(&mut out, file));
        let rows = self
            .rows
            .chunk_by(|a, b| (a.file, a.line) == (b.file, b.line));
        let rows = rows.filter_map(|same| same.first());
        push_gaps(
            &mut out,
            rows.map(|row| (row.address, [row.file, row.line])),
        );
        out
    }
}

fn as_row(row: &LineRow, file: u64) -> Row {
    let line = row.line().map(std::num::NonZero::get);
    Row {
        address: row.address(),
        file: line.map_or(0, |_| file),
        line: line.unwrap_or(0),
    }
}

/// Each address as its distance from the one before, and what belongs to it.
fn push_gaps<const N: usize>(out: &mut Vec<u8>, rows: impl Iterator<Item = (u64, [u64; N])>) {
    let mut last = 0;
    for (address, values) in rows {
        push(out, address.saturating_sub(last));
        values.iter().for_each(|value| push(out, *value));
        last = address;
    }
}

/// Where names are kept.
struct Texts<'a> {
    texts: DebugStr<Octets<'a>>,
    line_texts: DebugLineStr<Octets<'a>>,
}

impl Texts<'_> {
    fn path(
        &self,
        file: &FileEntry<Octets<'_>>,
        header: &LineProgramHeader<Octets<'_>>,
    ) -> Option<String> {
        let name = self.text(file.path_name())?;
        let directory = file.directory(header).and_then(|text| self.text(text));
        Some(match directory {
            Some(directory) if !name.starts_with('/') => format!("{directory}/{name}"),
            _ => name,
        })
    }

    fn text(&self, value: AttributeValue<Octets<'_>>) -> Option<String> {
        let text = match value {
            AttributeValue::String(text) => text,
            AttributeValue::DebugStrRef(at) => self.texts.get_str(at).ok()?,
            AttributeValue::DebugLineStrRef(at) => self.line_texts.get_str(at).ok()?,
            _ => return None,
        };
        Some(text.to_string_lossy().into_owned())
    }
}
