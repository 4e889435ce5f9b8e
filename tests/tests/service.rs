//! `lazaret run` as a service: what systemd hears, signals, the end, file descriptors.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use lazaret_tests::backend::Step;
use lazaret_tests::faults::gauges::metrics;
use lazaret_tests::faults::held::Held;
use lazaret_tests::guests::Guest;
use lazaret_tests::peers;
use lazaret_tests::ports::free_port;
use lazaret_tests::program::{Launch, Program, descriptors_of_threads};
use lazaret_tests::{BackendDouble, Client, Proxy};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lazaret-under-test");

/// The service manager's end of `NOTIFY_SOCKET`.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(directory: &Path) -> Self {
        let socket = UnixDatagram::bind(directory.join("notify")).expect("our directory");
        let patience = Some(Duration::from_secs(30));
        socket.set_read_timeout(patience).expect("a valid time");
        Self(socket)
    }

    /// The next message that says this; those before it are let pass.
    fn hears(&self, what: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut heard = Vec::new();
        while Instant::now() < deadline {
            let mut octets = [0; 4096];
            let read = self.0.recv(&mut octets).unwrap_or(0);
            let message = String::from_utf8_lossy(&octets[..read]).into_owned();
            if message.lines().any(|line| line == what) {
                return message;
            }
            heard.push(message);
        }
        panic!("{what} does not come, but {heard:?}");
    }
}

#[test]
fn the_service_manager_hears_of_start_reload_life_and_end() {
    let backend = BackendDouble::start();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manager = Manager::listen(dir.path());
    let socket = dir.path().join("notify").display().to_string();
    let launch = Launch {
        environment: vec![
            ("NOTIFY_SOCKET".to_owned(), socket),
            ("WATCHDOG_USEC".to_owned(), "600000".to_owned()),
        ],
        ..Launch::default()
    };
    let program = Program::launch(Path::new(PROGRAM), Proxy::before(backend.address()), launch);
    let ready = manager.hears("READY=1");
    assert!(ready.contains("STATUS=0 clients, generation 1"), "{ready}");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    program.signal("HUP");
    let reloading = manager.hears("RELOADING=1");
    let time = reloading
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(
        time.is_some_and(|time| time.parse::<u64>().is_ok()),
        "{reloading}"
    );
    manager.hears("READY=1");
    program.signal("TERM");
    manager.hears("STOPPING=1");
    assert_eq!(program.ends(), Some(0));
}

/// Changes the level of the log in the configuration, and tells the program to read it.
fn log_level(program: &Program, before: &str, after: &str) {
    let path = program.dir().join("lazaret.toml");
    let text = std::fs::read_to_string(&path).expect("our directory");
    assert!(text.contains(before), "{text}");
    std::fs::write(&path, text.replacen(before, after, 1)).expect("our directory");
    let done = "the configuration was read again";
    let seen = program.log(&[done]).len();
    program.signal("HUP");
    program.until(done, || program.log(&[done]).len() > seen);
}

#[test]
fn a_signal_changes_how_much_is_logged_without_a_restart() {
    let backend = BackendDouble::start();
    let program = Program::run(
        PROGRAM,
        Proxy::before(backend.address()).set("[log]\nlevel = \"info\"\n"),
    );
    let connected = || program.log(&["\"DEBUG\"", "\"connected\""]).len();
    drop(Client::greeted(program.plain()));
    assert_eq!(connected(), 0);
    log_level(
        &program,
        "level = \"info\"",
        "level = \"warn,lazaret_proxy=debug\"",
    );
    // The level follows a moment after the line that says so.
    program.until("a session at level debug", || {
        drop(Client::greeted(program.plain()));
        connected() > 0
    });
    let path = program.dir().join("lazaret.toml");
    let text = std::fs::read_to_string(&path).expect("our directory");
    let text = text.replacen("warn,lazaret_proxy", "wran,lazaret_proxy", 1);
    std::fs::write(&path, text).expect("our directory");
    program.signal("HUP");
    program.logs(&["`wran` is no level"]);
    let before = connected();
    drop(Client::greeted(program.plain()));
    program.until("the level before it holds", || connected() > before);
}

const BEGINNING: [(&str, &str); 4] = [
    ("EHLO a", "250 *"),
    ("MAIL FROM:<a@example.com>", "250 *"),
    ("RCPT TO:<b@example.org>", "250 *"),
    ("DATA", "354 *"),
];

/// A client in the middle of its message.
fn sender(program: &Program) -> Client {
    let mut client = Client::connect(program.plain());
    client.expect("220 *");
    for (command, reply) in BEGINNING {
        client.ask(command, reply);
    }
    client
}

#[test]
fn a_running_transaction_ends_before_the_program_does() {
    let backend = BackendDouble::start();
    let program = Program::run(PROGRAM, Proxy::before(backend.address()));
    let mut idle = Client::greeted(program.plain());
    let mut busy = sender(&program);
    program.signal("TERM");
    idle.expect("421 *");
    program.until("nobody listens any more", || {
        TcpStream::connect(program.plain()).is_err()
    });
    busy.ask("Subject: a\r\n\r\nb\r\n.", "250 *");
    busy.expect("421 *");
    assert_eq!(program.ends(), Some(0));
    assert_eq!(backend.deliveries().len(), 1);
}

#[test]
fn whoever_does_not_end_within_grace_hears_421_and_nothing_is_delivered() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).set("grace = \"300ms\"");
    let mut program = Program::run(PROGRAM, builder);
    let mut busy = sender(&program);
    program.signal("TERM");
    busy.expect("421 4.3.2 *");
    let status = program.ended(Duration::from_secs(30)).expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(backend.deliveries().is_empty());
    assert_eq!(program.log(&["\"closed\"", "421 4.3.2", "-1\""]).len(), 1);
    // It stayed, to read what we said last, and was not cut off for that.
    let of_session = program.log(&["\"closed\"", "\"reason\""]);
    assert_eq!(of_session.len(), 1, "{of_session:?}");
    assert!(of_session[0].contains("\"shutdown\""), "{of_session:?}");
}

/// Who waits for the backend cannot be told.
#[test]
fn a_transaction_that_is_cut_off_has_its_line() {
    let backend = BackendDouble::start();
    backend.always("RCPT *", [Step::Silence]);
    let builder = Proxy::before(backend.address()).set("grace = \"300ms\"");
    let mut program = Program::run(PROGRAM, builder);
    let mut waits = Client::greeted(program.plain());
    waits.ask("MAIL FROM:<a@example.com>", "250 *");
    waits.say("RCPT TO:<b@example.org>");
    while backend
        .heard()
        .iter()
        .all(|it| !format!("{it:?}").contains("RCPT"))
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    program.signal("TERM");
    let status = program.ended(Duration::from_secs(30)).expect("it ends");
    assert_eq!(status.code(), Some(0));
    let lines = program.log(&["a@example.com", "-1\""]);
    assert_eq!(lines.len(), 1, "{:?}", program.log(&[]));
}

/// Whether the backend took it nobody can know: the log names it, and the client, told nothing, sends it again.
#[test]
fn a_message_behind_its_dot_when_grace_is_over_is_named() {
    let backend = BackendDouble::start();
    backend.always(".", [Step::Commit, Step::Silence]);
    let builder = Proxy::before(backend.address()).set("grace = \"300ms\"");
    let mut program = Program::run(PROGRAM, builder);
    let mut busy = sender(&program);
    busy.say("Subject: a\r\n\r\nb\r\n.");
    backend.wait_for(1);
    program.signal("TERM");
    let status = program.ended(Duration::from_secs(30)).expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(busy.hear().is_none(), "nobody was promised anything");
    assert_eq!(program.log(&["grace is over", "\"sessions\":1"]).len(), 1);
    let named = program.log(&["cut off behind the dot", &backend.address().to_string()]);
    assert_eq!(named.len(), 1);
    assert_eq!(program.log(&["\"in doubt\"", "a@example.com"]).len(), 1);
}

#[test]
fn a_second_signal_ends_at_once_with_75() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).set("grace = \"10m\"");
    let program = Program::run(PROGRAM, builder);
    let _busy = sender(&program);
    program.signal("TERM");
    program.logs(&["draining"]);
    program.signal("TERM");
    assert_eq!(program.ends(), Some(75));
}

/// The smallest number that the next descriptor of this process could have, once it stays the same: who looked whether the
/// program listens may be a moment in leaving, and files are read now and then.
fn next_descriptor(program: &Program) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut before = free_number(program);
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = free_number(program);
        if now == before {
            return now;
        }
        assert!(Instant::now() < deadline, "it is never at rest");
        before = now;
    }
}

/// The smallest number that no descriptor of this process has now.
fn free_number(program: &Program) -> u64 {
    let taken = std::fs::read_dir(format!("/proc/{}/fd", program.id())).expect("Linux");
    let taken: Vec<u64> = taken
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    (0..)
        .find(|number| !taken.contains(number))
        .expect("numbers do not end")
}

/// Ticks of CPU time, 100 a second.
fn cpu(program: &Program) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).expect("Linux");
    let (_, behind) = stat.rsplit_once(") ").expect("the name is in parentheses");
    let fields: Vec<u64> = behind
        .split(' ')
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    fields[11] + fields[12]
}

/// Faults 13 and 30: nobody hangs, the running session ends well, no processor is burnt, and it mends itself.
#[test]
fn without_descriptors_clients_hear_421_and_those_who_are_in_are_served() {
    let backend = BackendDouble::start();
    // Nothing opens or closes anything meanwhile.
    let rest = "[reload]\nlook = \"1h\"\n[backend]\ncheck = \"1h\"\n";
    let program = Program::run(PROGRAM, Proxy::before(backend.address()).set(rest));
    let mut inside = sender(&program);
    let process = Pid::from_raw(program.id().cast_signed());
    let before = getrlimit(Resource::Nofile);
    let limited = |current| Rlimit {
        current,
        maximum: before.maximum,
    };
    let few = Some(next_descriptor(&program));
    prlimit(process, Resource::Nofile, limited(few)).expect("our own process");
    let begun = (cpu(&program), Instant::now());
    for _ in 0..20 {
        let mut client = Client::connect(program.plain());
        client.expect("421 Too many connections, *");
    }
    // And some that come at once and stay.
    let waiting: Vec<_> = (0..50).map(|_| Client::connect(program.plain())).collect();
    std::thread::sleep(Duration::from_secs(2));
    let spent = cpu(&program) - begun.0;
    let passed = begun.1.elapsed().as_millis() / 10;
    assert!(u128::from(spent) < passed / 5, "{spent} of {passed} ticks");
    inside.ask("Subject: a\r\n\r\nb\r\n.", "250 *");
    prlimit(process, Resource::Nofile, limited(before.maximum)).expect("our own process");
    drop(waiting);
    program.until("it serves again", || {
        let mut stream = TcpStream::connect(program.plain()).expect("it listens");
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).is_ok() && greeting == *b"220"
    });
    assert_eq!(backend.deliveries().len(), 1);
}

/// The limit that the shell gives is raised to the hard one, and less than `connections` needs is said at start.
#[test]
fn a_low_hard_limit_is_told_and_held() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).set("[limits]\nconnections = 5000");
    let given = 310 + descriptors_of_threads();
    let limit = format!("ulimit -n {given} && exec \"$@\"");
    let by = ["sh", "-c", &limit, "sh"];
    let launch = Launch {
        by: by.map(str::to_owned).into(),
        ..Launch::default()
    };
    let program = Program::launch(Path::new(PROGRAM), builder, launch);
    let said = program.logs(&["`connections` is 5000"]).join("\n");
    assert!(
        said.contains(&format!("\"descriptors\":{given}")) && said.contains("8 only"),
        "{said}"
    );
    let mut inside = Vec::new();
    let refused = loop {
        let mut client = Client::connect(program.plain());
        match client.hear() {
            Some(reply) if reply.code == 220 => inside.push(client),
            refused => break refused.expect("a reply"),
        }
    };
    assert_eq!(refused.code, 421);
    // Who looked whether it listens may be a moment in leaving, and have been the eighth.
    assert!((7..=8).contains(&inside.len()), "{} are in", inside.len());
}

/// The unit is one that systemd understands, and it is not loose.
#[test]
fn the_units_are_good() {
    let Some(systemd) = peers::find("systemd-analyze") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [here, socket] = ["lazaret.service", "lazaret.socket"].map(|name| {
        let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
        let text = std::fs::read_to_string(unit.join(name)).expect("the unit is there");
        let text = text.replace("/usr/local/bin/lazaret", PROGRAM);
        std::fs::write(dir.path().join(name), text).expect("our directory");
        dir.path().join(name)
    });
    let analyze = || {
        let mut command = std::process::Command::new(&systemd);
        command.env("SYSTEMD_LOG_LEVEL", "warning");
        command
    };
    let said = peers::run(analyze().arg("verify").args([&here, &socket]));
    assert_eq!(said, "", "systemd-analyze verify has nothing to say");
    let said = peers::run(
        analyze()
            .args(["security", "--offline=true", "--threshold=20"])
            .arg(&here),
    );
    assert!(said.contains("Overall exposure level"), "{said}");
    peers::ran("systemd-analyze");
}

/// How long each of them is held back at its second recipient.
const TARPIT: Duration = Duration::from_secs(8);

/// Two hundred clients that wait for a held reply cost no thread and no connection that others could use; each has its
/// sandbox, as it would have without.
#[test]
fn a_tarpit_holds_no_thread_and_no_connection() {
    let (backend, admin) = (BackendDouble::start(), free_port());
    let policy = format!(
        "listeners = [\"starttls\"]\n[config]\nrcpt = [{{ when = \"held\", do = [{{ hold = {} }}] }}]\n",
        TARPIT.as_millis()
    );
    let builder = Proxy::before(backend.address())
        .filter("10-tarpit", Guest::Puppet, &policy)
        .set("[backend]\nconnections = 40\n[limits]\nconnections-per-client = 1000\n")
        .set(&format!("[admin]\nlisten = [\"{admin}\"]\n"));
    let program = Program::run(PROGRAM, builder);
    let message = b"Subject: through\r\n\r\nA line.\r\n";
    let deliver =
        |client: &mut Client| client.deliver("a@example.com", &["b@example.org"], message);
    let mut next = Client::greeted(program.plain());
    assert_eq!(deliver(&mut next).code, 250, "before");
    let mut paced: Vec<_> = (0..200)
        .map(|_| Client::greeted(program.address("starttls")))
        .collect();
    let before = Held::by(program.id()).threads;
    let begun = Instant::now();
    for client in &mut paced {
        client.say("MAIL FROM:<a@example.com>");
        client.say("RCPT TO:<b@example.org>");
        client.say("RCPT TO:<held@example.org>");
    }
    std::thread::sleep(Duration::from_secs(3));
    let at_once = Instant::now();
    let mut next = Client::greeted(program.plain());
    assert_eq!(deliver(&mut next).code, 250, "while 200 are held back");
    let took = at_once.elapsed();
    let held = Held::by(program.id()).threads;
    let text = metrics(admin).expect("/metrics");
    assert!(begun.elapsed() < TARPIT, "nobody is held back any more");
    let sandboxes: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("lazaret_sandboxes"))
        .collect();
    assert!(
        sandboxes.contains(&"lazaret_sandboxes{state=\"used\"} 200.0"),
        "{sandboxes:?}"
    );
    println!("delivered in {took:?}; threads {before} > {held}; {sandboxes:?}");
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    // Threads for disks and slow calls may come in between; two hundred would be those of the clients.
    assert!(held < before + 60, "threads: {before} > {held}");
    assert!(backend.connections() <= 40, "{}", backend.connections());
    // Then each is answered, and goes.
    let answered = paced.into_iter().map(|mut client| {
        std::thread::spawn(move || {
            for _ in 0..3 {
                client.expect("250 *");
            }
            client.ask("QUIT", "221 *");
        })
    });
    for client in answered.collect::<Vec<_>>() {
        client.join().expect("250 for all");
    }
    assert!(begun.elapsed() >= TARPIT, "they were not held back");
    assert!(backend.connections() <= 40, "{}", backend.connections());
}
