//! Filters that only read, asked side by side.
#![allow(clippy::unwrap_used)]

mod doubles;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use doubles::{Connection, Double, answer, does, plain, quarantine, told, trusting};
use lazaret_mail::chain::Said;
use lazaret_mail::{
    Answer, Effects, Failure, FailureKind, Filter, Mode, Parallel, Policy, Question, Sandbox,
    Stage, StageSet, VerdictKind,
};
use tokio::sync::Barrier;

const MESSAGE: &[Stage] = &[Stage::Message];

fn scans(double: Double) -> Double {
    double.with(|policy| policy.parallel = Parallel::Scan)
}

fn connection(filters: impl IntoIterator<Item = Double>) -> Connection {
    Connection::new(filters.into_iter().map(Double::filter).collect())
}

/// Answers only when all of its group are asked; says when its sandbox is dropped.
struct Meets {
    name: &'static str,
    policy: Policy,
    meeting: Arc<Barrier>,
    dropped: Arc<AtomicU32>,
}

struct Met(Arc<Barrier>, Arc<AtomicU32>);

impl Filter for Meets {
    fn name(&self) -> &str {
        self.name
    }
    fn stages(&self) -> StageSet {
        MESSAGE.iter().copied().collect()
    }
    fn policy(&self) -> &Policy {
        &self.policy
    }
    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(Met(self.meeting.clone(), self.dropped.clone()))
    }
}

#[async_trait]
impl Sandbox for Met {
    async fn ask(&mut self, _: Question) -> Result<Answer, Failure> {
        self.0.wait().await;
        Ok(answer(plain(VerdictKind::Continue)))
    }
}

impl Drop for Met {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Three that wait for as many as `meeting` says.
fn meeting(of: usize, parallel: Parallel) -> (Connection, Arc<AtomicU32>) {
    let (meeting, dropped) = (Arc::new(Barrier::new(of)), Arc::new(AtomicU32::new(0)));
    let filters = ["a", "b", "c"].map(|name| {
        let filter = Meets {
            name,
            policy: Policy {
                parallel,
                ..trusting()
            },
            meeting: meeting.clone(),
            dropped: dropped.clone(),
        };
        Arc::new(filter) as Arc<dyn Filter>
    });
    (Connection::new(filters.into()), dropped)
}

/// One after the other they would wait for each other for ever.
#[tokio::test]
async fn they_are_asked_at_the_same_time() {
    let (mut connection, _) = meeting(3, Parallel::Scan);
    assert_eq!(told(&connection.transaction().await), "pass");
    let (mut connection, _) = meeting(3, Parallel::No);
    let late = tokio::time::timeout(Duration::from_millis(300), connection.transaction());
    assert!(late.await.is_err());
}

#[tokio::test]
async fn who_hangs_up_ends_all_of_them() {
    let (mut connection, dropped) = meeting(4, Parallel::Scan);
    let hung_up = tokio::time::timeout(Duration::from_millis(300), connection.transaction());
    assert!(hung_up.await.is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

/// Gives points, and tells in its verdict how many it saw.
fn scores(name: &str, points: f64) -> Double {
    Double::new(name, MESSAGE, move |question, _| {
        let seen = question.score.total();
        Ok(Answer {
            verdict: quarantine(&format!("saw {seen}")),
            effects: Effects {
                scores: vec![(format!("SAW_{seen}"), points, String::new())],
                ..Effects::default()
            },
        })
    })
}

#[tokio::test]
async fn neighbours_see_the_score_before_them_and_later_filters_all_of_it() {
    let mut connection = connection([
        scores("a", 1.0),
        scans(scores("b", 2.0)),
        scans(scores("c", 4.0)),
        scores("d", 8.0),
        scans(scores("e", 16.0)),
    ]);
    connection.transaction().await;
    let score = connection.judge.score();
    let entries = score.entries().iter();
    let entries: Vec<_> = entries
        .map(|entry| format!("{} {}", entry.filter, entry.symbol))
        .collect();
    assert_eq!(
        entries,
        ["a SAW_0", "b SAW_1", "c SAW_1", "d SAW_7", "e SAW_15"]
    );
}

#[tokio::test]
async fn the_first_by_name_decides_whoever_is_quicker() {
    let mut connection = connection([
        scans(Double::says("a", MESSAGE, plain(VerdictKind::Defer))),
        scans(Double::says("b", MESSAGE, plain(VerdictKind::Reject))),
    ]);
    let decision = connection.transaction().await;
    assert_eq!(decision.by.as_deref(), Some("a"));
    assert!(told(&decision).starts_with("451"), "{}", told(&decision));
    // What was said after the end of the stage was not said.
    assert_eq!(decision.records.len(), 1);
}

#[tokio::test]
async fn an_accept_leaves_out_the_points_of_those_behind_it() {
    let mut connection = connection([
        scans(Double::says("a", MESSAGE, plain(VerdictKind::Accept))),
        scans(scores("b", 5.0)),
        scores("c", 5.0),
    ]);
    assert_eq!(told(&connection.transaction().await), "pass");
    assert_eq!(connection.judge.score().total(), 0.0);
}

#[tokio::test]
async fn the_failure_of_one_is_its_own() {
    let fails = |name| scans(Double::fails(name, MESSAGE));
    let skip = fails("a").with(|policy| policy.on_failure = lazaret_mail::OnFailure::Skip);
    let mut first = connection([skip, scans(scores("b", 2.0))]);
    assert_eq!(told(&first.transaction().await), "quarantine saw 0");
    let mut second = connection([scans(scores("a", 2.0)), fails("b")]);
    let decision = second.transaction().await;
    assert_eq!(decision.by.as_deref(), Some("b"));
    assert!(told(&decision).starts_with("451"), "{}", told(&decision));
    assert!(
        matches!(&decision.records[1].said, Said::Failed(failure) if matches!(failure.kind, FailureKind::Trap(_)))
    );
}

#[tokio::test]
async fn who_is_observed_is_asked_and_changes_nothing() {
    let observed = scans(Double::says("a", MESSAGE, plain(VerdictKind::Reject)))
        .with(|policy| policy.mode = Mode::Observe);
    let mut connection = connection([observed, scans(scores("b", 2.0))]);
    let decision = connection.transaction().await;
    assert_eq!(told(&decision), "quarantine saw 0");
    assert_eq!(decision.records.len(), 2);
}

#[tokio::test]
async fn who_may_not_see_the_message_is_recorded_in_its_place() {
    let small = scans(Double::says("b", MESSAGE, plain(VerdictKind::Reject)))
        .with(|policy| policy.max_message = 3);
    let mut connection = connection([scans(scores("a", 1.0)), small, scans(scores("c", 1.0))]);
    let decision = connection.transaction().await;
    let names: Vec<_> = decision
        .records
        .iter()
        .map(|record| &*record.filter)
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(matches!(decision.records[1].said, Said::Unscanned { .. }));
}

/// Before the message they are asked one after the other: nobody waits there for long.
#[tokio::test]
async fn at_other_stages_each_sees_the_one_before() {
    let adds = |name: &str| {
        scans(Double::new(name, &[Stage::Rcpt], |question, _| {
            let symbol = format!("SAW_{}", question.score.total());
            Ok(does(Effects {
                scores: vec![(symbol, 1.0, String::new())],
                ..Effects::default()
            }))
        }))
    };
    let mut connection = connection([adds("a"), adds("b")]);
    connection.mail().await;
    connection.rcpt().await;
    let score = connection.judge.score();
    let entries: Vec<_> = score
        .entries()
        .iter()
        .map(|entry| entry.symbol.clone())
        .collect();
    assert_eq!(entries, ["SAW_0", "SAW_1"]);
}
