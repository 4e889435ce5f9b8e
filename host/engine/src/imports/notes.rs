//! `notes`: short facts for later stages and later filters.

use std::collections::BTreeSet;

use lazaret_mail::{NOTE_LIMIT, Scope, Stage};

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
        if self.effects.notes.len() >= self.limits.notes || self.are_full(&key) {
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
    /// Would a note of this key be one more than a connection has? What this call has written is not in its view yet.
    fn are_full(&self, key: &str) -> bool {
        let Some(question) = &self.question else {
            return false;
        };
        let (view, own) = (&question.notes.0, &self.effects.notes);
        if view.len() + own.len() < NOTE_LIMIT {
            return false;
        }
        let is_new = |key: &str| !view.contains_key(&(self.filter.to_string(), key.to_owned()));
        let new: BTreeSet<&str> = own.iter().map(|(_, key, _)| key.as_str()).collect();
        let more = new.iter().filter(|key| is_new(key)).count();
        !new.contains(key) && is_new(key) && view.len() + more >= NOTE_LIMIT
    }

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
    use lazaret_mail::{Ask, NOTE_LIMIT, Notes};
    use std::sync::Arc;

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

    /// Else the chain would drop what the filter believes to be written.
    #[test]
    fn a_connection_has_so_many_notes() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        let notes = (1..NOTE_LIMIT).map(|n| (("other".into(), n.to_string()), String::new()));
        ctx.question.as_mut().unwrap().notes = Arc::new(Notes(notes.collect()));
        for key in ["last", "last"] {
            ctx.set(Transaction, key.into(), "v".into()).unwrap();
        }
        let more = ctx.set(Transaction, "more".into(), "v".into());
        assert_eq!(told(more), Error::Limit);
        ctx.set(Connection, "last".into(), "v".into()).unwrap();
    }

    #[test]
    fn a_flood_of_notes_has_a_limit() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        let refused = (0..100).find_map(|_| ctx.set(Transaction, "k".into(), "v".into()).err());
        assert_eq!(told(Err::<(), _>(refused.unwrap())), Error::Limit);
    }
}
