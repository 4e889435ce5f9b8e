//! What the server machine tells its caller.

use bytes::Bytes;

use crate::address::Path;
use crate::argument::Attribute;
use crate::reply::Reply;

/// What [`crate::Server::next`] yields. [`Hello`](Event::Hello), [`StartTls`](Event::StartTls),
/// [`XClient`](Event::XClient), [`XForward`](Event::XForward), [`Mail`](Event::Mail), [`Rcpt`](Event::Rcpt), [`Data`](Event::Data) and [`End`](Event::End)
/// are questions: each must be answered before the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Write the output, then read more.
    NeedInput,
    /// Write the output, then ask on: more input is there, and what was said must not wait for what comes of it (RFC 2920
    /// section 3.2, points 4 and 5; above all the answer to a message), or is too much to be kept. Not a question.
    Flush,
    /// HELO or EHLO: `accept_hello`, `refuse_hello`, or `answer` to refuse just this once.
    Hello(Hello),
    /// STARTTLS: `start_tls`, or `answer` to refuse.
    StartTls,
    /// XCLIENT, where the offer has it: `answer` with 220 or refuse. Offer it only to peers that
    /// may say who their client is; [`crate::Extensions::offer`] never does. Long attributes come
    /// in several commands, without EHLO between them: ask each time whether the peer still may.
    XClient(Vec<Attribute>),
    /// XFORWARD, where the offer has it: `answer`.
    XForward(Vec<Attribute>),
    /// MAIL, its path and parameters checked: `answer`. 2yz opens the transaction.
    Mail(Path),
    /// RCPT, its path and parameters checked: `answer`. 2yz counts the recipient.
    Rcpt(Path),
    /// DATA, or the first BDAT, with at least one recipient: `go_ahead`, or `answer` to refuse.
    /// After a refused DATA the transaction stays open; behind a refused chunk comes
    /// [`Event::Reset`].
    Data,
    /// Octets of the message, dots taken out, lines ended by CRLF, by BDAT as by DATA. Never
    /// empty, of any length; a line may be spread over several.
    Content(Bytes),
    /// The end of the message: `answer` ends the transaction.
    End(End),
    /// RSET, HELO, EHLO, or a chunk or DATA that cannot be taken, dropped a transaction. Not a
    /// question.
    Reset,
    /// QUIT; the 221 is in the output. [`Event::Close`] comes next.
    Quit,
    /// Write the output, then close the connection. From now on there is nothing else.
    Close(CloseReason),
}

/// HELO or EHLO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// which
    pub verb: HelloVerb,
    /// A domain or address literal as the client wrote it. Nothing proves that it is true.
    pub name: String,
}

/// Which greeting the client used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HelloVerb {
    /// plain SMTP: no extensions
    Helo,
    /// with extensions
    Ehlo,
}

/// The end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Octets of the message, those that were swallowed included.
    pub octets: u64,
    /// What is wrong with it. It must then be refused: a positive answer becomes a refusal.
    pub fault: Option<Fault>,
}

/// What can be wrong with a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Over the size limit. What is over it was swallowed; of chunks, the whole chunk that
    /// went over it.
    TooBig,
    /// A bare CR, bare LF or NUL in a chunk. What is behind it was swallowed. In content behind
    /// DATA it ends the session: there nobody knows any more where the message ends.
    BareOctet,
}

impl Fault {
    /// What the client hears.
    pub fn reply(self) -> Reply {
        match self {
            Self::TooBig => Reply::too_big(),
            Self::BareOctet => Reply::smuggling(),
        }
    }
}

/// Why the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// the client's QUIT
    Quit,
    /// the caller's `close`, or a 421 as an answer
    Asked,
    /// more than `max_errors`
    TooManyErrors,
    /// the same, and more than `max_junk` commands without a message
    TooMuchJunk,
    /// a bare CR, bare LF or NUL in the content
    Smuggling,
    /// a command line that went on after it was refused
    LongLine,
    /// a BDAT that cannot be read, or whose octets are too many to swallow
    Chunk,
    /// HTTP or TLS where SMTP should be
    Foreign,
}
