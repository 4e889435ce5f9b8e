//! Asks a component at its stages.

use lazaret_mail::{Ask, Outcome, Stage, StageSet, Verdict};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::stages::{
    on_auth, on_connect, on_disconnect, on_headers, on_hello, on_mail, on_message, on_outcome,
    on_rcpt,
};
use crate::bindings::types;
use crate::guest::Guest;

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
    pub async fn call(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
        ask: &Ask,
    ) -> wasmtime::Result<Verdict> {
        match ask {
            Ask::Outcome(_) | Ask::Disconnect(_) => {
                self.tell(store, instance, ask).await?;
                Ok(Verdict::Continue)
            }
            _ => {
                let said = self.judge(store, instance, ask).await?;
                Ok(said.map_or(Verdict::Continue, Verdict::from))
            }
        }
    }

    async fn judge(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
        ask: &Ask,
    ) -> wasmtime::Result<Option<types::Verdict>> {
        /// The call of one stage, if it is exported.
        macro_rules! ask {
            ($stage:ident, $call:ident $(, $argument:expr)*) => {
                match &self.$stage {
                    Some(found) => {
                        let guest = found.load(&mut *store, instance)?;
                        Some(guest.$call(&mut *store $(, $argument)*).await?)
                    }
                    None => None,
                }
            };
        }
        Ok(match ask {
            Ask::Connect => ask!(connect, call_connect),
            Ask::Hello(name) => ask!(hello, call_hello, name),
            Ask::Auth { mechanism, name } => ask!(auth, call_auth, mechanism, name.as_deref()),
            Ask::Mail(path) => ask!(mail, call_mail, &path.into()),
            Ask::Rcpt(path) => ask!(rcpt, call_rcpt, &path.into()),
            Ask::Headers => ask!(headers, call_headers),
            Ask::Message => ask!(message, call_message),
            Ask::Outcome(_) | Ask::Disconnect(_) => None,
        })
    }

    async fn tell(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
        ask: &Ask,
    ) -> wasmtime::Result<()> {
        match (ask, &self.outcome, &self.disconnect) {
            (Ask::Outcome(outcome), Some(found), _) => {
                let guest = found.load(&mut *store, instance)?;
                guest.call_outcome(&mut *store, &outcome.into()).await
            }
            (Ask::Disconnect(reason), _, Some(found)) => {
                let guest = found.load(&mut *store, instance)?;
                guest.call_disconnect(&mut *store, reason).await
            }
            _ => Ok(()),
        }
    }
}

impl From<&Outcome> for on_outcome::ResultOfTransaction {
    fn from(outcome: &Outcome) -> Self {
        Self {
            code: outcome.code,
            text: outcome.text.clone(),
            decided_by: outcome.decided_by.clone(),
            queue_id: outcome.queue_id.clone(),
        }
    }
}
