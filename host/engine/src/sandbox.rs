//! A loaded filter and its sandboxes, as the chain sees them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret_mail::{
    Answer, Clues, Failure, FailureKind, Filter, Policy, Question, Sandbox, StageSet, within,
};
use lazaret_services::Reach;

use crate::boot::BootFault;
use crate::clues::{Reporter, of_the_late};
use crate::contain::{contained, explain};
use crate::contract::stage_of;
use crate::idle::Place;
use crate::inspect::Preparation;
use crate::meter::Meter;
use crate::strides::Strides;
use crate::template::{Live, Template};

/// A filter that was loaded.
pub struct WasmFilter {
    loaded: Arc<Loaded>,
}

struct Loaded {
    template: Template,
    reporter: Reporter,
    strides: Strides,
}

/// An answer and whose it is. Both ways in a box: it passes through many hands, and each would copy it.
type Answered = Result<(Box<Answer>, Box<Live>), Box<Failed>>;

/// A question that came to nothing.
struct Failed {
    kind: FailureKind,
    clues: Clues,
}

impl From<FailureKind> for Box<Failed> {
    fn from(kind: FailureKind) -> Self {
        Self::new(Failed {
            kind,
            clues: Clues::default(),
        })
    }
}

impl WasmFilter {
    /// Of a template that was tried.
    pub fn new(template: Template) -> Self {
        Self {
            loaded: Arc::new(Loaded {
                template,
                reporter: Reporter::default(),
                strides: Strides::default(),
            }),
        }
    }

    /// How its sandboxes come by their configured state.
    pub fn prepared(&self) -> &Preparation {
        self.loaded.template.preparation()
    }

    /// After its trial: what was reported of that does not count for what mail will do, and the outside is there. A
    /// sandbox of the trial that is still at work is without it to its end.
    pub fn in_service(self, reach: Arc<Reach>) -> Self {
        self.loaded.reporter.forget();
        self.loaded.template.put_in_service(reach);
        self
    }
}

impl Filter for WasmFilter {
    fn name(&self) -> &str {
        self.loaded.template.name()
    }

    fn stages(&self) -> StageSet {
        self.loaded.template.stages()
    }

    fn policy(&self) -> &Policy {
        self.loaded.template.policy()
    }

    fn preparation(&self) -> &str {
        self.loaded.template.prepared()
    }

    fn fork(&self) -> Box<dyn Sandbox> {
        let case = Case {
            loaded: self.loaded.clone(),
            meter: self.loaded.template.engine().meter(),
        };
        Box::new(Fork {
            case: Arc::new(case),
            place: None,
            state: State::Unborn,
        })
    }
}

/// One sandbox; it costs nothing before its first question.
struct Fork {
    case: Arc<Case>,
    /// where it waits between two questions; from its first answer on
    place: Option<Place<Box<Live>>>,
    state: State,
}

/// What an answer needs wherever it is worked out. Each sandbox has its own: counts of what all share are not touched for
/// a question.
struct Case {
    loaded: Arc<Loaded>,
    /// CPU of the question under way
    meter: Arc<Meter>,
}

enum State {
    Unborn,
    /// in its place, between two questions
    Idle,
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
                self.put_aside(live);
                Ok(*answer)
            }
            Err(failed) => {
                if failed.kind == FailureKind::Busy {
                    self.state = State::Busy;
                }
                Err(Failure {
                    filter: self.case.loaded.template.name().to_string(),
                    stage,
                    kind: failed.kind,
                    cpu: self.case.meter.spent(),
                    clues: Box::new(failed.clues),
                })
            }
        }
    }
}

impl Fork {
    /// Within `wall`. Whatever ends this future early, by error or by being dropped, takes the store with it.
    async fn answer(&mut self, question: Question) -> Answered {
        let strides = &self.case.loaded.strides;
        self.case.meter.reset(strides.may_be_long());
        let begins_aside = strides.begins_aside();
        let live = self.live()?;
        let Case { loaded, meter } = &*self.case;
        let wall = loaded.template.policy().wall;
        let answering = Box::pin(answer(self.case.clone(), live, question));
        let lane = loaded.template.engine().lane();
        let carried = lane.carry(answering, || begins_aside || meter.is_long());
        match within(wall, pin!(carried)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(lost)) => Err(FailureKind::Internal(lost.to_string()).into()),
            Err(_) => Err(self.late(wall)),
        }
    }

    /// That of the last answer, none before the first.
    fn live(&mut self) -> Result<Option<Box<Live>>, FailureKind> {
        match std::mem::replace(&mut self.state, State::Spent) {
            State::Unborn => Ok(None),
            State::Idle => match self.place.as_ref().and_then(Place::take) {
                Some(live) => Ok(Some(live)),
                None => Err(FailureKind::Busy),
            },
            State::Busy => Err(FailureKind::Busy),
            State::Spent => {
                let why = "asked again after a failure".to_owned();
                Err(FailureKind::Internal(why))
            }
        }
    }

    fn put_aside(&mut self, live: Box<Live>) {
        let idle = self.case.loaded.template.engine().idle();
        self.place.get_or_insert_with(|| idle.place()).put(live);
        self.state = State::Idle;
    }

    fn late(&self, wall: Duration) -> Box<Failed> {
        Box::new(Failed {
            kind: FailureKind::Wall(wall),
            clues: of_the_late(&self.case.meter),
        })
    }
}

async fn answer(case: Arc<Case>, live: Option<Box<Live>>, question: Question) -> Answered {
    let Case { loaded, meter } = &*case;
    let mut live = match live {
        Some(live) => live,
        // In a box of its own: what makes a sandbox is many times larger than what asks one.
        None => {
            let made = Box::pin(loaded.template.sandbox(meter));
            let made = made.await.map_err(in_a_fork)?;
            meter.begin_strides();
            made
        }
    };
    let answer = ask_live(loaded, meter, &mut live, question).await?;
    Ok((answer, live))
}

async fn ask_live(
    loaded: &Loaded,
    meter: &Meter,
    live: &mut Live,
    question: Question,
) -> Result<Box<Answer>, Box<Failed>> {
    let template = &loaded.template;
    let message = question.message.as_ref().map(|message| message.size());
    let cpu = template.cpu_at(stage_of(&question.ask), message);
    let ask = question.ask.clone();
    // Ticks went by since its last question: without this, each call would begin with a look at the clock.
    live.store.set_epoch_deadline(1);
    let guest = live.store.data_mut();
    guest.limiter.begin();
    guest.ctx.begin(Some(question));
    let call = template.exports().call(live, &ask);
    let called = contained(meter, cpu, call).await;
    let guest = live.store.data_mut();
    loaded.strides.note(guest.limiter.memory(), meter.stride());
    match called {
        Ok(verdict) => {
            let mut effects = guest.ctx.end();
            effects.cpu = meter.spent();
            effects.memory = guest.limiter.memory();
            Ok(Box::new(Answer { verdict, effects }))
        }
        Err(stopped) => {
            live.journal.end();
            let lines = template.lines();
            let clues = loaded
                .reporter
                .clues(&stopped, &guest.limiter, &live.journal, lines);
            let argument = template.call_limits().argument;
            let kind = explain(stopped, cpu, &live.store, &live.journal, argument);
            Err(Box::new(Failed { kind, clues }))
        }
    }
}

/// No more questions: another transaction may have it, once it is put back.
impl Drop for Fork {
    fn drop(&mut self) {
        if let Some(live) = self.place.as_ref().and_then(Place::take) {
            self.case.loaded.template.leave(live);
        }
    }
}

fn in_a_fork(fault: BootFault) -> Box<Failed> {
    match fault {
        BootFault::Failed(kind, clues) => Box::new(Failed {
            kind,
            clues: *clues,
        }),
        BootFault::Complaint(words) => {
            FailureKind::Trap(format!("configure failed in a fork: {words}")).into()
        }
    }
}
