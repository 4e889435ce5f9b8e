//! Evaluations against made-up zones; the domains and addresses are those of RFC 7208.

use std::collections::BTreeMap;

use super::*;

mod standard;

/// A zone in lines of `NAME KIND VALUE`; `TEMP` instead of a value is a server that does not answer.
struct Zone(BTreeMap<(String, Kind), Vec<String>>);

impl Zone {
    fn new(text: &str) -> Self {
        let mut zone = BTreeMap::<_, Vec<String>>::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().expect("three words").to_owned();
            let name = word();
            let kind = match word().as_str() {
                "A" => Kind::A,
                "AAAA" => Kind::Aaaa,
                "MX" => Kind::Mx,
                "TXT" => Kind::Txt,
                _ => Kind::Ptr,
            };
            zone.entry((name, kind)).or_default().push(word());
        }
        Self(zone)
    }
}

impl Names for Zone {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        match self.0.get(&(name.to_owned(), kind)) {
            Some(records) if records[0] == "TEMP" => Found::Temporary,
            Some(records) => Found::Records(records.clone()),
            None => Found::Void,
        }
    }
}

fn outcome(zone: &str, address: &str, domain: &str) -> Outcome {
    let sender = Sender {
        address: address.parse().unwrap(),
        hello: "mail.example.com",
        local_part: "bob",
        domain,
    };
    check(&mut Zone::new(zone), &sender)
}

/// Appendix A of RFC 7208, with the record to be tried.
fn appendix(record: &str) -> String {
    format!(
        "example.com TXT {record}
        example.com MX 10 mail-a.example.com
        example.com MX 20 mail-b.example.com
        example.com A 192.0.2.10
        example.com A 192.0.2.11
        amy.example.com A 192.0.2.65
        bob.example.com A 192.0.2.66
        mail-a.example.com A 192.0.2.129
        mail-b.example.com A 192.0.2.130
        example.org MX 10 mail-c.example.org
        mail-c.example.org A 192.0.2.140
        192.0.2.10 PTR example.com
        192.0.2.11 PTR example.com
        192.0.2.65 PTR amy.example.com
        192.0.2.66 PTR bob.example.com
        192.0.2.129 PTR mail-a.example.com
        192.0.2.130 PTR mail-b.example.com
        192.0.2.140 PTR mail-c.example.org
        10.0.0.4 PTR bob.example.com"
    )
}

#[test]
fn qualifiers_say_what_a_match_means() {
    for (record, expected) in [
        ("v=spf1 ?all", Outcome::Neutral),
        ("v=spf1 ~all", Outcome::SoftFail),
        ("v=spf1 -all", Outcome::Fail),
        ("v=spf1", Outcome::Neutral),
        ("V=SPF1 IP6:2001:DB8::/32 -ALL", Outcome::Fail),
        ("v=spf1 ip4:0.0.0.0/0 -all", Outcome::Pass),
        ("v=spf10 +all", Outcome::None),
        ("spf1 +all", Outcome::None),
    ] {
        assert_eq!(
            outcome(&appendix(record), "203.0.113.1", "example.com"),
            expected,
            "{record}"
        );
    }
    let v6 = appendix("v=spf1 ip6:2001:db8::/32 -all");
    assert_eq!(outcome(&v6, "2001:db8:1::1", "example.com"), Outcome::Pass);
    assert_eq!(outcome(&v6, "2001:db9::1", "example.com"), Outcome::Fail);
}

/// A syntax error anywhere is an error, also behind a term that matches (section 4.6).
#[test]
fn a_record_with_a_fault_is_no_record() {
    for terms in [
        "+all nonsense",
        "+all a:",
        "+all include",
        "+all ip4:192.0.2.1/33",
        "+all ip4:192.0.2",
        "+all ip6:192.0.2.1",
        "+all a/01",
        "+all a//129",
        "+all exists",
        "+all all:x",
        "+all redirect=a.org redirect=b.org",
        "+all a:%{q}.org",
        "+all exp=a.org exp=b.org",
        "+all ip4:2001:db8::1",
        "+all x=%{",
    ] {
        let zone = appendix(&format!("v=spf1 {terms}"));
        assert_eq!(
            outcome(&zone, "203.0.113.1", "example.com"),
            Outcome::PermError,
            "{terms}"
        );
    }
    let twice = appendix("v=spf1 +all") + "\nexample.com TXT v=spf1 -all";
    assert_eq!(
        outcome(&twice, "203.0.113.1", "example.com"),
        Outcome::PermError
    );
    let unknown = appendix("v=spf1 unknown=%{d} +all");
    assert_eq!(
        outcome(&unknown, "203.0.113.1", "example.com"),
        Outcome::Pass
    );
}

#[test]
fn include_passes_only_what_passes_there() {
    for (there, expected) in [
        ("v=spf1 +all", Outcome::Pass),
        ("v=spf1 -all", Outcome::SoftFail),
        ("v=spf1 ?all", Outcome::SoftFail),
        ("v=spf1 nonsense", Outcome::PermError),
        ("TEMP", Outcome::TempError),
        ("no record", Outcome::PermError),
    ] {
        let zone =
            appendix("v=spf1 include:other.example ~all") + &format!("\nother.example TXT {there}");
        assert_eq!(
            outcome(&zone, "203.0.113.1", "example.com"),
            expected,
            "{there}"
        );
    }
}

#[test]
fn redirect_counts_where_nothing_matches() {
    let zone =
        |record: &str| appendix(record) + "\n_spf.example.com TXT v=spf1 ip4:203.0.113.0/24 -all";
    let of = |record: &str| outcome(&zone(record), "203.0.113.1", "example.com");
    assert_eq!(of("v=spf1 redirect=_spf.example.com"), Outcome::Pass);
    assert_eq!(of("v=spf1 a redirect=_spf.%{d}"), Outcome::Pass);
    assert_eq!(
        of("v=spf1 ~all redirect=_spf.example.com"),
        Outcome::SoftFail
    );
    assert_eq!(
        of("v=spf1 redirect=nothing.example.com"),
        Outcome::PermError
    );
}

#[test]
fn macros_ask_about_this_very_sender() {
    let zone = appendix("v=spf1 exists:%{ir}.%{l1r+}._spf.%{d} -all")
        + "\n1.113.0.203.bob._spf.example.com A 127.0.0.2";
    assert_eq!(outcome(&zone, "203.0.113.1", "example.com"), Outcome::Pass);
    assert_eq!(outcome(&zone, "203.0.113.2", "example.com"), Outcome::Fail);
    let by_name = appendix("v=spf1 exists:%{p}.ok.example.com -all")
        + "\namy.example.com.ok.example.com A 127.0.0.2";
    assert_eq!(
        outcome(&by_name, "192.0.2.65", "example.com"),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&by_name, "192.0.2.10", "example.com"),
        Outcome::Fail
    );
}

/// Section 4.6.4.
#[test]
fn what_one_record_may_cost_is_bounded() {
    let chain = |length: usize| -> String {
        let link = |n: usize| format!("\ns{n}.example TXT v=spf1 include:s{}.example -all", n + 1);
        let last = format!("\ns{length}.example TXT v=spf1 +all");
        (0..length).map(link).collect::<String>() + &last
    };
    assert_eq!(
        outcome(&chain(10), "203.0.113.1", "s0.example"),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&chain(11), "203.0.113.1", "s0.example"),
        Outcome::PermError
    );
    let itself = "loop.example TXT v=spf1 include:loop.example";
    assert_eq!(
        outcome(itself, "203.0.113.1", "loop.example"),
        Outcome::PermError
    );
    let voids = |count: usize| {
        let terms: String = (0..count).map(|n| format!("a:n{n}.example ")).collect();
        format!("v.example TXT v=spf1 {terms}+all")
    };
    assert_eq!(
        outcome(&voids(2), "203.0.113.1", "v.example"),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&voids(3), "203.0.113.1", "v.example"),
        Outcome::PermError
    );
    let many: String = (0..11)
        .map(|n| format!("\nm.example MX {n} m{n}.example"))
        .collect();
    let many = format!("m.example TXT v=spf1 mx +all{many}");
    assert_eq!(
        outcome(&many, "203.0.113.1", "m.example"),
        Outcome::PermError
    );
}

/// Section 4.6.4: which terms count, wherever they stand; `all`, networks and explanations ask nobody.
#[test]
fn terms_that_ask_are_counted_together() {
    let zone = |record: &str| {
        appendix(record)
            + "\nother.example TXT v=spf1 a:bob.example.com mx:example.org -all exp=why.example"
            + "\nlast.example TXT v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all"
    };
    let of = |record: &str| outcome(&zone(record), "203.0.113.1", "example.com");
    let nine =
        "v=spf1 a:amy.example.com mx a mx:example.org a:bob.example.com a include:other.example";
    assert_eq!(
        of(&format!("{nine} redirect=last.example")),
        Outcome::SoftFail
    );
    assert_eq!(of(&format!("{nine} a ?all")), Outcome::Neutral);
    assert_eq!(
        of(&format!("{nine} a redirect=last.example")),
        Outcome::PermError
    );
    assert_eq!(of(&format!("{nine} a a ?all")), Outcome::PermError);
}

/// Section 4.6.4: terms that nothing answers, of every kind.
#[test]
fn a_third_empty_answer_is_an_error() {
    for (two, third) in [
        ("mx:n1.example mx:n2.example", "mx:n3.example"),
        ("exists:n1.example exists:n2.example", "exists:n3.example"),
        ("a:n1.example mx:n2.example", "exists:n3.example"),
        ("a:n1.example a:n2.example", "ptr"),
    ] {
        let of = |terms: &str| {
            let zone = appendix(&format!("v=spf1 {terms} ?all"));
            outcome(&zone, "203.0.113.1", "example.com")
        };
        assert_eq!(of(two), Outcome::Neutral, "{two}");
        assert_eq!(of(&format!("{two} {third}")), Outcome::PermError, "{third}");
    }
}

/// Section 4.6.4: names of a client beyond the tenth are left out, which is no error.
#[test]
fn ten_names_of_a_client_are_looked_at() {
    let zone = |before: usize| {
        let mut zone = appendix("v=spf1 ptr -all");
        for n in 0..before {
            zone += &format!("\n203.0.113.1 PTR n{n}.example\nn{n}.example A 203.0.113.1");
        }
        zone + "\n203.0.113.1 PTR own.example.com\nown.example.com A 203.0.113.1"
    };
    let of = |before: usize| outcome(&zone(before), "203.0.113.1", "example.com");
    assert_eq!(of(9), Outcome::Pass);
    assert_eq!(of(10), Outcome::Fail);
}

#[test]
fn whoever_publishes_nothing_or_cannot_be_asked() {
    assert_eq!(outcome("", "203.0.113.1", "example.com"), Outcome::None);
    assert_eq!(outcome("", "203.0.113.1", "localhost"), Outcome::None);
    assert_eq!(outcome("", "203.0.113.1", "[192.0.2.1]"), Outcome::None);
    assert_eq!(
        outcome("example.com TXT TEMP", "203.0.113.1", "example.com"),
        Outcome::TempError
    );
    let zone = "example.com TXT v=spf1 a -all\nexample.com A TEMP";
    assert_eq!(
        outcome(zone, "203.0.113.1", "example.com"),
        Outcome::TempError
    );
}
