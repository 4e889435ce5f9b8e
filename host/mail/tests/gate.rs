//! A filter's gate: so many questions at once, and none while it fails over and over.
#![allow(clippy::unwrap_used)]

mod doubles;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use doubles::{Connection, Double, answer, noted, told, trusting};
use lazaret_mail::chain::{BreakerPolicy, Said};
use lazaret_mail::{
    Chain, FailureKind, Filter, OnFailure, Policy, Question, Sandbox, Stage, StageSet, Verdict,
};

const MESSAGE: &[Stage] = &[Stage::Message];

fn connection_on(chain: &Arc<Chain>) -> Connection {
    Connection::on(Arc::clone(chain))
}

/// As often as it takes to open the breaker of `policy`, each with a transaction of its own.
async fn fail_over_and_over(chain: &Arc<Chain>, times: u32) {
    for _ in 0..times {
        let decision = connection_on(chain).transaction().await;
        assert_eq!(noted(&decision), ["f failed counted"]);
    }
}

/// A filter that fails until it is mended, and what it was asked.
fn breaking(open: Duration) -> (Double, Arc<AtomicBool>, Arc<AtomicU32>) {
    let (mended, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let (is_mended, counted) = (Arc::clone(&mended), Arc::clone(&asked));
    let double = Double::new("f", MESSAGE, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        match is_mended.load(Ordering::Relaxed) {
            true => Ok(answer(Verdict::Continue)),
            false => Err(FailureKind::Trap("unreachable".into())),
        }
    });
    let double = double.with(|policy| {
        policy.breaker = BreakerPolicy {
            failures: 3,
            open,
            ..BreakerPolicy::default()
        };
    });
    (double, mended, asked)
}

#[tokio::test]
async fn a_filter_that_fails_over_and_over_is_not_asked_and_its_on_failure_answers() {
    let (double, mended, asked) = breaking(Duration::from_secs(3600));
    let chain = Chain::new(1, vec![double.filter()]);
    fail_over_and_over(&chain, 3).await;
    mended.store(true, Ordering::Relaxed);
    let decision = connection_on(&chain).transaction().await;
    assert_eq!(
        told(&decision),
        "451 4.7.1 Cannot be checked now, try again later (7F3K2)"
    );
    assert_eq!(decision.by.as_deref(), Some("f"));
    assert!(decision.records[0].to_string().contains("not asked"));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn after_a_while_one_question_tries_it() {
    let (double, mended, asked) = breaking(Duration::from_millis(1));
    let chain = Chain::new(1, vec![double.filter()]);
    fail_over_and_over(&chain, 3).await;
    // The first probe fails, the second does not.
    for good in [false, true] {
        mended.store(good, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let decision = connection_on(&chain).transaction().await;
        assert_eq!(told(&decision) == "pass", good);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 5);
    assert_eq!(told(&connection_on(&chain).transaction().await), "pass");
}

/// Whoever makes a filter fail on purpose meets others whose mail it judges well in between.
#[tokio::test]
async fn an_answer_in_between_keeps_the_filter_asked() {
    let (double, mended, asked) = breaking(Duration::from_secs(3600));
    let chain = Chain::new(1, vec![double.filter()]);
    for turn in 0..20 {
        mended.store(turn % 3 == 2, Ordering::Relaxed);
        connection_on(&chain).transaction().await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn beyond_its_concurrency_the_client_is_told_to_try_again() {
    let (entered, held) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let slow = Slow(Arc::clone(&entered), Arc::clone(&held));
    let policy = Policy {
        concurrency: 1,
        wall: Duration::from_millis(20),
        // Ours to answer, whatever it says here.
        on_failure: OnFailure::Skip,
        ..trusting()
    };
    let chain = Chain::new(1, vec![Arc::new(Held { policy, slow }) as Arc<dyn Filter>]);
    let (mut first, mut second) = (connection_on(&chain), connection_on(&chain));
    let (decision, ()) = tokio::join!(first.transaction(), async {
        entered.notified().await;
        let busy = "451 4.3.2 Too busy to check mail now, try again later (7F3K2)";
        let decision = second.transaction().await;
        assert_eq!(told(&decision), busy);
        assert!(matches!(&decision.records[0].said, Said::Failed(failure)
            if failure.clues.detail.as_deref() == Some("`concurrency` of 1 is reached")));
        held.notify_one();
    });
    assert_eq!(told(&decision), "pass");
}

/// Answers once it is let go.
#[derive(Clone)]
struct Slow(Arc<tokio::sync::Notify>, Arc<tokio::sync::Notify>);

#[async_trait::async_trait]
impl Sandbox for Slow {
    async fn ask(&mut self, _: Question) -> Result<lazaret_mail::Answer, lazaret_mail::Failure> {
        self.0.notify_one();
        self.1.notified().await;
        Ok(answer(Verdict::Continue))
    }
}

struct Held {
    policy: Policy,
    slow: Slow,
}

impl Filter for Held {
    fn name(&self) -> &str {
        "held"
    }
    fn stages(&self) -> StageSet {
        MESSAGE.iter().copied().collect()
    }
    fn policy(&self) -> &Policy {
        &self.policy
    }
    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(self.slow.clone())
    }
}
