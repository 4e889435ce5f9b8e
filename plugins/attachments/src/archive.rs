//! Looks at what holds other files: by the list of their names, as far as there is one to read.

use lazaret_filter::parts::{self, Part};

use crate::findings::{Finding, Findings};
use crate::names::{self, Extensions, FEW, Nature};
use crate::packed;
use crate::zip::{self, Ends, Member};

/// Octets of all directories of an archive.
const MOST_OCTETS: u32 = 2 * 1024 * 1024;

/// A ZIP archive, or what may be one behind other octets.
pub fn zipped(part: &Part, shown: &str, extensions: &Extensions, findings: &mut Findings) {
    if !zipped_too(part, Ends::Any, shown, extensions, findings) {
        unlisted(shown, findings);
    }
}

/// The ZIP archive that an archive of another kind may be as well. One that is only in it, at its end, does not end where
/// that does. False where there is none.
pub fn zipped_too(
    part: &Part,
    ends: Ends,
    shown: &str,
    extensions: &Extensions,
    findings: &mut Findings,
) -> bool {
    let (lists, complete) = listed(part, ends);
    if !complete {
        unlisted(shown, findings);
    }
    for members in &lists {
        all(members, shown, findings);
        for member in members {
            each(member, members.len(), shown, extensions, findings);
        }
    }
    !lists.is_empty()
}

/// One compressed file. What Windows would take for a `.com` is the log of a site more often.
pub fn compressed(name: &str, head: &[u8], extensions: &Extensions, findings: &mut Findings) {
    let shown = names::shown(name);
    if !names::is_packed(&names::extension(name)) {
        return unlisted(&shown, findings);
    }
    for inner in packed::inner_names(name, head) {
        let extension = names::extension(&inner);
        if extension.is_empty() || extension == "com" || names::is_closed(&inner) {
            unlisted(&shown, findings);
        } else {
            let inside = format!("{} in {shown}", names::shown(&inner));
            findings.name(extensions.judge_packed(&inner), &inside);
        }
    }
}

pub fn unlisted(shown: &str, findings: &mut Findings) {
    findings.add(
        Finding::Unlisted,
        format!("the names in {shown} cannot be listed"),
    );
}

/// The members by each directory that there is, for unpackers do not agree which counts; and whether that is all.
fn listed(part: &Part, ends: Ends) -> (Vec<Vec<Member>>, bool) {
    let length = part.size.min(zip::TAIL);
    let tail = parts::read_all(part.index, part.size - length, length).unwrap_or_default();
    let (mut lists, mut complete) = (Vec::new(), true);
    let mut left = MOST_OCTETS;
    for directory in zip::directories(&tail, part.size, ends) {
        // They may overlap, and cost the sender nothing.
        let Some(rest) = left.checked_sub(directory.size) else {
            complete = false;
            break;
        };
        left = rest;
        let octets = parts::read_all(part.index, directory.offset, directory.size);
        complete &= octets.is_ok();
        let members = zip::members(&octets.unwrap_or_default());
        if !members.is_empty() {
            complete &= !directory.is_cut;
            lists.push(members);
        }
    }
    (lists, complete)
}

fn all(members: &[Member], shown: &str, findings: &mut Findings) {
    if members.iter().any(|member| member.encrypted) {
        findings.add(Finding::Encrypted, format!("{shown} is encrypted"));
    }
    // Who opens them compares names so (ECMA-376 part 2, and Java its manifest).
    let plain = |name: &str| name.to_ascii_lowercase().replace('\\', "/");
    let names: Vec<_> = members.iter().flat_map(Member::names).map(plain).collect();
    let has = |wanted: fn(&str) -> bool| names.iter().any(|name| wanted(name));
    if has(|name| name == "androidmanifest.xml")
        || has(|name| name == "meta-inf/manifest.mf") && has(|name| name.ends_with(".class"))
    {
        findings.add(
            Finding::Program,
            format!("{shown} is a Java or Android program"),
        );
    }
    if has(is_of_macros) {
        findings.add(Finding::Macros, format!("{shown} has macros"));
    }
}

/// Is that, in lower case, how Office calls a part with macros, or what belongs to them?
fn is_of_macros(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    matches!(file, "vbaproject.bin" | "vbadata.xml") || name.contains("xl/macrosheets/")
}

fn each(
    member: &Member,
    count: usize,
    shown: &str,
    extensions: &Extensions,
    findings: &mut Findings,
) {
    for name in member.names() {
        let inside = || format!("{} in {shown}", names::shown(name));
        let nature = extensions.judge_packed(name);
        if nature != Nature::Plain && (nature != Nature::Source || count <= FEW) {
            findings.name(nature, &inside());
        } else if names::is_closed(name) {
            unlisted(&inside(), findings);
        }
    }
}
