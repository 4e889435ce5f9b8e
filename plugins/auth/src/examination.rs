//! One message: what is asked about it and what was found.

use std::time::{SystemTime, UNIX_EPOCH};

use lazaret_filter::notes::{self, Scope};
use lazaret_filter::{Error, body, envelope, headers, session};

use crate::dkim::{self, BodyHash, Field, Signatures};
use crate::dmarc::{self, Authenticated, Authors, Identifiers, Judged, Wish};
use crate::names::{self, Budget, Names};
use crate::resolver::Host;
use crate::results::Entry;
use crate::settings::Finding;
use crate::spf;

/// Questions to the name system for one message; the host allows 100 in a call.
const MOST_QUESTIONS: u32 = 90;

/// What was found.
pub struct Examination {
    spf: spf::Outcome,
    /// whose address SPF was asked about: `smtp.mailfrom` or `smtp.helo`, and what it was
    sender: (&'static str, String),
    dkim: Vec<dkim::Checked>,
    /// for each domain of From, the strictest first
    dmarc: Vec<Judged>,
}

impl Examination {
    /// Asks everything; an error where the message cannot be read.
    pub fn of_this_message() -> Result<Self, Error> {
        let mut names = Budget::new(Host, MOST_QUESTIONS);
        let fields = fields();
        // Before the sender's domains are asked about: whoever sends decides how long those take, and all questions share
        // one time.
        let authors = Authors::look_up(&mut names, &values(&fields, "from"));
        let signatures = Signatures::of(fields);
        let mut hashes = signatures.hashes();
        if !hashes.is_empty() {
            read_body(&mut hashes)?;
        }
        let identity = Identity::of_this_session();
        let spf = identity.check(&mut names);
        let dkim = signatures.check(&mut names, hashes, now());
        let dmarc = authors.check(&mut names, &authenticated(&identity, spf, &dkim));
        Ok(Self {
            spf,
            sender: identity.property(),
            dkim,
            dmarc,
        })
    }

    /// For Authentication-Results.
    pub fn entries(&self) -> Vec<Entry> {
        let spf = Entry {
            method: "spf",
            result: self.spf.word(),
            reason: None,
            properties: vec![self.sender.clone()],
        };
        let dkim = self.dkim.iter().map(|checked| Entry {
            method: "dkim",
            result: checked.outcome.word(),
            reason: checked.outcome.reason(),
            properties: match checked.domain.is_empty() {
                true => Vec::new(),
                false => vec![
                    ("header.d", checked.domain.clone()),
                    ("header.s", checked.selector.clone()),
                ],
            },
        });
        let unsigned = self.dkim.is_empty().then(|| Entry {
            method: "dkim",
            result: "none",
            reason: None,
            properties: Vec::new(),
        });
        // One result however many authors there are: nobody reads a pass of one as that of another.
        let dmarc = self.dmarc.first().map(|strictest| Entry {
            method: "dmarc",
            result: strictest.outcome.word(),
            reason: None,
            properties: strictest
                .author
                .iter()
                .map(|domain| ("header.from", domain.clone()))
                .collect(),
        });
        std::iter::once(spf)
            .chain(dkim)
            .chain(unsigned)
            .chain(dmarc)
            .collect()
    }

    /// For other filters; where notes are denied, nothing is lost.
    pub fn note(&self) {
        let signed: Vec<_> = passed(&self.dkim).collect();
        let strictest = self.dmarc.first();
        let author = strictest.and_then(|judged| judged.author.as_deref());
        for (key, value) in [
            ("spf", self.spf.word()),
            ("dkim", if signed.is_empty() { "none" } else { "pass" }),
            ("dkim-domains", &signed.join(" ")),
            (
                "dmarc",
                strictest.map_or("none", |judged| judged.outcome.word()),
            ),
            ("author", author.unwrap_or_default()),
        ] {
            let _ = notes::set(Scope::Transaction, key, value);
        }
    }

    /// What may be answered.
    pub fn findings(&self) -> Vec<Finding> {
        let spf = match self.spf {
            spf::Outcome::Fail => Some(Finding::SpfFail),
            spf::Outcome::SoftFail => Some(Finding::SpfSoftFail),
            spf::Outcome::PermError => Some(Finding::SpfError),
            _ => None,
        };
        let broken = |checked: &dkim::Checked| matches!(checked.outcome, dkim::Outcome::Fail(_));
        let dkim = self.dkim.iter().any(broken) && passed(&self.dkim).next().is_none();
        let dkim = dkim.then_some(Finding::DkimFail);
        spf.into_iter()
            .chain(dkim)
            .chain(self.of_authors())
            .collect()
    }

    /// Of several domains that fail the strictest wish counts; whatever else is wrong with From is a finding beside it.
    fn of_authors(&self) -> Vec<Finding> {
        let mut judged: Vec<_> = self.dmarc.iter().collect();
        judged.dedup_by_key(|judged| judged.outcome.word());
        let finding = |judged: &Judged| match judged.outcome {
            dmarc::Outcome::Fail(Wish::Reject) => Some(Finding::DmarcReject),
            dmarc::Outcome::Fail(Wish::Quarantine) => Some(Finding::DmarcQuarantine),
            dmarc::Outcome::Fail(Wish::None) => Some(Finding::DmarcFail),
            dmarc::Outcome::TempError => Some(Finding::Unavailable),
            dmarc::Outcome::PermError => Some(Finding::NoAuthor),
            dmarc::Outcome::None | dmarc::Outcome::Undecided | dmarc::Outcome::Pass => None,
        };
        judged.into_iter().filter_map(finding).collect()
    }
}

/// Whom SPF is asked about: the sender, or the greeting where there is none (RFC 7208 section 2.4).
struct Identity {
    address: String,
    hello: String,
    /// local part and domain
    mailbox: Option<(String, String)>,
}

impl Identity {
    fn of_this_session() -> Self {
        let sender = envelope::sender().filter(|sender| !sender.is_null());
        Self {
            address: session::client().address,
            hello: session::hello().unwrap_or_default(),
            mailbox: sender.map(|sender| (sender.local_part, sender.domain)),
        }
    }

    fn domain(&self) -> &str {
        match &self.mailbox {
            Some((_, domain)) => domain,
            None => &self.hello,
        }
    }

    fn check(&self, names: &mut dyn Names) -> spf::Outcome {
        let Ok(address) = self.address.parse() else {
            return spf::Outcome::None;
        };
        let local_part = self
            .mailbox
            .as_ref()
            .map_or("", |(local_part, _)| local_part);
        let sender = spf::Sender {
            address,
            hello: &self.hello,
            local_part,
            domain: self.domain(),
        };
        spf::check(names, &sender)
    }

    fn property(&self) -> (&'static str, String) {
        match &self.mailbox {
            Some((local_part, domain)) => ("smtp.mailfrom", format!("{local_part}@{domain}")),
            None => ("smtp.helo", self.hello.clone()),
        }
    }
}

/// Who answers for the message, as DMARC counts, and who might have.
fn authenticated(identity: &Identity, spf: spf::Outcome, dkim: &[dkim::Checked]) -> Authenticated {
    let who = |of_spf, of_dkim| Identifiers {
        spf: (spf == of_spf)
            .then(|| names::domain(identity.domain()))
            .flatten(),
        dkim: with(dkim, of_dkim).map(str::to_owned).collect(),
    };
    Authenticated {
        passed: who(spf::Outcome::Pass, dkim::Outcome::Pass),
        late: who(spf::Outcome::TempError, dkim::Outcome::TempError),
    }
}

fn passed(dkim: &[dkim::Checked]) -> impl Iterator<Item = &str> {
    with(dkim, dkim::Outcome::Pass)
}

/// The domains of the signatures of which this came.
fn with(dkim: &[dkim::Checked], outcome: dkim::Outcome) -> impl Iterator<Item = &str> {
    dkim.iter()
        .filter(move |checked| checked.outcome == outcome)
        .map(|checked| checked.domain.as_str())
}

fn fields() -> Vec<Field> {
    let field = |field: headers::Field| Field {
        name: field.name,
        value: field.value,
    };
    headers::all().into_iter().map(field).collect()
}

fn values<'f>(fields: &'f [Field], name: &str) -> Vec<&'f [u8]> {
    let named = fields.iter().filter(|field| field.is_named(name));
    named.map(|field| field.value.as_slice()).collect()
}

/// Feeds what is behind the first empty line.
fn read_body(hashes: &mut [BodyHash]) -> Result<(), Error> {
    let mut gate = Gate::default();
    for chunk in body::chunks() {
        let chunk = chunk?;
        let content = gate.behind(&chunk);
        hashes.iter_mut().for_each(|hash| hash.feed(content));
    }
    Ok(())
}

/// Opens at the first empty line.
struct Gate {
    /// octets of CRLF CRLF that have come in a row; four is open
    matched: usize,
}

impl Default for Gate {
    /// A message may begin with the empty line.
    fn default() -> Self {
        Self { matched: 2 }
    }
}

impl Gate {
    fn behind<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        const END: &[u8; 4] = b"\r\n\r\n";
        for (at, octet) in chunk.iter().enumerate() {
            if self.matched == END.len() {
                return &chunk[at..];
            }
            self.matched = match *octet {
                octet if octet == END[self.matched] => self.matched + 1,
                b'\r' => 1,
                _ => 0,
            };
        }
        &[]
    }
}

/// Seconds since 1970; a clock that is wrong makes no signature expire.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::Gate;

    #[test]
    fn the_body_is_behind_the_first_empty_line_however_it_comes() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"A: b\r\n\r\nbody\r\n\r\nmore", b"body\r\n\r\nmore"),
            (b"\r\nbody", b"body"),
            (b"A: b\r\n\r\n", b""),
            (b"A: b\r\n", b""),
            (b"A: \r\r\n\r\nx", b"x"),
        ];
        for (message, body) in cases {
            for piece in 1..8 {
                let mut gate = Gate::default();
                let behind = message.chunks(piece).map(|chunk| gate.behind(chunk));
                assert_eq!(behind.collect::<Vec<_>>().concat(), body, "{message:?}");
            }
        }
    }
}
