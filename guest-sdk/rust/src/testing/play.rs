//! Asks a filter as the host does.

use std::ops::ControlFlow::{self, Break, Continue};

use super::report::Report;
use super::state::{self, Spent, Stage, THIS_FILTER, World};
use super::transaction::Transaction;
use crate::{Filter, TransactionResult, Verdict, config};

/// One session with one transaction.
pub fn session<F: Filter>(transaction: &Transaction, config: &str) -> Report {
    let mut play = Play::<F>::begin(transaction, config);
    if play.reaches_mail(transaction).is_continue() && play.envelope(transaction).is_continue() {
        play.content(transaction);
    }
    play.fresh();
    play.tell(Stage::Disconnect, |filter| filter.disconnect("closed"));
    let world = state::replace(None).expect("in place since `begin`");
    Report::new(play.verdicts, world)
}

struct Play<'a, F> {
    config: &'a str,
    filter: F,
    /// at a stage other than rcpt, where it is for that recipient
    accepted: bool,
    verdicts: Vec<(&'static str, Verdict)>,
}

impl<'a, F: Filter> Play<'a, F> {
    fn begin(transaction: &Transaction, config: &'a str) -> Self {
        state::replace(Some(World::new(transaction.facts.clone())));
        Self {
            config,
            filter: configured(config),
            accepted: false,
            verdicts: Vec::new(),
        }
    }

    /// `connect` and `hello`, each with a copy of its own.
    fn reaches_mail(&mut self, transaction: &Transaction) -> ControlFlow<()> {
        self.ask(Stage::Connect, F::connect)?;
        self.fresh();
        let name = transaction.facts.greeting.as_str();
        state::with(|world| world.hello = Some(name.to_owned()));
        let flow = self.ask(Stage::Hello, |filter| filter.hello(name));
        self.fresh();
        flow
    }

    /// Breaks where nobody is left to get a message.
    fn envelope(&mut self, transaction: &Transaction) -> ControlFlow<()> {
        let sender = &transaction.sender;
        state::with(|world| world.sender = Some(sender.clone()));
        self.ask(Stage::Mail, |filter| filter.mail(sender))?;
        let usual = ["recipient@example.org".into()];
        let recipients = match transaction.recipients.as_slice() {
            [] => &usual,
            said => said,
        };
        for recipient in recipients {
            let flow = self.ask(Stage::Rcpt, |filter| filter.rcpt(recipient));
            if flow.is_continue() {
                state::with(|world| world.recipients.push(recipient.clone()));
            } else if self.is_disconnected() {
                return flow;
            }
        }
        match state::with(|world| world.recipients.is_empty()) {
            true => Break(()),
            false => Continue(()),
        }
    }

    fn is_disconnected(&self) -> bool {
        matches!(self.verdicts.last(), Some((_, Verdict::Disconnect(_))))
    }

    fn content(&mut self, transaction: &Transaction) {
        let Some(message) = &transaction.message else {
            return;
        };
        state::with(|world| world.message = Some(message.clone()));
        let mut flow = self.ask(Stage::Headers, F::headers);
        if flow.is_continue() {
            flow = self.ask(Stage::Message, F::message);
        }
        let result = match flow {
            Break(()) => self.refusal(),
            Continue(()) => self.success(),
        };
        self.tell(Stage::Outcome, |filter| filter.outcome(&result));
    }

    /// With the codes that the host puts where the filter chose none.
    fn refusal(&self) -> TransactionResult {
        let (_, verdict) = self.verdicts.last().expect("it refused");
        let reply = verdict.reply().expect("a refusal has one");
        let usual = match verdict {
            Verdict::Reject(_) => 550,
            Verdict::Defer(_) => 451,
            _ => 421,
        };
        TransactionResult {
            code: reply.code.unwrap_or(usual),
            text: reply.text.clone(),
            decided_by: Some(THIS_FILTER.to_owned()),
            queue_id: None,
        }
    }

    /// The backend hears of it, unless all of it is marked.
    fn success(&self) -> TransactionResult {
        let is_mark =
            |verdict: &Verdict| matches!(verdict, Verdict::Quarantine(_) | Verdict::Discard);
        let marks = self.verdicts.iter().filter(|(_, said)| is_mark(said));
        let (of_one, of_all): (Vec<_>, Vec<_>) =
            marks.partition(|(stage, _)| *stage == Stage::Rcpt.name());
        let recipients = state::with(|world| world.recipients.len());
        let kept = !of_all.is_empty() || of_one.len() == recipients;
        TransactionResult {
            code: 250,
            text: "OK".to_owned(),
            decided_by: kept.then(|| THIS_FILTER.to_owned()),
            queue_id: (!kept).then(|| "TEST".to_owned()),
        }
    }

    fn fresh(&mut self) {
        state::with(|world| world.stage = Stage::Configure);
        self.filter = configured(self.config);
    }

    /// An observer, whatever was said.
    fn tell(&mut self, stage: Stage, method: impl FnOnce(&mut F)) {
        begin(stage);
        method(&mut self.filter);
    }

    /// Breaks at a refusal: marks (quarantine, discard) end nothing. After an accept only observers are asked.
    fn ask(&mut self, stage: Stage, method: impl FnOnce(&mut F) -> Verdict) -> ControlFlow<()> {
        if self.accepted {
            return Continue(());
        }
        begin(stage);
        let verdict = method(&mut self.filter);
        state::with(|world| {
            if let Some(edited) = world.edited.take() {
                world.message = Some(edited);
            }
        });
        self.accepted = verdict == Verdict::Accept && stage != Stage::Rcpt;
        let refused = verdict.reply().is_some();
        self.verdicts.push((stage.name(), verdict));
        match refused {
            true => Break(()),
            false => Continue(()),
        }
    }
}

fn begin(stage: Stage) {
    state::with(|world| (world.stage, world.spent) = (stage, Spent::default()));
}

fn configured<F: Filter>(config: &str) -> F {
    let filter = config::read(config).and_then(F::configure);
    filter.unwrap_or_else(|problem| panic!("configure refused: {problem}"))
}
