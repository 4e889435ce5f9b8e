//! What must hold for any certificate of a client.

use std::sync::Arc;

use lazaret_mail::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::{believing, facts};

/// Octets of a name that are told.
const NAME: usize = 1024;

/// The octets are a certificate that its own root has signed, if any. What filters learn is bounded; whether a root vouches
/// for it changes nothing else.
pub fn certificate(octets: &[u8]) {
    let shown = [CertificateDer::from(octets)];
    let Some(told) = facts(&shown, None) else {
        return;
    };
    assert!(!told.verified);
    assert!(told.subject.len() <= NAME && told.issuer.len() <= NAME);
    assert_eq!(told.sha256.len(), 64);
    let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    assert!(told.sha256.bytes().all(digit), "{}", told.sha256);

    let mut roots = RootCertStore::empty();
    if roots.add(shown[0].clone()).is_ok() {
        let judged = facts(&shown, Some(&*believing(&Arc::new(roots)))).expect("as before");
        let words = |it: Certificate| [it.subject, it.issuer, it.sha256];
        assert_eq!(words(judged), words(told));
    }
}
