//! Our own Received field (RFC 5321 section 4.4).

use std::time::SystemTime;

use lazaret_mail::{Envelope, Field, Message, Session};

use crate::config::{Identity, Trace};

/// Is it added? Where the backend writes the true one (it was told who the client is) and nothing was edited, ours
/// would be a false hop. With XFORWARD the backend only logs the client, so there ours is needed.
pub(super) fn wanted(trace: Trace, identity: Identity, edited: bool) -> bool {
    match trace {
        Trace::Always => true,
        Trace::Never => false,
        Trace::Auto => edited || identity != Identity::Xclient,
    }
}

/// Received fields of other hops.
pub(super) fn hops(message: &Message) -> usize {
    message
        .fields()
        .iter()
        .filter(|field| field.is("Received"))
        .count()
}

/// `for` only with a single recipient: with more, each would see the others (RFC 5321 section 7.6).
pub(super) fn received(
    hostname: &str,
    session: &Session,
    envelope: &Envelope,
    protocol: &str,
    id: &str,
) -> Option<Field> {
    let hello = plain(session.hello.as_deref().unwrap_or("unknown"));
    let ip = session.client.address.ip();
    let literal = if ip.is_ipv6() {
        format!("[IPv6:{ip}]")
    } else {
        format!("[{ip}]")
    };
    let name = session
        .client
        .name
        .as_deref()
        .map(|name| format!("{} ", plain(name)))
        .unwrap_or_default();
    let protocol = with_protocol(session, envelope, protocol);
    let tls = session
        .tls
        .as_ref()
        .map(|tls| format!(" (using {} with cipher {})", tls.version, tls.cipher));
    let recipient = match envelope.recipients.as_slice() {
        [only] => format!(" for <{}>", plain(only.address.mailbox())),
        _ => String::new(),
    };
    let date = httpdate::fmt_http_date(SystemTime::now()).replace("GMT", "+0000");
    let value = format!(
        "from {hello} ({name}{literal}) by {hostname} (Lazaret) with {protocol}{} id {id}{recipient}; {date}",
        tls.unwrap_or_default(),
    );
    Field::compose("Received", &value).ok()
}

/// RFC 3848 and RFC 6531 section 3.7.3; for HELO inside TLS nothing is registered.
fn with_protocol(session: &Session, envelope: &Envelope, protocol: &str) -> String {
    let sender = envelope.sender.as_ref();
    let utf8 = sender.is_some_and(|path| {
        path.parameters
            .iter()
            .any(|parameter| parameter.is("SMTPUTF8"))
    });
    let name = if utf8 { "UTF8SMTP" } else { protocol };
    match name != "SMTP" && session.tls.is_some() {
        true => format!("{name}S"),
        false => name.to_owned(),
    }
}

/// Nothing the client said may end a comment or a field.
fn plain(text: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_graphic() && !matches!(c, '(' | ')' | '\\' | ';') {
            c
        } else {
            '?'
        }
    };
    text.chars().take(255).map(safe).collect()
}
