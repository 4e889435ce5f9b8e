//! What can go wrong with the backend. For each of these the client hears 4yz, never 250; 5yz only where trying again cannot
//! help: 550 and 552.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lazaret_smtp::{ClientError, Reply};

use crate::config::Identity;

/// Where in the dialogue with the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Hello,
    StartTls,
    Identity,
    Mail,
    Rcpt,
    Reset,
    Data,
    Content,
    EndOfData,
}

/// The backend's fault, unless it says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// ours, or its slowness: no connection was free in time
    #[error("all {0} backend connections are in use")]
    Busy(usize),
    #[error("backend {address} cannot be reached: {source}")]
    Unreachable {
        address: String,
        source: Arc<io::Error>,
    },
    /// a host name
    #[error("backend {host} has no address: {source}")]
    NoAddress {
        host: String,
        source: Arc<io::Error>,
    },
    #[error("backend offers no STARTTLS and `tls` asks for it")]
    NoTls,
    #[error("TLS with the backend failed: {0}")]
    Tls(Arc<io::Error>),
    #[error("backend does not offer {}; add to its {}", name(*.0), cure(*.0))]
    NoIdentity(Identity),
    #[error("backend silent for {1:?} at {0}")]
    Silent(Step, Duration),
    #[error("backend closed the connection at {0}")]
    Closed(Step),
    #[error("backend speaks no SMTP at {0}: {1}")]
    Doubt(Step, ClientError),
    #[error("backend said something unasked before {0}")]
    OutOfStep(Step),
    #[error("backend answered {reply} at {0}", reply = OneLine(.1))]
    Unexpected(Step, Reply),
    /// it knows who the client is, or is being told, and wants no mail of it
    #[error("backend refused this client at {0}: {reply}", reply = OneLine(.1))]
    Refused(Step, Reply),
    /// ours: it is not asked any more in this transaction
    #[error("backend refused this client with 421 again and again")]
    Unwanted,
    /// ours: the same
    #[error("its connection was given back again after {0} replays, at RCPT")]
    TooOften(u32),
    #[error("backend told the client yes at {0} and now answers {reply}", reply = OneLine(.1))]
    Changed(Step, Reply),
    /// heard at MAIL or RCPT
    #[error("backend no longer offers {0}")]
    NoLonger(&'static str),
    /// the client was told yes by another one
    #[error("backend offers less than the one before it: {0}")]
    OffersLess(Box<Error>),
    /// the message is too large for it
    #[error("message of {size} octets, backend takes {limit}")]
    TooBig { size: u64, limit: u64 },
    /// ours: the spool
    #[error("spool: {0}")]
    Spool(Arc<io::Error>),
    /// it may have taken the message: told 451, never tried again by us
    #[error("in doubt: {0}")]
    InDoubt(Box<Error>),
}

impl Step {
    /// In the order of a dialogue, which is that of their declaration.
    pub(crate) const ALL: [Step; 10] = [
        Step::Greeting,
        Step::Hello,
        Step::StartTls,
        Step::Identity,
        Step::Mail,
        Step::Rcpt,
        Step::Reset,
        Step::Data,
        Step::Content,
        Step::EndOfData,
    ];

    /// For programs: one word.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Step::Greeting => "greeting",
            Step::Hello => "hello",
            Step::StartTls => "starttls",
            Step::Identity => "identity",
            Step::Mail => "mail",
            Step::Rcpt => "rcpt",
            Step::Reset => "reset",
            Step::Data => "data",
            Step::Content => "content",
            Step::EndOfData => "end_of_data",
        }
    }
}

impl Error {
    /// One word for what went wrong, for counters.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Error::Busy(_) => "busy",
            Error::Unreachable { .. } | Error::NoAddress { .. } => "unreachable",
            Error::NoTls | Error::Tls(_) => "tls",
            Error::NoIdentity(_) => "identity",
            Error::Silent(..) => "silent",
            Error::Closed(_) => "closed",
            Error::Doubt(..) | Error::OutOfStep(_) => "protocol",
            Error::Unexpected(..) => "unexpected",
            Error::Refused(..) | Error::Unwanted => "refused",
            Error::TooOften(_) => "too_often",
            Error::Changed(..) => "changed",
            Error::NoLonger(_) => "no_longer",
            Error::OffersLess(_) => "offers_less",
            Error::TooBig { .. } => "too_big",
            Error::Spool(_) => "spool",
            Error::InDoubt(_) => "in_doubt",
        }
    }

    /// A handshake that failed.
    pub(super) fn tls(source: io::Error) -> Self {
        Error::Tls(Arc::new(source))
    }

    /// Heard when what the client was told is asked again: what is for good at this address need not be at the one that said
    /// yes, so that the client has to come again, and does not give its message up.
    /// What was `promised` is the size that one took, if it told.
    pub(super) fn at_replay(self, promised: Option<u64>) -> Self {
        match self {
            Error::NoLonger(_) => Error::OffersLess(Box::new(self)),
            Error::TooBig { limit, .. } if promised.is_none_or(|promised| limit < promised) => {
                Error::OffersLess(Box::new(self))
            }
            other => other,
        }
    }

    /// Did the backend say no, or 421? Then it answered this client, who may have asked for it (by unknown recipients, by
    /// a name that it does not take): no fault of its address, or whoever provokes it would close the backend to
    /// everybody. One that says 421 to all of them shows it in its greeting.
    pub(super) fn is_verdict(&self) -> bool {
        match self {
            Error::Refused(..) | Error::Doubt(_, ClientError::Closing(_)) => true,
            Error::Unexpected(_, reply) => reply.code().is_negative(),
            Error::InDoubt(inner) => inner.is_verdict(),
            _ => false,
        }
    }

    /// Did a connection die that had been idle? Then a fresh one may be tried.
    pub(crate) fn is_stale_link(&self) -> bool {
        match self {
            Error::Closed(step)
            | Error::OutOfStep(step)
            | Error::Unexpected(step, _)
            | Error::Doubt(step, _) => *step != Step::EndOfData,
            _ => false,
        }
    }

    /// Did a transaction break off, so that the address itself is in question?
    pub(super) fn is_break(&self) -> bool {
        match self {
            Error::Silent(..) | Error::InDoubt(_) => true,
            other => other.is_stale_link(),
        }
    }

    /// May another address do better? Asked before anything was promised to the client.
    pub(super) fn is_of_address(&self) -> bool {
        match self {
            Error::Unreachable { .. }
            | Error::NoTls
            | Error::Tls(_)
            | Error::NoIdentity(_)
            | Error::NoLonger(_) => true,
            Error::InDoubt(_) => false,
            other => other.is_break(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Greeting => "the greeting",
            Step::Hello => "EHLO",
            Step::StartTls => "STARTTLS",
            Step::Identity => "XCLIENT or XFORWARD",
            Step::Mail => "MAIL",
            Step::Rcpt => "RCPT",
            Step::Reset => "RSET",
            Step::Data => "DATA",
            Step::Content => "the content",
            Step::EndOfData => "the end of data",
        })
    }
}

fn name(identity: Identity) -> &'static str {
    match identity {
        Identity::Xclient => "XCLIENT",
        Identity::Xforward => "XFORWARD",
        Identity::None => "the client's identity",
    }
}

fn cure(identity: Identity) -> &'static str {
    match identity {
        Identity::Xclient => {
            "main.cf: smtpd_authorized_xclient_hosts = 127.0.0.1/32 [::1]/128 (the address of this proxy)"
        }
        Identity::Xforward => {
            "main.cf: smtpd_authorized_xforward_hosts = 127.0.0.1/32 [::1]/128 (the address of this proxy)"
        }
        Identity::None => "configuration nothing",
    }
}

/// A reply for the log.
struct OneLine<'r>(&'r Reply);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{} {}`",
            self.0.code(),
            self.0.text().replace('\n', " / ")
        )
    }
}
