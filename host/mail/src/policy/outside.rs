//! How far grants of services go: names, origins, addresses. What is meant by them is the services' business; here they
//! only have to look right.

use std::net::SocketAddr;

/// `dns.example`, `*.zen.example`.
pub(super) fn is_name(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(plain)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// `127.0.0.1:11334`, `https://api.example.com`.
pub(super) fn is_origin(text: &str) -> bool {
    let bare = ["http://", "https://"];
    let bare = bare
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    if bare.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let (host, port) = match bare.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, Some(port)),
        _ => (bare, None),
    };
    let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    port_is_good && !host.is_empty() && host.chars().all(plain)
}
