//! Asks a filter that was just loaded at each of its stages, with a made-up session, before mail does.
//!
//! A snapshot freezes more than its author may think of. Two sandboxes are forked for each stage: what works once may not
//! work twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_mail::facts::Address;
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{
    Ask, Content, Envelope, Failure, FailureKind, Filter, Message, Notes, Outcome, Party, Path,
    Question, Session, Stage,
};

use crate::sandbox::WasmFilter;

/// Sandboxes for each stage.
const FORKS: usize = 2;
/// Real time of one question; who needs longer is let be.
const ENOUGH: Duration = Duration::from_secs(1);
/// The message that filters are shown.
const MAIL: &str = "From: sender@example.com\r\nTo: recipient@example.org\r\nSubject: a trial\r\n\r\nNobody sent this.\r\n";

/// A stage at which a filter failed.
#[derive(Debug)]
pub struct Trial {
    /// the stage
    pub stage: Stage,
    /// how
    pub failure: Failure,
}

impl Trial {
    /// May the snapshot be the reason? A stage that took too long may take as long in any sandbox, now or the next time.
    pub fn may_be_frozen(&self) -> bool {
        !matches!(
            self.failure.kind,
            FailureKind::Time(_) | FailureKind::Wall(_)
        )
    }
}

/// Asks at every stage in two sandboxes; those that failed. What `wall` leaves no time for is not asked.
pub async fn try_stages(filter: &WasmFilter, wall: Duration) -> Vec<Trial> {
    let started = Instant::now();
    let mut failed = Vec::new();
    for stage in filter.stages().iter() {
        for _ in 0..FORKS {
            if started.elapsed() > wall {
                tracing::debug!(filter = filter.name(), %stage, "no time left to try it");
                return failed;
            }
            if let Some(failure) = try_stage(filter, stage).await {
                failed.push(Trial { stage, failure });
                break;
            }
        }
    }
    failed
}

/// Asks once in a fresh sandbox. Being slow, or finding no room for a sandbox, proves nothing.
pub async fn try_stage(filter: &WasmFilter, stage: Stage) -> Option<Failure> {
    let mut sandbox = filter.fork();
    let asked = tokio::time::timeout(ENOUGH, sandbox.ask(question(stage))).await;
    let failure = asked.ok()?.err()?;
    let proves = !matches!(failure.kind, FailureKind::Internal(_) | FailureKind::Busy);
    proves.then_some(failure)
}

fn question(stage: Stage) -> Question {
    let in_transaction = matches!(
        stage,
        Stage::Mail | Stage::Rcpt | Stage::Headers | Stage::Message | Stage::Outcome
    );
    let with_message = matches!(stage, Stage::Headers | Stage::Message | Stage::Outcome);
    Question {
        ask: ask(stage).into(),
        session: Arc::new(session(stage)),
        envelope: in_transaction.then(|| Arc::new(envelope(with_message))),
        message: with_message.then(message).flatten().map(Arc::new),
        score: Default::default(),
        notes: Arc::new(Notes::default()),
    }
}

fn ask(stage: Stage) -> Ask {
    match stage {
        Stage::Connect => Ask::Connect,
        Stage::Hello => Ask::Hello("client.example.com".to_owned()),
        Stage::Auth => Ask::Auth {
            mechanism: "PLAIN".to_owned(),
            name: None,
        },
        Stage::Mail => Ask::Mail(path("sender@example.com")),
        Stage::Rcpt => Ask::Rcpt(path("recipient@example.org")),
        Stage::Headers => Ask::Headers,
        Stage::Message => Ask::Message,
        Stage::Outcome => Ask::Outcome(Outcome {
            code: 250,
            text: "2.0.0 ok".to_owned(),
            ..Outcome::default()
        }),
        Stage::Disconnect => Ask::Disconnect("quit".to_owned()),
    }
}

fn session(stage: Stage) -> Session {
    Session {
        id: "TRIAL".into(),
        listener: "trial".into(),
        client: Party {
            address: ([192, 0, 2, 1], 25).into(),
            name: lazaret_mail::ClientName::default(),
        },
        hello: (stage > Stage::Connect).then(|| "client.example.com".to_owned()),
        tls: None,
        user: None,
        early_talker: false,
    }
}

fn envelope(with_recipient: bool) -> Envelope {
    let recipient = with_recipient.then(|| path("recipient@example.org"));
    Envelope {
        sender: Some(path("sender@example.com")),
        recipients: recipient.into_iter().collect(),
    }
}

fn message() -> Option<Message> {
    Message::parse(Content::Memory(MAIL.into()), HEADER_LIMIT).ok()
}

fn path(mailbox: &str) -> Path {
    Path::new(Address::parse(mailbox).expect("a mailbox written here"))
}
