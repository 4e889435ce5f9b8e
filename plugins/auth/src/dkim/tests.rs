//! Messages of the standards, and what becomes of them when an octet is changed.

use std::collections::BTreeMap;

use super::*;

struct Keys(BTreeMap<&'static str, Vec<String>>);

impl Names for Keys {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        assert_eq!(kind, Kind::Txt);
        match self.0.get(name) {
            Some(records) if records[0] == "TEMP" => Found::Temporary,
            Some(records) => Found::Records(records.clone()),
            None => Found::Void,
        }
    }
}

const NAME: &str = "brisbane._domainkey.football.example.com";
/// RFC 8463 appendix A.2.
const ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// RFC 8463 appendix A.3.
const MESSAGE: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\
\x20d=football.example.com; i=@football.example.com;\r\n\
\x20q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n\
\x20subject : date : message-id : from : subject : date;\r\n\
\x20bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
\x20b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n\
\x20Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
From: Joe SixPack <joe@football.example.com>\r\n\
To: Suzie Q <suzie@shopping.example.net>\r\n\
Subject: Is dinner ready?\r\n\
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
\r\n\
Hi.\r\n\
\r\n\
We lost the game.  Are you hungry yet?\r\n\
\r\n\
Joe.\r\n";

/// RFC 6376 appendix A.2, with the key of appendix C.
const RSA_NAME: &str = "brisbane._domainkey.example.com";
const RSA: &str = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
const RSA_MESSAGE: &str = "\
DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n\
\x20     c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n\
\x20     h=Received : From : To : Subject : Date : Message-ID;\r\n\
\x20     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
\x20     b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n\
\x20     4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n\
\x20     KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n\
\x20     4bmp/YzhwvcubU4=;\r\n\
Received: from client1.football.example.com  [192.0.2.1]\r\n\
\x20     by submitserver.example.com with SUBMISSION;\r\n\
\x20     Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n\
From: Joe SixPack <joe@football.example.com>\r\n\
To: Suzie Q <suzie@shopping.example.net>\r\n\
Subject: Is dinner ready?\r\n\
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
\r\n\
Hi.\r\n\
\r\n\
We lost the game. Are you hungry yet?\r\n\
\r\n\
Joe.\r\n";

/// Header fields and body of a message with CRLF.
pub fn taken_apart(message: &str) -> (Vec<Field>, &str) {
    let (header, body) = message.split_once("\r\n\r\n").expect("an empty line");
    let mut fields: Vec<Field> = Vec::new();
    for line in header.split("\r\n") {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => {
                field.value.extend_from_slice(b"\r\n");
                field.value.extend_from_slice(line.as_bytes());
            }
            _ => {
                let (name, value) = line.split_once(':').expect("a field");
                fields.push(Field {
                    name: name.to_owned(),
                    value: value.as_bytes().to_vec(),
                });
            }
        }
    }
    (fields, body)
}

fn checked_at(message: &str, name: &'static str, keys: &[&str], now: u64) -> Vec<Checked> {
    let (fields, body) = taken_apart(message);
    let signatures = Signatures::of(fields);
    let mut hashes = signatures.hashes();
    hashes
        .iter_mut()
        .for_each(|hash| hash.feed(body.as_bytes()));
    let keys = keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let zone = if keys.is_empty() {
        BTreeMap::new()
    } else {
        BTreeMap::from([(name, keys)])
    };
    signatures.check(&mut Keys(zone), hashes, now)
}

fn outcome(message: &str, keys: &[&str]) -> Outcome {
    let mut checked = checked_at(message, NAME, keys, 2_000_000_000);
    assert_eq!(checked.len(), 1);
    checked.remove(0).outcome
}

#[test]
fn the_messages_of_the_standards_pass() {
    assert_eq!(outcome(MESSAGE, &[ED25519]), Outcome::Pass);
    let checked = checked_at(RSA_MESSAGE, RSA_NAME, &[RSA], 0);
    assert_eq!(
        checked,
        [Checked {
            outcome: Outcome::Pass,
            domain: "example.com".to_owned(),
            selector: "brisbane".to_owned()
        }]
    );
}

#[test]
fn one_changed_octet_fails() {
    for (old, new, why) in [
        ("hungry", "angry ", "the body was changed"),
        ("Joe.\r\n", "Joe.\r\nPS\r\n", "the body was changed"),
        ("dinner", "supper", "the signature is not of these fields"),
        ("<joe@", "<jim@", "the signature is not of these fields"),
        (
            "t=1528637909",
            "t=1528637908",
            "the signature is not of these fields",
        ),
        ("b=/gCr", "b=/gCs", "the signature is not of these fields"),
        // A second field of a name that was signed once more than it was there.
        (
            "To: ",
            "From: Mallory <mallory@example.net>\r\nTo: ",
            "the signature is not of these fields",
        ),
    ] {
        let changed = MESSAGE.replacen(old, new, 1);
        assert_ne!(changed, MESSAGE, "{old}");
        assert_eq!(
            outcome(&changed, &[ED25519]),
            Outcome::Fail(why),
            "{old} -> {new}"
        );
    }
    for (old, new) in [("dinner", "supper"), ("hungry", "angry!")] {
        let changed = RSA_MESSAGE.replacen(old, new, 1);
        let checked = checked_at(&changed, RSA_NAME, &[RSA], 0);
        assert!(
            matches!(checked[0].outcome, Outcome::Fail(_)),
            "{checked:?}"
        );
    }
}

/// A domain that tries signing out is, if they fail, as one that does not sign (RFC 6376 section 3.6.1, `t=y`).
#[test]
fn a_test_that_fails_is_no_signature() {
    let testing = format!("{ED25519}; t=s : y");
    assert_eq!(outcome(MESSAGE, &[&testing]), Outcome::Pass);
    let tests_only = Outcome::Neutral("it does not hold, and its domain is only testing");
    for (old, new) in [("hungry", "angry "), ("dinner", "supper")] {
        let changed = MESSAGE.replacen(old, new, 1);
        assert_eq!(outcome(&changed, &[&testing]), tests_only, "{old}");
    }
    let expired = MESSAGE.replacen("t=1528637909", "t=1528637909; x=1528637910", 1);
    assert_eq!(outcome(&expired, &[&testing]), tests_only);
    let changed = MESSAGE.replacen("hungry", "angry ", 1);
    let broken = Outcome::Fail("the body was changed");
    for keys in [
        &[][..],
        &["TEMP"],
        &["v=DKIM1; k=ed25519; p=; t=y"],
        &[&format!("{ED25519}; t=s")],
        &[&format!("{ED25519}; t=yes:*")],
    ] {
        assert_eq!(outcome(&changed, keys), broken, "{keys:?}");
    }
}

#[test]
fn what_the_form_forgives_passes() {
    for (old, new) in [
        ("From: Joe SixPack", "FROM:   Joe\r\n\tSixPack"),
        ("the game.  Are", "the game. \t Are"),
        ("Joe.\r\n", "Joe. \r\n\r\n\r\n"),
        ("DKIM-Signature:", "Received: from there\r\nDKIM-Signature:"),
    ] {
        let changed = MESSAGE.replacen(old, new, 1);
        assert_ne!(changed, MESSAGE, "{old}");
        assert_eq!(outcome(&changed, &[ED25519]), Outcome::Pass, "{old}");
    }
}

#[test]
fn keys_that_are_none() {
    for (keys, expected) in [
        (&[][..], Outcome::PermError("there is no key")),
        (&["TEMP"], Outcome::TempError),
        (
            &[ED25519, ED25519],
            Outcome::PermError("there is more than one key"),
        ),
        (
            &["v=DKIM1; k=ed25519; p="],
            Outcome::PermError("the key was revoked"),
        ),
        (
            &["v=DKIM2; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
            Outcome::PermError("the key is of another version"),
        ),
        (
            &["k=ed25519; v=DKIM1; p=AA=="],
            Outcome::PermError("the key is of another version"),
        ),
        (
            &["k=ed25519; h=sha1; p=AA=="],
            Outcome::PermError("the key is for something else"),
        ),
        (
            &["k=ed25519; s=tlsrpt; p=AA=="],
            Outcome::PermError("the key is for something else"),
        ),
        (
            &["k=ed25519; p=AA=="],
            Outcome::PermError("the key is damaged"),
        ),
        (
            &["k=ed25519; p=%%"],
            Outcome::PermError("the key is not base64"),
        ),
        (&[RSA], Outcome::PermError("the key is of another kind")),
        (
            &["garbage"],
            Outcome::PermError("the key is no list of tags"),
        ),
    ] {
        assert_eq!(outcome(MESSAGE, keys), expected, "{keys:?}");
    }
    let damaged = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEB";
    let checked = checked_at(RSA_MESSAGE, RSA_NAME, &[damaged], 0);
    assert_eq!(checked[0].outcome, Outcome::PermError("the key is damaged"));
    let strict = RSA.replace("p=", "t=s; p=");
    let checked = checked_at(RSA_MESSAGE, RSA_NAME, &[&strict], 0);
    assert_eq!(
        checked[0].outcome,
        Outcome::PermError("the key is not for subdomains")
    );
}

#[test]
fn signatures_that_are_none() {
    for (old, new, why) in [
        ("v=1", "v=2", "it is of another version"),
        ("a=ed25519-sha256", "a=rsa-sha1", "it is made with SHA-1"),
        ("a=ed25519-sha256", "a=rot13", "its algorithm is not known"),
        (
            "c=relaxed/relaxed",
            "c=simple/odd",
            "its canonical form is not known",
        ),
        (
            "d=football.example.com",
            "d=localhost",
            "its domain is none",
        ),
        (
            "i=@football.example.com",
            "i=@example.net",
            "its agent is of another domain",
        ),
        ("s=brisbane", "s=a..b", "its selector is none"),
        ("q=dns/txt", "q=http", "its key is kept elsewhere"),
        ("t=1528637909", "t=1; x=1", "it expired before it was made"),
        ("t=1528637909", "t=-1", "a number is none"),
        ("v=1;", "v=1; v=1;", "it is no list of tags"),
        ("bh=2jUSO", "bh=!jUSO", "its hash is not base64"),
    ] {
        assert_eq!(
            outcome(&MESSAGE.replacen(old, new, 1), &[ED25519]),
            Outcome::PermError(why),
            "{new}"
        );
    }
    let without = MESSAGE.replacen(
        "h=from : to :\r\n subject : date : message-id : from :",
        "h=to :",
        1,
    );
    assert_eq!(
        outcome(&without, &[ED25519]),
        Outcome::PermError("it does not cover From")
    );
    let late = MESSAGE.replacen("t=1528637909", "t=1528637909; x=1528637910", 1);
    assert_eq!(outcome(&late, &[ED25519]), Outcome::Fail("it has expired"));
    let part = MESSAGE.replacen("t=1528637909", "l=4", 1);
    assert_eq!(
        outcome(&part, &[ED25519]),
        Outcome::Policy("it covers a part of the body only")
    );
}

#[test]
fn only_the_first_five_are_looked_at() {
    let (signature, rest) = MESSAGE.split_once("From: ").unwrap();
    let many = signature.repeat(9) + "From: " + rest;
    assert_eq!(
        checked_at(&many, NAME, &[ED25519], 0).len(),
        MOST_SIGNATURES
    );
}

#[test]
fn short_rsa_keys_prove_nothing() {
    // 512 bits of ones: its length is looked at before it is used.
    let octets = [
        &[0x30, 0x47, 0x02, 0x40][..],
        &[0xff; 64],
        &[0x02, 0x03, 1, 0, 1],
    ]
    .concat();
    use base64::Engine;
    let key = format!(
        "p={}",
        base64::engine::general_purpose::STANDARD.encode(octets)
    );
    let checked = checked_at(RSA_MESSAGE, RSA_NAME, &[&key], 0);
    assert_eq!(checked[0].outcome, Outcome::Policy("the key is too short"));
}
