//! What must hold for any value of a field with mailboxes.

use super::{Mailbox, are_related, domain, mailboxes, masked, shown_addresses};

/// The first line is a value as it was received, the second the same decoded: what is read of both is bounded, and what is
/// quoted, or a comment, is nobody's address.
pub fn mailbox(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (value, decoded) = text.split_once('\n').unwrap_or((&text, &text));
    hides(value);
    for mailbox in mailboxes(value, decoded) {
        is_read(&mailbox, value, decoded);
    }
    let count = mailboxes(value, decoded).len();
    let most = |text: &str| text.matches('@').count();
    assert!(count <= most(value).max(most(decoded)), "{count}");
    names_only(value);
    is_shown(decoded);
    let (one, other) = (domain(value), domain(decoded));
    assert!(!one.contains('@') && are_related(one, one));
    assert_eq!(are_related(one, other), are_related(other, one));
}

/// A mask is as long, and all that it does not hide is itself.
fn hides(value: &str) {
    let mask = masked(value);
    assert_eq!(mask.len(), value.len());
    for (mask, octet) in mask.bytes().zip(value.bytes()) {
        assert!(mask == octet || mask == b'q' || mask == b' ', "{value:?}");
    }
    if !value.contains(['"', '(']) {
        assert_eq!(mask, value);
    }
}

fn is_read(mailbox: &Mailbox, value: &str, decoded: &str) {
    let Mailbox { name, address } = mailbox;
    // Of a domain without end the end is kept, which is all that a condition on it looks at.
    let is_whole = address.contains('@') || address.len() > 1000;
    assert!(is_whole && address.len() <= 1024, "{address}");
    assert_eq!(*address, address.to_lowercase());
    assert!(name.len() <= decoded.len() && !name.contains('\\'));
    if ![value, decoded].iter().any(|text| text.contains('"')) {
        let odd = |c: char| c.is_whitespace() || "<>,;:".contains(c);
        assert!(!address.contains(odd), "{address:?} of {value:?}");
    }
}

/// Whatever stands in quotes or in a comment before an address is its name, and no other address.
fn names_only(text: &str) {
    let escape = |c: char| match "\\\"()".contains(c) {
        true => format!("\\{c}"),
        false => c.to_string(),
    };
    let text: String = text.chars().map(escape).collect();
    for before in [format!("\"{text}\""), format!("({text})")] {
        let value = format!("{before} <x@evil.example>, Eva <eva@example.org>");
        let read = mailboxes(&value, &value);
        let addresses: Vec<_> = read.iter().map(|it| it.address.as_str()).collect();
        assert_eq!(addresses, ["x@evil.example", "eva@example.org"], "{value}");
        assert_eq!(read[1].name, "Eva", "{value}");
    }
}

/// What a name shows as an address is one, and one at its end is seen whatever is before it.
fn is_shown(name: &str) {
    let mut shown: Vec<_> = shown_addresses(name).collect();
    for address in &shown {
        let (local, domain) = address.split_once('@').expect("an address");
        assert!(!local.is_empty() && domain.contains('.'), "{address}");
        assert!(folded(name).contains(&folded(address)), "{address}");
    }
    let longer = format!("{name} help@bank.example");
    shown.push("help@bank.example".to_owned());
    assert_eq!(
        shown_addresses(&longer).collect::<Vec<_>>(),
        shown,
        "{longer}"
    );
}

/// A sigma is written in another way at the end of a word.
fn folded(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}
