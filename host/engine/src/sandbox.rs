//! A loaded filter and its sandboxes, as the chain sees them.

use std::sync::Arc;

use async_trait::async_trait;
use lazaret_mail::{Answer, Failure, FailureKind, Filter, Policy, Question, Sandbox, StageSet};

use crate::boot::BootFault;
use crate::contain::{contained, explain};
use crate::contract::stage_of;
use crate::idle::Ticket;
use crate::meter::Meter;
use crate::template::{Live, Template};

/// A filter that was loaded.
pub struct WasmFilter {
    template: Arc<Template>,
}

impl WasmFilter {
    /// Of a template that was tried.
    pub fn new(template: Template) -> Self {
        Self {
            template: Arc::new(template),
        }
    }
}

impl Filter for WasmFilter {
    fn name(&self) -> &str {
        self.template.name()
    }

    fn stages(&self) -> StageSet {
        self.template.stages()
    }

    fn policy(&self) -> &Policy {
        self.template.policy()
    }

    fn preparation(&self) -> &str {
        self.template.prepared()
    }

    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(Fork {
            template: self.template.clone(),
            meter: Arc::default(),
            state: State::Unborn,
        })
    }
}

/// One sandbox; it costs nothing before its first question.
struct Fork {
    template: Arc<Template>,
    /// CPU of the question under way
    meter: Arc<Meter>,
    state: State,
}

enum State {
    Unborn,
    /// between two questions
    Idle(Ticket<Box<Live>>),
    /// there was no slot for it, or its own was given to others: whatever it knew is lost
    Busy,
    /// failed, or a question was cancelled: the store is gone
    Spent,
}

#[async_trait]
impl Sandbox for Fork {
    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        let stage = stage_of(&question.ask);
        match self.answer(question).await {
            Ok((answer, live)) => {
                self.state = State::Idle(self.template.engine().idle().put(live));
                Ok(answer)
            }
            Err(kind) => {
                if kind == FailureKind::Busy {
                    self.state = State::Busy;
                }
                Err(Failure {
                    filter: self.template.name().to_string(),
                    stage,
                    kind,
                    cpu: self.meter.spent(),
                })
            }
        }
    }
}

impl Fork {
    /// Within `wall`. Whatever ends this future early, by error or by being dropped, takes the store with it.
    async fn answer(&mut self, question: Question) -> Result<(Answer, Box<Live>), FailureKind> {
        self.meter.reset();
        let state = std::mem::replace(&mut self.state, State::Spent);
        let (template, meter) = (self.template.clone(), self.meter.clone());
        let wall = template.policy().wall;
        let answering = Box::pin(answer(template, meter, state, question));
        let lane = self.template.engine().lane();
        let carried = lane.carry(answering, || self.meter.is_long());
        match tokio::time::timeout(wall, carried).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(lost)) => Err(FailureKind::Internal(lost.to_string())),
            Err(_) => Err(FailureKind::Wall(wall)),
        }
    }
}

async fn answer(
    template: Arc<Template>,
    meter: Arc<Meter>,
    state: State,
    question: Question,
) -> Result<(Answer, Box<Live>), FailureKind> {
    let mut live = match state {
        State::Idle(ticket) => ticket.take().ok_or(FailureKind::Busy)?,
        State::Unborn => Box::new(template.fork(&meter).await.map_err(in_a_fork)?),
        State::Busy => return Err(FailureKind::Busy),
        State::Spent => {
            let why = "asked again after a failure".to_owned();
            return Err(FailureKind::Internal(why));
        }
    };
    let answer = ask_live(&template, &meter, &mut live, question).await?;
    Ok((answer, live))
}

async fn ask_live(
    template: &Template,
    meter: &Arc<Meter>,
    live: &mut Live,
    question: Question,
) -> Result<Answer, FailureKind> {
    let message = question.message.as_ref().map(|message| message.size());
    let cpu = template.cpu_at(stage_of(&question.ask), message);
    let ask = question.ask.clone();
    let guest = live.store.data_mut();
    guest.limiter.begin();
    guest.ctx.begin(Some(question));
    let call = template
        .exports()
        .call(&mut live.store, &live.instance, &ask);
    let called = contained(meter, cpu, call).await;
    match called {
        Ok(verdict) => {
            let guest = live.store.data_mut();
            let mut effects = guest.ctx.end();
            effects.cpu = meter.spent();
            effects.memory = guest.limiter.memory();
            Ok(Answer { verdict, effects })
        }
        Err(stopped) => {
            live.journal.end();
            let argument = template.call_limits().argument;
            Err(explain(stopped, cpu, &live.store, &live.journal, argument))
        }
    }
}

fn in_a_fork(fault: BootFault) -> FailureKind {
    match fault {
        BootFault::Failed(kind) => kind,
        BootFault::Complaint(words) => {
            FailureKind::Trap(format!("configure failed in a fork: {words}"))
        }
    }
}
