//! The program itself: what bad configurations, bad filters and bad command lines get.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use lazaret_tests::guests::{self, Guest, assemble, observer_with, padded};
use lazaret_tests::peers::free_port;
use lazaret_tests::{BackendDouble, Proxy, certificate::Certificate};

/// Runs the program to its end.
fn lazaret(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lazaret-under-test"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A configuration that is good until a case makes it bad.
const GOOD: &str = r#"hostname = "mx.example.org"
filters = "filters.d"

[[listener]]
name = "mx"
listen = ["127.0.0.1:0"]
tls = "starttls"
certificate = "cert.pem"
private-key = "key.pem"
recipients = ["example.org"]

[backend]
address = ["127.0.0.1:1"]
"#;

/// A directory with a good configuration, its certificate and an empty filter directory.
fn directory(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("filters.d")).unwrap();
    Certificate::make().write(dir.path());
    std::fs::write(dir.path().join("lazaret.toml"), config).unwrap();
    dir
}

fn check(dir: &Path) -> Output {
    lazaret(&[
        "check",
        "--config",
        dir.join("lazaret.toml").to_str().unwrap(),
    ])
}

#[test]
fn a_good_configuration_is_good() {
    let dir = directory(GOOD);
    let output = check(dir.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_bad_configuration_is_exit_code_2_with_file_line_and_cure() {
    // What is replaced by what, the line, and words of the message.
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            "hostname",
            "hostnam",
            "lazaret.toml:1",
            &["hostnam", "hostname"],
        ),
        (
            "listen =",
            "listn =",
            "lazaret.toml:6",
            &["listn", "listen"],
        ),
        (
            "tls = \"starttls\"",
            "tls = \"startls\"",
            "lazaret.toml:7",
            &["startls", "starttls"],
        ),
        ("[\"127.0.0.1:0\"]", "25", "lazaret.toml:6", &["25"]),
        (
            "[\"127.0.0.1:0\"]",
            "[\"everywhere\"]",
            "lazaret.toml:6",
            &["everywhere"],
        ),
        (
            "recipients = [\"example.org\"]\n",
            "",
            "lazaret.toml:4",
            &["recipients"],
        ),
        ("cert.pem", "none.pem", "lazaret.toml:8", &["none.pem"]),
        (
            "cert.pem",
            "lazaret.toml",
            "lazaret.toml:8",
            &["certificate"],
        ),
        (
            "key.pem",
            "other.pem",
            "lazaret.toml:8",
            &["other.pem", "certificate"],
        ),
        (
            "\"filters.d\"",
            "\"filter.d\"",
            "lazaret.toml:2",
            &["filter.d"],
        ),
        (
            "[backend]\naddress = [\"127.0.0.1:1\"]\n",
            "",
            "lazaret.toml",
            &["backend"],
        ),
        ("[\"127.0.0.1:1\"]", "[]", "lazaret.toml:13", &["address"]),
        (
            "[backend]",
            "[backend]\nidentity = \"xclint\"",
            "lazaret.toml:13",
            &["xclint", "xclient"],
        ),
        (
            "[backend]",
            "[limits]\nmessage-size = 10\n[backend]",
            "lazaret.toml:13",
            &["MiB"],
        ),
        ("[backend]", "[backend", "lazaret.toml:12", &[]),
    ];
    for (good, bad, place, words) in cases {
        let dir = directory(&GOOD.replacen(good, bad, 1));
        let other = tempfile::tempdir().unwrap();
        Certificate::make().write(other.path());
        std::fs::copy(other.path().join("key.pem"), dir.path().join("other.pem")).unwrap();
        for command in ["check", "run"] {
            let config = dir.path().join("lazaret.toml");
            let output = lazaret(&[command, "--config", config.to_str().unwrap()]);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{command}: {bad:?}: {said}");
            assert!(
                said.contains(place),
                "{command}: {bad:?} is at {place}: {said}"
            );
            let missing = words.iter().find(|word| !said.contains(**word));
            assert_eq!(missing, None, "{command}: {bad:?}: {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn a_missing_file_is_exit_code_2() {
    let output = lazaret(&["run", "--config", "/nowhere/lazaret.toml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("/nowhere/lazaret.toml"));
}

#[test]
fn a_command_that_does_not_exist_is_exit_code_2() {
    assert_eq!(lazaret(&["fly"]).status.code(), Some(2));
    assert_eq!(lazaret(&[]).status.code(), Some(2));
    assert_eq!(lazaret(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_port_in_use_is_said_and_nothing_is_half_started() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = directory(&GOOD.replace("127.0.0.1:0", &address));
    let config = dir.path().join("lazaret.toml");
    let output = lazaret(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains(&address), "{}", said(&output));
}

/// What `check` says of a filter directory with this one filter in it.
fn check_filter(wasm: &[u8], policy: &str) -> (Option<i32>, String) {
    let dir = directory(GOOD);
    let filters = dir.path().join("filters.d");
    std::fs::write(filters.join("10-bad.wasm"), wasm).unwrap();
    std::fs::write(filters.join("10-bad.toml"), policy).unwrap();
    let output = check(dir.path());
    (output.status.code(), said(&output))
}

#[test]
fn a_bad_filter_is_named_with_the_cure() {
    let puppet = Guest::Puppet.octets();
    let granted = |extra: &str| {
        let wants: Vec<_> = Guest::Puppet
            .wants()
            .iter()
            .map(|want| format!("{want:?}"))
            .collect();
        format!("grant = [{}]\n{extra}", wants.join(", "))
    };
    // The component, its TOML, and words of the message.
    let cases: Vec<(Vec<u8>, String, &[&str])> = vec![
        (
            b"#!/bin/sh\n".to_vec(),
            String::new(),
            &["10-bad.wasm", "not"],
        ),
        (Vec::new(), String::new(), &["10-bad.wasm", "empty"]),
        (
            puppet[..puppet.len() / 2].to_vec(),
            granted(""),
            &["10-bad.wasm"],
        ),
        (
            assemble(guests::CORE_MODULE),
            String::new(),
            &["core module", "wasm32-wasip2"],
        ),
        (
            assemble(guests::OTHER_WORLD),
            String::new(),
            &["10-bad.wasm", "lazaret:filter"],
        ),
        (
            assemble(guests::OTHER_VERSION),
            String::new(),
            &["0.9.0", "0.1.0"],
        ),
        (assemble(guests::OTHER_TYPE), String::new(), &["on-connect"]),
        (
            assemble(guests::UNKNOWN_IMPORT),
            String::new(),
            &["wasi:keyvalue/store"],
        ),
        (assemble(guests::ASYNC_ABI), String::new(), &["async"]),
        (padded(100 << 20), String::new(), &["10-bad.wasm", "MiB"]),
        (
            puppet.clone(),
            "grant = [\"session\"]".into(),
            &["envelope", "grant", "deny"],
        ),
        (
            puppet.clone(),
            "grant = [\"sesion\"]".into(),
            &["10-bad.toml:1", "session"],
        ),
        (
            puppet.clone(),
            granted("verdict = []"),
            &["10-bad.toml:2", "verdicts"],
        ),
        (
            puppet.clone(),
            granted("deny = [\"headers\"]"),
            &["headers"],
        ),
        (
            puppet.clone(),
            granted("time = 5"),
            &["10-bad.toml:2", "ms"],
        ),
        (
            puppet.clone(),
            granted("[config]\nconfigure = { error = \"no such list\" }"),
            &["no such list"],
        ),
        (
            puppet.clone(),
            granted("[config]\nconfigure = { do = [{ panic = \"told to\" }] }"),
            &["configure failed", "executed: told to"],
        ),
        (
            puppet.clone(),
            granted("time = \"200ms\"\n[config]\nconfigure = { do = [{ loop = true }] }"),
            &["configure"],
        ),
        (
            puppet,
            granted("[config]\nmail = { lines = \"none.txt\" }"),
            &["none.txt"],
        ),
        (
            assemble(&observer_with("(func $go (loop br 0)) (start $go)")),
            String::new(),
            &["10-bad"],
        ),
        (
            assemble(&observer_with("(func $go unreachable) (start $go)")),
            String::new(),
            &["10-bad"],
        ),
    ];
    for (number, (wasm, policy, words)) in cases.iter().enumerate() {
        let (code, said) = check_filter(wasm, policy);
        let case = format!("case {number}, {policy:?}:\n{said}");
        assert!(matches!(code, Some(1 | 2)), "exit code {code:?}, {case}");
        let missing = words.iter().find(|word| !said.contains(**word));
        assert_eq!(missing, None, "{case}");
        let ours = said.lines().filter(|line| !line.contains("WARN filter"));
        assert!(!ours.collect::<String>().contains("panicked"), "{case}");
    }
}

#[test]
fn proposals_that_are_switched_off_are_refused_at_load() {
    for (name, extra) in guests::PROPOSALS {
        let (code, said) = check_filter(&assemble(&observer_with(extra)), "");
        assert_eq!(code, Some(1), "{name}: {said}");
    }
    let (code, said) = check_filter(&assemble(&observer_with("")), "");
    assert_eq!(code, Some(0), "without any of them it loads: {said}");
}

#[test]
fn a_wasm_without_its_toml_is_refused() {
    let dir = directory(GOOD);
    std::fs::write(
        dir.path().join("filters.d/10-alone.wasm"),
        Guest::Minimal.octets(),
    )
    .unwrap();
    let output = check(dir.path());
    assert_ne!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("10-alone.toml"), "{}", said(&output));
}

#[test]
fn inspect_tells_exports_and_imports() {
    let output = lazaret(&["inspect", Guest::Puppet.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for word in ["rcpt", "message", "edit-headers", "session", "pace"] {
        assert!(said(&output).contains(word), "{word}: {}", said(&output));
    }
    let output = lazaret(&["inspect", Guest::Minimal.path().to_str().unwrap()]);
    assert!(!said(&output).contains("edit-headers"), "{}", said(&output));
}

#[test]
fn run_serves_until_it_is_told_to_end() {
    let backend = BackendDouble::start();
    let address = free_port();
    let dir = Proxy::before(backend.address())
        .set_table(
            format!("[listener-plain]\nlisten = [\"{address}\"]")
                .parse()
                .unwrap(),
        )
        .write();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lazaret-under-test"))
        .args([
            "run",
            "--config",
            dir.path().join("lazaret.toml").to_str().unwrap(),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut client = lazaret_tests::Client::greeted(address);
    let reply = client.deliver(
        "a@example.com",
        &["b@example.org"],
        b"Subject: hi\r\n\r\nhi\r\n",
    );
    assert_eq!(reply.code, 250, "{reply:?}");
    client.ask("QUIT", "221 *");
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.expect("kill is there").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
