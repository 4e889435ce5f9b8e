//! What the filter is told about the mail, in words.

use std::fmt::Display;

use lazaret_filter::prelude::*;

/// Everything the permissions say that cannot be denied, on one line.
pub fn line(calls: u32) -> String {
    let client = session::client();
    let fields = headers::all();
    let raw: usize = fields.iter().map(|field| field.value.len()).sum();
    format!(
        "listener={} client={} name={} hello={} tls={} user={} early={} sender={} recipients={} \
         fields={} raw={raw} size={} calls={calls}",
        session::listener(),
        client.address,
        or_none(client.name),
        or_none(session::hello()),
        or_none(session::tls().map(tls)),
        or_none(session::user()),
        session::early_talker(),
        or_none(envelope::sender().map(path)),
        recipients(),
        fields.len(),
        body::size(),
    )
}

/// Fields on top of the message that say what was found in it.
pub fn report(calls: u32) {
    add("X-Reference-Facts", Ok(line(calls)));
    add("X-Reference-Body", octets_and_lines());
    add(
        "X-Reference-Parts",
        parts::all().map(|parts| describe(&parts)),
    );
    add("X-Reference-Text", first_line());
    add("X-Reference-Score", scores());
    add(
        "X-Reference-Note",
        notes::get("reference", "client").map(or_none),
    );
}

fn add(name: &str, value: Result<String, Error>) {
    let value = value.unwrap_or_else(|error| error.name().to_owned());
    let _ = edit_headers::add(name, &value);
}

fn or_none(fact: Option<impl Display>) -> String {
    fact.map_or_else(|| "none".to_owned(), |fact| fact.to_string())
}

fn tls(tls: session::TlsInfo) -> String {
    let subject = tls
        .client_certificate
        .map(|certificate| certificate.subject);
    format!(
        "{}/{}/{}",
        tls.version,
        or_none(tls.server_name),
        or_none(subject)
    )
}

/// The mailbox, and each parameter as `;KEYWORD=VALUE`.
fn path(sender: Address) -> String {
    let mut text = sender.mailbox;
    for Parameter { keyword, value } in sender.parameters {
        text.push_str(&format!(";{keyword}"));
        value
            .into_iter()
            .for_each(|value| text.push_str(&format!("={value}")));
    }
    text
}

fn recipients() -> String {
    let recipients = envelope::recipients();
    let mailboxes: Vec<_> = recipients.into_iter().map(|it| it.mailbox).collect();
    or_none(Some(mailboxes.join(",")).filter(|it| !it.is_empty()))
}

fn octets_and_lines() -> Result<String, Error> {
    let (mut octets, mut lines) = (0, 0);
    for chunk in body::chunks() {
        let chunk = chunk?;
        octets += chunk.len();
        lines += chunk.iter().filter(|octet| **octet == b'\n').count();
    }
    Ok(format!("{octets} octets, {lines} lines"))
}

fn describe(parts: &[parts::Part]) -> String {
    let part = |part: &parts::Part| {
        let kind = if part.attachment {
            "attachment"
        } else {
            "inline"
        };
        format!(
            "{}:{}:{}:{}:{kind}:{}:{}",
            part.index,
            or_none(part.parent),
            part.content_type,
            or_none(part.name.as_ref()),
            part.size,
            &part.sha256[..8],
        )
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// Of the first text in the message.
fn first_line() -> Result<String, Error> {
    let all = parts::all()?;
    let Some(first) = all
        .iter()
        .find(|part| part.content_type.starts_with("text/"))
    else {
        return Ok("none".to_owned());
    };
    let text = parts::text(first.index)?;
    Ok(text
        .split(['\r', '\n'])
        .next()
        .unwrap_or_default()
        .to_owned())
}

fn scores() -> Result<String, Error> {
    let mut text = format!("{:.1}", score::total()?);
    for score::Entry {
        filter,
        symbol,
        points,
        why,
    } in score::all()?
    {
        text.push_str(&format!(" {filter}:{symbol}:{points:.1} ({why})"));
    }
    Ok(text)
}
