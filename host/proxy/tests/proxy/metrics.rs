//! `/metrics`, read as a scraper reads it: strictly.

use std::collections::{BTreeMap, BTreeSet};

use crate::kit::harbour::Harbour;

/// What one scrape told: the value of each series, by name and labels as written.
struct Scraped(BTreeMap<String, f64>);

impl Scraped {
    /// Parses the text format 0.0.4 and checks what it promises on the way.
    fn parse(text: &str) -> Self {
        let mut series = BTreeMap::new();
        let mut families = BTreeSet::new();
        let (mut family, mut kind) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a name and words");
                assert!(name.starts_with("lazaret_"), "{line}");
                assert!(!words.trim().is_empty(), "{line}");
                assert!(families.insert(name.to_owned()), "{name} comes twice");
                family = name.to_owned();
                kind.clear();
            } else if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, of) = told.split_once(' ').expect("a name and a type");
                assert_eq!(name, family, "TYPE follows HELP");
                kind = of.to_owned();
                assert!(
                    ["counter", "gauge", "histogram"].contains(&of),
                    "type of {name}"
                );
                assert_eq!(of == "counter", name.ends_with("_total"), "{name}");
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a series and its value");
                let bare = name.split('{').next().unwrap_or_default();
                let stem = match kind.as_str() {
                    "histogram" => ["_bucket", "_sum", "_count"]
                        .iter()
                        .find_map(|end| bare.strip_suffix(end))
                        .expect("a part of a histogram"),
                    _ => bare,
                };
                assert_eq!(stem, family, "series under their own family");
                let value = value.parse().expect("a number");
                assert_eq!(series.insert(name.to_owned(), value), None, "{name} twice");
            }
        }
        Self(series)
    }

    fn value(&self, series: &str) -> f64 {
        let found = self.0.get(series);
        *found.unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }
}

async fn scrape(harbour: &Harbour) -> Scraped {
    let (status, text) = harbour.http("GET", "/metrics").await;
    assert_eq!(status, 200);
    Scraped::parse(&text)
}

#[tokio::test]
async fn everything_that_happens_to_mail_is_counted_once() {
    let files = [
        ("10-gate.wasm", "pass"),
        ("10-gate.toml", ""),
        ("20-trial.wasm", "say A"),
        ("20-trial.toml", "mode = \"observe\""),
    ];
    let harbour = Harbour::with(&files).await;
    let mut client = harbour.sender().await;
    client
        .play(
            "C: RCPT TO:<b@example.org>\nS: 250\nC: RCPT TO:<c@example.net>\nS: 550 5.7.1\nC: DATA\nS: 354\n\
             C: Subject: x\nC:\nC: body\nC: .\nS: 250\nC: MAIL FROM:<a@example.com>\nS: 250\nC: RSET\nS: 250",
        )
        .await;
    let told = scrape(&harbour).await;
    for (series, value) in [
        ("lazaret_sessions_total{listener=\"mx\"}", 1.0),
        ("lazaret_sessions_open{listener=\"mx\"}", 1.0),
        ("lazaret_clients", 1.0),
        (
            "lazaret_transactions_total{listener=\"mx\",fate=\"delivered\"}",
            1.0,
        ),
        (
            "lazaret_recipients_total{listener=\"mx\",outcome=\"accepted\"}",
            1.0,
        ),
        (
            "lazaret_recipients_total{listener=\"mx\",outcome=\"refused\"}",
            1.0,
        ),
        (
            "lazaret_stages_total{listener=\"mx\",stage=\"rcpt\",outcome=\"pass\"}",
            1.0,
        ),
        ("lazaret_message_size_bytes_count{listener=\"mx\"}", 1.0),
        (
            "lazaret_filter_asked_total{filter=\"gate\",stage=\"rcpt\",verdict=\"continue\"}",
            1.0,
        ),
        (
            "lazaret_filter_asked_total{filter=\"trial\",stage=\"rcpt\",verdict=\"reject\"}",
            1.0,
        ),
        ("lazaret_filter_cpu_seconds_count{filter=\"gate\"}", 1.0),
        (
            "lazaret_filter_duration_seconds_count{filter=\"gate\",stage=\"rcpt\"}",
            1.0,
        ),
        (
            "lazaret_filter_mode{filter=\"trial\",mode=\"observe\"}",
            1.0,
        ),
        ("lazaret_chain_generation", 1.0),
        ("lazaret_chain_load_error", 0.0),
        ("lazaret_no_sandbox_total", 0.0),
        ("lazaret_spool_memory_bytes", 0.0),
    ] {
        assert_eq!(told.value(series), value, "{series}");
    }
    let backend = |series: &str| {
        let fits =
            |name: &&String| name.starts_with(series) && name.contains("phase=\"end_of_data\"");
        let name = told.0.keys().find(fits).expect("a series of the backend");
        told.value(name)
    };
    assert_eq!(backend("lazaret_backend_phase_duration_seconds_count"), 1.0);
    assert!(told.value("lazaret_process_resident_memory_bytes") > 1e6);
    assert!(told.value("lazaret_process_open_fds") > 3.0);
    client.play("C: QUIT\nS: 221\nS: closed").await;
}

#[tokio::test]
async fn a_scraper_is_told_the_format() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let harbour = Harbour::with(&[]).await;
    let mut tcp = tokio::net::TcpStream::connect(harbour.admin).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
}

#[tokio::test]
async fn every_name_stands_in_the_documentation() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let harbour = Harbour::with(&[("10-gate.wasm", "say A"), ("10-gate.toml", "")]).await;
    harbour.verdict().await;
    let (_, text) = harbour.http("GET", "/metrics").await;
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let missing: Vec<_> = names
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !docs.contains(&format!("`{name}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/operations.md: {missing:#?}"
    );
}
