//! `lazaret explain`.

use std::process::Command;

use lazaret_tests::guests::Guest;
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client, Proxy};
use serde_json::Value;

use crate::PROGRAM;

#[test]
fn a_refusal_is_explained_by_its_id_in_words_and_in_json() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).filter(
        "10-puppet",
        Guest::Puppet,
        "[config]\nrcpt = { reject = \"not you\" }\n",
    );
    let program = Program::run(PROGRAM, builder);
    let mut client = Client::greeted(program.plain());
    client.ask("MAIL FROM:<a@example.com>", "250 *");
    let reply = client.ask("RCPT TO:<b@example.org>", "550 5.7.1 not you (*)");
    let line = reply.lines.last().expect("a line");
    let id = line
        .rsplit_once('(')
        .expect("an id")
        .1
        .trim_end_matches(')');
    let page = program.command(&["explain", id]);
    let text = String::from_utf8_lossy(&page.stdout).into_owned();
    assert_eq!(page.status.code(), Some(0), "{text}");
    for words in [
        "client.example.com",
        "puppet: reject",
        "not you",
        "<a@example.com>",
        "rcpt <b@example.org>",
    ] {
        assert!(text.contains(words), "no {words} in\n{text}");
    }
    let json = program.command(&["explain", "--json", id]);
    let told: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(told["transactions"][0]["judgements"][0]["by"], "puppet");
    let unknown = program.command(&["explain", "NOBODY"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nothing is known of `NOBODY`"));
}

/// What is known of the session behind the id at the end of this refusal.
fn explained(program: &Program, refusal: &lazaret_tests::client::Reply) -> Value {
    let id = refusal
        .session()
        .unwrap_or_else(|| panic!("no id in {refusal:?}"));
    let json = program.command(&["explain", "--json", id]);
    serde_json::from_slice(&json.stdout).unwrap_or_else(|error| panic!("{error}: {id}"))
}

#[test]
fn what_never_came_to_a_stage_is_logged_and_explained_too() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).set("[limits]\nconnections-per-client = 1\n");
    let program = Program::run(PROGRAM, builder);
    // Who looked whether it listens may be a moment in leaving.
    let mut client = loop {
        let mut client = Client::connect(program.plain());
        if client.hear().is_some_and(|reply| reply.code == 220) {
            break client;
        }
    };
    client.say("EHLO client.example.com");
    client.hear().expect("an offer");
    let refused = client.ask("MAIL FROM:<a@example.com> SIZE=999999999999", "552 5.3.4 *");
    let lines = program.logs(&["\"refused\"", "\"stage\":\"mail\"", "552 5.3.4"]);
    assert!(lines[0].contains("\"of\":\"a@example.com\""), "{lines:?}");
    let told = explained(&program, &refused);
    let judgement = &told["session"]["judgements"][0];
    assert_eq!(
        (&judgement["stage"], &judgement["by"]),
        (&"mail".into(), &"(rule)".into())
    );
    assert_eq!(judgement["of"], "a@example.com");
    // A group is one line.
    client.say("MAIL FROM:<b@example.com> FOO=1\r\nRCPT TO:<c@example.org>\r\nDATA");
    for code in ["555 *", "503 *", "503 *"] {
        client.expect(code);
    }
    let lines = program.logs(&["\"refused\"", "555 5.5.4"]);
    assert!(lines[0].contains("\"more\":2"), "{lines:?}");
    assert!(program.log(&["\"refused\"", "503 5.5.1"]).is_empty());
    // Inside of a transaction it is in the line of that.
    client.ask("MAIL FROM:<a@example.com>", "250 *");
    client.ask("RCPT TO:<b c@example.org>", "501 5.1.3 *");
    client.ask("RSET", "250 *");
    let lines = program.logs(&["\"reset\"", "\"refused\":1"]);
    assert!(lines[0].contains("501 5.1.3"), "{lines:?}");
    // Nobody's session yet.
    let mut second = Client::connect(program.plain());
    let away = second.expect("421 4.7.0 *");
    assert_eq!(
        explained(&program, &away)["session"]["state"],
        "turned away"
    );
}

#[test]
fn without_a_running_proxy_explain_says_so() {
    let backend = BackendDouble::start();
    let dir = Proxy::before(backend.address()).write();
    let output = Command::new(PROGRAM)
        .args(["explain", "7F3K2Q", "--config"])
        .arg(dir.path().join("lazaret.toml"))
        .env("XDG_RUNTIME_DIR", dir.path())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(75));
}
