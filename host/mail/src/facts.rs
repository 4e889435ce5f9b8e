//! Facts about a connection and a transaction, as filters see them.

use std::net::SocketAddr;
use std::sync::Arc;

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

/// The client's address.
#[derive(Clone, Debug)]
pub struct Party {
    /// IPv4-mapped IPv6 is unmapped
    pub address: SocketAddr,
    /// PTR name, forward confirmed
    pub name: Option<String>,
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
