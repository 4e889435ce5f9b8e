//! A loaded filter and its sandboxes, as the chain sees them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret_mail::{
    Answer, Failure, FailureKind, Filter, Policy, Question, Sandbox, Stage, StageSet,
};

use crate::contain::{contained, explain};
use crate::contract::stage_of;
use crate::template::{BootFault, Live, Template};

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

    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(Fork {
            template: self.template.clone(),
            state: State::Unborn,
        })
    }
}

/// One sandbox; it costs nothing before its first question.
struct Fork {
    template: Arc<Template>,
    state: State,
}

enum State {
    Unborn,
    Live(Box<Live>),
    /// failed, or a question was cancelled: the store is gone
    Spent,
}

/// Why a question has no answer, and the CPU it took.
struct Fault {
    kind: FailureKind,
    cpu: Duration,
}

#[async_trait]
impl Sandbox for Fork {
    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        let stage = stage_of(&question.ask);
        // Whatever ends this future early, by error or by being dropped, takes the store with it.
        let state = std::mem::replace(&mut self.state, State::Spent);
        let template = self.template.clone();
        match answer(template, state, stage, question).await {
            Ok((answer, live)) => {
                self.state = State::Live(live);
                Ok(answer)
            }
            Err(fault) => Err(self.failure(stage, fault)),
        }
    }
}

impl Fork {
    fn failure(&self, stage: Stage, fault: Fault) -> Failure {
        Failure {
            filter: self.template.name().to_string(),
            stage,
            kind: fault.kind,
            cpu: fault.cpu,
        }
    }
}

async fn answer(
    template: Arc<Template>,
    state: State,
    stage: Stage,
    question: Question,
) -> Result<(Answer, Box<Live>), Fault> {
    let (mut live, booted) = match state {
        State::Live(live) => (live, Duration::ZERO),
        State::Unborn => boot(&template).await?,
        State::Spent => return Err(spent()),
    };
    match ask_live(&template, &mut live, stage, question).await {
        Ok(mut answer) => {
            answer.effects.cpu += booted;
            Ok((answer, live))
        }
        Err(kind) => Err(Fault {
            kind,
            cpu: booted + live.meter.spent(),
        }),
    }
}

/// A sandbox for its first question, and the CPU that took.
async fn boot(template: &Template) -> Result<(Box<Live>, Duration), Fault> {
    let live = template.fork().await.map_err(boot_failure)?;
    let booted = live.meter.spent();
    Ok((Box::new(live), booted))
}

async fn ask_live(
    template: &Template,
    live: &mut Live,
    stage: Stage,
    question: Question,
) -> Result<Answer, FailureKind> {
    let message = question.message.as_ref().map(|message| message.size());
    let limits = template.limits_at(stage, message);
    let ask = question.ask.clone();
    let guest = live.store.data_mut();
    guest.limiter.begin();
    guest.ctx.begin(Some(question));
    let call = template
        .exports()
        .call(&mut live.store, &live.instance, &ask);
    match contained(&live.meter, limits, call).await {
        Ok(verdict) => {
            let guest = live.store.data_mut();
            let mut effects = guest.ctx.end();
            effects.cpu = live.meter.spent();
            effects.memory = guest.limiter.memory();
            Ok(Answer { verdict, effects })
        }
        Err(stopped) => {
            live.journal.end();
            let argument = template.call_limits().argument;
            Err(explain(
                stopped,
                limits,
                &live.store,
                &live.journal,
                argument,
            ))
        }
    }
}

fn boot_failure((fault, cpu): (BootFault, Duration)) -> Fault {
    let kind = match fault {
        BootFault::Failed(kind) => kind,
        BootFault::Complaint(words) => {
            FailureKind::Trap(format!("configure failed in a fork: {words}"))
        }
    };
    Fault { kind, cpu }
}

fn spent() -> Fault {
    Fault {
        kind: FailureKind::Internal("asked again after a failure".into()),
        cpu: Duration::ZERO,
    }
}
