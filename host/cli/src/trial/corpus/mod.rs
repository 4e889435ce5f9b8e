//! Many messages: directories of them, tried side by side, and what became of each folder.

mod bar;
mod crew;
mod fate;
mod folders;
mod json;
mod page;
mod tally;

use std::time::Instant;

use lazaret_mail::Chain;

use super::stranger::Stranger;
use crate::arguments::Try;
use crate::exit::{Exit, Failure};
use crate::output::{self, Reader};
use crate::signals;
use bar::Bar;
use crew::Crew;
use fate::Judged;
use folders::Corpus;
use tally::Tally;

/// Tries every message of the directories, and prints what came of them; at Ctrl-C, what came of those that were tried.
pub async fn corpus(arguments: &Try, stranger: Stranger) -> Result<Exit, Failure> {
    let corpus = Corpus::read(&arguments.mail)?;
    let loaded = super::load(arguments).await?;
    let names = loaded.filters.iter().map(|it| it.name().into()).collect();
    let mut tally = Tally::new(corpus.folders.clone(), names);
    let begun = Instant::now();
    let stop = signals::stop("stopping: what was tried so far is printed")?;
    let mut crew = Crew::start(Chain::new(0, loaded.filters), stranger, &corpus);
    let stopped = watch(&mut crew, &mut tally, corpus.mails.len(), arguments, stop).await?;
    let run = Run {
        of: corpus.mails.len() as u64,
        passed_over: corpus.passed_over,
        elapsed: begun.elapsed(),
        hands: crew.hands(),
        notes: loaded.notes,
    };
    output::say(&match arguments.print.json {
        true if arguments.each => output::json_line(&json::summary(&tally, &run)),
        true => output::json(&json::summary(&tally, &run)),
        false => page::text(&tally, &run),
    })?;
    Ok(match stopped {
        true => Exit::Temporary,
        false => Exit::Good,
    })
}

/// What is told beside the counts.
pub struct Run {
    /// messages that there are; fewer were tried if it was stopped
    pub of: u64,
    /// files that are no messages by their names
    pub passed_over: u64,
    /// real time
    pub elapsed: std::time::Duration,
    /// messages tried at once
    pub hands: usize,
    /// what people should know about how filters were loaded
    pub notes: Vec<String>,
}

/// Counts what comes until all is done, or until it is told to stop: true then.
async fn watch(
    crew: &mut Crew,
    tally: &mut Tally,
    of: usize,
    arguments: &Try,
    stop: impl Future<Output = ()>,
) -> Result<bool, Failure> {
    let mut bar = Bar::on_a_terminal(of);
    let mut stop = std::pin::pin!(stop);
    let mut stopped = false;
    loop {
        let judged = tokio::select! {
            () = &mut stop, if !stopped => {
                stopped = true;
                crew.stop();
                continue;
            }
            judged = crew.next() => judged,
        };
        let Some(judged) = judged else { break };
        tally.add(&judged);
        if arguments.each {
            bar.clear();
            let line = line(&judged, tally, arguments.print.json);
            if output::tell(&line)? == Reader::Gone && !stopped {
                stopped = true;
                crew.stop();
            }
        }
        bar.show(tally.messages());
    }
    bar.clear();
    Ok(stopped && tally.messages() < of as u64)
}

/// One message, for `--each`.
fn line(judged: &Judged, tally: &Tally, as_json: bool) -> String {
    match as_json {
        true => output::json_line(&json::message(judged, tally.folder(judged.folder))),
        false => page::line(judged, tally.folder(judged.folder)),
    }
}
