//! Filters written in Rust, behind the same seam as the sandboxes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lazaret_mail::{
    Answer, Ask, Effects, Failure, Filter, LoadError, Loader, Policy, Question, ReplyHint, Sandbox,
    Source, Stage, StageSet, Verdict,
};

type Judgement = Arc<dyn Fn(&Question) -> Answer + Send + Sync>;

/// Filters by name, and their TOML.
#[derive(Clone, Default)]
pub struct Filters(HashMap<String, (Vec<Stage>, String, Option<Judgement>)>);

impl Filters {
    /// One filter `10-test` with every right, asked at this stage.
    pub fn one(stage: Stage, judge: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Self {
        Self::default().and("10-test", &[stage], ALL_VERDICTS, judge)
    }

    pub fn and(
        mut self,
        file: &str,
        stages: &[Stage],
        toml: &str,
        judge: impl Fn(&Question) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(
            file.to_owned(),
            (stages.to_vec(), toml.to_owned(), Some(Arc::new(judge))),
        );
        self
    }

    /// One that cannot be loaded.
    pub fn broken(toml: &str) -> Self {
        let mut filters = Self::default();
        filters
            .0
            .insert("10-test".to_owned(), (Vec::new(), toml.to_owned(), None));
        filters
    }

    pub fn write(&self, directory: &Path) {
        std::fs::create_dir(directory).unwrap();
        for (file, (_, toml, _)) in &self.0 {
            std::fs::write(directory.join(format!("{file}.wasm")), b"native").unwrap();
            std::fs::write(directory.join(format!("{file}.toml")), toml).unwrap();
        }
    }
}

pub const ALL_VERDICTS: &str = "grant = [\"edit-headers\", \"pace\"]\nverdicts = [\"accept\", \"reject\", \"defer\", \"discard\", \"quarantine\", \"disconnect\"]\n";

/// An answer without effects.
pub fn say(verdict: Verdict) -> Answer {
    Answer {
        verdict,
        effects: Effects::default(),
    }
}

/// A verdict's words.
pub fn hint(text: &str) -> ReplyHint {
    ReplyHint {
        text: text.to_owned(),
        ..ReplyHint::default()
    }
}

/// Only about this recipient.
pub fn is_rcpt(question: &Question, mailbox: &str) -> bool {
    matches!(&*question.ask, Ask::Rcpt(path) if path.address.mailbox() == mailbox)
}

#[async_trait]
impl Loader for Filters {
    async fn load(&self, source: Source) -> Result<Arc<dyn Filter>, LoadError> {
        let Source {
            name, file, policy, ..
        } = source;
        let entry = self
            .0
            .iter()
            .find(|(file, _)| file.ends_with(&name))
            .expect("the test has it")
            .1;
        let Some(judge) = &entry.2 else {
            return Err(LoadError::new(&file, "is broken", "mend it"));
        };
        let stages = policy.narrow(entry.0.iter().copied().collect());
        Ok(Arc::new(Native {
            name,
            stages,
            policy,
            judge: Arc::clone(judge),
        }))
    }
}

struct Native {
    name: String,
    stages: StageSet,
    policy: Policy,
    judge: Judgement,
}

impl Filter for Native {
    fn name(&self) -> &str {
        &self.name
    }
    fn stages(&self) -> StageSet {
        self.stages
    }
    fn policy(&self) -> &Policy {
        &self.policy
    }
    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(NativeSandbox(Arc::clone(&self.judge)))
    }
}

struct NativeSandbox(Judgement);

#[async_trait]
impl Sandbox for NativeSandbox {
    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        Ok((self.0)(&question))
    }
}
