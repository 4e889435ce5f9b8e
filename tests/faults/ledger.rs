//! Who was told what about each message, and what the backend has: nothing may be lost, doubled, or there without a promise.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Delivery;

/// What a client was told about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// 250 after the dot
    Accepted,
    /// another code, at whatever command
    Refused(u16),
    /// the connection ended after the dot, before a reply
    Unknown,
    /// the connection ended in a session, before the dot was sent
    Cut,
    /// there was no connection: it was refused, or reset before a greeting, as the system does with those that wait
    /// where nobody listens any more
    NoConnection,
}

impl Told {
    /// A 4xx reply: the client is to come back later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Told::Refused(400..=499))
    }

    /// A 5xx reply: the client is to give up.
    pub fn is_permanent(self) -> bool {
        matches!(self, Told::Refused(500..=599))
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Told::Accepted => f.write_str("250"),
            Told::Refused(code) => write!(f, "{code}"),
            Told::Unknown => f.write_str("no reply"),
            Told::Cut => f.write_str("cut off"),
            Told::NoConnection => f.write_str("no connection"),
        }
    }
}

/// Every message by its token, with what was said at each attempt to send it.
#[derive(Debug, Default)]
pub struct Ledger {
    told: BTreeMap<String, Vec<Told>>,
    answered: Vec<Duration>,
}

/// How often something was said.
pub type Tally = BTreeMap<Told, usize>;

impl Ledger {
    /// One more attempt.
    pub fn enter(&mut self, token: &str, told: Told) {
        self.told.entry(token.to_owned()).or_default().push(told);
    }

    /// A message was accepted so long after its dot.
    pub fn accepted_after(&mut self, span: Duration) {
        self.answered.push(span);
    }

    /// How long those that were timed waited for their reply, from the dot on.
    pub fn answered(&self) -> Vec<Duration> {
        self.answered.clone()
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What was said at last about the messages whose token begins with `prefix`.
    pub fn tally(&self, prefix: &str) -> Tally {
        let mut tally = Tally::new();
        let of_prefix = self
            .told
            .iter()
            .filter(|(token, _)| token.starts_with(prefix));
        for told in of_prefix.filter_map(|(_, told)| told.last()) {
            *tally.entry(*told).or_default() += 1;
        }
        tally
    }

    /// The messages about which nothing is known.
    pub fn unknown(&self) -> Vec<String> {
        let unknown = |told: &[Told]| {
            matches!(
                told.last(),
                Some(Told::Unknown | Told::Cut | Told::NoConnection)
            )
        };
        let tokens = self.told.iter().filter(|(_, told)| unknown(told));
        tokens.map(|(token, _)| token.clone()).collect()
    }

    /// The books closed: what was told against what the backend has.
    pub fn balance(&self, stored: &[Delivery]) -> Balance {
        let mut copies: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        let mut balance = Balance::default();
        for delivery in stored {
            match super::letter::token_of(&delivery.octets) {
                Some(token) if self.told.contains_key(token) => {
                    copies.entry(token).or_default().push(delivery.silent);
                }
                _ => balance.foreign.push(excerpt(&delivery.octets)),
            }
        }
        for (token, told) in &self.told {
            let copies = copies.get(token.as_str()).map_or(&[][..], Vec::as_slice);
            balance.message(token, told, copies);
        }
        balance
    }
}

fn excerpt(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.chars().take(120).collect()
}

/// What came of all messages of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// N
    pub sent: usize,
    /// A: 250 was heard
    pub accepted: usize,
    /// R: something else was heard
    pub refused: usize,
    /// U: nothing was heard
    pub unknown: usize,
    /// S: messages that the backend has
    pub stored: usize,
    /// refused, but the backend took it without saying so (RFC 1047)
    pub silent: usize,
    /// accepted, and the backend has none
    pub lost: Vec<String>,
    /// the backend has more than one
    pub doubled: Vec<String>,
    /// refused or never finished, and the backend has it
    pub ghosts: Vec<String>,
    /// the backend has what nobody sent, or not as it was sent
    pub foreign: Vec<String>,
}

impl Balance {
    /// `copies` are those at the backend: was each taken in silence?
    fn message(&mut self, token: &str, told: &[Told], copies: &[bool]) {
        self.sent += 1;
        self.stored += usize::from(!copies.is_empty());
        let silent = copies.iter().any(|silent| *silent);
        let name = || token.to_owned();
        // A client that heard nothing sends again, and both may arrive.
        let may_be_there = |told: &&Told| matches!(told, Told::Accepted | Told::Unknown);
        let attempts = told.iter().filter(may_be_there).count();
        self.doubled
            .extend((copies.len() > attempts.max(1)).then(name));
        if told.contains(&Told::Accepted) {
            self.accepted += 1;
            self.lost.extend(copies.is_empty().then(name));
        } else if told.contains(&Told::Unknown) {
            self.unknown += 1;
        } else {
            match told.last() {
                Some(Told::Cut | Told::NoConnection) => self.unknown += 1,
                _ => self.refused += 1,
            }
            self.silent += usize::from(silent);
            self.ghosts
                .extend((!copies.is_empty() && !silent).then(name));
        }
    }

    /// What is wrong, in words.
    pub fn faults(&self) -> Vec<String> {
        let lists = [
            ("lost", &self.lost),
            ("delivered twice", &self.doubled),
            ("refused, and delivered", &self.ghosts),
            ("not what was sent", &self.foreign),
        ];
        let mut faults: Vec<String> = lists
            .iter()
            .filter(|(_, tokens)| !tokens.is_empty())
            .map(|(what, tokens)| format!("{} {what}, e.g. {}", tokens.len(), tokens[0]))
            .collect();
        if self.sent != self.accepted + self.refused + self.unknown {
            faults.push("the books do not add up".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::faults::letter::Letter;

    fn copy(token: &str, silent: bool) -> Delivery {
        Delivery {
            envelope: Vec::new(),
            octets: [
                b"Received: by us\r\n",
                &Letter::new(token, "a@example.com", 300).octets[..],
            ]
            .concat(),
            silent,
        }
    }

    fn faults(told: &[Told], stored: &[Delivery]) -> Vec<String> {
        let mut ledger = Ledger::default();
        told.iter().for_each(|told| ledger.enter("m.300", *told));
        ledger.balance(stored).faults()
    }

    #[test]
    fn what_is_right() {
        let (loud, silent) = (copy("m.300", false), copy("m.300", true));
        let right: [(&[Told], &[Delivery]); 8] = [
            (&[Told::Accepted], from_ref(&loud)),
            (&[Told::Refused(451)], &[]),
            (&[Told::Refused(451)], &[silent]),
            (&[Told::Cut], &[]),
            (&[Told::NoConnection], &[]),
            (&[Told::Unknown], &[]),
            (&[Told::Unknown], from_ref(&loud)),
            (
                &[Told::Unknown, Told::Accepted],
                &[loud.clone(), loud.clone()],
            ),
        ];
        for (told, stored) in right {
            assert_eq!(faults(told, stored), [""; 0], "{told:?}");
        }
    }

    #[test]
    fn each_wrong_is_seen() {
        let loud = copy("m.300", false);
        let mut changed = loud.clone();
        changed.octets.extend(b"more\r\n");
        let wrong: [(&[Told], &[Delivery], &str); 6] = [
            (&[Told::Accepted], &[], "1 lost, e.g. m.300"),
            (
                &[Told::Accepted],
                &[loud.clone(), loud.clone()],
                "1 delivered twice, e.g. m.300",
            ),
            (
                &[Told::Unknown],
                &[loud.clone(), loud.clone()],
                "1 delivered twice, e.g. m.300",
            ),
            (
                &[Told::Refused(550)],
                from_ref(&loud),
                "1 refused, and delivered, e.g. m.300",
            ),
            (
                &[Told::Cut],
                from_ref(&loud),
                "1 refused, and delivered, e.g. m.300",
            ),
            (
                &[Told::Refused(550)],
                &[changed],
                "1 not what was sent, e.g. Received: by us",
            ),
        ];
        for (told, stored, words) in wrong {
            let said = faults(told, stored);
            assert!(
                said.len() == 1 && said[0].starts_with(words),
                "{told:?}: {said:?}"
            );
        }
    }
}
