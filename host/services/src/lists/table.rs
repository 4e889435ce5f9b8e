//! The entries of a list, as they are read and found.

use std::path::Path;

use super::Kind;
use super::networks::Networks;
use super::words::Words;
use crate::{Fault, Refused};

/// Octets of a line, at most.
pub const LINE: usize = 2048;

/// What was read of a list.
pub enum Table {
    Words(Words),
    Domains(Words),
    Networks(Networks),
}

impl Table {
    /// What stands behind the entry that holds this one.
    pub fn find(&self, entry: &str) -> Result<Option<String>, Refused> {
        match self {
            Table::Words(words) => Ok(words.find(&entry.to_lowercase())),
            Table::Domains(domains) => Ok(find_domain(domains, entry)),
            Table::Networks(networks) => {
                let address = entry.trim_matches(['[', ']']).parse();
                let address = address.map_err(|_| Refused::Invalid)?;
                Ok(networks.find(address))
            }
        }
    }

    /// Entries.
    pub fn len(&self) -> usize {
        match self {
            Table::Words(words) | Table::Domains(words) => words.len(),
            Table::Networks(networks) => networks.len(),
        }
    }
}

/// The domain itself, then the one above it, and so on: the first is the most specific.
fn find_domain(domains: &Words, entry: &str) -> Option<String> {
    let entry = lowered(entry);
    let mut name = entry.strip_suffix('.').unwrap_or(&entry);
    loop {
        if let Some(value) = domains.find(name) {
            return Some(value);
        }
        name = name.split_once('.')?.1;
    }
}

/// The text of the file at `path`, which errors name.
pub fn parse(path: &Path, text: &str, kind: Kind) -> Result<Table, Fault> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.len() > LINE || line.bytes().any(|c| c.is_ascii_control() && c != b'\t') {
            let problem = format!("a line over {LINE} octets, or with control characters");
            return Err(broken(path, number, &problem));
        }
        let (entry, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim_start();
        let value = if value.starts_with('#') { "" } else { value };
        entries.push((number, entry, value));
    }
    let wrong = |(number, problem): (usize, String)| broken(path, number, &problem);
    match kind {
        Kind::Words => {
            let words = entries
                .into_iter()
                .map(|(_, word, value)| (word.to_lowercase(), value));
            Ok(Table::Words(Words::new(words)))
        }
        Kind::Domains => {
            let domains = entries.into_iter().map(|(number, entry, value)| {
                domain(entry).map(|domain| (domain, value)).ok_or_else(|| {
                    let problem = format!("`{}` is no domain", entry.escape_debug());
                    wrong((number, problem))
                })
            });
            let domains = domains.collect::<Result<Vec<_>, _>>()?;
            Ok(Table::Domains(Words::new(domains)))
        }
        Kind::Networks => Networks::new(entries).map(Table::Networks).map_err(wrong),
    }
}

/// In lower case, without a dot at its end, and without the `.` or `*.` that other lists have at the start.
fn domain(entry: &str) -> Option<String> {
    let name = entry
        .strip_prefix("*.")
        .or(entry.strip_prefix('.'))
        .unwrap_or(entry);
    let name = lowered(name.strip_suffix('.').unwrap_or(name));
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(is_letter);
    (name.len() <= 253 && name.split('.').all(is_label)).then_some(name)
}

/// Letter by letter: a sigma is the same whatever stands before it, or a domain would not be found below itself.
fn lowered(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

pub fn broken(path: &Path, line: usize, problem: &str) -> Fault {
    let problem = format!("{}:{line}: {problem}", path.display());
    Fault::new(problem, "correct the line, or begin it with `#`")
}

#[cfg(test)]
#[path = "../../tests/checks/list.rs"]
mod checks;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Kind; 3] = [Kind::Words, Kind::Domains, Kind::Networks];

    fn parsed(text: &str, kind: Kind) -> Result<Table, String> {
        parse(Path::new("list"), text, kind).map_err(|fault| fault.to_string())
    }

    /// What the fuzz target `list` found or began with.
    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("list", checks::list);
    }

    /// What is written of a whole word ends in another sigma than what is written of its letters.
    #[test]
    fn a_domain_is_found_below_itself_in_every_script() {
        let table = parsed("*.\u{3a3}\n", Kind::Domains).unwrap();
        for name in ["\u{3a3}", "a.\u{3a3}", "A.B.\u{3c3}"] {
            assert!(matches!(table.find(name), Ok(Some(_))), "{name}");
        }
    }

    proptest! {
        /// A file is understood, or refused by line and in words fit for a terminal.
        #[test]
        fn any_text_is_a_list_or_refused_by_line(
            text in "(#|[ \t]|\r|\n|\u{1b}|\u{85}|\u{202e}|[a-zA-Z0-9ü*._@:/-]{1,9}|192\\.0\\.2\\.0/2[0-9]|2001:db8::/[0-9]{1,3}){0,30}",
        ) {
            for kind in KINDS {
                match parsed(&text, kind) {
                    Ok(table) => prop_assert!(table.len() <= text.lines().count()),
                    Err(problem) => {
                        let rest = problem.strip_prefix("list:").expect("the file");
                        let line: usize = rest.split(':').next().unwrap().parse().unwrap();
                        prop_assert!((1..=text.lines().count()).contains(&line), "{problem}");
                        prop_assert!(!problem.contains(char::is_control), "{problem:?}");
                    }
                }
            }
        }

        /// Each line is found by its entry, with what stands behind it; of two equal ones the first.
        #[test]
        fn what_is_listed_is_found(
            entries in prop::collection::btree_map("[a-z0-9-]{1,9}(\\.[a-z0-9ü-]{1,9}){0,3}", "[a-z#]{0,3}|x  y", 1..20),
        ) {
            let lines: String = entries.iter().map(|(entry, value)| format!("{entry}\t {value}\n")).collect();
            for kind in [Kind::Words, Kind::Domains] {
                let table = parsed(&format!("{lines}{lines}"), kind).expect("a list");
                prop_assert_eq!(table.len(), entries.len());
                for (entry, value) in &entries {
                    let expected = if value.starts_with('#') { "" } else { value };
                    let found = table.find(&entry.to_uppercase());
                    prop_assert_eq!(found, Ok(Some(expected.to_owned())), "{}", entry);
                }
            }
        }

        /// An address is in the smallest of the networks that hold it.
        #[test]
        fn the_smallest_network_speaks(
            networks in prop::collection::btree_set((any::<u32>(), 0..=32_u8), 1..20),
            address: u32,
        ) {
            let trunc = |(address, length): &(u32, u8)| {
                let network = ipnet::Ipv4Net::new((*address).into(), *length).unwrap();
                network.trunc()
            };
            let networks: Vec<_> = networks.iter().map(trunc).collect();
            let near = networks[address as usize % networks.len()].addr();
            let lines: String = networks.iter().map(|it| format!("{it} {it}\n")).collect();
            let table = parsed(&lines, Kind::Networks).expect("a list");
            for address in [address.into(), near] {
                let holding = networks.iter().filter(|it| it.contains(&address));
                let smallest = holding.max_by_key(|it| it.prefix_len()).map(ToString::to_string);
                prop_assert_eq!(table.find(&address.to_string()), Ok(smallest));
            }
        }
    }
}
