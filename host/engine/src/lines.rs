//! Which line of which source file an instruction came from, for backtraces.
//!
//! DWARF of a stranger is read once, in the process that prepares the filter, under the limits of that process and under
//! those of `gather`. What is kept is a flat table with a bound on its octets: a trap looks up a line in it
//! and never meets DWARF.

#[cfg(test)]
#[path = "../tests/checks/lines.rs"]
mod checks;
mod code;
mod gather;
mod varint;

use std::sync::Arc;

use varint::Reader;

/// Parts of a path that are kept, from its end.
const PATH_PARTS: usize = 4;
/// Octets of a path.
const PATH: usize = 160;

/// The lines of all modules of a component that hold debug information; empty where none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(Arc<[u8]>);

/// An instruction, as a backtrace has it.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// functions that its module defines: what tells the modules of a component apart
    pub functions: usize,
    /// of the function, imported ones counted first
    pub function: u32,
    /// octets from the beginning of the function
    pub offset: usize,
}

/// A line of a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// the end of its path, as the compiler was given it; made by a stranger
    pub file: String,
    /// counted from 1
    pub line: u64,
}

impl Lines {
    /// Reads the debug information of a component, or of as much of it as the limits allow. What is damaged in it is left
    /// out.
    pub fn gather(wasm: &[u8]) -> Self {
        Self(gather::gather(wasm).into())
    }

    /// From our own child or cache; whatever it holds, a lookup in it ends.
    pub fn from_octets(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }

    /// For a pipe or the cache.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Where that instruction came from; None where nothing says it, or two modules could be meant.
    pub fn find(&self, spot: Spot) -> Option<Place> {
        let mut reader = Reader(&self.0);
        let mut found = None;
        while let Some(table) = reader.number().and_then(|length| reader.part(length)) {
            let mut table = Reader(table);
            if table.number()? != spot.functions as u64 {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(table);
        }
        look_up(&mut found?, spot)
    }
}

/// In the table of one module: where its functions begin, its files, its rows.
fn look_up(table: &mut Reader<'_>, spot: Spot) -> Option<Place> {
    let imported = table.number()?;
    let functions = spot.functions as u64;
    let own = u64::from(spot.function).checked_sub(imported)?;
    let own = Some(own).filter(|own| *own < functions)?;
    let mut start = 0_u64;
    for function in 0..functions {
        let gap = table.number()?;
        start = start.saturating_add(if function <= own { gap } else { 0 });
    }
    let files = (0..table.number()?).map_while(|_| table.text()).collect();
    let row = last_row(table, start.saturating_add(spot.offset as u64))?;
    place(row, files)
}

/// The last row that begins at or before `address`, as file (from 1; 0 is nowhere) and line.
fn last_row(table: &mut Reader<'_>, address: u64) -> Option<(u64, u64)> {
    let (mut at, mut found) = (0_u64, None);
    while let Some(gap) = table.number() {
        at = at.saturating_add(gap);
        if at > address {
            break;
        }
        found = Some((table.number()?, table.number()?));
    }
    found
}

fn place((file, line): (u64, u64), files: Vec<&str>) -> Option<Place> {
    let file = files.get(usize::try_from(file).ok()?.checked_sub(1)?)?;
    Some(Place {
        file: (*file).to_owned(),
        line,
    })
}

/// The end of a path.
fn short(path: &str) -> &str {
    let from = path.rmatch_indices(['/', '\\']).nth(PATH_PARTS - 1);
    crate::text::clip(&path[from.map_or(0, |(at, _)| at + 1)..], PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("lines", checks::lines);
    }

    #[test]
    fn paths_are_cut_from_their_beginning() {
        assert_eq!(
            short("/home/me/src/no-bulk/src/lib.rs"),
            "src/no-bulk/src/lib.rs"
        );
        assert_eq!(short("src/lib.rs"), "src/lib.rs");
    }

    /// A line program of DWARF 4 in `src/guest.c`: from `first` on, each octet of code is a line of its own, the first
    /// is line 1.
    fn program(first: u32, octets: usize) -> Vec<u8> {
        let mut files = vec![1, 1, 1, 1, 1, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
        files.extend_from_slice(b"src\0\0guest.c\0\x01\0\0\0");
        let mut code = vec![0, 5, 2];
        code.extend_from_slice(&first.to_le_bytes());
        code.push(1);
        code.extend(std::iter::repeat_n(14, octets - 1));
        code.extend_from_slice(&[2, 1, 0, 1, 1]);
        let mut unit = vec![4, 0];
        unit.extend_from_slice(&(files.len() as u32).to_le_bytes());
        unit.extend([files, code].concat());
        [&(unit.len() as u32).to_le_bytes()[..], &unit].concat()
    }

    fn with_lines(program: &[u8]) -> Vec<u8> {
        let data: String = program
            .iter()
            .map(|octet| format!("\\{octet:02x}"))
            .collect();
        let text = format!(
            "(module (import \"a\" \"b\" (func)) (func (nop) (nop)) (func (drop (i32.const 1)) (unreachable))
             (@custom \".debug_line\" \"{data}\"))"
        );
        wat::parse_str(text).unwrap()
    }

    fn at(function: u32, offset: usize) -> Spot {
        Spot {
            functions: 2,
            function,
            offset,
        }
    }

    #[test]
    fn an_instruction_is_found_by_its_function_and_offset() {
        // The code: a count, and for each function its length, which no address is; so the first begins at 2.
        let lines = Lines::gather(&with_lines(&program(2, 20)));
        let line = |spot| lines.find(spot).map(|place| (place.file, place.line));
        let guest = |line| Some(("src/guest.c".to_owned(), line));
        assert_eq!(line(at(1, 0)), guest(1));
        assert_eq!(line(at(1, 2)), guest(3));
        // The first has 4 octets, and one of length goes before the second.
        assert_eq!(line(at(2, 4)), guest(10));
        assert_eq!(line(at(0, 0)), None, "an imported function has no source");
        let other = Spot {
            functions: 3,
            ..at(1, 0)
        };
        assert_eq!(line(other), None, "another module");
        assert_eq!(Lines::from_octets(lines.octets().to_vec()), lines);
    }

    #[test]
    fn a_function_that_there_is_not_has_no_source() {
        let lines = Lines::gather(&with_lines(&program(2, 20)));
        assert!(lines.find(at(2, 0)).is_some());
        assert_eq!(lines.find(at(3, 0)), None);
    }

    #[test]
    fn after_the_end_of_a_sequence_there_is_nothing() {
        let lines = Lines::gather(&with_lines(&program(2, 3)));
        assert!(lines.find(at(1, 2)).is_some());
        assert_eq!(lines.find(at(1, 3)), None);
    }

    #[test]
    fn functions_that_the_linker_dropped_are_nowhere() {
        let dropped = [program(0, 9), program(u32::MAX, 9), program(2, 9)].concat();
        let lines = Lines::gather(&with_lines(&dropped));
        assert_eq!(lines, Lines::gather(&with_lines(&program(2, 9))));
    }

    #[test]
    fn damaged_lines_are_left_out() {
        let good = program(2, 20);
        for at in 0..good.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = good.clone();
                damaged[at] = value;
                let _ = Lines::gather(&with_lines(&damaged)).find(self::at(2, 4));
            }
            assert!(Lines::gather(&with_lines(&good[..at])).octets().len() < 200);
        }
        assert_eq!(Lines::gather(b"no wasm"), Lines::default());
    }

    /// A component with a module that has lines, twice.
    #[test]
    fn two_modules_that_look_alike_are_not_guessed_between() {
        let module = with_lines(&program(2, 20));
        let one = Lines::gather(&module);
        let twice = Lines::from_octets([one.octets(), one.octets()].concat());
        assert_eq!(twice.find(at(1, 0)), None);
    }

    #[test]
    fn whatever_the_octets_a_lookup_ends() {
        let spot = Spot {
            functions: 2,
            function: 1,
            offset: 3,
        };
        let octets: Vec<u8> = (0..4096_u32).map(|n| ((n * 7919) >> 3) as u8).collect();
        for from in 0..64 {
            let _ = Lines::from_octets(octets[from..].to_vec()).find(spot);
        }
        let huge = [[0xff; 9].as_slice(), &[1]].concat();
        assert_eq!(Lines::from_octets(huge).find(spot), None);
        // Two functions, none imported, the second begins beyond all numbers.
        let gap = [[0xff; 9].as_slice(), &[1]].concat();
        let table = [&[2, 0][..], &gap, &gap, &[0, 1, 1, 1]].concat();
        let far = [&[table.len() as u8][..], &table].concat();
        assert_eq!(Lines::from_octets(far).find(spot), None);
    }
}
