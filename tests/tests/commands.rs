//! The program itself: what bad configurations, bad filters and bad command lines get.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use lazaret_tests::guests::{self, Guest, assemble, observer_with, padded};
use lazaret_tests::ports::free_port;
use lazaret_tests::{BackendDouble, Proxy, certificate::Certificate};

/// Runs the program to its end.
fn lazaret(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lazaret-under-test"))
        .args(arguments)
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
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
    std::fs::create_dir(dir.path().join("filters.d")).expect("our directory");
    Certificate::make().write(dir.path());
    std::fs::write(dir.path().join("lazaret.toml"), config).expect("our directory");
    dir
}

fn check(dir: &Path) -> Output {
    lazaret(&[
        "check",
        "--config",
        dir.join("lazaret.toml").to_str().expect("an ASCII path"),
    ])
}

#[test]
fn a_good_configuration_is_good() {
    let dir = directory(GOOD);
    let output = check(dir.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// The entries of a file in `mistakes/`.
fn mistakes<T: DeserializeOwned>(file: &str) -> Vec<T> {
    #[derive(Deserialize)]
    struct Mistakes<T> {
        mistake: Vec<T>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("mistakes")
        .join(file);
    let text = std::fs::read_to_string(path).expect("a file of mistakes");
    let all: Mistakes<T> = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    all.mistake
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct InConfiguration {
    instead_of: String,
    write: String,
    at: String,
    says: Vec<String>,
}

#[test]
fn a_bad_configuration_is_exit_code_2_with_file_line_and_cure() {
    for mistake in mistakes::<InConfiguration>("configuration.toml") {
        let dir = directory(&GOOD.replacen(&mistake.instead_of, &mistake.write, 1));
        let other = tempfile::tempdir().unwrap();
        Certificate::make().write(other.path());
        std::fs::copy(other.path().join("key.pem"), dir.path().join("other.pem")).unwrap();
        for command in ["check", "run"] {
            let config = dir.path().join("lazaret.toml");
            let output = lazaret(&[command, "--config", config.to_str().unwrap()]);
            let said = said(&output);
            let case = format!("{command}, {mistake:?}:\n{said}");
            assert_eq!(output.status.code(), Some(2), "{case}");
            let messages = said.lines().filter(|line| line.starts_with("lazaret: "));
            assert_eq!(messages.count(), 1, "{case}");
            assert!(said.contains(&mistake.at), "{case}");
            let missing = mistake.says.iter().find(|word| !said.contains(*word));
            assert_eq!(missing, None, "{case}");
            assert!(!said.contains("panicked"), "{case}");
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
    let told = format!("lazaret.toml:6: listener `mx` cannot listen on {address}");
    assert!(said(&output).contains(&told), "{}", said(&output));
}

/// What `check` says of a filter directory with this one filter in it.
fn check_filter(wasm: &[u8], policy: &str) -> (Option<i32>, String) {
    let dir = directory(GOOD);
    let filters = dir.path().join("filters.d");
    std::fs::write(filters.join("10-bad.wasm"), wasm).expect("our directory");
    std::fs::write(filters.join("10-bad.toml"), policy).expect("our directory");
    let output = check(dir.path());
    (output.status.code(), said(&output))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InFilter {
    wasm: String,
    #[serde(default)]
    granted: bool,
    #[serde(default)]
    toml: String,
    says: Vec<String>,
}

impl InFilter {
    fn policy(&self) -> String {
        if !self.granted {
            return self.toml.clone();
        }
        let wants = Guest::Puppet.wants().iter();
        let wants: Vec<_> = wants.map(|want| format!("{want:?}")).collect();
        format!("grant = [{}]\n{}", wants.join(", "), self.toml)
    }
}

/// The component that a mistake names.
fn broken(name: &str) -> Vec<u8> {
    let puppet = Guest::Puppet.octets();
    match name {
        "puppet" => puppet,
        "minimal" => Guest::Minimal.octets(),
        "cut off" => puppet[..puppet.len() / 2].to_vec(),
        "no wasm" => b"#!/bin/sh\n".to_vec(),
        "empty" => Vec::new(),
        "core module" => assemble(guests::CORE_MODULE),
        "other world" => assemble(guests::OTHER_WORLD),
        "other version" => assemble(guests::OTHER_VERSION),
        "other type" => assemble(guests::OTHER_TYPE),
        "unknown import" => assemble(guests::UNKNOWN_IMPORT),
        "async" => assemble(guests::ASYNC_ABI),
        "100 MiB" => padded(100 << 20),
        "trap at start" => assemble(&observer_with("(func $go unreachable) (start $go)")),
        "loop at start" => assemble(&observer_with("(func $go (loop br 0)) (start $go)")),
        _ => panic!("no component is called {name:?}"),
    }
}

/// What `check` says under `problems`, without the tables above it.
fn problems(said: &str) -> String {
    let lines = said.lines().skip_while(|line| *line != "problems").skip(1);
    let lines: Vec<_> = lines.take_while(|line| line.starts_with("  ")).collect();
    lines.join("\n")
}

#[test]
fn a_bad_filter_is_named_with_the_cure() {
    for mistake in mistakes::<InFilter>("filters.toml") {
        let begun = Instant::now();
        let (code, said) = check_filter(&broken(&mistake.wasm), &mistake.policy());
        let case = format!("{mistake:?}:\n{said}");
        println!("{} {:?}: {:?}", mistake.wasm, mistake.toml, begun.elapsed());
        assert!(matches!(code, Some(1 | 2)), "exit code {code:?}, {case}");
        let problems = problems(&said);
        let missing = mistake.says.iter().find(|words| !problems.contains(*words));
        assert_eq!(missing, None, "{case}");
        // The guest's own last words are quoted: it may panic, we may not.
        let ours = said.lines().filter(|line| !line.contains("WARN filter"));
        let mut ours = ours.filter_map(|line| line.split("it wrote:").next());
        assert!(!ours.any(|line| line.contains("panicked")), "{case}");
    }
}

#[test]
fn proposals_that_are_switched_off_are_refused_at_load() {
    for (name, extra) in guests::PROPOSALS {
        let (code, said) = check_filter(&assemble(&observer_with(extra)), "");
        assert_eq!(code, Some(1), "{name}: {said}");
        let problems = problems(&said);
        let (off, cure) = (
            "it uses WebAssembly that is switched off here: ",
            "rebuild it without",
        );
        let list = problems.split_once(off).map_or("", |(_, list)| list);
        assert!(list.contains(name) && list.contains(cure), "{name}: {said}");
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

/// A filter in a directory of its own, with this `.toml` beside it; what `inspect` with these flags says of it.
fn inspected(wasm: &[u8], policy: Option<&str>, flags: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("10-frozen.wasm");
    std::fs::write(&file, wasm).expect("our directory");
    if let Some(policy) = policy {
        std::fs::write(dir.path().join("10-frozen.toml"), policy).expect("our directory");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lazaret-under-test"))
        .args(["inspect", "10-frozen.wasm"])
        .args(flags)
        .current_dir(dir.path())
        .env("XDG_CACHE_HOME", dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    (output.status.code(), said(&output))
}

/// What can only be expected of it, and what came of it once its `configure` ran.
#[test]
fn inspect_says_whether_sandboxes_are_forked_from_a_snapshot_and_why_not() {
    const PRINTS: &str = "[config]\nprint = \"left open\"\n";
    const HANDLES: &str = "snapshot    no, each sandbox is configured anew: after configure it holds handles of WASI, \
                           an open stdout for example: print nothing there, use `log`\n";
    const NO_POLICY: &str =
        "assumed     10-frozen.toml does not exist: all it asks for and every verdict is granted\n";
    let frozen = Guest::Frozen.octets();
    let vector = "(global $v (mut v128) (v128.const i64x2 0 0)) (func $begin) (start $begin)";
    let vector = assemble(&observer_with(vector));
    let own_handle = assemble(guests::OWN_HANDLE);
    for (wasm, policy, flags, says) in [
        (
            &frozen,
            Some(PRINTS),
            &[][..],
            "snapshot    to be expected, unless its configure leaves something open: --prepare tries it\n",
        ),
        (&frozen, Some(PRINTS), &["--prepare"], HANDLES),
        (
            &frozen,
            Some(""),
            &["--prepare"],
            "snapshot    yes, each sandbox is forked from it; ready after ",
        ),
        (&frozen, None, &["--prepare"], NO_POLICY),
        (
            &vector,
            Some(""),
            &["--prepare"],
            "snapshot    no, each sandbox is configured anew: no snapshot can be taken of it (component wizening does not support v128 globals)",
        ),
        (
            &own_handle,
            Some(""),
            &["--prepare"],
            "snapshot    no, each sandbox is configured anew: at disconnect it fails in forks of its snapshot (",
        ),
        (
            &assemble(&observer_with("")),
            Some(""),
            &["--prepare"],
            "snapshot    no need: nothing runs before its first question\n",
        ),
    ] {
        let (code, said) = inspected(wasm, policy, flags);
        println!("{said}");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(says), "no {says:?} in\n{said}");
    }
}

#[test]
fn inspect_tells_programs_why_there_is_no_snapshot() {
    let frozen = Guest::Frozen.octets();
    let prints = Some("[config]\nprint = \"left open\"\n");
    for (flags, prepared, snapshot, because) in [
        (&["--json"][..], false, true, None),
        (
            &["--json", "--prepare", "--log", "error"],
            true,
            false,
            Some("after configure it holds handles of WASI"),
        ),
    ] {
        let (_, said) = inspected(&frozen, prints, flags);
        let json: serde_json::Value =
            serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert_eq!(json["prepared"], prepared, "{said}");
        assert_eq!(json["snapshot"], snapshot, "{said}");
        let told = json["no-snapshot-because"].as_str();
        assert_eq!(told.is_some(), because.is_some(), "{said}");
        assert!(
            told.unwrap_or_default()
                .starts_with(because.unwrap_or_default()),
            "{said}"
        );
    }
}

#[test]
fn what_would_not_load_is_1_when_it_is_prepared() {
    let policy = "[config]\npanic = \"not today\"\n";
    let (code, said) = inspected(&Guest::Frozen.octets(), Some(policy), &["--prepare"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("10-frozen.wasm") && said.contains("not today"),
        "{said}"
    );
    let (code, _) = inspected(&Guest::Frozen.octets(), Some(policy), &[]);
    assert_eq!(code, Some(0), "nothing of it is run");
}

/// A recipient that a filter keeps is told yes and is one of the envelope's, but the backend never hears of him.
#[test]
fn try_tells_that_a_kept_recipient_is_not_the_backends() {
    let dir = directory(GOOD);
    let file = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let policy = format!(
        "grant = {:?}\nverdicts = [\"quarantine\"]\n[config]\nrcpt = [{{ when = \"recipient\", quarantine = \"odd\" }}]\n",
        Guest::Puppet.wants()
    );
    let wasm = Guest::Puppet.octets();
    std::fs::write(file("filters.d/10-keeps.wasm"), wasm).expect("our directory");
    std::fs::write(file("filters.d/10-keeps.toml"), policy).expect("our directory");
    std::fs::write(file("mail.eml"), "Subject: a\r\n\r\nbody\r\n").expect("our directory");
    let (mail, filters) = (file("mail.eml"), file("filters.d"));
    let told = said(&lazaret(&["try", &mail, "--filters", &filters]));
    assert!(told.contains("250, into the quarantine: odd"), "{told}");
    let is_asked_on = told.lines().any(|line| line.starts_with("message"));
    assert!(is_asked_on, "{told}");
    assert!(told.contains("the backend would not get it"), "{told}");
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
        .env("XDG_STATE_HOME", dir.path())
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
