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
        .known_by_now()
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
