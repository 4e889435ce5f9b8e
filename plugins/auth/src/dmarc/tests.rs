//! Tables: who answers for the message, and whether that is the author's domain.

use super::*;

struct Zone(&'static [(&'static str, &'static str)]);

impl Names for Zone {
    fn look_up(&mut self, name: &str, _: Kind) -> Found {
        let records: Vec<_> = self.0.iter().filter(|(own, _)| *own == name).collect();
        match records.as_slice() {
            [] => Found::Void,
            [(_, "TEMP")] => Found::Temporary,
            some => Found::Records(some.iter().map(|(_, text)| (*text).to_owned()).collect()),
        }
    }
}

fn outcome(zone: &'static [(&str, &str)], author: &str, spf: &str, dkim: &[&str]) -> Outcome {
    let authenticated = Authenticated {
        passed: identifiers(spf, dkim),
        ..Authenticated::default()
    };
    let judged = of_authors(zone, author, &authenticated);
    assert_eq!(judged.len(), 1, "{judged:?}");
    judged[0].outcome.clone()
}

fn identifiers(spf: &str, dkim: &[&str]) -> Identifiers {
    Identifiers {
        spf: (!spf.is_empty()).then(|| spf.to_owned()),
        dkim: dkim.iter().map(|domain| (*domain).to_owned()).collect(),
    }
}

/// Of a From that names one author of each of these domains.
fn of_authors(
    zone: &'static [(&str, &str)],
    domains: &str,
    authenticated: &Authenticated,
) -> Vec<Judged> {
    let addresses: Vec<_> = domains.split(' ').map(|it| format!("a@{it}")).collect();
    let field = addresses.join(", ");
    Authors::look_up(&mut Zone(zone), &[field.as_bytes()]).check(authenticated)
}

const RELAXED: &[(&str, &str)] = &[("_dmarc.example.com", "v=DMARC1; p=reject; sp=quarantine")];
const STRICT: &[(&str, &str)] = &[("_dmarc.example.com", "v=DMARC1;p=reject;adkim=s;aspf=s")];

#[test]
fn whoever_is_aligned_passes() {
    let reject = Outcome::Fail(Wish::Reject);
    for (author, spf, dkim, relaxed, strict) in [
        (
            "example.com",
            "example.com",
            "",
            Outcome::Pass,
            Outcome::Pass,
        ),
        (
            "example.com",
            "",
            "example.com",
            Outcome::Pass,
            Outcome::Pass,
        ),
        (
            "example.com",
            "mail.example.com",
            "",
            Outcome::Pass,
            reject.clone(),
        ),
        (
            "example.com",
            "",
            "news.example.com",
            Outcome::Pass,
            reject.clone(),
        ),
        (
            "example.com",
            "example.net",
            "example.org",
            reject.clone(),
            reject.clone(),
        ),
        (
            "example.com",
            "badexample.com",
            "",
            reject.clone(),
            reject.clone(),
        ),
        ("example.com", "", "", reject.clone(), reject.clone()),
        (
            "news.example.com",
            "example.com",
            "",
            Outcome::Pass,
            reject.clone(),
        ),
        (
            "news.example.com",
            "",
            "other.example.com",
            Outcome::Pass,
            reject.clone(),
        ),
        (
            "news.example.com",
            "",
            "",
            Outcome::Fail(Wish::Quarantine),
            reject.clone(),
        ),
    ] {
        let dkim: &[&str] = if dkim.is_empty() { &[] } else { &[dkim] };
        assert_eq!(
            outcome(RELAXED, author, spf, dkim),
            relaxed,
            "{author} {spf} {dkim:?}"
        );
        assert_eq!(
            outcome(STRICT, author, spf, dkim),
            strict,
            "strict {author} {spf} {dkim:?}"
        );
    }
}

#[test]
fn a_policy_is_looked_for_up_the_tree() {
    let suffix: &[(&str, &str)] = &[
        ("_dmarc.example", "v=DMARC1; p=reject; psd=y"),
        ("_dmarc.a.example", "v=DMARC1; p=none"),
    ];
    assert_eq!(
        outcome(suffix, "x.b.example", "", &[]),
        Outcome::Fail(Wish::Reject)
    );
    assert_eq!(
        outcome(suffix, "x.b.example", "b.example", &[]),
        Outcome::Pass
    );
    assert_eq!(
        outcome(suffix, "x.b.example", "c.example", &[]),
        Outcome::Fail(Wish::Reject),
        "a neighbour"
    );
    assert_eq!(
        outcome(suffix, "x.a.example", "", &[]),
        Outcome::Fail(Wish::None)
    );
    let own: &[(&str, &str)] = &[
        ("_dmarc.dept.example.com", "v=DMARC1; p=quarantine; psd=n"),
        ("_dmarc.example.com", "v=DMARC1; p=reject"),
    ];
    assert_eq!(
        outcome(own, "x.dept.example.com", "", &[]),
        Outcome::Fail(Wish::Quarantine)
    );
    assert_eq!(
        outcome(own, "x.dept.example.com", "example.com", &[]),
        Outcome::Fail(Wish::Quarantine)
    );
    assert_eq!(
        outcome(RELAXED, "a.b.c.d.e.f.g.h.i.example.com", "", &[]),
        Outcome::Fail(Wish::Quarantine)
    );
}

#[test]
fn what_is_no_policy_asks_for_nothing() {
    for record in [
        "v=DMARC2; p=reject",
        "p=reject; v=DMARC1",
        "v=spf1 -all",
        "",
    ] {
        assert!(Policy::parse(record).is_none(), "{record}");
    }
    assert_eq!(outcome(&[], "example.com", "", &[]), Outcome::None);
    let two: &[(&str, &str)] = &[
        ("_dmarc.example.com", "v=DMARC1; p=reject"),
        ("_dmarc.example.com", "v=DMARC1; p=none"),
    ];
    assert_eq!(outcome(two, "example.com", "", &[]), Outcome::None);
    let late: &[(&str, &str)] = &[("_dmarc.example.com", "TEMP")];
    assert_eq!(
        outcome(late, "example.com", "example.com", &[]),
        Outcome::TempError
    );
}

#[test]
fn a_test_is_one_step_milder() {
    let testing: &[(&str, &str)] = &[("_dmarc.example.com", "v=DMARC1; p=reject; t=y")];
    assert_eq!(
        outcome(testing, "example.com", "", &[]),
        Outcome::Fail(Wish::Quarantine)
    );
}

/// Being late helps only those who could have answered for the author.
#[test]
fn only_who_could_have_answered_may_be_late() {
    let reject = Outcome::Fail(Wish::Reject);
    for (spf, dkim, relaxed, strict) in [
        ("example.com", "", Outcome::TempError, Outcome::TempError),
        ("", "example.com", Outcome::TempError, Outcome::TempError),
        ("mail.example.com", "", Outcome::TempError, reject.clone()),
        ("", "news.example.com", Outcome::TempError, reject.clone()),
        ("example.net", "", reject.clone(), reject.clone()),
        ("", "example.net", reject.clone(), reject.clone()),
        ("com", "badexample.com", reject.clone(), reject.clone()),
    ] {
        let dkim: &[&str] = if dkim.is_empty() { &[] } else { &[dkim] };
        let authenticated = Authenticated {
            passed: identifiers("example.org", &["example.org"]),
            late: identifiers(spf, dkim),
        };
        for (zone, expected) in [(RELAXED, &relaxed), (STRICT, &strict)] {
            let judged = of_authors(zone, "example.com", &authenticated);
            assert_eq!(judged[0].outcome, *expected, "{spf} {dkim:?}");
        }
        let passed = Authenticated {
            passed: identifiers("", &["example.com"]),
            ..authenticated
        };
        let judged = of_authors(STRICT, "example.com", &passed);
        assert_eq!(judged[0].outcome, Outcome::Pass, "{spf} {dkim:?}");
    }
}

#[test]
fn the_strictest_outcome_comes_first() {
    let zone: &[(&str, &str)] = &[
        ("_dmarc.example.com", "v=DMARC1; p=reject"),
        ("_dmarc.example.net", "v=DMARC1; p=none"),
        ("_dmarc.late.example", "TEMP"),
    ];
    let authenticated = Authenticated {
        passed: identifiers("example.com", &[]),
        ..Authenticated::default()
    };
    let words = |domains: &str| -> Vec<_> {
        let judged = of_authors(zone, domains, &authenticated);
        let word = |it: &Judged| (it.author.clone().unwrap_or_default(), it.outcome.clone());
        judged.iter().map(word).collect()
    };
    let named = |domain: &str, outcome| (domain.to_owned(), outcome);
    assert_eq!(
        words("example.com localhost late.example example.org example.net"),
        [
            named("example.net", Outcome::Fail(Wish::None)),
            named("late.example", Outcome::TempError),
            named("", Outcome::PermError),
            named("example.org", Outcome::None),
            named("example.com", Outcome::Pass),
        ]
    );
}

#[test]
fn a_from_without_a_domain_is_judged_too() {
    let judged = Authors::look_up(&mut Zone(RELAXED), &[]).check(&Authenticated::default());
    assert_eq!(
        judged,
        [Judged {
            author: None,
            outcome: Outcome::PermError
        }]
    );
}
