//! What is known of something that is decided.

use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lazaret_mail::chain::{Record, Said};
use lazaret_mail::{Envelope, Failure, Session, Stage, Tls};
use lazaret_smtp::{Address, Command, Path, Reply};

use super::kept::Kept;
use crate::backend::{Exchange, Talk};
use crate::fate::Fate;

/// A transaction that is over, or a session that ended without one.
#[derive(Debug)]
pub(crate) struct Entry {
    /// as it was at the end
    pub(crate) session: Arc<Session>,
    /// when the session began
    pub(crate) began: SystemTime,
    /// what was decided about the session, outside of transactions
    pub(crate) connection: Arc<Vec<Judgement>>,
    pub(crate) ended: Ended,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Transaction(Box<Transaction>),
    /// for this reason
    Session(&'static str),
}

/// A transaction that is over.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// counts up in its session
    pub(crate) number: u32,
    /// after so much of the session
    pub(crate) at: Duration,
    /// of the chain
    pub(crate) generation: u64,
    /// all recipients the client was told yes about
    pub(crate) envelope: Arc<Envelope>,
    /// those of them the backend never heard of
    pub(crate) kept: Vec<Address>,
    /// recipients refused, by whomever
    pub(crate) refused: usize,
    pub(crate) judgements: Vec<Judgement>,
    /// so many more are not kept
    pub(crate) more: usize,
    pub(crate) talk: Talk,
    pub(crate) fate: Fate,
    /// the last one it got; None if the client did not wait for one
    pub(crate) reply: Option<Reply>,
    pub(crate) by: By,
    /// octets, if it came to its end of data
    pub(crate) size: Option<u64>,
    pub(crate) score: f64,
    pub(crate) queue_id: Option<String>,
    /// the first `Message-ID` of what came, shortened; None without one, and if it did not come to its end
    pub(crate) message_id: Option<String>,
    /// fields added and removed on the way to the backend
    pub(crate) edits: String,
    /// what did not work, ours or the backend's
    pub(crate) problem: Option<String>,
    pub(crate) phases: Phases,
}

/// How long each phase took. Zero: there was none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phases {
    /// from the beginning of the session, or the end of the last transaction, to MAIL
    pub(crate) mail: Duration,
    /// from MAIL to DATA, or to the first BDAT
    pub(crate) data: Duration,
    /// from there to the end of data
    pub(crate) content: Duration,
    /// in filters, all stages together
    pub(crate) filters: Duration,
    /// waiting for the backend
    pub(crate) backend: Duration,
    /// from MAIL to the last reply
    pub(crate) total: Duration,
}

/// Whose decision something was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// nobody decided anything: the client left, or changed its mind
    Nobody,
    /// a rule of ours
    Us,
    Filter(Arc<str>),
    Backend,
}

/// What a command was about.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// nothing but the session or the transaction
    Itself,
    Address(Address),
    /// as said in the hello
    Name(Box<str>),
}

impl Of {
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Of::Itself => None,
            Of::Address(address) => Some(address.mailbox()),
            Of::Name(name) => Some(name),
        }
    }
}

/// What was decided at a stage about one command.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    /// after so much of the session
    pub(crate) at: Duration,
    /// None: a command that never came to one
    pub(crate) stage: Option<Stage>,
    pub(crate) of: Of,
    /// of each filter that was asked
    pub(crate) records: Box<[Kept]>,
    /// the refusal, if it came to one
    pub(crate) reply: Option<Reply>,
    pub(crate) by: By,
}

impl By {
    /// The filter that decided, or nobody.
    pub(crate) fn filter(by: Option<Arc<str>>, or: By) -> Self {
        by.map_or(or, By::Filter)
    }

    /// As the log has it: a filter's name in brackets is none.
    pub(crate) fn word(&self) -> &str {
        match self {
            By::Nobody => "-",
            By::Us => "(rule)",
            By::Filter(name) => name,
            By::Backend => "(backend)",
        }
    }
}

impl Entry {
    /// Of a client that had no session yet.
    pub(super) fn turned_away(session: Session, reply: Reply) -> Self {
        let judgement = Judgement {
            at: Duration::ZERO,
            stage: Some(Stage::Connect),
            of: Of::Itself,
            records: Box::default(),
            reply: Some(reply),
            by: By::Us,
        };
        Self {
            session: Arc::new(session),
            began: SystemTime::now(),
            connection: Arc::new(vec![judgement]),
            ended: Ended::Session("turned away"),
        }
    }

    pub(crate) fn is_transaction(&self) -> bool {
        matches!(self.ended, Ended::Transaction(_))
    }

    /// Octets it takes, more or less.
    pub(crate) fn weight(&self) -> usize {
        let own = match &self.ended {
            Ended::Session(_) => 0,
            Ended::Transaction(transaction) => transaction.weight(),
        };
        let session = weight_of_session(&self.session);
        size_of::<Self>() + session + all(&self.connection, Judgement::weight) + own
    }
}

impl Transaction {
    fn weight(&self) -> usize {
        let texts = [&self.queue_id, &self.message_id, &self.problem]
            .map(|text| text.as_ref().map_or(0, String::len));
        let envelope = &self.envelope;
        size_of::<Self>()
            + texts.iter().sum::<usize>()
            + self.edits.len()
            + self.reply.as_ref().map_or(0, |it| it.text().len())
            + envelope.sender.as_ref().map_or(0, weight_of_path)
            + all(&envelope.recipients, weight_of_path)
            + self.kept.len() * size_of::<Address>()
            + all(&self.judgements, Judgement::weight)
            + all(&self.talk.exchanges, weight_of_exchange)
    }
}

impl Judgement {
    fn weight(&self) -> usize {
        let of = self.of.word().map_or(0, str::len);
        size_of::<Self>()
            + of
            + self.reply.as_ref().map_or(0, |it| it.text().len())
            + all(&self.records, weight_of_kept)
    }
}

/// Names in it may be a client's.
fn weight_of_session(session: &Session) -> usize {
    let of = |text: Option<&String>| text.map_or(0, String::capacity);
    let tls = session.tls.as_ref().map_or(0, |tls| {
        let shown = tls.client_certificate.as_ref();
        let shown = shown.map(|it| [&it.subject, &it.issuer, &it.sha256].map(String::capacity));
        size_of::<Tls>() + of(tls.server_name.as_ref()) + shown.into_iter().flatten().sum::<usize>()
    });
    let name = session.client.name.known_by_now().map_or(0, str::len);
    size_of::<Session>() + 256 + of(session.hello.as_ref()) + name + tls
}

fn all<T>(items: &[T], weight: impl Fn(&T) -> usize) -> usize {
    items.iter().map(weight).sum()
}

fn weight_of_exchange(exchange: &Exchange) -> usize {
    let reply = exchange.reply.as_ref().map_or(0, |it| it.text().len());
    let command = match &exchange.command {
        Some(Command::Mail(path) | Command::Rcpt(path)) => weight_of_path(path),
        _ => 64,
    };
    size_of::<Exchange>() + reply + command
}

/// With its parameters: ORCPT and ENVID may be as long as a command.
fn weight_of_path(path: &Path) -> usize {
    size_of::<Path>() + path.octets() + 64
}

fn weight_of_kept(kept: &Kept) -> usize {
    let more = match kept {
        Kept::Brief(_) => 0,
        Kept::Whole(record) => weight_of_record(record),
    };
    size_of::<Kept>() + more
}

fn weight_of_record(record: &Record) -> usize {
    let scores = record
        .scores
        .iter()
        .map(|(symbol, _, why)| symbol.len() + why.len() + 64);
    let edits = record.edits.iter().map(|edit| edit.octets() + 64);
    let said = weight_of_words(&record.said);
    size_of::<Record>() + scores.sum::<usize>() + edits.sum::<usize>() + said + 64
}

/// A filter's own words, which may be long.
fn weight_of_words(said: &Said) -> usize {
    match said {
        Said::Verdict(verdict) => verdict.octets(),
        Said::Failed(failure) => size_of::<Failure>() + failure.octets(),
        Said::FailedEarlier(_) | Said::Unscanned { .. } => 0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use lazaret_mail::chain::Weight;
    use lazaret_mail::{Certificate, Clues, FailureKind, Mode, Party, ReplyHint, Verdict};

    pub(in crate::explain) fn entry(session: &str, number: Option<u32>) -> Entry {
        let session = Session {
            id: session.into(),
            listener: "mx".into(),
            client: Party {
                address: ([192, 0, 2, 1], 40000).into(),
                name: Default::default(),
            },
            hello: None,
            tls: None,
            user: None,
            early_talker: false,
        };
        let transaction = |number| {
            Ended::Transaction(Box::new(Transaction {
                number,
                at: Duration::ZERO,
                generation: 1,
                envelope: Arc::default(),
                kept: Vec::new(),
                refused: 0,
                judgements: Vec::new(),
                more: 0,
                talk: Talk::default(),
                fate: Fate::Reset,
                reply: None,
                by: By::Nobody,
                size: None,
                score: 0.0,
                queue_id: None,
                message_id: None,
                edits: String::new(),
                problem: None,
                phases: Phases::default(),
            }))
        };
        Entry {
            session: Arc::new(session),
            began: SystemTime::UNIX_EPOCH,
            connection: Arc::default(),
            ended: number.map_or(Ended::Session("QUIT"), transaction),
        }
    }

    fn weight(parameters: &str) -> usize {
        let line = format!("RCPT TO:<b@example.org>{parameters}");
        let Ok(Command::Rcpt(path)) = Command::parse(line.as_bytes()) else {
            panic!("{line}");
        };
        let mut entry = entry("A", Some(1));
        if let Ended::Transaction(transaction) = &mut entry.ended {
            transaction.envelope = Arc::new(Envelope {
                sender: None,
                recipients: vec![path.clone(); 100],
            });
            let exchange = |path| Exchange {
                step: crate::backend::Step::Rcpt,
                command: Some(Command::Rcpt(path)),
                reply: None,
                took: Duration::ZERO,
            };
            transaction.talk.exchanges = vec![exchange(path); 100];
        }
        entry.weight()
    }

    /// As the chain in `examples/mx.d` leaves it: one recipient, each of eight filters asked at two stages, some points.
    fn busy() -> Entry {
        let mut entry = entry("A", Some(1));
        let Ok(Command::Rcpt(path)) = Command::parse(b"RCPT TO:<bob@example.org>") else {
            panic!("a command");
        };
        let record = |number: usize| Record {
            filter: "a-filter".into(),
            stage: Stage::Message,
            mode: lazaret_mail::Mode::Enforce,
            said: Said::Verdict(Verdict::Continue),
            weight: Weight::Counted,
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
            memory: 0,
            edits: Vec::new(),
            edit_fault: None,
            scores: vec![("A_SYMBOL".into(), 1.0, "why it is so".into()); number % 2],
            pace: Duration::ZERO,
            dropped: 0,
            replaced: 0,
        };
        let judgement = |_| Judgement {
            at: Duration::ZERO,
            stage: Some(Stage::Rcpt),
            of: Of::Address(path.address.clone()),
            records: (0..4).map(record).map(Kept::from).collect(),
            reply: None,
            by: By::Backend,
        };
        let exchange = |_| Exchange {
            step: crate::backend::Step::Rcpt,
            command: Some(Command::Rcpt(path.clone())),
            reply: Some(Reply::new(
                lazaret_smtp::Code::OK,
                None,
                "2.1.5 recipient ok",
            )),
            took: Duration::ZERO,
        };
        if let Ended::Transaction(transaction) = &mut entry.ended {
            transaction.envelope = Arc::new(Envelope {
                sender: None,
                recipients: vec![path.clone()],
            });
            transaction.judgements = (0..4).map(judgement).collect();
            transaction.talk.exchanges = (0..4).map(exchange).collect();
            transaction.edits = "Received, X-Spam-Status".into();
        }
        entry
    }

    /// As a stranger shows it where certificates are asked for.
    #[test]
    fn names_of_a_client_count() {
        let mut named = entry("A", None);
        let session = Arc::make_mut(&mut named.session);
        session.hello = Some("h".repeat(500));
        session.tls = Some(Arc::new(Tls {
            version: "TLSv1.3".into(),
            cipher: "TLS_AES_128_GCM_SHA256".into(),
            server_name: Some("s".repeat(250)),
            client_certificate: Some(Certificate {
                subject: "n".repeat(1024),
                issuer: "i".repeat(1024),
                sha256: "0".repeat(64),
                verified: false,
            }),
        }));
        let without = entry("A", None).weight();
        assert!(named.weight() >= without + 500 + 250 + 2 * 1024 + 64);
    }

    #[test]
    fn ten_thousand_ordinary_transactions_are_kept() {
        let limits = crate::config::Limits::default();
        let weight = busy().weight();
        println!("{weight} octets");
        assert!(weight > 4000, "{weight}");
        assert!(weight * limits.decisions <= limits.decisions_memory / 4 * 3);
    }

    #[test]
    fn what_filters_said_has_its_weight() {
        let weight = |said| {
            let stage = Stage::Rcpt;
            weight_of_record(&Record::of("f".into(), stage, Mode::Observe, said))
        };
        let failed = |words: &str, line: &str| {
            Said::Failed(Box::new(Failure {
                filter: "f".into(),
                stage: Stage::Rcpt,
                kind: FailureKind::Trap(words.into()),
                cpu: Duration::ZERO,
                clues: Box::new(Clues {
                    stderr: vec![line.into(); 10],
                    ..Clues::default()
                }),
            }))
        };
        let hint = |text: String| ReplyHint {
            text,
            ..ReplyHint::default()
        };
        let text = || "x".repeat(2000);
        let nothing = weight(Said::Verdict(Verdict::Continue));
        let said = [
            Said::Verdict(Verdict::Reject(hint(text()))),
            Said::Verdict(Verdict::Quarantine(text())),
            failed(&text(), ""),
            failed("", &text()[..200]),
        ];
        for said in said {
            let words = format!("{said:?}");
            assert!(weight(said) >= nothing + 2000, "{words}");
        }
    }

    #[test]
    fn parameters_have_their_weight() {
        let long = format!(" ORCPT=rfc822;{}", "x".repeat(400));
        let more = weight(&long) - weight("");
        assert!(more >= 200 * 400, "{more}");
    }
}
