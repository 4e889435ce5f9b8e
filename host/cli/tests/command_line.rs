//! What people meet: exit codes and messages of the program itself.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn lazaret(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .args(arguments)
        .current_dir(directory)
        .env("XDG_STATE_HOME", directory)
        .output()
        .unwrap()
}

/// Exit code and standard error; a panic is never acceptable.
fn refused(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = lazaret(directory, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().unwrap(), stderr)
}

fn with_config(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lazaret.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

const GOOD: &str = "\
hostname = \"mx.example.org\"
[[listener]]
name = \"mx\"
listen = [\"127.0.0.1:0\"]
recipients = [\"example.org\"]
[backend]
address = [\"127.0.0.1:10025\"]
";

#[test]
fn no_configuration_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (code, stderr) = refused(dir.path(), &["run"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("--config FILE") && stderr.contains("lazaret demo"),
        "{stderr}"
    );
}

/// What `run` could never open is told before it runs.
#[test]
fn a_place_for_state_that_cannot_be_is_2_for_check_too() {
    for (state, said) in [
        (
            "no/such/directory/state.redb",
            "state.redb cannot be opened",
        ),
        ("redis://", "holds no address of a Redis server"),
        (".", "is not a regular file"),
    ] {
        let (dir, _) = with_config(&format!("state = \"{state}\"\n{GOOD}"));
        let (code, stderr) = refused(dir.path(), &["check"]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    // It is not made either: that is for the user who runs.
    let (dir, _) = with_config(&format!(
        "state = \"state.redb\"\ncache = \"cache\"\n{GOOD}"
    ));
    assert_eq!(refused(dir.path(), &["check"]).0, 0);
    assert!(!dir.path().join("state.redb").exists() && !dir.path().join("cache").exists());
}

/// A socket that somebody listens on for us, and that no listener is for, would never be answered.
#[test]
fn a_socket_that_no_listener_is_for_is_2() {
    let (dir, path) = with_config(GOOD);
    let script = "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let output = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_lazaret"), "run"])
        .arg("--config")
        .arg(&path)
        .current_dir(dir.path())
        .stdin(std::os::fd::OwnedFd::from(socket))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let said = format!("a socket at {address} was handed over");
    assert!(stderr.contains(&said), "{stderr}");
}

#[test]
fn usage_is_2() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["run", "--no-such"],
        &[],
        &["try", "mail.eml"],
    ] {
        assert_eq!(refused(dir.path(), arguments).0, 2, "{arguments:?}");
    }
}

/// A misspelt level must not pass for the name of a module: the log would be silent.
#[test]
fn log_levels_are_levels() {
    let (dir, _) = with_config(GOOD);
    for level in ["wran", "info,lazaret_proxi", "lazaret_proxy=loud"] {
        let (code, stderr) = refused(dir.path(), &["check", "--log", level]);
        assert_eq!(code, 2, "{stderr}");
        assert!(
            stderr.starts_with(&format!("lazaret: --log {level}: ")),
            "{stderr}"
        );
    }
    for level in ["debug", "INFO,lazaret_proxy=trace", "off"] {
        assert_eq!(
            refused(dir.path(), &["check", "--log", level]).0,
            0,
            "{level}"
        );
    }
}

/// Each mistake: what the message must say. All are exit code 2, for `check` and for `run`.
#[test]
fn mistakes_cite_file_line_and_cure() {
    let cases = [
        (
            GOOD.replace("listen =", "listn ="),
            "lazaret.toml:4:",
            "`listen`",
        ),
        (
            GOOD.replace("hostname = \"mx.example.org\"", "hostname = 5"),
            "lazaret.toml:1:",
            "string",
        ),
        (
            GOOD.replace("recipients = [\"example.org\"]\n", ""),
            "lazaret.toml:2:",
            "recipients",
        ),
        (
            GOOD.replace("hostname", "filters = \"nowhere\"\nhostname"),
            "lazaret.toml:1:",
            "nowhere",
        ),
        (
            format!("{GOOD}[limits]\nmessage-size = 5\n"),
            "lazaret.toml:9:",
            "MiB",
        ),
        (GOOD.replace("[backend]", "[backend"), "lazaret.toml:6:", ""),
    ];
    for (config, place, cure) in cases {
        let (dir, _) = with_config(&config);
        for command in ["check", "run"] {
            let (code, stderr) = refused(dir.path(), &[command]);
            assert_eq!(code, 2, "{command} {config} {stderr}");
            assert!(
                stderr.contains(place) && stderr.contains(cure),
                "{place} {cure}: {stderr}"
            );
        }
    }
}

#[test]
fn a_good_configuration_is_0() {
    let (dir, path) = with_config(GOOD);
    let output = lazaret(dir.path(), &["check", "--config", path.to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains("127.0.0.1:10025"), "{stdout}");
}

/// A disk that is not mounted looks the same.
#[test]
fn a_directory_without_filters_is_a_caution() {
    let (dir, _) = with_config(&format!("filters = \"filters.d\"\n{GOOD}"));
    std::fs::create_dir(dir.path().join("filters.d")).unwrap();
    let output = lazaret(dir.path(), &["check"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    let (settings, cautions) = stdout.split_once("\ncautions\n").unwrap();
    assert!(
        settings.contains("filters.d, which holds none\n"),
        "{stdout}"
    );
    assert!(cautions.contains("filters.d holds no filter"), "{stdout}");
    let output = lazaret(dir.path(), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["cautions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn check_prints_json() {
    let (dir, _) = with_config(GOOD);
    let output = lazaret(dir.path(), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["listeners"][0]["name"], "mx");
    assert_eq!(json["good"], true);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (dir, _) = with_config(&GOOD.replace("127.0.0.1:0", &address));
    let (code, stderr) = refused(dir.path(), &["run"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
    let demo = dir.path().join("demo");
    let arguments = [
        "demo",
        "--dir",
        demo.to_str().unwrap(),
        "--smtp",
        &address,
        "--smtps",
        "127.0.0.1:0",
    ];
    let (code, stderr) = refused(dir.path(), &arguments);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains(&address) && stderr.contains("--smtp "),
        "{stderr}"
    );
}

#[test]
fn what_is_not_a_filter_is_1_with_a_cure() {
    let dir = tempfile::tempdir().unwrap();
    let core_module = b"\0asm\x01\0\0\0";
    let cases: [(&str, &[u8], &str); 3] = [
        ("text.wasm", b"hello", "not WebAssembly"),
        ("core.wasm", core_module, "component"),
        ("empty.wasm", b"", "empty"),
    ];
    for (name, octets, words) in cases {
        std::fs::write(dir.path().join(name), octets).unwrap();
        let (code, stderr) = refused(dir.path(), &["inspect", name]);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(name) && stderr.contains(words), "{stderr}");
    }
    assert_eq!(refused(dir.path(), &["inspect", "missing.wasm"]).0, 2);
}

/// `lazaret check | true`: the reader goes away before we write.
#[test]
fn a_closed_pipe_is_no_panic() {
    let (dir, _) = with_config(GOOD);
    for arguments in [
        &["check"][..],
        &["--help"],
        &["check", "--help"],
        &["--version"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lazaret"))
            .args(arguments)
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

/// Whoever redirects the answer into a file must not be told that all is well.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_75_and_a_reader_that_went_away_is_nobodys_fault() {
    let (dir, _) = with_config(GOOD);
    let check = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lazaret"));
        command.arg("check").current_dir(dir.path()).stdout(stdout);
        command.stderr(Stdio::piped()).output().unwrap()
    };
    let full = std::fs::File::options().write(true).open("/dev/full");
    let output = check(full.unwrap().into());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(
        stderr.starts_with("lazaret: standard output cannot be written: "),
        "{stderr}"
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(check(writer.into()).status.code(), Some(0));
}
