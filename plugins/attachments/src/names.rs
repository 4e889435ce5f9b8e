//! What a file name says, and what it hides.

use std::collections::HashSet;

/// Windows, and the desktops of others, run these when they are opened, or mount them and show what can be run.
const PROGRAMS: &str = "ace app application appx bat cab chm cmd com cpl diagcab dll dmg exe gadget hta htc img inf ins \
    iso isp jar job js jse ksh lnk mde msc msi msix msp mst ocx pif ps1 ps1xml ps2 psc1 psd1 psm1 pyw reg scf scr sct \
    search-ms settingcontent-ms shb shs sys url vb vbe vbs vhd vhdx wll workflow ws wsc wsf wsh xbap xll";

/// Part of many an honest archive of sources; only an archive of few files is judged by them.
const SOURCES: &str = "app bat cmd com dll inf js job ksh reg sys url vb workflow";

/// Extensions of documents with macros in them.
const MACROS: [&str; 9] = [
    "docm", "dotm", "xlsm", "xltm", "xlam", "xlsb", "pptm", "potm", "ppsm",
];

/// What people believe to be harmless, so it stands before the true extension.
const BAITS: &str = "pdf doc docx xls xlsx ppt pptx odt ods rtf txt csv jpg jpeg png gif bmp tif tiff mp3 mp4 avi mov htm \
    html zip rar xml eml";

/// Files in an archive up to which its sources are taken for programs.
pub const FEW: usize = 5;

/// Octets of a name that is told to the sender; two of them and some words fit into a reason for points.
const LONGEST_SHOWN: usize = 60;

/// The extensions of programs.
#[derive(Debug)]
pub struct Extensions(HashSet<String>);

/// What a name is, from the worst down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// runs, and looks like a document
    Masked,
    /// written in the wrong direction
    Reversed,
    /// runs
    Program,
    /// runs, but sources are like this too
    Source,
    /// has macros
    Macros,
    /// nothing known against it
    Plain,
}

impl Extensions {
    pub fn new(also: &[String], except: &[String]) -> Self {
        let known = PROGRAMS.split_ascii_whitespace().map(str::to_owned);
        let all = known.chain(also.iter().cloned());
        Self(
            all.filter(|extension| !except.contains(extension))
                .collect(),
        )
    }

    pub fn judge(&self, name: &str) -> Nature {
        let clean = cleaned(name);
        let mut extensions = clean.rsplit('.').map(str::trim);
        let last = extensions.next().unwrap_or_default();
        let has_one = clean.contains('.');
        let runs = has_one && self.0.contains(last);
        if runs && extensions.next().is_some_and(is_bait) {
            return Nature::Masked;
        }
        match runs {
            _ if name.contains(['\u{202d}', '\u{202e}']) => Nature::Reversed,
            true if SOURCES
                .split_ascii_whitespace()
                .any(|source| source == last) =>
            {
                Nature::Source
            }
            true => Nature::Program,
            false if has_one && MACROS.contains(&last) => Nature::Macros,
            false => Nature::Plain,
        }
    }
}

/// The last extension as a desktop sees it, in lower case; empty without one.
pub fn extension(name: &str) -> String {
    let clean = cleaned(name);
    clean
        .rsplit_once('.')
        .map(|(_, last)| last.trim().to_owned())
        .unwrap_or_default()
}

/// For a reply: printable, short, and only if it is plain.
pub fn shown(name: &str) -> String {
    let plain = name.bytes().all(|b| (b' '..=b'~').contains(&b)) && name.len() <= LONGEST_SHOWN;
    if plain {
        format!("\"{name}\"")
    } else {
        "an attachment".to_owned()
    }
}

fn is_bait(extension: &str) -> bool {
    BAITS.split_ascii_whitespace().any(|bait| bait == extension)
}

/// As a desktop takes it: without folders, alternate streams, unseen characters and what Windows drops at the end.
fn cleaned(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let base = base.split("::$").next().unwrap_or_default();
    let seen: String = base
        .chars()
        .filter(|&c| !is_unseen(c))
        .map(with_plain_dot)
        .collect();
    seen.trim_end_matches(['.', ' ', '\t', '\u{a0}'])
        .to_lowercase()
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Characters that look like a dot, and that some unpackers write as one.
fn with_plain_dot(c: char) -> char {
    match c {
        '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_names() {
        let extensions = Extensions::new(&["py".to_owned()], &["url".to_owned()]);
        for (name, nature) in [
            ("invoice.pdf.exe", Nature::Masked),
            ("Rechnung.PDF          .SCR", Nature::Masked),
            ("photo.jpg.exe. . ", Nature::Masked),
            ("photo.jpg.e\u{200b}xe", Nature::Masked),
            ("photo.jpg\u{ff0e}vbs", Nature::Masked),
            ("annex\u{202e}fdp.exe", Nature::Reversed),
            ("setup.exe", Nature::Program),
            ("setup.exe::$DATA", Nature::Program),
            ("..\\..\\setup.hta", Nature::Program),
            ("tool.py", Nature::Program),
            ("site.url", Nature::Plain),
            ("app.js", Nature::Source),
            ("plan.xlsm", Nature::Macros),
            ("exe", Nature::Plain),
            ("report.exe.pdf", Nature::Plain),
            ("v1.2.final.docx", Nature::Plain),
            ("\u{5d3}\u{5d5}\u{5d7}\u{200f}.pdf", Nature::Plain),
            ("", Nature::Plain),
        ] {
            assert_eq!(extensions.judge(name), nature, "{name:?}");
        }
    }

    #[test]
    fn shows_only_plain_names() {
        assert_eq!(shown("a b.exe"), "\"a b.exe\"");
        assert_eq!(shown("a\r\n250 ok.exe"), "an attachment");
        assert_eq!(shown(&"x".repeat(61)), "an attachment");
    }
}
