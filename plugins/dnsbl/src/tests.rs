//! Clients it must catch, clients that only look like them, and lists that are no use.

use lazaret_filter::dns::{Answer, Kind};
use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Dnsbl;

const CONFIG: &str = "
trusted = ['10.0.0.0/8']
exempt = ['abuse@', 'postmaster@example.org']
refuse = 5

[[list]]
zone = 'zen.example'
returns = { '127.0.0.2' = 5, '127.0.0.3' = 3, '127.0.0.10/31' = 4 }

[[list]]
zone = 'names.example'
of = 'sender'
symbol = 'BAD_DOMAIN'
weight = 2.5

[[list]]
zone = 'hello.example'
of = 'hello'
weight = 2

[[list]]
zone = 'good.example'
weight = -4
";

fn run(transaction: Transaction) -> Report {
    transaction.to("anna@example.org").run::<Dnsbl>(CONFIG)
}

fn listed(name: &str, codes: &[&str]) -> Transaction {
    Transaction::new().dns(name, Kind::A, codes)
}

const ZEN: &str = "1.2.0.192.zen.example";

/// A bot at home: `S: 550 5.7.1 192.0.2.1 is listed by zen.example`
#[test]
fn catches_a_listed_client() {
    let report = run(listed(ZEN, &["127.0.0.2"]));
    assert_eq!(
        report.verdict().to_string(),
        "reject 5.7.1 192.0.2.1 is listed by zen.example"
    );
    assert_eq!(report.stage(), Some("rcpt"));
    assert_eq!(report.symbols(), ["DNSBL_ZEN_EXAMPLE"]);
    let six = "8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.example";
    let six = run(listed(six, &["127.0.0.2"]).client("2001:db8::8"));
    assert!(
        six.verdict()
            .to_string()
            .starts_with("reject 5.7.1 2001:db8::8")
    );
}

/// The client chooses its name in EHLO: one that nobody can ask about hides nothing else.
#[test]
fn catches_a_listed_client_whose_name_cannot_be_asked_about() {
    let report = run(listed(ZEN, &["127.0.0.2"]).helo("a\\b.example"));
    assert_eq!(
        report.verdict().to_string(),
        "reject 5.7.1 192.0.2.1 is listed by zen.example"
    );
    assert!(report.log().is_empty(), "{:?}", report.log());
}

/// A dynamic address that sends for a domain which was registered yesterday: neither is enough, both are.
#[test]
fn catches_two_weak_signs_together() {
    let both = listed(ZEN, &["127.0.0.10", "127.0.0.3"])
        .from("win@new.example")
        .dns("new.example.names.example", Kind::A, &["127.0.1.2"]);
    let report = run(both);
    assert_eq!(
        report.verdict().to_string(),
        "reject 5.7.1 192.0.2.1 is listed by zen.example"
    );
    assert_eq!(report.symbols(), ["DNSBL_ZEN_EXAMPLE", "BAD_DOMAIN"]);
    assert_eq!(report.scores()[0].points, 4.0);
}

/// A listed name in EHLO and a listed sender, from an address that nobody knows.
#[test]
fn catches_a_clean_address_with_listed_names() {
    let report = listed("bad.example.hello.example", &["127.0.0.2"])
        .helo("bad.example")
        .from("win@bad.example")
        .dns("bad.example.names.example", Kind::A, &["127.0.1.2"])
        .to("anna@example.org")
        .run::<Dnsbl>(&CONFIG.replace(
            "refuse = 5",
            "refuse = 4.5\naction = 'defer'\ntext = 'try {list}'",
        ));
    assert_eq!(
        report.verdict().to_string(),
        "defer 4.7.1 try names.example"
    );
}

#[test]
fn spares_a_client_that_a_good_list_knows() {
    let known = listed(ZEN, &["127.0.0.2"]).dns("1.2.0.192.good.example", Kind::A, &["127.0.9.1"]);
    let report = run(known);
    assert_eq!(report.verdict().to_string(), "continue");
    assert_eq!(
        report.symbols(),
        ["DNSBL_ZEN_EXAMPLE", "DNSBL_GOOD_EXAMPLE"]
    );
}

/// 127.0.0.12 is a part of the list that the operator does not count.
#[test]
fn spares_a_code_that_was_not_named() {
    let report = run(listed(ZEN, &["127.0.0.12"]));
    assert_eq!(report.verdict().to_string(), "continue");
    assert!(report.scores().is_empty());
}

/// A list that was given up, whose zone now answers for every name; and one that will not answer us.
#[test]
fn spares_everybody_when_a_list_is_no_list_any_more() {
    for code in ["203.0.113.80", "127.255.255.254"] {
        let report = run(listed(ZEN, &[code]));
        assert_eq!(report.verdict().to_string(), "continue", "{code}");
        assert!(
            report.log()[0].starts_with("warn: zen.example"),
            "{:?}",
            report.log()
        );
    }
}

#[test]
fn spares_users_our_networks_and_those_who_must_be_reached() {
    let verdict = |transaction: Transaction| run(transaction).verdict().to_string();
    assert_eq!(verdict(listed(ZEN, &["127.0.0.2"]).user("eva")), "continue");
    let ours = listed("1.0.0.10.zen.example", &["127.0.0.2"]).client("10.0.0.1");
    assert_eq!(verdict(ours), "continue");
    let abuse = listed(ZEN, &["127.0.0.2"]).to("Abuse@example.net");
    let report = abuse.to("postmaster@example.org").run::<Dnsbl>(CONFIG);
    assert_eq!(report.recipients().len(), 2);
    assert_eq!(
        report.symbols().len(),
        1,
        "points are given all the same, once"
    );
}

#[test]
fn a_list_that_does_not_answer_lets_mail_pass() {
    for answer in [Answer::Failed, Answer::Late] {
        let report = run(Transaction::new().dns_answers(ZEN, Kind::A, answer));
        assert_eq!(report.verdict().to_string(), "continue");
        assert_eq!(report.log(), ["info: zen.example does not answer"]);
    }
    let denied = run(listed(ZEN, &["127.0.0.2"]).deny("dns"));
    assert_eq!(denied.verdict().to_string(), "continue");
}

#[test]
fn bounces_and_literals_are_nothing_that_a_list_holds() {
    let report = run(Transaction::new().from("").helo("[192.0.2.1]"));
    assert_eq!(report.verdict().to_string(), "continue");
    assert!(report.log().is_empty(), "{:?}", report.log());
}

/// Whoever resolves a name takes these for dots.
#[test]
fn catches_a_listed_domain_with_dots_of_other_scripts() {
    for dot in ['\u{3002}', '\u{ff0e}', '\u{ff61}'] {
        let transaction = Transaction::new()
            .dns("bad.example.names.example", Kind::A, &["127.0.1.2"])
            .from(&format!("x@bad{dot}example"));
        assert_eq!(run(transaction).symbols(), ["BAD_DOMAIN"], "{dot}");
    }
}

#[test]
fn says_what_is_wrong_with_its_configuration() {
    let problem = |toml: &str| configure::<Dnsbl>(toml).err().unwrap_or_default();
    assert_eq!(
        problem("list = [{ zone = 'zen', weight = 1 }]"),
        "list.zone: `zen` is no zone of a list"
    );
    let symbol = problem("list = [{ zone = 'zen.example', weight = 1, symbol = 'Bad domain' }]");
    assert!(
        symbol.starts_with("list.symbol: `Bad domain` is no symbol"),
        "{symbol}"
    );
    assert_eq!(
        problem("list = [{ zone = 'zen.example' }]"),
        "the list zen.example has neither weight nor returns"
    );
    assert_eq!(
        problem("list = [{ zone = 'zen.example', returns = { listed = 1 } }]"),
        "the list zen.example returns: network `listed` is no IP address"
    );
    assert!(problem("lists = []").contains("unknown field `lists`, expected one of"));
}
