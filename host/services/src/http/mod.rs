//! `http`: one request to an origin that the operator granted. No redirects, no proxies, no cookies, no pool.

mod client;
mod origin;
mod outgoing;
mod place;
mod vetted;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::Refused;

pub use client::Client;
pub use origin::{Host, Origin, Scheme};
pub use place::is_public;

/// Requests of one call of a filter.
pub const REQUESTS: u32 = 16;
/// Octets of a response's content.
pub const CONTENT: usize = 1 << 20;
/// Octets of a response's header section.
pub const HEADER: usize = 64 << 10;
/// Real time that all requests of a call may take together, unless `http-time` says otherwise.
pub const TIME: Duration = Duration::from_secs(5);

/// What is asked for.
pub struct Request {
    /// GET, POST, PUT or HEAD
    pub verb: String,
    /// absolute
    pub url: String,
    /// name and value
    pub fields: Vec<(String, String)>,
    /// what is sent along
    pub content: Content,
}

/// What is sent along with a request.
pub enum Content {
    /// nothing
    None,
    /// octets at hand
    Octets(Bytes),
    /// octets that are read as they are sent
    Stream(Arc<dyn Chunks>),
}

/// Octets that lie elsewhere. Reading must not block for long: a spool in memory or in a file.
pub trait Chunks: Send + Sync {
    /// octets of it all
    fn size(&self) -> u64;
    /// at most `length` octets from `offset` on, at least one before the end
    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes>;
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// e.g. 200
    pub status: u16,
    /// name in lower case and value, octets outside ASCII replaced
    pub fields: Vec<(String, String)>,
    /// at most [`CONTENT`]
    pub content: Vec<u8>,
}

/// `http:..` and `http-time` of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// who may be asked
    pub origins: Vec<Origin>,
    /// real time that all requests of a call may take together
    pub time: Duration,
}

impl Default for Grant {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            time: TIME,
        }
    }
}

/// What one call of a filter may still ask.
#[derive(Clone, Debug)]
pub struct Budget {
    requests: u32,
    time: Duration,
}

impl Budget {
    /// Full, for a filter with this `http-time`.
    pub fn of(grant: &Grant) -> Self {
        Self {
            requests: REQUESTS,
            time: grant.time,
        }
    }

    fn take(&mut self) -> Result<Duration, Refused> {
        self.requests = self.requests.checked_sub(1).ok_or(Refused::Limit)?;
        match self.time.is_zero() {
            true => Err(Refused::Unavailable),
            false => Ok(self.time),
        }
    }
}
