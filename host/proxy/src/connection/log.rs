//! What the log says of a transaction: one line with all facts. Everything a client, a backend or a filter wrote is
//! escaped, so that no octet of theirs ends a line or steers a terminal.

use std::collections::HashMap;

use lazaret_mail::{Decision, Envelope, Field, Keep, Message, Session, Stage};
use lazaret_smtp::{Path, Reply};

/// How a transaction ended.
pub(super) struct Ended<'e> {
    pub(super) session: &'e Session,
    pub(super) envelope: &'e Envelope,
    pub(super) id: &'e str,
    /// `delivered`, `refused`, `quarantined`, `discarded`, `failed` …
    pub(super) fate: &'static str,
    /// octets the client sent
    pub(super) size: u64,
    pub(super) reply: &'e Reply,
    /// the filter that decided
    pub(super) by: Option<&'e str>,
    pub(super) queue_id: Option<&'e str>,
    /// fields added and removed on the way to the backend
    pub(super) edits: &'e str,
}

/// One line for a transaction that came to its end of data.
pub(super) fn ended(ended: &Ended<'_>) {
    let (session, envelope) = (ended.session, ended.envelope);
    tracing::info!(
        session = %session.id,
        transaction = %ended.id,
        listener = %session.listener,
        client = %session.client.address,
        helo = %escape(session.hello.as_deref().unwrap_or_default()),
        tls = session.tls.as_ref().map_or("", |tls| tls.version.as_str()),
        from = %escape(envelope.sender.as_ref().map_or("", mailbox)),
        to = %recipients(envelope),
        recipients = envelope.recipients.len(),
        size = ended.size,
        reply = %reply(ended.reply),
        by = ended.by.unwrap_or("-"),
        queue_id = %escape(ended.queue_id.unwrap_or("-")),
        edits = %ended.edits,
        "{}", ended.fate
    );
}

/// One line for each filter that was asked.
pub(super) fn records(session: &Session, decision: &Decision) {
    for record in &decision.records {
        tracing::debug!(
            session = %session.id,
            filter = %record.filter,
            stage = record.stage.name(),
            said = record.word(),
            weight = %record.weight,
            cpu_us = u64::try_from(record.cpu.as_micros()).unwrap_or(u64::MAX),
            memory = record.memory,
            dropped = record.dropped,
            record = %escape(&record.to_string()),
            "filter"
        );
    }
}

/// One line for a refusal before the end of data; `of` is what was refused.
pub(super) fn refused(session: &Session, stage: Stage, of: &str, answer: &Reply, by: Option<&str>) {
    tracing::info!(
        session = %session.id,
        listener = %session.listener,
        client = %session.client.address,
        helo = %escape(session.hello.as_deref().unwrap_or_default()),
        stage = stage.name(),
        of = %escape(of),
        reply = %reply(answer),
        by = by.unwrap_or("-"),
        "refused"
    );
}

/// One line for a session that we end, other than by a verdict.
pub(super) fn closed(session: &Session, reason: &str) {
    tracing::info!(
        session = %session.id,
        listener = %session.listener,
        client = %session.client.address,
        helo = %escape(session.hello.as_deref().unwrap_or_default()),
        reason,
        "closed"
    );
}

/// One line for a recipient that was told yes and that the backend never hears of.
pub(super) fn kept(session: &Session, recipient: &str, keep: &Keep, by: Option<&str>) {
    let (fate, reason) = match keep {
        Keep::Quarantine(reason) => ("recipient goes to the quarantine", reason.as_str()),
        Keep::Discard => ("recipient is discarded", ""),
    };
    tracing::info!(
        session = %session.id,
        to = %escape(recipient),
        reason = %escape(reason),
        by = by.unwrap_or("-"),
        "{fate}"
    );
}

/// A reply in one line.
pub(super) fn reply(reply: &Reply) -> String {
    let enhanced = reply
        .enhanced()
        .map(|e| format!("{e} "))
        .unwrap_or_default();
    escape(&format!(
        "{} {enhanced}{}",
        reply.code(),
        reply.text().replace('\n', " / ")
    ))
}

/// The fields that are in `after` and not in `before`, with their octets, and the other way round:
/// `+Received:210 -X-Spam:14`. Nothing else differs between what came and what went. Forty of them, and how many more.
pub(super) fn edits(before: &Message, after: &Message) -> String {
    const MOST: usize = 40;
    let word = |(sign, field): (char, &Field)| {
        format!("{sign}{}:{}", escape(field.name()), field.raw().len())
    };
    let added = without(after, before).into_iter().map(|field| ('+', field));
    let removed = without(before, after).into_iter().map(|field| ('-', field));
    let mut words: Vec<String> = added.chain(removed).map(word).collect();
    if words.len() > MOST {
        let more = words.split_off(MOST).len();
        words.push(format!("and {more} more"));
    }
    words.join(" ")
}

/// The fields of one message that the other has not, each as often as it is there more.
fn without<'m>(of: &'m Message, other: &Message) -> Vec<&'m Field> {
    let mut others: HashMap<&[u8], usize> = HashMap::new();
    for field in other.fields() {
        *others.entry(field.raw()).or_default() += 1;
    }
    let is_new = |field: &&Field| match others.get_mut(&field.raw()[..]) {
        Some(count @ 1..) => {
            *count -= 1;
            false
        }
        _ => true,
    };
    of.fields().iter().filter(is_new).collect()
}

fn mailbox(path: &Path) -> &str {
    path.address.mailbox()
}

/// At most ten of them; the count is in the line too.
fn recipients(envelope: &Envelope) -> String {
    let some: Vec<String> = envelope
        .recipients
        .iter()
        .take(10)
        .map(|path| escape(mailbox(path)))
        .collect();
    some.join(",")
}

/// Controls, line separators, quotes and everything outside ASCII as `\u{..}`; at most 500 characters.
pub(super) fn escape(text: &str) -> String {
    text.chars()
        .take(500)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lazaret_mail::Content;

    #[test]
    fn no_octet_of_theirs_steers_the_log() {
        assert_eq!(
            escape("a\r\nb\u{1b}[2J\u{85}\u{2028}\""),
            "a\\r\\nb\\u{1b}[2J\\u{85}\\u{2028}\\\""
        );
    }

    #[test]
    fn nothing_of_the_table_of_unsafe_characters_is_left() {
        let unsafe_ones = (0..=0x10_ffff).filter_map(char::from_u32);
        for character in unsafe_ones.filter(|c| lazaret_smtp::is_unsafe(*c)) {
            let escaped = escape(&character.to_string());
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
