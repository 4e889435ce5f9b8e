//! Asks a component at its stages.

use lazaret_mail::{Ask, Outcome, Stage, StageSet, Verdict};
use wasmtime::component::InstancePre;

use crate::bindings::stages::{
    on_auth, on_connect, on_disconnect, on_headers, on_hello, on_mail, on_message, on_outcome,
    on_rcpt,
};
use crate::bindings::{Spoken, types};
use crate::guest::Guest;
use crate::template::Live;

/// Where a component exports its stages; found once, at load.
#[derive(Default)]
pub struct Exports {
    connect: Option<on_connect::GuestIndices>,
    hello: Option<on_hello::GuestIndices>,
    auth: Option<on_auth::GuestIndices>,
    mail: Option<on_mail::GuestIndices>,
    rcpt: Option<on_rcpt::GuestIndices>,
    headers: Option<on_headers::GuestIndices>,
    message: Option<on_message::GuestIndices>,
    outcome: Option<on_outcome::GuestIndices>,
    disconnect: Option<on_disconnect::GuestIndices>,
}

/// The functions of one sandbox, each from its first call on: to look one up costs as much as to call it.
#[derive(Default)]
pub struct Found {
    connect: Option<on_connect::Guest>,
    hello: Option<on_hello::Guest>,
    auth: Option<on_auth::Guest>,
    mail: Option<on_mail::Guest>,
    rcpt: Option<on_rcpt::Guest>,
    headers: Option<on_headers::Guest>,
    message: Option<on_message::Guest>,
    outcome: Option<on_outcome::Guest>,
    disconnect: Option<on_disconnect::Guest>,
}

/// The function of a stage in the sandbox at hand, looked up if it is its first call; None where it is not exported.
macro_rules! function {
    ($live:expr, $exports:expr, $stage:ident) => {
        match (&$exports.$stage, &mut $live.found.$stage) {
            (None, _) => None,
            (Some(_), Some(found)) => Some(&*found),
            (Some(place), none) => {
                Some(&*none.insert(place.load(&mut $live.store, &$live.instance)?))
            }
        }
    };
}

impl Exports {
    /// Finds the functions of these stages and checks their types.
    pub fn find(pre: &InstancePre<Guest>, stages: StageSet) -> wasmtime::Result<Self> {
        let mut found = Self::default();
        for stage in stages.iter() {
            match stage {
                Stage::Connect => found.connect = Some(on_connect::GuestIndices::new(pre)?),
                Stage::Hello => found.hello = Some(on_hello::GuestIndices::new(pre)?),
                Stage::Auth => found.auth = Some(on_auth::GuestIndices::new(pre)?),
                Stage::Mail => found.mail = Some(on_mail::GuestIndices::new(pre)?),
                Stage::Rcpt => found.rcpt = Some(on_rcpt::GuestIndices::new(pre)?),
                Stage::Headers => found.headers = Some(on_headers::GuestIndices::new(pre)?),
                Stage::Message => found.message = Some(on_message::GuestIndices::new(pre)?),
                Stage::Outcome => found.outcome = Some(on_outcome::GuestIndices::new(pre)?),
                Stage::Disconnect => {
                    found.disconnect = Some(on_disconnect::GuestIndices::new(pre)?);
                }
            }
        }
        Ok(found)
    }

    /// Calls the function of that stage. Observers, and stages that are not exported, have no objection.
    pub async fn call(&self, live: &mut Live, ask: &Ask) -> wasmtime::Result<Verdict> {
        match ask {
            Ask::Outcome(_) | Ask::Disconnect(_) => {
                self.tell(live, ask).await?;
                Ok(Verdict::Continue)
            }
            _ => {
                let said = self.judge(live, ask).await?;
                Ok(said.map_or(Verdict::Continue, Verdict::from))
            }
        }
    }

    async fn judge(&self, live: &mut Live, ask: &Ask) -> wasmtime::Result<Option<types::Verdict>> {
        /// The call of one stage, if it is exported.
        macro_rules! ask {
            ($stage:ident, $call:ident $(, $argument:expr)*) => {
                match function!(live, self, $stage) {
                    Some(guest) => Some(guest.$call(&mut live.store $(, $argument)*).await?),
                    None => None,
                }
            };
        }
        Ok(match ask {
            Ask::Connect => ask!(connect, call_connect),
            Ask::Hello(name) => ask!(hello, call_hello, name),
            Ask::Auth { mechanism, name } => ask!(auth, call_auth, mechanism, name.as_deref()),
            Ask::Mail(path) => ask!(mail, call_mail, Spoken::from(path).words()),
            Ask::Rcpt(path) => ask!(rcpt, call_rcpt, Spoken::from(path).words()),
            Ask::Headers => ask!(headers, call_headers),
            Ask::Message => ask!(message, call_message),
            Ask::Outcome(_) | Ask::Disconnect(_) => None,
        })
    }

    async fn tell(&self, live: &mut Live, ask: &Ask) -> wasmtime::Result<()> {
        match ask {
            Ask::Outcome(outcome) => match function!(live, self, outcome) {
                Some(guest) => guest.call_outcome(&mut live.store, outcome.into()).await,
                None => Ok(()),
            },
            Ask::Disconnect(reason) => match function!(live, self, disconnect) {
                Some(guest) => guest.call_disconnect(&mut live.store, reason).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl<'o> From<&'o Outcome> for on_outcome::ResultOfTransaction<'o> {
    fn from(outcome: &'o Outcome) -> Self {
        Self {
            code: outcome.code,
            text: &outcome.text,
            decided_by: outcome.decided_by.as_deref(),
            queue_id: outcome.queue_id.as_deref(),
        }
    }
}
