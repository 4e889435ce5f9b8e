//! Opinions of rspamd's, mail that they are about, and an rspamd that is no use.

use lazaret_filter::http::{Content, Response};
use lazaret_filter::session::{Certificate, TlsInfo};
use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Rspamd;

const ORIGIN: &str = "http://127.0.0.1:11333";
const LATER: &str = "defer 451 4.7.1 this message cannot be examined now, try again later";
const PLAIN: &str = "Subject: minutes\n\nAs discussed.\n";

fn mail() -> Transaction {
    Transaction::new().message(PLAIN)
}

fn judged(transaction: &Transaction, answer: &str, config: &str) -> Report {
    let answers = transaction.clone().http(ORIGIN, Response::new(200, answer));
    answers.run::<Rspamd>(config)
}

fn verdict(answer: &str, config: &str) -> String {
    judged(&mail(), answer, config).verdict().to_string()
}

/// As rspamd writes it.
fn opinion(action: &str, score: f64) -> String {
    format!(
        r#"{{"is_skipped":false,"score":{score:.1},"required_score":15.0,"action":"{action}","symbols":{{"MISSING_DATE":{{"name":"MISSING_DATE","score":1.0,"metric_score":1.0}},"ZERO":{{"score":0.0}},"URIBL":{{"score":5.5,"options":["spam.example:url"]}}}},"messages":{{}},"message-id":"a@example.com","time_real":0.2}}"#
    )
}

#[test]
fn the_corpus_replays() {
    lazaret_corpus::replay("opinion", crate::checks::opinion);
}

#[test]
fn catches_what_rspamd_rejects() {
    let gtube = r#"{"is_skipped":true,"score":15.0,"required_score":15.0,"action":"reject","symbols":{"GTUBE":{"name":"GTUBE","score":0.0,"metric_score":0.0}},"messages":{"smtp_message":"Gtube pattern"}}"#;
    assert_eq!(verdict(gtube, ""), "reject 550 5.7.1 Gtube pattern");
    assert_eq!(
        verdict(&opinion("reject", 21.0), ""),
        "reject 550 5.7.1 this message looks like spam"
    );
}

#[test]
fn catches_what_rspamd_wants_to_see_again() {
    let later =
        r#"{"score":4.0,"action":"soft reject","messages":{"smtp_message":"Try again later"}}"#;
    assert_eq!(verdict(later, ""), "defer 451 4.7.1 Try again later");
}

#[test]
fn catches_and_marks_what_looks_like_spam() {
    let report = judged(&mail(), &opinion("add header", 6.5), "");
    assert_eq!(report.verdict().to_string(), "continue");
    let message = report.message();
    assert!(message.contains("X-Spam: Yes\r\n"), "{message}");
    let unfolded = message.replace("\r\n ", " ");
    assert!(
        unfolded.contains(
            "X-Rspamd-Report: add header, score=6.5 of 15.0; URIBL=5.5 MISSING_DATE=1.0\r\n"
        ),
        "{message}"
    );
    assert_eq!(
        (report.symbols(), report.scores()[0].points),
        (vec!["RSPAMD"], 6.5)
    );
    assert_eq!(report.note("reasons"), Some("RSPAMD=6.5"));
}

#[test]
fn spares_ordinary_mail() {
    let report = judged(&mail(), &opinion("no action", 0.0), "");
    assert_eq!(report.verdict().to_string(), "continue");
    assert_eq!(
        report.message(),
        "Subject: minutes\r\n\r\nAs discussed.\r\n"
    );
    assert!(
        report.scores().is_empty() && report.log().is_empty(),
        "{:?}",
        report.log()
    );
}

/// rspamd's module answers `soft reject` where it wants to see a message again; `greylist` is a number of points.
#[test]
fn spares_the_action_greylist() {
    let greylist = judged(&mail(), &opinion("greylist", 4.5), "");
    assert_eq!(greylist.verdict().to_string(), "continue");
    assert_eq!(
        greylist.message(),
        "Subject: minutes\r\n\r\nAs discussed.\r\n"
    );
}

/// Whoever writes rspamd's fields into a message is not rspamd.
#[test]
fn spares_mail_with_forged_fields_and_removes_them() {
    let forged = "X-Spam: Yes\nX-Rspamd-Report: reject\nSubject: action: reject\n\n{\"action\":\"reject\"}\n";
    let mail = Transaction::new().message(forged);
    let report = judged(&mail, &opinion("no action", -1.5), "");
    assert_eq!(
        report.message(),
        "Subject: action: reject\r\n\r\n{\"action\":\"reject\"}\r\n"
    );
    assert_eq!(report.scores()[0].points, -1.5);
}

fn tls(client_certificate: Option<Certificate>) -> TlsInfo {
    TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        server_name: None,
        client_certificate,
    }
}

fn certificate(issuer: &str, verified: bool) -> Certificate {
    Certificate {
        subject: "CN=mail.example.com".to_owned(),
        issuer: issuer.to_owned(),
        sha256: "0".repeat(64),
        verified,
    }
}

#[test]
fn tells_rspamd_all_that_is_known() {
    let known = mail()
        .client("2001:db8::1")
        .client_name("mail.example.com")
        .helo("mail.example.com")
        .user("eva")
        .tls(tls(Some(certificate(
            "CN=Anna's CA, O=Ex\u{e4}mple\n",
            true,
        ))))
        .from("eva@example.com")
        .to("anna@example.org")
        .to("bob@example.org");
    let config = "mta-name = 'mx.example.org'\nsettings-id = 'inbound'\nflags = ['pass_all', 'groups']\npassword = 'q1'";
    let report = judged(&known, &opinion("no action", 0.0), config);
    let request = &report.requests()[0];
    assert_eq!(
        (request.verb.as_str(), request.url.as_str()),
        ("POST", "http://127.0.0.1:11333/checkv2")
    );
    assert!(
        matches!(&request.content, Content::Octets(octets) if octets.starts_with(b"Subject: minutes\r\n"))
    );
    let fields = request.fields.iter();
    let fields: Vec<_> = fields
        .map(|field| format!("{}: {}", field.name, field.value))
        .collect();
    let mut expected = vec![
        "IP: 2001:db8::1",
        "Hostname: mail.example.com",
        "Helo: mail.example.com",
        "From: eva@example.com",
        "User: eva",
        "TLS-Version: TLSv1.3",
        "TLS-Cipher: TLS_AES_256_GCM_SHA384",
        "TLS-Cert-Issuer: CN=Anna's CA, O=Ex\u{e4}mple_",
        "MTA-Tag: mx",
        "MTA-Name: mx.example.org",
        "Settings-ID: inbound",
        "Flags: pass_all,groups",
        "Password: q1",
        "Rcpt: anna@example.org",
        "Rcpt: bob@example.org",
    ];
    let queue = fields
        .iter()
        .position(|field| field.starts_with("Queue-ID: "));
    expected.insert(5, fields[queue.unwrap()].as_str());
    assert_eq!(fields, expected);
}

/// Anybody can write any issuer into a certificate of their own.
#[test]
fn spares_rspamd_what_nobody_vouches_for() {
    for shown in [None, Some(certificate("CN=our own CA", false))] {
        let report = judged(&mail().tls(tls(shown)), &opinion("no action", 0.0), "");
        let fields = &report.requests()[0].fields;
        let of_tls: Vec<_> = fields
            .iter()
            .filter(|field| field.name.starts_with("TLS"))
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(of_tls, ["TLS-Version", "TLS-Cipher"]);
    }
}

/// A bounce has a sender, an empty one; who is alone is whom it is delivered to.
#[test]
fn tells_rspamd_of_bounces_and_single_recipients() {
    let report = judged(
        &mail().from("").to("anna@example.org"),
        &opinion("no action", 0.0),
        "",
    );
    let field = |name: &str| {
        let fields = &report.requests()[0].fields;
        let found = fields.iter().find(|field| field.name == name);
        found.map(|field| field.value.clone())
    };
    assert_eq!(field("From").as_deref(), Some(""));
    assert_eq!(field("Deliver-To").as_deref(), Some("anna@example.org"));
    assert_eq!(field("Hostname"), None);
    assert_eq!(field("TLS-Version"), None);
}

#[test]
fn more_recipients_than_fit_are_left_out() {
    let domain = "example.org";
    let many = (0..2000).fold(mail(), |mail, n| mail.to(&format!("{n:050}@{domain}")));
    let report = judged(&many, &opinion("no action", 0.0), "");
    let fields = &report.requests()[0].fields;
    let octets: usize = fields.iter().map(|it| it.name.len() + it.value.len()).sum();
    assert!((40 << 10..60 << 10).contains(&octets), "{octets}");
}

#[test]
fn actions_are_answered_as_configured() {
    let told = |answer: &str| {
        verdict(
            &opinion("reject", 20.0),
            &format!("actions.reject = '{answer}'"),
        )
    };
    assert!(told("defer").starts_with("defer 451 4.7.1"));
    assert_eq!(told("quarantine"), "quarantine rspamd: reject, score 20.0");
    assert_eq!(told("continue"), "continue");
    let own = opinion("discard", 20.0);
    assert_eq!(verdict(&own, ""), LATER);
    assert_eq!(verdict(&own, "actions.discard = 'tag'"), "continue");
}

#[test]
fn the_subject_is_rewritten_where_that_is_wanted() {
    let rewrite = r#"{"score":8.0,"action":"rewrite subject","subject":"[spam] gr\u00fcn\r\n"}"#;
    let config = "actions.'rewrite subject' = 'subject'";
    let report = judged(&mail(), rewrite, config);
    assert!(
        report
            .edits()
            .contains(&"replace Subject 0: [spam] grün".to_owned()),
        "{:?}",
        report.edits()
    );
    let without = Transaction::new().message("From: a@example.com\n\nb\n");
    let report = judged(&without, rewrite, config);
    assert!(
        report
            .edits()
            .contains(&"add Subject: [spam] grün".to_owned()),
        "{:?}",
        report.edits()
    );
    assert!(
        judged(&mail(), rewrite, "")
            .message()
            .contains("Subject: minutes")
    );
}

#[test]
fn symbols_become_points_of_their_own() {
    let report = judged(
        &mail(),
        &opinion("no action", 6.5),
        "score = 'symbols'\nweight = 0.5",
    );
    assert_eq!(report.symbols(), ["URIBL", "MISSING_DATE"]);
    assert_eq!(
        (report.scores()[0].points, report.scores()[0].why.as_str()),
        (2.75, "spam.example:url")
    );
    assert_eq!(report.note("reasons"), Some("URIBL=2.8 MISSING_DATE=0.5"));
    let none = judged(
        &mail(),
        &opinion("no action", 6.5),
        "score = 'none'\nreport = 'always'",
    );
    assert!(none.scores().is_empty());
    assert!(none.message().starts_with("X-Rspamd-Report: no action"));
}

fn points(report: &Report) -> Vec<f64> {
    report.scores().iter().map(|score| score.points).collect()
}

/// As shipped: `score:-10..20`. What goes beyond is no reason to give nothing.
#[test]
fn catches_what_has_more_points_than_are_granted() {
    let config = "actions.reject = 'tag'";
    let granted = mail().grant_score(-10.0, 20.0);
    let report = judged(&granted, &opinion("reject", 35.5), config);
    assert_eq!(points(&report), [20.0]);
    assert_eq!(report.note("reasons"), Some("RSPAMD=20.0"));
    assert!(report.log().is_empty(), "{:?}", report.log());
    let good = judged(&granted, &opinion("no action", -1e300), "weight = 1e300");
    assert_eq!(points(&good), [-10.0]);
}

#[test]
fn a_grant_that_is_narrower_than_the_settings_is_found_out() {
    let config = "actions.reject = 'tag'";
    let narrow = mail().grant_score(-2.0, 8.0);
    let report = judged(&narrow, &opinion("reject", 35.5), config);
    assert_eq!(points(&report), [8.0]);
    assert_eq!(
        report.log(),
        [
            "warn: 8.0 of 20.0 points of rspamd's count: widen \"score:-10..20\" in `grant`, or set `least` and `most` to it"
        ]
    );
    let denied = judged(&mail().deny("score"), &opinion("reject", 35.5), config);
    assert!(points(&denied).is_empty() && !denied.log().is_empty());
}

/// A good one makes room, and the last counts as far as it fits.
#[test]
fn symbols_that_leave_the_range_count_as_far_as_it_goes() {
    let many = r#"{"score":27,"action":"add header","symbols":{"A":{"score":15},"B":{"score":9},"C":{"score":6},"GOOD":{"score":-3}}}"#;
    let report = judged(&mail().grant_score(-10.0, 20.0), many, "score = 'symbols'");
    assert_eq!(report.symbols(), ["GOOD", "A", "B"]);
    assert_eq!(points(&report), [-3.0, 15.0, 8.0]);
    assert_eq!(report.note("reasons"), Some("GOOD=-3.0 A=15.0 B=8.0"));
    let narrow = judged(&mail().grant_score(-10.0, 13.0), many, "score = 'symbols'");
    assert_eq!(points(&narrow), [-3.0, 15.0, 0.8]);
}

#[test]
fn milter_headers_are_applied_where_that_is_wanted() {
    let milter = r#"{"score":0,"action":"no action","milter":{
        "remove_headers":{"X-Old":0,"X-Second":2,"X-Last":-1},
        "add_headers":{"X-One":"a\r\n\tb","X-Two":{"value":"c","order":1},"X-Three":["d",{"value":"e"}],"X-Odd":7}},
        "dkim-signature":"v=1; a=rsa-sha256"}"#;
    let mail = Transaction::new()
        .grant_edits("X-*")
        .message("X-Old: 1\nX-Old: 2\nX-Second: 1\nX-Second: 2\nX-Last: 1\nSubject: a\n\nb\n");
    let report = judged(&mail, milter, "milter-headers = 'apply'");
    assert_eq!(
        report.edits()[..],
        [
            "remove X-Spam",
            "remove X-Rspamd-Report",
            "remove X-Old",
            "remove X-Second 1",
            "add X-One: a b",
            "add X-Three: d",
            "add X-Three: e",
            "add X-Two: c"
        ]
    );
    let log = report.log().join("\n");
    assert!(log.contains("X-Last is not changed (invalid)"), "{log}");
    assert!(
        log.contains("write \"edit-headers:DKIM-Signature\""),
        "{log}"
    );
    let ignored = judged(&mail, milter, "").message();
    assert!(ignored.contains("X-Old") && !ignored.contains("X-One"));
}

#[test]
fn without_rspamd_the_policy_answers() {
    let gone = mail().http_fails(ORIGIN);
    let report = gone.run::<Rspamd>("");
    assert_eq!(report.verdict().to_string(), LATER);
    assert_eq!(
        report.log(),
        ["warn: a message is not judged: no answer from rspamd within `http-time`"]
    );
    let passes = gone.run::<Rspamd>("when-unavailable = 'continue'");
    assert_eq!(passes.verdict().to_string(), "continue");
    let denied = mail().run::<Rspamd>("");
    assert!(
        denied.log()[0].contains("into `grant`"),
        "{:?}",
        denied.log()
    );
}

#[test]
fn an_rspamd_that_lies_is_believed_nothing() {
    let status = mail().http(ORIGIN, Response::new(403, "{\"error\":\"Unauthorized\"}"));
    let report = status.run::<Rspamd>("");
    assert_eq!(report.verdict().to_string(), LATER);
    assert!(report.log()[0].contains("status 403"));
    let deep = format!(
        "{{\"action\":\"no action\",\"score\":0,\"milter\":{}",
        "[".repeat(10_000)
    );
    let long = format!(
        "{{\"action\":\"no action\",\"score\":0}}{}",
        " ".repeat(300 << 10)
    );
    let lies = [
        "",
        "stream: OK",
        "[]",
        "{}",
        r#"{"action":"no action"}"#,
        r#"{"action":1,"score":0}"#,
        r#"{"action":"no action","score":"0"}"#,
        r#"{"action":"no action","score":0,"symbols":{"A":{"score":{}}}}"#,
        r#"{"action":"no action","score":0,"symbols":["A"]}"#,
        r#"{"action":"no action","score":1e999}"#,
        r#"{"action":"no action","score":0} {}"#,
        r#"{"action":"be nice","score":0}"#,
        deep.as_str(),
        long.as_str(),
    ];
    for lie in lies {
        let report = judged(&mail(), lie, "");
        assert_eq!(report.verdict().to_string(), LATER, "{:.60}", lie);
        assert!(report.log()[0].len() < 400, "{:?}", report.log());
    }
}

/// Words of rspamd's come from rules, and those from whoever wrote the message.
#[test]
fn what_rspamd_says_is_made_safe() {
    let text =
        r#"{"score":20,"action":"reject","messages":{"smtp_message":"no\r\n250 ok\u001b[31m"}}"#;
    assert_eq!(verdict(text, ""), "reject 550 5.7.1 no__250 ok_[31m");
    let symbols = r#"{"score":7,"action":"add header","symbols":{"A\r\nX-Evil: 1":{"score":7,"options":["b\nc"]}}}"#;
    let report = judged(&mail(), symbols, "score = 'symbols'");
    assert_eq!(report.symbols(), ["A__X-Evil__1"]);
    assert_eq!(report.scores()[0].why, "b_c");
    assert!(!report.message().contains("\r\nX-Evil"));
}

#[test]
fn says_what_is_wrong_with_its_configuration() {
    let problem = |toml: &str| configure::<Rspamd>(toml).err().unwrap_or_default();
    for wrong in [
        "127.0.0.1:11333",
        "http://",
        "http://127.0.0.1:11333/checkv2",
        "ftp://a",
    ] {
        let said = problem(&format!("url = '{wrong}'"));
        assert!(
            said.contains("write it as http://127.0.0.1:11333"),
            "{said}"
        );
    }
    assert!(configure::<Rspamd>("url = 'http://127.0.0.1:11333/'").is_ok());
    assert!(problem("most = -1").contains("write them as in the grant"));
    assert!(problem("weight = inf").contains("weight"));
    assert!(problem("actions.reject = 'drop'").contains("unknown variant `drop`"));
    assert!(problem("flags = ['body_block']").contains("unknown variant `body_block`"));
}
