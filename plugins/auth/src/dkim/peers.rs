//! Keys of Debian's `opendkim-genkey` and signatures of Debian's Mail::DKIM, in every canonical form.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::tests::taken_apart;
use super::*;

const MESSAGE: &str = "From: Alice <alice@example.com>\r\nTo:  bob@example.org\r\nSubject: a\r\n  long  one\r\n\
    Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n\r\nA  line. \r\n\r\n\tAnother.\r\n\r\n\r\n";

/// One record, whatever is asked.
struct Record(String);

impl Names for Record {
    fn look_up(&mut self, name: &str, _: Kind) -> Found {
        assert_eq!(name, "s1._domainkey.example.com");
        Found::Records(vec![self.0.clone()])
    }
}

/// Says that a peer cannot take part; fails where all are wanted.
fn missing(peer: &str) {
    let required = std::env::var_os("LAZARET_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "{peer} is not installed, and LAZARET_REQUIRE_PEERS=1 wants it"
    );
    println!("skipped: {peer} not installed");
}

fn is_there(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The strings of a zone file's TXT record, joined as a resolver does.
fn record(zone: &str) -> String {
    let quoted = zone.split('"').skip(1).step_by(2);
    quoted.collect()
}

fn signed(key: &Path, form: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dkim/sign.pl");
    let mut perl = Command::new("perl")
        .arg(script)
        .arg(key)
        .args(["rsa-sha256", form, "example.com", "s1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("perl starts");
    let mut stdin = perl.stdin.take().expect("it was asked for");
    stdin.write_all(MESSAGE.as_bytes()).expect("perl reads");
    drop(stdin);
    let output = perl.wait_with_output().expect("perl ends");
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn outcome(message: &str, record: &str) -> Outcome {
    let (fields, body) = taken_apart(message);
    let signatures = Signatures::of(fields);
    let mut hashes = signatures.hashes();
    hashes
        .iter_mut()
        .for_each(|hash| hash.feed(body.as_bytes()));
    let mut checked = signatures.check(&mut Record(record.to_owned()), hashes, 0);
    assert_eq!(checked.len(), 1);
    checked.remove(0).outcome
}

#[test]
fn what_others_signed_holds_until_an_octet_is_changed() {
    if !is_there(Command::new("perl").args(["-MMail::DKIM::Signer", "-e", "1"])) {
        return missing("libmail-dkim-perl");
    }
    let home = tempfile::tempdir().expect("a directory");
    let mut generate = Command::new("opendkim-genkey");
    generate.args(["-b", "2048", "-d", "example.com", "-s", "s1", "-D"]);
    if !is_there(generate.arg(home.path())) {
        return missing("opendkim-genkey");
    }
    let zone = std::fs::read_to_string(home.path().join("s1.txt")).expect("its record");
    let record = record(&zone);
    for form in [
        "simple/simple",
        "simple/relaxed",
        "relaxed/simple",
        "relaxed/relaxed",
    ] {
        let message = signed(&home.path().join("s1.private"), form);
        assert_eq!(
            outcome(&message, &record),
            Outcome::Pass,
            "{form}\n{message}"
        );
        for (old, new, why) in [
            ("Another", "another", "the body was changed"),
            ("Alice", "alice", "the signature is not of these fields"),
        ] {
            let changed = message.replacen(old, new, 1);
            assert_eq!(
                outcome(&changed, &record),
                Outcome::Fail(why),
                "{form} {old}"
            );
        }
    }
    println!("peer: opendkim-genkey ran");
    println!("peer: Mail::DKIM ran");
}
