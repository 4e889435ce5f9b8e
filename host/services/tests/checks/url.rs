//! What must hold for any request of a filter.

use super::{Content, Grant, Origin, Request, check};

/// Who was granted.
const GRANTED: [&str; 4] = [
    "127.0.0.1:11334",
    "https://a.example",
    "[::1]:80",
    "b.example:8080",
];

/// The first line is the URL, each further one a field. Whatever a filter writes, it asks whom it was granted, nobody hears
/// another host's name, and a request is one request.
pub fn url(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.split('\n');
    let url = lines.next().unwrap_or_default();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.to_owned())
    };
    let fields: Vec<_> = lines.take(20).map(field).collect();
    for granted in GRANTED {
        asks(url, &fields, granted);
    }
}

fn asks(url: &str, fields: &[(String, String)], granted: &str) {
    let origin = Origin::parse(granted).expect("an origin");
    let grant = Grant {
        origins: vec![origin.clone()],
        ..Grant::default()
    };
    let request = Request {
        verb: "GET".to_owned(),
        url: url.to_owned(),
        fields: fields.to_vec(),
        content: Content::None,
    };
    let Ok(checked) = check(&grant, request) else {
        return;
    };
    assert_eq!(checked.origin, origin, "{url:?}");
    let headers = checked.request.headers();
    let hosts: Vec<_> = headers.get_all("host").iter().collect();
    assert_eq!(hosts.len(), 1);
    let host = hosts[0].to_str().expect("letters");
    assert_eq!(Origin::of(origin.scheme, host), Some(origin), "{url:?}");
    let target = checked.request.uri().to_string();
    let plain = |c: char| !c.is_ascii_whitespace() && !c.is_ascii_control();
    assert!(
        target.starts_with('/') && target.chars().all(plain),
        "{target:?}"
    );
    for (name, value) in headers {
        let octets = value.as_bytes();
        assert!(
            !octets
                .iter()
                .any(|octet| matches!(octet, b'\r' | b'\n' | 0)),
            "{name}"
        );
    }
    let ours = [
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
    ];
    assert!(!ours.iter().any(|name| headers.contains_key(*name)));
    assert_eq!(headers.get_all("connection").iter().count(), 1);
}
