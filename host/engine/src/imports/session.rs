//! `session`: who is talking to us.

use lazaret_mail::{Session, Tls};

use super::Ctx;
use crate::bindings::session::{Certificate, ClientInfo, Host, TlsInfo};

impl Ctx {
    fn session(&mut self) -> wasmtime::Result<Option<&Session>> {
        self.charge()?;
        Ok(self.question.as_ref().map(|question| &*question.session))
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

    fn client(&mut self) -> wasmtime::Result<ClientInfo> {
        let client = self.session()?.map(|s| &s.client);
        Ok(ClientInfo {
            address: client
                .map(|c| c.address.ip().to_canonical().to_string())
                .unwrap_or_default(),
            port: client.map(|c| c.address.port()).unwrap_or_default(),
            name: client.and_then(|c| c.name.clone()),
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
    use crate::imports::testing::{at, configuring};
    use lazaret_mail::Ask;

    #[test]
    fn facts_are_those_of_the_session() {
        let mut ctx = at(Ask::Connect);
        assert_eq!(ctx.id().unwrap(), "s1");
        assert_eq!(ctx.listener().unwrap(), "mx");
        assert_eq!(ctx.client().unwrap().address, "192.0.2.1");
        assert_eq!(ctx.client().unwrap().port, 4711);
        assert!(ctx.tls().unwrap().is_none());
    }

    #[test]
    fn configure_has_no_session() {
        let mut ctx = configuring();
        assert_eq!(ctx.id().unwrap(), "");
        assert_eq!(ctx.client().unwrap().address, "");
        assert_eq!(ctx.hello().unwrap(), None);
    }
}
