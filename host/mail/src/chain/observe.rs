use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::judge::{Seat, Transaction};
use super::round::log_failure;
use super::{Chain, Member, Record, Said, Weight};
use crate::{Question, Sandbox, Stage};

/// Tells observers what came of a transaction or a connection: a future that needs nothing of the session, to be
/// spawned. Gives one record for each observer, for the log; no answer changes anything.
pub struct Observation(Pin<Box<dyn Future<Output = Vec<Record>> + Send>>);

impl Future for Observation {
    type Output = Vec<Record>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Record>> {
        self.0.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observation")
    }
}

/// Observers see the sandbox that judged; those that failed are left out.
pub(super) fn outcome(transaction: Transaction, question: Question) -> Option<Observation> {
    let chain = transaction.chain;
    let mut seats = transaction.seats;
    seats.resize_with(chain.members.len(), Seat::default);
    let sandboxes = chain
        .members
        .iter()
        .zip(seats)
        .map(|(member, seat)| match seat {
            // One that does not observe ends now: it would hold its slot until the others are done.
            Seat::Taken(sandbox) => observes(member, &question).then_some(sandbox),
            Seat::Failed => None,
            Seat::Empty => observes(member, &question).then(|| member.filter.fork()),
        });
    let sandboxes = sandboxes.collect();
    spawnable(&chain, sandboxes, question)
}

pub(super) fn disconnect(chain: &Arc<Chain>, question: Question) -> Option<Observation> {
    let members = chain.members.iter();
    let sandboxes = members.map(|member| observes(member, &question).then(|| member.filter.fork()));
    let sandboxes = sandboxes.collect();
    spawnable(chain, sandboxes, question)
}

fn observes(member: &Member, question: &Question) -> bool {
    member.is_asked(question.ask.stage(), &question.session.listener)
}

/// `sandboxes` by position in the chain.
fn spawnable(
    chain: &Arc<Chain>,
    sandboxes: Vec<Option<Box<dyn Sandbox>>>,
    question: Question,
) -> Option<Observation> {
    let told = chain.members.iter().zip(&sandboxes);
    let any = told
        .into_iter()
        .any(|(member, sandbox)| sandbox.is_some() && observes(member, &question));
    let chain = chain.clone();
    any.then(|| Observation(Box::pin(tell(chain, sandboxes, question))))
}

async fn tell(
    chain: Arc<Chain>,
    sandboxes: Vec<Option<Box<dyn Sandbox>>>,
    question: Question,
) -> Vec<Record> {
    let mut records = Vec::new();
    for (member, sandbox) in chain.members.iter().zip(sandboxes) {
        let Some(mut sandbox) = sandbox.filter(|_| observes(member, &question)) else {
            continue;
        };
        let stage = question.ask.stage();
        let asked = Instant::now();
        let came = sandbox.ask(question.clone()).await;
        let wall = asked.elapsed();
        member.place.count(stage, wall, &came);
        let record = match came {
            Ok(answer) => observed(member, stage, answer),
            Err(failure) => {
                log_failure(member, &failure);
                let cpu = failure.cpu;
                Record {
                    cpu,
                    ..Record::new(member, stage, Said::Failed(failure.into()))
                }
            }
        };
        records.push(Record { wall, ..record });
    }
    records
}

fn observed(member: &Member, stage: Stage, answer: crate::Answer) -> Record {
    Record {
        weight: Weight::Observed,
        cpu: answer.effects.cpu,
        memory: answer.effects.memory,
        dropped: answer.effects.dropped,
        ..Record::new(member, stage, Said::Verdict(answer.verdict))
    }
}
