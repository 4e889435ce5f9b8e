//! Every figure of `/metrics` after a small run in which a bit of everything happens, and the table of them in the
//! documentation.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::LazyLock;

use lazaret_tests::backend::say;
use lazaret_tests::guests::Guest;
use lazaret_tests::program::{Launch, Program, descriptors_of_threads};
use lazaret_tests::proxy::Builder;
use lazaret_tests::{BackendDouble, Client, Proxy, Step};

use crate::PROGRAM;
use crate::admin::{Admin, Figures};

/// Refuses whoever comes by the listener `starttls`; by `plain` it is the sender who says what it does.
const GATE: &str = r#"
stages = ["connect", "mail", "message"]
verdicts = ["accept", "reject", "defer", "discard", "quarantine", "disconnect"]
[config.listeners.starttls]
connect = { reject = "go away" }
[config.listeners.plain]
mail = [{ when = "trap@", do = [{ unreachable = true }] }, { when = "later@", defer = "later" }]
message = [{ when = "drop@", discard = true }, { when = "keep@", quarantine = "odd" }]
"#;

const SMALL: &str = "max-message = \"1 KiB\"\n[config]\nmessage = {}\n";
const TRIAL: &str = "mode = \"observe\"\n[config]\nrcpt = { reject = \"never\" }\n";
const KEEPER: &str = "grant = [\"state\", \"metrics\"]\ndeny = [\"lists\"]\n";

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nA line.\r\n";

/// The backend is asked what it offers at the start only: the connection of a question would be counted while that takes.
fn configured(backend: &BackendDouble) -> Builder {
    Proxy::before(backend.address())
        .set("[backend]\noffer-age = \"1h\"\ncheck = \"1h\"\n")
        .set("[limits]\nconnections = 200\nconnections-per-client = 3\nspool-memory = \"64 KiB\"\n")
        .filter("10-small", Guest::Puppet, SMALL)
        .filter("20-gate", Guest::Puppet, GATE)
        .filter("30-trial", Guest::Puppet, TRIAL)
        .filter("40-keeper", Guest::Keeper, KEEPER)
}

/// What the backend says to some senders.
fn moody(backend: &BackendDouble) {
    let no = [say("554 5.6.0 No")];
    backend.when("MAIL FROM:<no@*", ".", no);
    backend.when("MAIL FROM:<doubt@*", ".", [Step::Commit, Step::Close]);
}

/// A transaction of each fate, by one client.
fn transactions(program: &Program) {
    let mut client = Client::greeted(program.plain());
    let mut large = MESSAGE.to_vec();
    large.extend(b"x".repeat(70).iter().chain(b"\r\n").cycle().take(72 * 30));
    for (sender, message, code) in [
        ("alice", MESSAGE, 250),
        ("large", &large, 250),
        ("drop", MESSAGE, 250),
        ("keep", MESSAGE, 250),
        ("trap", MESSAGE, 451),
        ("later", MESSAGE, 451),
        ("no", MESSAGE, 554),
        ("doubt", MESSAGE, 451),
    ] {
        let reply = client.deliver(
            &format!("{sender}@example.com"),
            &["bob@example.org"],
            message,
        );
        assert_eq!(reply.code, code, "{sender}: {reply:?}");
    }
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<carol@example.net>", "550 5.7.1 *");
    client.ask("RCPT TO:<count-x@example.org>", "550 5.7.1 1 *");
    client.ask("RSET", "250 *");
    client.ask("FLY", "500 *");
    client.ask("QUIT", "221 *");
    client.ended();
}

/// Clients of whom nothing comes.
fn others(program: &Program) {
    Client::connect(program.address("starttls")).expect("554 go away *");
    let mut safe = Client::connect_tls(program.address("implicit"));
    safe.expect("220 *");
    safe.ask("QUIT", "221 *");
    drop(safe);
    let mut garbage = TcpStream::connect(program.address("implicit")).expect("it listens");
    garbage.write_all(b"EHLO x\r\n").expect("it is read");
    // Until it is closed, with or without an alert before.
    let _ = garbage.read_to_end(&mut Vec::new());
}

/// Sends a message of so many octets up to its dot.
fn up_to_its_dot(client: &mut Client, octets: usize) {
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("DATA", "354 *");
    let lines = format!("Subject: x\r\n\r\n{}", "A line.\r\n".repeat(octets / 9));
    client.octets(lines.as_bytes()).expect("it is read");
}

/// What there is to see, and which backend it is about.
struct Seen {
    figures: Figures,
    backend: String,
}

/// What is told while one client has a message in a file before its dot, another has one in memory, a third is behind
/// MAIL, of which the backend has not heard yet, and the fourth was turned away.
static SEEN: LazyLock<Seen> = LazyLock::new(|| {
    let backend = BackendDouble::start();
    moody(&backend);
    let (admin, builder) = Admin::of(configured(&backend));
    let program = Program::run(PROGRAM, builder);
    let is = |series: &str, value| admin.figures().value(series) == Some(value);
    transactions(&program);
    program.until("the first has left", || is("clients", 0.0));
    others(&program);
    program.until("all have left", || is("clients", 0.0));
    let mut held: Vec<_> = (0..3).map(|_| Client::greeted(program.plain())).collect();
    up_to_its_dot(&mut held[0], 90_000);
    program.until("the first is read", || is("in_flight_bytes", 90_014.0));
    up_to_its_dot(&mut held[1], 9_000);
    program.until("the second is read", || is("in_flight_bytes", 99_028.0));
    held[2].ask("MAIL FROM:<alice@example.com>", "250 *");
    Client::connect(program.plain()).expect("421 Too many connections from you, *");
    program.until("the fourth has left", || is("clients", 3.0));
    Seen {
        figures: admin.figures(),
        backend: backend.address().to_string(),
    }
});

/// What the run comes to: the series, and its value, or the least of it where the machine has a say.
const TABLE: &str = r#"
sessions_total{listener="plain"} 5
sessions_total{listener="starttls"} 1
sessions_total{listener="implicit"} 2
sessions_open{listener="plain"} 3
sessions_open{listener="implicit"} 0
sessions_ended_total{listener="plain",reason="QUIT"} 1
sessions_ended_total{listener="implicit",reason="TLS handshake failed"} 1
turned_away_total{listener="plain",limit="connections-per-client"} 1
clients 3
clients_limit 200
tls_handshakes_total{listener="implicit",version="TLSv1.3"} 1
tls_handshakes_total{listener="implicit",version="TLSv1.2"} 0
tls_handshakes_failed_total{listener="implicit"} 1
stages_total{listener="starttls",stage="connect",outcome="reject"} 1
stages_total{listener="plain",stage="mail",outcome="pass"} 10
stages_total{listener="plain",stage="mail",outcome="defer"} 2
stages_total{listener="plain",stage="rcpt",outcome="reject"} 1
stages_total{listener="plain",stage="message",outcome="pass"} 4
stages_total{listener="plain",stage="message",outcome="keep"} 2
commands_refused_total{listener="plain"} 1
recipients_total{listener="plain",outcome="accepted"} 8
recipients_total{listener="plain",outcome="refused"} 2
transactions_total{listener="plain",fate="delivered"} 2
transactions_total{listener="plain",fate="quarantined"} 1
transactions_total{listener="plain",fate="discarded"} 1
transactions_total{listener="plain",fate="refused"} 2
transactions_total{listener="plain",fate="refused_by_backend"} 1
transactions_total{listener="plain",fate="in_doubt"} 1
transactions_total{listener="plain",fate="reset"} 1
transactions_total{listener="plain",fate="failed"} 0
transaction_duration_seconds_count{listener="plain"} 9
message_size_bytes_count{listener="plain"} 6
message_size_bytes_sum{listener="plain"} 2322
filter_asked_total{filter="gate",stage="connect",verdict="reject"} 1
filter_asked_total{filter="gate",stage="mail",verdict="continue"} 10
filter_asked_total{filter="gate",stage="mail",verdict="defer"} 1
filter_asked_total{filter="gate",stage="mail",verdict="failed"} 1
filter_asked_total{filter="gate",stage="message",verdict="discard"} 1
filter_asked_total{filter="gate",stage="message",verdict="quarantine"} 1
filter_asked_total{filter="small",stage="message",verdict="continue"} 5
filter_asked_total{filter="trial",stage="rcpt",verdict="reject"} 9
filter_failures_total{filter="gate",kind="trap"} 1
filter_suspended{filter="gate"} 0
filter_kept_out_total{filter="gate"} 0
filter_unscanned_total{filter="small"} 1
filter_cpu_seconds_count{filter="small"} 5
filter_cpu_seconds_sum{filter="small"} >0.00001
filter_duration_seconds_count{filter="trial",stage="rcpt"} 9
filter_mode{filter="gate",mode="enforce"} 1
filter_mode{filter="trial",mode="observe"} 1
filter_absent{filter="gate"} 0
chain_generation 1
chain_load_error 0
sandboxes{state="used"} 7
sandboxes{state="free"} 9993
sandboxes_limit 10000
sandboxes_idle 7
sandboxes_begun_total{origin="made"} >9
sandboxes_begun_total{origin="renewed"} >1
no_sandbox_total 0
backend_connections 2
backend_connections_limit 40
backend_state{backend="BACKEND",state="up"} 1
backend_in_use{backend="BACKEND"} 2
backend_idle{backend="BACKEND"} 0
backend_opened_total{backend="BACKEND"} >3
backend_reused_total{backend="BACKEND"} >1
backend_failed_total{backend="BACKEND"} 1
backend_ambiguous_total{backend="BACKEND"} 1
backend_phase_duration_seconds_count{backend="BACKEND",phase="end_of_data"} 3
backend_replies_total{backend="BACKEND",phase="mail",class="2yz"} 8
backend_replies_total{backend="BACKEND",phase="data",class="3yz"} 4
backend_replies_total{backend="BACKEND",phase="end_of_data",class="2yz"} 2
backend_replies_total{backend="BACKEND",phase="end_of_data",class="5yz"} 1
backend_failures_total{kind="in_doubt"} 1
spool_memory_bytes 533302
spool_memory_limit_bytes 268435456
spool_files 1
in_flight_bytes 99028
in_flight_limit_bytes 2147483648
decisions 12
decisions_bytes >5000
observers_dropped_total 0
log_lines_total >9
log_lines_dropped_total 0
guest_count_total{filter="keeper",name="seen"} 1
guest_gauge{filter="keeper",name="last"} 2.5
process_resident_memory_bytes >1000000
process_open_fds >10
process_max_fds >100
process_cpu_seconds_total >0.001
process_start_time_seconds >1700000000
build_info{version="VERSION"} 1
"#;

/// The lines of the table: a series, and what is wanted of it.
fn table() -> impl Iterator<Item = (String, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.is_empty());
    lines.map(|line| {
        let (series, wanted) = line.rsplit_once(' ').expect("a series and a value");
        let series = series.replace("VERSION", env!("CARGO_PKG_VERSION"));
        (series.replace("BACKEND", &SEEN.backend), wanted)
    })
}

#[test]
fn each_has_the_value_that_the_run_gave_it() {
    for (series, wanted) in table() {
        let value = SEEN.figures.value(&series);
        let value = value.unwrap_or_else(|| panic!("no {series}"));
        let number = |text: &str| text.parse::<f64>().expect("a number");
        match wanted.strip_prefix('>') {
            Some(least) => assert!(value >= number(least), "{series} is {value}"),
            None => assert_eq!(value, number(wanted), "{series}"),
        }
    }
}

#[test]
fn no_metric_goes_unread() {
    let read: Vec<_> = table().map(|(series, _)| bare(&series)).collect();
    let unread: Vec<_> = SEEN
        .figures
        .kinds
        .keys()
        .filter(|name| !read.contains(&bare(&name.replace("lazaret_", ""))))
        .collect();
    assert!(unread.is_empty(), "not in the table: {unread:#?}");
}

/// The name without labels, and of a histogram without the part.
fn bare(series: &str) -> String {
    let name = series.split('{').next().unwrap_or_default();
    let parts = ["_count", "_sum"].iter();
    let whole = parts.filter_map(|part| name.strip_suffix(part)).next();
    whole.unwrap_or(name).to_owned()
}

/// 256, those of the threads and the 40 of the backend are kept back, and two clients take three.
#[test]
fn the_most_clients_are_those_for_whom_there_are_descriptors() {
    let backend = BackendDouble::start();
    let (admin, builder) = Admin::of(Proxy::before(backend.address()));
    let limit = format!(
        "ulimit -n {} && exec \"$@\"",
        356 + descriptors_of_threads()
    );
    let few = ["sh", "-c", &limit, "sh"];
    let launch = Launch {
        by: few.map(str::to_owned).to_vec(),
        ..Launch::default()
    };
    let _program = Program::launch(Path::new(PROGRAM), builder, launch);
    assert_eq!(admin.figures().value("clients_limit"), Some(40.0));
}

/// Names of metrics with the labels of each, in order.
type Names = BTreeMap<String, Vec<String>>;

/// As the table of the documentation has them.
fn documented() -> Names {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let text = std::fs::read_to_string(path).expect("a page of the documentation");
    let rows = text.lines().filter(|line| line.starts_with("| `lazaret_"));
    let mut names = Names::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let mut labels: Vec<_> = words(cells[2]);
        labels.sort();
        for name in words(cells[1]) {
            let name = name.trim_matches('`').to_owned();
            assert!(names.insert(name, labels.clone()).is_none(), "twice: {row}");
        }
    }
    names
}

fn words(cell: &str) -> Vec<String> {
    let words = cell.split(", ").filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[test]
fn the_documentation_has_these_metrics_with_these_labels_and_no_others() {
    let emitted = SEEN.figures.kinds.keys();
    let emitted: Names = emitted
        .map(|name| (name.clone(), SEEN.figures.labels(name)))
        .collect();
    assert_eq!(documented(), emitted);
}
