//! `examples/mx.d`, the recommended chain: it loads whole, has no right too many, and does what its README says.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lazaret_bundled::{ALL, Bundled, FURTHER};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The chain, in its order.
const CHAIN: [&str; 8] = [
    "access",
    "rate",
    "dnsbl",
    "rules",
    "attachments",
    "auth",
    "greylist",
    "policy",
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn bundled(name: &str) -> &'static Bundled {
    let mut all = ALL.iter().chain(&FURTHER);
    all.find(|filter| filter.name == name).unwrap()
}

fn lazaret(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    // Who is slow to prepare filters says so in the log, which is not the answer.
    let said = match code {
        0 => output.stdout,
        _ => [output.stdout, output.stderr].concat(),
    };
    (code, String::from_utf8(said).unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        // A checkout in which somebody installed the components has more than what is in git.
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false if path.extension().is_some_and(|it| it == "wasm") => {}
            false if name == ".shipped" => {}
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// Whoever only looks need not install anything, and nothing is written for him.
#[test]
fn it_can_be_tried_as_it_lies_there() {
    let dir = tempfile::tempdir().unwrap();
    copy(&examples(), dir.path());
    fs::write(dir.path().join("mail.eml"), "Subject: hi\r\n\r\nHello\r\n").unwrap();
    let (code, said) = lazaret(dir.path(), &["try", "--filters", "mx.d", "mail.eml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("note: of access, "), "{said}");
    assert!(!said.contains("not loadable"), "{said}");
    let written = fs::read_dir(dir.path().join("mx.d")).unwrap().flatten();
    let names: Vec<_> = written.map(|entry| entry.file_name()).collect();
    assert!(names.iter().all(|name| name != ".shipped"), "{names:?}");
}

/// As its README says: copied, then the components installed.
fn set_up() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&examples(), dir.path());
    let (code, text) = lazaret(dir.path(), &["filters", "install", "--dir", "mx.d"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        !text.contains("written  mx.d/lists"),
        "all lists are in git: {text}"
    );
    dir
}

fn certify(dir: &Path) {
    let certified = rcgen::generate_simple_self_signed(["mx.example.org".to_owned()]).unwrap();
    fs::create_dir(dir.join("tls")).unwrap();
    fs::write(dir.join("tls/fullchain.pem"), certified.cert.pem()).unwrap();
    fs::write(
        dir.join("tls/privkey.pem"),
        certified.signing_key.serialize_pem(),
    )
    .unwrap();
}

#[test]
fn it_loads_whole() {
    let dir = set_up();
    certify(dir.path());
    let (code, text) = lazaret(dir.path(), &["check", "--config", "lazaret.toml", "--json"]);
    assert_eq!(code, 0, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["problems"], json!([]));
    let filters = json["filters"].as_array().unwrap();
    let told: Vec<_> = filters
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["mode"].as_str().unwrap()))
        .collect();
    let expected = CHAIN.map(|name| match name {
        "rate" | "dnsbl" | "greylist" => (name, "observe"),
        _ => (name, "enforce"),
    });
    assert_eq!(told, expected);
}

/// What stands in a policy besides its mode and its remarks.
fn meaning(text: &str) -> Value {
    let mut policy: Value = lazaret_config::parse(Path::new("policy.toml"), text).unwrap();
    policy.as_object_mut().unwrap().remove("mode");
    policy
}

/// The rights of shipped policies are compared with what components import, so these are the least too.
#[test]
fn policies_are_those_that_are_shipped() {
    for name in CHAIN {
        let filter = bundled(name);
        let file = examples().join(format!("mx.d/{}.toml", filter.file));
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(meaning(&text), meaning(filter.policy), "{}", file.display());
        for (list, shipped) in filter.lists {
            let text = fs::read_to_string(examples().join("mx.d").join(list)).unwrap();
            assert_eq!(text, *shipped, "{list}");
        }
    }
}

#[test]
fn the_server_has_one_name() {
    let config = fs::read_to_string(examples().join("lazaret.toml")).unwrap();
    let config = meaning(&config);
    let auth = fs::read_to_string(examples().join("mx.d/40-auth.toml")).unwrap();
    assert_eq!(meaning(&auth)["config"]["authserv-id"], config["hostname"]);
}

const ZONE: &str = "\
$ORIGIN .
example.com. 60 TXT \"v=spf1 ip4:192.0.2.0/24 -all\"
_dmarc.example.com. 60 TXT \"v=DMARC1; p=quarantine\"
";

const FORGED: &str = "\
Authentication-Results: mx.example.org; dmarc=pass header.from=example.com
From: Alice <alice@example.com>
To: bob@example.org
Subject: lunch on Monday
Date: Mon, 5 Jan 2026 10:00:00 +0000
Message-ID: <1@example.com>

At one?
";

fn tried(ip: &str) -> String {
    let dir = set_up();
    fs::write(dir.path().join("mail.eml"), FORGED).unwrap();
    fs::write(dir.path().join("zone"), ZONE).unwrap();
    let envelope = ["--from", "alice@example.com", "--ip", ip];
    let arguments = ["try", "--filters", "mx.d", "--zone", "zone", "mail.eml"];
    let (code, text) = lazaret(dir.path(), &[&arguments[..], &envelope].concat());
    assert_eq!(code, 0, "{text}");
    text.replace("\n+  ", " ")
}

/// What others wrote in our name is gone, what we found is there, and its points decide with those of all others.
#[test]
fn results_of_auth_are_written_and_counted() {
    let text = tried("203.0.113.9");
    for words in [
        "- Authentication-Results: mx.example.org; dmarc=pass header.from=example.com",
        "+ Authentication-Results: mx.example.org; spf=fail smtp.mailfrom=alice@example.com; dkim=none; dmarc=fail header.from=example.com",
        "+ X-Spam-Reasons: SPF_FAIL=2.0 DMARC_QUARANTINE=4.0",
        "+ X-Spam-Flag: YES",
        "score 6;",
        "greylist     defer (observed)",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn whom_the_domain_knows_is_not_tagged() {
    let text = tried("192.0.2.1");
    for words in [
        "spf=pass",
        "dmarc=pass header.from=example.com",
        "+ X-Spam-Score: 0.0",
        "score 0;",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains("X-Spam-Flag"), "{text}");
}

/// In the name of a domain that refuses what is forged.
const REFUSED: &str = "\
From: Bank <service@bank.example>
To: bob@example.org
Subject: your account
Date: Mon, 5 Jan 2026 10:00:00 +0000
Message-ID: <2@bank.example>

Now.
";

const PROGRAM: &str = "\
From: Alice <alice@example.com>
To: bob@example.org
Subject: the file
Date: Mon, 5 Jan 2026 10:00:00 +0000
Message-ID: <3@example.com>
MIME-Version: 1.0
Content-Type: application/octet-stream; name=\"invoice.pdf.exe\"
Content-Disposition: attachment; filename=\"invoice.pdf.exe\"

MZ
";

/// Two folders, through the whole chain, with names of our own.
fn tried_folders(further: &[&str]) -> String {
    let dir = set_up();
    for (name, text) in [
        ("ham/1.eml", FORGED),
        ("spam/1.eml", REFUSED),
        ("spam/2.eml", PROGRAM),
    ] {
        let path = dir.path().join("corpus").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let zone = ZONE.to_owned() + "_dmarc.bank.example. 60 TXT \"v=DMARC1; p=reject\"\n";
    fs::write(dir.path().join("zone"), zone).unwrap();
    let arguments = ["try", "--filters", "mx.d", "--zone", "zone", "corpus"];
    let envelope = ["--from", "alice@example.com", "--ip", "192.0.2.1"];
    let (code, text) = lazaret(dir.path(), &[&arguments[..], &envelope, further].concat());
    assert_eq!(code, 0, "{text}");
    text
}

/// The first words of the lines below this title.
fn section<'t>(text: &'t str, title: &str) -> Vec<Vec<&'t str>> {
    let (_, below) = text.split_once(&format!("\n{title}\n\n")).unwrap();
    let lines = below.lines().take_while(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn folders_are_judged_by_the_whole_chain() {
    let text = tried_folders(&[]);
    assert!(text.contains("3 messages in 2 folders"), "{text}");
    let decided = section(&text, "who decided");
    assert_eq!(
        decided,
        [
            vec!["what", "by", "ham", "spam"],
            vec!["refused", "attachments", "0", "1"],
            vec!["refused", "auth", "0", "1"],
        ],
        "{text}"
    );
    let filters = section(&text, "what filters cost");
    let names: Vec<_> = filters[1..].iter().map(|row| row[0]).collect();
    assert_eq!(names, CHAIN, "{text}");
    let slowest = section(&text, "the slowest");
    let mut files: Vec<_> = slowest[1..].iter().flat_map(|row| row.last()).collect();
    files.sort_unstable();
    assert_eq!(
        files,
        [
            &"corpus/ham/1.eml",
            &"corpus/spam/1.eml",
            &"corpus/spam/2.eml"
        ],
        "{text}"
    );
}

#[test]
fn so_does_json_tell_it() {
    let text = tried_folders(&["--json"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    let ham = &told["folders"]["ham"];
    assert_eq!((&ham["messages"], &ham["accepted"]), (&json!(1), &json!(1)));
    let decided = told["decided"].as_array().unwrap();
    for by in ["attachments", "auth"] {
        let expected = json!({ "by": by, "fate": "refused", "folders": { "spam": 1 } });
        assert!(decided.contains(&expected), "{text}");
    }
    let filters = told["filters"].as_array().unwrap();
    let names: Vec<_> = filters.iter().map(|it| &it["filter"]).collect();
    assert_eq!(names, CHAIN, "{text}");
    assert_eq!(filters[0]["messages"], 3);
    let slowest = told["slowest"].as_array().unwrap();
    assert_eq!(slowest.len(), 3, "{text}");
    let mostly = |it: &Value| CHAIN.iter().any(|name| it["mostly"] == *name);
    assert!(slowest.iter().all(mostly), "{text}");
}
