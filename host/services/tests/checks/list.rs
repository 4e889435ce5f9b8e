//! What must hold for any list.

use std::path::Path;

use super::{Kind, Table, parse};

/// A file of each kind: it is understood, and each of its first entries is found, or refused by line and in words fit for a
/// terminal.
pub fn list(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    for kind in [Kind::Words, Kind::Domains, Kind::Networks] {
        match parse(Path::new("list"), &text, kind) {
            Ok(table) => is_found(&text, kind, &table),
            Err(fault) => {
                let rest = fault.problem.strip_prefix("list:").expect("the file");
                let line = rest.split(':').next().expect("a line");
                let line: usize = line.parse().expect("a number");
                assert!((1..=text.lines().count()).contains(&line), "{fault}");
                assert!(!fault.problem.contains(char::is_control), "{fault:?}");
            }
        }
    }
}

fn is_found(text: &str, kind: Kind, table: &Table) {
    assert!(table.len() <= text.lines().count());
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines.take(20) {
        let entry = line.split(char::is_whitespace).next().expect("an entry");
        let sought = match kind {
            Kind::Words => entry,
            Kind::Domains => entry.trim_start_matches("*.").trim_start_matches('.'),
            Kind::Networks => entry.split('/').next().expect("an address"),
        };
        let found = table.find(sought);
        assert!(
            matches!(&found, Ok(Some(value)) if !value.contains('\n')),
            "{kind:?} {entry:?}: {found:?}"
        );
    }
}
