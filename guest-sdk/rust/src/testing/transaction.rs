//! The builder of a made-up transaction.

use super::message::Message;
use super::outside::State;
use super::play;
use super::report::Report;
use super::state::{Facts, Note};
use crate::dns::{Answer, Kind};
use crate::http::Response;
use crate::score::Entry;
use crate::session::TlsInfo;
use crate::{Address, Filter};

/// What a client does in one session with one transaction. Each method says one thing about it; what is left out has a
/// harmless value.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub(super) facts: Facts,
    pub(super) sender: Address,
    pub(super) recipients: Vec<Address>,
    pub(super) message: Option<Message>,
}

impl Transaction {
    /// From `192.0.2.1`, `EHLO client.example.net`, from `<sender@example.net>`, to `<recipient@example.org>` unless
    /// [`to`](Self::to) is said, no message.
    pub fn new() -> Self {
        Self {
            facts: Facts::new(),
            sender: "sender@example.net".into(),
            recipients: Vec::new(),
            message: None,
        }
    }

    /// The client's IP address.
    #[must_use]
    pub fn client(mut self, address: &str) -> Self {
        address
            .parse::<std::net::IpAddr>()
            .expect("a test gives an IP address");
        address.clone_into(&mut self.facts.client.address);
        self
    }

    /// The client's confirmed PTR name.
    #[must_use]
    pub fn client_name(mut self, name: &str) -> Self {
        self.facts.client.name = Some(name.to_owned());
        self
    }

    /// The listener of the configuration; `mx` if not said.
    #[must_use]
    pub fn listener(mut self, name: &str) -> Self {
        name.clone_into(&mut self.facts.listener);
        self
    }

    /// What the client says in EHLO.
    #[must_use]
    pub fn helo(mut self, name: &str) -> Self {
        name.clone_into(&mut self.facts.greeting);
        self
    }

    /// The connection is encrypted.
    #[must_use]
    pub fn tls(mut self, tls: TlsInfo) -> Self {
        self.facts.tls = Some(tls);
        self
    }

    /// The client is logged in.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.facts.user = Some(name.to_owned());
        self
    }

    /// The client speaks before the greeting.
    #[must_use]
    pub fn early_talker(mut self) -> Self {
        self.facts.early_talker = true;
        self
    }

    /// The sender; empty for `<>`.
    #[must_use]
    pub fn from(mut self, mailbox: &str) -> Self {
        self.sender = mailbox.into();
        self
    }

    /// One more recipient.
    #[must_use]
    pub fn to(mut self, mailbox: &str) -> Self {
        self.recipients.push(mailbox.into());
        self
    }

    /// Header section, empty line, body. A lone LF counts as a line end and becomes CRLF.
    #[must_use]
    pub fn message(mut self, text: impl AsRef<[u8]>) -> Self {
        self.message = Some(Message::parse(text.as_ref()));
        self
    }

    /// The message has more parts, or deeper ones, than the host takes apart: [`parts`](crate::parts) answers
    /// [`Error::Limit`](crate::Error::Limit).
    #[must_use]
    pub fn too_many_parts(mut self) -> Self {
        self.facts.parts_fault = Some(crate::Error::Limit);
        self
    }

    /// A permission that the operator denies, e.g. `"score"`.
    #[must_use]
    pub fn deny(mut self, permission: &str) -> Self {
        self.facts.denied.push(permission.to_owned());
        self
    }

    /// Header names that may be edited, as in `edit-headers:X-Spam-*`; if not said, all but trace and signatures.
    #[must_use]
    pub fn grant_edits(mut self, pattern: &str) -> Self {
        self.facts.edit_scope.push(pattern.to_owned());
        self
    }

    /// Bounds of what the filter may give in all, as in `score:-10..20`; if not said, there are none.
    #[must_use]
    pub fn grant_score(mut self, least: f64, most: f64) -> Self {
        self.facts.score_scope = (least, most);
        self
    }

    /// A transaction note left by another filter.
    #[must_use]
    pub fn note(mut self, filter: &str, key: &str, value: &str) -> Self {
        self.facts.notes.push(Note::transaction(filter, key, value));
        self
    }

    /// Points that other filters gave before.
    #[must_use]
    pub fn score(self, points: f64) -> Self {
        self.scored("other", "EARLIER", points, "")
    }

    /// One entry of the score that another filter gave before.
    #[must_use]
    pub fn scored(mut self, filter: &str, symbol: &str, points: f64, why: &str) -> Self {
        self.facts.earlier.push(Entry {
            filter: filter.to_owned(),
            symbol: symbol.to_owned(),
            points,
            why: why.to_owned(),
        });
        self
    }

    /// A name with records, as the contract writes them: `("2.0.0.127.zen.example", Kind::A, &["127.0.0.2"])`. With
    /// [`Kind::Ptr`] the name is an address. A name that nothing is said about does not exist.
    #[must_use]
    pub fn dns(mut self, name: &str, kind: Kind, records: &[&str]) -> Self {
        let records: Vec<_> = records.iter().map(|record| (*record).to_owned()).collect();
        let answer = match records.is_empty() {
            true => Answer::NoData,
            false => Answer::Records(records),
        };
        self.facts.outside.name(name, kind, answer);
        self
    }

    /// Another answer about a name, e.g. [`Answer::Failed`].
    #[must_use]
    pub fn dns_answers(mut self, name: &str, kind: Kind, answer: Answer) -> Self {
        self.facts.outside.name(name, kind, answer);
        self
    }

    /// Nobody can say anything about this name.
    #[must_use]
    pub fn dns_fails(mut self, name: &str) -> Self {
        for kind in [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Txt, Kind::Ptr] {
            self.facts.outside.name(name, kind, Answer::Failed);
        }
        self
    }

    /// What the filter remembers; the same one may be given to several transactions.
    #[must_use]
    pub fn state(mut self, state: &State) -> Self {
        self.facts.outside.state = state.clone();
        self
    }

    /// What is answered at an origin, `http://127.0.0.1:11334`, whatever is asked. Others are not granted.
    #[must_use]
    pub fn http(mut self, origin: &str, response: Response) -> Self {
        let answer = (origin.to_owned(), Some(response));
        self.facts.outside.origins.push(answer);
        self
    }

    /// Nobody answers at this origin.
    #[must_use]
    pub fn http_fails(mut self, origin: &str) -> Self {
        self.facts.outside.origins.push((origin.to_owned(), None));
        self
    }

    /// A list of `[lists]`: each line an entry and, after a blank, what stands behind it.
    #[must_use]
    pub fn list(mut self, name: &str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.facts.outside.lists.insert(name.to_owned(), lines);
        self
    }

    /// Configures the filter with the `[config]` table in `toml` and asks it stage by stage, with a fresh copy for
    /// `connect`, for `hello`, for the transaction and for `disconnect`, as the host does. An outcome is told where there was
    /// a message and somebody to get it.
    ///
    /// # Panics
    /// When `toml` is not TOML, when `configure` refuses it, and when the filter panics.
    pub fn run<F: Filter>(&self, toml: &str) -> Report {
        play::session::<F>(self, &super::settings(toml))
    }
}

impl Default for Transaction {
    fn default() -> Self {
        Self::new()
    }
}
