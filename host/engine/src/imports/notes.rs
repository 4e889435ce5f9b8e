//! `notes`: short facts for later stages and later filters.

use lazaret_mail::{Scope, Stage};

use super::{Ctx, Refusal, is_word};
use crate::bindings::notes::{self, Host};
use crate::bindings::types::Error;

impl Host for Ctx {
    fn set(&mut self, scope: notes::Scope, key: String, value: String) -> Result<(), Refusal> {
        self.charge()?;
        let scope = match (scope, self.stage_now()?) {
            (_, Stage::Outcome | Stage::Disconnect) => return Err(Error::NotNow.into()),
            (notes::Scope::Connection, _) => Scope::Connection,
            (notes::Scope::Transaction, Stage::Connect | Stage::Hello | Stage::Auth) => {
                return Err(Error::NotNow.into());
            }
            (notes::Scope::Transaction, _) => Scope::Transaction,
        };
        if !is_word(&key) || value.len() > self.limits.note {
            return Err(Error::Invalid.into());
        }
        if self.effects.notes.len() >= self.limits.notes {
            return Err(Error::Limit.into());
        }
        self.effects.notes.push((scope, key, value));
        Ok(())
    }

    fn get(&mut self, filter: String, key: String) -> Result<Option<String>, Refusal> {
        self.charge()?;
        let question = self.question.as_ref().ok_or(Error::NotNow)?;
        let own = (filter == *self.filter)
            .then(|| self.set_now(&key))
            .flatten();
        let note = own.map(str::to_owned);
        Ok(note.or_else(|| question.notes.0.get(&(filter, key)).cloned()))
    }
}

impl Ctx {
    /// A note of this very call; a transaction's hides a connection's.
    fn set_now(&self, key: &str) -> Option<&str> {
        let find = |scope: Scope| {
            let mut notes = self.effects.notes.iter().rev();
            notes
                .find(|(s, k, _)| *s == scope && k == key)
                .map(|(_, _, value)| value.as_str())
        };
        find(Scope::Transaction).or_else(|| find(Scope::Connection))
    }
}

#[cfg(test)]
mod tests {
    use super::notes::Scope::{Connection, Transaction};
    use super::{Error, Host};
    use crate::imports::testing::{at, configuring, path, told};
    use lazaret_mail::Ask;

    #[test]
    fn there_is_no_transaction_before_mail() {
        let mut ctx = at(Ask::Connect);
        assert_eq!(
            told(ctx.set(Transaction, "k".into(), "v".into())),
            Error::NotNow
        );
        ctx.set(Connection, "k".into(), "v".into()).unwrap();
        assert_eq!(
            told(configuring().get("f".into(), "k".into())),
            Error::NotNow
        );
    }

    #[test]
    fn own_notes_are_seen_at_once_and_earlier_ones_too() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        assert_eq!(
            ctx.get("other".into(), "seen".into()).unwrap().as_deref(),
            Some("yes")
        );
        assert_eq!(ctx.get("test".into(), "k".into()).unwrap(), None);
        ctx.set(Connection, "k".into(), "wide".into()).unwrap();
        ctx.set(Transaction, "k".into(), "near".into()).unwrap();
        assert_eq!(
            ctx.get("test".into(), "k".into()).unwrap().as_deref(),
            Some("near")
        );
        assert_eq!(ctx.end().notes.len(), 2);
    }

    #[test]
    fn keys_and_values_are_checked() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        assert_eq!(
            told(ctx.set(Transaction, "a b".into(), "v".into())),
            Error::Invalid
        );
        assert_eq!(
            told(ctx.set(Transaction, "k".into(), "v".repeat(1025))),
            Error::Invalid
        );
    }

    #[test]
    fn a_flood_of_notes_has_a_limit() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        let refused = (0..100).find_map(|_| ctx.set(Transaction, "k".into(), "v".into()).err());
        assert_eq!(told(Err::<(), _>(refused.unwrap())), Error::Limit);
    }
}
