//! Looks at one part: its name, its first octets, and what its kind keeps elsewhere.

use lazaret_filter::parts::{self, Part};

use crate::archive;
use crate::findings::{Finding, Findings};
use crate::kinds::{self, HEAD, ISO_MARK, Kind};
use crate::names::{self, Extensions, Nature};
use crate::text;
use crate::zip::Ends;

/// Octets of a compound file in which names of its streams are looked for.
const MOST_COMPOUND: u32 = 2 * 1024 * 1024;

/// Adds what is found to `findings`. A part that cannot be read is left to what its name says. What calls itself a
/// message or a multipart may be saved under its name like all others.
pub fn look(part: &Part, extensions: &Extensions, findings: &mut Findings) {
    let name = part.name.as_deref().unwrap_or_default();
    if matches!(
        part.content_type.as_str(),
        "message/partial" | "message/external-body"
    ) {
        findings.add(Finding::Unlisted, "a part of it is elsewhere");
    }
    let head = match part.size {
        0 => Vec::new(),
        _ => parts::read(part.index, 0, HEAD).unwrap_or_default(),
    };
    let kind = kinds::kind(&head);
    by_name(part, name, kind, &head, extensions, findings);
    by_kind(part, name, kind, &head, extensions, findings);
    if kinds::contradicts(&names::extension(name), kind) {
        let why = format!("{} is not what its name says", names::shown(name));
        findings.add(Finding::Mismatch, why);
    }
    // A multipart with octets of its own is shown as a text.
    if ["text/", "multipart/"]
        .iter()
        .any(|kind| part.content_type.starts_with(kind))
    {
        text::uuencoded(part, extensions, findings);
    }
}

fn by_name(
    part: &Part,
    name: &str,
    kind: Kind,
    head: &[u8],
    extensions: &Extensions,
    findings: &mut Findings,
) {
    let (shown, extension) = (names::shown(name), names::extension(name));
    let nature = extensions.judge(name);
    let runs = extension != "com" || may_run(part, kind, head);
    if runs || !matches!(nature, Nature::Program | Nature::Source) {
        findings.name(nature, &shown);
    }
    if names::is_message(&extension) && !is_message(part) {
        archive::unlisted(&shown, findings);
    }
}

/// Of all that is called `.com` most is named after a site.
fn may_run(part: &Part, kind: Kind, head: &[u8]) -> bool {
    match kind {
        Kind::Program(_) => true,
        Kind::Unknown => !is_message(part) && !is_text(head),
        _ => false,
    }
}

/// Its last character may be cut.
fn is_text(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(fault) => fault.error_len().is_none(),
    }
}

/// The host takes these apart.
fn is_message(part: &Part) -> bool {
    matches!(
        part.content_type.as_str(),
        "message/rfc822" | "message/global" | "message/news"
    )
}

fn by_kind(
    part: &Part,
    name: &str,
    kind: Kind,
    head: &[u8],
    extensions: &Extensions,
    findings: &mut Findings,
) {
    let (shown, extension) = (names::shown(name), names::extension(name));
    match kind {
        Kind::Program(what) => findings.add(Finding::Program, format!("{shown} is {what}")),
        Kind::Zip => archive::zipped(part, &shown, extensions, findings),
        Kind::Packed => {
            archive::compressed(name, head, extensions, findings);
            archive::zipped_too(part, ends(&extension), &shown, extensions, findings);
        }
        Kind::OtherArchive => {
            archive::unlisted(&shown, findings);
            archive::zipped_too(part, ends(&extension), &shown, extensions, findings);
        }
        Kind::Compound => compound(part, &shown, findings),
        Kind::Html => text::page(part, &shown, findings),
        Kind::Unknown if is_disk(part) => {
            findings.add(Finding::Program, format!("{shown} is a disk image"));
        }
        Kind::Unknown if text::is_page(part, &extension) => text::page(part, &shown, findings),
        _ => {}
    }
    // Octets before an archive do not keep unpackers from it, whatever they would be alone.
    let is_archive = names::is_archive(&extension) && !is_message(part);
    if is_archive && !kind.is_an_archive() {
        findings.name(extensions.judge_packed(name), &shown);
        archive::zipped(part, &shown, extensions, findings);
    }
}

/// A ZIP archive may stand in one of another kind, at its end, with octets behind it; but not in what is called one itself.
fn ends(extension: &str) -> Ends {
    match extension {
        "zip" | "zipx" => Ends::Any,
        _ => Ends::Sound,
    }
}

fn is_disk(part: &Part) -> bool {
    let (offset, mark) = ISO_MARK;
    part.size > offset
        && parts::read(part.index, offset, mark.len() as u32).is_ok_and(|octets| octets == mark)
}

/// Names of streams in a compound file are UTF-16 (MS-CFB 2.6.1).
fn compound(part: &Part, shown: &str, findings: &mut Findings) {
    let octets = parts::read_all(part.index, 0, part.size.min(MOST_COMPOUND)).unwrap_or_default();
    let has = |stream: &str| {
        let name: Vec<u8> = stream.encode_utf16().flat_map(u16::to_le_bytes).collect();
        octets.windows(name.len()).any(|window| window == name)
    };
    if has("_VBA_PROJECT") {
        findings.add(Finding::Macros, format!("{shown} has macros"));
    }
    if has("EncryptedPackage") {
        findings.add(Finding::Encrypted, format!("{shown} is encrypted"));
    }
}
