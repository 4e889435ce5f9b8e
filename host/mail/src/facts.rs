//! Facts about a connection and a transaction, as filters see them.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

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

/// What a client is called: its PTR name, forward confirmed, or what a trusted peer said of it. Found out once for a
/// connection, when it is first asked for; all sessions made from the same one share it.
#[derive(Clone, Debug, Default)]
pub struct ClientName(Arc<OnceLock<Option<String>>>);

impl ClientName {
    /// Somebody trusted said it.
    pub fn known(name: String) -> Self {
        Self(Arc::new(OnceLock::from(Some(name))))
    }

    /// The name, if there is one and it is known by now.
    pub fn known_by_now(&self) -> Option<&str> {
        self.0.get()?.as_deref()
    }

    /// Was it found out, even that there is none?
    pub fn is_settled(&self) -> bool {
        self.0.get().is_some()
    }

    /// What was found out; who comes second finds what the first said.
    pub fn settle(&self, name: Option<String>) {
        let _ = self.0.set(name);
    }
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
