//! A decision in words, as the control socket and `lazaret explain` tell it. Texts of clients, filters and the backend
//! are in it as they came, so who prints them must escape them.

use std::time::{Duration, SystemTime};

use lazaret_mail::chain::{Record, Said, Weight};
use lazaret_mail::{Path, Session, Stage, Verdict};
use serde::{Deserialize, Serialize};

use super::case::{Case, Glance, Pending};
use super::entry::{By, Ended, Entry, Judgement, Phases, Transaction};
use crate::backend::{Exchange, Talk};
use crate::filters::report::{seconds, word};

/// What is known of a session and its transactions, or of one of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// who it was
    pub session: SessionReport,
    /// those that are still known, in order
    pub transactions: Vec<TransactionReport>,
}

/// Who it was, and what was decided outside of transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionReport {
    /// as in the log and in replies
    pub id: String,
    /// when it began, in seconds since 1970
    pub began: u64,
    /// `open`, or why it ended where that is known
    pub state: String,
    /// by which it came in
    pub listener: String,
    /// address and port
    pub client: String,
    /// PTR name, forward confirmed
    pub ptr: Option<String>,
    /// the name said in EHLO or HELO
    pub helo: Option<String>,
    /// version and cipher
    pub tls: Option<String>,
    /// server name it asked for
    pub server_name: Option<String>,
    /// subject of the client's certificate
    pub certificate: Option<String>,
    /// by AUTH
    pub user: Option<String>,
    /// spoke before our greeting
    pub early_talker: bool,
    /// in order
    pub judgements: Vec<JudgementReport>,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TransactionReport {
    /// that of the session and a number
    pub id: String,
    /// when MAIL came, in seconds since 1970
    pub began: u64,
    /// how it ended; `open` while it has not
    pub fate: String,
    /// the last reply
    pub reply: Option<String>,
    /// whose decision it was: a filter's name, `(rule)`, `(backend)`, `-`
    pub by: String,
    /// of the chain
    pub generation: u64,
    /// path and parameters; empty for the null sender
    pub from: String,
    /// those that were accepted, with parameters
    pub to: Vec<String>,
    /// those of them the backend never heard of
    pub kept: Vec<String>,
    /// octets, if it came to its end of data
    pub size: Option<u64>,
    /// of all filters
    pub score: f64,
    /// fields added and removed on the way to the backend, with their octets
    pub edits: String,
    /// what did not work, ours or the backend's
    pub problem: Option<String>,
    /// the backend's
    pub queue_id: Option<String>,
    /// address of the backend
    pub backend: Option<String>,
    /// in milliseconds
    pub phases: PhasesReport,
    /// in order
    pub judgements: Vec<JudgementReport>,
    /// so many more judgements are not kept
    pub more_judgements: usize,
    /// with the backend, in order
    pub dialogue: Vec<ExchangeReport>,
    /// so many more exchanges are not kept
    pub more_exchanges: usize,
}

/// How long each phase took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PhasesReport {
    /// from the beginning of the session, or the end of the last transaction, to MAIL
    pub mail: f64,
    /// from MAIL to DATA, or to the first BDAT
    pub data: f64,
    /// from there to the end of data
    pub content: f64,
    /// in filters
    pub filters: f64,
    /// waiting for the backend
    pub backend: f64,
    /// from MAIL to the last reply
    pub total: f64,
}

/// What was decided about one command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JudgementReport {
    /// milliseconds of the session
    pub at: f64,
    /// e.g. `rcpt`; `command` for one that was refused before any stage
    pub stage: String,
    /// the recipient, or the name in the hello
    pub of: Option<String>,
    /// the refusal, if it came to one
    pub reply: Option<String>,
    /// as in [`TransactionReport::by`]
    pub by: String,
    /// those that were asked, in order
    pub filters: Vec<FilterReport>,
}

/// What one filter said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FilterReport {
    /// its name
    pub filter: String,
    /// at that time
    pub mode: String,
    /// a verdict, `failed` or `unscanned`
    pub said: String,
    /// its words, or why it failed
    pub words: String,
    /// did it count, and why not
    pub weight: String,
    /// symbol, points, why
    pub scores: Vec<(String, f64, String)>,
    /// what it changed
    pub edits: Vec<String>,
    /// why the edits were dropped
    pub edit_fault: Option<String>,
    /// in milliseconds
    pub cpu: f64,
    /// in milliseconds, host calls and waiting included
    pub wall: f64,
    /// octets of its sandbox
    pub memory: u64,
    /// milliseconds that it held the reply back
    pub pace: f64,
    /// log lines, calls and notes dropped at a cap
    pub dropped: u32,
    /// parts of its reply that did not fit
    pub replaced: u32,
    /// of a failure: detail, last lines of stderr, backtrace
    pub clues: Vec<String>,
}

/// A command to the backend and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExchangeReport {
    /// as it was sent, or what was waited for
    pub command: String,
    /// None: there was none
    pub reply: Option<String>,
    /// in milliseconds
    pub took: f64,
}

impl Explanation {
    /// Without all but one transaction.
    pub(super) fn only(mut self, id: &str) -> Option<Self> {
        self.transactions
            .retain(|transaction| transaction.id.eq_ignore_ascii_case(id));
        (!self.transactions.is_empty()).then_some(self)
    }
}

/// Of a session that may be open, and of what is over in it; one of them is there.
pub(super) fn explanation(case: Option<&Case>, entries: &[std::sync::Arc<Entry>]) -> Explanation {
    let glance = case.map(Case::glance);
    let mut transactions: Vec<_> = entries.iter().filter_map(|it| finished(it)).collect();
    transactions.extend(glance.as_ref().and_then(under_way));
    let session = match (glance, entries.last()) {
        (Some(glance), _) => session(
            &glance.session,
            glance.began,
            &glance.connection,
            "open".to_owned(),
        ),
        (None, Some(last)) => {
            let state = match last.ended {
                Ended::Session(reason) => reason,
                Ended::Transaction(_) => "ended",
            };
            session(
                &last.session,
                last.began,
                &last.connection,
                state.to_owned(),
            )
        }
        (None, None) => unreachable!("asked only about what is known"),
    };
    Explanation {
        session,
        transactions,
    }
}

fn session(
    session: &Session,
    began: SystemTime,
    connection: &[Judgement],
    state: String,
) -> SessionReport {
    let tls = session.tls.as_deref();
    let certificate = tls.and_then(|tls| tls.client_certificate.as_ref());
    SessionReport {
        id: session.id.to_string(),
        began: seconds(began),
        state,
        listener: session.listener.to_string(),
        client: session.client.address.to_string(),
        ptr: session.client.name.known_by_now().map(str::to_owned),
        helo: session.hello.clone(),
        tls: tls.map(|tls| format!("{} {}", tls.version, tls.cipher)),
        server_name: tls.and_then(|tls| tls.server_name.clone()),
        certificate: certificate.map(|certificate| certificate.subject.clone()),
        user: session.user.clone(),
        early_talker: session.early_talker,
        judgements: connection.iter().map(judgement).collect(),
    }
}

fn finished(entry: &Entry) -> Option<TransactionReport> {
    let Ended::Transaction(ended) = &entry.ended else {
        return None;
    };
    let Transaction {
        envelope,
        judgements,
        talk,
        ..
    } = &**ended;
    Some(TransactionReport {
        id: format!("{}-{}", entry.session.id, ended.number),
        began: seconds(entry.began + ended.at),
        fate: ended.fate.words().to_owned(),
        reply: ended.reply.as_ref().map(one_line),
        by: ended.by.word().to_owned(),
        generation: ended.generation,
        from: envelope.sender.as_ref().map(path).unwrap_or_default(),
        to: envelope.recipients.iter().map(path).collect(),
        kept: ended
            .kept
            .iter()
            .map(|it| it.mailbox().to_owned())
            .collect(),
        size: ended.size,
        score: ended.score,
        edits: ended.edits.clone(),
        problem: ended.problem.clone(),
        queue_id: ended.queue_id.clone(),
        backend: talk.address.as_ref().map(ToString::to_string),
        phases: ended.phases.into(),
        judgements: judgements.iter().map(judgement).collect(),
        more_judgements: ended.more,
        dialogue: talk.exchanges.iter().map(exchange).collect(),
        more_exchanges: talk.more,
    })
}

fn under_way(glance: &Glance) -> Option<TransactionReport> {
    let (pending, talk): &(Pending, Talk) = glance.transaction.as_ref()?;
    Some(TransactionReport {
        id: format!("{}-{}", glance.session.id, pending.number),
        began: seconds(glance.began + pending.at),
        fate: "open".to_owned(),
        reply: None,
        by: By::Nobody.word().to_owned(),
        generation: pending.generation,
        from: pending.sender.mailbox().to_owned(),
        to: accepted(talk),
        kept: Vec::new(),
        size: None,
        score: 0.0,
        edits: String::new(),
        problem: None,
        queue_id: None,
        backend: talk.address.as_ref().map(ToString::to_string),
        phases: PhasesReport::default(),
        judgements: pending.judgements.iter().map(judgement).collect(),
        more_judgements: pending.more,
        dialogue: talk.exchanges.iter().map(exchange).collect(),
        more_exchanges: talk.more,
    })
}

/// Recipients that the backend said yes to so far.
fn accepted(talk: &Talk) -> Vec<String> {
    let said_yes = |exchange: &&Exchange| {
        let reply = exchange.reply.as_ref();
        reply.is_some_and(|reply| reply.code().is_positive())
    };
    let recipient = |exchange: &Exchange| match &exchange.command {
        Some(lazaret_smtp::Command::Rcpt(recipient)) => Some(path(recipient)),
        _ => None,
    };
    let exchanges = talk.exchanges.iter().filter(said_yes);
    // One that was played again said it twice.
    let mut all = Vec::new();
    for recipient in exchanges.filter_map(recipient) {
        if !all.contains(&recipient) {
            all.push(recipient);
        }
    }
    all
}

fn judgement(judgement: &Judgement) -> JudgementReport {
    JudgementReport {
        at: milliseconds(judgement.at),
        stage: judgement.stage.map_or("command", Stage::name).to_owned(),
        of: judgement.of.word().map(str::to_owned),
        reply: judgement.reply.as_ref().map(one_line),
        by: judgement.by.word().to_owned(),
        filters: judgement
            .records
            .iter()
            .map(|kept| filter(&kept.record()))
            .collect(),
    }
}

fn filter(record: &Record) -> FilterReport {
    FilterReport {
        filter: record.filter.to_string(),
        mode: word(record.mode).to_owned(),
        said: record.word().to_owned(),
        words: words(&record.said),
        weight: match record.weight {
            Weight::Counted => "counted".to_owned(),
            other => other.to_string(),
        },
        scores: record.scores.clone(),
        edits: record.edits.iter().map(ToString::to_string).collect(),
        edit_fault: record.edit_fault.as_ref().map(ToString::to_string),
        cpu: milliseconds(record.cpu),
        wall: milliseconds(record.wall),
        memory: record.memory,
        pace: milliseconds(record.pace),
        dropped: record.dropped,
        replaced: record.replaced,
        clues: clues(&record.said),
    }
}

fn words(said: &Said) -> String {
    match said {
        Said::Verdict(Verdict::Reject(hint) | Verdict::Defer(hint) | Verdict::Disconnect(hint)) => {
            hint.text.clone()
        }
        Said::Verdict(Verdict::Quarantine(reason)) => reason.clone(),
        Said::Verdict(_) => String::new(),
        Said::Failed(failure) => failure.kind.to_string(),
        Said::FailedEarlier(_) => "earlier in this transaction".to_owned(),
        Said::Unscanned { size, limit } => format!("{size} octets, max-message {limit}"),
    }
}

fn clues(said: &Said) -> Vec<String> {
    let Said::Failed(failure) = said else {
        return Vec::new();
    };
    let clues = &failure.clues;
    let stderr = clues.stderr_line().map(|line| format!("stderr: {line}"));
    let backtrace = clues.backtrace_line();
    let backtrace = backtrace.map(|line| format!("backtrace: {line}"));
    [clues.detail.clone(), stderr, backtrace]
        .into_iter()
        .flatten()
        .collect()
}

fn exchange(exchange: &Exchange) -> ExchangeReport {
    let command = exchange.command.as_ref();
    ExchangeReport {
        command: command.map_or_else(|| format!("({})", exchange.step), ToString::to_string),
        reply: exchange.reply.as_ref().map(one_line),
        took: milliseconds(exchange.took),
    }
}

/// Code, enhanced code and text; lines parted by ` / `.
fn one_line(reply: &lazaret_smtp::Reply) -> String {
    let enhanced = reply.enhanced().map(|it| format!("{it} "));
    let text = reply.text().replace('\n', " / ");
    format!("{} {}{text}", reply.code(), enhanced.unwrap_or_default())
}

fn path(path: &Path) -> String {
    let mut text = path.address.mailbox().to_owned();
    for parameter in &path.parameters {
        text.push(' ');
        text.push_str(&parameter.to_string());
    }
    text
}

impl From<Phases> for PhasesReport {
    fn from(phases: Phases) -> Self {
        Self {
            mail: milliseconds(phases.mail),
            data: milliseconds(phases.data),
            content: milliseconds(phases.content),
            filters: milliseconds(phases.filters),
            backend: milliseconds(phases.backend),
            total: milliseconds(phases.total),
        }
    }
}

/// In hundredths: a filter takes less than one.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}
