//! What the log says of a transaction: one line with all facts, however it ended. Everything a client, a backend or a filter wrote is
//! escaped, so that no octet of theirs ends a line or steers a terminal.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::time::Duration;

use lazaret_mail::{Decision, Envelope, Field, Keep, Message, Session, Stage};
use lazaret_smtp::{Address, Path, Refusal, Reply, Wanted};

use super::numeric::Peer;
use crate::explain::{By, Ended, Entry, Judgement};

/// Of a text of somebody else.
pub(super) const MOST_CHARACTERS: usize = 500;

/// Recipients, and refused recipients, that are named in a line.
const MOST_NAMED: usize = 10;

/// The one line of a transaction, however it ended.
pub(super) fn transaction(entry: &Entry) {
    let Ended::Transaction(it) = &entry.ended else {
        return;
    };
    let session = &*entry.session;
    let sender = it.envelope.sender.as_ref().map_or("", mailbox);
    tracing::info!(
        session = %session.id,
        transaction = format_args!("{}-{}", session.id, it.number),
        listener = %session.listener,
        client = %Peer(session.client.address),
        ptr = %Escaped(session.client.name.known_by_now().unwrap_or("-")),
        helo = %Escaped(session.hello.as_deref().unwrap_or_default()),
        tls = session.tls.as_ref().map_or("", |tls| tls.version.as_str()),
        from = %Escaped(sender),
        to = %Recipients(&it.envelope),
        recipients = it.envelope.recipients.len(),
        refused = it.refused,
        refusals = %Refusals(&it.judgements),
        size = it.size.unwrap_or(0),
        message_id = %Escaped(it.message_id.as_deref().unwrap_or("-")),
        reply = %OneLine(it.reply.as_ref()),
        by = %Escaped(it.by.word()),
        score = it.score,
        queue_id = %Escaped(it.queue_id.as_deref().unwrap_or("-")),
        backend = it.talk.address.as_deref().unwrap_or("-"),
        edits = it.edits,
        problem = %Escaped(it.problem.as_deref().unwrap_or("-")),
        generation = it.generation,
        mail_ms = milliseconds(it.phases.mail),
        data_ms = milliseconds(it.phases.data),
        content_ms = milliseconds(it.phases.content),
        filters_ms = milliseconds(it.phases.filters),
        backend_ms = milliseconds(it.phases.backend),
        total_ms = milliseconds(it.phases.total),
        "{}",
        it.fate.words()
    );
}

/// One line for each filter that was asked.
pub(super) fn records(session: &Session, decision: &Decision) {
    for record in &decision.records {
        tracing::debug!(
            session = %session.id,
            listener = %session.listener,
            filter = %record.filter,
            stage = record.stage.name(),
            said = record.word(),
            weight = %record.weight,
            cpu_us = u64::try_from(record.cpu.as_micros()).unwrap_or(u64::MAX),
            memory = record.memory,
            dropped = record.dropped,
            record = %Escaped(&record.to_string()),
            "filter"
        );
    }
}

/// One line for a refusal outside of transactions; `of` is what was refused.
pub(super) fn refused(session: &Session, stage: Stage, of: &str, answer: &Reply, by: Option<&str>) {
    tracing::info!(
        session = %session.id,
        listener = %session.listener,
        client = %Peer(session.client.address),
        helo = %Escaped(session.hello.as_deref().unwrap_or_default()),
        stage = stage.name(),
        of = %Escaped(of),
        reply = %OneLine(Some(answer)),
        by = by.unwrap_or("-"),
        "refused"
    );
}

/// One line for commands refused before any stage: `first` of them, which wanted a transaction, and how many `more`.
pub(super) fn refused_early(session: &Session, first: &Refusal, more: usize) {
    let (stage, of) = match &first.wanted {
        Wanted::Transaction(address) => (Stage::Mail.name(), address.as_ref()),
        Wanted::Recipient(address) => (Stage::Rcpt.name(), address.as_ref()),
        Wanted::Content => ("data", None),
        Wanted::Other => ("command", None),
    };
    tracing::info!(
        session = %session.id,
        listener = %session.listener,
        client = %Peer(session.client.address),
        helo = %Escaped(session.hello.as_deref().unwrap_or_default()),
        stage,
        of = %Escaped(of.map_or("", Address::mailbox)),
        reply = %OneLine(Some(&first.reply)),
        by = By::Us.word(),
        more,
        "refused"
    );
}

/// One line for a session that we end, other than by a verdict.
pub(super) fn closed(session: &Session, reason: &str) {
    tracing::info!(
        session = %session.id,
        listener = %session.listener,
        client = %Peer(session.client.address),
        helo = %Escaped(session.hello.as_deref().unwrap_or_default()),
        reason,
        "closed"
    );
}

/// For a recipient that was told yes and that the backend never hears of.
pub(super) fn kept(session: &Session, recipient: &str, keep: &Keep, by: Option<&str>) {
    let (fate, reason) = match keep {
        Keep::Quarantine(reason) => ("recipient goes to the quarantine", reason.as_str()),
        Keep::Discard => ("recipient is discarded", ""),
    };
    tracing::debug!(
        session = %session.id,
        to = %Escaped(recipient),
        reason = %Escaped(reason),
        by = by.unwrap_or("-"),
        "{fate}"
    );
}

/// A reply in one line; `-` for none.
struct OneLine<'r>(Option<&'r Reply>);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(reply) = self.0 else {
            return f.write_str("-");
        };
        reply.code().fmt(f)?;
        if let Some(enhanced) = reply.enhanced() {
            f.write_str(" ")?;
            enhanced.fmt(f)?;
        }
        for (number, line) in reply.lines().enumerate() {
            f.write_str(if number == 0 { " " } else { " / " })?;
            Escaped(line).fmt(f)?;
        }
        Ok(())
    }
}

/// The fields that are in `after` and not in `before`, with their octets, and the other way round:
/// `+Received:210 -X-Spam:14`. Nothing else differs between what came and what went. Forty of them, and how many more.
pub(super) fn edits(before: &Message, after: &Message) -> String {
    const MOST: usize = 40;
    let (before, after) = differing(before.fields(), after.fields());
    let added = without(after, before).into_iter().map(|field| ("+", field));
    let removed = without(before, after).into_iter().map(|field| ("-", field));
    let mut all = added.chain(removed);
    let mut words = String::new();
    for (sign, field) in all.by_ref().take(MOST) {
        let blank = if words.is_empty() { "" } else { " " };
        let octets = field.raw().len();
        // A name is printable ASCII without a colon, but may have quotes and backslashes in it.
        let word = write!(words, "{blank}{sign}{}:{octets}", Escaped(field.name()));
        word.expect("a String takes all that is written");
    }
    match all.count() {
        0 => words,
        more => format!("{words} and {more} more"),
    }
}

/// Both without the fields that they end with alike: nearly always all but a few at the top.
fn differing<'m>(before: &'m [Field], after: &'m [Field]) -> (&'m [Field], &'m [Field]) {
    let pairs = before.iter().rev().zip(after.iter().rev());
    let alike = pairs.take_while(|(one, other)| one.raw() == other.raw());
    let alike = alike.count();
    (
        &before[..before.len() - alike],
        &after[..after.len() - alike],
    )
}

/// The fields of one list that the other has not, each as often as it is there more.
fn without<'m>(of: &'m [Field], other: &[Field]) -> Vec<&'m Field> {
    if of.is_empty() || other.is_empty() {
        return of.iter().collect();
    }
    let mut others: HashMap<&[u8], usize> = HashMap::new();
    for field in other {
        *others.entry(field.raw()).or_default() += 1;
    }
    let is_new = |field: &&Field| match others.get_mut(&field.raw()[..]) {
        Some(count @ 1..) => {
            *count -= 1;
            false
        }
        _ => true,
    };
    of.iter().filter(is_new).collect()
}

fn mailbox(path: &Path) -> &str {
    path.address.mailbox()
}

/// At most ten of them; the count is in the line too.
struct Recipients<'e>(&'e Envelope);

impl fmt::Display for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, path) in self.0.recipients.iter().take(MOST_NAMED).enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            Escaped(mailbox(path)).fmt(f)?;
        }
        Ok(())
    }
}

/// Refused recipients: who, what they got, by whom. At most ten of them; `-` for none.
struct Refusals<'j>(&'j [Judgement]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_rcpt = self.0.iter().filter(|it| it.stage == Some(Stage::Rcpt));
        let refused = at_rcpt.filter(|it| it.reply.is_some()).take(MOST_NAMED);
        let mut between = "";
        for judgement in refused {
            let of = Escaped(judgement.of.word().unwrap_or_default());
            let reply = OneLine(judgement.reply.as_ref());
            write!(
                f,
                "{between}<{of}> {reply} by {}",
                Escaped(judgement.by.word())
            )?;
            between = "; ";
        }
        match between {
            "" => f.write_str("-"),
            _ => Ok(()),
        }
    }
}

/// In thousandths.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Controls, line separators, quotes and everything outside ASCII as `\u{..}`; at most 500 characters.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_harmless = |all, octet: u8| {
            all & matches!(octet, b' '..=b'~') & !matches!(octet, b'"' | b'\'' | b'\\')
        };
        if self.0.len() <= MOST_CHARACTERS && self.0.bytes().fold(true, is_harmless) {
            return f.write_str(self.0);
        }
        let mut characters = self.0.chars().take(MOST_CHARACTERS);
        characters.try_for_each(|c| write!(f, "{}", c.escape_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lazaret_mail::Content;

    #[test]
    fn no_octet_of_theirs_steers_the_log() {
        assert_eq!(
            Escaped("a\r\nb\u{1b}[2J\u{85}\u{2028}\"").to_string(),
            "a\\r\\nb\\u{1b}[2J\\u{85}\\u{2028}\\\""
        );
    }

    #[test]
    fn nothing_of_the_table_of_unsafe_characters_is_left() {
        let unsafe_ones = (0..=0x10_ffff).filter_map(char::from_u32);
        for character in unsafe_ones.filter(|c| lazaret_smtp::is_unsafe(*c)) {
            let escaped = Escaped(&character.to_string()).to_string();
            assert!(escaped.is_ascii() && !escaped.contains(character));
        }
    }

    #[test]
    fn edits_name_each_line_that_differs() {
        let octets = Bytes::from_static(b"Subject: a\r\nX: 1\r\nX: 1\r\n\r\nbody\r\n");
        let before = Message::parse(Content::Memory(octets), 999).unwrap();
        let after = before.prepend(Field::compose("X", "1").unwrap());
        assert_eq!(edits(&before, &after), "+X:6");
        assert_eq!(edits(&after, &before), "-X:6");
        assert_eq!(edits(&before, &before), "");
    }

    #[test]
    fn a_thousand_edits_are_one_short_line() {
        let octets = Bytes::from("X-Spam: YES\r\n".repeat(1000) + "\r\n");
        let before = Message::parse(Content::Memory(octets), 99_999).unwrap();
        let removal = [lazaret_mail::Edit::RemoveAll("X-Spam".into())];
        let after = before.apply(&removal).unwrap();
        let words = edits(&before, &after);
        assert!(words.ends_with("-X-Spam:13 and 960 more"), "{words}");
    }
}
