//! Commands (RFC 5321 section 4.1): parsed strictly, printed so that they parse again.

use std::fmt;

use thiserror::Error;

use crate::address::{Path, take_path};
use crate::argument::{Argument, Attribute, Secret};
use crate::domain::is_hello_name;
use crate::parameter::{self, Owner, ParameterFault};
use crate::reply::Reply;

/// A command. Its parts come out of parsers, so that it always prints as exactly one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO domain`
    Helo(Argument),
    /// `EHLO domain-or-literal`
    Ehlo(Argument),
    /// `MAIL FROM:<path> parameters`
    Mail(Path),
    /// `RCPT TO:<path> parameters`
    Rcpt(Path),
    /// `DATA`
    Data,
    /// `RSET`
    Rset,
    /// `NOOP anything`
    Noop(Argument),
    /// `QUIT`
    Quit,
    /// `VRFY user`
    Vrfy(Argument),
    /// `EXPN list`
    Expn(Argument),
    /// `HELP anything`
    Help(Argument),
    /// `STARTTLS` (RFC 3207)
    StartTls,
    /// `AUTH mechanism [initial-response]` (RFC 4954)
    Auth {
        /// as written
        mechanism: Argument,
        /// base64 or `=`
        initial: Option<Secret>,
    },
    /// `BDAT octets [LAST]` (RFC 3030): so many raw octets follow.
    Bdat {
        /// how many
        octets: u64,
        /// end of the message?
        last: bool,
    },
    /// `XCLIENT attributes` (Postfix)
    XClient(Vec<Attribute>),
    /// `XFORWARD attributes` (Postfix)
    XForward(Vec<Attribute>),
    /// SEND, SOML, SAML, TURN, ETRN, ATRN: known, never served (RFC 5321 appendix F.6).
    Obsolete,
}

/// Why a line is no command. Always the client's fault; [`CommandError::reply`] tells it so.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// Nobody knows this verb.
    #[error("unknown command")]
    Unknown,
    /// Bare CR, bare LF, NUL, another control, or invalid UTF-8.
    #[error("control octet or invalid UTF-8 in a command")]
    Octets,
    /// Longer than the limit.
    #[error("command line too long")]
    TooLong,
    /// An argument where none may be, none where one must be, or a malformed one.
    #[error("bad argument")]
    Argument,
    /// HELO or EHLO without a domain or address literal.
    #[error("bad name in HELO or EHLO")]
    Hello,
    /// The path of MAIL.
    #[error("bad sender path")]
    Sender,
    /// The path of RCPT.
    #[error("bad recipient path")]
    Recipient,
    /// A parameter nobody knows.
    #[error("unknown parameter")]
    UnknownParameter,
    /// A parameter with a bad value, or twice.
    #[error("bad parameter")]
    Parameter,
    /// BDAT with a bad size: where its octets end cannot be known.
    #[error("bad chunk size")]
    ChunkSize,
    /// An HTTP request or a TLS handshake: somebody else's protocol, perhaps sent across by a
    /// browser that was tricked.
    #[error("not SMTP")]
    Foreign,
}

impl CommandError {
    /// What the client hears.
    pub fn reply(self) -> Reply {
        match self {
            Self::Unknown => Reply::unknown_command(),
            Self::Octets => Reply::bad_octets(),
            Self::TooLong => Reply::line_too_long(),
            Self::Argument | Self::ChunkSize => Reply::bad_argument(),
            // RFC 2034 section 4: no reply to HELO or EHLO has an enhanced code.
            Self::Hello => Reply::bad_hello().without_enhanced(),
            Self::Sender => Reply::bad_sender(),
            Self::Recipient => Reply::bad_recipient(),
            Self::UnknownParameter => Reply::unknown_parameter(),
            Self::Parameter => Reply::bad_parameter(),
            Self::Foreign => Reply::not_smtp(),
        }
    }
}

impl From<ParameterFault> for CommandError {
    fn from(fault: ParameterFault) -> Self {
        match fault {
            ParameterFault::Unknown => Self::UnknownParameter,
            ParameterFault::BadValue => Self::Parameter,
        }
    }
}

/// The longest verb we know.
const MAX_VERB: usize = 8;

impl Command {
    /// Does it bring no message nearer, whatever it is answered?
    pub(crate) fn is_junk(&self) -> bool {
        use Command as C;
        matches!(
            self,
            C::Helo(_) | C::Ehlo(_) | C::Rset | C::Noop(_) | C::Help(_) | C::Vrfy(_)
        )
    }

    /// Parses one line, with or without its CRLF. White space at its end is dropped (RFC 5321
    /// section 4.1.1), as are spaces behind `FROM:` and `TO:`, where many clients put one.
    ///
    /// # Errors
    /// [`CommandError`], which knows its reply.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        if is_http(line) {
            return Err(CommandError::Foreign);
        }
        let odd = || match is_bdat(line) {
            true => CommandError::ChunkSize,
            false => CommandError::Octets,
        };
        let text = std::str::from_utf8(line).map_err(|_| odd())?;
        let text = text.trim_end_matches([' ', '\t']);
        if text
            .bytes()
            .fold(false, |any, b| any | b.is_ascii_control())
        {
            return Err(odd());
        }
        let (verb, rest) = match text.split_once(' ') {
            Some((verb, rest)) => (verb, rest.trim_start_matches(' ')),
            None => (text, ""),
        };
        Self::with_verb(verb, rest)
    }

    fn with_verb(verb: &str, rest: &str) -> Result<Self, CommandError> {
        let mut upper = [0; MAX_VERB];
        let upper = upper.get_mut(..verb.len()).ok_or(CommandError::Unknown)?;
        upper.copy_from_slice(verb.as_bytes());
        upper.make_ascii_uppercase();
        match &*upper {
            b"HELO" => hello(rest).map(Self::Helo),
            b"EHLO" => hello(rest).map(Self::Ehlo),
            b"MAIL" => mail(rest).map(Self::Mail),
            b"RCPT" => rcpt(rest).map(Self::Rcpt),
            b"DATA" => alone(Self::Data, rest),
            b"RSET" => alone(Self::Rset, rest),
            b"NOOP" => argument(rest).map(Self::Noop),
            b"QUIT" => alone(Self::Quit, rest),
            b"VRFY" => some_argument(rest).map(Self::Vrfy),
            b"EXPN" => some_argument(rest).map(Self::Expn),
            b"HELP" => argument(rest).map(Self::Help),
            b"STARTTLS" => alone(Self::StartTls, rest),
            b"AUTH" => auth(rest),
            b"BDAT" => bdat(rest),
            b"XCLIENT" => attributes(rest).map(Self::XClient),
            b"XFORWARD" => attributes(rest).map(Self::XForward),
            b"SEND" | b"SOML" | b"SAML" | b"TURN" | b"ETRN" | b"ATRN" => Ok(Self::Obsolete),
            _ => Err(CommandError::Unknown),
        }
    }
}

/// Each arm prints what its parser takes, without CRLF.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // helo = "HELO" SP Domain
            Self::Helo(name) => write!(f, "HELO {name}"),
            // ehlo = "EHLO" SP ( Domain / address-literal )
            Self::Ehlo(name) => write!(f, "EHLO {name}"),
            // mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]
            Self::Mail(path) => with_path(f, "MAIL FROM:", path),
            // rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters]
            Self::Rcpt(path) => with_path(f, "RCPT TO:", path),
            Self::Data => f.write_str("DATA"),
            Self::Rset => f.write_str("RSET"),
            // noop = "NOOP" [ SP String ]
            Self::Noop(text) => with_text(f, "NOOP", text),
            Self::Quit => f.write_str("QUIT"),
            Self::Vrfy(user) => with_text(f, "VRFY", user),
            Self::Expn(list) => with_text(f, "EXPN", list),
            Self::Help(topic) => with_text(f, "HELP", topic),
            Self::StartTls => f.write_str("STARTTLS"),
            // auth = "AUTH" SP sasl-mech [SP initial-response]
            Self::Auth { mechanism, initial } => match initial {
                Some(Secret(response)) => write!(f, "AUTH {mechanism} {response}"),
                None => write!(f, "AUTH {mechanism}"),
            },
            // bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]
            Self::Bdat { octets, last } => {
                write!(f, "BDAT {octets}{}", if *last { " LAST" } else { "" })
            }
            Self::XClient(attributes) => with_attributes(f, "XCLIENT", attributes),
            Self::XForward(attributes) => with_attributes(f, "XFORWARD", attributes),
            Self::Obsolete => f.write_str("TURN"),
        }
    }
}

fn with_path(f: &mut fmt::Formatter<'_>, verb: &str, path: &Path) -> fmt::Result {
    f.write_str(verb)?;
    fmt::Display::fmt(path, f)
}

fn with_text(f: &mut fmt::Formatter<'_>, verb: &str, text: &Argument) -> fmt::Result {
    match text.as_str() {
        "" => f.write_str(verb),
        text => write!(f, "{verb} {text}"),
    }
}

fn with_attributes(
    f: &mut fmt::Formatter<'_>,
    verb: &str,
    attributes: &[Attribute],
) -> fmt::Result {
    f.write_str(verb)?;
    attributes.iter().try_for_each(|a| write!(f, " {a}"))
}

fn alone(command: Command, rest: &str) -> Result<Command, CommandError> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Argument)
    }
}

fn argument(rest: &str) -> Result<Argument, CommandError> {
    Argument::new(rest).ok_or(CommandError::Octets)
}

fn some_argument(rest: &str) -> Result<Argument, CommandError> {
    if rest.is_empty() {
        return Err(CommandError::Argument);
    }
    argument(rest)
}

fn hello(rest: &str) -> Result<Argument, CommandError> {
    if !is_hello_name(rest) {
        return Err(CommandError::Hello);
    }
    argument(rest)
}

/// `"FROM:" Reverse-path [SP Mail-parameters]`, where the bare postmaster is not allowed.
fn mail(rest: &str) -> Result<Path, CommandError> {
    let (address, rest) = path(rest, "FROM:")
        .filter(|(address, _)| !address.is_bare_postmaster())
        .ok_or(CommandError::Sender)?;
    let parameters = parameter::parse_all(rest, Owner::Mail)?;
    Ok(Path {
        address,
        parameters,
    })
}

/// `"TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]`, where `<>` is not allowed.
fn rcpt(rest: &str) -> Result<Path, CommandError> {
    let (address, rest) = path(rest, "TO:")
        .filter(|(address, _)| !address.is_null())
        .ok_or(CommandError::Recipient)?;
    let parameters = parameter::parse_all(rest, Owner::Rcpt)?;
    Ok(Path {
        address,
        parameters,
    })
}

/// The address behind `keyword`, and what follows: nothing, or a space and parameters.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(crate::Address, &'a str)> {
    let (front, rest) = rest.split_at_checked(keyword.len())?;
    let (address, rest) = take_path(rest.trim_start_matches(' '))?;
    let apart = rest.is_empty() || rest.starts_with(' ');
    (front.eq_ignore_ascii_case(keyword) && apart).then_some((address, rest))
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(Secret(some_argument(initial.trim())?))),
        None => (rest, None),
    };
    Ok(Command::Auth {
        mechanism: some_argument(mechanism)?,
        initial,
    })
}

/// `chunk-size = 1*DIGIT`, here at most 18 of them: far beyond every limit, and no overflow.
fn bdat(rest: &str) -> Result<Command, CommandError> {
    let (digits, marker) = rest.split_once(' ').unwrap_or((rest, ""));
    let plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let last = marker.trim_matches(' ').eq_ignore_ascii_case("LAST");
    if !plain || !(last || marker.is_empty()) {
        return Err(CommandError::ChunkSize);
    }
    let octets = digits.parse().map_err(|_| CommandError::ChunkSize)?;
    Ok(Command::Bdat { octets, last })
}

/// A line that means to announce a chunk. If the rest of it cannot be read, nobody knows which
/// octets behind it are commands.
pub(crate) fn is_bdat(line: &[u8]) -> bool {
    let (verb, rest) = line.split_at_checked(4).unwrap_or((b"", b""));
    let apart = rest.first().is_none_or(|next| !next.is_ascii_graphic());
    verb.eq_ignore_ascii_case(b"BDAT") && apart
}

fn attributes(rest: &str) -> Result<Vec<Attribute>, CommandError> {
    let words = rest.split(' ').filter(|word| !word.is_empty());
    let attributes: Option<Vec<_>> = words.map(Attribute::parse).collect();
    attributes
        .filter(|all| !all.is_empty())
        .ok_or(CommandError::Argument)
}

/// A request line of HTTP/1, or the start of HTTP/2 (RFC 9110 section 9, RFC 9113 section 3.4).
pub(crate) fn is_http(line: &[u8]) -> bool {
    const METHODS: [&[u8]; 10] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"OPTIONS ",
        b"CONNECT ",
        b"DELETE ",
        b"PATCH ",
        b"TRACE ",
        b"PRI ",
    ];
    let starts = |method: &&[u8]| {
        let front = line.get(..method.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(method))
    };
    METHODS.iter().any(starts)
}
