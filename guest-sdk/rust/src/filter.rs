//! The trait that a filter implements.

use serde::de::DeserializeOwned;

use crate::{Address, Verdict};

/// What became of a transaction, as told to [`Filter::outcome`].
pub use crate::bindings::outcome::exports::lazaret::filter::on_outcome::ResultOfTransaction as TransactionResult;

/// A mail filter. Put `#[filter]` on the `impl`; only the methods written there are exported, and only exported stages
/// are asked. `type Config` and `configure` may be left out by a filter without settings that is [`Default`].
pub trait Filter: Sized {
    /// The `[config]` table of the filter's TOML; `()` or nothing for a filter without settings.
    type Config: DeserializeOwned;

    /// Runs once when the filter is loaded; an `Err` is a load error that the operator reads, so name the key and the
    /// cure. No permission but [`log`](crate::log) and [`entropy`](crate::entropy) is there yet.
    fn configure(config: Self::Config) -> Result<Self, String>;

    /// A client has connected and heard nothing yet. Refusal is a 554 greeting.
    fn connect(&mut self) -> Verdict {
        Verdict::Continue
    }

    /// The client said HELO or EHLO with `name` (RFC 5321 section 4.1.1.1). Refusal holds for the whole session.
    fn hello(&mut self, name: &str) -> Verdict {
        let _ = name;
        Verdict::Continue
    }

    /// The client wants to log in (RFC 4954), before the backend is asked. `name` only where the mechanism shows it in
    /// its first message.
    fn auth(&mut self, mechanism: &str, name: Option<&str>) -> Verdict {
        let _ = (mechanism, name);
        Verdict::Continue
    }

    /// MAIL: a transaction begins. `sender.mailbox` is empty for the null sender `<>`.
    fn mail(&mut self, sender: &Address) -> Verdict {
        let _ = sender;
        Verdict::Continue
    }

    /// RCPT, once for each recipient; the verdict is for that recipient alone.
    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        let _ = recipient;
        Verdict::Continue
    }

    /// The header section is complete. A refusal is answered after the end of data.
    fn headers(&mut self) -> Verdict {
        Verdict::Continue
    }

    /// The message is complete; the client waits for its reply.
    fn message(&mut self) -> Verdict {
        Verdict::Continue
    }

    /// After the reply to the end of data, if there was one; nobody waits, and the message is gone.
    fn outcome(&mut self, transaction: &TransactionResult) {
        let _ = transaction;
    }

    /// After the connection; nobody waits.
    fn disconnect(&mut self, reason: &str) {
        let _ = reason;
    }
}
