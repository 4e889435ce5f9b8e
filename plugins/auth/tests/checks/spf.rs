//! What must hold for any SPF record, and for any sender.

use super::{Outcome, Sender, check};
use crate::names::{Found, Kind, Names};

/// Questions that ten terms may cost: a record each, or an exchange's or client's ten hosts, and as many for `%{p}`.
const MOST: usize = 1 + 10 * 22;

/// The same few records everywhere.
struct Everywhere<'r> {
    records: Vec<&'r str>,
    asked: usize,
}

impl Names for Everywhere<'_> {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        self.asked += 1;
        assert!(name.len() <= 253, "{name:?} is too long to be asked for");
        let host = |before: &str, n: u32| format!("{before}h{n}.example");
        match (kind, name.as_bytes().first()) {
            (_, Some(b't')) => Found::Temporary,
            (_, Some(b'v')) => Found::Void,
            (Kind::Txt, _) => {
                let record = self.records[name.len() % self.records.len()];
                Found::Records(vec![record.to_owned()])
            }
            (Kind::A, _) => Found::Records(vec!["192.0.2.1".to_owned()]),
            (Kind::Aaaa, _) => Found::Records(vec!["2001:db8::1".to_owned()]),
            (Kind::Mx, _) => Found::Records((0..10).map(|n| host("10 ", n)).collect()),
            (Kind::Ptr, _) => Found::Records((0..12).map(|n| host("", n)).collect()),
        }
    }
}

/// The first line is a local part and a greeting, all others are records. What they cost is bounded, and how they are
/// written does not matter.
pub fn spf(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (sender, records) = text.split_once('\n').unwrap_or(("bob", &text));
    let (local_part, hello) = sender.split_once(' ').unwrap_or((sender, "host.example"));
    for address in ["192.0.2.1", "192.0.2.9", "2001:db8::1"] {
        let sender = Sender {
            address: address.parse().expect("an address"),
            hello,
            local_part,
            domain: "example.com",
        };
        let outcome = cost(records, &sender);
        if !records.contains('%') && records.is_ascii() {
            assert_eq!(cost(&records.to_ascii_uppercase(), &sender), outcome);
            assert_eq!(cost(&records.replace(' ', "  "), &sender), outcome);
        }
    }
}

fn cost(records: &str, sender: &Sender<'_>) -> Outcome {
    let mut names = Everywhere {
        records: records.split('\n').collect(),
        asked: 0,
    };
    let outcome = check(&mut names, sender);
    assert!(names.asked <= MOST, "{} questions", names.asked);
    outcome
}
