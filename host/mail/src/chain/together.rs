//! Several filters asked at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tracing::Instrument;

use super::Member;
use super::decision::Said;
use super::gate::Closed;
use crate::{Answer, Failure, Question, Sandbox, Stage};

/// A filter whose turn it is.
pub(super) enum Turn {
    /// the message is too large for it
    Unscanned(Said),
    /// in this transaction
    FailedEarlier,
    /// to be asked
    Ask(Box<dyn Sandbox>),
}

/// What came of a turn.
pub(super) enum Taken {
    Unscanned(Said),
    FailedEarlier,
    /// its gate did not let it in
    Closed(Box<dyn Sandbox>, Closed),
    /// after so much real time
    Came(Box<dyn Sandbox>, Duration, Result<Answer, Failure>),
}

/// Asks all of them the same question; returns in their order when the slowest has answered. Dropped, it drops all
/// sandboxes that were asked.
pub(super) async fn ask_all(
    turns: Vec<(Turn, &Member)>,
    stage: Stage,
    question: &Question,
) -> Vec<Taken> {
    let asked = turns
        .into_iter()
        .map(|(turn, member)| ask(turn, member, stage, question.clone()));
    let mut asked: Vec<Pin<Box<_>>> = asked.map(Box::pin).collect();
    let mut taken: Vec<Option<Taken>> = asked.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (asked, taken) in asked.iter_mut().zip(&mut taken) {
            if taken.is_some() {
                continue;
            }
            if let Poll::Ready(done) = asked.as_mut().poll(context) {
                *taken = Some(done);
            }
        }
        match taken.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    taken.into_iter().flatten().collect()
}

/// Asks one, if its gate lets it in.
pub(super) async fn ask(turn: Turn, member: &Member, stage: Stage, question: Question) -> Taken {
    let mut sandbox = match turn {
        Turn::Unscanned(said) => return Taken::Unscanned(said),
        Turn::FailedEarlier => return Taken::FailedEarlier,
        Turn::Ask(sandbox) => sandbox,
    };
    let entered = match member.enter().await {
        Ok(entered) => entered,
        Err(closed) => return Taken::Closed(sandbox, closed),
    };
    let asked = Instant::now();
    let span = tracing::debug_span!("filter", name = %member.name);
    let came = sandbox.ask(question).instrument(span).await;
    let wall = asked.elapsed();
    member.settle(entered, stage, wall, &came);
    Taken::Came(sandbox, wall, came)
}
