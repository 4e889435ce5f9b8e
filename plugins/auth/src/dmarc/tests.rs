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
        spf: (!spf.is_empty()).then(|| spf.to_owned()),
        dkim: dkim.iter().map(|domain| (*domain).to_owned()).collect(),
        incomplete: false,
    };
    check(&mut Zone(zone), author, &authenticated)
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

#[test]
fn who_could_not_be_asked_is_not_said_to_have_failed() {
    let authenticated = Authenticated {
        incomplete: true,
        ..Authenticated::default()
    };
    assert_eq!(
        check(&mut Zone(RELAXED), "example.com", &authenticated),
        Outcome::TempError
    );
}

#[test]
fn the_author_is_who_is_in_from() {
    for (from, domain) in [
        (" Alice <alice@Example.COM>", Some("example.com")),
        (" alice@example.com", Some("example.com")),
        (
            " \"bank@example.net <x@example.net>\" <mallory@example.org>",
            Some("example.org"),
        ),
        (
            " a(b@example.net)@example.com (c, d@example.net)",
            Some("example.com"),
        ),
        (" \"a\\\"<b@example.net>\"@example.com", Some("example.com")),
        (
            " group: a@example.com, <b@example.com>;",
            Some("example.com"),
        ),
        (" a@example.com, b@example.net", None),
        (" a@example.com <b@example.net>", Some("example.net")),
        (" undisclosed", None),
        (" a@localhost", None),
        ("", None),
    ] {
        assert_eq!(author(&[from.as_bytes()]).as_deref(), domain, "{from}");
    }
    assert_eq!(
        author(&[b" a@example.com", b" a@example.com"]),
        None,
        "two fields"
    );
    assert_eq!(author(&[]), None);
}
