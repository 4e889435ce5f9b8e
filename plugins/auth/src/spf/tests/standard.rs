//! The examples of RFC 7208, by section. Where the standard gives a record and no zone for it, hosts are those of appendix A.

use super::{Outcome, Sender, Zone, appendix, check, outcome};

/// A client: who it says it sends for, its address, what comes of it.
type Case<'a> = (&'a str, &'a str, Outcome);

/// Mail of `bob`.
fn all(zone: &str, cases: &[Case<'_>]) {
    for (domain, address, expected) in cases {
        let got = outcome(zone, address, domain);
        assert_eq!(got, *expected, "{domain} {address} in\n{zone}");
    }
}

/// Mail of these users of `example.com`.
fn users(zone: &str, cases: &[Case<'_>]) {
    for (local_part, address, expected) in cases {
        let sender = Sender {
            address: address.parse().unwrap(),
            hello: "mail.example.com",
            local_part,
            domain: "example.com",
        };
        let got = check(&mut Zone::new(zone), &sender);
        assert_eq!(got, *expected, "{local_part} {address} in\n{zone}");
    }
}

/// Appendix A with this record of `example.com`, and what else is published.
fn with(record: &str, others: &[&str]) -> String {
    let others = others.iter().map(|line| format!("\n{line}"));
    others.fold(appendix(record), |zone, line| zone + &line)
}

/// Clients of `example.com` under each record.
fn records(cases: &[Case<'_>]) {
    for (record, address, expected) in cases {
        all(&appendix(record), &[("example.com", address, *expected)]);
    }
}

#[test]
fn simple_ones_a_1() {
    records(&[
        ("v=spf1 +all", "203.0.113.1", Outcome::Pass),
        ("v=spf1 +all", "2001:db8::1", Outcome::Pass),
        ("v=spf1 a -all", "192.0.2.10", Outcome::Pass),
        ("v=spf1 a -all", "192.0.2.11", Outcome::Pass),
        ("v=spf1 a -all", "192.0.2.65", Outcome::Fail),
        ("v=spf1 a:example.org -all", "192.0.2.10", Outcome::Fail),
        ("v=spf1 a:example.org -all", "192.0.2.140", Outcome::Fail),
        ("v=spf1 mx -all", "192.0.2.129", Outcome::Pass),
        ("v=spf1 mx -all", "192.0.2.130", Outcome::Pass),
        ("v=spf1 mx -all", "192.0.2.10", Outcome::Fail),
        ("v=spf1 mx:example.org -all", "192.0.2.140", Outcome::Pass),
        ("v=spf1 mx:example.org -all", "192.0.2.129", Outcome::Fail),
    ]);
    for (address, expected) in [
        ("192.0.2.129", Outcome::Pass),
        ("192.0.2.130", Outcome::Pass),
        ("192.0.2.140", Outcome::Pass),
        ("192.0.2.131", Outcome::Fail),
    ] {
        records(&[("v=spf1 mx mx:example.org -all", address, expected)]);
    }
    for (address, expected) in [
        ("192.0.2.127", Outcome::Fail),
        ("192.0.2.128", Outcome::Pass),
        ("192.0.2.131", Outcome::Pass),
        ("192.0.2.132", Outcome::Fail),
        ("192.0.2.140", Outcome::Pass),
        ("192.0.2.143", Outcome::Pass),
        ("192.0.2.144", Outcome::Fail),
    ] {
        records(&[("v=spf1 mx/30 mx:example.org/30 -all", address, expected)]);
    }
}

/// The rest of A.1: names that lead back, and a network.
#[test]
fn names_and_networks_a_1() {
    records(&[
        ("v=spf1 ptr -all", "192.0.2.65", Outcome::Pass),
        ("v=spf1 ptr -all", "192.0.2.140", Outcome::Fail),
        ("v=spf1 ptr -all", "10.0.0.4", Outcome::Fail),
        (
            "v=spf1 ip4:192.0.2.128/28 -all",
            "192.0.2.65",
            Outcome::Fail,
        ),
        (
            "v=spf1 ip4:192.0.2.128/28 -all",
            "192.0.2.129",
            Outcome::Pass,
        ),
    ]);
}

/// What `example.net` publishes is not in the appendix.
#[test]
fn one_policy_for_many_domains_a_2() {
    let zone = with(
        "v=spf1 mx -all",
        &[
            "example.net TXT v=spf1 ip4:203.0.113.0/24 -all",
            "example.org TXT v=spf1 include:example.com include:example.net -all",
            "la.example.org TXT v=spf1 redirect=example.org",
            "ny.example.org TXT v=spf1 redirect=example.org",
            "sf.example.org TXT v=spf1 redirect=example.org",
        ],
    );
    for domain in [
        "example.org",
        "la.example.org",
        "ny.example.org",
        "sf.example.org",
    ] {
        all(
            &zone,
            &[
                (domain, "192.0.2.129", Outcome::Pass),
                (domain, "203.0.113.7", Outcome::Pass),
                (domain, "192.0.2.140", Outcome::Fail),
            ],
        );
    }
}

#[test]
fn users_on_a_list_a_3() {
    let zone = with(
        "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all",
        &[
            "mobile-users._spf.example.com TXT v=spf1 exists:%{l1r+}.%{d}",
            "remote-users._spf.example.com TXT v=spf1 exists:%{ir}.%{l1r+}.%{d}",
            "mary.mobile-users._spf.example.com A 127.0.0.2",
            "fred.mobile-users._spf.example.com A 127.0.0.2",
            "15.15.168.192.joel.remote-users._spf.example.com A 127.0.0.2",
            "16.15.168.192.joel.remote-users._spf.example.com A 127.0.0.2",
        ],
    );
    users(
        &zone,
        &[
            ("bob", "192.0.2.129", Outcome::Pass),
            ("mary", "203.0.113.1", Outcome::Pass),
            ("fred", "203.0.113.1", Outcome::Pass),
            ("fred+lists", "203.0.113.1", Outcome::Pass),
            ("bob", "203.0.113.1", Outcome::Fail),
            ("joel", "192.168.15.15", Outcome::Pass),
            ("joel", "192.168.15.16", Outcome::Pass),
            ("joel", "192.168.15.17", Outcome::Fail),
            ("bob", "192.168.15.15", Outcome::Fail),
        ],
    );
}

/// In a network and with a name in the domain. As printed nobody passes: `ptr` alone is about `ptr._spf.example.com`, where
/// no host has its name. Erratum 6216 names the domain that was meant.
#[test]
fn two_conditions_a_4() {
    let zone = |names: &str| {
        with(
            "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all",
            &[
                "ip4._spf.example.com TXT v=spf1 -ip4:192.0.2.0/24 +all",
                &format!("ptr._spf.example.com TXT v=spf1 {names} +all"),
                "203.0.113.7 PTR away.example.com",
                "away.example.com A 203.0.113.7",
            ],
        )
    };
    let (in_both, elsewhere, of_others, lies) =
        ("192.0.2.65", "203.0.113.7", "192.0.2.140", "10.0.0.4");
    for address in [in_both, elsewhere, of_others, lies] {
        all(&zone("-ptr"), &[("example.com", address, Outcome::Fail)]);
    }
    all(
        &zone("-ptr:example.com"),
        &[
            ("example.com", in_both, Outcome::Pass),
            ("example.com", elsewhere, Outcome::Fail),
            ("example.com", of_others, Outcome::Fail),
            ("example.com", lies, Outcome::Fail),
        ],
    );
}

/// Sections 3 and 5.1: what stands behind `all` is not asked for, a redirect neither.
#[test]
fn records_of_several_terms_3_5_1() {
    let colo = &["colo.example.com A 203.0.113.17"];
    all(
        &with("v=spf1 +mx a:colo.example.com/28 -all", colo),
        &[
            ("example.com", "192.0.2.129", Outcome::Pass),
            ("example.com", "203.0.113.31", Outcome::Pass),
            ("example.com", "203.0.113.32", Outcome::Fail),
        ],
    );
    records(&[
        ("v=spf1 a mx -all", "192.0.2.10", Outcome::Pass),
        ("v=spf1 a mx -all", "192.0.2.130", Outcome::Pass),
        ("v=spf1 a mx -all", "192.0.2.65", Outcome::Fail),
        (
            "v=spf1 -all a redirect=nobody.example.com",
            "192.0.2.10",
            Outcome::Fail,
        ),
    ]);
}

/// Sections 4.7 and 6.1: where nothing matches and there is no redirect it is neutral.
#[test]
fn redirects_4_7_6_1() {
    let shared = &[
        "_spf.example.com TXT v=spf1 mx:example.com -all",
        "la.example.com TXT v=spf1 redirect=_spf.example.com",
        "ny.example.com TXT v=spf1 redirect=_spf.example.com",
        "sf.example.com TXT v=spf1 redirect=_spf.example.com",
    ];
    for domain in ["la.example.com", "ny.example.com", "sf.example.com"] {
        all(
            &with("v=spf1 -all", shared),
            &[
                (domain, "192.0.2.129", Outcome::Pass),
                (domain, "192.0.2.65", Outcome::Fail),
            ],
        );
    }
    let stranger = "203.0.113.1";
    records(&[
        ("v=spf1 +mx -all", stranger, Outcome::Fail),
        ("v=spf1 +mx", stranger, Outcome::Neutral),
    ]);
    all(
        &with("v=spf1 +mx redirect=_spf.example.com", shared),
        &[
            ("example.com", "192.0.2.129", Outcome::Pass),
            ("example.com", stranger, Outcome::Fail),
        ],
    );
}

/// Section 5.2, the record and the table.
#[test]
fn what_an_include_means_5_2() {
    let zone = |there: &str| {
        with(
            "v=spf1 include:example.org include:example.net -all",
            &[
                &format!("example.org TXT {there}"),
                "example.net TXT v=spf1 ip4:203.0.113.0/24 -all",
            ],
        )
    };
    for (there, expected) in [
        ("v=spf1 +all", Outcome::Pass),
        ("v=spf1 -all", Outcome::Fail),
        ("v=spf1 ~all", Outcome::Fail),
        ("v=spf1 ?all", Outcome::Fail),
        ("TEMP", Outcome::TempError),
        ("v=spf1 nonsense", Outcome::PermError),
        ("nothing of ours", Outcome::PermError),
    ] {
        all(&zone(there), &[("example.com", "198.51.100.1", expected)]);
    }
    let passes = ("example.com", "203.0.113.1", Outcome::Pass);
    all(&zone("v=spf1 ~all"), &[passes]);
}

/// Sections 5.3 and 5.4: which family is asked for is the client's, and an exchange is asked for its addresses only.
#[test]
fn hosts_of_both_families_5_3_5_4() {
    let v6 = &[
        "example.com AAAA 2001:db8:5::10",
        "mail-a.example.com AAAA 2001:db8:6::129",
    ];
    let cases = [
        ("v=spf1 a -all", "2001:db8:5::10", Outcome::Pass),
        ("v=spf1 a -all", "192.0.2.10", Outcome::Pass),
        ("v=spf1 a//48 -all", "2001:db8:5:ffff::1", Outcome::Pass),
        ("v=spf1 a/24//48 -all", "192.0.2.200", Outcome::Pass),
        ("v=spf1 a/24 -all", "2001:db8:5::11", Outcome::Fail),
        ("v=spf1 mx//64 -all", "2001:db8:6::1", Outcome::Pass),
        ("v=spf1 mx -all", "2001:db8:5::10", Outcome::Fail),
    ];
    for (record, address, expected) in cases {
        all(&with(record, v6), &[("example.com", address, expected)]);
    }
}

/// Section 5.6: octets are compared up to the length, all of them where none is written.
#[test]
fn networks_5_6() {
    records(&[
        ("v=spf1 ip4:192.0.2.1 -all", "192.0.2.1", Outcome::Pass),
        ("v=spf1 ip4:192.0.2.1 -all", "192.0.2.2", Outcome::Fail),
        ("v=spf1 ip6:2001:db8::1 -all", "2001:db8::1", Outcome::Pass),
        ("v=spf1 ip6:2001:db8::1 -all", "2001:db8::2", Outcome::Fail),
        (
            "v=spf1 ip6:2001:db8::/33 -all",
            "2001:db8:8000::1",
            Outcome::Fail,
        ),
        ("v=spf1 ip6:::/0 -all", "2001:db8::1", Outcome::Pass),
        ("v=spf1 ip6:::/0 -all", "192.0.2.1", Outcome::Fail),
    ]);
}

/// Section 5.7: the name is made of client and user up to `+` or `-`; A is asked for, whatever the client's family.
#[test]
fn names_that_exist_5_7() {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bob._spf.example.com";
    let zone = with(
        "v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d} -all",
        &[
            "1.113.0.203.bob._spf.example.com A 127.0.0.2",
            &format!("{v6} A 127.0.0.2"),
            "2.113.0.203.bob._spf.example.com AAAA 2001:db8::2",
        ],
    );
    users(
        &zone,
        &[
            ("bob", "203.0.113.1", Outcome::Pass),
            ("bob+lists", "203.0.113.1", Outcome::Pass),
            ("bob-lists", "203.0.113.1", Outcome::Pass),
            ("ann", "203.0.113.1", Outcome::Fail),
            ("bob", "203.0.113.2", Outcome::Fail),
            ("bob", "2001:db8::1", Outcome::Pass),
            ("bob", "2001:db8::2", Outcome::Fail),
        ],
    );
}

/// Section 6.2: an explanation changes nothing, and is not asked for.
#[test]
fn explanations_6_2() {
    let mail = ("v=spf1 mx -all exp=explain._spf.%{d}", "192.0.2.129");
    records(&[
        (mail.0, mail.1, Outcome::Pass),
        (mail.0, "203.0.113.1", Outcome::Fail),
    ]);
}

/// Section 10.1: three ways to write one policy, and a domain without mail.
#[test]
fn what_domains_are_advised_to_publish_10_1() {
    let hosts = &[
        "authorized-spf.example.com A 192.0.2.129",
        "authorized-spf.example.com A 192.0.2.130",
    ];
    for record in [
        "v=spf1 ip4:192.0.2.129 ip4:192.0.2.130 -all",
        "v=spf1 a:authorized-spf.example.com -all",
        "v=spf1 mx:example.com -all",
        "v=spf1 ip4:192.0.2.128/30 mx -all",
    ] {
        all(
            &with(record, hosts),
            &[
                ("example.com", "192.0.2.129", Outcome::Pass),
                ("example.com", "192.0.2.130", Outcome::Pass),
                ("example.com", "203.0.113.1", Outcome::Fail),
            ],
        );
    }
    records(&[("v=spf1 -all", "192.0.2.129", Outcome::Fail)]);
}

/// The records of the appendices behind A: what a domain can find out, and allow, user by user and client by client.
#[test]
fn what_later_appendices_advise() {
    let stranger = "203.0.113.1";
    let one = |record: &str, published: &str, user: &str, expected: Outcome| {
        let others: Vec<_> = Some(published)
            .filter(|it| !it.is_empty())
            .into_iter()
            .collect();
        users(&with(record, &others), &[(user, stranger, expected)]);
    };
    let heard = "v=spf1 exists:_h.%{h}._l.%{l}._o.%{o}._i.%{i}._spf.%{d} ?all";
    let name =
        "_h.mail.example.com._l.bob._o.example.com._i.203.0.113.1._spf.example.com A 127.0.0.2";
    one(heard, "", "bob", Outcome::Neutral);
    one(heard, name, "bob", Outcome::Pass);

    let forwarders = "v=spf1 mx ?exists:%{ir}.whitelist.example.org -all";
    let name = "1.113.0.203.whitelist.example.org A 127.0.0.2";
    one(forwarders, "", "bob", Outcome::Fail);
    one(forwarders, name, "bob", Outcome::Neutral);

    let signed = "v=spf1 mx exists:%{l}._spf_verify.%{d} -all";
    let name = "bob+2f1a._spf_verify.example.com A 127.0.0.2";
    one(signed, name, "bob+2f1a", Outcome::Pass);
    one(signed, name, "bob", Outcome::Fail);

    let own = "v=spf1 mx redirect=%{l1r+}._at_.%{o}._spf.%{d}";
    let name = "bob._at_.example.com._spf.example.com TXT v=spf1 ~all";
    one(own, name, "bob+lists", Outcome::SoftFail);
    one(own, name, "ann", Outcome::PermError);

    let counted = "v=spf1 mx exists:%{ir}._spf_rate.%{d} -all";
    let name = "1.113.0.203._spf_rate.example.com A 127.0.0.2";
    one(counted, "", "bob", Outcome::Fail);
    one(counted, name, "bob", Outcome::Pass);
}
