//! What the log says of a transaction: one line with all facts. Everything a client, a backend or a filter wrote is
//! escaped, so that no octet of theirs ends a line or steers a terminal.

use std::fmt::Write;

use lazaret_mail::{Decision, Envelope, Message, Session};
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

/// One line for each filter that refused, failed or edited.
pub(super) fn records(session: &Session, decision: &Decision) {
    for record in &decision.records {
        tracing::debug!(session = %session.id, record = %escape(&format!("{record:?}")), "filter");
    }
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
/// `+Received:210 -X-Spam:14`. Nothing else differs between what came and what went.
pub(super) fn edits(before: &Message, after: &Message) -> String {
    let mut text = String::new();
    let mut list = |sign: char, of: &Message, without: &Message| {
        let mut others: Vec<_> = without.fields().iter().map(|f| f.raw()).collect();
        for field in of.fields() {
            match others.iter().position(|raw| *raw == field.raw()) {
                Some(same) => drop(others.swap_remove(same)),
                None => {
                    let gap = if text.is_empty() { "" } else { " " };
                    drop(write!(
                        text,
                        "{gap}{sign}{}:{}",
                        escape(field.name()),
                        field.raw().len()
                    ));
                }
            }
        }
    };
    list('+', after, before);
    list('-', before, after);
    text
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
    use lazaret_mail::{Content, Field};

    #[test]
    fn no_octet_of_theirs_steers_the_log() {
        assert_eq!(
            escape("a\r\nb\u{1b}[2J\u{85}\u{2028}\""),
            "a\\r\\nb\\u{1b}[2J\\u{85}\\u{2028}\\\""
        );
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
}
