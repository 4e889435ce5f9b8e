//! Bundled filter `dnsbl`: block and allow lists in the DNS (RFC 5782), weighted, all asked at once.
//!
//! Asked at the first recipient of a transaction; what the lists say holds for all of it.

mod batch;
mod codes;
mod list;
mod settings;

use std::net::IpAddr;

use lazaret_filter::prelude::*;

use crate::list::{Finding, List, Subject};
use crate::settings::{Action, Settings};

/// The filter.
pub struct Dnsbl {
    lists: Vec<List>,
    trusted: Vec<Network>,
    exempt: Vec<String>,
    refusal: Option<Refusal>,
    /// known from MAIL on
    sender_domain: String,
    /// known from the first recipient on
    findings: Option<Vec<Finding>>,
}

/// From how many points on, and how.
struct Refusal {
    from: f64,
    action: Action,
    text: Option<String>,
}

#[filter]
impl Filter for Dnsbl {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        let lists = config.list.into_iter().map(List::new);
        let lists: Vec<_> = lists.collect::<Result<_, _>>()?;
        let most = MOST_LISTS;
        if lists.len() > most {
            return Err(format!(
                "more than {most} lists: they are asked all at once"
            ));
        }
        Ok(Self {
            lists,
            trusted: config.trusted,
            exempt: config.exempt.iter().map(|it| it.to_lowercase()).collect(),
            refusal: config.refuse.map(|from| Refusal {
                from,
                action: config.action,
                text: config.text,
            }),
            sender_domain: String::new(),
            findings: None,
        })
    }

    fn mail(&mut self, sender: &Address) -> Verdict {
        self.sender_domain.clone_from(&sender.domain);
        Verdict::Continue
    }

    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        if self.is_spared() {
            return Verdict::Continue;
        }
        let findings = match self.findings.take() {
            Some(findings) => findings,
            None => {
                let findings = self.ask();
                findings.iter().for_each(count);
                findings
            }
        };
        let verdict = match self.is_exempt(recipient) {
            true => Verdict::Continue,
            false => self.judge(&findings),
        };
        self.findings = Some(findings);
        verdict
    }
}

/// What one call may ask at once.
const MOST_LISTS: usize = 64;

impl Dnsbl {
    /// Users who logged in, and networks of our own.
    fn is_spared(&self) -> bool {
        let client = session::client_ip();
        session::user().is_some() || self.trusted.iter().any(|network| network.contains(client))
    }

    /// `abuse@` is that local part anywhere.
    fn is_exempt(&self, recipient: &Address) -> bool {
        let mailbox = recipient.mailbox.to_lowercase();
        let local_part = format!("{}@", recipient.local_part.to_lowercase());
        let mut exempt = self.exempt.iter();
        exempt.any(|it| *it == mailbox || *it == local_part)
    }

    /// One batch; lists with nothing to ask about are left out.
    fn ask(&self) -> Vec<Finding> {
        let facts = Subjects::now(&self.sender_domain, &self.lists);
        let (lists, queries): (Vec<_>, Vec<_>) = self
            .lists
            .iter()
            .filter_map(|list| {
                let name = list.name_of(facts.of(list.subject())?)?;
                Some((list, dns::Query::new(name, dns::Kind::A)))
            })
            .unzip();
        let answered = batch::answers(&queries, &mut |part| dns::lookup_all(part));
        complain(&queries, &answered);
        let answered = lists.into_iter().zip(answered);
        answered
            .filter_map(|(list, answer)| list.read(&answer.ok()?))
            .collect()
    }

    fn judge(&self, findings: &[Finding]) -> Verdict {
        let points: f64 = findings.iter().map(|finding| finding.points).sum();
        let Some(refusal) = self.refusal.as_ref().filter(|it| points >= it.from) else {
            return Verdict::Continue;
        };
        let worst = findings.iter().max_by(|a, b| a.points.total_cmp(&b.points));
        let zone = worst.map_or("", |finding| finding.zone.as_str());
        let usual = "{client} is listed by {list}";
        let text = refusal.text.as_deref().unwrap_or(usual);
        let text = text
            .replace("{client}", &session::client_ip().to_string())
            .replace("{list}", zone);
        match refusal.action {
            Action::Reject => Verdict::reject(text).enhanced("5.7.1"),
            Action::Defer => Verdict::defer(text).enhanced("4.7.1"),
        }
    }
}

/// One line for all that could not be asked.
fn complain(queries: &[dns::Query], answered: &[Result<dns::Answer, Error>]) {
    let asked = queries.iter().zip(answered);
    let failed = asked.filter_map(|(query, answer)| Some((&*query.name, answer.as_ref().err()?)));
    let (names, errors): (Vec<&str>, Vec<&Error>) = failed.unzip();
    if let Some(error) = errors.first() {
        log::warn(format_args!("not asked about {names:?}: {error:?}"));
    }
}

fn count(finding: &Finding) {
    if let Err(error) = score::add(&finding.symbol, finding.points, &finding.why) {
        log::warn(format_args!(
            "cannot score {} with {} ({}): grant a wider `score`, or give it less weight",
            finding.symbol,
            finding.points,
            error.name()
        ));
    }
}

/// What lists may be asked about.
struct Subjects {
    client: IpAddr,
    client_name: Option<String>,
    hello: Option<String>,
    sender: String,
}

impl Subjects {
    /// The client's name is only asked for where a list is about it: finding it out takes time.
    fn now(sender: &str, lists: &[List]) -> Self {
        let named = lists
            .iter()
            .any(|list| list.subject() == Subject::ClientName);
        Self {
            client: session::client_ip(),
            client_name: named.then(session::client).and_then(|client| client.name),
            hello: session::hello(),
            sender: sender.to_owned(),
        }
    }

    fn of(&self, subject: Subject) -> Option<String> {
        match subject {
            Subject::Client => Some(dns::reversed(self.client)),
            Subject::ClientName => self.client_name.clone(),
            Subject::Hello => self.hello.clone(),
            Subject::Sender => Some(self.sender.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
