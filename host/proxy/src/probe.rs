//! `lazaret check --probe`: would the backend relay for strangers who come through us?

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use lazaret_mail::{Party, Session};
use lazaret_metrics::Registry;
use lazaret_smtp::{Address, Command, Path, Reply};

use crate::backend::{Backend, Dialogue, Error, Introduction, Step};
use crate::config::{Config, Identity};
use crate::metrics::Metrics;

/// The stranger: an address of documentation (RFC 5737), so nobody's.
const STRANGER: &str = "192.0.2.1:25000";
/// Domains no backend has mail for (RFC 2606).
const FOREIGN: [&str; 2] = [
    "lazaret-probe@example.net",
    "lazaret-probe@lazaret-probe.invalid",
];

/// What the backend said to a stranger.
#[derive(Debug)]
pub struct ProbeReport {
    /// as configured
    pub identity: Identity,
    /// what came of it
    pub finding: Finding,
}

/// What came of a probe.
#[derive(Debug)]
pub enum Finding {
    /// it refused every foreign recipient; its words
    Closed(Vec<String>),
    /// it accepted this foreign recipient from a stranger; its words
    Relays(String, String),
    /// it could not be asked; why
    Failed(String),
}

impl ProbeReport {
    /// Nothing to mend?
    pub fn is_good(&self) -> bool {
        matches!(self.finding, Finding::Closed(_))
    }
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Finding::Closed(replies) => {
                let introduced = match self.identity {
                    Identity::Xclient => "introduced by XCLIENT",
                    Identity::Xforward => "introduced by XFORWARD",
                    Identity::None => "not introduced",
                };
                write!(
                    f,
                    "the backend refuses strangers ({introduced}): {}",
                    replies.join("; ")
                )
            }
            Finding::Relays(recipient, reply) => write!(
                f,
                "the backend RELAYS: it took <{recipient}> from 192.0.2.1 with `{reply}`; \
                 it trusts our address, so `recipients` alone keeps this from being an open relay. \
                 Set identity = \"xclient\" here, and in Postfix's main.cf smtpd_authorized_xclient_hosts to the \
                 address of this proxy, and take that address out of mynetworks"
            ),
            Finding::Failed(why) => write!(f, "the backend could not be probed: {why}"),
        }
    }
}

/// Opens a session as a stranger at 192.0.2.1 with each address of the backend, asks RCPT for foreign domains, and leaves
/// without DATA. One that relays is what is told, then one that cannot be asked.
pub async fn probe(config: &Config) -> ProbeReport {
    let legs = Metrics::new(Registry::new()).legs;
    let mut worst = Finding::Closed(Vec::new());
    for address in &config.backend.address {
        let mut only = config.backend.clone();
        only.address = vec![address.clone()];
        let backend = Backend::new(only, config.hostname.clone(), &legs);
        let finding = match ask(&backend).await {
            Ok(finding) => finding,
            Err(error) => Finding::Failed(error.to_string()),
        };
        worst = worst.or_worse(finding);
    }
    ProbeReport {
        identity: config.backend.identity,
        finding: worst,
    }
}

impl Finding {
    fn or_worse(self, other: Finding) -> Finding {
        match (self, other) {
            (Finding::Closed(mut all), Finding::Closed(more)) => {
                all.extend(more);
                Finding::Closed(all)
            }
            (relays @ Finding::Relays(..), _) | (_, relays @ Finding::Relays(..)) => relays,
            (failed @ Finding::Failed(_), _) | (_, failed) => failed,
        }
    }
}

/// As a bounce, which no rule about senders refuses. Only a refusal for good says that strangers are refused: greylisting, or a
/// server that is busy, says nothing.
async fn ask(backend: &Arc<Backend>) -> Result<Finding, Error> {
    let mut link = backend.connect(&stranger()).await?;
    let sender = link.ask(Step::Mail, &Command::Mail(path(""))).await?;
    if !sender.code().is_positive() {
        return Ok(refused("<>", &sender));
    }
    let mut all = Finding::Closed(Vec::new());
    for recipient in FOREIGN {
        let to = Command::Rcpt(path(recipient));
        let reply = link.ask(Step::Rcpt, &to).await?;
        if reply.code().is_positive() {
            link.quit();
            return Ok(Finding::Relays(recipient.to_owned(), words(&reply)));
        }
        all = all.or_worse(refused(recipient, &reply));
    }
    link.quit();
    Ok(all)
}

fn refused(whom: &str, reply: &Reply) -> Finding {
    match reply.code().is_permanent() {
        true => Finding::Closed(vec![words(reply)]),
        false => Finding::Failed(format!(
            "it put off {whom} with `{}`, which says nothing about relaying; try again later",
            words(reply)
        )),
    }
}

fn stranger() -> Introduction {
    let address: SocketAddr = STRANGER.parse().expect("an address and a port");
    let session = Session {
        id: "probe".into(),
        listener: "probe".into(),
        client: Party {
            address,
            name: lazaret_mail::ClientName::default(),
        },
        hello: Some("probe.example.com".to_owned()),
        tls: None,
        user: None,
        early_talker: false,
    };
    Introduction {
        session: Arc::new(session),
        protocol: "ESMTP",
        dialogue: Dialogue::default(),
        names: None,
    }
}

fn path(mailbox: &str) -> Path {
    Path {
        address: Address::parse(mailbox).expect("a mailbox"),
        parameters: Vec::new(),
    }
}

fn words(reply: &Reply) -> String {
    let enhanced = reply
        .enhanced()
        .map(|e| format!("{e} "))
        .unwrap_or_default();
    format!(
        "{} {enhanced}{}",
        reply.code(),
        reply.text().replace('\n', " / ")
    )
}
