//! Short ids of sessions, as in the log, in our replies and in quarantine file names.

use std::sync::Arc;

use crate::tls::provider;

/// Ten characters of base32 without look-alikes (Crockford): 50 random bits, so that nobody guesses another's id and
/// two sessions of one year of mail hardly share one.
pub(crate) fn session_id() -> Arc<str> {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut random = [0_u8; 10];
    provider()
        .secure_random
        .fill(&mut random)
        .expect("the operating system gives random octets");
    random
        .iter()
        .map(|octet| char::from(ALPHABET[usize::from(octet % 32)]))
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::session_id;

    #[test]
    fn ids_are_short_plain_and_differ() {
        let (one, two) = (session_id(), session_id());
        assert_ne!(one, two);
        assert_eq!(one.len(), 10);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric()));
    }
}
