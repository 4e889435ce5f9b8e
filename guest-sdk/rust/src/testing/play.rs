//! Asks a filter as the host does.

use std::ops::ControlFlow::{self, Break, Continue};

use super::report::Report;
use super::state::{self, Spent, Stage, World};
use super::transaction::Transaction;
use crate::{Filter, Verdict, config};

/// One session with one transaction.
pub fn session<F: Filter>(transaction: &Transaction, config: &str) -> Report {
    let mut play = Play::<F>::begin(transaction, config);
    if play.reaches_mail(transaction).is_continue() && play.envelope(transaction).is_continue() {
        play.content(transaction);
    }
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
        if self.ask(Stage::Headers, F::headers).is_continue() {
            let _ = self.ask(Stage::Message, F::message);
        }
    }

    fn fresh(&mut self) {
        state::with(|world| world.stage = Stage::Configure);
        self.filter = configured(self.config);
    }

    /// Breaks at a refusal: marks (quarantine, discard) end nothing. After an accept no other stage is asked.
    fn ask(&mut self, stage: Stage, method: impl FnOnce(&mut F) -> Verdict) -> ControlFlow<()> {
        if self.accepted {
            return Continue(());
        }
        state::with(|world| (world.stage, world.spent) = (stage, Spent::default()));
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

fn configured<F: Filter>(config: &str) -> F {
    let filter = config::read(config).and_then(F::configure);
    filter.unwrap_or_else(|problem| panic!("configure refused: {problem}"))
}
