//! Plays a transcript once.

use std::time::{Duration, Instant};

use super::{Line, Transcript, Way};
use crate::client::{Client, Segments};
use crate::{BackendDouble, Proxy, Step, glob, journal};

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One play: the client's connection and what was heard on it.
struct Play {
    client: Client,
    /// when it said something last
    said: Instant,
    /// all lines heard
    heard: Vec<String>,
}

/// Plays `transcript` once and checks everything it says.
pub(super) fn play(
    transcript: &Transcript,
    proxy: &Proxy,
    backend: &BackendDouble,
    way: Way,
    segments: Segments,
) -> Result<(), String> {
    backend.forget();
    instruct(backend, &transcript.lines);
    let before = proxy.quarantine("eml").len();
    let begun = journal::length();
    let mut play = Play {
        said: Instant::now(),
        client: connect(proxy, transcript.setup.listener.as_deref(), way),
        heard: Vec::new(),
    };
    play.client.segments(segments);
    play.dialogue(&transcript.lines, way)
        .map_err(|problem| format!("{problem}\nheard so far: {:#?}", play.heard))?;
    drop(play.client);
    check_ids(&play.heard, &transcript.lines)?;
    check_backend(transcript, backend)?;
    check_quarantine(transcript, proxy, before)?;
    check_log(transcript, begun)
}

fn connect(proxy: &Proxy, listener: Option<&str>, way: Way) -> Client {
    let mut client = match way {
        Way::Plain => Client::connect(proxy.address(listener.unwrap_or("plain"))),
        Way::Starttls | Way::ByHand => Client::connect(proxy.address("starttls")),
        Way::Implicit => Client::connect_tls(proxy.address("implicit")),
    };
    client.patience(PATIENCE);
    client
}

/// Tells the backend what to do at the commands that have `B:` lines after them.
fn instruct(backend: &BackendDouble, lines: &[Line]) {
    let mut lines = lines
        .iter()
        .filter(|line| matches!(line, Line::Heard(_) | Line::Backend(_)))
        .peekable();
    while let Some(line) = lines.next() {
        let Line::Heard(command) = line else { continue };
        let mut steps: Vec<Step> = Vec::new();
        while let Some(Line::Backend(step)) = lines.peek() {
            steps.push(step.clone());
            lines.next();
        }
        if !steps.is_empty() {
            backend.once(command, steps);
        }
    }
}

impl Play {
    fn dialogue(&mut self, lines: &[Line], way: Way) -> Result<(), String> {
        let mut greeted = way != Way::Starttls;
        let mut rest = lines.iter().peekable();
        while let Some(line) = rest.next() {
            if !greeted && matches!(line, Line::Client(_)) {
                greeted = true;
                self.go_tls()?;
            }
            let mut line = line.clone();
            // Lines in a row are sent at once.
            while let (Line::Client(octets), Some(Line::Client(more))) = (&mut line, rest.peek()) {
                octets.extend_from_slice(more);
                rest.next();
            }
            self.step(line, rest.peek().copied())?;
        }
        self.nothing_more(lines)
    }

    /// STARTTLS before the first line of the client, where the transcript is played that way.
    fn go_tls(&mut self) -> Result<(), String> {
        self.client.say("EHLO starttls.example.com");
        loop {
            let line = self.line()?.ok_or("closed after EHLO")?;
            if line.starts_with("250 ") {
                break;
            }
            if !line.starts_with("250-") {
                return Err(format!("EHLO was answered {line:?}"));
            }
        }
        self.client.say("STARTTLS");
        let line = self.line()?.ok_or("closed after STARTTLS")?;
        if !line.starts_with("220") {
            return Err(format!("STARTTLS was answered {line:?}"));
        }
        self.client.handshake().map_err(|error| error.to_string())
    }

    fn step(&mut self, line: Line, next: Option<&Line>) -> Result<(), String> {
        match line {
            // A server that has closed is noticed at what it should have said.
            Line::Client(octets) => {
                self.said = Instant::now();
                let _ = self.client.octets(&octets);
                Ok(())
            }
            Line::ClientCloses => {
                self.client.close();
                Ok(())
            }
            Line::Handshake => self.client.handshake().map_err(|error| error.to_string()),
            Line::ClientWaits(span) => {
                std::thread::sleep(Duration::from_millis(span));
                Ok(())
            }
            Line::Server(pattern) => self.must_hear(&pattern),
            Line::ServerAny => self.skip_to(next),
            Line::ServerSilent(span) => match self.is_silent(span) {
                true => Ok(()),
                false => Err(format!("heard something within {span} ms")),
            },
            Line::ServerCloses => match self.line()? {
                None => Ok(()),
                Some(line) => Err(format!("heard {line:?} where the end was expected")),
            },
            Line::Heard(_) | Line::Backend(_) => Ok(()),
        }
    }

    fn must_hear(&mut self, pattern: &str) -> Result<(), String> {
        match self.line()? {
            Some(line) if glob::fits(pattern, &line) => Ok(()),
            Some(line) => Err(format!("expected {pattern:?}, heard {line:?}")),
            None => Err(format!("expected {pattern:?}, the connection ended")),
        }
    }

    /// Hears lines until one fits what comes after `...`; that one stays to be heard.
    fn skip_to(&mut self, next: Option<&Line>) -> Result<(), String> {
        let Some(Line::Server(pattern)) = next else {
            return Err("after `S: ...` comes the line it leads to".to_owned());
        };
        loop {
            let line = self
                .line()?
                .ok_or_else(|| format!("ended before {pattern:?}"))?;
            if glob::fits(pattern, &line) {
                self.client.unhear(&line);
                self.heard.pop();
                return Ok(());
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>, String> {
        let line = self
            .client
            .line()
            .map_err(|error| format!("nothing heard: {error}"))?;
        self.heard.extend(line.clone());
        Ok(line)
    }

    fn nothing_more(&mut self, lines: &[Line]) -> Result<(), String> {
        let ended = lines.contains(&Line::ServerCloses) || lines.contains(&Line::ClientCloses);
        let moment = Duration::from_millis(20);
        if ended || self.client.is_silent(Instant::now(), moment) {
            return Ok(());
        }
        Err("the server said more than the transcript".to_owned())
    }

    fn is_silent(&mut self, milliseconds: u64) -> bool {
        let span = Duration::from_millis(milliseconds);
        self.client.is_silent(self.said, span)
    }
}

/// What the next line is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    None,
    UpToTheDot,
    /// so many octets
    Chunk(usize),
}

impl Text {
    fn behind(self, line: &str) -> Self {
        let mut words = line.split(' ');
        match self {
            Text::None if line == "DATA" => Text::UpToTheDot,
            Text::None if words.next() == Some("BDAT") => {
                Self::chunk(words.next().and_then(|size| size.parse().ok()).unwrap_or(0))
            }
            Text::UpToTheDot if line != "." => self,
            Text::Chunk(left) => Self::chunk(left.saturating_sub(line.len() + 2)),
            _ => Text::None,
        }
    }

    fn chunk(octets: usize) -> Self {
        if octets == 0 {
            Text::None
        } else {
            Text::Chunk(octets)
        }
    }
}

/// Only what belongs to a transaction, and the commands of a connection that the transcript names.
fn of_interest(heard: &[String], named: &[&str]) -> Vec<String> {
    let verb = |line: &str| {
        line.split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase()
    };
    let named: Vec<String> = named.iter().map(|line| verb(line)).collect();
    let mut text = Text::None;
    let mut kept = Vec::new();
    for line in heard {
        let verb = verb(line);
        let transaction = ["MAIL", "RCPT", "DATA", "BDAT"].contains(&verb.as_str());
        if text != Text::None || transaction || named.contains(&verb) {
            kept.push(line.clone());
        }
        text = text.behind(line);
    }
    kept
}

fn check_backend(transcript: &Transcript, backend: &BackendDouble) -> Result<(), String> {
    let patterns: Vec<&str> = transcript
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Heard(line) if !line.starts_with('<') => Some(line.as_str()),
            _ => None,
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let all: Vec<String> = backend
            .heard()
            .into_iter()
            .flat_map(|it| it.lines)
            .collect();
        let heard = of_interest(&all, &patterns);
        if glob::all_fit(&patterns, &heard) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "the backend heard\n{heard:#?}\nwhere\n{patterns:#?}\nwas expected"
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Each refusal of ours ends in the id of its session; what the backend said is its own.
fn check_ids(heard: &[String], lines: &[Line]) -> Result<(), String> {
    let is_refusal = |line: &&String| matches!(line.as_bytes(), [b'4' | b'5', _, _, b' ', ..]);
    let unnamed = |line: &&String| !ends_in_id(line) && !is_said_by_backend(text_of(line), lines);
    match heard.iter().filter(is_refusal).find(unnamed) {
        Some(line) => Err(format!("{line:?} does not end in an id")),
        None => Ok(()),
    }
}

/// In parentheses, ten characters as the proxy makes them; with a number where it is a transaction's.
fn ends_in_id(line: &str) -> bool {
    let inside = line
        .strip_suffix(')')
        .and_then(|line| line.rsplit_once('('));
    let id = inside.map_or("", |(_, id)| id.split('-').next().unwrap_or(id));
    id.len() == 10
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// A reply without its codes.
fn text_of(line: &str) -> &str {
    let (_, text) = line.split_once(' ').unwrap_or((line, ""));
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_enhanced = first.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_enhanced { rest } else { text }
}

fn is_said_by_backend(text: &str, lines: &[Line]) -> bool {
    lines.iter().any(|line| match line {
        Line::Backend(Step::Say(octets)) => String::from_utf8_lossy(octets).contains(text),
        _ => false,
    })
}

fn check_quarantine(transcript: &Transcript, proxy: &Proxy, before: usize) -> Result<(), String> {
    let read = |path: &std::path::Path| std::fs::read(path).map_err(|error| error.to_string());
    let mut messages = proxy.quarantine("eml");
    // Names need not sort by time: the newest are those of this play.
    messages.sort_by_key(|path| path.metadata().and_then(|it| it.modified()).ok());
    let new = messages.split_off(before.min(messages.len()));
    let wanted = &transcript.setup.after.quarantine;
    if new.len() != wanted.len() {
        return Err(format!(
            "{} messages in quarantine, not {}",
            new.len(),
            wanted.len()
        ));
    }
    for (path, kept) in new.iter().zip(wanted) {
        let message = String::from_utf8_lossy(&read(path)?).into_owned();
        let lines: Vec<&str> = message.split_terminator("\r\n").collect();
        if !glob::all_fit(&kept.message, &lines) {
            return Err(format!("quarantined {lines:#?}, not {:#?}", kept.message));
        }
        let record = read(&path.with_extension("json"))?;
        let record = String::from_utf8_lossy(&record).into_owned();
        if let Some(missing) = kept.record.iter().find(|text| !record.contains(*text)) {
            return Err(format!("{missing:?} is not in the record {record}"));
        }
    }
    Ok(())
}

/// Other transcripts may write into the same log meanwhile: a pattern should name what only this one has.
fn check_log(transcript: &Transcript, begun: usize) -> Result<(), String> {
    let after = &transcript.setup.after;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let lines = journal::after(begun);
        let fit = |pattern: &&String| {
            let fits = lines
                .iter()
                .filter(|line| glob::fits(pattern, line.trim_end()));
            fits.count()
        };
        let mut patterns = after.log.iter().chain(&after.log_once);
        match patterns.find(|pattern| fit(pattern) == 0) {
            Some(pattern) if Instant::now() >= deadline => {
                return Err(format!("no line of the log fits {pattern:?}: {lines:#?}"));
            }
            Some(_) => std::thread::sleep(Duration::from_millis(10)),
            None => {
                let again = after.log_once.iter().find(|pattern| fit(pattern) > 1);
                let again = again.map(|it| format!("{} lines fit {it:?}: {lines:#?}", fit(&it)));
                return again.map_or(Ok(()), Err);
            }
        }
    }
}
