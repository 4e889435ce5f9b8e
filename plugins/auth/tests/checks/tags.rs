//! What must hold for any list of tags.

use super::{Signature, Tags};

/// A list of tags is what stands between its semicolons, each name once; and a signature made of it covers From, names a
/// bounded number of fields, and its agent is of its domain.
pub fn tags(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    if let Some(tags) = Tags::parse(&text) {
        let whole = text.trim();
        let pairs = whole.strip_suffix(';').unwrap_or(whole).split(';');
        let pairs = pairs.map(|pair| pair.split_once('=').expect("a name and a value"));
        let pairs: Vec<_> = pairs
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        assert_eq!(tags.first(), pairs.first().map(|(name, _)| *name));
        for (name, value) in pairs {
            assert_eq!(tags.value(name), Some(value), "{name}");
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_';
            assert!(!name.is_empty() && name.bytes().all(plain), "{name:?}");
        }
    }
    if let Ok(signature) = Signature::parse(octets) {
        is_bounded(&signature);
    }
}

fn is_bounded(signature: &Signature) {
    let Signature {
        agent,
        domain,
        selector,
        signed,
        ..
    } = signature;
    assert!(signed.len() <= 200 && signed.iter().any(|name| name == "from"));
    let above = agent.strip_suffix(domain.as_str()).expect("of its domain");
    assert!(
        above.is_empty() || above.ends_with('.'),
        "{agent} of {domain}"
    );
    let label = |c: char| !c.is_whitespace() && !c.is_control() && !c.is_ascii_uppercase();
    assert!(
        !domain.is_empty() && domain.chars().all(label),
        "{domain:?}"
    );
    assert!(
        selector.len() <= 200 && !selector.contains(".."),
        "{selector:?}"
    );
}
