//! The server machine's settings.

/// The shortest limit for a command line that is taken: RFC 5321 section 4.5.3.1.4.
pub(super) const MIN_COMMAND: usize = 512;

/// What a [`crate::Server`] must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Our name, for the greeting and the answers to HELO and EHLO.
    pub hostname: String,
    /// The largest message in octets; a smaller SIZE in the offer counts. Default 50 MiB.
    pub max_message: u64,
    /// Recipients asked for in one transaction; each one over it gets 452. Default 1000.
    pub max_recipients: usize,
    /// The longest command line in octets, CRLF included; 512 at least. Default 4096.
    pub max_command: usize,
    /// Errors between two messages; the next one gets 421 and the session ends. Default 20.
    pub max_errors: u32,
    /// Commands that bring no message nearer, between two messages: HELO, EHLO, RSET, NOOP, HELP, VRFY, and MAIL that was
    /// refused. Each one over it counts as an error, whatever it is answered. Default 100.
    pub max_junk: u32,
    /// Refuse MAIL outside TLS? Default no.
    pub require_tls: bool,
    /// What a bare LF is. Default: a fault.
    pub line_feeds: LineFeeds,
    /// Names the session at the end of each reply of the machine's own, in parentheses; of the reply to EHLO at the end of
    /// the first line. Default empty: none.
    pub id: String,
}

/// What a bare LF is, in commands and in content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineFeeds {
    /// A fault: refused, in content with the end of the session.
    #[default]
    Refused,
    /// CRLF: for listed old devices only. It becomes one before anything else looks at it, and
    /// CHUNKING is not offered, since so many octets are no longer so many. A client that ends
    /// DATA with CRLF must end its content with CRLF.CRLF, too; LF.LF is text then.
    Normalised,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            max_message: 50 * 1024 * 1024,
            max_recipients: 1000,
            max_command: 4096,
            max_errors: 20,
            max_junk: 100,
            require_tls: false,
            line_feeds: LineFeeds::default(),
            id: String::new(),
        }
    }
}
