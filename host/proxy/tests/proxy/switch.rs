//! The panic switch: what the operator says over the heads of filters, and who may say it.

use lazaret_proxy::control::{self, AskError, Request, Response};

use crate::kit::harbour::Harbour;

const TWO: [(&str, &str); 4] = [
    ("10-gate.wasm", "say A"),
    ("10-gate.toml", ""),
    ("20-trial.wasm", "say B"),
    ("20-trial.toml", "mode = \"observe\""),
];

fn observe(name: Option<&str>) -> Request {
    let name = name.map(str::to_owned);
    Request::Observe { name }
}

fn enforce(name: Option<&str>) -> Request {
    let name = name.map(str::to_owned);
    Request::Enforce { name }
}

async fn modes(harbour: &Harbour) -> Vec<String> {
    let filters = harbour.report().await.filters;
    filters.into_iter().map(|filter| filter.mode).collect()
}

#[tokio::test]
async fn a_switch_holds_from_the_next_question_on_also_in_a_transaction_under_way() {
    let harbour = Harbour::with(&TWO).await;
    let mut client = harbour.sender().await;
    client
        .play("C: RCPT TO:<b@example.org>\nS: 550 5.7.1 A")
        .await;
    harbour.ask(observe(Some("gate"))).await;
    client.play("C: RCPT TO:<b@example.org>\nS: 250").await;
    harbour.ask(enforce(Some("trial"))).await;
    client
        .play("C: RCPT TO:<b@example.org>\nS: 550 5.7.1 B")
        .await;
    assert_eq!(modes(&harbour).await, ["observe", "enforce"]);
    // Taken back, each is what its TOML says: a trial does not begin to refuse mail because an alarm is over.
    harbour.ask(enforce(None)).await;
    assert_eq!(modes(&harbour).await, ["enforce", "observe"]);
    client
        .play("C: RCPT TO:<b@example.org>\nS: 550 5.7.1 A")
        .await;
    assert_eq!(harbour.report().await.generation, 1);
}

#[tokio::test]
async fn a_switch_of_all_outlives_reloads_and_meets_filters_that_come_later() {
    let harbour = Harbour::with(&TWO).await;
    harbour.ask(observe(None)).await;
    harbour.put("10-gate.wasm", "say C");
    harbour.put("30-late.toml", "");
    harbour.put("30-late.wasm", "say D");
    let report = harbour.until(|report| report.filters.len() == 3).await;
    assert_eq!(modes(&harbour).await, ["observe"; 3]);
    assert!(
        report.switched.is_some()
            && report
                .filters
                .iter()
                .all(|filter| filter.switched.is_some())
    );
    assert_eq!(harbour.verdict().await, "250 2.0.0 Ok");
    let told = harbour.http("GET", "/status").await.1;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["chain"]["filters"][0]["switched"]["mode"], "observe",
        "{told:#}"
    );
    assert_eq!(told["chain"]["filters"][0]["own-mode"], "enforce");
}

#[tokio::test]
async fn a_switch_outlives_a_restart_and_taking_it_back_does_too() {
    let harbour = Harbour::with(&TWO).await;
    harbour.ask(observe(Some("gate"))).await;
    let harbour = harbour.restarted().await;
    assert_eq!(modes(&harbour).await, ["observe", "observe"]);
    assert_eq!(harbour.verdict().await, "250 2.0.0 Ok");
    harbour.ask(enforce(None)).await;
    let harbour = harbour.restarted().await;
    assert_eq!(modes(&harbour).await, ["enforce", "observe"]);
}

#[tokio::test]
async fn the_configuration_can_say_it_for_all() {
    let harbour = Harbour::set_up(&TWO, "mode = \"observe\"", "").await;
    assert_eq!(modes(&harbour).await, ["observe", "observe"]);
    assert_eq!(harbour.verdict().await, "250 2.0.0 Ok");
    assert_eq!(harbour.report().await.configured_mode, "observe");
    harbour.ask(enforce(Some("gate"))).await;
    assert_eq!(harbour.verdict().await, "550 5.7.1 A");
}

#[tokio::test]
async fn what_cannot_be_switched_is_said() {
    let mut files = TWO.to_vec();
    files.extend([("30-off.wasm", "say C"), ("30-off.toml", "mode = \"off\"")]);
    let harbour = Harbour::with(&files).await;
    let answer = harbour.ask(observe(Some("gaet"))).await;
    let known = ["gate", "trial", "off"].map(str::to_owned).to_vec();
    let name = "gaet".to_owned();
    assert_eq!(answer, Response::NoSuchFilter { name, known });
    let answer = harbour.ask(enforce(Some("off"))).await;
    let words = "off is off: 30-off.toml says mode = \"off\"; change it there";
    assert_eq!(answer, Response::Refused(words.to_owned()));
    harbour.ask(observe(None)).await;
    assert_eq!(modes(&harbour).await, ["observe", "observe", "off"]);
}

#[tokio::test]
async fn questions_are_counted_through_reloads() {
    let harbour = Harbour::with(&TWO).await;
    harbour.verdict().await;
    harbour.put("10-gate.wasm", "pass");
    harbour.generation(2).await;
    harbour.verdict().await;
    let filters = harbour.report().await.filters;
    assert_eq!((filters[0].asked, filters[0].failed), (2, 0));
    assert_eq!(filters[1].asked, 1, "the first one ended the chain");
}

#[tokio::test]
async fn the_admin_port_tells_and_changes_nothing() {
    let harbour = Harbour::with(&TWO).await;
    for method in ["POST", "PUT", "DELETE"] {
        for path in ["/status", "/healthz"] {
            assert_eq!(harbour.http(method, path).await.0, 405, "{method} {path}");
        }
    }
    assert_eq!(harbour.http("POST", "/filters/observe").await.0, 404);
    assert_eq!(modes(&harbour).await, ["enforce", "observe"]);
}

#[tokio::test]
async fn nonsense_at_the_socket_is_refused_and_harms_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let harbour = Harbour::with(&TWO).await;
    let socket = harbour.dir.path().join("control.sock");
    for nonsense in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"{\"do\":\"fly\"}\n",
        &[b'x'; 100_000],
    ] {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        // It may be closed before all of it is taken.
        drop(stream.write_all(nonsense).await);
        drop(stream.shutdown().await);
        let mut answer = String::new();
        if stream.read_to_string(&mut answer).await.is_ok() && !answer.is_empty() {
            assert!(
                answer.starts_with("{\"refused\":\"not a request"),
                "{answer}"
            );
        }
    }
    assert_eq!(harbour.report().await.filters.len(), 2);
}

#[tokio::test]
async fn a_socket_where_anybody_could_have_put_it_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let harbour = Harbour::with(&TWO).await;
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(harbour.dir.path(), open).unwrap();
    let asked = control::ask(&harbour.configuration(), &Request::List).await;
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("is not private"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_said_with_the_places_that_were_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lazaret.toml");
    // Not even valid: a mistake in it must not keep anybody from the switch.
    std::fs::write(&path, "[admin\n").unwrap();
    let error = control::ask(&path, &Request::List).await.unwrap_err();
    assert!(matches!(error, AskError::NotRunning { .. }), "{error}");
    assert!(error.to_string().contains("/run/lazaret/"), "{error}");
}
