//! Looks at one part: its name, its first octets, and what its kind keeps elsewhere.

use lazaret_filter::parts::{self, Part};

use crate::findings::{Finding, Findings};
use crate::html;
use crate::kinds::{self, HEAD, ISO_MARK, Kind};
use crate::names::{self, Extensions, FEW, Nature};
use crate::zip::{self, Directory, Member};

/// Octets of a compound file in which names of its streams are looked for.
const MOST_COMPOUND: u32 = 2 * 1024 * 1024;

/// Octets of a text in which uuencoded files are looked for.
const MOST_TEXT: u32 = 256 * 1024;

/// Adds what is found to `findings`. A part that cannot be read is left to what its name says.
pub fn look(part: &Part, extensions: &Extensions, findings: &mut Findings) {
    if part.content_type.starts_with("multipart/") || part.content_type == "message/rfc822" {
        return;
    }
    let name = part.name.as_deref().unwrap_or_default();
    if matches!(
        part.content_type.as_str(),
        "message/partial" | "message/external-body"
    ) {
        findings.add(Finding::Unlisted, "a part of it is elsewhere");
    }
    let head = parts::read(part.index, 0, HEAD).unwrap_or_default();
    let kind = kinds::kind(&head);
    by_name(name, &head, extensions, findings);
    by_kind(part, name, kind, extensions, findings);
    if kinds::contradicts(&names::extension(name), kind) {
        let why = format!("{} is not what its name says", names::shown(name));
        findings.add(Finding::Mismatch, why);
    }
    if part.content_type == "text/plain" {
        uuencoded(part, extensions, findings);
    }
}

fn by_name(name: &str, head: &[u8], extensions: &Extensions, findings: &mut Findings) {
    let nature = extensions.judge(name);
    let is_site = names::extension(name) == "com" && std::str::from_utf8(head).is_ok();
    if !is_site {
        judged(nature, &names::shown(name), findings);
    }
}

fn judged(nature: Nature, shown: &str, findings: &mut Findings) {
    match nature {
        Nature::Masked => findings.add(
            Finding::Program,
            format!("{shown} is a program that looks like a document"),
        ),
        Nature::Reversed => findings.add(
            Finding::Disguise,
            format!("{shown} has a name written in the wrong direction"),
        ),
        Nature::Program | Nature::Source => {
            findings.add(Finding::Program, format!("{shown} is a program"));
        }
        Nature::Macros => findings.add(Finding::Macros, format!("{shown} has macros")),
        Nature::Plain => {}
    }
}

fn by_kind(part: &Part, name: &str, kind: Kind, extensions: &Extensions, findings: &mut Findings) {
    let shown = names::shown(name);
    match kind {
        Kind::Program(what) => findings.add(Finding::Program, format!("{shown} is {what}")),
        Kind::Zip => archive(part, &shown, extensions, findings),
        // octets before an archive do not keep unpackers from it
        Kind::Unknown if names::extension(name) == "zip" => {
            archive(part, &shown, extensions, findings)
        }
        Kind::Compound => compound(part, &shown, findings),
        Kind::OtherArchive if !is_open_archive(name) => {
            findings.add(
                Finding::Unlisted,
                format!("the names in {shown} cannot be listed"),
            );
        }
        Kind::Unknown if is_disk(part) => {
            findings.add(Finding::Program, format!("{shown} is a disk image"));
        }
        Kind::Html => page(part, &shown, findings),
        Kind::Unknown if is_page(part, name) => page(part, &shown, findings),
        _ => {}
    }
}

/// What gzip holds is one file, told by the name; those are sources and logs.
fn is_open_archive(name: &str) -> bool {
    matches!(names::extension(name).as_str(), "gz" | "tgz")
}

fn is_disk(part: &Part) -> bool {
    let (offset, mark) = ISO_MARK;
    part.size > offset
        && parts::read(part.index, offset, mark.len() as u32).is_ok_and(|octets| octets == mark)
}

fn archive(part: &Part, shown: &str, extensions: &Extensions, findings: &mut Findings) {
    let Some(members) = listed(part) else {
        findings.add(
            Finding::Unlisted,
            format!("the names in {shown} cannot be listed"),
        );
        return;
    };
    if members.iter().any(|member| member.encrypted) {
        findings.add(Finding::Encrypted, format!("{shown} is encrypted"));
    }
    let has = |wanted: fn(&str) -> bool| members.iter().any(|member| wanted(&member.name));
    if has(|name| name == "AndroidManifest.xml")
        || has(|name| name == "META-INF/MANIFEST.MF") && has(|name| name.ends_with(".class"))
    {
        findings.add(
            Finding::Program,
            format!("{shown} is a Java or Android program"),
        );
    }
    if has(|name| name.ends_with("/vbaProject.bin") || name.contains("xl/macrosheets/")) {
        findings.add(Finding::Macros, format!("{shown} has macros"));
    }
    for member in &members {
        let nature = extensions.judge(&member.name);
        if nature != Nature::Source || members.len() <= FEW {
            judged(
                nature,
                &format!("{} in {shown}", names::shown(&member.name)),
                findings,
            );
        }
    }
}

fn listed(part: &Part) -> Option<Vec<Member>> {
    let length = part.size.min(zip::TAIL);
    let tail = parts::read_all(part.index, part.size - length, length).ok()?;
    let mut members = Vec::new();
    for Directory { offset, size } in zip::directories(&tail, part.size) {
        let directory = parts::read_all(part.index, offset, size).ok()?;
        members.extend(zip::members(&directory));
    }
    (!members.is_empty()).then_some(members)
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

/// By what it is called: a page need not begin like one.
fn is_page(part: &Part, name: &str) -> bool {
    let extension = names::extension(name);
    matches!(
        extension.as_str(),
        "htm" | "html" | "shtml" | "xhtml" | "xht" | "svg" | "xml"
    ) || matches!(
        part.content_type.as_str(),
        "text/html" | "application/xhtml+xml" | "image/svg+xml"
    )
}

/// Pages that are attached, not the text of the message.
fn page(part: &Part, shown: &str, findings: &mut Findings) {
    if part.name.is_none() && !part.attachment {
        return;
    }
    let octets = parts::read_all(part.index, 0, part.size.min(html::MOST)).unwrap_or_default();
    let text = String::from_utf8_lossy(&octets);
    if html::smuggles(&text) {
        findings.add(
            Finding::Smuggling,
            format!("{shown} makes a file out of itself"),
        );
    } else if html::is_active_picture(&text) {
        findings.add(
            Finding::Smuggling,
            format!("{shown} is a picture with a script"),
        );
    }
}

/// Some readers show `begin 644 name` in a text as an attachment (POSIX uuencode).
fn uuencoded(part: &Part, extensions: &Extensions, findings: &mut Findings) {
    let octets = parts::read_all(part.index, 0, part.size.min(MOST_TEXT)).unwrap_or_default();
    for line in octets.split(|&b| b == b'\n') {
        let Some((mode, name)) = line
            .strip_prefix(b"begin ")
            .and_then(|rest| rest.split_at_checked(3))
        else {
            continue;
        };
        if mode.iter().all(u8::is_ascii_digit) && name.starts_with(b" ") {
            let name = String::from_utf8_lossy(name);
            let name = name.trim();
            judged(extensions.judge(name), &names::shown(name), findings);
        }
    }
}
