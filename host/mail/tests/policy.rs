//! A filter's TOML: what it comes to, and what is said when it is wrong.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use lazaret_mail::chain::BreakerPolicy;
use lazaret_mail::{
    Grant, ListDefinition, ListKind, Mode, OnFailure, Parallel, Policy, Stage, VerdictGrants,
    VerdictKind, policy,
};

#[test]
fn a_file_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("lists")).unwrap();
    std::fs::write(
        dir.path().join("lists/domains.txt"),
        "# ours\n\n example.org \nexample.net\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("note.txt"), "line \"one\"\n").unwrap();
    let path = dir.path().join("10-access.toml");
    let text = r#"
        mode = "observe"
        on-failure = "skip"
        grant = ["session:name", "dns:*.zen.example,dns.example", "http:127.0.0.1:11334, https://api.example.com", "tcp:[::1]:3310", "state", "envelope", "headers", "score:-2..8", "edit-headers:X-Spam-*, Subject", "pace"]
        deny = ["notes", "body"]
        verdicts = ["reject", "quarantine"]
        stages = ["rcpt", "message"]
        listeners = ["mx"]
        time = "1s"
        time-per-mib = "10ms"
        wall = "5s"
        concurrency = 7
        breaker = { failures = 3, within = "10s", open = "1m" }
        dns-time = "2s"
        http-time = "3s"
        tcp-time = "4s"
        tcp-size = "1 MiB"
        memory = "16 MiB"
        max-message = "10 MB"
        [config]
        domains = { lines = "lists/domains.txt" }
        points = 1.5
        [[config.rule]]
        text = { file = "note.txt" }
        lines = { lines = 3 }
    "#;
    std::fs::write(&path, text).unwrap();
    let expected = Policy {
        mode: Mode::Observe,
        on_failure: OnFailure::Skip,
        grant: vec![
            Grant::SessionName,
            Grant::Dns(vec!["*.zen.example".into(), "dns.example".into()]),
            Grant::Http(vec![
                "127.0.0.1:11334".into(),
                "https://api.example.com".into(),
            ]),
            Grant::Tcp(vec!["[::1]:3310".parse().unwrap()]),
            Grant::State,
            Grant::Envelope,
            Grant::Headers,
            Grant::Score(-2.0, 8.0),
            Grant::EditHeaders(vec!["X-Spam-*".into(), "Subject".into()]),
            Grant::Pace,
        ],
        deny: vec!["notes".into(), "body".into()],
        verdicts: VerdictGrants(vec![VerdictKind::Reject, VerdictKind::Quarantine]),
        stages: Some(vec![Stage::Rcpt, Stage::Message]),
        listeners: Some(vec!["mx".into()]),
        time: Duration::from_secs(1),
        time_per_mib: Duration::from_millis(10),
        wall: Duration::from_secs(5),
        concurrency: 7,
        breaker: BreakerPolicy {
            failures: 3,
            within: Duration::from_secs(10),
            open: Duration::from_secs(60),
        },
        dns_time: Duration::from_secs(2),
        http_time: Duration::from_secs(3),
        memory: 16 << 20,
        tcp_time: Duration::from_secs(4),
        tcp_size: 1 << 20,
        state_keys: 1_000_000,
        state_size: 256 << 20,
        lists: Vec::new(),
        parallel: Parallel::No,
        max_message: 10_000_000,
        config: r#"{"domains":["example.org","example.net"],"points":1.5,"rule":[{"lines":{"lines":3},"text":"line \"one\"\n"}]}"#.into(),
    };
    assert_eq!(policy::read(&path).unwrap(), expected);
}

#[test]
fn an_empty_file_grants_nothing() {
    let policy = Policy::parse(Path::new("f.toml"), "").unwrap();
    assert_eq!(policy, Policy::default());
    assert_eq!(
        (policy.time, policy.time_per_mib),
        (Duration::from_millis(250), Duration::from_millis(50))
    );
    assert_eq!(
        (policy.wall, policy.memory, policy.max_message),
        (Duration::from_secs(10), 64 << 20, 25 << 20)
    );
    assert_eq!(policy.config, "{}");
    assert!(
        policy.verdicts.allow(VerdictKind::Continue) && policy.verdicts.allow(VerdictKind::Defer)
    );
    assert!(!policy.verdicts.allow(VerdictKind::Accept));
}

#[test]
fn what_is_wrong_is_said_with_line_and_cure() {
    for (text, said) in [
        (
            "mod = \"off\"",
            "f.toml:1: unknown key `mod`, did you mean `mode`?",
        ),
        (
            "\nmode = \"of\"",
            "f.toml:2: unknown word `of`, did you mean `off`?",
        ),
        (
            "grant = [\n\"session\",\n\"edit-header\"]",
            "f.toml:3: unknown permission `edit-header`, did you mean `edit-headers`?",
        ),
        (
            "grant = [\"session:x\"]",
            "f.toml:1: `session` has no `x`, write \"session\", or \"session:name\"",
        ),
        (
            "grant = [\"log\"]",
            "f.toml:1: `log` is always granted, leave it out",
        ),
        (
            "grant = [\"score:8..-2\"]",
            "f.toml:1: the range `8..-2` runs backwards, write \"score:-2..8\"",
        ),
        (
            "grant = [\"score:a..b\"]",
            "f.toml:1: `a..b` is not a range of points, write e.g. \"score:-2..8\"",
        ),
        (
            "grant = [\"score:0..inf\"]",
            "f.toml:1: `0..inf` is not a range of points, write e.g. \"score:-2..8\"",
        ),
        (
            "grant = [\"edit-headers:X-*-Y\"]",
            "f.toml:1: `X-*-Y` is no field name and no pattern, write e.g. \"edit-headers:X-Spam-*\" (`*` at the end only)",
        ),
        (
            "grant = [\"edit-headers:\"]",
            "f.toml:1: `` is no field name and no pattern, write e.g. \"edit-headers:X-Spam-*\" (`*` at the end only)",
        ),
        (
            "grant = [\"notes:x\"]",
            "f.toml:1: `notes` takes nothing after a colon, write \"notes\"",
        ),
        (
            "grant = [\"dns:*.a.example,a b\"]",
            "f.toml:1: `a b` is no domain name, write e.g. \"dns:*.zen.example,dns.example\"",
        ),
        (
            "grant = [\"http\"]",
            "f.toml:1: `` is no origin, write e.g. \"http:127.0.0.1:11334\" or \"http:https://api.example.com\"",
        ),
        (
            "grant = [\"tcp:localhost:3310\"]",
            "f.toml:1: `localhost:3310` is no IP address with a port, write e.g. \"tcp:127.0.0.1:3310\"",
        ),
        (
            "deny = [\"tcp\"]",
            "f.toml:1: `tcp` need not be denied, leave it out: without a grant it reaches nobody",
        ),
        (
            "dns-time = \"0s\"",
            "f.toml:1: `dns-time` is nothing: the filter could never answer, leave it out for the default",
        ),
        (
            "tcp-time = \"0s\"",
            "f.toml:1: `tcp-time` is nothing: the filter could never answer, leave it out for the default",
        ),
        (
            "deny = [\"session\"]",
            "f.toml:1: `session` can only be granted, move it to `grant`, or do not run this filter",
        ),
        (
            "deny = [\"score:-2..8\"]",
            "f.toml:1: `score:-2..8` cannot be denied in part, write \"score\"",
        ),
        (
            "grant = [\"score:-2..8\"]\ndeny = [\"score\"]",
            "f.toml:2: `score` is both granted and denied, remove it from one of the two",
        ),
        (
            "verdicts = [\"rejct\"]",
            "f.toml:1: unknown verdict `rejct`, did you mean `reject`?",
        ),
        (
            "stages = [\"recpt\"]",
            "f.toml:1: unknown stage `recpt`, did you mean `rcpt`?",
        ),
        (
            "stages = []",
            "f.toml:1: `stages` is empty: the filter would never be asked, leave it out for all of them, or write mode = \"off\"",
        ),
        (
            "mode = \"observe\"\nlisteners = []",
            "f.toml:2: `listeners` is empty: the filter would never be asked, leave it out for all of them, or write mode = \"off\"",
        ),
        (
            "time = \"0ms\"",
            "f.toml:1: `time` is nothing: the filter could never answer, leave it out for the default",
        ),
        (
            "concurrency = 9223372036854775807",
            "f.toml:1: `concurrency` is over 1000000, leave it out for the default",
        ),
        (
            "concurrency = 0",
            "f.toml:1: `concurrency` is nothing: the filter could never answer, leave it out for the default",
        ),
        (
            "breaker = { failure = 3 }",
            "f.toml:1: unknown key `failure`, did you mean `failures`?",
        ),
        (
            "memory = 64",
            "f.toml:1: invalid type: integer `64`, expected a size in quotes, with its unit, e.g. \"64 MiB\"",
        ),
        (
            "[config]\nx = nan",
            "f.toml:1: [config] holds NaN, which JSON cannot say",
        ),
    ] {
        assert_eq!(
            Policy::parse(Path::new("f.toml"), text)
                .unwrap_err()
                .to_string(),
            said
        );
    }
}

#[test]
fn a_missing_list_is_named() {
    let text = "[config]\nx = { lines = \"no.txt\" }";
    let error = Policy::parse(Path::new("/nowhere/f.toml"), text).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/nowhere/f.toml:2: /nowhere/no.txt cannot be read"),
        "{error}"
    );
}

#[test]
fn files_of_config_are_told_before_they_are_read_also_those_that_cannot_be() {
    let text = "[config]\na = { file = \"/nowhere/a.txt\" }\nb = { lines = \"b.txt\" }\n";
    let mut told = Vec::new();
    let mut reading = |file: &Path| told.push(file.to_owned());
    let error = Policy::parse_noting(Path::new("/d/f.toml"), text, &mut reading).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/d/f.toml:2: /nowhere/a.txt cannot be read"),
        "{error}"
    );
    assert_eq!(told, [Path::new("/nowhere/a.txt")]);
}

fn parse(text: &str) -> Result<Policy, String> {
    let parsed = Policy::parse(Path::new("/etc/lazaret/filters.d/20-x.toml"), text);
    parsed.map_err(|error| error.to_string())
}

#[test]
fn lists_and_state_are_the_hosts() {
    let policy = parse(
        "state-keys = 500\nstate-size = \"2 MiB\"\nparallel = \"scan\"\n[lists]\nvip = { exact = \"vip.txt\" }\noffices = { networks = \"/srv/offices\" }\nours = { domains = \"l/ours\" }\n",
    );
    let policy = policy.unwrap();
    assert_eq!((policy.state_keys, policy.state_size), (500, 2 << 20));
    assert_eq!(policy.parallel, Parallel::Scan);
    let mut lists = policy.lists;
    lists.sort_by(|one, other| one.name.cmp(&other.name));
    let list = |name: &str, kind, file: &str| ListDefinition {
        name: name.into(),
        kind,
        file: file.into(),
    };
    let expected = [
        list("offices", ListKind::Networks, "/srv/offices"),
        list("ours", ListKind::Domains, "/etc/lazaret/filters.d/l/ours"),
        list("vip", ListKind::Exact, "/etc/lazaret/filters.d/vip.txt"),
    ];
    assert_eq!(lists, expected);
}

#[test]
fn what_is_no_list_is_told_how_one_is_written() {
    for text in [
        "[lists]\nx = \"file\"\n",
        "[lists]\nx = { lines = \"file\" }\n",
        "[lists]\nx = { exact = \"a\", domains = \"b\" }\n",
        "[lists]\nx = { exact = 3 }\n",
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains("[lists] `x` is no list"), "{error}");
        assert!(
            error.contains(":2: ") && error.contains("write e.g. x = { domains = \"file\" }"),
            "{error}"
        );
    }
    assert!(
        parse("state-keys = 0\n")
            .unwrap_err()
            .contains("state-keys")
    );
}

#[test]
fn who_writes_is_not_asked_side_by_side() {
    for right in ["notes", "edit-headers", "edit-headers:X-Spam-*"] {
        let text = format!("grant = [\"score\", \"{right}\"]\nparallel = \"scan\"\n");
        let error = parse(&text).unwrap_err();
        let name = right.split(':').next().unwrap();
        assert!(
            error.contains(&format!("this one is granted `{name}`")),
            "{error}"
        );
        assert!(error.contains(":2:") || error.contains("toml:2"), "{error}");
    }
    let reads = "grant = [\"score\", \"body\", \"state\"]\nparallel = \"scan\"\n";
    assert_eq!(parse(reads).unwrap().parallel, Parallel::Scan);
    assert!(parse("parallel = \"always\"\n").is_err());
}
