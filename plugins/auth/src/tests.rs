//! Messages it must catch, look-alikes it must not, what it writes and what it takes out.

use lazaret_filter::dns::Kind;
use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Auth;

const CONFIG: &str = "authserv-id = 'mx.example.org'";
/// RFC 8463 appendix A, which `dkim/tests.rs` takes apart.
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const SIGNED: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

/// Mail from 192.0.2.1, where `example.com` sends from 192.0.2.0/24 and asks to refuse all else, and the signer publishes
/// its key and a policy.
fn world() -> Transaction {
    Transaction::new()
        .client("192.0.2.1")
        .grant_edits("Authentication-Results")
        .helo("mail.example.com")
        .from("alice@example.com")
        .dns("example.com", Kind::Txt, &["v=spf1 ip4:192.0.2.0/24 -all"])
        .dns("_dmarc.example.com", Kind::Txt, &["v=DMARC1; p=reject"])
        .dns(
            "brisbane._domainkey.football.example.com",
            Kind::Txt,
            &[KEY],
        )
        .dns("other.example.net", Kind::Txt, &["v=spf1 +all"])
}

fn letter(from: &str) -> String {
    format!("From: {from}\nTo: bob@example.org\nSubject: hello\n\nA line.\n")
}

fn run(transaction: Transaction) -> Report {
    transaction.run::<Auth>(CONFIG)
}

fn result(report: &Report) -> &str {
    let added = report
        .edits()
        .iter()
        .find_map(|edit| edit.strip_prefix("add Authentication-Results: "));
    added.expect("results are always written")
}

fn refused(report: &Report) {
    assert_eq!(
        report.verdict().to_string(),
        "reject 5.7.1 the domain in From does not answer for this message and asks to refuse it (DMARC)",
        "{}",
        result(report)
    );
}

fn passes(report: &Report) {
    assert!(report.verdict().passes(), "{}", report.verdict());
    assert_eq!(report.symbols(), [""; 0], "{}", result(report));
    assert_eq!(report.note("reasons"), None);
}

#[test]
fn the_bank_that_is_sent_from_elsewhere_is_caught() {
    let report = run(world()
        .client("203.0.113.9")
        .message(letter("Bank <info@example.com>")));
    refused(&report);
    assert_eq!(
        result(&report),
        "mx.example.org; spf=fail smtp.mailfrom=alice@example.com; dkim=none; dmarc=fail header.from=example.com"
    );
}

#[test]
fn a_sender_of_ones_own_does_not_help_the_forger() {
    let forged = world().client("203.0.113.9").from("x@other.example.net");
    let report = run(forged.message(letter("\"x@other.example.net\" <ceo@example.com>")));
    refused(&report);
    assert!(
        result(&report).contains("spf=pass smtp.mailfrom=x@other.example.net"),
        "{}",
        result(&report)
    );
}

#[test]
fn a_signature_of_another_text_is_caught() {
    let changed = SIGNED.replacen("hungry", "angry!", 1);
    let report = run(world()
        .client("203.0.113.9")
        .from("x@other.example.net")
        .message(changed));
    refused(&report);
    let said =
        "dkim=fail reason=\"the body was changed\" header.d=football.example.com header.s=brisbane";
    assert!(result(&report).contains(said), "{}", result(&report));
}

/// Whoever only tries signing out (`t=y`) is as one that does not sign, and neither better nor worse.
#[test]
fn a_signature_on_trial_gives_no_points() {
    let name = "brisbane._domainkey.football.example.com";
    let testing = format!("{KEY}; t=y");
    let changed = SIGNED.replacen("hungry", "angry!", 1);
    for (key, symbols) in [(KEY, &["DKIM_FAIL"][..]), (&testing, &[])] {
        let zone = || Transaction::new().grant_edits("Authentication-Results");
        let signed = zone().dns(name, Kind::Txt, &[key]).message(&changed);
        let report = run(signed.client("192.0.2.1").from("alice@example.com"));
        assert_eq!(report.symbols(), symbols, "{}", result(&report));
    }
}

#[test]
fn a_message_from_where_its_domain_sends_passes() {
    let report = run(world().message(letter("Alice <alice@example.com>")));
    passes(&report);
    assert_eq!(
        result(&report),
        "mx.example.org; spf=pass smtp.mailfrom=alice@example.com; dkim=none; dmarc=pass header.from=example.com"
    );
}

/// SPF breaks when mail is passed on, a signature does not.
#[test]
fn a_signed_message_that_was_passed_on_passes() {
    let report = run(world()
        .client("203.0.113.9")
        .from("list@other.example.net")
        .message(SIGNED));
    passes(&report);
    assert_eq!(
        result(&report),
        "mx.example.org; spf=pass smtp.mailfrom=list@other.example.net; \
         dkim=pass header.d=football.example.com header.s=brisbane; dmarc=pass header.from=football.example.com"
    );
    for (key, value) in [
        ("spf", "pass"),
        ("dkim", "pass"),
        ("dkim-domains", "football.example.com"),
        ("dmarc", "pass"),
        ("author", "football.example.com"),
    ] {
        assert_eq!(report.note(key), Some(value), "{key}");
    }
}

#[test]
fn a_bounce_is_asked_about_by_its_greeting() {
    let bounce = world()
        .from("")
        .dns("mail.example.com", Kind::Txt, &["v=spf1 a -all"]);
    let bounce = bounce.dns("mail.example.com", Kind::A, &["192.0.2.1"]);
    let report = run(bounce.message(letter("Mailer <mailer-daemon@mail.example.com>")));
    passes(&report);
    assert!(
        result(&report).starts_with("mx.example.org; spf=pass smtp.helo=mail.example.com; "),
        "{}",
        result(&report)
    );
}

#[test]
fn results_that_others_wrote_in_our_name_are_taken_out() {
    let forged = "Authentication-Results: mx.example.org; dmarc=pass\n\
                  Authentication-Results: mx.example.com; spf=pass\n\
                  Authentication-Results: \"mx\\.example.org\"; spf=pass\n\
                  Authentication-results: (x) MX.Example.org 1;\n spf=pass\n";
    let report = run(world().message(forged.to_owned() + &letter("a@example.com")));
    assert_eq!(
        report.edits()[..3],
        [
            "remove Authentication-Results 3",
            "remove Authentication-Results 2",
            "remove Authentication-Results 0"
        ]
    );
    assert_eq!(report.edits().len(), 4);
}

const UNAVAILABLE: &str = "defer 4.7.1 the domains of this message could not be asked about it";

/// Nobody knows what it asks for; mail of everybody else is not held up by it.
#[test]
fn a_domain_that_cannot_be_asked_about_waits() {
    let late = || {
        let late = world()
            .client("203.0.113.9")
            .dns_fails("_dmarc.example.com");
        late.dns("_dmarc.example.net", Kind::Txt, &["v=DMARC1; p=reject"])
    };
    let report = run(late().message(letter("a@example.com")));
    assert_eq!(report.verdict().to_string(), UNAVAILABLE);
    assert!(
        result(&report).ends_with("dmarc=temperror header.from=example.com"),
        "{}",
        result(&report)
    );
    let ignores = format!("{CONFIG}\n[on]\nunavailable = 'ignore'");
    let report = late()
        .message(letter("a@example.com"))
        .run::<Auth>(&ignores);
    assert!(report.verdict().passes(), "{}", report.verdict());
    let other = late().from("x@other.example.net");
    passes(&run(other.message(letter("a@other.example.net"))));
}

/// Its own name servers are its own affair.
#[test]
fn a_sender_whose_names_fail_does_not_help_the_forger() {
    let forged = || world().client("203.0.113.9").from("x@evil.example");
    let broken = forged().dns_fails("evil.example");
    let report = run(broken.message(letter("ceo@example.com")));
    refused(&report);
    let said =
        "spf=temperror smtp.mailfrom=x@evil.example; dkim=none; dmarc=fail header.from=example.com";
    assert!(result(&report).ends_with(said), "{}", result(&report));

    let theirs = SIGNED.replace("football.example.com;", "evil.example;");
    let theirs = theirs.replace("joe@football.example.com", "ceo@example.com");
    let broken = forged().dns_fails("brisbane._domainkey.evil.example");
    let report = run(broken.message(theirs));
    refused(&report);
    let said = "dkim=temperror header.d=evil.example header.s=brisbane; dmarc=fail header.from=example.com";
    assert!(result(&report).ends_with(said), "{}", result(&report));
}

/// Whose key would have decided cannot be asked for: it may be asked for later.
#[test]
fn an_author_whose_key_cannot_be_asked_for_waits() {
    let late = world()
        .client("203.0.113.9")
        .dns(
            "_dmarc.football.example.com",
            Kind::Txt,
            &["v=DMARC1; p=reject"],
        )
        .dns_fails("brisbane._domainkey.football.example.com");
    let report = run(late.from("x@other.example.net").message(SIGNED));
    assert_eq!(report.verdict().to_string(), UNAVAILABLE);
}

/// `sp=none` is for the subdomains that there are.
#[test]
fn a_name_that_nobody_has_is_caught() {
    let record = "v=DMARC1; p=reject; sp=none; np=reject";
    let world = || {
        let world = world().client("203.0.113.9").from("x@other.example.net");
        let world = world.dns("_dmarc.example.org", Kind::Txt, &[record]);
        world.dns("www.example.org", Kind::Aaaa, &["2001:db8::1"])
    };
    refused(&run(
        world().message(letter("Tax <tax@refund-2026.example.org>"))
    ));
    let report = run(world().message(letter("www@www.example.org")));
    assert_eq!(report.symbols(), ["DMARC_FAIL"]);
    let late = world().dns_fails("late.example.org");
    let report = run(late.message(letter("a@late.example.org")));
    assert_eq!(report.verdict().to_string(), UNAVAILABLE);
}

/// Whoever has a place below a domain is not the domain.
#[test]
fn a_tenant_does_not_answer_for_the_landlord() {
    let hosted = world()
        .from("mallory@mallory.hosted.example.com")
        .dns(
            "mallory.hosted.example.com",
            Kind::Txt,
            &["v=spf1 ip4:192.0.2.0/24 -all"],
        )
        .dns(
            "_dmarc.hosted.example.com",
            Kind::Txt,
            &["v=DMARC1; p=none; psd=y"],
        );
    let report = run(hosted.message(letter("ceo@example.com")));
    refused(&report);
    assert!(result(&report).contains("spf=pass"), "{}", result(&report));
}

/// The servers of the domain above have no part in it.
#[test]
fn a_domain_that_answers_waits_for_nobody() {
    let late = world().dns_fails("_dmarc.com");
    passes(&run(late.message(letter("Alice <alice@example.com>"))));
}

/// Ninety questions are let through; the sender's come after those that protect the author.
#[test]
fn a_sender_who_asks_for_much_does_not_help_the_forger() {
    let forged = world().client("203.0.113.9").from("x@evil.example");
    let hosts: Vec<_> = (0..10).map(|n| format!("10 {n}.host.example")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let record = "v=spf1 mx mx mx mx mx mx mx mx mx mx ~all";
    let forged =
        forged
            .dns("evil.example", Kind::Txt, &[record])
            .dns("evil.example", Kind::Mx, &hosts);
    let report = run(forged.message(letter("ceo@example.com")));
    refused(&report);
    assert!(
        result(&report).contains("spf=temperror"),
        "{}",
        result(&report)
    );
}

#[test]
fn every_answer_can_be_chosen() {
    let fails = || {
        let quarantine =
            world()
                .client("203.0.113.9")
                .dns("example.net", Kind::Txt, &["v=spf1 ~all"]);
        let quarantine =
            quarantine.dns("_dmarc.example.net", Kind::Txt, &["v=DMARC1; p=quarantine"]);
        quarantine
            .from("a@example.net")
            .message(letter("a@example.net"))
    };
    let report = run(fails());
    assert_eq!(report.symbols(), ["SPF_SOFTFAIL", "DMARC_QUARANTINE"]);
    assert_eq!(
        report.note("reasons"),
        Some("SPF_SOFTFAIL=0.5 DMARC_QUARANTINE=4.0")
    );
    for (on, said) in [
        (
            "spf-softfail = 'defer'",
            "defer 4.7.23 the sender's domain hardly allows this client (SPF)",
        ),
        (
            "spf-softfail = 'reject'",
            "reject 5.7.23 the sender's domain hardly allows this client (SPF)",
        ),
        (
            "dmarc-quarantine = 'quarantine'",
            "quarantine the domain in From does not answer for this message and asks for suspicion (DMARC)",
        ),
    ] {
        let report = fails().run::<Auth>(&format!("{CONFIG}\n[on]\n{on}"));
        assert_eq!(report.verdict().to_string(), said, "{on}");
        assert_eq!(report.symbols(), [""; 0], "{on}");
    }
    let none = fails().run::<Auth>(&format!(
        "{CONFIG}\n[on]\nspf-softfail = 'ignore'\ndmarc-quarantine = 0.0"
    ));
    assert!(none.verdict().passes());
}

#[test]
fn whoever_gave_a_password_is_let_be() {
    let report = run(world()
        .client("203.0.113.9")
        .user("alice")
        .message(letter("a@example.com")));
    assert!(report.verdict().passes() && report.edits().is_empty());
}

/// Whichever of them its reader sees.
#[test]
fn every_author_is_asked_about() {
    let forged = || {
        let forged = world().client("203.0.113.9").from("x@other.example.net");
        forged.dns("_dmarc.example.net", Kind::Txt, &["v=DMARC1; p=none"])
    };
    for from in [
        "<ceo@example.com> <x@other.example.net>",
        "ceo@example.com, x@other.example.net",
        "x@other.example.net, <ceo@example.com>",
        "x@other.example.net\nFrom: ceo@example.com",
        "ceo@example.com x@other.example.net",
    ] {
        let report = run(forged().message(letter(from)));
        refused(&report);
        let said = "dmarc=fail header.from=example.com";
        assert!(result(&report).ends_with(said), "{}", result(&report));
    }
    let both = "a@example.com, b@other.example.net";
    let points = format!("{CONFIG}\n[on]\ndmarc-reject = 3.0");
    let report = forged().message(letter(both)).run::<Auth>(&points);
    assert_eq!(report.symbols(), ["DMARC_REJECT"]);
    passes(&run(world().message(letter("a@example.com, b@example.com"))));
}

#[test]
fn a_letter_of_nobody_is_refused() {
    let said = "reject 5.7.1 From does not say whose the message is";
    for from in [
        "undisclosed",
        "\"Bank <info@example.com>",
        "<x@example.com> <y@example.com>",
        "x@example.com\nFrom: x@example.com",
    ] {
        let report = run(world().message(letter(from)));
        assert_eq!(report.verdict().to_string(), said, "{from}");
        assert!(result(&report).contains("dmarc=permerror"), "{from}");
    }
    let points = format!("{CONFIG}\n[on]\nno-author = 2.0");
    let report = world().message(letter("undisclosed")).run::<Auth>(&points);
    assert_eq!(report.symbols(), ["NO_AUTHOR"]);
}

/// In From as its reader sees it, in the signature and in the name system as they are asked for.
#[test]
fn names_in_any_script_are_compared_as_they_are_asked_for() {
    let strict = ["v=DMARC1; p=reject"];
    let named = || {
        let named = world().dns("_dmarc.xn--bcher-kva.example", Kind::Txt, &strict);
        named.dns(
            "xn--bcher-kva.example",
            Kind::Txt,
            &["v=spf1 ip4:192.0.2.0/24 -all"],
        )
    };
    for sender in ["a@xn--bcher-kva.example", "a@bücher.example"] {
        for from in ["a@Bücher.example", "a@xn--bcher-kva.example"] {
            let report = run(named().from(sender).message(letter(from)));
            passes(&report);
            let said = "dmarc=pass header.from=xn--bcher-kva.example";
            assert!(result(&report).ends_with(said), "{}", result(&report));
        }
    }
    refused(&run(named().message(letter("a@bücher.example"))));
    let wide = "ceo@\u{ff45}xample.com";
    refused(&run(world()
        .from("x@other.example.net")
        .message(letter(wide))));
}

#[test]
fn what_is_wrong_in_the_settings_is_told() {
    for (config, says) in [
        ("", "authserv-id: write the name of this mail server"),
        ("authserv-id = 'localhost'", "authserv-id: "),
        (
            "authserv-id = 'mx.example.org'\n[on]\nspf-fail = 'bounce'",
            "write \"reject\"",
        ),
        (
            "authserv-id = 'mx.example.org'\n[on]\nspf = 1.0",
            "unknown field `spf`",
        ),
    ] {
        let said = configure::<Auth>(config).err().expect(config);
        assert!(said.contains(says), "{config}: {said}");
    }
}
