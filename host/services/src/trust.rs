//! Whose certificates are believed where a service speaks TLS: `rediss://`, and filters' `https`.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// Authorities, and how TLS is spoken with those they vouch for; cheap to clone. By default they are Mozilla's.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// These authorities, and no others.
    pub fn of(roots: impl Into<Arc<RootCertStore>>) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("aws-lc has the suites of TLS 1.2 and 1.3");
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Self(Arc::new(config))
    }

    pub(crate) fn connector(&self) -> tokio_rustls::TlsConnector {
        Arc::clone(&self.0).into()
    }
}

impl Default for Trust {
    fn default() -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        Self::of(roots.collect::<RootCertStore>())
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}
