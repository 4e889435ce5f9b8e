//! Several filters asked at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::decision::Said;
use crate::{Answer, Failure, Question, Sandbox};

/// A filter whose turn it is.
pub(super) enum Turn {
    /// the message is too large for it
    Unscanned(Said),
    /// it failed in this transaction
    Failed,
    /// to be asked
    Ask(Box<dyn Sandbox>),
}

/// The same when the others of its group are done as well.
pub(super) enum Taken {
    /// it was not asked
    Not(Turn),
    Asked(Box<dyn Sandbox>, Result<Answer, Failure>),
}

/// Asks all of them the same question; returns in their order when the slowest has answered. Dropped, it drops all
/// sandboxes that were asked.
pub(super) async fn ask_all(turns: Vec<Turn>, question: &Question) -> Vec<Taken> {
    let asked = turns.into_iter().map(|turn| ask(turn, question.clone()));
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

async fn ask(turn: Turn, question: Question) -> Taken {
    match turn {
        Turn::Ask(mut sandbox) => {
            let came = sandbox.ask(question).await;
            Taken::Asked(sandbox, came)
        }
        turn => Taken::Not(turn),
    }
}
