//! The only place where errors turn into replies. The client gets a code, a general text and the session's id; the
//! source is in the log under that id.

use std::io;

use lazaret_mail::HeaderFault;
use lazaret_smtp::{Code, Enhanced, Reply};

use crate::backend::Error;
use crate::spool::{self, Crowded};

/// What the client hears when the backend could not be asked or did not answer properly.
pub(super) fn backend(error: &Error, id: &str) -> Reply {
    match error {
        Error::Busy(_) | Error::Unreachable { .. } | Error::NoAddress { .. } => later(
            (3, 2),
            "The mail server is not available now, try later",
            id,
        ),
        Error::NoTls | Error::Tls(_) => later(
            (7, 5),
            "The mail server cannot be reached securely now, try later",
            id,
        ),
        Error::NoIdentity(_) => later(
            (3, 5),
            "The mail system is not set up correctly, try later",
            id,
        ),
        Error::Unwanted => later(
            (3, 2),
            "The mail server takes no more of this transaction, try later",
            id,
        ),
        Error::TooOften(_) => later(
            (3, 2),
            "The mail server was asked often enough, try later",
            id,
        ),
        Error::TooBig { .. } => Reply::too_big().naming(id),
        Error::NoLonger("SMTPUTF8") => reply(
            Code::REFUSED,
            (5, 6, 7),
            "The mail server no longer takes UTF-8 addresses",
            id,
        ),
        Error::Spool(error) => storage(error, id),
        Error::OffersLess(_) => later(
            (3, 2),
            "The mail server takes less now than before, try later",
            id,
        ),
        _ => later((3, 0), "The mail server failed, try later", id),
    }
}

/// The spool or the quarantine could not be written.
pub(super) fn storage(error: &io::Error, id: &str) -> Reply {
    match spool::is_full(error) {
        true => reply(
            Code::NO_ROOM,
            (4, 3, 1),
            "No room for this message now, try later",
            id,
        ),
        false => later((3, 0), "Temporary local problem, try later", id),
    }
}

/// `in-flight` or `in-flight-per-client` is reached.
pub(super) fn crowded(crowded: Crowded, id: &str) -> Reply {
    let text = match crowded {
        Crowded::All => "Too many messages under way, try later",
        Crowded::Client => "Too many messages of yours under way, try later",
    };
    reply(Code::NO_ROOM, (4, 3, 1), text, id)
}

/// The header section is refused.
pub(super) fn header(fault: &HeaderFault, id: &str) -> Reply {
    match fault {
        HeaderFault::Spool(_) => later((3, 0), "Temporary local problem, try later", id),
        fault => reply(Code::TOO_BIG, (5, 3, 4), &fault.to_string(), id),
    }
}

/// RFC 5321 section 6.3.
pub(super) fn looping(id: &str) -> Reply {
    reply(
        Code::FAILED,
        (5, 4, 6),
        "Too many Received fields, this message is looping",
        id,
    )
}

/// Not one of the listener's recipients.
pub(super) fn not_ours(id: &str) -> Reply {
    reply(Code::REFUSED, (5, 7, 1), "Relaying denied", id)
}

/// `user%host@ours`, `host!user@ours` and the like.
pub(super) fn names_another_host(id: &str) -> Reply {
    reply(
        Code::REFUSED,
        (5, 7, 1),
        "Relaying denied: the local part names another host",
        id,
    )
}

/// A deadline passed.
pub(super) fn too_slow(id: &str) -> Reply {
    reply(Code::UNAVAILABLE, (4, 4, 2), "Too slow, closing", id)
}

/// Between two transactions of a session, or in one when `grace` is over.
pub(super) fn shutting_down(id: &str) -> Reply {
    reply(Code::UNAVAILABLE, (4, 3, 2), "Shutting down, try again", id)
}

/// The message is in the quarantine, or was discarded.
pub(super) fn taken(id: &str) -> Reply {
    reply(Code::OK, (2, 0, 0), "Ok", id)
}

/// The backend's own reply: code, enhanced code and text kept (RFC 2034 wants an enhanced code on each).
pub(super) fn of_backend(reply: Reply) -> Reply {
    reply.with_enhanced()
}

/// 451: it may do better later.
fn later((subject, detail): (u16, u16), text: &str, id: &str) -> Reply {
    reply(Code::LOCAL_ERROR, (4, subject, detail), text, id)
}

fn reply(code: Code, (class, subject, detail): (u8, u16, u16), text: &str, id: &str) -> Reply {
    Reply::new(
        code,
        Enhanced::new(class, subject, detail),
        &format!("{text} ({id})"),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_full_disk_is_452_and_a_broken_one_451() {
        for (kind, code) in [
            (io::ErrorKind::StorageFull, 452),
            (io::ErrorKind::QuotaExceeded, 452),
            (io::ErrorKind::PermissionDenied, 451),
        ] {
            assert_eq!(storage(&kind.into(), "ID").code().get(), code);
            let spool = Error::Spool(Arc::new(kind.into()));
            assert_eq!(backend(&spool, "ID").code().get(), code);
        }
    }

    #[test]
    fn the_client_learns_the_id_and_nothing_of_the_source() {
        let error = Error::Unreachable {
            address: "10.9.8.7:25".into(),
            source: Arc::new(io::ErrorKind::TimedOut.into()),
        };
        let reply = backend(&error, "4KQ7").to_string();
        assert_eq!(
            reply,
            "451 4.3.2 The mail server is not available now, try later (4KQ7)\r\n"
        );
    }
}
