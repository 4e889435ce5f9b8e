//! `lazaret try`: a message file through filters, without any network.

mod diff;
mod journey;
mod print;
mod rights;
mod source;

use std::net::SocketAddr;
use std::sync::Arc;

use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{Chain, Content, Message, Path};
use lazaret_smtp::Address;

use crate::arguments::Try;
use crate::exit::{Exit, Failure};
use crate::{output, wire};
use journey::Letter;
use rights::Loaded;

/// The client's port; no filter should care.
const PORT: u16 = 49152;

/// Loads the filters, sends the message through them and prints what each said.
pub async fn trial(arguments: &Try) -> Result<Exit, Failure> {
    let source = source::read(&arguments.mail)?;
    let octets = source.octets.len();
    let letter = letter(arguments, source.octets)?;
    let mut loaded = load(arguments).await?;
    if let Some(line) = source.refused {
        loaded.notes.push(format!(
            "line {line} has a bare CR or a NUL: the proxy would refuse this message with 554 5.6.11 before any filter saw its end"
        ));
    }
    if source.converted > 0 {
        loaded
            .notes
            .push(format!("{} line ends converted to CRLF", source.converted));
    }
    let journey = journey::travel(Chain::new(0, loaded.filters), &letter).await;
    output::say(&match arguments.print.json {
        true => format!(
            "{:#}\n",
            print::json(&journey, octets, source.converted, &loaded.notes)
        ),
        false => {
            let notes = loaded.notes.iter().map(|note| format!("note: {note}\n"));
            notes.collect::<String>() + &print::text(&journey)
        }
    })?;
    Ok(Exit::Good)
}

async fn load(arguments: &Try) -> Result<Loaded, Failure> {
    let services = wire::aside(arguments.zone.as_deref()).await?;
    let engine = wire::engine(None, services)?;
    let mut loaded = Loaded::default();
    if let Some(directory) = &arguments.filters {
        if !directory.is_dir() {
            let problem = format!(
                "--filters {}: there is no such directory",
                directory.display()
            );
            return Err(Failure::usage(problem));
        }
        loaded.directory(directory, &*engine).await;
    }
    for wasm in &arguments.filter {
        loaded.file(wasm, &*engine).await?;
    }
    if loaded.filters.is_empty() {
        return Err(Failure::usage(
            "there is no filter to ask; name one with --filter or a directory with --filters",
        ));
    }
    Ok(loaded)
}

fn letter(arguments: &Try, octets: bytes::Bytes) -> Result<Letter, Failure> {
    let too_long = |e| Failure::bad(format!("{}: {e}", arguments.mail.display()));
    let header = Message::header_only(octets.clone(), HEADER_LIMIT).map_err(too_long)?;
    let message = Message::parse(Content::Memory(octets), HEADER_LIMIT).map_err(too_long)?;
    let recipients = arguments.rcpt.iter().map(|text| path("--rcpt", text));
    Ok(Letter {
        client: SocketAddr::new(arguments.ip, PORT),
        listener: arguments.listener.clone(),
        hello: arguments.helo.clone(),
        sender: path("--from", &arguments.from)?,
        recipients: recipients.collect::<Result<_, _>>()?,
        header: Arc::new(header),
        message: Arc::new(message),
    })
}

/// `alice@example.com`, also in angle brackets.
fn path(flag: &str, text: &str) -> Result<Path, Failure> {
    let bare = text.trim().trim_start_matches('<').trim_end_matches('>');
    let address = match bare.is_empty() {
        true => Some(Address::null()),
        false => Address::parse(bare),
    };
    address.map(Path::new).ok_or_else(|| {
        Failure::usage(format!(
            "{flag} {text}: not an address; write e.g. {flag} alice@example.com"
        ))
    })
}
