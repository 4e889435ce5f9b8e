//! Filters change while mail flows: what is seen when, what stays, what is said about it. Real files.

use std::io::Write;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::kit::harbour::{Harbour, rcpt};

const ONE: [(&str, &str); 2] = [("10-gate.wasm", "say A"), ("10-gate.toml", "")];

#[tokio::test]
async fn a_new_build_is_seen_within_two_seconds_with_the_usual_settings() {
    let harbour = Harbour::set_up(&ONE, "", "").await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 A");
    let mut times = Vec::new();
    // The best of three: others may want the processor at the same time.
    for (generation, build) in [(2, "B"), (3, "C"), (4, "D")] {
        let begun = Instant::now();
        harbour.put("10-gate.wasm", &format!("say {build}"));
        harbour.generation(generation).await;
        times.push(begun.elapsed());
        assert_eq!(harbour.verdict().await, format!("550 5.7.1 {build}"));
    }
    assert!(
        times.iter().min() < Some(&Duration::from_secs(2)),
        "{times:?}"
    );
}

#[tokio::test]
async fn a_transaction_under_way_ends_on_its_generation_and_the_next_one_begins_on_the_new_one() {
    let harbour = Harbour::with(&ONE).await;
    let mut client = harbour.sender().await;
    harbour.put("10-gate.wasm", "say B");
    harbour.generation(2).await;
    assert_eq!(rcpt(&mut client).await, "550 5.7.1 A");
    client
        .play("C: RSET\nS: 250\nC: MAIL FROM:<a@example.com>\nS: 250")
        .await;
    assert_eq!(rcpt(&mut client).await, "550 5.7.1 B");
}

const TWO: [(&str, &str); 4] = [
    ("10-gate.wasm", "pass"),
    ("10-gate.toml", ""),
    ("20-other.wasm", "say A"),
    ("20-other.toml", ""),
];

#[tokio::test]
async fn what_did_not_change_is_not_loaded_again() {
    let harbour = Harbour::with(&TWO).await;
    harbour.put("20-other.wasm", "say B");
    harbour.generation(2).await;
    assert_eq!(
        *harbour.foundry.loaded.lock().unwrap(),
        ["pass", "say A", "say B"]
    );
    // Written again with the same octets: nothing is new, and nothing is loaded.
    harbour.put("20-other.wasm", "say B");
    assert_eq!(harbour.settled().await.generation, 2);
    assert_eq!(harbour.foundry.loads(), 3);
}

#[tokio::test]
async fn what_failed_is_not_compiled_again_with_each_change_of_others() {
    let harbour = Harbour::with(&TWO).await;
    harbour.put("10-gate.wasm", "broken");
    harbour.trouble().await;
    for text in ["say B", "say C", "say D"] {
        harbour.put("20-other.wasm", text);
        let is_loaded = || {
            harbour
                .foundry
                .loaded
                .lock()
                .unwrap()
                .contains(&text.into())
        };
        while !is_loaded() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let loaded = harbour.foundry.loaded.lock().unwrap();
    let broken = loaded.iter().filter(|text| *text == "broken").count();
    assert_eq!(broken, 1, "{loaded:?}");
}

#[tokio::test]
async fn another_number_is_another_place_in_the_order_and_compiles_nothing() {
    let harbour = Harbour::with(&[
        ("10-first.wasm", "say first"),
        ("10-first.toml", ""),
        ("20-second.wasm", "say second"),
        ("20-second.toml", ""),
    ])
    .await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 first");
    harbour.rename("10-first.wasm", "30-first.wasm");
    harbour.rename("10-first.toml", "30-first.toml");
    let report = harbour
        .until(|report| report.filters[0].name == "second")
        .await;
    assert_eq!(report.filters[1].file, "30-first");
    assert_eq!(harbour.verdict().await, "550 5.7.1 second");
    assert_eq!(harbour.foundry.loads(), 2);
}

#[tokio::test]
async fn a_list_that_lies_elsewhere_is_watched_too() {
    let toml = "[config]\nwords = { lines = \"../words.txt\" }\n";
    let harbour = Harbour::with(&[("10-gate.wasm", "pass"), ("10-gate.toml", "")]).await;
    let list = harbour.dir.path().join("words.txt");
    std::fs::write(&list, "one\n").unwrap();
    harbour.put("10-gate.toml", toml);
    harbour.put("10-gate.wasm", "config");
    harbour.until(|report| report.generation > 1).await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 {\"words\":[\"one\"]}");
    let before = harbour.report().await.generation;
    std::fs::write(&list, "one\ntwo\n").unwrap();
    harbour
        .until(|report| report.generation > before || report.load_error.is_some())
        .await;
    assert_eq!(
        harbour.verdict().await,
        "550 5.7.1 {\"words\":[\"one\",\"two\"]}"
    );
}

#[tokio::test]
async fn a_list_that_is_missing_is_cited_and_loaded_when_it_comes() {
    let harbour = Harbour::with(&[("10-gate.wasm", "config"), ("10-gate.toml", "")]).await;
    harbour.put(
        "10-gate.toml",
        "[config]\nwords = { lines = \"../words.txt\" }\n",
    );
    let trouble = harbour.trouble().await;
    assert!(
        trouble[0].starts_with("filters.d/10-gate.toml:2: filters.d/../words.txt cannot be read: "),
        "{trouble:?}"
    );
    assert_eq!(harbour.verdict().await, "550 5.7.1 {}");
    std::fs::write(harbour.dir.path().join("words.txt"), "x\n").unwrap();
    let report = harbour.generation(2).await;
    assert_eq!(report.load_error, None);
    assert_eq!(harbour.verdict().await, "550 5.7.1 {\"words\":[\"x\"]}");
}

const SHELF: &str = "[lists]\nwords = { exact = \"../words.txt\" }\n";

#[tokio::test]
async fn a_list_that_the_host_holds_is_waited_for_from_the_start() {
    let harbour = Harbour::with(&[("10-gate.wasm", "shelf A"), ("10-gate.toml", SHELF)]).await;
    assert_eq!(harbour.settled().await.generation, 1);
    // It comes, and is no good: that is in nobody's way.
    let list = harbour.dir.path().join("words.txt");
    std::fs::write(&list, "broken\n").unwrap();
    while harbour.foundry.loads() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let has_told = |health: &str| health.contains("has a broken list");
    while !has_told(&harbour.http("GET", "/healthz").await.1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    harbour.put("20-other.wasm", "pass");
    harbour.put("20-other.toml", "");
    harbour.generation(2).await;
    std::fs::write(&list, "x\n").unwrap();
    harbour.generation(3).await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 A");
}

#[tokio::test]
async fn a_list_that_the_host_holds_is_waited_for_in_a_reload() {
    let harbour = Harbour::with(&[("10-gate.wasm", "shelf A"), ("10-gate.toml", "")]).await;
    harbour.put("10-gate.toml", SHELF);
    let trouble = harbour.trouble().await;
    assert!(trouble[0].contains("10-gate.wasm"), "{trouble:?}");
    assert_eq!(harbour.foundry.loads(), 2);
    std::fs::write(harbour.dir.path().join("words.txt"), "x\n").unwrap();
    assert_eq!(harbour.generation(2).await.load_error, None);
    // It is the host's by now: another generation of it is no other filter.
    std::fs::write(harbour.dir.path().join("words.txt"), "x\ny\n").unwrap();
    harbour.put("20-other.wasm", "pass");
    harbour.put("20-other.toml", "");
    harbour.generation(3).await;
    assert_eq!(harbour.foundry.loads(), 4);
}

#[tokio::test]
async fn a_file_that_is_written_in_pieces_is_read_when_it_is_whole() {
    let harbour = Harbour::set_up(&ONE, "", "look = \"10ms\"\nquiet = \"3s\"").await;
    let mut file = std::fs::File::create(harbour.file("10-gate.wasm")).unwrap();
    for piece in "say a build that comes slowly".split_inclusive(' ') {
        file.write_all(piece.as_bytes()).unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    harbour.generation(2).await;
    let whole = "say a build that comes slowly";
    assert_eq!(*harbour.foundry.loaded.lock().unwrap(), ["say A", whole]);
}

#[tokio::test]
async fn what_copiers_and_editors_leave_is_no_filter() {
    let harbour = Harbour::with(&ONE).await;
    for name in [
        ".10-gate.wasm.AbCdEf",
        ".20-new.toml",
        ".20-new.wasm",
        "20-new.wasm.tmp",
        "20-new.toml~",
        "#20-new.toml#",
        "README.md",
        "4913",
    ] {
        std::fs::write(harbour.file(name), "half").unwrap();
    }
    let report = harbour.settled().await;
    assert_eq!((report.generation, report.load_error), (1, None));
}

/// Each mistake, and the words for it.
const MISTAKES: [(&str, &str, &str); 6] = [
    (
        "10-gate.toml",
        "\nmod = 1\n",
        "filters.d/10-gate.toml:2: unknown key `mod`; did you mean `mode`?",
    ),
    (
        "10-gate.wasm",
        "broken",
        "filters.d/10-gate.wasm: is broken; mend it",
    ),
    (
        "10-gate.toml",
        "verdicts = [\"quarantine\"]",
        "filters.d/10-gate.toml: may quarantine, but there is no quarantine; take the verdict from the filter; or add \
         `quarantine = \"DIRECTORY\"` to the configuration and restart",
    ),
    (
        "10-gate.toml",
        "listeners = [\"mxx\"]",
        "filters.d/10-gate.toml: has `listeners = [\"mxx\"]`, but no [[listener]] has that name; known here: `mx`",
    ),
    (
        "20-alone.wasm",
        "say C",
        "filters.d/20-alone.wasm: has no .toml beside it; write filters.d/20-alone.toml: it says what the filter may do",
    ),
    (
        "20-gate.toml",
        "",
        "filters.d/10-gate.toml: two filters are named `gate`; rename one after its number",
    ),
];

#[tokio::test]
async fn any_mistake_keeps_the_whole_generation_is_told_and_mends_by_itself() {
    for (file, text, words) in MISTAKES {
        let harbour = Harbour::with(&ONE).await;
        // A good change beside it waits too: all or nothing.
        let before = std::fs::read_to_string(harbour.file(file)).ok();
        harbour.put(file, text);
        let trouble = harbour.trouble().await;
        let told = |error: &String| {
            error.replace(&format!("{}/", harbour.dir.path().display()), "") == words
        };
        assert!(trouble.iter().any(told), "{trouble:#?}\nwanted {words}");
        harbour.put("30-late.toml", "");
        harbour.put("30-late.wasm", "pass");
        let report = harbour.settled().await;
        assert_eq!((report.generation, report.filters.len()), (1, 1), "{words}");
        assert_eq!(harbour.verdict().await, "550 5.7.1 A");
        let (status, health) = harbour.http("GET", "/healthz").await;
        assert_eq!(status, 200, "{health}");
        assert!(health.starts_with("degraded: filters changed"), "{health}");
        match before {
            Some(before) => harbour.put(file, &before),
            None => harbour.remove(file),
        }
        let report = harbour.generation(2).await;
        assert_eq!(
            (report.filters.len(), report.load_error),
            (2, None),
            "{words}"
        );
        assert_eq!(
            harbour.http("GET", "/healthz").await,
            (200, "ok\n".to_owned())
        );
    }
}

#[tokio::test]
async fn what_failed_is_not_compiled_again_until_it_changes_or_somebody_asks() {
    let harbour = Harbour::with(&ONE).await;
    harbour.put("10-gate.wasm", "flaky B");
    harbour.trouble().await;
    // Another file changes, the failed one is not tried again.
    harbour.put("20-other.toml", "");
    harbour.put("20-other.wasm", "pass");
    harbour.settled().await;
    let flaky = |harbour: &Harbour| {
        let loaded = harbour.foundry.loaded.lock().unwrap();
        loaded.iter().filter(|text| *text == "flaky B").count()
    };
    assert_eq!(flaky(&harbour), 1);
    harbour.foundry.allows_flaky.store(true, SeqCst);
    harbour.reloader.reload();
    harbour.generation(2).await;
    assert_eq!(
        (flaky(&harbour), harbour.verdict().await),
        (2, "550 5.7.1 B".to_owned())
    );
}

#[tokio::test]
async fn one_that_could_not_be_loaded_at_start_is_stood_in_for_and_stands_in_nobodys_way() {
    let harbour = Harbour::with(&[
        ("10-gate.wasm", "flaky A"),
        ("10-gate.toml", "stages = [\"rcpt\"]"),
        ("20-other.wasm", "pass"),
        ("20-other.toml", ""),
    ])
    .await;
    assert!(harbour.verdict().await.starts_with("451 4.7.1 "));
    let (status, health) = harbour.http("GET", "/healthz").await;
    assert!(
        status == 503 && health.contains("is broken"),
        "{status} {health}"
    );
    harbour.put("20-other.wasm", "say B");
    let report = harbour.generation(2).await;
    assert!(report.filters[0].not_loaded.is_some());
    // Asking does not help yet, and is no reason to hold back others.
    harbour.reloader.reload();
    harbour.put("20-other.wasm", "say C");
    harbour.generation(3).await;
    harbour.foundry.allows_flaky.store(true, SeqCst);
    harbour.put("10-gate.wasm", "flaky D");
    let report = harbour.generation(4).await;
    assert_eq!(report.filters[0].not_loaded, None);
    assert_eq!(harbour.verdict().await, "550 5.7.1 D");
}

/// A balancer must not take every proxy away for a filter that keeps nothing out.
#[tokio::test]
async fn one_that_could_not_be_loaded_and_would_only_watch_stops_no_mail() {
    for toml in [
        "stages = [\"rcpt\"]\nmode = \"observe\"",
        "stages = [\"rcpt\"]\non-failure = \"skip\"",
    ] {
        let harbour = Harbour::with(&[("10-gate.wasm", "flaky A"), ("10-gate.toml", toml)]).await;
        assert!(harbour.verdict().await.starts_with("250 "), "{toml}");
        let (status, health) = harbour.http("GET", "/healthz").await;
        let told = "degraded: a filter could not be loaded: ";
        assert!(
            status == 200 && health.starts_with(told),
            "{status} {health}"
        );
    }
}

/// Whoever connects to the admin port and says nothing takes no descriptors from mail, and not the port from others.
#[tokio::test]
async fn the_admin_port_waits_for_nobody() {
    let harbour = Harbour::with(&[]).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(harbour.admin).await.unwrap());
    }
    assert_eq!(harbour.http("GET", "/healthz").await.0, 200);
    let mut nothing = Vec::new();
    silent[0].read_to_end(&mut nothing).await.unwrap();
    assert_eq!(nothing, b"");
}

#[tokio::test]
async fn what_vanishes_by_mistake_serves_on() {
    let harbour = Harbour::with(&ONE).await;
    let aside = harbour.dir.path().join("aside");
    // The component alone.
    std::fs::rename(harbour.file("10-gate.wasm"), &aside).unwrap();
    let trouble = harbour.trouble().await;
    assert_eq!(
        trouble,
        [
            "filters.d/10-gate.toml: has no .wasm beside it; put filters.d/10-gate.wasm back, or remove the .toml to remove the filter"
        ]
    );
    assert_eq!(harbour.verdict().await, "550 5.7.1 A");
    std::fs::rename(&aside, harbour.file("10-gate.wasm")).unwrap();
    harbour.until(|report| report.load_error.is_none()).await;
    // All of it.
    let filters = harbour.dir.path().join("filters.d");
    std::fs::rename(&filters, &aside).unwrap();
    let trouble = harbour.trouble().await;
    assert!(
        trouble[0].contains("filters.d: cannot be read: "),
        "{trouble:?}"
    );
    // A mount point without its file system.
    std::fs::create_dir(&filters).unwrap();
    harbour
        .until(|report| {
            report
                .load_error
                .as_ref()
                .is_some_and(|it| it.errors[0].contains("holds no filter any more"))
        })
        .await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 A");
    std::fs::remove_dir(&filters).unwrap();
    std::fs::rename(&aside, &filters).unwrap();
    let report = harbour.until(|report| report.load_error.is_none()).await;
    assert_eq!((report.generation, harbour.foundry.loads()), (1, 1));
}

#[tokio::test]
async fn a_filter_is_removed_by_removing_both_its_files() {
    let harbour = Harbour::with(&[
        ("10-gate.wasm", "say A"),
        ("10-gate.toml", ""),
        ("20-other.wasm", "pass"),
        ("20-other.toml", ""),
    ])
    .await;
    harbour.remove("10-gate.wasm");
    harbour.remove("10-gate.toml");
    let report = harbour.until(|report| report.filters.len() == 1).await;
    assert_eq!(report.filters[0].name, "other");
    assert_eq!(harbour.verdict().await, "250 2.0.0 Ok");
}

#[tokio::test]
async fn an_empty_directory_takes_its_first_filter() {
    let harbour = Harbour::with(&[]).await;
    assert_eq!(harbour.verdict().await, "250 2.0.0 Ok");
    harbour.put("10-gate.toml", "");
    harbour.put("10-gate.wasm", "say A");
    harbour.until(|report| report.filters.len() == 1).await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 A");
}

#[tokio::test]
async fn two_are_loaded_at_once_and_the_order_is_that_of_their_names() {
    let names: Vec<String> = (10..18).map(|n| format!("{n}-f{n}")).collect();
    let files: Vec<(String, String)> = names
        .iter()
        .flat_map(|name| {
            [
                (format!("{name}.wasm"), format!("slow {name}")),
                (format!("{name}.toml"), String::new()),
            ]
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let harbour = Harbour::with(&files).await;
    let report = harbour.report().await;
    let order: Vec<_> = report
        .filters
        .iter()
        .map(|filter| filter.file.clone())
        .collect();
    assert_eq!(order, names);
    assert_eq!(harbour.foundry.most_at_once.load(SeqCst), 2);
}

#[tokio::test]
async fn who_asks_has_all_files_read_again() {
    let harbour = Harbour::with(&ONE).await;
    harbour.reloader.reload();
    assert_eq!(harbour.settled().await.generation, 1);
    // No quiet period is kept then.
    let harbour = Harbour::set_up(&ONE, "", "look = \"1m\"\nquiet = \"1m\"").await;
    harbour.put("10-gate.wasm", "say B");
    harbour.reloader.reload();
    harbour.generation(2).await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 B");
}
