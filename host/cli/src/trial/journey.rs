//! One message through the chain, stage by stage, as the proxy would ask it; no network anywhere.

use std::net::SocketAddr;
use std::sync::Arc;

use lazaret_mail::{
    Action, Chain, Decision, Envelope, Judge, Keep, Message, Outcome, Party, Path, Record, Session,
    Stage,
};

use super::diff::diff;

/// What would have been said on the wire.
#[derive(Debug)]
pub struct Letter {
    /// where it comes from
    pub client: SocketAddr,
    /// name of the listener
    pub listener: String,
    /// said in EHLO
    pub hello: String,
    /// MAIL
    pub sender: Path,
    /// RCPT, in order
    pub recipients: Vec<Path>,
    /// its header section alone, as the stage headers sees it
    pub header: Arc<Message>,
    /// the message
    pub message: Arc<Message>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Journey {
    /// one for each filter and stage
    pub steps: Vec<Step>,
    /// what the client would have heard, stage by stage, where it was not simply the backend's business
    pub replies: Vec<Heard>,
    /// the points of all filters together
    pub score: f64,
    /// the message as the backend would get it; None when it would not
    pub delivered: Option<Arc<Message>>,
}

/// One filter asked at one stage.
#[derive(Debug)]
pub struct Step {
    /// what it said and what it cost
    pub record: Record,
    /// its edits, as lines of a diff
    pub diff: Vec<String>,
}

/// A decision that is not `pass`.
#[derive(Debug)]
pub struct Heard {
    /// where
    pub stage: Stage,
    /// what is done
    pub action: Action,
    /// the filter that decided
    pub by: Option<Arc<str>>,
}

/// Asks every stage in turn until the message is delivered or refused.
pub async fn travel(chain: Arc<Chain>, letter: &Letter) -> Journey {
    let mut traveller = Traveller {
        judge: Judge::new(chain.clone(), &letter.listener),
        session: Arc::new(session(letter)),
        envelope: Envelope::default(),
        view: Message::clone(&letter.message),
        journey: Journey::default(),
    };
    traveller.greet(letter, chain).await;
    let Traveller {
        judge,
        session,
        mut journey,
        ..
    } = traveller;
    journey.score = points(&journey.steps);
    if let Some(observers) = judge.disconnect(&session, "quit") {
        observers.await;
    }
    journey
}

struct Traveller {
    judge: Judge,
    session: Arc<Session>,
    envelope: Envelope,
    /// the message as edited so far, to show edits against
    view: Message,
    journey: Journey,
}

impl Traveller {
    async fn greet(&mut self, letter: &Letter, chain: Arc<Chain>) {
        let decision = self.judge.connect(&self.session).await;
        if !self.passes(Stage::Connect, decision) {
            return;
        }
        let mut session = Session::clone(&self.session);
        session.hello = Some(letter.hello.clone());
        self.session = Arc::new(session);
        let decision = self.judge.hello(&self.session, &letter.hello).await;
        if !self.passes(Stage::Hello, decision) {
            return;
        }
        let decision = self.judge.mail(chain, &self.session, &letter.sender).await;
        if self.passes(Stage::Mail, decision) {
            self.envelope.sender = Some(letter.sender.clone());
            self.transact(letter).await;
        }
    }

    async fn transact(&mut self, letter: &Letter) {
        let mut live = 0;
        for recipient in &letter.recipients {
            let envelope = Arc::new(self.envelope.clone());
            let decision = self.judge.rcpt(&self.session, &envelope, recipient).await;
            // Who is kept here is told yes, and is one of the envelope's; the backend alone never hears of him.
            let is_kept = matches!(decision.action, Action::Keep(_));
            let closes = matches!(decision.action, Action::Close(_));
            let passes = self.passes(Stage::Rcpt, decision);
            if closes {
                return self.judge.reset();
            }
            if passes || is_kept {
                self.envelope.recipients.push(recipient.clone());
            }
            live += usize::from(passes);
        }
        if self.envelope.recipients.is_empty() {
            self.judge.reset();
            return;
        }
        self.deliver(letter, live).await;
    }

    /// For so many recipients of the backend's. A verdict at headers is answered after the dot; the stage message is not asked then.
    async fn deliver(&mut self, letter: &Letter, live: usize) {
        let envelope = Arc::new(self.envelope.clone());
        let decision = self
            .judge
            .headers(&self.session, &envelope, &letter.header)
            .await;
        if self.passes(Stage::Headers, decision) {
            let message = letter.message.clone();
            let (decision, edited) = self.judge.message(&self.session, &envelope, message).await;
            if self.passes(Stage::Message, decision) && live > 0 {
                self.journey.delivered = Some(edited);
            }
        }
        let outcome = self.outcome(live);
        if let Some(observers) = self.judge.finish(&self.session, &envelope, outcome) {
            observers.await;
        }
    }

    /// What the client would have heard; the backend is taken to accept everything.
    fn outcome(&self, live: usize) -> Outcome {
        let refused = self
            .journey
            .replies
            .last()
            .filter(|heard| heard.stage >= Stage::Headers);
        let reply = refused.and_then(|heard| match &heard.action {
            Action::Refuse(reply) | Action::Close(reply) => Some(reply),
            Action::Pass | Action::Keep(_) => None,
        });
        let kept = || {
            let mut replies = self.journey.replies.iter();
            replies.find(|heard| live == 0 && matches!(heard.action, Action::Keep(_)))
        };
        let decided = refused.or_else(kept);
        Outcome {
            code: reply.map_or(250, |reply| reply.code().get()),
            text: reply.map_or_else(String::new, |reply| reply.text().to_owned()),
            decided_by: decided.and_then(|heard| heard.by.as_ref().map(ToString::to_string)),
            queue_id: None,
        }
    }

    /// Notes what was said; true when nobody objected.
    fn passes(&mut self, stage: Stage, decision: Decision) -> bool {
        for record in decision.records {
            let (lines, after) = diff(&self.view, &record.edits);
            if record.took_effect() && record.edit_fault.is_none() {
                self.view = after;
            }
            self.journey.steps.push(Step {
                record,
                diff: lines,
            });
        }
        let passes = decision.action == Action::Pass;
        if !passes {
            self.journey.replies.push(Heard {
                stage,
                action: as_heard(stage, decision.action),
                by: decision.by,
            });
        }
        passes
    }
}

/// A greeting and an answer to EHLO have no enhanced code (RFC 2034 section 4).
fn as_heard(stage: Stage, action: Action) -> Action {
    match (stage, action) {
        (Stage::Connect | Stage::Hello, Action::Refuse(reply)) => {
            Action::Refuse(reply.without_enhanced())
        }
        (Stage::Connect | Stage::Hello, Action::Close(reply)) => {
            Action::Close(reply.without_enhanced())
        }
        (_, action) => action,
    }
}

fn session(letter: &Letter) -> Session {
    Session {
        id: "TRIAL".into(),
        listener: letter.listener.as_str().into(),
        client: Party {
            address: letter.client,
            name: lazaret_mail::ClientName::default(),
        },
        hello: None,
        tls: None,
        user: None,
        early_talker: false,
    }
}

fn points(steps: &[Step]) -> f64 {
    let counted = steps.iter().filter(|step| step.record.took_effect());
    let scores = counted.flat_map(|step| &step.record.scores);
    // From 0.0: the sum of nothing is -0.0.
    scores.fold(0.0, |sum, (_, points, _)| sum + points)
}

impl Heard {
    /// `550 5.7.1 text` or what is done instead.
    pub fn words(&self) -> String {
        match &self.action {
            Action::Pass => "passes".to_owned(),
            Action::Refuse(reply) => one_line(reply),
            Action::Close(reply) => format!("{}, then closes", one_line(reply)),
            Action::Keep(Keep::Quarantine(reason)) => format!("250, into the quarantine: {reason}"),
            Action::Keep(Keep::Discard) => "250, discarded".to_owned(),
        }
    }
}

fn one_line(reply: &lazaret_smtp::Reply) -> String {
    let enhanced = reply
        .enhanced()
        .map(|e| format!("{e} "))
        .unwrap_or_default();
    format!(
        "{} {enhanced}{}",
        reply.code(),
        reply.text().replace('\n', " / ")
    )
}
