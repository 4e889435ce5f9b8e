//! What must hold for any attachment: its name, its text and its words as a page.

use std::sync::LazyLock;

use super::html::{is_active_picture, smuggles, words};
use super::names::{Extensions, Nature, extension, is_closed, shown, without_extension};
use super::text::Lines;

/// As they are without settings.
static KNOWN: LazyLock<Extensions> = LazyLock::new(|| Extensions::new(&[], &[]));

/// Octets of a line that are kept.
const LONGEST_LINE: usize = 1024;

/// A name, and behind LF a text: a name is judged by what a desktop runs, files in a text are found however it comes in,
/// and what a page does is seen wherever it stands and in UTF-16.
pub fn attachment(octets: &[u8]) {
    let mut pieces = octets.splitn(2, |octet| *octet == b'\n');
    let name = String::from_utf8_lossy(pieces.next().unwrap_or_default());
    let text = pieces.next().unwrap_or_default();
    is_judged(&name);
    is_told(&name);
    are_found(text, 1 + name.len());
    smuggle(text);
}

/// What no desktop looks at changes nothing, and no name hides that it ends like a program.
fn is_judged(name: &str) {
    let nature = KNOWN.judge(name);
    for same in [
        name.to_ascii_uppercase(),
        format!("folder/{name}"),
        format!("C:\\{name}"),
        format!("\u{200b}{name}\u{feff}"),
        format!("{name}. . \t"),
        format!("{name}:"),
        format!("{name}::$DATA. "),
    ] {
        assert_eq!(KNOWN.judge(&same), nature, "{same:?}");
    }
    for end in [".exe", ".SCR", ".hta ", ".l\u{ad}nk", "\u{ff0e}vbe"] {
        let nature = KNOWN.judge(&format!("{name}{end}"));
        let runs = matches!(nature, Nature::Program | Nature::Masked | Nature::Reversed);
        assert!(runs, "{name:?} {end}");
    }
    let masked = KNOWN.judge(&format!("{name}.pdf.exe"));
    assert_eq!(masked, Nature::Masked, "{name:?}");
}

/// Extensions are one word in lower case; what is shown is safe in a reply.
fn is_told(name: &str) {
    let (last, rest) = (extension(name), without_extension(name));
    assert!(!last.contains(['.', '/', '\\']), "{last:?}");
    assert_eq!(last, last.trim());
    assert!(rest.len() <= 4 * name.len(), "{rest:?}");
    assert!(is_closed(&format!("{name}.zip")));
    assert_eq!(is_closed(name), is_closed(&name.to_ascii_uppercase()));
    let shown = shown(name);
    let plain = shown.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    assert!(plain && shown.len() <= 62, "{shown:?}");
}

/// In pieces of any size the same files begin; those of short lines are those of the text as a whole.
fn are_found(text: &[u8], size: usize) {
    let whole = begun(text, text.len().max(1));
    let found = begun(text, size);
    assert_eq!(found.len(), whole.len());
    let lines: Vec<_> = text.split(|octet| *octet == b'\n').collect();
    if lines.iter().all(|line| line.len() <= LONGEST_LINE) {
        let expected: Vec<_> = lines.into_iter().filter_map(named).collect();
        assert_eq!(found, expected);
        assert_eq!(whole, expected);
    }
}

fn begun(text: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for piece in text.chunks(size) {
        lines.read(piece, |name| found.push(name.to_vec()));
    }
    lines.end(|name| found.push(name.to_vec()));
    found
}

/// `begin`, a mode of three or four digits, the name.
fn named(line: &[u8]) -> Option<Vec<u8>> {
    let mut words = line.splitn(3, |octet| *octet == b' ');
    let (begin, mode, name) = (words.next()?, words.next()?, words.next()?);
    let is_mode = (3..=4).contains(&mode.len()) && mode.iter().all(u8::is_ascii_digit);
    (begin == b"begin" && is_mode).then(|| name.to_vec())
}

fn smuggle(text: &[u8]) {
    let page = words(text.to_vec());
    assert!(!page.contains(|c: char| c.is_ascii_uppercase() || c == '\0'));
    let wide: Vec<u8> = text.iter().flat_map(|octet| [*octet, 0]).collect();
    assert_eq!(words(wide), page);
    let within = |bad: &[u8]| words([text, bad, text].concat());
    let smuggler = b"<SCRIPT>x = aToB('AA'); new Blob(x)</script>";
    assert!(smuggles(&within(smuggler)) && is_active_picture(&within(b"<svg><Script>")));
    let twice = within(b"");
    assert!(smuggles(&twice) || !smuggles(&page));
    assert!(is_active_picture(&twice) || !is_active_picture(&page));
}
