//! Authorities whose certificates are believed.

use std::path::PathBuf;
use std::sync::Arc;

use lazaret_config::{ConfigError, Source, Spanned};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Reads a PEM file of certificates; at least one.
pub(super) fn read(
    source: &Source,
    written: &Spanned<PathBuf>,
) -> Result<Arc<RootCertStore>, ConfigError> {
    let path = source.directory().join(written.get_ref());
    let unreadable = |e: String| {
        source
            .error(
                written.span(),
                format!("no certificate can be read from {}: {e}", path.display()),
            )
            .cure("it must hold the certificates of the authorities you believe, in PEM")
    };
    let mut store = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(&path).map_err(|e| unreadable(e.to_string()))?
    {
        let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
        store
            .add(certificate)
            .map_err(|e| unreadable(e.to_string()))?;
    }
    match store.is_empty() {
        true => Err(unreadable("there is none in it".to_owned())),
        false => Ok(Arc::new(store)),
    }
}
