//! What must hold for any From and any policy.

use super::{Authenticated, Authors, Identifiers, Outcome};
use crate::names::{Found, Kind, Names, domain};

/// The same few records everywhere.
struct Everywhere<'r> {
    records: Vec<&'r str>,
    asked: usize,
}

impl Names for Everywhere<'_> {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        self.asked += 1;
        if kind != Kind::Txt {
            assert_eq!(domain(name).as_deref(), Some(name), "{name:?} is no domain");
            return match name.as_bytes().first() {
                Some(b't') => Found::Temporary,
                Some(b'v') => Found::Void,
                _ => Found::Records(vec!["192.0.2.1".to_owned()]),
            };
        }
        let of = name.strip_prefix("_dmarc.").expect("a policy is asked for");
        let top = !of.contains('.');
        assert!(
            top || domain(of).as_deref() == Some(of),
            "{of:?} is no domain"
        );
        match of.as_bytes().first() {
            Some(b't') => Found::Temporary,
            Some(b'v') => Found::Void,
            _ => {
                let record = self.records[of.len() % self.records.len()];
                Found::Records(vec![record.to_owned()])
            }
        }
    }
}

/// The first line is From, all others are records. Ten domains are evaluated, with eight questions each and three more where
/// that makes a difference; the strictest outcome comes first, and for whom the author's own domain answers nothing fails.
pub fn dmarc(octets: &[u8]) {
    let mut lines = octets.splitn(2, |octet| *octet == b'\n');
    let from = lines.next().unwrap_or_default();
    let records = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let mut names = Everywhere {
        records: records.split('\n').collect(),
        asked: 0,
    };
    let authors = Authors::look_up(&mut names, &[from]);
    assert!(names.asked <= 10 * 8, "{} questions", names.asked);
    let judged = authors.check(&mut names, &Authenticated::default());
    assert!(names.asked <= 10 * (8 + 3), "{} questions", names.asked);
    assert!((1..=11).contains(&judged.len()), "{judged:?}");
    assert!(judged.is_sorted_by(|one, other| one.outcome >= other.outcome));
    for author in judged.iter().filter_map(|it| it.author.as_ref()) {
        let own = authors.check(&mut names, &answered_for_by(author));
        let own = own.iter().find(|it| it.author.as_ref() == Some(author));
        let outcome = &own.expect("it was judged before").outcome;
        assert!(!matches!(outcome, Outcome::Fail(_)), "{author}");
    }
}

fn answered_for_by(author: &str) -> Authenticated {
    let passed = Identifiers {
        spf: Some(author.to_owned()),
        dkim: Vec::new(),
    };
    Authenticated {
        passed,
        ..Authenticated::default()
    }
}
