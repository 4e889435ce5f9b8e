//! Service extensions: the EHLO answer read, computed and printed (RFC 5321 section 4.1.1.1).

use std::fmt;
use std::mem::discriminant;

use crate::parameter::{Kind, Parameter, is_keyword};
use crate::reply::Reply;

/// One line of an EHLO answer that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// Commands may come in groups (RFC 2920).
    Pipelining,
    /// The largest message in octets; `None` if no limit is told (RFC 1870).
    Size(Option<u64>),
    /// 8-bit content (RFC 6152).
    EightBitMime,
    /// UTF-8 in addresses and header fields (RFC 6531).
    SmtpUtf8,
    /// Replies carry `x.y.z` (RFC 2034).
    EnhancedStatusCodes,
    /// Delivery status notifications can be asked for (RFC 3461).
    Dsn,
    /// TLS can be started (RFC 3207).
    StartTls,
    /// BDAT (RFC 3030).
    Chunking,
    /// Content without lines (RFC 3030).
    BinaryMime,
    /// SASL mechanisms in the server's order, upper case (RFC 4954).
    Auth(Vec<String>),
    /// Attributes that XCLIENT takes, upper case (Postfix).
    XClient(Vec<String>),
    /// Attributes that XFORWARD takes, upper case (Postfix).
    XForward(Vec<String>),
    /// HELP is there.
    Help,
}

impl Keyword {
    /// The keyword without its arguments.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pipelining => "PIPELINING",
            Self::Size(_) => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::Dsn => "DSN",
            Self::StartTls => "STARTTLS",
            Self::Chunking => "CHUNKING",
            Self::BinaryMime => "BINARYMIME",
            Self::Auth(_) => "AUTH",
            Self::XClient(_) => "XCLIENT",
            Self::XForward(_) => "XFORWARD",
            Self::Help => "HELP",
        }
    }

    /// What two servers that both have this keyword have in common.
    fn common(&self, other: &Self) -> Self {
        let both = |mine: &[String], theirs: &[String]| {
            let shared = mine.iter().filter(|word| theirs.contains(word));
            shared.cloned().collect()
        };
        match (self, other) {
            (Self::Size(mine), Self::Size(theirs)) => {
                Self::Size((*mine).into_iter().chain(*theirs).min())
            }
            (Self::Auth(mine), Self::Auth(theirs)) => Self::Auth(both(mine, theirs)),
            (Self::XClient(mine), Self::XClient(theirs)) => Self::XClient(both(mine, theirs)),
            (Self::XForward(mine), Self::XForward(theirs)) => Self::XForward(both(mine, theirs)),
            _ => self.clone(),
        }
    }

    /// Reads `ehlo-keyword *( SP ehlo-param )`; `None` if unknown or malformed.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?.to_ascii_uppercase();
        let list = |words: std::str::SplitAsciiWhitespace<'_>| {
            words.map(str::to_ascii_uppercase).collect()
        };
        Some(match name.as_str() {
            "PIPELINING" => Self::Pipelining,
            "SIZE" => Self::Size(parse_size(words.next())?),
            "8BITMIME" => Self::EightBitMime,
            "SMTPUTF8" => Self::SmtpUtf8,
            "ENHANCEDSTATUSCODES" => Self::EnhancedStatusCodes,
            "DSN" => Self::Dsn,
            "STARTTLS" => Self::StartTls,
            "CHUNKING" => Self::Chunking,
            "BINARYMIME" => Self::BinaryMime,
            "AUTH" => Self::Auth(list(words)),
            "XCLIENT" => Self::XClient(list(words)),
            "XFORWARD" => Self::XForward(list(words)),
            "HELP" => Self::Help,
            _ => return None,
        })
    }
}

/// `ehlo-line = ehlo-keyword *( SP ehlo-param )`
impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Size(Some(octets)) => write!(f, " {octets}"),
            Self::Auth(words) | Self::XClient(words) | Self::XForward(words) => {
                words.iter().try_for_each(|word| write!(f, " {word}"))
            }
            _ => Ok(()),
        }
    }
}

/// What a server offers: at most one of each [`Keyword`], and the names of those we do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    known: Vec<Keyword>,
    unknown: Vec<String>,
}

impl Extensions {
    /// None at all, as after HELO.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the answer to EHLO: the first line is the server's name, each other one an
    /// extension. The first of two equal keywords counts; malformed lines are left out.
    pub fn parse(reply: &Reply) -> Self {
        let mut extensions = Self::new();
        for line in reply.lines().skip(1) {
            match Keyword::parse(line) {
                Some(keyword) if extensions.has(&keyword) => {}
                Some(keyword) => extensions.known.push(keyword),
                None => extensions.set_aside(line),
            }
        }
        extensions
    }

    fn set_aside(&mut self, line: &str) {
        let name = line.split(' ').next().unwrap_or_default();
        if is_keyword(name) {
            self.unknown.push(name.to_ascii_uppercase());
        }
    }

    /// The same with one more; it takes the place of an equal keyword.
    #[must_use]
    pub fn with(mut self, keyword: Keyword) -> Self {
        self.remove(&keyword);
        self.known.push(keyword);
        self
    }

    /// Takes a keyword away, whatever its arguments.
    pub fn remove(&mut self, keyword: &Keyword) {
        self.known
            .retain(|k| discriminant(k) != discriminant(keyword));
    }

    /// Is this keyword there, whatever its arguments?
    pub fn has(&self, keyword: &Keyword) -> bool {
        self.known
            .iter()
            .any(|k| discriminant(k) == discriminant(keyword))
    }

    /// Those we know, in the order they came.
    pub fn known(&self) -> &[Keyword] {
        &self.known
    }

    /// Names of those we do not know, upper case: never passed on, worth a line in the log.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The message limit in octets; `None` if SIZE is not there or tells no limit.
    pub fn size(&self) -> Option<u64> {
        self.known.iter().find_map(|keyword| match keyword {
            Keyword::Size(limit) => *limit,
            _ => None,
        })
    }

    /// SASL mechanisms; empty without AUTH.
    pub fn auth_mechanisms(&self) -> &[String] {
        self.known
            .iter()
            .find_map(|keyword| match keyword {
                Keyword::Auth(mechanisms) => Some(mechanisms.as_slice()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Attributes that XCLIENT takes; `None` if it is not offered.
    pub fn xclient_attributes(&self) -> Option<&[String]> {
        self.known.iter().find_map(|keyword| match keyword {
            Keyword::XClient(attributes) => Some(attributes.as_slice()),
            _ => None,
        })
    }

    /// Attributes that XFORWARD takes; `None` if it is not offered.
    pub fn xforward_attributes(&self) -> Option<&[String]> {
        self.known.iter().find_map(|keyword| match keyword {
            Keyword::XForward(attributes) => Some(attributes.as_slice()),
            _ => None,
        })
    }

    /// What both offer: SIZE is the smaller limit, a list what is in both. Names we do not know are left out.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let known = self.known.iter().filter_map(|mine| {
            let theirs = other
                .known
                .iter()
                .find(|k| discriminant(*k) == discriminant(mine))?;
            Some(mine.common(theirs))
        });
        Self {
            known: known.collect(),
            unknown: Vec::new(),
        }
    }

    /// What to offer to clients in front of a backend that offers `backend`.
    ///
    /// An allow-list, never a copy: PIPELINING, CHUNKING (what comes by BDAT may leave by DATA),
    /// ENHANCEDSTATUSCODES, HELP and STARTTLS are ours;
    /// SIZE is the smaller of ours and the backend's less what we add; 8BITMIME, DSN and SMTPUTF8
    /// mean something to the last hop, so the backend must have them, and SMTPUTF8 needs 8BITMIME
    /// (RFC 6531 section 3.1). Everything else, XCLIENT first of all, stays between us and the
    /// backend.
    pub fn offer(backend: &Self, own: &Own) -> Self {
        let mut known = vec![
            Keyword::Pipelining,
            Keyword::Size(Some(own.size_in_front_of(backend.size()))),
        ];
        if own.start_tls {
            known.push(Keyword::StartTls);
        }
        known.push(Keyword::EnhancedStatusCodes);
        if backend.has(&Keyword::EightBitMime) {
            known.push(Keyword::EightBitMime);
            known.extend(backend.has(&Keyword::SmtpUtf8).then_some(Keyword::SmtpUtf8));
        }
        known.extend(backend.has(&Keyword::Dsn).then_some(Keyword::Dsn));
        known.extend([Keyword::Chunking, Keyword::Help]);
        Self {
            known,
            unknown: Vec::new(),
        }
    }
}

impl Extensions {
    /// The part of it that [`crate::Server`] can keep its word about: no STARTTLS inside TLS, no
    /// SMTPUTF8 without 8BITMIME, SIZE at most `max_message`, nothing the machine cannot do.
    pub(crate) fn for_client(&self, inside_tls: bool, max_message: u64) -> Self {
        let limit = self.size().unwrap_or(u64::MAX).min(max_message);
        let kept = |keyword: &Keyword| match keyword {
            Keyword::Size(_) => Some(Keyword::Size(Some(limit))),
            Keyword::StartTls if inside_tls => None,
            Keyword::SmtpUtf8 if !self.has(&Keyword::EightBitMime) => None,
            Keyword::BinaryMime | Keyword::Auth(_) => None,
            other => Some(other.clone()),
        };
        Self {
            known: self.known.iter().filter_map(kept).collect(),
            unknown: Vec::new(),
        }
    }

    /// Does what is offered cover this parameter of MAIL or RCPT?
    pub(crate) fn covers(&self, parameter: &Parameter) -> bool {
        let needed = match parameter.kind() {
            Some(Kind::Size) => Keyword::Size(None),
            Some(Kind::Body) => Keyword::EightBitMime,
            Some(Kind::SmtpUtf8) => Keyword::SmtpUtf8,
            Some(Kind::Ret | Kind::Envid | Kind::Notify | Kind::Orcpt) => Keyword::Dsn,
            Some(Kind::Auth) => Keyword::Auth(Vec::new()),
            None => return false,
        };
        self.has(&needed)
    }
}

impl FromIterator<Keyword> for Extensions {
    fn from_iter<I: IntoIterator<Item = Keyword>>(keywords: I) -> Self {
        keywords.into_iter().fold(Self::new(), Self::with)
    }
}

/// What we ourselves bring to [`Extensions::offer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// The largest message we take, in octets.
    pub max_message: u64,
    /// Octets we may add to a message on the way to the backend.
    pub headroom: u64,
    /// Can TLS be started on this listener? [`crate::Server`] leaves STARTTLS out inside TLS.
    pub start_tls: bool,
}

impl Own {
    /// Never 0, which would mean "no limit" (RFC 1870 section 4).
    fn size_in_front_of(&self, backend: Option<u64>) -> u64 {
        let backend = backend.map_or(u64::MAX, |limit| limit.saturating_sub(self.headroom));
        self.max_message.min(backend).max(1)
    }
}

/// `[size-value]`, where 0 and nothing mean no limit; `None` if malformed.
fn parse_size(word: Option<&str>) -> Option<Option<u64>> {
    let Some(digits) = word else {
        return Some(None);
    };
    if digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let limit = digits.parse().unwrap_or(u64::MAX);
    Some((limit > 0).then_some(limit))
}
