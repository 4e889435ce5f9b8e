//! Facts about a connection and a transaction, as filters see them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
pub use lazaret_smtp::{Address, Parameter, Path};

/// Who is talking to us. Immutable: a new `Arc<Session>` is made when a fact is added.
#[derive(Clone, Debug)]
pub struct Session {
    /// short id of the connection, as in the log and in our replies
    pub id: Arc<str>,
    /// name of the listener
    pub listener: Arc<str>,
    /// the client
    pub client: Party,
    /// the name said in EHLO or HELO
    pub hello: Option<String>,
    /// None on a connection in the clear
    pub tls: Option<Arc<Tls>>,
    /// the name the backend accepted in AUTH
    pub user: Option<String>,
    /// spoke before our greeting
    pub early_talker: bool,
}

impl Session {
    /// Of a client that has said nothing yet, in the clear.
    pub fn new(id: Arc<str>, listener: &Arc<str>, client: SocketAddr) -> Self {
        Self {
            id,
            listener: Arc::clone(listener),
            client: Party {
                address: SocketAddr::new(client.ip().to_canonical(), client.port()),
                name: ClientName::default(),
            },
            hello: None,
            tls: None,
            user: None,
            early_talker: false,
        }
    }
}

/// The client's address.
#[derive(Clone, Debug)]
pub struct Party {
    /// IPv4-mapped IPv6 is unmapped
    pub address: SocketAddr,
    /// its name, once somebody wanted to know it
    pub name: ClientName,
}

/// How often it is tried to find out a client's name: who asks waits each time.
const TRIES: u8 = 3;

/// What a client is called: its PTR name, forward confirmed, or what a trusted peer said of it. Found out once for a
/// connection, when it is first asked for; all sessions made from the same one share it.
#[derive(Clone, Debug, Default)]
pub struct ClientName(Arc<Naming>);

#[derive(Debug, Default)]
struct Naming {
    found: OnceLock<Option<String>>,
    /// without an answer
    tries: AtomicU8,
}

impl ClientName {
    /// Somebody trusted said it.
    pub fn known(name: String) -> Self {
        let found = OnceLock::from(Some(name));
        let tries = AtomicU8::default();
        Self(Arc::new(Naming { found, tries }))
    }

    /// The name, if there is one and it is known by now.
    pub fn known_by_now(&self) -> Option<&str> {
        self.0.found.get()?.as_deref()
    }

    /// Was it found out, even that there is none?
    pub fn is_settled(&self) -> bool {
        self.0.found.get().is_some()
    }

    /// What was found out; who comes second finds what the first said.
    pub fn settle(&self, name: Option<String>) {
        let _ = self.0.found.set(name);
    }

    /// Finds it out, unless it is known.
    pub async fn find(&self, address: IpAddr, names: &dyn ClientNames) {
        if !self.is_open() {
            return;
        }
        match names.name_of(address).await {
            Called::Name(name) => self.settle(Some(name)),
            Called::Nothing => self.settle(None),
            Called::Unanswered => self.unanswered(),
        }
    }

    /// Is it worth to ask? Not again after three times in vain; that says nothing about the client, which is not nameless then.
    pub fn is_open(&self) -> bool {
        !self.is_settled() && self.0.tries.load(Ordering::Relaxed) < TRIES
    }

    /// Somebody asked and heard nothing, perhaps for having waited too short.
    pub fn unanswered(&self) {
        self.0.tries.fetch_add(1, Ordering::Relaxed);
    }
}

/// Who can find out what a client is called.
#[async_trait]
pub trait ClientNames: Send + Sync {
    /// The name of this address by its PTR record, if that name has this address in turn (RFC 8601 section 2.7.3, `iprev`). Takes
    /// its time, but not for ever.
    async fn name_of(&self, address: IpAddr) -> Called;
}

/// What an address is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// so
    Name(String),
    /// it has no name, or none that says the same
    Nothing,
    /// nobody answered
    Unanswered,
}

/// Facts of the client's TLS connection.
#[derive(Clone, Debug)]
pub struct Tls {
    /// e.g. "TLSv1.3"
    pub version: String,
    /// IANA name
    pub cipher: String,
    /// SNI
    pub server_name: Option<String>,
    /// the client's certificate
    pub client_certificate: Option<Certificate>,
}

/// A client certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// distinguished name
    pub subject: String,
    /// distinguished name
    pub issuer: String,
    /// hex
    pub sha256: String,
    /// by our configured roots
    pub verified: bool,
}

/// From whom, to whom.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// None before MAIL
    pub sender: Option<Path>,
    /// accepted so far, in order
    pub recipients: Vec<Path>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_tried_three_times_and_found_once() {
        let name = ClientName::default();
        name.unanswered();
        name.unanswered();
        assert!(name.is_open());
        name.unanswered();
        assert!(!name.is_open() && !name.is_settled());
        assert_eq!(name.known_by_now(), None);
        let name = ClientName::default();
        name.unanswered();
        name.settle(Some("mail.example".into()));
        name.settle(None);
        assert_eq!(name.known_by_now(), Some("mail.example"));
    }
}
