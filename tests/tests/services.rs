//! What a filter reaches outside: real components, a real name server, servers that are no use.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::facts::Address;
use lazaret_mail::{
    Ask, ClientName, Envelope, Failure, FailureKind, Filter, Loader, Notes, Party, Policy,
    Question, Session, Source, Verdict,
};
use lazaret_services::dns::{self, Names, Zone};
use lazaret_services::{Services, Settings, Trust, http, state};
use lazaret_tests::guests::Guest;
use lazaret_tests::peers::{self, Nsd};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A filter of these rights, with these services.
fn filter(services: Services, policy: &str) -> Arc<dyn Filter> {
    let settings = EngineSettings {
        sandboxes: 16,
        services,
        ..lazaret_tests::proxy::settings()
    };
    let engine = Engine::new(settings).expect("an engine");
    let source = Source {
        name: "reacher".into(),
        file: "reacher.wasm".into(),
        wasm: Guest::Reacher.octets().into(),
        policy: Policy::parse(Path::new("reacher.toml"), policy).expect("a policy"),
    };
    RUNTIME
        .block_on(engine.load(source))
        .expect("a filter that loads")
}

fn path(mailbox: &str) -> lazaret_mail::Path {
    lazaret_mail::Path::new(Address::parse(mailbox).expect("an address"))
}

fn question(how: &str, session: &Arc<Session>) -> Question {
    Question {
        ask: Ask::Rcpt(path(&format!("{how}@example.org"))).into(),
        session: session.clone(),
        envelope: Some(Arc::new(Envelope {
            sender: Some(path("sender@example.com")),
            recipients: Vec::new(),
        })),
        message: None,
        score: Default::default(),
        notes: Arc::new(Notes::default()),
    }
}

fn session() -> Arc<Session> {
    Arc::new(Session {
        id: "s1".into(),
        listener: "mx".into(),
        client: Party {
            address: "192.0.2.1:4711".parse().expect("an address"),
            name: ClientName::default(),
        },
        hello: None,
        tls: None,
        user: None,
        early_talker: false,
    })
}

fn asked(filter: &Arc<dyn Filter>, how: &str) -> Result<String, Failure> {
    let mut sandbox = filter.fork();
    let answer = RUNTIME.block_on(sandbox.ask(question(how, &session())));
    match answer?.verdict {
        Verdict::Reject(reply) => Ok(reply.text),
        other => panic!("{other:?}"),
    }
}

fn said(filter: &Arc<dyn Filter>, how: &str) -> String {
    asked(filter, how).expect("an answer")
}

fn zone(text: &str) -> Services {
    let names = Names::of_zone(Zone::parse(text).expect("a zone"));
    let http = http::Client::new(names.clone(), Trust::default());
    Services::of(names, http, state::Store::default())
}

/// Serves each connection on a thread of its own.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Says what it heard.
fn echo() -> SocketAddr {
    server(|mut stream| {
        let mut line = String::new();
        let _ = BufReader::new(&stream).read_line(&mut line);
        let _ = stream.write_all(format!("heard {line}").as_bytes());
    })
}

#[test]
fn sockets_reach_what_was_granted_and_nothing_else() {
    let echo = echo();
    let other = server(|_| ());
    let policy = |to: SocketAddr, granted: SocketAddr| {
        format!(
            "grant = [\"session\", \"tcp:{granted}\"]\ndeny = [\"dns\", \"http\"]\n[config]\ntcp = \"{to}\"\n"
        )
    };
    let granted = filter(Services::default(), &policy(echo, echo));
    assert_eq!(said(&granted, "tcp"), "heard ping");
    assert_eq!(said(&granted, "listen"), "true true");
    // `ping` and a newline are sent, and so much comes back before the streams are closed.
    let short = format!("tcp-size = \"10 B\"\n{}", policy(echo, echo));
    let short = filter(Services::default(), &short);
    assert_eq!(said(&short, "tcp"), "heard");
    assert_eq!(said(&short, "tcp"), "heard", "each call has its own");
    let elsewhere = filter(Services::default(), &policy(other, echo));
    assert_eq!(said(&elsewhere, "tcp"), "PermissionDenied");
    let none =
        format!("grant = [\"session\"]\ndeny = [\"dns\", \"http\"]\n[config]\ntcp = \"{echo}\"\n");
    let inert = filter(Services::default(), &none);
    assert_eq!(said(&inert, "tcp"), "PermissionDenied");
}

/// A filter that talks to this server: `time` is far less than the waits, so waiting costs no CPU; and `wall` far more.
fn talker(to: SocketAddr, time: &str) -> Arc<dyn Filter> {
    let policy = format!(
        "grant = [\"session\", \"tcp:{to}\"]\ndeny = [\"dns\", \"http\"]\ntime = \"100ms\"\nwall = \"60s\"\ntcp-time = \"{time}\"\n\
         [config]\ntcp = \"{to}\"\n"
    );
    filter(Services::default(), &policy)
}

fn silent() -> SocketAddr {
    server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

#[test]
fn a_server_that_says_nothing_is_an_error_and_no_failure() {
    let waiting = talker(silent(), "700ms");
    let begun = Instant::now();
    assert_eq!(said(&waiting, "tcp"), "Uncategorized");
    assert!(begun.elapsed() >= Duration::from_millis(700));
    // Whoever polls with a time of his own is woken, too.
    assert_eq!(said(&waiting, "patient"), "no answer: Uncategorized");
    // And whoever does not listen hears it at once from then on.
    assert_eq!(said(&waiting, "again"), "100 errors");
    assert!(begun.elapsed() < Duration::from_secs(30), "{begun:?}");
}

/// It listens, and its queue is full: the system drops whoever else comes.
#[test]
fn a_server_that_does_not_accept_is_an_error_and_no_failure() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let listener = listener.expect("a socket");
    let local: SocketAddr = ([127, 0, 0, 1], 0).into();
    listener.bind(&local.into()).expect("a port");
    listener.listen(0).expect("a queue of one");
    let full = listener.local_addr().expect("bound").as_socket();
    let full = full.expect("an address");
    let patience = Duration::from_millis(300);
    let connect = |_| TcpStream::connect_timeout(&full, patience).ok();
    let waiting: Vec<_> = (0..8).map_while(connect).collect();
    assert!(waiting.len() < 8, "the queue is never full");
    let knocking = talker(full, "700ms");
    assert_eq!(said(&knocking, "tcp"), "TimedOut");
    // std takes whatever ends the poll for a connection; its first octet is the error.
    assert_eq!(said(&knocking, "patient"), "no answer: NotConnected");
}

/// However long `tcp-time` is, the filter answers before it fails.
#[test]
fn waiting_for_a_socket_ends_before_the_wall() {
    let silent = silent();
    let policy = format!(
        "grant = [\"session\", \"tcp:{silent}\"]\ndeny = [\"dns\", \"http\"]\nwall = \"12s\"\ntcp-time = \"60s\"\n\
         [config]\ntcp = \"{silent}\"\n"
    );
    let waiting = filter(Services::default(), &policy);
    assert_eq!(said(&waiting, "tcp"), "Uncategorized");
}

/// `time` is far less than the wait: if waiting cost CPU, that would be the failure. Who slept before he waits for his
/// sockets does not come to the end of `tcp-time`.
#[test]
fn waiting_for_a_socket_costs_real_time_and_no_cpu() {
    let silent = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let policy = format!(
        "grant = [\"session\", \"tcp:{silent}\"]\ndeny = [\"dns\", \"http\"]\ntime = \"100ms\"\nwall = \"1500ms\"\n\
         [config]\nnap = 1000\ntcp = \"{silent}\"\n"
    );
    let waiting = filter(Services::default(), &policy);
    let detail = late(&waiting, "tcp", Duration::from_millis(1500));
    assert!(detail.contains("waiting in `wasi:io/"), "{detail}");
}

/// It fails at its `wall`; what its author is told of where it was.
fn late(filter: &Arc<dyn Filter>, how: &str, wall: Duration) -> String {
    let failure = asked(filter, how).expect_err("it is late");
    assert_eq!(failure.kind, FailureKind::Wall(wall));
    let detail = failure.clues.detail.expect("where it was");
    println!("{how}: {detail}");
    detail
}

/// Its trial is given up after a second, and what goes on of it must not keep the filter from its services.
#[test]
fn who_is_slow_in_the_trial_has_services_afterwards() {
    let echo = echo();
    let policy = format!(
        "grant = [\"session\", \"tcp:{echo}\"]\ndeny = [\"dns\", \"http\"]\nwall = \"60s\"\n\
         [config]\nnap = 1200\ntcp = \"{echo}\"\n"
    );
    let slow = filter(Services::default(), &policy);
    assert_eq!(said(&slow, "tcp"), "heard ping");
}

/// Each service has its own patience, less than `wall`; who slept before does not come to its end. Nor to that of the
/// resolver's first attempt, which is two seconds.
#[test]
fn who_is_late_is_told_in_which_call_it_waited() {
    let silent = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let settings = Settings {
        dns: dns::Settings::Servers(vec![nobody.local_addr().expect("bound")]),
        ..Settings::default()
    };
    let services = RUNTIME.block_on(Services::open(settings));
    let policy = format!(
        "grant = [\"session\", \"dns\", \"http:{silent}\"]\nwall = \"4s\"\ndns-time = \"3s\"\nhttp-time = \"3s\"\n\
         [config]\nnap = 2500\nhttp = \"http://{silent}/\"\nname = \"a.example\"\n"
    );
    let filter = filter(services.expect("services"), &policy);
    for (how, call) in [("http", "http.fetch"), ("a", "dns.lookup-all")] {
        let words = format!("of CPU, and had been waiting in `{call}` for ");
        // On a machine that hangs the sleep may take all of its time.
        let mut tries = (0..3).map(|_| late(&filter, how, Duration::from_secs(4)));
        let detail = tries.find(|detail| detail.contains(&words));
        let detail = detail.unwrap_or_else(|| panic!("never {words}"));
        assert!(detail.starts_with("it used "), "{detail}");
        assert!(detail.ends_with(" when its time was over"), "{detail}");
    }
}

#[test]
fn what_is_denied_or_not_granted_says_so() {
    let zone = || zone("a.example. A 192.0.2.1\n");
    let denied = "grant = [\"session\"]\ndeny = [\"dns\", \"http\"]\n[config]\nname = \"a.example\"\nhttp = \"http://a.example/\"\n";
    let denied = filter(zone(), denied);
    assert_eq!(said(&denied, "a"), "not-granted");
    assert_eq!(said(&denied, "http"), "not-granted");
    let narrow = "grant = [\"session\", \"dns:*.example\", \"http:127.0.0.1:1\"]\n[config]\nname = \"a.example example\"\nhttp = \"http://a.example/\"\n";
    let narrow = filter(zone(), narrow);
    assert_eq!(said(&narrow, "a"), "not-granted");
    assert_eq!(said(&narrow, "http"), "not-granted");
    let nobody = "grant = [\"session\", \"dns\", \"http:127.0.0.1:1\"]\n[config]\nname = \"a.example b.example\"\nhttp = \"http://127.0.0.1:1/\"\n";
    let nobody = filter(zone(), nobody);
    assert_eq!(said(&nobody, "a"), "192.0.2.1 / no-name");
    assert_eq!(said(&nobody, "http"), "unavailable");
    assert_eq!(said(&nobody, "message"), "not-granted");
}

#[test]
fn nothing_is_asked_in_configure() {
    let policy = "grant = [\"session\", \"dns\"]\ndeny = [\"http\"]\n[config]\nprobe = true\n";
    let settings = lazaret_tests::proxy::settings();
    let engine = Engine::new(EngineSettings {
        sandboxes: 4,
        ..settings
    });
    let source = Source {
        name: "reacher".into(),
        file: "reacher.wasm".into(),
        wasm: Guest::Reacher.octets().into(),
        policy: Policy::parse(Path::new("reacher.toml"), policy).expect("a policy"),
    };
    let refused = RUNTIME.block_on(engine.expect("an engine").load(source));
    let refused = refused.map(|_| ()).expect_err("configure says so");
    assert_eq!(refused.problem, "configure says: dns says not-now");
}

#[test]
fn a_server_that_is_slow_is_an_answer_before_the_wall() {
    let silent = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let policy = format!(
        "grant = [\"session\", \"http:{silent}\"]\ndeny = [\"dns\"]\ntime = \"100ms\"\nwall = \"8s\"\nhttp-time = \"60s\"\n\
         [config]\nhttp = \"http://{silent}/\"\n"
    );
    let slow = filter(Services::default(), &policy);
    assert_eq!(said(&slow, "http"), "unavailable");
}

#[test]
fn the_name_of_the_client_is_for_those_who_may_know_it() {
    let services =
        || zone("1.2.0.192.in-addr.arpa. PTR mail.example.\nmail.example. A 192.0.2.1\n");
    let policy = |grant: &str| format!("grant = [\"{grant}\"]\ndeny = [\"dns\", \"http\"]\n");
    let named = filter(services(), &policy("session:name"));
    assert_eq!(said(&named, "client"), "mail.example");
    let plain = filter(services(), &policy("session"));
    assert_eq!(said(&plain, "client"), "none");
}

const EXAMPLE: &str = "$ORIGIN example.
$TTL 60
@ SOA ns host ( 1 3600 600 86400 60 )
  NS ns
  MX 10 mail
  TXT \"v=spf1 \" \"mx -all\"
ns A 127.0.0.1
mail A 192.0.2.1
     AAAA 2001:db8::1
www CNAME mail
loop CNAME pool
pool CNAME loop
2.0.0.127.zen A 127.0.0.2
2.0.0.127.zen A 127.0.0.10
*.wild TXT \"anything\"
";
const REVERSE: &str = "$ORIGIN 2.0.192.in-addr.arpa.
$TTL 60
@ SOA ns.example. host.example. ( 1 3600 600 86400 60 )
  NS ns.example.
1 PTR mail.example.
";

#[test]
fn a_real_name_server() {
    let zones = [("example", EXAMPLE), ("2.0.192.in-addr.arpa", REVERSE)];
    let Some(nsd) = Nsd::start(&zones) else {
        return;
    };
    let settings = Settings {
        dns: dns::Settings::Servers(vec![nsd.address()]),
        ..Settings::default()
    };
    let services = RUNTIME.block_on(Services::open(settings));
    let services = services.expect("services");
    let names = |names: &str| {
        let policy = format!(
            "grant = [\"session:name\", \"dns\"]\ndeny = [\"http\"]\n[config]\nname = \"{names}\"\n"
        );
        filter(services.clone(), &policy)
    };
    let hosts = names("mail.example www.example example nobody.example loop.example");
    let a = said(&hosts, "a");
    let expected = "192.0.2.1 / 192.0.2.1 / no-data / no-name / ";
    assert!(a.starts_with(expected), "{a}");
    let circle = a.trim_start_matches(expected);
    assert!(["failed", "late", "no-data"].contains(&circle), "{a}");
    assert_eq!(said(&names("www.example"), "aaaa"), "2001:db8::1");
    assert_eq!(said(&names("example"), "mx"), "10 mail.example");
    let texts = said(&names("example x.wild.example"), "txt");
    assert_eq!(texts, "v=spf1 mx -all / anything");
    assert_eq!(
        said(&names("2.0.0.127.zen.example"), "a"),
        "127.0.0.10 127.0.0.2"
    );
    assert_eq!(said(&names("192.0.2.1"), "ptr"), "mail.example");
    assert_eq!(said(&hosts, "client"), "mail.example");
    drop(nsd);
    let gone = said(&names("other.example"), "a");
    assert!(["late", "failed"].contains(&gone.as_str()), "{gone}");
    peers::ran("nsd");
}
