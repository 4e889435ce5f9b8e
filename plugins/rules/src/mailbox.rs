//! Mailboxes in a decoded header value (RFC 5322 section 3.4), read as people's programs show them.

/// A display name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// without quotes; may be empty
    pub name: String,
    /// e.g. `anna@example.org`
    pub address: String,
}

/// The mailboxes of a value such as `Anna <anna@example.org>, eva@example.org`.
///
/// The value is decoded, so a display name may hold anything: commas, and addresses of others in angle brackets. The
/// last pair of brackets is the address.
pub fn mailboxes(value: &str) -> Vec<Mailbox> {
    pieces(value)
        .iter()
        .filter_map(|piece| mailbox(piece))
        .collect()
}

/// At commas outside quotes; a piece without `@` belongs to the name in the next one.
fn pieces(value: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut quoted = false;
    for c in value.chars() {
        quoted ^= c == '"';
        let piece = pieces.last_mut().expect("there is always one");
        if c == ',' && !quoted && piece.contains('@') {
            pieces.push(String::new());
        } else {
            piece.push(c);
        }
    }
    pieces
}

fn mailbox(piece: &str) -> Option<Mailbox> {
    let piece = piece.trim();
    let (name, address) = match piece.rsplit_once('<') {
        Some((name, rest)) => (name, rest.split('>').next().unwrap_or_default()),
        None => ("", piece),
    };
    let address = address.trim().to_lowercase();
    address.contains('@').then(|| Mailbox {
        name: name.trim().trim_matches('"').trim().to_owned(),
        address,
    })
}

/// The first address shown in a display name.
pub fn shown_address(name: &str) -> Option<String> {
    let words = name.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
    words
        .map(|word| word.trim_matches('.').to_lowercase())
        .find(|word| {
            word.split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && is_domain(domain))
        })
}

/// The part after the last `@`.
pub fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// One is the other, or lies below it.
pub fn are_related(one: &str, other: &str) -> bool {
    let is_below = |low: &str, high: &str| {
        low.strip_suffix(high)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    is_below(one, other) || is_below(other, one)
}

fn is_domain(text: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_top = |top: &str| top.len() >= 2 && top.chars().all(char::is_alphabetic);
    text.split('.').all(is_label) && text.rsplit_once('.').is_some_and(|(_, top)| is_top(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, String)> {
        mailboxes(value)
            .into_iter()
            .map(|m| (m.name, m.address))
            .collect()
    }

    fn pair(name: &str, address: &str) -> (String, String) {
        (name.to_owned(), address.to_owned())
    }

    #[test]
    fn reads_mailboxes() {
        assert_eq!(
            read("Anna <Anna@Example.org>, eva@example.org"),
            [
                pair("Anna", "anna@example.org"),
                pair("", "eva@example.org")
            ]
        );
        assert_eq!(
            read("\"Doe, Jo\" <jo@example.org>"),
            [pair("Doe, Jo", "jo@example.org")]
        );
        assert_eq!(
            read("Doe, Jo <jo@example.org>"),
            [pair("Doe, Jo", "jo@example.org")]
        );
        assert_eq!(
            read("Bank <help@bank.example> <x@example.net>"),
            [pair("Bank <help@bank.example>", "x@example.net")]
        );
        assert_eq!(read("undisclosed-recipients:;"), []);
        assert_eq!(read(""), []);
    }

    #[test]
    fn finds_addresses_in_names() {
        assert_eq!(
            shown_address("help@bank.example"),
            Some("help@bank.example".into())
        );
        assert_eq!(
            shown_address("Bank <help@bank.example>"),
            Some("help@bank.example".into())
        );
        assert_eq!(shown_address("meet us @ example.org"), None);
        assert_eq!(shown_address("v2@1.0"), None);
        assert_eq!(shown_address("Anna"), None);
    }

    #[test]
    fn related_domains() {
        assert!(are_related("example.org", "mail.example.org"));
        assert!(!are_related("badexample.org", "example.org"));
    }
}
