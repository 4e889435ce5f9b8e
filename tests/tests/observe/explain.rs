//! `lazaret explain`.

use std::process::Command;

use lazaret_tests::backend::say;
use lazaret_tests::client::Reply;
use lazaret_tests::guests::Guest;
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client, Proxy, glob};
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
fn explained(program: &Program, refusal: &Reply) -> Value {
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
    let away = second.expect("421 Too many connections from you, *");
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

const SCORER: &str =
    "[config]\nmail = { do = [{ score = [\"GREETING\", 1.5, \"because of {sender}\"] }] }\n";
const EDITOR: &str = "[config]\nmessage = { do = [{ add = [\"X-Seen\", \"yes, \\u202eby me\"] }, { replace = [\"Subject\", 0, \"other\"] }, \
     { remove = [\"X-Gone\"] }] }\n";
const JUDGE: &str = "[config]\nrcpt = [{ when = \"eve\", reject = \"not eve\" }]\nmessage = [{ when = \"drop@\", reject = \"no bulk\" }]\n";

/// Three filters that score, edit and judge, and a backend that refuses the messages of one sender.
fn judged(backend: &BackendDouble) -> Program {
    backend.when("MAIL FROM:<no@*", ".", [say("554 5.6.0 No, thanks")]);
    let builder = Proxy::before(backend.address())
        .filter("10-scorer", Guest::Puppet, SCORER)
        .filter("20-editor", Guest::Puppet, EDITOR)
        .filter("30-judge", Guest::Puppet, JUDGE);
    Program::run(PROGRAM, builder)
}

const MESSAGE: &[u8] = b"Subject: hush\r\nX-Gone: away\r\n\r\nA secret line.\r\n";

/// What is not to be in anything that is told.
const SECRETS: [&str; 4] = ["AGFsaWNlAGh1bnRlcjI", "hunter2", "secret line", "hush"];

/// A session with a password in it, a message delivered with one recipient less, one refused by the backend, and one by a
/// filter; the last refusal.
fn session(program: &Program) -> Reply {
    let mut client = Client::greeted(program.plain());
    client.ask("AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "502 *");
    client.ask("MAIL FROM:<alice@example.com> SIZE=100", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("RCPT TO:<eve@example.org>", "550 5.7.1 not eve *");
    client.ask("DATA", "354 *");
    client.content(MESSAGE);
    client.expect("250 2.0.0 Ok: queued as *");
    let refused = client.deliver("no@example.com", &["bob@example.org"], MESSAGE);
    assert_eq!(refused.code, 554, "{refused:?}");
    let last = client.deliver("drop@example.com", &["bob@example.org"], MESSAGE);
    client.ask("QUIT", "221 *");
    client.ended();
    until_over(program, &last);
    last
}

/// Waits until the proxy knows the end of this session, which may be a moment after its client.
fn until_over(program: &Program, refusal: &Reply) {
    program.until("the end of the session", || {
        let told = explained(program, refusal);
        let state = told["session"]["state"].as_str();
        state.is_some_and(|state| !["open", "ended"].contains(&state))
    });
}

/// Its page, or with `--json` its JSON, as it is printed.
fn printed(program: &Program, refusal: &Reply, more: &[&str]) -> String {
    let id = refusal.session().expect("an id");
    let output = program.command(&[&["explain", id], more].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Nothing in it steers a terminal, turns its direction, or is nobody's business.
fn is_fit_to_be_pasted(text: &str) {
    let odd = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{2028}' | '\u{202e}');
    assert_eq!(text.chars().find(odd), None, "{text}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}

/// What the page must say, in this order; `*` stands for anything in a line.
const PAGE: &str = "\
session *: QUIT
  began        20*-*-* *:*:* UTC
  listener     plain
  client       127.0.0.1:*
  helo         client.example.com
  tls          none
 * ms  command: 502 5.5.1 * by a rule of the proxy
transaction *-1: delivered
  reply        250 2.0.0 Ok: queued as 4TEST1DOUBLE
  decided by   the backend
  from         <alice@example.com> SIZE=100
  to           <bob@example.org>
  size         47 octets
  score        +1.5
  edits        +Received:* +X-Seen:41 +Subject:16 -Subject:15 -X-Gone:14
  queue id     4TEST1DOUBLE
  generation   1
  times        * ms in all: filters *, backend *
 * ms  mail: no objection
 * scorer: continue; CPU *
 * +1.5 GREETING because of alice@example.com
 * ms  rcpt <bob@example.org>: no objection
 * judge: continue; CPU *
 * ms  rcpt <eve@example.org>: 550 5.7.1 not eve (*), by filter judge
 * judge: reject \"not eve\"; CPU *
 * ms  message: no objection
 * editor: continue; CPU *
 * add X-Seen: yes, ?by me
 * replace 1 by Subject: other
 * remove all X-Gone
 * judge: continue; CPU *
  with the backend 127.0.0.1:*
    P: MAIL FROM:<alice@example.com> SIZE=*
    B: 250 2.1.0 *  (* ms)
    P: RCPT TO:<bob@example.org>
    B: 250 2.1.5 *  (* ms)
    P: DATA
    B: 354 *  (* ms)
    P: (the end of data)
    B: 250 2.0.0 Ok: queued as 4TEST1DOUBLE  (* ms)
transaction *-2: refused by the backend
  reply        554 5.6.0 No, thanks*
    P: (the end of data)
    B: 554 5.6.0 No, thanks  (* ms)
transaction *-3: refused
  reply        550 5.7.1 no bulk (*)
  decided by   filter judge
 * ms  message: 550 5.7.1 no bulk (*), by filter judge
 * judge: reject \"no bulk\"; CPU *
";

#[test]
fn a_page_tells_the_facts_each_verdict_each_edit_and_the_dialogue() {
    let backend = BackendDouble::start();
    let program = judged(&backend);
    let last = session(&program);
    let page = printed(&program, &last, &[]);
    is_fit_to_be_pasted(&page);
    let mut lines = page.lines();
    for wanted in PAGE.lines() {
        let found = lines.any(|line| glob::fits(wanted, line));
        assert!(found, "no {wanted:?} where it should be in\n{page}");
    }
    for [cpu, took, memory] in costs(&page) {
        assert!(cpu > 0.0 && took >= cpu && memory > 64.0, "{page}");
    }
}

/// The numbers of `CPU 0.21 ms, took 0.29 ms, 1088 KiB` in the lines that have them.
fn costs(page: &str) -> Vec<[f64; 3]> {
    let costs = page.lines().filter_map(|line| line.split_once("; CPU "));
    let numbers = costs.map(|(_, cost)| {
        let figures = cost.split(", ").zip(["", "took ", ""]);
        let number = |(figure, before): (&str, &str)| {
            let figure = figure.strip_prefix(before).expect("in this order");
            let (number, _) = figure.split_once(' ').expect("a unit");
            number.parse().expect("a number")
        };
        let all: Vec<f64> = figures.map(number).collect();
        all.try_into().expect("three of them")
    });
    numbers.collect()
}

#[test]
fn json_tells_the_same() {
    let backend = BackendDouble::start();
    let program = judged(&backend);
    let last = session(&program);
    let text = printed(&program, &last, &["--json"]);
    is_fit_to_be_pasted(&text);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told["session"]["state"], "QUIT");
    assert_eq!(told["session"]["helo"], "client.example.com");
    let fates: Vec<_> = (0..3).map(|n| &told["transactions"][n]["fate"]).collect();
    assert_eq!(fates, ["delivered", "refused by the backend", "refused"]);
    let first = &told["transactions"][0];
    let of = |n: usize| &first["judgements"][n];
    assert_eq!(of(0)["filters"][0]["scores"][0][0], "GREETING");
    assert_eq!(of(0)["filters"][0]["scores"][0][1], 1.5);
    assert_eq!(
        (&of(2)["stage"], &of(2)["of"]),
        (&"rcpt".into(), &"eve@example.org".into())
    );
    assert_eq!(
        (&of(2)["by"], &of(2)["filters"][0]["said"]),
        (&"judge".into(), &"reject".into())
    );
    let edits = &of(3)["filters"][0]["edits"];
    assert_eq!(edits[0], "add X-Seen: yes, \u{202e}by me");
    assert_eq!(edits[1], "replace 1 by Subject: other");
    assert_eq!(edits[2], "remove all X-Gone");
    let cpu = of(3)["filters"][0]["cpu"].as_f64().expect("a number");
    assert!(cpu > 0.0 && cpu < 1000.0, "{told}");
    // Whether it was the one that opened the connection, nobody says.
    let dialogue = first["dialogue"].as_array().expect("a list");
    let answer = |command: &str| {
        let asked = dialogue.iter().find(|it| it["command"] == command);
        &asked.unwrap_or_else(|| panic!("no {command} in {told}"))["reply"]
    };
    assert_eq!(
        answer("RCPT TO:<bob@example.org>"),
        "250 2.1.5 recipient ok"
    );
    assert_eq!(
        answer("(the end of data)"),
        "250 2.0.0 Ok: queued as 4TEST1DOUBLE"
    );
    assert_eq!(told["transactions"][2]["by"], "judge");
}

/// So many transactions in one session, each ended by RSET behind a refusal; the last refusal.
fn refusals(program: &Program, count: usize) -> Reply {
    let mut client = Client::greeted(program.plain());
    let mut last = None;
    for _ in 0..count {
        client.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@elsewhere.example>\r\nRSET");
        client.expect("250 *");
        last = Some(client.expect("550 5.7.1 *"));
        client.expect("250 *");
    }
    last.expect("a refusal")
}

/// How many transactions of this session are known in which a recipient was refused.
fn refused(told: &Value) -> usize {
    let transactions = told["transactions"].as_array().expect("a list");
    let of_rcpt = |it: &&Value| it["judgements"][0]["reply"].to_string().contains("550 ");
    transactions.iter().filter(of_rcpt).count()
}

#[test]
fn the_last_ten_thousand_decisions_are_kept() {
    const EACH: usize = 200;
    let backend = BackendDouble::start();
    backend.record_commands_only();
    let limits = "[limits]\nerrors = 1000000\njunk-commands = 1000000\n";
    let program = Program::run(PROGRAM, Proxy::before(backend.address()).set(limits));
    let sessions: Vec<_> = (0..=10_000 / EACH)
        .map(|_| refusals(&program, EACH))
        .collect();
    let (first, rest) = sessions.split_first().expect("there are some");
    for session in rest {
        assert_eq!(refused(&explained(&program, session)), EACH);
    }
    let first = first.session().expect("an id");
    let forgotten = program.command(&["explain", first]);
    assert_eq!(forgotten.status.code(), Some(1), "{forgotten:?}");
}
