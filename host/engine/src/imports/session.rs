//! `session`: who is talking to us.

use std::sync::Arc;

use lazaret_mail::{Session, Tls};
use lazaret_services::dns::Confirmed;

use super::Ctx;
use crate::bindings::session::{Certificate, ClientInfo, Host, TlsInfo};
use crate::grants::ClientNames;

impl Ctx {
    fn session(&mut self) -> wasmtime::Result<Option<&Session>> {
        self.charge()?;
        Ok(self.question.as_ref().map(|question| &*question.session))
    }

    /// Found out when the first filter asks that may know it; for all of the connection.
    /// The time that this takes is of the call's `dns-time`.
    async fn client_name(&mut self, session: &Session) -> Option<String> {
        if self.rights.client_name == ClientNames::Hidden {
            return None;
        }
        let client = &session.client;
        let may_ask = client.name.is_open() && self.asking.dns.has_time();
        if let (true, Some(reach)) = (may_ask, &self.reach) {
            // Who has spent his time on other questions does not try in earnest.
            let in_earnest = self.asking.dns.is_untouched(&reach.grants.dns);
            let address = client.address.ip();
            let found = reach.dns.confirmed(address, &mut self.asking.dns);
            let found = self.meter.waiting().during("session.client", found).await;
            match found {
                Confirmed::Name(name) => client.name.settle(Some(name)),
                Confirmed::Nameless => client.name.settle(None),
                Confirmed::Unanswered if in_earnest => client.name.unanswered(),
                Confirmed::Unanswered => {}
            }
        }
        client.name.known_by_now().map(str::to_owned)
    }
}

/// In `configure` there is no session: texts are empty, the port is 0, all else is none or false.
impl Host for Ctx {
    fn id(&mut self) -> wasmtime::Result<String> {
        let session = self.session()?;
        Ok(session.map(|s| s.id.to_string()).unwrap_or_default())
    }

    fn listener(&mut self) -> wasmtime::Result<String> {
        let session = self.session()?;
        Ok(session.map(|s| s.listener.to_string()).unwrap_or_default())
    }

    async fn client(&mut self) -> wasmtime::Result<ClientInfo> {
        self.charge()?;
        let session = self.question.as_ref().map(|q| Arc::clone(&q.session));
        let Some(session) = session else {
            return Ok(ClientInfo {
                address: String::new(),
                port: 0,
                name: None,
            });
        };
        let address = session.client.address;
        Ok(ClientInfo {
            address: address.ip().to_canonical().to_string(),
            port: address.port(),
            name: self.client_name(&session).await,
        })
    }

    fn hello(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.session()?.and_then(|s| s.hello.clone()))
    }

    fn tls(&mut self) -> wasmtime::Result<Option<TlsInfo>> {
        let tls = self.session()?.and_then(|s| s.tls.as_deref());
        Ok(tls.map(TlsInfo::from))
    }

    fn user(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.session()?.and_then(|s| s.user.clone()))
    }

    fn early_talker(&mut self) -> wasmtime::Result<bool> {
        Ok(self.session()?.is_some_and(|s| s.early_talker))
    }
}

impl From<&Tls> for TlsInfo {
    fn from(tls: &Tls) -> Self {
        Self {
            version: tls.version.clone(),
            cipher: tls.cipher.clone(),
            server_name: tls.server_name.clone(),
            client_certificate: tls.client_certificate.as_ref().map(Certificate::from),
        }
    }
}

impl From<&lazaret_mail::Certificate> for Certificate {
    fn from(certificate: &lazaret_mail::Certificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            sha256: certificate.sha256.clone(),
            verified: certificate.verified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Host;
    use crate::grants::{ClientNames, Rights};
    use crate::imports::Ctx;
    use crate::imports::testing::{at, configuring};
    use lazaret_mail::Ask;
    use std::sync::Arc;

    #[tokio::test]
    async fn facts_are_those_of_the_session() {
        let mut ctx = at(Ask::Connect);
        assert_eq!(ctx.id().unwrap(), "s1");
        assert_eq!(ctx.listener().unwrap(), "mx");
        assert_eq!(ctx.client().await.unwrap().address, "192.0.2.1");
        assert_eq!(ctx.client().await.unwrap().port, 4711);
        assert!(ctx.tls().unwrap().is_none());
    }

    #[tokio::test]
    async fn configure_has_no_session() {
        let mut ctx = configuring();
        assert_eq!(ctx.id().unwrap(), "");
        assert_eq!(ctx.client().await.unwrap().address, "");
        assert_eq!(ctx.hello().unwrap(), None);
    }

    fn hide_names(ctx: &mut Ctx) {
        let rights = Rights {
            client_name: ClientNames::Hidden,
            ..Rights::clone(&ctx.rights)
        };
        ctx.rights = Arc::new(rights);
    }

    #[tokio::test]
    async fn the_name_is_found_out_for_those_who_may_know_it() {
        let mut ctx = at(Ask::Connect);
        let name = &ctx.question.as_ref().unwrap().session.client.name.clone();
        hide_names(&mut ctx);
        assert_eq!(ctx.client().await.unwrap().name, None);
        assert!(!name.is_settled());
        ctx.rights = at(Ask::Connect).rights;
        let found = ctx.client().await.unwrap().name;
        assert_eq!(found.as_deref(), Some("client.example.net"));
        assert_eq!(name.known_by_now(), Some("client.example.net"));
        hide_names(&mut ctx);
        assert_eq!(ctx.client().await.unwrap().name, None);
    }
}
