use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Answer, Ask, Failure, FailureKind, Filter, Policy, Question, Sandbox, Stage, StageSet,
};

/// A filter that cannot be loaded at start: it takes part with its `on-failure` answer, so that what it was to keep
/// out does not come in. It answers at the stages its TOML names; without them at mail, where nothing is lost yet.
#[derive(Debug)]
pub struct Unloadable {
    name: String,
    policy: Policy,
    why: String,
}

impl Unloadable {
    /// `why` is for the log.
    pub fn new(name: &str, policy: Policy, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            policy,
            why: why.to_owned(),
        }
    }
}

impl Filter for Unloadable {
    fn name(&self) -> &str {
        &self.name
    }

    fn stages(&self) -> StageSet {
        match &self.policy.stages {
            Some(stages) => stages.iter().copied().collect(),
            None => [Stage::Mail].into_iter().collect(),
        }
    }

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(Absent {
            filter: self.name.clone(),
            why: self.why.clone(),
        })
    }
}

struct Absent {
    filter: String,
    why: String,
}

#[async_trait]
impl Sandbox for Absent {
    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        Err(Failure {
            filter: self.filter.clone(),
            stage: question.ask.stage(),
            kind: FailureKind::NotLoadable(self.why.clone()),
            cpu: Duration::ZERO,
            clues: Box::default(),
        })
    }
}

impl Ask {
    /// The stage of this question.
    pub const fn stage(&self) -> Stage {
        match self {
            Ask::Connect => Stage::Connect,
            Ask::Hello(_) => Stage::Hello,
            Ask::Auth { .. } => Stage::Auth,
            Ask::Mail(_) => Stage::Mail,
            Ask::Rcpt(_) => Stage::Rcpt,
            Ask::Headers => Stage::Headers,
            Ask::Message => Stage::Message,
            Ask::Outcome(_) => Stage::Outcome,
            Ask::Disconnect(_) => Stage::Disconnect,
        }
    }
}
