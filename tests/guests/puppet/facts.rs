//! The placeholders of a text: each shows one thing that the host told us.

use crate::Memory;
use crate::lazaret::filter::types::Error;
use crate::lazaret::filter::{body, entropy, envelope, headers, notes, parts, score, session};

/// The value of `{key}`; `key` may carry an argument after a colon.
pub fn value(memory: &Memory, argument: &str, key: &str) -> Option<String> {
    let (name, with) = key.split_once(':').unwrap_or((key, ""));
    Some(match name {
        "arg" => argument.to_owned(),
        "build" => build(),
        "count" => memory.calls.get().to_string(),
        "results" => memory.results.borrow().join(","),
        "remembered" => memory.remembered.borrow().clone(),
        "huge" => "x".repeat(with.parse().unwrap_or(0)),
        "random" => hex(&entropy::random(with.parse().unwrap_or(8))),
        "notes" => note(with),
        "score" => score::total().map_or_else(error, |points| format!("{points:.2}")),
        _ => return connection(name).or_else(|| transaction(name, with)),
    })
}

/// Which build this is, as its octets have it: tests write another letter there.
static BUILD: [u8; 17] = *b"puppet is build-a";

fn build() -> String {
    let build = std::hint::black_box(&BUILD);
    String::from_utf8_lossy(&build[10..]).into_owned()
}

fn connection(name: &str) -> Option<String> {
    Some(match name {
        "id" => session::id(),
        "listener" => session::listener(),
        "client" => session::client().address,
        "hello" => session::hello().unwrap_or_else(|| "none".to_owned()),
        "tls" => session::tls().map_or_else(|| "none".to_owned(), |tls| tls.version),
        "user" => session::user().unwrap_or_else(|| "none".to_owned()),
        "early" => session::early_talker().to_string(),
        _ => return None,
    })
}

fn transaction(name: &str, with: &str) -> Option<String> {
    Some(match name {
        "sender" => envelope::sender().map_or_else(|| "none".to_owned(), |it| it.mailbox),
        "recipients" => recipients(),
        "fields" => fields(),
        "raw" => raw(with),
        "field" => headers::text(with).join("|"),
        "size" => body::size().to_string(),
        "body" => text(body::read(with.parse().unwrap_or(0), 65_536)),
        "parts" => part_list(),
        "part" => text(parts::read(with.parse().ok()?, 0, 65_536)),
        "part-text" => parts::text(with.parse().ok()?).unwrap_or_else(error),
        _ => return None,
    })
}

/// The mailbox of the sender, empty before MAIL.
pub fn sender() -> String {
    envelope::sender().map_or_else(String::new, |it| it.mailbox)
}

/// `filter/key`
fn note(with: &str) -> String {
    let (filter, key) = with.split_once('/').unwrap_or(("puppet", with));
    let found = notes::get(filter, key);
    found.map_or_else(error, |note| note.unwrap_or_else(|| "none".to_owned()))
}

fn recipients() -> String {
    let mailboxes: Vec<_> = envelope::recipients()
        .into_iter()
        .map(|it| it.mailbox)
        .collect();
    mailboxes.join(",")
}

fn fields() -> String {
    let names: Vec<_> = headers::all().into_iter().map(|it| it.name).collect();
    names.join(",")
}

/// The value of the first field of that name, octet by octet, escaped.
fn raw(name: &str) -> String {
    let mut all = headers::all().into_iter();
    all.find(|field| field.name.eq_ignore_ascii_case(name))
        .map_or_else(
            || "none".to_owned(),
            |field| field.value.escape_ascii().to_string(),
        )
}

fn part_list() -> String {
    let describe = |part: parts::Part| {
        let name = part.name.unwrap_or_default();
        format!("{}:{}:{name}:{}", part.index, part.content_type, part.size)
    };
    parts::all().map_or_else(error, |all| {
        all.into_iter().map(describe).collect::<Vec<_>>().join(",")
    })
}

fn text(octets: Result<Vec<u8>, Error>) -> String {
    octets.map_or_else(error, |octets| octets.escape_ascii().to_string())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The name of an error, as in the contract.
pub fn error(error: Error) -> String {
    match error {
        Error::NotGranted => "not-granted",
        Error::NotNow => "not-now",
        Error::Limit => "limit",
        Error::Unavailable => "unavailable",
        Error::Invalid => "invalid",
    }
    .to_owned()
}
