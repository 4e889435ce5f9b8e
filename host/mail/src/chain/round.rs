//! One stage: every filter that is asked at it, in order.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use super::gate::Closed;
use super::judge::{Judge, Seat, Transaction};
use super::mark::Mark;
use super::reply::{self, Occasion};
use super::table::{self, Cell};
use super::together::{self, Taken, Turn};
use super::{Action, Chain, Decision, Keep, Member, Record, Said, Weight};
use crate::message::EditFault;
use crate::{
    Answer, Ask, Clues, Effects, Envelope, Failure, FailureKind, Message, Mode, Notes, OnFailure,
    Points, Question, Sandbox, Scope, Score, Session, Stage, Verdict, VerdictKind,
};

/// Longest reason of a quarantine, in characters.
const REASON_LIMIT: usize = 400;

/// A filter, and where it stands in the chain.
type Place<'c> = (usize, &'c Member);

/// What a filter may look at.
#[derive(Clone)]
pub(super) struct Facts {
    session: Arc<Session>,
    envelope: Option<Arc<Envelope>>,
    /// as edited so far
    message: Option<Arc<Message>>,
}

impl Facts {
    pub(super) fn of_connection(session: &Arc<Session>) -> Self {
        Self {
            session: session.clone(),
            envelope: None,
            message: None,
        }
    }

    pub(super) fn of_transaction(
        session: &Arc<Session>,
        envelope: &Arc<Envelope>,
        message: Option<Arc<Message>>,
    ) -> Self {
        Self {
            session: session.clone(),
            envelope: Some(envelope.clone()),
            message,
        }
    }

    pub(super) fn question(&self, ask: Arc<Ask>, score: Score, notes: Arc<Notes>) -> Question {
        Question {
            ask,
            session: self.session.clone(),
            envelope: self.envelope.clone(),
            message: self.message.clone(),
            score,
            notes,
        }
    }
}

pub(super) struct Round<'j> {
    judge: &'j mut Judge,
    /// until it is run
    chain: Option<Arc<Chain>>,
    stage: Stage,
    ask: Arc<Ask>,
    facts: Facts,
    /// of this recipient
    recipient: Mark,
    decision: Decision,
}

impl<'j> Round<'j> {
    pub(super) fn new(judge: &'j mut Judge, ask: Ask, facts: Facts) -> Self {
        let stage = ask.stage();
        let transaction = judge.transaction.as_ref().filter(|_| !of_connection(stage));
        Self {
            chain: Some(Arc::clone(
                transaction.map_or(&judge.chain, |transaction| &transaction.chain),
            )),
            judge,
            stage,
            ask: Arc::new(ask),
            facts,
            recipient: Mark::default(),
            decision: Decision::pass(),
        }
    }

    pub(super) async fn run(self) -> Decision {
        self.visit_all().await.decide()
    }

    /// At the stage message: the message comes back as edited.
    pub(super) async fn run_on_message(self) -> (Decision, Arc<Message>) {
        let round = self.visit_all().await;
        let message = round.facts.message.clone();
        (round.decide(), message.expect("the stage message has one"))
    }

    async fn visit_all(mut self) -> Self {
        if !self.judge.is_asked(self.stage) {
            return self;
        }
        let chain = self.chain.take().expect("a round is run once");
        let (stage, listener) = (self.stage, &self.facts.session.listener);
        let members = chain.members.iter().enumerate();
        let asked: Vec<_> = members
            .filter(|(_, member)| member.is_asked(stage, listener))
            .collect();
        let together = |(_, one): &Place<'_>, (_, other): &Place<'_>| {
            stage == Stage::Message && one.scans() && other.scans()
        };
        for group in asked.chunk_by(together) {
            let flow = match group {
                [(position, member)] => self.visit(*position, member).await,
                group => self.visit_together(group).await,
            };
            if flow.is_break() {
                break;
            }
        }
        self
    }

    async fn visit(&mut self, position: usize, member: &Member) -> ControlFlow<()> {
        let turn = self.turn(position, member);
        let taken = together::ask(turn, member, self.stage, self.question()).await;
        self.conclude(position, member, taken)
    }

    /// All see what was before the first of them. Answers are taken in their order, and none after the one that ends the
    /// stage: those that come later might as well not have been asked.
    async fn visit_together(&mut self, group: &[Place<'_>]) -> ControlFlow<()> {
        let turns = group
            .iter()
            .map(|(position, member)| (self.turn(*position, member), *member));
        let turns = turns.collect();
        let taken = together::ask_all(turns, self.stage, &self.question()).await;
        let mut flow = Continue(());
        for ((position, member), taken) in group.iter().zip(taken) {
            if flow.is_continue() {
                flow = self.conclude(*position, member, taken);
                continue;
            }
            match taken {
                Taken::Came(sandbox, _, came) => self.seat_after(*position, sandbox, &came),
                Taken::Closed(sandbox, Closed::Crowded) => {
                    self.seat(*position, Seat::Taken(sandbox));
                }
                Taken::Closed(_, Closed::Suspended) => self.seat(*position, Seat::Failed),
                Taken::Unscanned(_) | Taken::FailedEarlier => {}
            }
        }
        flow
    }

    fn turn(&mut self, position: usize, member: &Member) -> Turn {
        let limit = member.filter.policy().max_message;
        if let Some(said) = self.oversize(limit) {
            return Turn::Unscanned(said);
        }
        match self.sandbox(position, member) {
            Some(sandbox) => Turn::Ask(sandbox),
            None => Turn::FailedEarlier,
        }
    }

    fn conclude(&mut self, position: usize, member: &Member, taken: Taken) -> ControlFlow<()> {
        let (sandbox, wall, came) = match taken {
            Taken::Unscanned(said) => {
                member.place.count_unscanned();
                self.decision.records.push(self.record(member, said));
                return Continue(());
            }
            Taken::FailedEarlier => {
                let policy = member.filter.policy();
                let record = self.record(member, Said::FailedEarlier(policy.on_failure));
                return self.on_failure(member, record);
            }
            Taken::Closed(sandbox, closed) => {
                return self.not_asked(position, member, sandbox, closed);
            }
            Taken::Came(sandbox, wall, came) => (sandbox, wall, came),
        };
        self.seat_after(position, sandbox, &came);
        let flow = match came {
            Ok(answer) => self.answered(member, answer),
            Err(failure) if failure.kind == FailureKind::Busy => self.busy(member, failure),
            Err(failure) => self.failed(member, failure),
        };
        if let Some(record) = self.decision.records.last_mut() {
            record.wall = wall;
        }
        flow
    }

    fn seat_after(
        &mut self,
        position: usize,
        sandbox: Box<dyn Sandbox>,
        came: &Result<Answer, Failure>,
    ) {
        let seat = match came {
            Err(failure) if failure.kind != FailureKind::Busy => Seat::Failed,
            _ => Seat::Taken(sandbox),
        };
        self.seat(position, seat);
    }

    /// One that missed a question is not asked again in this transaction: it would judge what it has not seen whole.
    fn not_asked(
        &mut self,
        position: usize,
        member: &Member,
        sandbox: Box<dyn Sandbox>,
        closed: Closed,
    ) -> ControlFlow<()> {
        let failure = |kind, detail| Failure {
            filter: member.name.to_string(),
            stage: self.stage,
            kind,
            cpu: Duration::ZERO,
            clues: Box::new(Clues {
                detail,
                ..Clues::default()
            }),
        };
        match closed {
            Closed::Crowded => {
                let most = member.filter.policy().concurrency;
                let detail = format!("`concurrency` of {most} is reached");
                let failure = failure(FailureKind::Busy, Some(detail));
                self.seat(position, Seat::Taken(sandbox));
                self.busy(member, failure)
            }
            Closed::Suspended => {
                let failure = failure(FailureKind::Suspended, None);
                self.seat(position, Seat::Failed);
                let record = self.record(member, Said::Failed(failure.into()));
                self.on_failure(member, record)
            }
        }
    }

    fn oversize(&self, limit: u64) -> Option<Said> {
        let size = self.facts.message.as_ref()?.received_size();
        (size > limit).then_some(Said::Unscanned { size, limit })
    }

    fn question(&mut self) -> Question {
        let notes = self.judge.book.view();
        self.facts
            .question(self.ask.clone(), self.judge.score(), notes)
    }

    /// That of the transaction, or a fresh one; `None` after a failure. It is out of its seat while it is asked: if
    /// nobody waits for the answer any more, it is gone.
    fn sandbox(&mut self, position: usize, member: &Member) -> Option<Box<dyn Sandbox>> {
        let seat = self.seats().and_then(|seats| seats.get_mut(position));
        match seat.map(std::mem::take) {
            Some(Seat::Taken(sandbox)) => Some(sandbox),
            Some(Seat::Failed) => {
                self.seat(position, Seat::Failed);
                None
            }
            Some(Seat::Empty) | None => Some(member.filter.fork()),
        }
    }

    fn seat(&mut self, position: usize, seat: Seat) {
        if let Some(seats) = self.seats() {
            if seats.len() <= position {
                seats.resize_with(position + 1, Seat::default);
            }
            seats[position] = seat;
        }
    }

    fn seats(&mut self) -> Option<&mut Vec<Seat>> {
        self.transaction().map(|transaction| &mut transaction.seats)
    }

    /// Connection stages have none, whether one is open or not.
    fn transaction(&mut self) -> Option<&mut Transaction> {
        let transaction = self.judge.transaction.as_mut();
        transaction.filter(|_| !of_connection(self.stage))
    }

    fn answered(&mut self, member: &Member, answer: Answer) -> ControlFlow<()> {
        let Answer { verdict, effects } = answer;
        let mut record = self.record(member, Said::Verdict(verdict.clone()));
        record.cpu = effects.cpu;
        record.memory = effects.memory;
        record.dropped = effects.dropped;
        record.pace = effects.pace;
        record.weight = self.weigh(member, record.mode, verdict.kind());
        let flow = match record.weight {
            Weight::Observed => {
                (record.edits, record.scores) = (effects.edits, effects.scores);
                Continue(())
            }
            Weight::Counted => {
                self.take(member, effects, &mut record);
                self.follow(member, verdict, &mut record)
            }
            Weight::NotGranted | Weight::NotAllowed => {
                self.take(member, effects, &mut record);
                let (verdict, why) = (verdict.kind(), record.weight);
                tracing::warn!(filter = %member.name, stage = %self.stage, %verdict, "verdict {why}: taken as continue");
                Continue(())
            }
        };
        self.decision.records.push(record);
        flow
    }

    fn weigh(&self, member: &Member, mode: Mode, verdict: VerdictKind) -> Weight {
        let policy = member.filter.policy();
        if mode != Mode::Enforce {
            Weight::Observed
        } else if table::cell(self.stage, verdict) == Cell::NotAllowed {
            Weight::NotAllowed
        } else if !policy.verdicts.allow(verdict) {
            Weight::NotGranted
        } else {
            Weight::Counted
        }
    }

    /// Carries out what a filter did besides its verdict.
    fn take(&mut self, member: &Member, effects: Effects, record: &mut Record) {
        self.hold(effects.pace);
        for (scope, key, value) in effects.notes {
            let scope = if of_connection(self.stage) {
                Scope::Connection
            } else {
                scope
            };
            let written = self.judge.book.write(&member.name, scope, key, value);
            record.dropped += u32::from(!written);
        }
        for (symbol, points, why) in &effects.scores {
            self.add_points(Points {
                filter: member.name.clone(),
                symbol: symbol.clone(),
                points: *points,
                why: why.clone(),
            });
        }
        record.scores = effects.scores;
        record.edit_fault = self.edit(&effects.edits, member).err();
        record.edits = effects.edits;
    }

    fn hold(&mut self, pace: Duration) {
        let stage_left = self.judge.pace_limit.saturating_sub(self.decision.pace);
        let pace = pace.min(stage_left).min(self.judge.pace_left);
        self.judge.pace_left -= pace;
        self.decision.pace += pace;
    }

    fn add_points(&mut self, points: Points) {
        let score = match (self.stage, &mut self.judge.transaction) {
            (Stage::Hello, _) => &mut self.judge.hello_score,
            (Stage::Connect | Stage::Auth, _) | (_, None) => &mut self.judge.score,
            (_, Some(transaction)) => &mut transaction.score,
        };
        score.add(points);
    }

    /// All of a filter's edits, or none.
    fn edit(&mut self, edits: &[crate::Edit], member: &Member) -> Result<(), EditFault> {
        if edits.is_empty() {
            return Ok(());
        }
        let seen = self.facts.message.clone().ok_or(EditFault)?;
        let edited = seen.apply(edits).inspect_err(|fault| {
            tracing::warn!(filter = %member.name, stage = %self.stage, "{fault}: dropped");
        })?;
        self.facts.message = Some(Arc::new(edited));
        let headers = self.stage == Stage::Headers;
        if let Some(transaction) = self.transaction().filter(|_| headers) {
            transaction.journal.seen.get_or_insert(seen);
            transaction.journal.edits.extend_from_slice(edits);
        }
        Ok(())
    }

    fn follow(
        &mut self,
        member: &Member,
        verdict: Verdict,
        record: &mut Record,
    ) -> ControlFlow<()> {
        let kind = verdict.kind();
        match (table::cell(self.stage, kind), verdict) {
            (Cell::Refuse(default), Verdict::Reject(hint) | Verdict::Defer(hint)) => {
                let built = reply::build(self.occasion(kind), default, &hint);
                record.replaced = built.replaced;
                self.end(member, Action::Refuse(built.reply))
            }
            (
                Cell::Close(default),
                Verdict::Reject(hint) | Verdict::Defer(hint) | Verdict::Disconnect(hint),
            ) => {
                let built = reply::build(self.occasion(kind), default, &hint);
                record.replaced = built.replaced;
                self.end(member, Action::Close(built.reply))
            }
            (Cell::Mark, Verdict::Quarantine(reason)) => {
                self.mark(member, Keep::Quarantine(presentable(&reason)))
            }
            (Cell::Mark, Verdict::Discard) => self.mark(member, Keep::Discard),
            (Cell::Accept, _) => self.accept(),
            _ => Continue(()),
        }
    }

    fn failed(&mut self, member: &Member, failure: Failure) -> ControlFlow<()> {
        log_failure(member, &failure);
        let mut record = self.record(member, Said::Failed(failure.clone().into()));
        record.cpu = failure.cpu;
        self.on_failure(member, record)
    }

    /// We have no place for its sandbox: ours to answer, whatever its `on-failure` says. Under `skip` mail would pass
    /// unseen whenever somebody makes us busy.
    fn busy(&mut self, member: &Member, failure: Failure) -> ControlFlow<()> {
        log_failure(member, &failure);
        let record = self.record(member, Said::Failed(failure.into()));
        let counts = record.weight == Weight::Counted;
        self.decision.records.push(record);
        let occasion = self.occasion(VerdictKind::Defer);
        self.decision.action = match table::cell(self.stage, VerdictKind::Defer) {
            _ if !counts => return Continue(()),
            Cell::Refuse(default) => Action::Refuse(reply::busy(occasion, default)),
            Cell::Close(default) => Action::Close(reply::busy(occasion, default)),
            _ => return Continue(()),
        };
        Break(())
    }

    fn on_failure(&mut self, member: &Member, record: Record) -> ControlFlow<()> {
        let policy = member.filter.policy();
        let counts = record.weight == Weight::Counted;
        self.decision.records.push(record);
        match policy.on_failure {
            _ if !counts => Continue(()),
            OnFailure::Skip => Continue(()),
            OnFailure::Defer => self.fail_with(member, VerdictKind::Defer),
            OnFailure::Reject => self.fail_with(member, VerdictKind::Reject),
            OnFailure::Quarantine => {
                let reason = format!("filter {} failed", member.name);
                self.wide_mark().add(Keep::Quarantine(reason), &member.name);
                Continue(())
            }
        }
    }

    fn fail_with(&mut self, member: &Member, verdict: VerdictKind) -> ControlFlow<()> {
        let occasion = self.occasion(verdict);
        match table::cell(self.stage, verdict) {
            Cell::Refuse(default) => {
                self.end(member, Action::Refuse(reply::failure(occasion, default)))
            }
            Cell::Close(default) => {
                self.end(member, Action::Close(reply::failure(occasion, default)))
            }
            Cell::Next | Cell::Accept | Cell::Mark | Cell::NotAllowed => Continue(()),
        }
    }

    fn end(&mut self, member: &Member, action: Action) -> ControlFlow<()> {
        self.decision.action = action;
        self.decision.by = Some(member.name.clone());
        Break(())
    }

    /// Does not end the stage: later filters may still refuse.
    fn mark(&mut self, member: &Member, keep: Keep) -> ControlFlow<()> {
        match self.stage {
            Stage::Rcpt => self.recipient.add(keep, &member.name),
            _ => self.wide_mark().add(keep, &member.name),
        }
        Continue(())
    }

    /// Of the transaction, or of the session at its stages.
    fn wide_mark(&mut self) -> &mut Mark {
        let connection = of_connection(self.stage);
        match &mut self.judge.transaction {
            Some(transaction) if !connection => &mut transaction.mark,
            _ => &mut self.judge.mark,
        }
    }

    fn accept(&mut self) -> ControlFlow<()> {
        match self.stage {
            Stage::Rcpt => {}
            stage if of_connection(stage) => self.judge.accepted.insert(stage),
            _ => self
                .transaction()
                .into_iter()
                .for_each(|transaction| transaction.accepted = true),
        }
        Break(())
    }

    fn decide(mut self) -> Decision {
        let mark = match (self.stage, &self.judge.transaction) {
            (Stage::Rcpt, _) => self.recipient,
            (Stage::Message, Some(transaction)) => transaction.mark.clone().join(&self.judge.mark),
            _ => Mark::default(),
        };
        if let (Action::Pass, Some((keep, by))) = (&self.decision.action, mark.into_inner()) {
            self.decision.action = Action::Keep(keep);
            self.decision.by = Some(by);
        }
        self.decision
    }

    fn occasion(&self, verdict: VerdictKind) -> Occasion<'_> {
        Occasion {
            stage: self.stage,
            verdict,
            id: &self.facts.session.id,
        }
    }

    fn record(&self, member: &Member, said: Said) -> Record {
        Record::new(member, self.stage, said)
    }
}

impl Record {
    pub(super) fn new(member: &Member, stage: Stage, said: Said) -> Self {
        Self::of(member.name.clone(), stage, member.mode(), said)
    }
}

/// The guest's last words may hold anything: whoever writes the log escapes it.
pub(super) fn log_failure(member: &Member, failure: &Failure) {
    let (why, clues) = (failure.kind.to_string(), &failure.clues);
    let (stderr, backtrace) = (clues.stderr_line(), clues.backtrace_line());
    tracing::warn!(
        filter = %member.name,
        stage = %failure.stage,
        cpu = ?failure.cpu,
        %why,
        detail = clues.detail.as_deref(),
        stderr,
        backtrace,
        "filter failed"
    );
}

/// A reason as it is kept and logged: without what steers a log or a terminal, bounded.
fn presentable(reason: &str) -> String {
    let visible = reason
        .chars()
        .map(|c| if lazaret_smtp::is_unsafe(c) { '?' } else { c });
    visible.take(REASON_LIMIT).collect()
}

fn of_connection(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Connect | Stage::Hello | Stage::Auth | Stage::Disconnect
    )
}
