//! One invocation: a session in which the filter misbehaves once, and everything else must be as if it had not.

use super::attack::{Attack, Expected, Point};
use super::reply;
use super::sink::wait;
use super::site::Site;
use super::witness;
use crate::{Client, Reply, glob};

/// The name at hello that a hostile filter answers to.
pub const EVIL_NAME: &str = "evil.example.com";
/// Its sender.
pub const EVIL: &str = "evil@example.com";
const GOOD: &str = "alice@example.com";
const TO: &str = "bob@example.org";

/// What was wrong with an answer, in words.
pub type Fault = String;

/// Plays `attack` once; `number` makes its messages its own. What the client heard, in one line.
pub fn play(site: &Site, attack: &Attack, number: u64) -> Result<String, Fault> {
    let mut client = Client::connect(site.address(&attack.name()));
    let greeting = client.hear().ok_or("no greeting")?;
    match attack.point {
        Point::Connect => connect(site, attack, client, greeting, number),
        Point::Hello => hello(site, attack, client, number),
        _ => transaction(site, attack, client, number),
    }
}

fn connect(
    site: &Site,
    attack: &Attack,
    mut client: Client,
    greeting: Reply,
    number: u64,
) -> Result<String, Fault> {
    match greeting.code {
        220 => {
            client.ask("EHLO client.example.com", "250 *");
            let reply = deliver(&mut client, GOOD, &token("evil", number));
            finish(&mut client);
            judge(site, attack, &reply, number)
        }
        421 => {
            client.ended();
            judge(site, attack, &greeting, number)
        }
        _ => {
            // A greeting of 554 is followed by 503 to all but QUIT (RFC 5321 section 3.1).
            client.ask("EHLO client.example.com", "503 *");
            finish(&mut client);
            judge(site, attack, &greeting, number)
        }
    }
}

fn hello(site: &Site, attack: &Attack, mut client: Client, number: u64) -> Result<String, Fault> {
    client.say(&format!("EHLO {EVIL_NAME}"));
    let reply = client.hear().ok_or("no reply to EHLO")?;
    if reply.code != 250 {
        let said = judge(site, attack, &reply, number)?;
        if reply.code != 421 {
            finish(&mut client);
        }
        return Ok(said);
    }
    let reply = deliver(&mut client, GOOD, &token("evil", number));
    finish(&mut client);
    judge(site, attack, &reply, number)
}

fn transaction(
    site: &Site,
    attack: &Attack,
    mut client: Client,
    number: u64,
) -> Result<String, Fault> {
    client.ask("EHLO client.example.com", "250 *");
    let reply = deliver(&mut client, EVIL, &token("evil", number));
    let said = judge(site, attack, &reply, number)?;
    if reply.code != 421 {
        client.ask("RSET", "250 *");
        next(site, &mut client, number)?;
        finish(&mut client);
    }
    Ok(said)
}

/// The next transaction of the same session.
fn next(site: &Site, client: &mut Client, number: u64) -> Result<(), Fault> {
    let token = token("good", number);
    let reply = deliver(client, GOOD, &token);
    if reply.code != 250 {
        return Err(format!("the next transaction heard {}", reply.text()));
    }
    delivered(site, &token, &[]).map_err(|fault| format!("the next transaction: {fault}"))
}

fn finish(client: &mut Client) {
    client.ask("QUIT", "221 *");
    client.ended();
}

fn token(what: &str, number: u64) -> String {
    format!("{what}-{number}")
}

/// Ends with the first reply that refuses the sender, the recipient or the message.
fn deliver(client: &mut Client, from: &str, token: &str) -> Reply {
    client.deliver(from, &[TO], &message(token))
}

/// The message as it is sent.
pub fn message(token: &str) -> Vec<u8> {
    format!(
        "From: someone@example.com\r\nSubject: {token}\r\nX-Mark: original\r\n\r\nA line.\r\n..and one with dots.\r\n"
    )
    .into_bytes()
}

/// Is the answer the only right one?
fn judge(site: &Site, attack: &Attack, reply: &Reply, number: u64) -> Result<String, Fault> {
    let said = reply.text();
    reply::is_safe(reply).map_err(|fault| format!("{fault}: {said:?}"))?;
    let token = token("evil", number);
    let fits = |pattern: &str| {
        let pattern = pattern_at(attack.point, pattern);
        match glob::fits(&pattern, reply.lines.last().map_or("", String::as_str)) {
            true => Ok(()),
            false => Err(format!("expected {pattern}, heard {said:?}{}", why(attack))),
        }
    };
    match &attack.expected {
        Expected::Failure(_) | Expected::FailureOf(_) if attack.point.judges() => {
            fits("failure")?;
            nothing(site, &token)?;
        }
        Expected::Reply("quarantine") => {
            fits("quarantine")?;
            nothing(site, &token)?;
            if site.quarantined(&token) != 1 {
                return Err("it is not in the quarantine".to_owned());
            }
        }
        Expected::Reply(pattern) => {
            fits(pattern)?;
            nothing(site, &token)?;
        }
        Expected::Fields(fields) => {
            fits("delivered")?;
            delivered(site, &token, fields)?;
        }
        Expected::Contained => contained(site, reply, &token)?,
        _ => {
            fits("delivered")?;
            delivered(site, &token, &[])?;
        }
    }
    Ok(said.chars().take(60).collect())
}

/// What the log said of its last failure, for whoever reads that the answer was wrong.
fn why(attack: &Attack) -> String {
    let stage = attack.point.stage().unwrap_or_default();
    let seen = witness::of(&attack.name(), stage);
    match seen.last_failure.is_empty() {
        true => String::new(),
        false => format!("; {}", seen.last_failure),
    }
}

/// Either it went through, whole, or it did not.
fn contained(site: &Site, reply: &Reply, token: &str) -> Result<(), Fault> {
    if reply.code == 250 {
        return match added(site, token)?.as_slice() {
            [one] if one == "Received" => Ok(()),
            [one, other] if one == "Received" && other == "X-Huge" => Ok(()),
            names => Err(format!("fields {names:?} on top of it")),
        };
    }
    nothing(site, token)
}

/// The reply that a word stands for at this stage.
fn pattern_at(point: Point, word: &str) -> String {
    let code = match (word, point) {
        ("delivered", _) => "250 2.0.0 taken*",
        ("quarantine", _) => "250 *",
        ("reject", Point::Connect) => "554 *",
        ("reject", _) => "550 *",
        ("defer" | "failure" | "disconnect", Point::Connect) => "421 *",
        ("disconnect", _) => "421 *",
        ("defer" | "failure", Point::Hello) => "450 *",
        ("defer" | "failure", _) => "451 *",
        (pattern, _) => pattern,
    };
    code.to_owned()
}

/// The backend has heard nothing of this message.
fn nothing(site: &Site, token: &str) -> Result<(), Fault> {
    match site.sink.take(token).len() {
        0 => Ok(()),
        copies => Err(format!("refused, and delivered {copies} times")),
    }
}

/// The backend has it once: the octets that were sent, on top of it our own trace field and these fields, no more.
fn delivered(site: &Site, token: &str, fields: &[&str]) -> Result<(), Fault> {
    let seen = added(site, token)?;
    let mut expected = fields.to_vec();
    expected.push("Received");
    expected.sort_unstable();
    match seen == expected {
        true => Ok(()),
        false => Err(format!(
            "fields {seen:?} on top of it, expected {expected:?}"
        )),
    }
}

/// The names of the fields on top of the one copy at the backend, sorted; all else must be as it was sent.
fn added(site: &Site, token: &str) -> Result<Vec<String>, Fault> {
    let copies = wait(&site.sink, token);
    let [copy] = &copies[..] else {
        return Err(format!("delivered {} times", copies.len()));
    };
    let sent = message(token);
    let Some(added) = copy.strip_suffix(&sent[..]) else {
        return Err(format!("changed: {:?}", String::from_utf8_lossy(copy)));
    };
    let mut names = reply::field_names(added)?;
    names.sort_unstable();
    Ok(names)
}
