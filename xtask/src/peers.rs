//! Tests against real mail software say so on a line of their own; here these lines are counted.
//!
//! `peer: <name> ran` and `skipped: <name> not installed`, whatever stands around them.

use std::collections::BTreeMap;
use std::fmt;

/// How often each peer took part, and which were not there.
#[derive(Debug, Default)]
pub struct Peers {
    ran: BTreeMap<String, usize>,
    skipped: BTreeMap<String, usize>,
}

impl Peers {
    /// Takes one line of test output.
    pub fn note(&mut self, line: &str) {
        if let Some(name) = between(line, "peer: ", " ran") {
            *self.ran.entry(name.to_owned()).or_default() += 1;
        }
        if let Some(name) = between(line, "skipped: ", " not installed") {
            *self.skipped.entry(name.to_owned()).or_default() += 1;
        }
    }
    /// How many peer tests ran.
    pub fn ran(&self) -> usize {
        self.ran.values().sum()
    }
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.trim_end().strip_suffix(after)
}

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped: usize = self.skipped.values().sum();
        write!(f, "peer tests: {} ran{}", self.ran(), listed(&self.ran))?;
        write!(f, ", {skipped} skipped{}", listed(&self.skipped))
    }
}

fn listed(names: &BTreeMap<String, usize>) -> String {
    if names.is_empty() {
        return String::new();
    }
    let words: Vec<_> = names
        .iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    format!(" ({})", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::Peers;

    fn summary(output: &str) -> String {
        let mut peers = Peers::default();
        output.lines().for_each(|line| peers.note(line));
        peers.to_string()
    }

    #[test]
    fn counts_by_name() {
        let output = "running 3 tests\npeer: postfix ran\npeer: swaks ran\n  peer: postfix ran\n\
                      skipped: exim4 not installed\ntest ok\n";
        assert_eq!(
            summary(output),
            "peer tests: 3 ran (postfix 2, swaks 1), 1 skipped (exim4 1)"
        );
    }

    #[test]
    fn other_lines_do_not_count() {
        assert_eq!(
            summary("a peer ran away\npeer: postfix\nskipped: it\n"),
            "peer tests: 0 ran, 0 skipped"
        );
    }
}
