//! Domains and address literals (RFC 5321 sections 4.1.2 and 4.1.3, RFC 6531 section 3.3).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest domain in octets (RFC 5321 section 4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;

/// The longest label in octets (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// `Domain / address-literal`
pub(crate) fn is_domain_or_literal(text: &str) -> bool {
    is_domain(text) || is_literal(text)
}

/// `Domain = sub-domain *("." sub-domain)`, `sub-domain = Let-dig [Ldh-str] / U-label`
pub(crate) fn is_domain(text: &str) -> bool {
    text.len() <= MAX_DOMAIN && text.split('.').all(|l| is_label_with(l, '-'))
}

/// What may stand behind HELO and EHLO: as [`is_domain_or_literal`], but names with underscores
/// and a final dot are taken too, since many hosts introduce themselves so.
pub(crate) fn is_hello_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_name = name.len() <= MAX_DOMAIN && name.split('.').all(|l| is_label_with(l, '_'));
    is_name || is_literal(text)
}

/// `"[" ( IPv4-address-literal / IPv6-address-literal ) "]"`; no other tag is registered
/// (RFC 5321 section 4.1.3).
fn is_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) else {
        return false;
    };
    match inner.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Letters, digits, UTF-8, inner hyphens and `extra`.
fn is_label_with(label: &str, extra: char) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == extra || is_utf8_text(c);
    let plain = !label.is_empty() && label.len() <= MAX_LABEL && label.chars().all(inside);
    plain && !label.starts_with('-') && !label.ends_with('-')
}

/// `UTF8-non-ascii` without what can hide or move other text.
pub(crate) fn is_utf8_text(character: char) -> bool {
    !character.is_ascii() && !crate::text::is_unsafe(character)
}
