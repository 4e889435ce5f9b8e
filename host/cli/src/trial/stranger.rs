//! Who hands the message in: nobody knows from a file, so the command line says it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{Content, Message, Path};
use lazaret_smtp::Address;

use super::journey::Letter;
use crate::arguments::Try;
use crate::exit::Failure;

/// The client's port; no filter should care.
const PORT: u16 = 49152;

/// A client and the envelope it gives.
#[derive(Clone, Debug)]
pub struct Stranger {
    client: SocketAddr,
    listener: String,
    hello: String,
    sender: Path,
    recipients: Vec<Path>,
}

impl Stranger {
    /// As the flags say.
    ///
    /// # Errors
    /// Names the flag whose address is none.
    pub fn of(arguments: &Try) -> Result<Self, Failure> {
        let recipients = arguments.rcpt.iter().map(|text| path("--rcpt", text));
        Ok(Self {
            client: SocketAddr::new(arguments.ip, PORT),
            listener: arguments.listener.clone(),
            hello: arguments.helo.clone(),
            sender: path("--from", &arguments.from)?,
            recipients: recipients.collect::<Result<_, _>>()?,
        })
    }

    /// What this client would say on the wire to hand these octets in.
    ///
    /// # Errors
    /// In words, where the header section is over its limit.
    pub fn letter(&self, octets: Bytes) -> Result<Letter, String> {
        let too_long = |error| format!("{error}");
        let header = Message::header_only(octets.clone(), HEADER_LIMIT).map_err(too_long)?;
        let message = Message::parse(Content::Memory(octets), HEADER_LIMIT).map_err(too_long)?;
        Ok(Letter {
            client: self.client,
            listener: self.listener.clone(),
            hello: self.hello.clone(),
            sender: self.sender.clone(),
            recipients: self.recipients.clone(),
            header: Arc::new(header),
            message: Arc::new(message),
        })
    }
}

/// `alice@example.com`, also in angle brackets.
fn path(flag: &str, text: &str) -> Result<Path, Failure> {
    let bare = text.trim().trim_start_matches('<').trim_end_matches('>');
    let address = match bare.is_empty() {
        true => Some(Address::null()),
        false => Address::parse(bare),
    };
    address.map(Path::new).ok_or_else(|| {
        Failure::usage(format!(
            "{flag} {text}: not an address; write e.g. {flag} alice@example.com"
        ))
    })
}
