//! Native filters that do as they are told, and a connection to play stages on.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lazaret_mail::chain::{Said, Weight};
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{
    Action, Answer, Chain, Content, Decision, Edit, EditScope, Effects, Envelope, Failure,
    FailureKind, Filter, Grant, HeaderEditor, Judge, Keep, Message, Observation, Outcome, Party,
    Path, Policy, Question, ReplyHint, Sandbox, Session, Stage, StageSet, Verdict, VerdictGrants,
    VerdictKind,
};
use lazaret_smtp::Address;

type Script = dyn Fn(&Question, u32) -> Result<Answer, FailureKind> + Send + Sync;

/// A filter made of a closure, which is told how often its sandbox was asked.
pub struct Double {
    name: String,
    stages: StageSet,
    policy: Policy,
    script: Arc<Script>,
    pub forks: Arc<AtomicU32>,
}

/// Everything granted, nothing denied.
pub fn trusting() -> Policy {
    Policy {
        verdicts: VerdictGrants(VerdictKind::ALL.to_vec()),
        ..Policy::default()
    }
}

impl Double {
    pub fn new(
        name: &str,
        stages: &[Stage],
        script: impl Fn(&Question, u32) -> Result<Answer, FailureKind> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            stages: stages.iter().copied().collect(),
            policy: trusting(),
            script: Arc::new(script),
            forks: Arc::default(),
        }
    }

    /// Says the same at every one of these stages.
    pub fn says(name: &str, stages: &[Stage], verdict: Verdict) -> Self {
        Self::new(name, stages, move |_, _| Ok(answer(verdict.clone())))
    }

    pub fn fails(name: &str, stages: &[Stage]) -> Self {
        Self::new(name, stages, |_, _| {
            Err(FailureKind::Trap("unreachable".into()))
        })
    }

    pub fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    pub fn filter(self) -> Arc<dyn Filter> {
        Arc::new(self)
    }
}

impl Filter for Double {
    fn name(&self) -> &str {
        &self.name
    }
    fn stages(&self) -> StageSet {
        self.policy.narrow(self.stages)
    }
    fn policy(&self) -> &Policy {
        &self.policy
    }
    fn fork(&self) -> Box<dyn Sandbox> {
        self.forks.fetch_add(1, Ordering::Relaxed);
        Box::new(Fork {
            filter: self.name.clone(),
            script: self.script.clone(),
            asked: 0,
        })
    }
}

struct Fork {
    filter: String,
    script: Arc<Script>,
    asked: u32,
}

#[async_trait]
impl Sandbox for Fork {
    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        self.asked += 1;
        (self.script)(&question, self.asked).map_err(|kind| Failure {
            filter: self.filter.clone(),
            stage: question.ask.stage(),
            kind,
            cpu: Duration::from_millis(3),
            clues: Box::default(),
        })
    }
}

pub fn answer(verdict: Verdict) -> Answer {
    Answer {
        verdict,
        effects: Effects::default(),
    }
}

pub fn does(effects: Effects) -> Answer {
    Answer {
        verdict: Verdict::Continue,
        effects,
    }
}

pub fn hint(code: Option<u16>, enhanced: Option<&str>, text: &str) -> ReplyHint {
    ReplyHint {
        code,
        enhanced: enhanced.map(str::to_owned),
        text: text.to_owned(),
    }
}

/// The verdict of that kind with nothing of its own to say.
pub fn plain(kind: VerdictKind) -> Verdict {
    match kind {
        VerdictKind::Continue => Verdict::Continue,
        VerdictKind::Accept => Verdict::Accept,
        VerdictKind::Reject => Verdict::Reject(ReplyHint::default()),
        VerdictKind::Defer => Verdict::Defer(ReplyHint::default()),
        VerdictKind::Discard => Verdict::Discard,
        VerdictKind::Quarantine => Verdict::Quarantine("odd".into()),
        VerdictKind::Disconnect => Verdict::Disconnect(ReplyHint::default()),
    }
}

pub fn quarantine(reason: &str) -> Verdict {
    Verdict::Quarantine(reason.into())
}

/// Edits that add one field to what the filter sees.
pub fn adding(question: &Question, name: &str, value: &str) -> Vec<Edit> {
    editing(question, |editor| editor.add(name, value).unwrap())
}

pub fn editing(question: &Question, edit: impl FnOnce(&mut HeaderEditor)) -> Vec<Edit> {
    let scope = EditScope::of(&[Grant::EditHeaders(vec![])]);
    let mut editor = HeaderEditor::new(question.message.as_ref().unwrap(), &scope);
    edit(&mut editor);
    editor.finish()
}

pub fn path(mailbox: &str) -> Path {
    Path {
        address: Address::parse(mailbox).unwrap(),
        parameters: Vec::new(),
    }
}

pub const MAIL: &str = "From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n";

/// A client's connection, stage by stage.
pub struct Connection {
    pub chain: Arc<Chain>,
    pub judge: Judge,
    pub session: Arc<Session>,
    pub envelope: Arc<Envelope>,
    pub message: Arc<Message>,
}

impl Connection {
    pub fn new(filters: Vec<Arc<dyn Filter>>) -> Self {
        Self::on(Chain::new(1, filters))
    }

    pub fn on(chain: Arc<Chain>) -> Self {
        let message = Message::parse(Content::Memory(MAIL.into()), HEADER_LIMIT).unwrap();
        Self {
            judge: Judge::new(chain.clone(), "mx"),
            chain,
            session: Arc::new(session()),
            envelope: Arc::default(),
            message: Arc::new(message),
        }
    }

    pub async fn connect(&mut self) -> Decision {
        self.judge.connect(&self.session).await
    }

    pub async fn hello(&mut self) -> Decision {
        self.judge.hello(&self.session, "client.example.net").await
    }

    pub async fn auth(&mut self) -> Decision {
        self.judge.auth(&self.session, "PLAIN", Some("user")).await
    }

    pub async fn mail(&mut self) -> Decision {
        let sender = path("a@example.org");
        self.envelope = Arc::new(Envelope {
            sender: Some(sender.clone()),
            recipients: Vec::new(),
        });
        self.judge
            .mail(self.chain.clone(), &self.session, &sender)
            .await
    }

    pub async fn rcpt(&mut self) -> Decision {
        self.rcpt_to("b@example.com").await
    }

    pub async fn rcpt_to(&mut self, mailbox: &str) -> Decision {
        let recipient = path(mailbox);
        let decision = self
            .judge
            .rcpt(&self.session, &self.envelope, &recipient)
            .await;
        Arc::make_mut(&mut self.envelope).recipients.push(recipient);
        decision
    }

    pub async fn headers(&mut self) -> Decision {
        let section = Bytes::from_static(MAIL.as_bytes());
        let message = Arc::new(Message::header_only(section, HEADER_LIMIT).unwrap());
        self.judge
            .headers(&self.session, &self.envelope, &message)
            .await
    }

    /// The message stays as the filters left it.
    pub async fn message(&mut self) -> Decision {
        let message = self.message.clone();
        let (decision, message) = self
            .judge
            .message(&self.session, &self.envelope, message)
            .await;
        self.message = message;
        decision
    }

    /// One whole transaction; what was said at each stage on the way to the first that did not pass.
    pub async fn transaction(&mut self) -> Decision {
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Headers] {
            let decision = self.stage(stage).await;
            if decision.action != Action::Pass {
                return decision;
            }
        }
        self.message().await
    }

    pub async fn stage(&mut self, stage: Stage) -> Decision {
        match stage {
            Stage::Connect => self.connect().await,
            Stage::Hello => self.hello().await,
            Stage::Auth => self.auth().await,
            Stage::Mail => self.mail().await,
            Stage::Rcpt => self.rcpt().await,
            Stage::Headers => self.headers().await,
            Stage::Message => self.message().await,
            Stage::Outcome | Stage::Disconnect => panic!("observers have no decision"),
        }
    }

    pub fn finish(&mut self) -> Option<Observation> {
        let outcome = Outcome {
            code: 250,
            text: "ok".into(),
            ..Outcome::default()
        };
        self.judge.finish(&self.session, &self.envelope, outcome)
    }

    pub fn octets(&self) -> String {
        let octets = self.message.read(0, usize::MAX).unwrap();
        String::from_utf8(octets.to_vec()).unwrap()
    }
}

pub fn session() -> Session {
    Session {
        id: "7F3K2".into(),
        listener: "mx".into(),
        client: Party {
            address: "192.0.2.1:40000".parse().unwrap(),
            name: lazaret_mail::ClientName::default(),
        },
        hello: None,
        tls: None,
        user: None,
        early_talker: false,
    }
}

/// `550 5.7.1 no such luck (7F3K2)`, `close 421 ..`, `pass`, `quarantine odd`, `discard`.
pub fn told(decision: &Decision) -> String {
    let reply = |reply: &lazaret_smtp::Reply| {
        let enhanced = reply.enhanced().unwrap();
        format!(
            "{} {enhanced} {}",
            reply.code(),
            reply.lines().collect::<Vec<_>>().join("/")
        )
    };
    match &decision.action {
        Action::Pass => "pass".into(),
        Action::Refuse(answer) => reply(answer),
        Action::Close(answer) => format!("close {}", reply(answer)),
        Action::Keep(Keep::Quarantine(reason)) => format!("quarantine {reason}"),
        Action::Keep(Keep::Discard) => "discard".into(),
    }
}

/// `access reject counted` for each record.
pub fn noted(decision: &Decision) -> Vec<String> {
    let records = decision.records.iter();
    records
        .map(|record| format!("{} {} {}", record.filter, record.word(), record.weight))
        .collect()
}

pub fn weights(decision: &Decision) -> Vec<Weight> {
    decision
        .records
        .iter()
        .map(|record| record.weight)
        .collect()
}

pub fn is_failed(said: &Said) -> bool {
    matches!(said, Said::Failed(_))
}
