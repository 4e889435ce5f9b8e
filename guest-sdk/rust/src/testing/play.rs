//! Asks a filter as the host does.

use super::report::Report;
use super::state::{self, Stage, World};
use super::transaction::Transaction;
use crate::{Filter, Verdict, config};

/// One session with one transaction.
pub fn session<F: Filter>(transaction: &Transaction, config: &str) -> Report {
    let mut play = Play::<F>::begin(transaction, config);
    if play.reaches_mail(transaction) && play.envelope(transaction) {
        play.content(transaction);
    }
    let world = state::replace(None).expect("in place since `begin`");
    Report::new(play.verdicts, world)
}

struct Play<'a, F> {
    config: &'a str,
    filter: F,
    verdicts: Vec<(&'static str, Verdict)>,
}

impl<'a, F: Filter> Play<'a, F> {
    fn begin(transaction: &Transaction, config: &'a str) -> Self {
        state::replace(Some(World::new(transaction.facts.clone())));
        Self {
            config,
            filter: configured(config),
            verdicts: Vec::new(),
        }
    }

    /// `connect` and `hello`, each with a copy of its own.
    fn reaches_mail(&mut self, transaction: &Transaction) -> bool {
        if !self.ask(Stage::Connect, F::connect) {
            return false;
        }
        self.fresh();
        let name = transaction.facts.greeting.as_str();
        state::with(|world| world.hello = Some(name.to_owned()));
        let goes_on = self.ask(Stage::Hello, |filter| filter.hello(name));
        self.fresh();
        goes_on
    }

    fn envelope(&mut self, transaction: &Transaction) -> bool {
        let sender = &transaction.sender;
        state::with(|world| world.sender = Some(sender.clone()));
        if !self.ask(Stage::Mail, |filter| filter.mail(sender)) {
            return false;
        }
        let usual = ["recipient@example.org".into()];
        let recipients = match transaction.recipients.as_slice() {
            [] => &usual,
            said => said,
        };
        for recipient in recipients {
            if self.ask(Stage::Rcpt, |filter| filter.rcpt(recipient)) {
                state::with(|world| world.recipients.push(recipient.clone()));
            }
        }
        state::with(|world| !world.recipients.is_empty())
    }

    fn content(&mut self, transaction: &Transaction) {
        let Some(message) = &transaction.message else {
            return;
        };
        state::with(|world| world.message = Some(message.clone()));
        if self.ask(Stage::Headers, F::headers) {
            self.ask(Stage::Message, F::message);
        }
    }

    fn fresh(&mut self) {
        state::with(|world| world.stage = Stage::Configure);
        self.filter = configured(self.config);
    }

    /// Whether the session goes on.
    fn ask(&mut self, stage: Stage, method: impl FnOnce(&mut F) -> Verdict) -> bool {
        state::with(|world| world.stage = stage);
        let verdict = method(&mut self.filter);
        state::with(|world| {
            if let Some(edited) = world.edited.take() {
                world.message = Some(edited);
            }
        });
        let goes_on = verdict.reply().is_none();
        self.verdicts.push((stage.name(), verdict));
        goes_on
    }
}

fn configured<F: Filter>(config: &str) -> F {
    let filter = config::read(config).and_then(F::configure);
    filter.unwrap_or_else(|problem| panic!("configure refused: {problem}"))
}
