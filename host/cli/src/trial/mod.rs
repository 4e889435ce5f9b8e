//! `lazaret try`: message files through filters, without any network.

mod corpus;
mod diff;
mod journey;
mod print;
pub mod rights;
mod source;
mod stranger;

use std::path::Path;

use lazaret_mail::Chain;

use crate::arguments::Try;
use crate::exit::{Exit, Failure};
use crate::filters::bundled::completed;
use crate::{output, wire};
use rights::Loaded;
use stranger::Stranger;

/// Loads the filters and sends through them one message, told stage by stage, or many, told as a table.
pub async fn trial(arguments: &Try) -> Result<Exit, Failure> {
    let stranger = Stranger::of(arguments)?;
    match arguments.mail.as_slice() {
        [mail] if !mail.is_dir() => one(arguments, mail, &stranger).await,
        _ => corpus::corpus(arguments, stranger).await,
    }
}

/// Prints what each filter said.
async fn one(arguments: &Try, mail: &Path, stranger: &Stranger) -> Result<Exit, Failure> {
    let source = source::read(mail, source::LIMIT)?;
    let octets = source.octets.len();
    let letter = stranger.letter(source.octets);
    let letter = letter.map_err(|e| Failure::bad(format!("{}: {e}", mail.display())))?;
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
        true => output::json(&print::json(
            &journey,
            octets,
            source.converted,
            &loaded.notes,
        )),
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
        match completed(directory)? {
            None => loaded.directory(directory, &*engine).await,
            Some((copy, names)) => {
                loaded.notes.push(format!(
                    "of {} only the policy is there: asked is the component that this program brings along",
                    names.join(", ")
                ));
                loaded.directory(copy.path(), &*engine).await;
            }
        }
    }
    for wasm in &arguments.filter {
        loaded.file(wasm, &*engine).await?;
    }
    for name in &arguments.without {
        loaded.leave_out(name)?;
    }
    if loaded.filters.is_empty() {
        return Err(Failure::usage(
            "there is no filter to ask; name one with --filter or a directory with --filters",
        ));
    }
    Ok(loaded)
}
