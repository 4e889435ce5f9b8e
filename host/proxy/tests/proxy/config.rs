//! What a mistake in `lazaret.toml` gets: file, line, what is wrong, what would be right.

use std::sync::Arc;
use std::time::Duration;

use lazaret_proxy::config::State;
use lazaret_proxy::{Config, Proxy, StartError};
use rcgen::generate_simple_self_signed;

use crate::kit::filter::{ALL_VERDICTS, Filters, say};

/// Line 1 is the hostname, the listener starts at line 2 and the backend after it.
fn text(listener: &str, backend: &str) -> String {
    format!(
        "hostname = \"mx.example.org\"\n[[listener]]\nname = \"mx\"\nlisten = [\"127.0.0.1:0\"]\n{listener}\n\
         [backend]\naddress = [\"127.0.0.1:10025\"]\n{backend}\n"
    )
}

const PAIR: &str = "certificate = \"cert.pem\"\nprivate-key = \"key.pem\"";
const OURS: &str = "recipients = [\"example.org\"]";

/// The directory holds cert.pem with key.pem, other.pem that fits neither, and domains.txt with a mistake in line 3.
fn complaint(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] =
        [(); 2].map(|()| generate_simple_self_signed(["mx.example.org".to_owned()]).unwrap());
    std::fs::write(dir.path().join("cert.pem"), one.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), one.signing_key.serialize_pem()).unwrap();
    std::fs::write(
        dir.path().join("other.pem"),
        two.signing_key.serialize_pem(),
    )
    .unwrap();
    let domains = "# ours\nexample.org\nexa mple\n";
    std::fs::write(dir.path().join("domains.txt"), domains).unwrap();
    let path = dir.path().join("lazaret.toml");
    match Config::parse(&path, text) {
        Ok(_) => "no complaint".to_owned(),
        Err(error) => error
            .to_string()
            .replace(&format!("{}/", dir.path().display()), ""),
    }
}

fn check(text: &str, wanted: &str) {
    let said = complaint(text);
    assert!(
        said.starts_with(wanted),
        "wanted: {wanted}\n   got: {said}\n{text}"
    );
}

/// Else a stop cuts off who waits for the backend's reply to the dot.
#[test]
fn grace_is_as_long_as_accept_or_there_is_a_caution() {
    for (accept, grace, seconds, cautions) in [
        ("", "", 60, 0),
        ("accept = \"5m\"", "", 300, 0),
        ("accept = \"10s\"", "", 30, 0),
        ("", "grace = \"1m\"\n", 60, 0),
        ("", "grace = \"20s\"\n", 20, 1),
    ] {
        let text = format!("{grace}{}", text(OURS, accept));
        let config = Config::parse("lazaret.toml".as_ref(), &text).unwrap();
        assert_eq!(config.grace.as_secs(), seconds, "{text}");
        let told = lazaret_proxy::cautions(&config);
        assert_eq!(told.len(), cautions, "{told:?}");
    }
}

#[test]
fn a_complete_configuration_is_taken() {
    let listener = "tls = \"starttls\"\nrequire-tls = true\ncertificate = \"cert.pem\"\nprivate-key = \"key.pem\"\n\
                    min-tls = \"1.3\"\nclient-certificates = \"ask\"\nclient-ca = \"cert.pem\"\n\
                    recipients = [\"example.org\", \"*.example.org\"]\ntrusted = [\"10.0.0.0/8\", \"192.0.2.1\"]\nnewline-exempt = [\"192.0.2.7\"]\n\
                    proxy-protocol = { from = [\"10.0.0.5/32\"], require = false }\nxclient = { from = [\"10.0.0.6\"] }";
    let tables = "identity = \"xclient\"\nconnections = 40\nhold = \"20s\"\nidle = \"0s\"\nreuse = 1\ncheck = \"1m\"\n[limits]\nconnections = 10000\n\
                  connections-per-client = 100\nmessage-size = \"50 MiB\"\n[deadlines]\ncommand = \"5m\"\n\
                  [admin]\nlisten = [\"127.0.0.1:8025\"]\nhealth = \"0.0.0.0:8026\"";
    check(&text(listener, tables), "no complaint");
}

#[test]
fn a_list_of_recipients_may_be_long() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lazaret.toml");
    let listener = OURS.replace("[\"example.org\"]", "{ lines = \"domains.txt\" }");
    std::fs::write(&path, text(&listener, "")).unwrap();
    let list = std::fs::File::create(dir.path().join("domains.txt")).unwrap();
    let comment = [b'#'].repeat(20 << 20);
    std::io::Write::write_all(&mut &list, &comment).unwrap();
    std::io::Write::write_all(&mut &list, b"\nexample.org\n").unwrap();
    Config::read(&path).unwrap();
    list.set_len((128 << 20) + 1).unwrap();
    let error = Config::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("domains.txt is larger than the limit of 128 MiB, take out"),
        "{error}"
    );
}

#[test]
fn each_mistake_is_cited_with_its_line_and_cure() {
    let tls = |rest: &str| format!("{OURS}\ntls = \"starttls\"\n{rest}");
    for (text, wanted) in [
        (
            text("", ""),
            "lazaret.toml:2: listener `mx` has no `recipients`, say whose mail it takes",
        ),
        (
            text(&format!("{OURS}\nmin-tls = \"1.3\""), ""),
            "lazaret.toml:6: `min-tls` has no effect: this listener speaks no TLS",
        ),
        (
            text(&format!("{OURS}\nprivate-key = \"key.pem\""), ""),
            "lazaret.toml:6: `private-key` has no effect: this listener speaks no TLS, add tls = \"starttls\"",
        ),
        (
            text(&format!("{OURS}\n[[listener.certificates]]\n{PAIR}"), ""),
            "lazaret.toml:7: `certificates` has no effect: this listener speaks no TLS",
        ),
        (
            text(&tls("min-tls = \"1.1\""), ""),
            "lazaret.toml:7: unknown word `1.1`",
        ),
        (
            text(&tls(&format!("{PAIR}\nclient-ca = \"cert.pem\"")), ""),
            "lazaret.toml:9: `client-ca` has no effect: clients are not asked for certificates, add client-certificates",
        ),
        (
            text(
                &tls(&format!(
                    "{PAIR}\nclient-certificates = \"ask\"\nclient-ca = \"key.pem\""
                )),
                "",
            ),
            "lazaret.toml:10: no certificate can be read from key.pem: there is none in it",
        ),
        (
            text(
                OURS,
                "[limits]\nmessage-size = \"10 MiB\"\nin-flight = \"9 MiB\"",
            ),
            "lazaret.toml:10: `in-flight` is less than `message-size`: the largest message could never be taken, write at least \"10 MiB\"",
        ),
        (
            text(OURS, "[limits]\nin-flight-per-client = \"49 MiB\""),
            "lazaret.toml:9: `in-flight-per-client` is less than `message-size`: the largest message could never be taken, write at least \"50 MiB\"",
        ),
        (
            text("recipients = []", ""),
            "lazaret.toml:5: `recipients` is empty",
        ),
        (
            text("recipients = \"example.org\"", ""),
            "lazaret.toml:5: `example.org` is neither a list nor \"any\", write recipients = [\"example.org\"]",
        ),
        (
            text("recipients = [\"exa mple\"]", ""),
            "lazaret.toml:5: `exa mple` is not a domain",
        ),
        (
            text("recipients = { lines = \"no.txt\" }", ""),
            "lazaret.toml:5: no.txt cannot be read",
        ),
        (
            text("recipient = []", ""),
            "lazaret.toml:5: unknown key `recipient`, did you mean `recipients`?",
        ),
        (
            text(&format!("{OURS}\ntls = \"startls\""), ""),
            "lazaret.toml:6: unknown word `startls`, did you mean `starttls`?",
        ),
        (
            text(&tls(""), ""),
            "lazaret.toml:2: listener `mx` speaks TLS but has no `certificate`",
        ),
        (
            text(
                &tls("certificate = \"no.pem\"\nprivate-key = \"key.pem\""),
                "",
            ),
            "lazaret.toml:7: no.pem cannot be read",
        ),
        (
            text(
                &tls("certificate = \"cert.pem\"\nprivate-key = \"other.pem\""),
                "",
            ),
            "lazaret.toml:8: the key other.pem does not fit the certificate cert.pem",
        ),
        (
            text(
                &tls("certificate = \"key.pem\"\nprivate-key = \"key.pem\""),
                "",
            ),
            "lazaret.toml:7: no certificate can be read from key.pem: there is none in it",
        ),
        (
            text(
                &tls("certificate = \"cert.pem\"\nprivate-key = \"cert.pem\""),
                "",
            ),
            "lazaret.toml:8: no private key can be read from cert.pem",
        ),
        (
            text(
                &tls("certificate = \"/dev/zero\"\nprivate-key = \"key.pem\""),
                "",
            ),
            "lazaret.toml:7: /dev/zero is not a regular file, name the PEM file itself",
        ),
        (
            text(
                &tls("certificate = \"cert.pem\"\nprivate-key = \"/dev/zero\""),
                "",
            ),
            "lazaret.toml:8: /dev/zero is not a regular file, name the PEM file itself",
        ),
        (
            text(
                &tls(&format!(
                    "{PAIR}\n[[listener.certificates]]\ncertificate = \"cert.pem\"\nprivate-key = \"other.pem\""
                )),
                "",
            ),
            "lazaret.toml:11: the key other.pem does not fit the certificate cert.pem",
        ),
        (
            format!("quarantine = \"cert.pem\"\n{}", text(OURS, "")),
            "lazaret.toml:1: cert.pem is not a directory, name a directory",
        ),
        (
            text(&format!("{OURS}\nrequire-tls = true"), ""),
            "lazaret.toml:6: `require-tls` has no effect",
        ),
        (
            text(&format!("{OURS}\ntrusted = [\"10.0.0.0/99\"]"), ""),
            "lazaret.toml:6: `10.0.0.0/99` is not a network",
        ),
        (
            text(&format!("{OURS}\nproxy-protocol = {{ from = [] }}"), ""),
            "lazaret.toml:6: `proxy-protocol` believes nobody",
        ),
        (
            text(
                &format!("{OURS}\nproxy-protocol = {{ require = true }}"),
                "",
            ),
            "lazaret.toml:6: the key `from` is missing",
        ),
        (
            text(
                &format!("{OURS}\nproxy-protocol = {{ from = [\"::/0\"] }}"),
                "",
            ),
            "lazaret.toml:6: `proxy-protocol` believes everybody",
        ),
        (
            text(
                &format!("{OURS}\nxclient = {{ from = [\"0.0.0.0/0\"] }}"),
                "",
            ),
            "lazaret.toml:6: `xclient` believes everybody",
        ),
        (
            text(&format!("{OURS}\nnewline-exempt = [\"printer\"]"), ""),
            "lazaret.toml:6: `printer` is not a network",
        ),
        (
            text(OURS, "tls = \"verify\"\nca = \"no.pem\""),
            "lazaret.toml:9: no certificate can be read from no.pem",
        ),
        (
            text(OURS, "tls = \"require\"\nname = \"x\""),
            "lazaret.toml:9: `name` has no effect",
        ),
        (
            text(OURS, "connections = 0"),
            "lazaret.toml:8: `connections` must be from 1 to 10000",
        ),
        (
            text(OURS, "hold = \"10m\""),
            "lazaret.toml:8: `hold` is longer than backends wait",
        ),
        (
            text(OURS, "idle = \"10m\""),
            "lazaret.toml:8: `idle` is longer than backends wait",
        ),
        (
            text(OURS, "reuse = 0"),
            "lazaret.toml:8: `reuse` must be at least 1",
        ),
        (
            text(OURS, "check = \"0s\""),
            "lazaret.toml:8: `check` is too short, the least that works is \"100ms\", the default \"10s\"",
        ),
        (
            text(OURS, "hold = 20"),
            "lazaret.toml:8: invalid type: integer `20`, expected a time in quotes, with its unit, e.g. \"10s\"",
        ),
        (
            text(OURS, "[limits]\nerrors = 0"),
            "lazaret.toml:9: `errors` is too small, the least that works is 1",
        ),
        (
            text(OURS, "[limits]\nreceived = 0"),
            "lazaret.toml:9: `received` is too small, the least that works is 1",
        ),
        (
            text(OURS, "[limits]\ncommand = \"2 MiB\""),
            "lazaret.toml:9: `command` is too large, the most that works is \"1 MiB\"",
        ),
        (
            text(OURS, "[limits]\ndecisions = 1000001"),
            "lazaret.toml:9: `decisions` is too large, the most that works is 1000000",
        ),
        (
            text(OURS, "[limits]\nobservers = 100001"),
            "lazaret.toml:9: `observers` is too large, the most that works is 100000",
        ),
        (
            text(OURS, "[limits]\nmessage-size = \"1 B\""),
            "lazaret.toml:9: `message-size` is too small",
        ),
        (
            text(OURS, "accept = \"0s\""),
            "lazaret.toml:8: `accept` is too short, the least that works is \"100ms\", the default \"60s\"",
        ),
        (
            text(OURS, "[deadlines]\nsession = \"0s\""),
            "lazaret.toml:9: `session` is too short",
        ),
        (
            text(OURS, "[deadlines]\ncomand = \"5m\""),
            "lazaret.toml:9: unknown key `comand`, did you mean `command`?",
        ),
        (
            text(OURS, "[admin]\nlisten = [\"0.0.0.0:8025\"]"),
            "lazaret.toml:9: the admin port would listen on 0.0.0.0:8025",
        ),
        (
            text(
                OURS,
                "[admin]\nlisten = [\"127.0.0.1:8025\"]\nhealth = \"127.0.0.1:8025\"",
            ),
            "lazaret.toml:10: the address `127.0.0.1:8025` stands here twice, remove one",
        ),
        (
            text(OURS, "[admin]\nhealth = \"0.0.0.0\""),
            "lazaret.toml:9: `0.0.0.0` is not an address with a port",
        ),
        (
            text(OURS, "").replace("127.0.0.1:10025", "127.0.0.1"),
            "lazaret.toml:7: `127.0.0.1` is not a host with a port",
        ),
        (
            text(OURS, "").replace("127.0.0.1:0", "localhost"),
            "lazaret.toml:4: `localhost` is not an address with a port",
        ),
        (
            text(OURS, "").replace("mx.example.org", "m\u{fc}x.example.org"),
            "lazaret.toml:1: `m\u{fc}x.example.org` is not a host name",
        ),
        (
            text(OURS, "").replace("mx.example.org", "mx example"),
            "lazaret.toml:1: `mx example` is not a host name",
        ),
        (
            text(OURS, "").replace("[backend]", "[backends]"),
            "lazaret.toml:6: unknown key `backends`, did you mean `backend`?",
        ),
        (
            text("recipients = { lines = \"domains.txt\" }", ""),
            "domains.txt:3: `exa mple` is not a domain",
        ),
        (
            text(OURS, "").replace("127.0.0.1:0", "0.0.0.0:10025"),
            "lazaret.toml:7: the backend 127.0.0.1:10025 is our own listener `mx`",
        ),
        (
            text(OURS, "")
                .replace("127.0.0.1:10025", "localhost:25")
                .replace("127.0.0.1:0", "127.0.0.1:25"),
            "lazaret.toml:7: the backend 127.0.0.1:25 is our own listener `mx`",
        ),
        (
            text(OURS, "").replace("\"127.0.0.1:0\"", "\"[::1]:25\", \"[::1]:25\""),
            "lazaret.toml:4: the address `[::1]:25` stands here twice, remove one",
        ),
        (
            text(OURS, "").replace("\"127.0.0.1:10025\"", "\"b:25\", \"b:25\""),
            "lazaret.toml:7: the address `b:25` stands here twice",
        ),
        (
            text(OURS, "connections = \"40\""),
            "lazaret.toml:8: invalid type: string \"40\", expected a whole number, 0 or more",
        ),
        (
            text(OURS, "").replace("[\"127.0.0.1:0\"]", "\"127.0.0.1:25\""),
            "lazaret.toml:4: invalid type: string \"127.0.0.1:25\", expected a list",
        ),
        (
            format!("mode = \"off\"\n{}", text(OURS, "")),
            "lazaret.toml:1: unknown word `off`, known here: `enforce`, `observe`",
        ),
        (
            text(OURS, "[reload]\nquiet = \"1ms\""),
            "lazaret.toml:9: `quiet` is too short, the least that works is \"10ms\", the default \"300ms\"",
        ),
        (
            format!("cache = \"cert.pem\"\n{}", text(OURS, "")),
            "lazaret.toml:1: cert.pem is not a directory",
        ),
        (
            format!("cache = \"no/cache\"\n{}", text(OURS, "")),
            "lazaret.toml:1: the directory no/cache does not exist, create it",
        ),
        (
            format!("filters = \"no.d\"\n{}", text(OURS, "")),
            "lazaret.toml:1: the directory no.d does not exist, create it",
        ),
        (
            "hostname = \"mx.example.org\"\n[backend]\naddress = [\"b:25\"]\n".to_owned(),
            "lazaret.toml: there is no [[listener]]",
        ),
        (
            text(
                &format!("{OURS}\n[[listener]]\nname = \"mx\"\nlisten = [\"127.0.0.1:1\"]\n{OURS}"),
                "",
            ),
            "lazaret.toml:7: two listeners are named `mx`",
        ),
    ] {
        check(&text, wanted);
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = text(OURS, "").replace("127.0.0.1:0", &address);
    let config = Config::parse("lazaret.toml".as_ref(), &text).unwrap();
    let error = Proxy::bind(config, Arc::new(Filters::default()))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Listen { .. }));
    assert!(
        error.to_string().contains(&address)
            && error.to_string().contains("another process listens there"),
        "{error}"
    );
}

#[tokio::test]
async fn the_admin_port_is_there_before_the_first_listener() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let admin = "[admin]\nlisten = [\"127.0.0.1:0\"]\n";
    let text = text(OURS, admin).replace("127.0.0.1:0", &address);
    let config = Config::parse("lazaret.toml".as_ref(), &text).unwrap();
    let error = Proxy::bind(config, Arc::new(Filters::default())).await;
    let error = error.err().unwrap();
    assert!(
        matches!(&error, StartError::Listen { listener, .. } if listener == "admin"),
        "{error}"
    );
}

/// Why a proxy with this filter TOML, and no quarantine, does not start.
async fn refusal(toml: &str) -> StartError {
    let dir = tempfile::tempdir().unwrap();
    let judge = |_: &lazaret_mail::Question| say(lazaret_mail::Verdict::Continue);
    let filters = Filters::default().and("10-test", &[lazaret_mail::Stage::Mail], toml, judge);
    filters.write(&dir.path().join("filters.d"));
    let text = format!("filters = \"filters.d\"\n{}", text(OURS, ""));
    let mut config = Config::parse(&dir.path().join("lazaret.toml"), &text).unwrap();
    // As where no variable names a usual place.
    config.state = None;
    Proxy::bind(config, Arc::new(filters)).await.err().unwrap()
}

#[tokio::test]
async fn a_filter_gets_what_it_needs_or_nothing_starts() {
    let error = refusal(ALL_VERDICTS).await;
    assert!(
        matches!(&error, StartError::NoQuarantine(name) if name == "test"),
        "{error}"
    );
    let error = refusal("listeners = [\"mx\", \"mxx\"]").await;
    assert!(
        matches!(&error, StartError::NoListener { listener, .. } if listener == "mxx"),
        "{error}"
    );
}

#[tokio::test]
async fn a_filter_that_remembers_wants_a_place_for_it() {
    let error = refusal("grant = [\"state\"]\n").await;
    assert!(matches!(&error, StartError::NoState(name) if name == "test"));
    assert!(
        error.to_string().contains("add `state = \"state.redb\"`"),
        "{error}"
    );
}

#[test]
fn who_vouches_for_services_is_named_by_a_file_that_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["kv.example".to_owned()]).unwrap();
    std::fs::write(dir.path().join("ours.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("empty.pem"), "").unwrap();
    let authorities = |written: &str| {
        let text = format!("{written}{}", text(OURS, ""));
        let config = Config::parse(&dir.path().join("lazaret.toml"), &text);
        config
            .map(|config| config.services_ca.map_or(0, |roots| roots.len()))
            .map_err(|e| e.to_string())
    };
    assert_eq!(authorities(""), Ok(0));
    assert_eq!(authorities("services-ca = \"ours.pem\"\n"), Ok(1));
    for (file, wanted) in [
        ("none.pem", "none.pem"),
        ("empty.pem", "there is none in it"),
    ] {
        let error = authorities(&format!("services-ca = \"{file}\"\n")).unwrap_err();
        assert!(error.contains("lazaret.toml:1: "), "{error}");
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn state_is_a_file_a_server_or_memory() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.txt");
    std::fs::write(&secret, "redis://:hush@127.0.0.1/2\n").unwrap();
    let state = |written: &str| {
        let text = format!("state = {written}\n{}", text(OURS, ""));
        let config = Config::parse(&dir.path().join("lazaret.toml"), &text);
        config
            .map(|config| config.state.unwrap())
            .map_err(|e| e.to_string())
    };
    let file = State::File(dir.path().join("state.redb"));
    assert_eq!(state("\"state.redb\""), Ok(file.clone()));
    assert_eq!(state("{ file = \"state.redb\" }"), Ok(file));
    assert_eq!(state("\"memory\""), Ok(State::Memory));
    for address in [
        "redis://127.0.0.1:6379/0",
        "rediss://kv.example",
        "redis+unix:///run/redis.sock",
    ] {
        assert_eq!(
            state(&format!("\"{address}\"")),
            Ok(State::Redis(address.into()))
        );
    }
    let hidden = state("{ redis-file = \"secret.txt\" }").unwrap();
    assert_eq!(hidden, State::Redis("redis://:hush@127.0.0.1/2".into()));
    assert_eq!(format!("{hidden:?}"), "Redis(..)");
    std::fs::write(&secret, "hush\n").unwrap();
    for (written, wanted) in [
        (
            "\"http://127.0.0.1\"",
            "lazaret.toml:1: `state` names a server of another kind",
        ),
        (
            "{ redis-file = \"secret.txt\" }",
            "secret.txt holds no address of a Redis server",
        ),
        ("{ redis-file = \"none.txt\" }", "none.txt cannot be read"),
        ("3", "lazaret.toml:1"),
        ("{ url = \"redis://x\" }", "lazaret.toml:1"),
    ] {
        let error = state(written).unwrap_err();
        assert!(error.contains(wanted), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

/// RFC 5321 section 4.5.3.2: who writes nothing gives honest clients and backends the time that is theirs.
#[test]
fn the_least_configuration_is_as_patient_as_the_rfc_asks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lazaret.toml");
    let config = Config::parse(&path, &text(OURS, "")).unwrap_or_else(|e| panic!("{e}"));
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let (deadlines, backend) = (&config.deadlines, &config.backend);
    assert!(deadlines.command >= minutes(5), "{deadlines:?}");
    assert!(deadlines.block >= minutes(3), "{deadlines:?}");
    // All blocks of a message, and all messages of a session.
    assert!(deadlines.message >= minutes(10), "{deadlines:?}");
    assert!(deadlines.session >= deadlines.message, "{deadlines:?}");
    // The client waits 10 minutes for the reply to its dot (4.5.3.2.6); ours comes before that.
    assert_eq!(backend.accept, Duration::from_secs(60), "as documented");
    assert_eq!(deadlines.greet_delay, Duration::ZERO);
}
