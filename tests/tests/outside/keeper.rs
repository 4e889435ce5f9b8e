//! A component that uses `state`, `lists` and `metrics`, in the program as it is run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lazaret_tests::guests::Guest;
use lazaret_tests::peers::free_port;
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client};

use crate::{PROGRAM, before};

const POLICY: &str = "grant = [\"state\", \"lists\", \"metrics\"]\n[lists]\npartners = { domains = \"partners.txt\" }\n";

fn program(backend: &BackendDouble, admin: SocketAddr) -> Program {
    let builder = before(backend)
        .set(&format!(
            "state = \"state.redb\"\n[admin]\nlisten = [\"{admin}\"]\n"
        ))
        .file(
            "filters.d/partners.txt",
            b"example.net gold\nshop.example.net\n",
        )
        .filter("10-keeper", Guest::Keeper, POLICY);
    Program::run(PROGRAM, builder)
}

/// A change of the filter directory is seen at once.
const QUICK: &str = "[reload]\nlook = \"10ms\"\nquiet = \"30ms\"\n";

/// What it says to this recipient.
fn said(program: &Program, to: &str) -> String {
    let mut client = Client::greeted(program.plain());
    client.ask("MAIL FROM:<a@example.com>", "250 *");
    let reply = client.ask(&format!("RCPT TO:<{to}@example.org>"), "550 5.7.1 *");
    let text = reply.text();
    let text = text.trim_start_matches("550 5.7.1 ");
    let (text, _id) = text.rsplit_once(" (").expect("an id");
    text.to_owned()
}

fn metrics(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).expect("the admin port listens");
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn what_it_kept_is_there_in_the_next_session_and_after_a_restart() {
    let (backend, admin) = (BackendDouble::start(), free_port());
    let mut program = program(&backend, admin);
    assert_eq!(said(&program, "kept"), "nothing");
    assert_eq!(said(&program, "keep-blue"), "kept");
    assert_eq!(said(&program, "kept"), "blue");
    let counted = ["count-x", "count-x", "count-y"].map(|to| said(&program, to));
    assert_eq!(counted, ["1", "2", "1"]);
    // One of many that claim it at once has it.
    let claims: Vec<_> = std::thread::scope(|scope| {
        let claims: Vec<_> = (0..8).map(|n| (n, &program)).collect();
        let claims = claims
            .into_iter()
            .map(|(n, program)| scope.spawn(move || said(program, &format!("claim-{n}"))));
        let claims: Vec<_> = claims.collect();
        claims
            .into_iter()
            .map(|claim| claim.join().expect("an answer"))
            .collect()
    });
    assert_eq!(
        claims.iter().filter(|claim| *claim == "true").count(),
        1,
        "{claims:?}"
    );

    program.signal("TERM");
    let patience = std::time::Duration::from_secs(60);
    assert_eq!(
        program.ended(patience).and_then(|status| status.code()),
        Some(0)
    );
    program.again();
    assert_eq!(said(&program, "kept"), "blue");
    assert_eq!(said(&program, "count-x"), "3");
    assert_eq!(said(&program, "claim-again"), "false");
}

#[test]
fn what_it_counts_is_at_the_admin_port_and_lists_change_under_it() {
    let (backend, admin) = (BackendDouble::start(), free_port());
    let program = program(&backend, admin);
    assert_eq!(said(&program, "count-x"), "1");
    assert_eq!(said(&program, "count-x"), "2");
    let scraped = metrics(admin);
    for line in [
        "lazaret_guest_count_total{filter=\"keeper\",name=\"seen\"} 2",
        "lazaret_guest_gauge{filter=\"keeper\",name=\"last\"} 2.5",
    ] {
        assert!(scraped.contains(line), "no {line} in\n{scraped}");
    }
    assert_eq!(said(&program, "listed-mail.example.net"), "Some(\"gold\")");
    assert_eq!(said(&program, "listed-shop.example.net"), "Some(\"\")");
    assert_eq!(said(&program, "listed-example.com"), "None");
    program.put("partners.txt", b"example.com new\n");
    program.until("the list is read again", || {
        said(&program, "listed-example.com") == "Some(\"new\")"
    });
    assert_eq!(said(&program, "listed-mail.example.net"), "None");
}

/// Nobody wrote `state`, and no filter remembers: nothing is made. One comes, and it remembers in the home of the user, as
/// it does after a restart.
#[test]
fn nobody_named_a_place_and_it_remembers_in_the_usual_one() {
    let backend = BackendDouble::start();
    let mut program = Program::run(PROGRAM, before(&backend).set(QUICK));
    let place = program.dir().join("state/lazaret");
    assert!(!place.exists());
    std::fs::write(program.filter("partners.txt"), "").unwrap();
    std::fs::write(program.filter("10-keeper.toml"), POLICY).unwrap();
    program.put("10-keeper.wasm", &Guest::Keeper.octets());
    program.logs(&["reloaded generation", "keeper"]);
    assert_eq!(said(&program, "keep-blue"), "kept");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&place), mode(&place.join("state.redb"))),
        (0o700, 0o600)
    );
    program.signal("TERM");
    program.ended(std::time::Duration::from_secs(60));
    program.again();
    assert_eq!(said(&program, "kept"), "blue");
}

/// The second proxy of a user says in one line who has the file, and ends with 2; `check` leaves it alone.
#[test]
fn two_proxies_of_a_user_do_not_share_the_usual_place() {
    let backend = BackendDouble::start();
    let keeping = || {
        let builder = before(&backend).set(QUICK);
        let builder = builder.file("filters.d/partners.txt", b"");
        builder.filter("10-keeper", Guest::Keeper, POLICY)
    };
    let first = Program::run(PROGRAM, keeping());
    assert_eq!(said(&first, "keep-blue"), "kept");
    let second = keeping().write();
    let second = |command: &str| {
        let output = Command::new(PROGRAM)
            .args([command, "--config"])
            .arg(second.path().join("lazaret.toml"))
            .env("XDG_RUNTIME_DIR", second.path())
            .env("XDG_CACHE_HOME", second.path())
            .env("XDG_STATE_HOME", first.dir().join("state"))
            .stdin(Stdio::null())
            .output();
        let output = output.expect("the program starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code(), said)
    };
    let (code, said_of_it) = second("run");
    assert_eq!(code, Some(2), "{said_of_it}");
    let wanted = format!(
        "lazaret/state.redb is in use by another process ({}); ",
        first.id()
    );
    assert_eq!(said_of_it.matches("in use").count(), 1, "{said_of_it}");
    assert!(said_of_it.contains(&wanted), "{said_of_it}");
    assert!(
        said_of_it.contains("it is the usual place: name another with `state`"),
        "{said_of_it}"
    );
    let (code, checked) = second("check");
    assert_eq!(code, Some(0), "{checked}");
    assert!(
        checked.contains("no place is named for it: this user keeps it in "),
        "{checked}"
    );
    assert_eq!(said(&first, "kept"), "blue");
}
