//! The keys of `[config]` and what they answer.

use lazaret_filter::notes::{self, Scope};
use lazaret_filter::{Verdict, score};
use serde::Deserialize;

use crate::names;

/// The `[config]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// the name that results are written under
    authserv_id: String,
    /// what happens on which finding
    on: Answers,
}

/// One answer a finding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Answers {
    spf_fail: Answer,
    spf_softfail: Answer,
    spf_error: Answer,
    dkim_fail: Answer,
    dmarc_reject: Answer,
    dmarc_quarantine: Answer,
    dmarc_fail: Answer,
    no_author: Answer,
    unavailable: Answer,
}

/// `"reject"`, `"defer"`, `"quarantine"`, `"ignore"`, or points for the score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(
    untagged,
    expecting = "write \"reject\", \"defer\", \"quarantine\", \"ignore\" or points such as 4.0"
)]
pub enum Answer {
    /// an answer to the message
    Word(Word),
    /// add to its score
    Points(f64),
}

/// An answer in words.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// 550 5.7.x
    Reject,
    /// 451 4.7.x
    Defer,
    /// the operator must grant it
    Quarantine,
    /// nothing
    Ignore,
}

/// What may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    SpfFail,
    SpfSoftFail,
    SpfError,
    DkimFail,
    DmarcReject,
    DmarcQuarantine,
    DmarcFail,
    NoAuthor,
    Unavailable,
}

/// Settings that make sense.
#[derive(Debug)]
pub struct Checked {
    /// the name that results are written under
    pub host: String,
    pub answers: Answers,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            spf_fail: Answer::Points(2.0),
            spf_softfail: Answer::Points(0.5),
            spf_error: Answer::Points(0.5),
            dkim_fail: Answer::Points(0.5),
            dmarc_reject: Answer::Word(Word::Reject),
            dmarc_quarantine: Answer::Points(4.0),
            dmarc_fail: Answer::Points(0.5),
            no_author: Answer::Word(Word::Reject),
            unavailable: Answer::Word(Word::Defer),
        }
    }
}

impl Settings {
    /// # Errors
    /// Names the key that is missing or wrong.
    pub fn check(self) -> Result<Checked, String> {
        let host = names::domain(&self.authserv_id).ok_or(
            "authserv-id: write the name of this mail server, e.g. authserv-id = \"mx.example.org\"",
        )?;
        self.on.check()?;
        Ok(Checked {
            host,
            answers: self.on,
        })
    }
}

impl Answers {
    /// An answer in words goes before points, the strictest first; without one the points are given.
    pub fn to(&self, findings: &[Finding]) -> Verdict {
        for word in [Word::Reject, Word::Defer, Word::Quarantine] {
            let answered = findings
                .iter()
                .find(|finding| self.answer(**finding) == Answer::Word(word));
            if let Some(finding) = answered {
                return finding.answered(word);
            }
        }
        self.score(findings);
        Verdict::Continue
    }

    /// Points for the sum, and a note for the filter that writes the reasons.
    fn score(&self, findings: &[Finding]) {
        let mut reasons = Vec::new();
        for finding in findings {
            if let Answer::Points(points) = self.answer(*finding) {
                let symbol = finding.symbol();
                // Bounds that the operator set are the operator's.
                let _ = score::add(symbol, points, finding.words());
                reasons.push(format!("{symbol}={points:.1}"));
            }
        }
        if !reasons.is_empty() {
            // Where notes are denied, nothing is lost.
            let _ = notes::set(Scope::Transaction, "reasons", &reasons.join(" "));
        }
    }

    fn answer(&self, finding: Finding) -> Answer {
        match finding {
            Finding::SpfFail => self.spf_fail,
            Finding::SpfSoftFail => self.spf_softfail,
            Finding::SpfError => self.spf_error,
            Finding::DkimFail => self.dkim_fail,
            Finding::DmarcReject => self.dmarc_reject,
            Finding::DmarcQuarantine => self.dmarc_quarantine,
            Finding::DmarcFail => self.dmarc_fail,
            Finding::NoAuthor => self.no_author,
            Finding::Unavailable => self.unavailable,
        }
    }

    fn check(&self) -> Result<(), String> {
        let bad = Finding::ALL.iter().find(|finding| {
            matches!(self.answer(**finding), Answer::Points(points) if !points.is_finite())
        });
        match bad {
            Some(finding) => Err(format!(
                "on: points for {} must be a number",
                finding.symbol()
            )),
            None => Ok(()),
        }
    }
}

impl Finding {
    const ALL: [Self; 9] = [
        Self::SpfFail,
        Self::SpfSoftFail,
        Self::SpfError,
        Self::DkimFail,
        Self::DmarcReject,
        Self::DmarcQuarantine,
        Self::DmarcFail,
        Self::NoAuthor,
        Self::Unavailable,
    ];

    fn symbol(self) -> &'static str {
        match self {
            Self::SpfFail => "SPF_FAIL",
            Self::SpfSoftFail => "SPF_SOFTFAIL",
            Self::SpfError => "SPF_ERROR",
            Self::DkimFail => "DKIM_FAIL",
            Self::DmarcReject => "DMARC_REJECT",
            Self::DmarcQuarantine => "DMARC_QUARANTINE",
            Self::DmarcFail => "DMARC_FAIL",
            Self::NoAuthor => "NO_AUTHOR",
            Self::Unavailable => "AUTH_UNAVAILABLE",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::SpfFail => "the sender's domain does not allow this client (SPF)",
            Self::SpfSoftFail => "the sender's domain hardly allows this client (SPF)",
            Self::SpfError => "the sender's domain has a broken SPF record",
            Self::DkimFail => "a signature does not fit the message (DKIM)",
            Self::DmarcReject => {
                "the domain in From does not answer for this message and asks to refuse it (DMARC)"
            }
            Self::DmarcQuarantine => {
                "the domain in From does not answer for this message and asks for suspicion (DMARC)"
            }
            Self::DmarcFail => "the domain in From does not answer for this message (DMARC)",
            Self::NoAuthor => "From does not say whose the message is",
            Self::Unavailable => "the domains of this message could not be asked about it",
        }
    }

    /// The codes of RFC 7372 and RFC 7489 where there is one.
    fn status(self) -> &'static str {
        match self {
            Self::SpfFail | Self::SpfSoftFail => "7.23",
            Self::SpfError => "7.24",
            Self::DkimFail => "7.20",
            _ => "7.1",
        }
    }

    fn answered(self, word: Word) -> Verdict {
        match word {
            Word::Reject => Verdict::reject(self.words()).enhanced(format!("5.{}", self.status())),
            Word::Defer => Verdict::defer(self.words()).enhanced(format!("4.{}", self.status())),
            Word::Quarantine => Verdict::quarantine(self.words()),
            Word::Ignore => Verdict::Continue,
        }
    }
}
