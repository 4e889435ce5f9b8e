//! Our own Received field (RFC 5321 section 4.4).

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::SystemTime;

use httpdate::HttpDate;
use lazaret_mail::{Envelope, Field, Message, Session};

use super::numeric::Ip;
use crate::config::{Identity, Trace};

/// Octets of most of these fields.
const ROOM: usize = 384;
/// Characters of a name that are told.
const MOST_PLAIN: usize = 255;

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
    let value = value(hostname, session, envelope, protocol, id);
    Field::compose("Received", &value.ok()?).ok()
}

/// What stands behind the colon, in one piece of memory: it is written for each message.
fn value(
    hostname: &str,
    session: &Session,
    envelope: &Envelope,
    protocol: &str,
    id: &str,
) -> Result<String, fmt::Error> {
    let hello = Plain(session.hello.as_deref().unwrap_or("unknown"));
    let mut value = String::with_capacity(ROOM);
    value.push_str("from ");
    hello.put(&mut value);
    value.push_str(" (");
    if let Some(name) = session.client.name.known_by_now() {
        Plain(name).put(&mut value);
        value.push(' ');
    }
    match session.client.address.ip() {
        IpAddr::V4(ip) => write!(value, "[{}]", Ip(ip.into()))?,
        IpAddr::V6(ip) => write!(value, "[IPv6:{ip}]")?,
    }
    let [protocol, tls] = with_protocol(session, envelope, protocol);
    put(
        &mut value,
        &[") by ", hostname, " (Lazaret) with ", protocol, tls],
    );
    if let Some(tls) = &session.tls {
        let (version, cipher) = (&tls.version, &tls.cipher);
        put(
            &mut value,
            &[" (using ", version, " with cipher ", cipher, ")"],
        );
    }
    put(&mut value, &[" id ", id]);
    if let [only] = envelope.recipients.as_slice() {
        value.push_str(" for <");
        Plain(only.address.mailbox()).put(&mut value);
        value.push('>');
    }
    write!(value, "; {}", HttpDate::from(SystemTime::now()))?;
    value.truncate(value.len() - "GMT".len());
    value.push_str("+0000");
    Ok(value)
}

fn put(value: &mut String, words: &[&str]) {
    words.iter().for_each(|word| value.push_str(word));
}

/// RFC 3848 and RFC 6531 section 3.7.3; for HELO inside TLS nothing is registered.
fn with_protocol<'p>(session: &Session, envelope: &Envelope, protocol: &'p str) -> [&'p str; 2] {
    let sender = envelope.sender.as_ref();
    let utf8 = sender.is_some_and(|path| {
        path.parameters
            .iter()
            .any(|parameter| parameter.is("SMTPUTF8"))
    });
    let name = if utf8 { "UTF8SMTP" } else { protocol };
    match name != "SMTP" && session.tls.is_some() {
        true => [name, "S"],
        false => [name, ""],
    }
}

/// Nothing the client said may end a comment or a field.
struct Plain<'t>(&'t str);

impl Plain<'_> {
    fn put(&self, value: &mut String) {
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '(' | ')' | '\\' | ';');
        let text = self.0;
        if text.len() <= MOST_PLAIN && text.bytes().all(|octet| is_plain(octet.into())) {
            return value.push_str(text);
        }
        let safe = |c| if is_plain(c) { c } else { '?' };
        value.extend(text.chars().take(MOST_PLAIN).map(safe));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazaret_mail::{Party, Tls};
    use lazaret_smtp::{Address, Parameter, Path};
    use std::sync::Arc;

    fn with(protocol: &str, tls: bool, parameter: Option<&str>) -> String {
        let tls = tls.then(|| {
            Arc::new(Tls {
                version: "TLSv1.3".into(),
                cipher: "TLS_AES_128_GCM_SHA256".into(),
                server_name: None,
                client_certificate: None,
            })
        });
        let session = Session {
            id: "ID".into(),
            listener: "mx".into(),
            client: Party {
                address: ([192, 0, 2, 1], 25).into(),
                name: lazaret_mail::ClientName::default(),
            },
            hello: Some("a) by b; (".into()),
            tls,
            user: None,
            early_talker: false,
        };
        let parameters = parameter.and_then(|keyword| Parameter::new(keyword, None));
        let sender = Path {
            address: Address::null(),
            parameters: parameters.into_iter().collect(),
        };
        let envelope = Envelope {
            sender: Some(sender),
            recipients: Vec::new(),
        };
        let field = received("mx.example.org", &session, &envelope, protocol, "ID-1").unwrap();
        let text = field.text();
        assert!(
            text.starts_with("from a??by?b??? ([192.0.2.1]) by mx.example.org (Lazaret) with "),
            "{text}"
        );
        text.split_once(" with ")
            .unwrap()
            .1
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn the_protocol_is_a_registered_one() {
        for (protocol, tls, parameter, registered) in [
            ("SMTP", false, None, "SMTP"),
            ("SMTP", true, None, "SMTP"),
            ("ESMTP", false, None, "ESMTP"),
            ("ESMTP", true, None, "ESMTPS"),
            ("ESMTP", false, Some("SMTPUTF8"), "UTF8SMTP"),
            ("ESMTP", true, Some("SMTPUTF8"), "UTF8SMTPS"),
        ] {
            assert_eq!(with(protocol, tls, parameter), registered);
        }
    }

    #[test]
    fn ours_is_added_where_it_tells_something_new() {
        for (trace, identity, edited, added) in [
            (Trace::Auto, Identity::Xclient, false, false),
            (Trace::Auto, Identity::Xclient, true, true),
            (Trace::Auto, Identity::Xforward, false, true),
            (Trace::Auto, Identity::None, false, true),
            (Trace::Always, Identity::Xclient, false, true),
            (Trace::Never, Identity::None, true, false),
        ] {
            assert_eq!(
                wanted(trace, identity, edited),
                added,
                "{trace:?} {identity:?} {edited}"
            );
        }
    }
}
