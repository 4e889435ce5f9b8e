use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::book::Book;
use super::mark::Mark;
use super::observe::{self, Observation};
use super::round::{Facts, Round};
use super::{Action, Chain, Decision};
use crate::{
    Ask, Edit, Envelope, Message, Outcome, Path, Sandbox, Score, Session, Stage, StageSet,
};

/// Default of the longest that all filters together hold back the reply to one command.
pub const PACE_LIMIT: Duration = Duration::from_secs(30);
/// The longest that they hold back all replies of a session.
pub const PACE_SESSION_LIMIT: Duration = Duration::from_secs(300);

/// Judges one connection: holds its chain, the sandboxes of its transaction, notes, score and marks.
///
/// The caller tells each stage as it happens, one at a time: [`connect`](Self::connect), [`hello`](Self::hello),
/// [`mail`](Self::mail), then [`rcpt`](Self::rcpt) for each recipient, [`headers`](Self::headers),
/// [`message`](Self::message), and [`finish`](Self::finish) or [`reset`](Self::reset). A stage that nobody subscribed to
/// costs nothing; [`asks`](Self::asks) says so beforehand.
pub struct Judge {
    pub(super) chain: Arc<Chain>,
    pub(super) wanted: StageSet,
    /// stages at which an accept for the session was said
    pub(super) accepted: StageSet,
    pub(super) mark: Mark,
    pub(super) book: Book,
    /// points given at connect and auth
    pub(super) score: Score,
    /// points given at the last hello: a client that starts TLS says it twice, and one that hopes to gain by it often
    pub(super) hello_score: Score,
    pub(super) pace_limit: Duration,
    pub(super) pace_left: Duration,
    pub(super) transaction: Option<Transaction>,
}

/// What ends with the transaction.
pub(super) struct Transaction {
    pub(super) chain: Arc<Chain>,
    pub(super) wanted: StageSet,
    pub(super) accepted: bool,
    pub(super) mark: Mark,
    pub(super) score: Score,
    /// by position in the chain; grown when the first filter is asked
    pub(super) seats: Vec<Seat>,
    pub(super) journal: Journal,
}

/// One filter's place in a transaction.
#[derive(Default)]
pub(super) enum Seat {
    /// not asked yet
    #[default]
    Empty,
    /// asked before, may be asked again
    Taken(Box<dyn Sandbox>),
    /// failed, is not asked again
    Failed,
}

/// Edits made at the stage headers, to be made again on the whole message.
#[derive(Default)]
pub(super) struct Journal {
    /// the section they were made on; none without edits, for it may be large
    pub(super) seen: Option<Arc<Message>>,
    pub(super) edits: Vec<Edit>,
}

impl Judge {
    /// For a new connection on a listener.
    pub fn new(chain: Arc<Chain>, listener: &str) -> Self {
        Self {
            wanted: chain.stages(listener),
            chain,
            accepted: StageSet::default(),
            mark: Mark::default(),
            book: Book::default(),
            score: Score::default(),
            hello_score: Score::default(),
            pace_limit: PACE_LIMIT,
            pace_left: PACE_SESSION_LIMIT,
            transaction: None,
        }
    }

    /// Other than [`PACE_LIMIT`].
    #[must_use]
    pub fn with_pace_limit(mut self, limit: Duration) -> Self {
        self.pace_limit = limit;
        self
    }

    /// Is there anything to be decided at this stage: a filter to ask, or at message a mark or an edit to carry out?
    /// Always true for mail, which opens the transaction.
    pub fn asks(&self, stage: Stage) -> bool {
        let Some(transaction) = &self.transaction else {
            return stage == Stage::Mail || self.is_asked(stage);
        };
        let carried = self.mark.is_set()
            || transaction.mark.is_set()
            || !transaction.journal.edits.is_empty();
        match stage {
            Stage::Mail => true,
            Stage::Message if carried => true,
            _ => self.is_asked(stage),
        }
    }

    /// Points of this transaction so far, or of the connection before one.
    pub fn score(&self) -> Score {
        match &self.transaction {
            Some(transaction) => transaction.score.clone(),
            None => self.score.join(&self.hello_score),
        }
    }

    /// Before the greeting. `Refuse`: greet with it and take nothing but QUIT; `Close`: say it and close.
    pub async fn connect(&mut self, session: &Arc<Session>) -> Decision {
        self.connection_stage(session, Ask::Connect).await
    }

    /// HELO or EHLO; a refusal holds for the rest of the session.
    pub async fn hello(&mut self, session: &Arc<Session>, name: &str) -> Decision {
        // The client chooses the name: what it won with another one is gone, what it lost is not.
        self.accepted.remove(Stage::Hello);
        self.hello_score = Score::default();
        if !self.is_asked(Stage::Hello) {
            return Decision::pass();
        }
        self.connection_stage(session, Ask::Hello(name.to_owned()))
            .await
    }

    /// AUTH, before it is relayed. `mechanism` in upper case, `name` where its first message shows it.
    pub async fn auth(
        &mut self,
        session: &Arc<Session>,
        mechanism: &str,
        name: Option<&str>,
    ) -> Decision {
        if !self.is_asked(Stage::Auth) {
            return Decision::pass();
        }
        let ask = Ask::Auth {
            mechanism: mechanism.to_owned(),
            name: name.map(str::to_owned),
        };
        self.connection_stage(session, ask).await
    }

    /// MAIL: opens the transaction on the newest generation. Without `Pass` there is no transaction.
    pub async fn mail(
        &mut self,
        chain: Arc<Chain>,
        session: &Arc<Session>,
        path: &Path,
    ) -> Decision {
        self.reset();
        self.transaction = Some(Transaction {
            wanted: chain.stages(&session.listener),
            chain,
            accepted: false,
            mark: Mark::default(),
            score: self.score(),
            seats: Vec::new(),
            journal: Journal::default(),
        });
        if !self.is_asked(Stage::Mail) {
            return Decision::pass();
        }
        let envelope = Arc::new(Envelope {
            sender: Some(path.clone()),
            recipients: Vec::new(),
        });
        let facts = Facts::of_transaction(session, &envelope, None);
        let decision = Round::new(self, Ask::Mail(path.clone()), facts).run().await;
        if decision.action != Action::Pass {
            self.reset();
        }
        decision
    }

    /// RCPT: about this recipient; `envelope` has those accepted before it.
    pub async fn rcpt(
        &mut self,
        session: &Arc<Session>,
        envelope: &Arc<Envelope>,
        path: &Path,
    ) -> Decision {
        if !self.is_asked(Stage::Rcpt) {
            return Decision::pass();
        }
        let facts = Facts::of_transaction(session, envelope, None);
        Round::new(self, Ask::Rcpt(path.clone()), facts).run().await
    }

    /// The header section is complete (`message` has no body). A refusal is held by the caller and answered after the
    /// dot; [`message`](Self::message) is not called then.
    pub async fn headers(
        &mut self,
        session: &Arc<Session>,
        envelope: &Arc<Envelope>,
        message: &Arc<Message>,
    ) -> Decision {
        if !self.is_asked(Stage::Headers) {
            return Decision::pass();
        }
        let facts = Facts::of_transaction(session, envelope, Some(message.clone()));
        Round::new(self, Ask::Headers, facts).run().await
    }

    /// The end of data, `message` as it was received. Gives it back as edited. To be called also when no filter is
    /// asked at this stage, unless [`asks`](Self::asks) says no: marks and edits of earlier stages are carried out here.
    pub async fn message(
        &mut self,
        session: &Arc<Session>,
        envelope: &Arc<Envelope>,
        message: Arc<Message>,
    ) -> (Decision, Arc<Message>) {
        if !self.asks(Stage::Message) {
            return (Decision::pass(), message);
        }
        let message = self.carry_edits(message);
        let facts = Facts::of_transaction(session, envelope, Some(message));
        Round::new(self, Ask::Message, facts).run_on_message().await
    }

    /// The transaction is gone without an end of data.
    pub fn reset(&mut self) {
        self.transaction = None;
        self.book.end_transaction();
    }

    /// The transaction ended with this reply. The observation is to be spawned; nobody waits for it.
    pub fn finish(
        &mut self,
        session: &Arc<Session>,
        envelope: &Arc<Envelope>,
        outcome: Outcome,
    ) -> Option<Observation> {
        let transaction = self
            .transaction
            .take()
            .filter(|t| t.wanted.contains(Stage::Outcome));
        let observation = transaction.and_then(|transaction| {
            let facts = Facts::of_transaction(session, envelope, None);
            let question = facts.question(
                Ask::Outcome(outcome).into(),
                transaction.score.clone(),
                self.book.view(),
            );
            observe::outcome(transaction, question)
        });
        self.book.end_transaction();
        observation
    }

    /// The connection is gone, for this reason. The observation is to be spawned.
    pub fn disconnect(mut self, session: &Arc<Session>, reason: &str) -> Option<Observation> {
        self.reset();
        if !self.wanted.contains(Stage::Disconnect) {
            return None;
        }
        let facts = Facts::of_connection(session);
        let question = facts.question(
            Ask::Disconnect(reason.to_owned()).into(),
            self.score(),
            self.book.view(),
        );
        observe::disconnect(&self.chain, question)
    }

    async fn connection_stage(&mut self, session: &Arc<Session>, ask: Ask) -> Decision {
        if !self.is_asked(ask.stage()) {
            return Decision::pass();
        }
        Round::new(self, ask, Facts::of_connection(session))
            .run()
            .await
    }

    /// Is any filter subscribed, and no accept in force?
    pub(super) fn is_asked(&self, stage: Stage) -> bool {
        if !self.accepted.is_empty() {
            return false;
        }
        match (&self.transaction, stage) {
            (_, Stage::Connect | Stage::Hello | Stage::Auth) => self.wanted.contains(stage),
            (Some(transaction), _) => transaction.wanted.contains(stage) && !transaction.accepted,
            (None, _) => false,
        }
    }

    /// Makes the edits of the stage headers again. They count positions in the section they were made on, so they fit
    /// no other.
    fn carry_edits(&mut self, message: Arc<Message>) -> Arc<Message> {
        let Some(transaction) = &mut self.transaction else {
            return message;
        };
        let journal = mem::take(&mut transaction.journal);
        let Some(seen) = journal.seen.filter(|_| !journal.edits.is_empty()) else {
            return message;
        };
        let edited = Some(&message).filter(|message| message.same_header(&seen));
        match edited.and_then(|message| message.apply(&journal.edits).ok()) {
            Some(edited) => Arc::new(edited),
            None => {
                tracing::error!(
                    edits = journal.edits.len(),
                    "edits of the stage headers do not fit the message: dropped"
                );
                message
            }
        }
    }
}
