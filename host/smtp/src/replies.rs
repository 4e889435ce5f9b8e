//! The replies that the server gives of its own accord, by name.

use crate::enhanced::Enhanced;
use crate::reply::{Code, Reply};

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident: $code:ident $class:literal.$subject:literal.$detail:literal $text:literal;)*) => {
        impl Reply {
            $($(#[$doc])*
            pub const fn $name() -> Self {
                const ENHANCED: Option<Enhanced> = Enhanced::new($class, $subject, $detail);
                const {
                    assert!($class == Code::$code.class() && ENHANCED.is_some());
                    assert!($text.len() < 400);
                }
                Self::fixed(Code::$code, ENHANCED, $text)
            })*

            #[cfg(test)]
            pub(crate) fn named() -> Vec<Self> {
                vec![$(Self::$name()),*]
            }
        }
    };
}

replies! {
    /// 250 to RSET, NOOP, and whatever else went well.
    ok: OK 2 . 0 . 0 "Ok";
    /// 250 to MAIL.
    sender_ok: OK 2 . 1 . 0 "Sender ok";
    /// 250 to RCPT.
    recipient_ok: OK 2 . 1 . 5 "Recipient ok";
    /// 221 to QUIT.
    bye: CLOSING 2 . 0 . 0 "Bye";
    /// 214 to HELP.
    help: HELP 2 . 0 . 0 "Commands: HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT, and what EHLO offers";
    /// 252 to VRFY: addresses are not told (RFC 5321 section 7.3).
    cannot_verify: CANNOT_VERIFY 2 . 5 . 2 "Cannot verify; try to deliver";
    /// 220 to STARTTLS.
    start_tls: READY 2 . 0 . 0 "Ready to start TLS";

    /// 421 when the server goes down or the client idled too long.
    unavailable: UNAVAILABLE 4 . 3 . 2 "Service not available, closing";
    /// 421 after too many errors.
    too_many_errors: UNAVAILABLE 4 . 7 . 0 "Too many errors, closing";
    /// 421 after too many commands that led to no message.
    too_much_junk: UNAVAILABLE 4 . 7 . 0 "Too many commands without a message, closing";
    /// 451 for a fault on our side.
    local_error: LOCAL_ERROR 4 . 3 . 0 "Temporary local problem, try later";
    /// 452 for each recipient over the limit; those accepted stand (RFC 5321 section 4.5.3.1.10).
    too_many_recipients: NO_ROOM 4 . 5 . 3 "Too many recipients, send the rest later";
    /// 454 when STARTTLS cannot be served now (RFC 3207 section 4).
    tls_unavailable: TLS_UNAVAILABLE 4 . 7 . 0 "TLS not available now";

    /// 500 to a command nobody knows.
    unknown_command: UNKNOWN_COMMAND 5 . 5 . 1 "Command not recognized";
    /// 500 to a command line over the limit.
    line_too_long: UNKNOWN_COMMAND 5 . 5 . 2 "Command line too long";
    /// 500 to a bare CR, bare LF, NUL or other control, or invalid UTF-8, in a command.
    bad_octets: UNKNOWN_COMMAND 5 . 5 . 2 "Commands are text in lines that end with CR LF";
    /// 501 to a bad argument.
    bad_argument: BAD_ARGUMENT 5 . 5 . 4 "Syntax error in argument";
    /// 501 to HELO or EHLO without a domain or address literal.
    bad_hello: BAD_ARGUMENT 5 . 5 . 4 "HELO and EHLO need a domain or address literal";
    /// 501 to a bad sender address.
    bad_sender: BAD_ARGUMENT 5 . 1 . 7 "Bad sender address syntax";
    /// 501 to a bad recipient address.
    bad_recipient: BAD_ARGUMENT 5 . 1 . 3 "Bad recipient address syntax";
    /// 501 to a parameter of MAIL or RCPT with a bad value.
    bad_parameter: BAD_ARGUMENT 5 . 5 . 4 "Bad parameter value";
    /// 502 to a command we know and do not offer.
    not_implemented: NOT_IMPLEMENTED 5 . 5 . 1 "Command not implemented";
    /// 503 to a command that cannot come now.
    bad_sequence: BAD_SEQUENCE 5 . 5 . 1 "Bad sequence of commands";
    /// 503 to BDAT without a recipient.
    chunk_without_recipients: BAD_SEQUENCE 5 . 5 . 1 "No valid recipients";
    /// 503 to every command after a refusing greeting (RFC 5321 section 3.1).
    no_service: BAD_SEQUENCE 5 . 5 . 1 "No service here, only QUIT";
    /// 530 where TLS is required first (RFC 3207 section 4).
    tls_required: TLS_REQUIRED 5 . 7 . 0 "Must issue a STARTTLS command first";
    /// 550 to a sender with UTF-8 but without SMTPUTF8 (RFC 6531 section 3.5).
    sender_not_ascii: REFUSED 5 . 6 . 7 "UTF-8 address without SMTPUTF8";
    /// 553 to a recipient with UTF-8 in a transaction without SMTPUTF8 (RFC 6531 section 3.5).
    recipient_not_ascii: BAD_MAILBOX 5 . 6 . 7 "UTF-8 address without SMTPUTF8";
    /// 552 to a message over the size limit (RFC 1870 section 6).
    too_big: TOO_BIG 5 . 3 . 4 "Message over the size limit";
    /// 554 to a bare CR, bare LF or NUL in the content: refused, never repaired.
    smuggling: FAILED 5 . 6 . 11 "Lines end with CR LF only, and NUL is not allowed";
    /// 554 to DATA without a recipient (RFC 5321 section 3.3).
    no_recipients: FAILED 5 . 5 . 1 "No valid recipients";
    /// 554 to HTTP or TLS on a clear SMTP port.
    not_smtp: FAILED 5 . 5 . 1 "This is SMTP";
    /// 555 to a parameter that is unknown or not offered.
    unknown_parameter: BAD_PARAMETER 5 . 5 . 4 "Parameter not recognized or not offered";
}
