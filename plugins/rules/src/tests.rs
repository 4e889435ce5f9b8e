//! Messages that the rules as shipped must catch, look-alikes that they must not, and each kind of rule.

use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Rules;

const POLICY: &str = include_str!("../20-rules.toml");

/// `[config]` of the policy as shipped.
fn shipped() -> String {
    let policy: toml::Table = POLICY.parse().unwrap();
    toml::to_string(&policy["config"]).unwrap()
}

fn judged(message: &str) -> Report {
    transaction(message).run::<Rules>(&shipped())
}

fn transaction(message: &str) -> Transaction {
    Transaction::new()
        .helo("mx1.mailer.example")
        .to("anna@example.org")
        .message(message)
}

fn points(report: &Report) -> f64 {
    report.scores().iter().map(|score| score.points).sum()
}

/// The usual fields around a From and a Subject.
fn mail(from: &str, subject: &str) -> String {
    format!(
        "Date: Mon, 02 Mar 2026 10:00:00 +0000\nMessage-ID: <1@mailer.example>\nFrom: {from}\nTo: anna@example.org\n\
         Subject: {subject}\n\nHello.\n"
    )
}

/// Phishing with a borrowed name and a threat: 6.0 points, flagged by the policy.
#[test]
fn catches_a_borrowed_name_with_a_threat() {
    let report = judged(&mail(
        "\"PayPal Service\" <notice@parcel-7781.example>",
        "Your account has been limited",
    ));
    assert_eq!(
        report.symbols(),
        ["BORROWED_NAME", "SUBJECT_ACCOUNT_THREAT"]
    );
    assert_eq!(points(&report), 6.0);
    assert_eq!(
        report.note("reasons"),
        Some("BORROWED_NAME=3.5 SUBJECT_ACCOUNT_THREAT=2.5")
    );
}

/// The chief's address as a name, the answer to somewhere else.
#[test]
fn catches_the_chief_who_is_not() {
    let message = mail(
        "\"chief@example.org\" <x81@cheap.example>",
        "Are you at your desk?",
    )
    .replace("Subject:", "Reply-To: chief.private@gmail.com\nSubject:");
    let report = judged(&message);
    assert_eq!(
        report.symbols(),
        ["NAME_SHOWS_OTHER_ADDRESS", "REPLY_TO_FREE_MAIL"]
    );
    assert!(points(&report) >= 5.0);
}

/// A home-made bulk mailer: no date, no Message-ID, a fortune and a serial number behind a gap.
#[test]
fn catches_bulk_mail_of_a_home_made_program() {
    let report = judged(
        "From: claims@fund.example\nTo: undisclosed-recipients:;\nSubject: You have won the lottery            xq7731\n\n\
         Write to the barrister.\n",
    );
    assert_eq!(
        report.symbols(),
        [
            "NO_DATE",
            "NO_MESSAGE_ID",
            "SUBJECT_SERIAL",
            "SUBJECT_FORTUNE"
        ]
    );
}

#[test]
fn catches_two_senders_in_one_message() {
    let message =
        mail("bank@bank.example", "Statement").replace("To:", "From: evil@example.net\nTo:");
    assert_eq!(judged(&message).symbols(), ["REPEATED_FIELD"]);
}

/// One program takes the message for a text, another for a page, a third looks for attachments.
#[test]
fn catches_two_types_in_one_message() {
    for field in [
        "MIME-Version: 1.0",
        "Content-Type: text/plain",
        "Content-Transfer-Encoding: 7bit",
        "Content-Disposition: inline",
    ] {
        let twice = format!("{field}\n{field}\nTo:");
        let message = mail("ann@b.example", "Statement").replace("To:", &twice);
        assert_eq!(judged(&message).symbols(), ["REPEATED_FIELD"], "{field}");
    }
}

#[test]
fn catches_unseen_characters() {
    let subject = "=?utf-8?Q?Ver=E2=80=8Bify_the_pay=C2=ADment?=";
    assert_eq!(
        judged(&mail("a@b.example", subject)).symbols(),
        ["UNSEEN_CHARACTERS"]
    );
}

#[test]
fn catches_the_recipient_in_the_subject() {
    let report = judged(&mail(
        "Win <w@b.example>",
        "Anna@example.org, your reward waits",
    ));
    assert_eq!(report.symbols(), ["SHOWS_RECIPIENT"]);
}

/// The company itself writes about an account.
#[test]
fn spares_the_true_owner_of_the_name() {
    let report = judged(&mail(
        "\"PayPal\" <service@intl.paypal.com>",
        "Your receipt",
    ));
    assert_eq!(report.symbols(), [""; 0]);
}

/// A mailing list that writes the author's address into the name (as DMARC makes lists do): below 5 points, where the
/// policy flags.
#[test]
fn spares_a_mailing_list() {
    let message = mail(
        "\"jo@example.com via Gardeners\" <gardeners@lists.example>",
        "[gardeners] how I restore your mailbox post",
    )
    .replace(
        "Subject:",
        "List-Id: <gardeners.lists.example>\nReply-To: jo.private@gmail.com\nSubject:",
    );
    let report = judged(&message);
    assert_eq!(
        report.symbols(),
        ["LIST_SHOWS_OTHER_ADDRESS", "SUBJECT_ACCOUNT_THREAT"]
    );
    assert_eq!(points(&report), 4.5);
    let plain = message
        .replace("jo@example.com via", "Jo Doe via")
        .replace("how I restore your mailbox post", "how I prune roses");
    assert_eq!(judged(&plain).symbols(), [""; 0]);
}

/// Anybody can write List-Id.
#[test]
fn catches_who_says_to_be_a_list() {
    let symbols = |from: &str, subject: &str| {
        let message = mail(from, subject).replace(
            "Subject:",
            "List-Id: <a>\nReply-To: chief.private@gmail.com\nSubject:",
        );
        judged(&message).symbols().join(" ")
    };
    assert_eq!(
        symbols("chief@example.org <x81@cheap.example>", "Are you there?"),
        "NAME_SHOWS_OTHER_ADDRESS REPLY_TO_FREE_MAIL"
    );
    assert_eq!(
        symbols(
            "PayPal via List <x@evil.example>",
            "Your account has been limited"
        ),
        "BORROWED_NAME SUBJECT_ACCOUNT_THREAT"
    );
    assert_eq!(
        symbols("Jo via List <x@evil.example>", "Earn money, risk-free"),
        "SUBJECT_MONEY"
    );
}

/// Programs show what stands in From, address or not: `C: From: Europa Park,(<service@shop.example>)`
#[test]
fn catches_an_address_that_is_only_shown() {
    let report = judged(&mail("Europa Park,(<service@shop.example>)", "A present"));
    assert_eq!(
        report.symbols(),
        ["NAME_SHOWS_OTHER_ADDRESS", "NO_ADDRESS_IN_FROM"]
    );
}

/// People write about money, pills and accounts too.
#[test]
fn spares_people_who_talk_about_such_things() {
    for subject in [
        "Re: account numbers for the new suppliers",
        "lottery tickets: shall we pool at work?"
            .replace("lottery", "tombola")
            .as_str(),
        "I lost my password again, can you help?",
        "mortgage meeting on Tuesday",
        "Paper on bitcoin energy use",
        "An appointment with the specialist",
        "Fwd: million dollar homepage",
        "Verification of the bridge calculations",
        "Re: C code, 2    spaces or four",
    ] {
        let report = judged(&mail("Jo Doe <jo@example.com>", subject));
        assert_eq!(report.symbols(), [""; 0], "{subject}");
    }
}

/// In a negation every author must fit, else a second one spares the first: `not = { from = .. }` and `every-from`.
#[test]
fn catches_a_second_author_who_would_spare_the_first() {
    let config = r#"
[[rule]]
name = "OUTSIDE"
score = 1
when = { not = { from = { ends = "@example.org" } } }

[[rule]]
name = "OURS"
score = -1
when = { every-from = { ends = "@example.org" } }

[[rule]]
name = "ANY_OF_OURS"
score = 1
when = { not = { not = { from = { ends = "@example.org" } } } }
"#;
    let symbols = |from: &str| {
        let report = transaction(&mail(from, "x")).run::<Rules>(config);
        report.symbols().join(" ")
    };
    assert_eq!(symbols("Ceo <ceo@example.org>"), "OURS ANY_OF_OURS");
    assert_eq!(
        symbols("x@evil.example, ceo@example.org"),
        "OUTSIDE ANY_OF_OURS"
    );
    assert_eq!(symbols("ceo@example.org <x@evil.example>"), "OUTSIDE");
    assert_eq!(symbols("X <\"<ceo@example.org>\"@evil.example>"), "OUTSIDE");
    assert_eq!(symbols("nobody"), "OUTSIDE");
    let padded = format!("{}x@evil.example", "ceo@example.org, ".repeat(5000));
    assert_eq!(symbols(&padded), "OUTSIDE");
}

#[test]
fn catches_an_address_in_quotes_as_what_it_is() {
    let report = judged(&mail("PayPal <\"<service@paypal.com>\"@evil.example>", "x"));
    assert_eq!(report.symbols(), ["BORROWED_NAME"]);
    let report = judged(&mail("PayPal <x@evil.example>, <service@paypal.com>", "x"));
    assert_eq!(report.symbols(), ["BORROWED_NAME"]);
    let long = format!("PayPal {} <x@evil.example>", "y".repeat(70_000));
    let report = judged(&mail(&long, "x"));
    assert_eq!(report.symbols(), ["BORROWED_NAME", "NO_ADDRESS_IN_FROM"]);
}

/// As much as the host takes: nothing is compared with everything.
#[test]
fn many_recipients_and_long_fields_cost_little() {
    let subject = "İ".repeat(500_000);
    let many = |name: &str| format!("{name}: {}\n", "<a@b.example>, ".repeat(20_000));
    let message = format!(
        "{}{}{}\nx\n",
        many("From"),
        many("Reply-To"),
        format!("Subject: {subject}\n").repeat(20)
    );
    let transaction = (0..1000).fold(transaction(&message), |it, n| {
        it.to(&format!("{n}@example.org"))
    });
    let report = transaction.run::<Rules>(&shipped());
    assert!(report.symbols().contains(&"REPEATED_FIELD"));
}

/// A name that holds a company's as a part of another word, and a reply to one's own other domain.
#[test]
fn spares_names_that_only_look_borrowed() {
    for from in [
        "Ledgerwood & Sons <office@ledgerwood.example>",
        "Dhlamini, Thabo <thabo@example.com>",
        "\"jo@mail.example.com\" <jo@example.com>",
    ] {
        assert_eq!(judged(&mail(from, "Lunch")).symbols(), [""; 0], "{from}");
    }
}

const EVERY_KIND: &str = r#"
[[rule]]
name = "INSIDE"
when = { client = ["192.0.2.0/24", "2001:db8::/32"], listener = "mx", not = { is = "encrypted" } }
score = -1.0

[[rule]]
name = "MAILER"
when = { header = { name = "X-Mailer", like = "bulk?r *" }, all = [{ sender = { ends = "@bulk.example" } }, { recipient = "anna@" }] }
reject = "no bulk mail"

[[rule]]
name = "LATER"
when = { hello = { equals = "impatient.example" } }
defer = "try again in an hour"

[[rule]]
name = "OUTSIDE"
when = { not = { from = { ends = "@example.org" } } }
edit = [
    { prefix = "Subject", value = "[outside] " },
    { add = "X-Origin", value = "outside" },
    { remove = "X-Internal" },
    { replace = "X-Class", value = "2" },
]
"#;

#[test]
fn every_kind_of_condition_and_consequence() {
    let message = "From: a@bulk.example\nSubject: hi\nX-Internal: yes\nX-Class: 1\n\nx\n";
    let report = transaction(message).run::<Rules>(EVERY_KIND);
    assert_eq!(report.symbols(), ["INSIDE"]);
    assert_eq!(
        report.edits(),
        [
            "replace Subject 0: [outside] hi",
            "add X-Origin: outside",
            "remove X-Internal",
            "replace X-Class 0: 2",
        ]
    );
}

#[test]
fn replies_end_the_rules() {
    let bulk = format!("X-Mailer: Bulker 3\n{}", mail("a@bulk.example", "x"));
    let report = transaction(&bulk)
        .from("a@bulk.example")
        .run::<Rules>(EVERY_KIND);
    assert_eq!(report.verdict().to_string(), "reject 5.7.1 no bulk mail");
    assert_eq!(report.edits(), [""; 0]);
    let report = transaction(&mail("a@b.example", "x"))
        .helo("Impatient.example")
        .run::<Rules>(EVERY_KIND);
    assert_eq!(
        report.verdict().to_string(),
        "defer 4.7.1 try again in an hour"
    );
}

#[test]
fn a_prefix_is_put_once() {
    let report = transaction(&mail("a@b.example", "[outside] x")).run::<Rules>(EVERY_KIND);
    assert!(report.message().contains("Subject: [outside] x\r\n"));
}

/// Edits of one message follow each other: the header section is shown without own edits.
#[test]
fn edits_of_one_field_all_remain() {
    let tags = r#"
[[rule]]
name = "OUTSIDE"
when = { exists = "From" }
edit = [{ prefix = "Subject", value = "[outside] " }, { replace = "X-Class", value = "1" }]

[[rule]]
name = "SPAM"
when = { exists = "From" }
edit = [{ prefix = "subject", value = "[spam] " }, { replace = "X-Class", value = "2" }, { prefix = "X-Class", value = "3 " }]
"#;
    let edited = |message: &str| transaction(message).run::<Rules>(tags).message();
    let section = |message: &str| edited(message).replace("\r\n", "\n");
    assert_eq!(
        section("From: a@b.example\nSubject: hi\n\nx\n"),
        "X-Class: 3 2\nFrom: a@b.example\nSubject: [spam] [outside] hi\n\nx\n"
    );
    assert_eq!(
        section("From: a@b.example\nX-Class: 7\n\nx\n"),
        "Subject: [spam] [outside]\nFrom: a@b.example\nX-Class: 3 2\n\nx\n"
    );
    assert_eq!(
        section("From: a@b.example\nX-Class: 7\nSubject: hi\nSubject: hello\n\nx\n"),
        "From: a@b.example\nX-Class: 3 2\nSubject: [spam] [outside] hi\nSubject: [spam] [outside] hello\n\nx\n"
    );
}

#[test]
fn of_many_subjects_both_ends_are_prefixed() {
    let many = "Subject: x\n".repeat(300);
    let report = transaction(&format!("From: a@b.example\n{many}\nx\n")).run::<Rules>(EVERY_KIND);
    let message = report.message();
    assert_eq!(message.matches("[outside] x").count(), 16);
    assert!(message.contains("[outside] x\r\n\r\n"), "{message}");
    assert_eq!(report.log(), [""; 0]);
}

#[test]
fn rights_that_miss_are_named_with_the_rule() {
    let report = transaction(&mail("a@b.example", "x"))
        .deny("edit-headers")
        .run::<Rules>(EVERY_KIND);
    assert!(report.verdict().passes());
    assert_eq!(
        report.log()[0],
        "warn: rule OUTSIDE: cannot edit Subject (not-granted): grant `edit-headers:Subject`"
    );
}

#[test]
fn a_mistake_is_told_with_its_rule_and_the_cure() {
    let problem = |rule: &str| {
        configure::<Rules>(&format!("[[rule]]\n{rule}"))
            .err()
            .unwrap()
    };
    let named = |rest: &str| problem(&format!("name = 'A'\n{rest}"));
    for (problem, expected) in [
        (
            problem("when = { missing = 'Date' }"),
            "rule number 1: missing field `name`",
        ),
        (
            problem("name = 'A B'\nscore = 1\nwhen = { missing = 'Date' }"),
            "rule A B: a name has letters",
        ),
        (
            named("when = { missing = 'Date' }"),
            "rule A: nothing follows from it; give it `score`",
        ),
        (
            named("score = 1\nwhen = {}"),
            "rule A: a condition is empty; say e.g. { missing",
        ),
        (
            named("score = 1\nwhen = { any = [] }"),
            "rule A: `any` is empty",
        ),
        (
            named("score = 1\nwhen = { subjct = 'x' }"),
            "rule A: unknown field `subjct`, expected one of",
        ),
        (
            named("score = 1\nwhen = { subject = { has = 'x' } }"),
            "rule A: unknown field `has`",
        ),
        (
            named("score = 1\nwhen = { subject = {} }"),
            "rule A: a text is not tested; say one of",
        ),
        (
            named("score = 1\nwhen = { subject = [] }"),
            "rule A: an array of texts is empty",
        ),
        (
            named("score = 1\nwhen = { subject = { regex = '(' } }"),
            "rule A: regex '(':",
        ),
        (
            named("score = 1\nwhen = { is = 'odd' }"),
            "rule A: unknown variant `odd`",
        ),
        (
            named("score = 1\nwhen = { client = '10/8' }"),
            "rule A: client: network `10/8` is no IP address",
        ),
        (
            named("reject = 'x'\ndefer = 'y'\nwhen = { missing = 'A' }"),
            "rule A: it has both",
        ),
        (
            named("edit = [{ add = 'X' }]\nwhen = { missing = 'A' }"),
            "rule A: an edit is one of",
        ),
        (
            named("edit = [{ remove = 'X:' }]\nwhen = { missing = 'A' }"),
            "rule A: `X:` is no field name",
        ),
    ] {
        assert!(problem.starts_with(expected), "{problem}");
    }
    let twice = "name = 'A'\nscore = 1\nwhen = { missing = 'B' }\n[[rule]]\nname = 'A'\nscore = 1\nwhen = { missing = 'B' }";
    assert!(problem(twice).starts_with("rule A: another rule has this name"));
}

/// The second instance of the README, with the rights that it has there.
#[test]
fn marks_are_written_behind_auth_by_an_instance_of_its_own() {
    let text = include_str!("../README.md");
    let (_, text) = text.split_once("# 80-marks.toml").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let policy: toml::Table = format!("#{text}").parse().unwrap();
    let rules = toml::to_string(&policy["config"]).unwrap();
    for (from, edits) in [("a@example.com", 1), ("anna@example.org", 0)] {
        let mut transaction = transaction(&mail(from, "hello")).grant_edits("Subject");
        for denied in policy["deny"].as_array().unwrap() {
            transaction = transaction.deny(denied.as_str().unwrap());
        }
        let report = transaction.run::<Rules>(&rules);
        assert!(report.verdict().passes() && report.log().is_empty());
        assert_eq!(report.edits().len(), edits, "{:?}", report.edits());
    }
}
