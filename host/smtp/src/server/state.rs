//! What a server session can be in the middle of. What changes it is in the file above.

use bytes::Bytes;

use crate::data::Decoder;
use crate::event::{CloseReason, Event};
use crate::extension::Extensions;
use crate::reply::Reply;

/// What outlives a transaction.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) offer: Extensions,
    /// The largest message in octets, as offered.
    pub(super) limit: u64,
    /// Set once by `refuse_hello`, for good.
    pub(super) refusal: Option<Reply>,
    pub(super) errors: u32,
    pub(super) inside_tls: bool,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nothing was said yet.
    Silent,
    /// The greeting refused all service.
    Rejecting,
    /// No HELO or EHLO was accepted yet.
    Fresh,
    /// Between transactions.
    Idle,
    /// MAIL was accepted.
    Open(Transaction),
    /// Behind 354.
    Content(Content),
    /// Behind the 220 to STARTTLS.
    Handshake,
    Closed(CloseReason),
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) utf8: bool,
    pub(super) asked: usize,
    pub(super) accepted: usize,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) decoder: Decoder,
    pub(super) octets: u64,
}

impl Content {
    /// Counts all, passes what is within the limit, swallows the rest.
    pub(super) fn fitting(&mut self, mut octets: Bytes, limit: u64) -> Option<Event> {
        let room = usize::try_from(limit.saturating_sub(self.octets)).unwrap_or(usize::MAX);
        self.octets = self.octets.saturating_add(octets.len() as u64);
        octets.truncate(room);
        (!octets.is_empty()).then_some(Event::Content(octets))
    }
}

/// What the caller has to answer.
#[derive(Debug)]
pub(super) enum Question {
    None,
    /// Not told to the caller yet: another event came first.
    Coming(Event),
    Asked(Event),
}
