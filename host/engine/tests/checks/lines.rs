//! What must hold for any debug information of a guest.

use super::{Lines, Place, Spot};

/// A module that imports one function and has two, of 4 and of 6 octets.
const MODULE: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01a\x01b\0\0\x03\x03\x02\0\0\
    \x0a\x0d\x02\x04\0\x01\x01\x0b\x06\0\x41\x01\x1a\0\x0b";

/// `.debug_line` of a good guest, DWARF 4: `src/guest.c` from the first function on, each octet of code a line.
const GOOD: &[u8] = b"\x39\0\0\0\x04\0\x23\0\0\0\x01\x01\x01\x01\x01\x0d\0\x01\x01\x01\x01\0\0\0\x01\0\0\x01src\0\0guest.c\0\x01\0\0\0\
    \0\x05\x02\x02\0\0\0\x01\x0e\x0e\x0e\x02\x01\0\x01\x01";

/// How much goes into `.debug_str` and `.debug_line_str`, an octet; that; and the rest into `.debug_line`. Whatever it is:
/// places are of those who may have some, safe to be logged, and behind good lines it takes none of them away.
pub fn lines(octets: &[u8]) {
    let (texts, programs) = parts(octets);
    let lines = Lines::gather(&module(texts, programs));
    assert_eq!(lines, Lines::gather(&module(texts, programs)));
    let bound = 64 + 64 * octets.len() + 1300 * (octets.len() + 1);
    assert!(lines.octets().len() <= bound, "{}", lines.octets().len());
    are_safe(&lines);
    are_safe(&Lines::gather(octets));
    // What a child wrote: a lookup ends.
    let _ = places(&Lines::from_octets(octets.to_vec())).count();
    if lines == Lines::gather(&module(texts, b"\0")) {
        // Nothing was read of it.
        let behind = Lines::gather(&module(texts, &[GOOD, programs].concat()));
        assert_eq!(behind, Lines::gather(&module(texts, GOOD)));
    }
    is_good();
}

fn parts(octets: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = octets.split_first() else {
        return (&[], &[]);
    };
    rest.split_at(rest.len().min((*length).into()))
}

/// With these sections.
fn module(texts: &[u8], programs: &[u8]) -> Vec<u8> {
    let mut module = MODULE.to_vec();
    for (name, contents) in [
        (".debug_str", texts),
        (".debug_line_str", texts),
        (".debug_line", programs),
    ] {
        let size = 1 + name.len() + contents.len();
        // A section's size as a number of four octets.
        let size = [0, 7, 14, 21].map(|shift| (size >> shift) as u8 & 0x7f | 0x80);
        module.push(0);
        module.extend([size[0], size[1], size[2], size[3] & 0x7f]);
        module.push(name.len() as u8);
        module.extend([name.as_bytes(), contents].concat());
    }
    module
}

/// Nothing is told of what is imported, and nothing that could forge a line of the log.
fn are_safe(lines: &Lines) {
    for (function, place) in places(lines) {
        assert!((1..=2).contains(&function), "{function}: {place:?}");
        assert!(place.line > 0 && place.file.len() <= 1300, "{place:?}");
        assert!(!place.file.contains(char::is_control), "{place:?}");
    }
}

/// What is told of instructions of functions that there are, and of some that there are not.
fn places(lines: &Lines) -> impl Iterator<Item = (u32, Place)> {
    let offsets = || (0..12).chain([usize::MAX >> 1]);
    let spots = (0..4).flat_map(move |function| offsets().map(move |offset| (function, offset)));
    spots.filter_map(|(function, offset)| {
        let spot = Spot {
            functions: 2,
            function,
            offset,
        };
        Some((function, lines.find(spot)?))
    })
}

/// A place of the good guest, lest all of this look at nothing.
fn is_good() {
    let lines = Lines::gather(&module(b"", GOOD));
    let spot = Spot {
        functions: 2,
        function: 1,
        offset: 2,
    };
    let place = lines.find(spot).expect("a good guest has lines");
    assert_eq!((place.file.as_str(), place.line), ("src/guest.c", 3));
}
