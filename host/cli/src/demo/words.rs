//! What the demo's backend says: its offer, its replies, its trace fields.

use std::time::{SystemTime, UNIX_EPOCH};

use lazaret_smtp::{Code, Enhanced, Extensions, Keyword, Path, Reply, ServerConfig};
use mail_parser::DateTime;

use super::identity::Identity;

const HOSTNAME: &str = "maildir.demo.localhost";

/// Octets of one message.
pub const MAX_MESSAGE: u64 = 64 << 20;

/// Settings of the server machine.
pub fn server_config() -> ServerConfig {
    ServerConfig {
        hostname: HOSTNAME.to_owned(),
        max_message: MAX_MESSAGE,
        ..ServerConfig::default()
    }
}

/// What EHLO lists. XCLIENT may be offered to all who reach us, for they are on this machine.
pub fn offer() -> Extensions {
    Extensions::from_iter([
        Keyword::Pipelining,
        Keyword::Size(Some(MAX_MESSAGE)),
        Keyword::EightBitMime,
        Keyword::SmtpUtf8,
        Keyword::EnhancedStatusCodes,
        Identity::keyword(),
    ])
}

/// Said at the start, and again once XCLIENT has told who the client is.
pub fn greeting() -> Reply {
    let code = Code::new(220).expect("220 is an SMTP code");
    Reply::new(code, None, &format!("{HOSTNAME} ESMTP"))
}

/// A reply of one line.
pub fn reply(code: u16, enhanced: &str, text: &str) -> Reply {
    let code = Code::new(code).expect("codes written here are SMTP codes");
    Reply::new(code, Enhanced::parse(enhanced), text)
}

/// Return-Path, Delivered-To and Received, with final CRLF.
pub fn trace(sender: &Path, recipients: &[Path], client: &Identity, id: &str) -> String {
    let mut fields = format!("Return-Path: <{}>\r\n", sender.address.mailbox());
    for recipient in recipients {
        fields.push_str(&format!(
            "Delivered-To: {}\r\n",
            recipient.address.mailbox()
        ));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let date = DateTime::from_timestamp(now.as_secs().cast_signed()).to_rfc822();
    fields.push_str(&format!(
        "Received: from {client}\r\n\tby {HOSTNAME} with ESMTP id {id};\r\n\t{date}\r\n"
    ));
    fields
}
