//! Addresses: tables of what is one and what is not, each group with its reason.

use lazaret_smtp::{Address, Command, CommandError};

fn mailbox(local: usize, domain: &str) -> String {
    format!("{}@{domain}", "x".repeat(local))
}

/// A domain of so many octets, in labels of at most 63.
fn domain(length: usize) -> String {
    let mut text = "a".repeat(63) + ".";
    text = text.repeat(5);
    text.truncate(length);
    text
}

#[test]
fn mailboxes() {
    let groups: [(&str, &[&str]); 6] = [
        (
            "plain ones",
            &[
                "a@example.org",
                "a.b.c@example.org",
                "A+b=c@a-b.example.org",
                "1@2.example",
            ],
        ),
        ("every atext", &["!#$%&'*+-/=?^_`{|}~@example.org"]),
        (
            "quoted local parts may hold what would end an address elsewhere",
            &[
                r#""a b"@example.org"#,
                r#""a>b"@example.org"#,
                r#""a@b"@example.org"#,
                r#""\"\\"@example.org"#,
                r#"""@example.org"#,
            ],
        ),
        (
            "address literals",
            &[
                "a@[127.0.0.1]",
                "a@[IPv6:::1]",
                "a@[ipv6:2001:db8::192.0.2.1]",
            ],
        ),
        (
            "UTF-8 (RFC 6531)",
            &[
                "jos\u{e9}@example.org",
                "a@ex\u{e4}mple.org",
                "\u{560a}@example.org",
                "\"\u{e9} \"@example.org",
            ],
        ),
        (
            "a domain without dots is one",
            &["a@localhost", "postmaster@localhost"],
        ),
    ];
    for (reason, addresses) in groups {
        for text in addresses {
            let address = Address::parse(text).unwrap_or_else(|| panic!("{reason}: {text}"));
            assert_eq!(address.mailbox(), *text);
            let whole = format!("{}@{}", address.local_part(), address.domain());
            assert_eq!(whole, *text);
        }
    }
}

#[test]
fn no_mailboxes() {
    let groups: [(&str, &[&str]); 8] = [
        (
            "parts missing",
            &["@example.org", "a@", "a", "@", "user@@example.org"],
        ),
        (
            "dots where none may be",
            &[
                ".a@example.org",
                "a.@example.org",
                "a..b@example.org",
                "a@.example.org",
                "a@example.org.",
                "a@b..c",
            ],
        ),
        (
            "specials without quotes",
            &[
                "a b@example.org",
                "a(b)@example.org",
                "a,b@example.org",
                "a@b@example.org",
                "a<b@example.org",
                "a\\b@example.org",
            ],
        ),
        (
            "quotes that do not close, or close too early",
            &[
                "\"a@example.org",
                "\"a\"b@example.org",
                "a\"b\"@example.org",
                "\"a\\\"@example.org",
            ],
        ),
        (
            "domains that are none",
            &[
                "a@-b.example",
                "a@b-.example",
                "a@b_c.example",
                "a@exa mple.org",
                "a@example.org>",
                "a@b/c",
            ],
        ),
        (
            "literals that are none",
            &[
                "a@[300.0.0.1]",
                "a@[127.0.0.1",
                "a@127.0.0.1]",
                "a@[::1]",
                "a@[IPv6:::g]",
                "a@[IPv6:fe80::1%eth0]",
                "a@[X:y]",
                "a@[]",
            ],
        ),
        (
            "controls, raw or behind a backslash",
            &[
                "a\0@example.org",
                "\"a\r\nb\"@example.org",
                "\"\\\n\"@example.org",
                "a\u{7f}@example.org",
                "a@b\tc",
            ],
        ),
        (
            "UTF-8 that hides or moves text",
            &[
                "a\u{85}@example.org",
                "a\u{2028}@example.org",
                "a\u{202e}@example.org",
                "a@\u{feff}b.example",
            ],
        ),
    ];
    for (reason, addresses) in groups {
        for text in addresses {
            assert_eq!(
                Address::parse(text),
                None,
                "{reason}: {}",
                text.escape_debug()
            );
        }
    }
}

/// RFC 5321 section 4.5.3.1 says how much must be taken: local part 64, domain 255, path 256.
#[test]
fn lengths() {
    assert!(Address::parse(&mailbox(64, "example.org")).is_some());
    assert!(Address::parse(&mailbox(65, "example.org")).is_none());
    let quoted = |n| format!("\"{}\"@example.org", "x".repeat(n));
    assert!(Address::parse(&quoted(62)).is_some());
    assert!(Address::parse(&quoted(63)).is_none());
    assert!(Address::parse(&mailbox(1, &domain(255))).is_some());
    assert!(Address::parse(&mailbox(1, &(domain(255) + "a"))).is_none());
    assert!(
        Address::parse(&mailbox(64, &domain(189))).is_some(),
        "a path of 256"
    );
    assert!(
        Address::parse(&mailbox(1, &"a".repeat(64))).is_none(),
        "a label of 64"
    );
}

#[test]
fn postmaster_and_the_null_path() {
    let postmaster = Address::parse("PostMaster").unwrap();
    assert!(postmaster.is_bare_postmaster() && !postmaster.is_null());
    assert_eq!(
        (postmaster.local_part(), postmaster.domain()),
        ("PostMaster", "")
    );
    let null = Address::parse("").unwrap();
    assert!(null.is_null() && !null.is_bare_postmaster());
    assert_eq!(null, Address::null());
    assert_eq!(null.to_string(), "<>");
}

#[test]
fn paths_in_commands() {
    let table: [(&str, &str); 8] = [
        ("MAIL FROM:<>", "MAIL FROM:<>"),
        ("mail from:<a@example.net>", "MAIL FROM:<a@example.net>"),
        // Forbidden, very common, and harmless.
        ("MAIL FROM: <a@example.net>  ", "MAIL FROM:<a@example.net>"),
        ("RCPT TO:<Postmaster>", "RCPT TO:<Postmaster>"),
        // The route is dropped (RFC 5321 appendix F.2).
        (
            "RCPT TO:<@a.example,@b.example:c@example.org>",
            "RCPT TO:<c@example.org>",
        ),
        (
            r#"RCPT TO:<"a>b"@example.org>"#,
            r#"RCPT TO:<"a>b"@example.org>"#,
        ),
        (
            r#"RCPT TO:<"a> NOTIFY=NEVER"@example.org>"#,
            r#"RCPT TO:<"a> NOTIFY=NEVER"@example.org>"#,
        ),
        (
            "RCPT TO:<a@example.org> NOTIFY=NEVER",
            "RCPT TO:<a@example.org> NOTIFY=NEVER",
        ),
    ];
    for (line, printed) in table {
        assert_eq!(
            Command::parse(line.as_bytes()).unwrap().to_string(),
            printed
        );
    }
}

#[test]
fn no_paths_in_commands() {
    let senders = [
        "MAIL",
        "MAIL FROM",
        "MAIL FROM:",
        "MAIL FROM:a@example.net",
        "MAIL FROM:<a@example.net",
        "MAIL FROM:<postmaster>",
        "MAIL TO:<a@example.net>",
        "MAIL FROM <a@example.net>",
        "MAIL FROM:<a@example.net>SIZE=1",
        "MAIL FROM:<@a.example:>",
        "MAIL FROM:<<a@example.net>>",
        "MAIL FROM:<@:a@example.net>",
        "MAIL FROM:<@-:a@example.net>",
        "MAIL FROM :<a@example.net>",
    ];
    for line in senders {
        assert_eq!(
            Command::parse(line.as_bytes()),
            Err(CommandError::Sender),
            "{line}"
        );
    }
    for line in [
        "RCPT TO:<>",
        "RCPT TO:<a>",
        "RCPT TO:",
        "RCPT FROM:<a@example.org>",
    ] {
        assert_eq!(
            Command::parse(line.as_bytes()),
            Err(CommandError::Recipient),
            "{line}"
        );
    }
}

#[test]
fn local_parts_that_look_like_routes() {
    for routed in ["a%b@example.org", "b!a@example.org", "\"a@b\"@example.org"] {
        assert!(Address::parse(routed).unwrap().looks_routed(), "{routed}");
    }
    for plain in ["a@example.org", "\"a b\"@example.org", "postmaster", ""] {
        assert!(!Address::parse(plain).unwrap().looks_routed(), "{plain}");
    }
}
