//! Tables: who answers for the message, and whether that is the author's domain.

mod book;

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
    let mut names = Zone(zone);
    Authors::look_up(&mut names, &[field.as_bytes()]).check(&mut names, authenticated)
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
    let mut names = Zone(RELAXED);
    let judged = Authors::look_up(&mut names, &[]).check(&mut names, &Authenticated::default());
    assert_eq!(
        judged,
        [Judged {
            author: None,
            outcome: Outcome::PermError
        }]
    );
}

/// Whatever is asked of subdomains is asked of the author if the record stands above it (RFC 9989 section 4.10.1).
#[test]
fn a_record_above_the_author_speaks_of_subdomains() {
    let zone: &[(&str, &str)] = &[
        (
            "_dmarc.example.com",
            "v=DMARC1; p=reject; sp=none; np=reject",
        ),
        ("_dmarc.example.net", "v=DMARC1; p=none; np=quarantine"),
        ("_dmarc.example.org", "v=DMARC1; p=none; np=reject; t=y"),
        ("_dmarc.late.example", "v=DMARC1; p=none; np=reject"),
        ("_dmarc.tld", "v=DMARC1; psd=y; p=reject; sp=none"),
        (
            "_dmarc.suffix",
            "v=DMARC1; psd=y; p=none; sp=quarantine; np=reject",
        ),
        ("www.example.com", "192.0.2.1"),
        ("www.example.net", "192.0.2.1"),
        ("shop.suffix", "192.0.2.1"),
        ("host.late.example", "TEMP"),
    ];
    for (author, wish) in [
        ("example.com", Wish::Reject),
        ("www.example.com", Wish::None),
        ("refund-2026.example.com", Wish::Reject),
        ("www.example.net", Wish::None),
        ("refund-2026.example.net", Wish::Quarantine),
        ("refund-2026.example.org", Wish::Quarantine),
        ("shop.tld", Wish::None),
        ("mail.shop.tld", Wish::None),
        ("shop.suffix", Wish::Quarantine),
        ("other.suffix", Wish::Reject),
    ] {
        assert_eq!(
            outcome(zone, author, "", &[]),
            Outcome::Fail(wish),
            "{author}"
        );
    }
    let late = outcome(zone, "host.late.example", "", &[]);
    assert_eq!(late, Outcome::TempError, "is there such a name?");
}

/// Whoever is below a suffix, or an organisation of its own, is another's (RFC 9989 section 4.10.2).
#[test]
fn a_boundary_below_the_organisation_divides() {
    let zone: &[(&str, &str)] = &[
        ("_dmarc.example.com", "v=DMARC1; p=reject"),
        ("_dmarc.hosted.example.com", "v=DMARC1; p=none; psd=y"),
        ("_dmarc.tenant.example.com", "v=DMARC1; p=none; psd=n"),
        ("_dmarc.dept.example.com", "v=DMARC1; p=none; psd=u"),
        (
            "_dmarc.8.7.6.5.4.3.example.com",
            "v=DMARC1; p=reject; psd=n",
        ),
        ("_dmarc.late.example.com", "TEMP"),
        ("_dmarc.x.late.example.com", "v=DMARC1; psd=n"),
        ("_dmarc.example.net", "v=DMARC1; p=reject; psd=y"),
        (
            "_dmarc.strict.example",
            "v=DMARC1; p=reject; adkim=s; aspf=s",
        ),
        ("_dmarc.late.strict.example", "TEMP"),
    ];
    let (pass, fail) = (Outcome::Pass, Outcome::Fail(Wish::Reject));
    for (author, identifier, expected) in [
        ("example.com", "mallory.hosted.example.com", &fail),
        ("example.com", "a.mallory.hosted.example.com", &fail),
        ("example.com", "hosted.example.com", &fail),
        ("example.com", "tenant.example.com", &fail),
        ("example.com", "a.tenant.example.com", &fail),
        ("www.example.com", "tenant.example.com", &fail),
        ("example.com", "dept.example.com", &pass),
        ("example.com", "a.dept.example.com", &pass),
        ("dept.example.com", "www.example.com", &pass),
        ("example.com", "late.example.com", &Outcome::TempError),
        ("example.com", "x.late.example.com", &fail),
        (
            "example.com",
            "a.b.c.d.e.f.mallory.hosted.example.com",
            &fail,
        ),
        (
            "8.7.6.5.4.3.example.com",
            "9.8.7.6.5.4.3.example.com",
            &fail,
        ),
        ("example.net", "shop.example.net", &fail),
        ("example.net", "example.net", &pass),
        ("strict.example", "late.strict.example", &fail),
        (
            "late.strict.example",
            "late.strict.example",
            &Outcome::TempError,
        ),
    ] {
        let by_dkim = outcome(zone, author, "", &[identifier]);
        assert_eq!(by_dkim, *expected, "{author} {identifier}");
        let by_spf = outcome(zone, author, identifier, &[]);
        assert_eq!(by_spf, *expected, "{author} {identifier}");
    }
    let both = outcome(
        zone,
        "example.com",
        "late.example.com",
        &["dept.example.com"],
    );
    assert_eq!(both, Outcome::Pass, "another one answers for it");
    let both = outcome(
        zone,
        "example.com",
        "late.example.com",
        &["hosted.example.com"],
    );
    assert_eq!(both, Outcome::TempError, "one may");
}

/// Mail is kept waiting where something is asked for, and not for a name server that nobody mends.
#[test]
fn nobody_waits_to_hear_that_nothing_is_asked_for() {
    let zone = &[
        ("_dmarc.mild.example", "v=DMARC1; p=none"),
        ("_dmarc.a.mild.example", "TEMP"),
        ("_dmarc.meant.example", "v=DMARC1; p=none; sp=reject"),
        ("_dmarc.a.meant.example", "TEMP"),
        ("_dmarc.tried.example", "v=DMARC1; p=quarantine; t=y"),
        ("_dmarc.a.tried.example", "TEMP"),
    ];
    for (author, identifier, expected) in [
        ("mild.example", "a.mild.example", Outcome::Undecided),
        ("www.mild.example", "a.mild.example", Outcome::Undecided),
        ("meant.example", "a.meant.example", Outcome::Undecided),
        ("www.meant.example", "a.meant.example", Outcome::TempError),
        ("tried.example", "a.tried.example", Outcome::Undecided),
    ] {
        let found = outcome(zone, author, identifier, &[]);
        assert_eq!(found, expected, "{author} {identifier}");
        assert_eq!(found.word(), "temperror");
    }
}

/// Being late does not help who could not have answered.
#[test]
fn whoever_is_late_beyond_a_boundary_changes_nothing() {
    let zone: &[(&str, &str)] = &[
        ("_dmarc.example.com", "v=DMARC1; p=reject"),
        ("_dmarc.tenant.example.com", "v=DMARC1; psd=n"),
    ];
    for (late, expected) in [
        ("tenant.example.com", Outcome::Fail(Wish::Reject)),
        ("www.example.com", Outcome::TempError),
    ] {
        let authenticated = Authenticated {
            late: identifiers("", &[late]),
            ..Authenticated::default()
        };
        let judged = of_authors(zone, "example.com", &authenticated);
        assert_eq!(judged[0].outcome, expected, "{late}");
    }
}

/// An exact match and strict alignment cost no question more, and no identifier is asked about twice.
#[test]
fn boundaries_are_asked_about_where_they_matter() {
    struct Counted(Zone, Vec<String>);
    impl Names for Counted {
        fn look_up(&mut self, name: &str, kind: Kind) -> Found {
            self.1.push(name.to_owned());
            self.0.look_up(name, kind)
        }
    }
    let asked = |zone, spf, dkim: &[&str]| {
        let mut names = Counted(Zone(zone), Vec::new());
        let authors = Authors::look_up(&mut names, &[b"a@example.com"]);
        names.1.clear();
        let authenticated = Authenticated {
            passed: identifiers(spf, dkim),
            ..Authenticated::default()
        };
        authors.check(&mut names, &authenticated);
        names.1
    };
    assert_eq!(asked(RELAXED, "a.example.com", &["example.com"]), [""; 0]);
    assert_eq!(asked(STRICT, "a.example.com", &["b.example.com"]), [""; 0]);
    assert_eq!(asked(RELAXED, "example.net", &["net"]), [""; 0]);
    let both = ["_dmarc.b.a.example.com", "_dmarc.a.example.com"];
    assert_eq!(
        asked(RELAXED, "b.a.example.com", &["b.a.example.com"]),
        both
    );
    let late: &[(&str, &str)] = &[
        ("_dmarc.example.com", "v=DMARC1; p=reject"),
        ("_dmarc.a.example.com", "TEMP"),
    ];
    let twice = ["a.example.com", "a.example.com"];
    assert_eq!(
        asked(late, "a.example.com", &twice),
        ["_dmarc.a.example.com"]
    );
}

/// The record that counts is there, and whoever is near enough is so whatever stands above.
#[test]
fn a_failure_above_the_authors_own_record_holds_up_little() {
    let zone: &[(&str, &str)] = &[
        ("_dmarc.example.xx", "v=DMARC1; p=reject"),
        ("_dmarc.tenant.example.xx", "v=DMARC1; psd=n"),
        ("_dmarc.strict.xx", "v=DMARC1; p=reject; adkim=s; aspf=s"),
        ("_dmarc.half.xx", "v=DMARC1; p=quarantine; adkim=s"),
        ("_dmarc.xx", "TEMP"),
    ];
    let (pass, late) = (Outcome::Pass, Outcome::TempError);
    let fail = Outcome::Fail(Wish::Reject);
    for (author, spf, dkim, expected) in [
        ("example.xx", "example.xx", "example.xx", &pass),
        ("example.xx", "", "example.xx", &pass),
        ("example.xx", "mail.example.xx", "", &pass),
        ("example.xx", "", "tenant.example.xx", &fail),
        ("example.xx", "other.xx", "", &late),
        ("example.xx", "example.com", "example.net", &fail),
        ("example.xx", "", "", &fail),
        ("strict.xx", "strict.xx", "", &pass),
        ("strict.xx", "other.xx", "mail.strict.xx", &fail),
        ("half.xx", "", "other.xx", &Outcome::Fail(Wish::Quarantine)),
        ("half.xx", "other.xx", "", &late),
        ("www.example.xx", "www.example.xx", "", &pass),
        ("www.example.xx", "example.xx", "", &late),
        ("www.example.xx", "", "", &late),
        ("other.xx", "other.xx", "", &late),
    ] {
        let dkim: &[&str] = if dkim.is_empty() { &[] } else { &[dkim] };
        let found = outcome(zone, author, spf, dkim);
        assert_eq!(found, *expected, "{author} {spf} {dkim:?}");
    }
}
