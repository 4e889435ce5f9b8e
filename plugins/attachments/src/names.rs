//! What a file name says, and what it hides.

use std::collections::HashSet;

/// Windows, and the desktops of others, run these when they are opened, or mount them and show what can be run.
const PROGRAMS: &str = "ace app appcontent-ms application appref-ms appx bat cab chm cmd com cpl desktop diagcab dll dmg exe \
    gadget hlp hta htc img inf ins iqy iso isp jar jnlp job js jse ksh library-ms lnk mde mht mhtml msc msh \
    msh1 msh2 mshxml msi msix msp mst msu ocx one oqy pif ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psm1 pyw pyz \
    pyzw rdp reg rqy scf scr sct search-ms searchconnector-ms settingcontent-ms shb shs slk sys url vb vbe \
    vbs vhd vhdx website wll workflow ws wsb wsc wsf wsh xbap xll";

/// Part of many an honest archive of sources; only an archive of few files is judged by them.
const SOURCES: &str = "app bat cmd com dll inf js job ksh reg sys url vb workflow";

/// Extensions of documents with macros in them.
const MACROS: [&str; 9] = [
    "docm", "dotm", "xlsm", "xltm", "xlam", "xlsb", "pptm", "potm", "ppsm",
];

/// What people believe to be harmless, so it stands before the true extension.
const BAITS: &str = "pdf doc docx xls xlsx ppt pptx odt ods rtf txt csv jpg jpeg png gif bmp tif tiff mp3 mp4 avi mov htm \
    html zip rar xml eml";

/// What Windows drops at the end of a name.
const DROPPED: [char; 4] = ['.', ' ', '\u{a0}', ':'];

/// Files in an archive up to which its sources are taken for programs.
pub const FEW: usize = 5;

/// Archives; those of programs are above.
const ARCHIVES: &str = "7z alz arc arj cpio deb egg lha lzh r00 rar rpm tar taz tb2 tbz tbz2 tgz tlz txz tzst uu uue \
    wim xar xxe zip zipx zoo";

/// One compressed file, called what stands before.
const PACKED: &str = "br bz bz2 gz gzip lz lz4 lzma lzo xz z zst";

/// Messages in a file.
const MESSAGES: [&str; 3] = ["eml", "emlx", "msg"];

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
        // `invoice.pdf::$DATA.exe` is saved as `invoice.pdf__$DATA.exe`.
        let word = |piece: &str| is_bait(piece.split(':').next().unwrap_or_default());
        if runs && extensions.next().is_some_and(word) {
            return Nature::Masked;
        }
        match runs {
            _ if name.contains(['\u{202d}', '\u{202e}']) => Nature::Reversed,
            true if is_of(SOURCES, last) => Nature::Source,
            true => Nature::Program,
            false if has_one && MACROS.contains(&last) => Nature::Macros,
            false => Nature::Plain,
        }
    }

    /// The same, and of what unpackers make of `a.exe.gz`; what Windows would take for a `.com` is the log of a site more
    /// often.
    pub fn judge_packed(&self, name: &str) -> Nature {
        let inside = unpacked(name).filter(|inner| extension(inner) != "com");
        let mut natures = inside.map(|inner| self.judge(&inner));
        match self.judge(name) {
            Nature::Plain => natures
                .find(|nature| *nature != Nature::Plain)
                .unwrap_or(Nature::Plain),
            nature => nature,
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

/// As a desktop sees it, without the last extension, in lower case.
pub fn without_extension(name: &str) -> String {
    let clean = cleaned(name);
    let start = clean.rsplit_once('.').map(|(start, _)| start.to_owned());
    start.unwrap_or(clean)
}

/// Nobody unpacks more of them one after the other, and a name may be 64 KiB of `.gz`.
const MOST_LAYERS: usize = 8;

/// What one unpacker after the other makes of it: `a.tar.gz` and `a.tar` of `a.tar.gz.xz`.
fn unpacked(name: &str) -> impl Iterator<Item = String> {
    let inner = |name: &str| is_packed(&extension(name)).then(|| without_extension(name));
    std::iter::successors(inner(name), move |name| inner(name)).take(MOST_LAYERS)
}

/// Does a file of this extension hold others?
pub fn is_archive(extension: &str) -> bool {
    is_packed(extension) || is_of(ARCHIVES, extension)
}

/// Is a file of this extension one other, compressed?
pub fn is_packed(extension: &str) -> bool {
    is_of(PACKED, extension)
}

pub fn is_message(extension: &str) -> bool {
    MESSAGES.contains(&extension)
}

/// What is inside cannot be told from the name alone: `a.zip`, `a.tar.gz`, `a.eml`, `example.com.gz`, but not `a.txt.gz`.
pub fn is_closed(name: &str) -> bool {
    let extension = extension(name);
    let inner = || self::extension(&without_extension(name));
    if is_packed(&extension) {
        let inner = inner();
        inner.is_empty() || inner == "com" || is_archive(&inner)
    } else {
        is_archive(&extension) || is_message(&extension)
    }
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
    is_of(BAITS, extension)
}

fn is_of(words: &str, extension: &str) -> bool {
    words.split_ascii_whitespace().any(|word| word == extension)
}

/// As a desktop takes it: without folders, alternate streams, unseen characters and what Windows drops at the end.
fn cleaned(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen: String = base
        .chars()
        .filter(|&c| !is_unseen(c))
        .map(with_plain_dot)
        .collect();
    without_streams(&seen).to_lowercase()
}

/// Without `::$DATA` and the like at its end, which no dot is part of, and what is dropped there.
fn without_streams(name: &str) -> &str {
    let mut name = name.trim_end_matches(DROPPED);
    while let Some((file, kind)) = name.rsplit_once("::$")
        && !kind.contains('.')
    {
        name = file.trim_end_matches(DROPPED);
    }
    name
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
            ("setup.exe::$a::$DATA. ", Nature::Program),
            ("a::$b.exe::$DATA", Nature::Program),
            ("setup.exe:", Nature::Program),
            ("setup.exe:: .", Nature::Program),
            ("invoice.pdf::$DATA.exe", Nature::Masked),
            // Who saves it writes other characters for those that no file may have.
            ("invoice::$DATA.exe", Nature::Program),
            ("invoice::$DATA\u{ff0e}exe", Nature::Program),
            ("server.rdp", Nature::Program),
            ("query.iqy", Nature::Program),
            ("sheet.slk", Nature::Program),
            ("sandbox.wsb", Nature::Program),
            ("docs.library-ms", Nature::Program),
            ("page.mht", Nature::Program),
            ("notes.one", Nature::Program),
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
    fn knows_what_holds_more() {
        for (name, closed) in [
            ("a.zip", true),
            ("a.TAR.gz ", true),
            ("a.tgz", true),
            ("a.gz", true),
            ("a.rar.xz", true),
            ("a.exe.gz.xz", true),
            ("www.example.com.gz", true),
            ("a.eml", true),
            ("access.log.gz", false),
            ("a.txt", false),
            ("zip", false),
            ("", false),
        ] {
            assert_eq!(is_closed(name), closed, "{name:?}");
        }
    }

    #[test]
    fn judges_what_is_packed() {
        let extensions = Extensions::new(&[], &[]);
        for (name, nature) in [
            ("invoice.pdf.exe.gz", Nature::Masked),
            ("setup.exe.gz.bz2", Nature::Program),
            ("setup.EXE.GZ. ", Nature::Program),
            ("run.js.zst", Nature::Source),
            ("plan.xlsm.xz", Nature::Macros),
            ("annex\u{202e}fdp.txt.gz", Nature::Reversed),
            ("a.com", Nature::Source),
            ("a.com.gz", Nature::Plain),
            ("a.exe.txt.gz", Nature::Plain),
            ("exe.gz", Nature::Plain),
            (".gz.gz", Nature::Plain),
        ] {
            assert_eq!(extensions.judge_packed(name), nature, "{name:?}");
        }
    }

    #[test]
    fn shows_only_plain_names() {
        assert_eq!(shown("a b.exe"), "\"a b.exe\"");
        assert_eq!(shown("a\r\n250 ok.exe"), "an attachment");
        assert_eq!(shown(&"x".repeat(61)), "an attachment");
    }
}
