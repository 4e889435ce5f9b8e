//! What a filter asks for, before anybody is asked.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Uri};

#[cfg(test)]
use super::Content;
use super::outgoing::Outgoing;
use super::{Grant, Origin, Request, Scheme};
use crate::Refused;

/// Octets of a request's fields.
const REQUEST: usize = 64 << 10;

/// A request that may be sent.
pub struct Checked {
    /// who is asked
    pub origin: Origin,
    /// what he hears
    pub request: hyper::Request<Outgoing>,
}

/// Is it a request that a filter with this grant may send?
pub fn check(grant: &Grant, request: Request) -> Result<Checked, Refused> {
    let uri: Uri = request.url.parse().map_err(|_| Refused::Invalid)?;
    let origin = origin(&uri).ok_or(Refused::Invalid)?;
    if !grant.origins.contains(&origin) {
        return Err(Refused::NotGranted);
    }
    let method = match request.verb.as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "HEAD" => Method::HEAD,
        _ => return Err(Refused::Invalid),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map(|authority| authority.as_str());
    let mut built = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host.unwrap_or_default())
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "lazaret");
    let mut octets = 0;
    for (name, value) in &request.fields {
        octets += name.len() + value.len();
        let (name, value) = field(name, value).ok_or(Refused::Invalid)?;
        built = built.header(name, value);
    }
    if octets > REQUEST {
        return Err(Refused::Invalid);
    }
    let request = built.body(Outgoing::new(request.content));
    Ok(Checked {
        origin,
        request: request.map_err(|_| Refused::Invalid)?,
    })
}

fn origin(uri: &Uri) -> Option<Origin> {
    let scheme = match uri.scheme_str()? {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let authority = uri.authority()?.as_str();
    Origin::of(scheme, authority)
}

/// None for what is no field, and for those that are ours: they say where a message ends, or whom it is for.
fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    const OURS: [HeaderName; 8] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
    ];
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    // Letters outside ASCII go out as UTF-8, controls do not.
    let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    let ours = OURS.contains(&name) || matches!(name.as_str(), "keep-alive" | "proxy-connection");
    (!ours).then_some((name, value))
}

#[cfg(test)]
#[path = "../../tests/checks/url.rs"]
mod checks;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(url: &str, origin: &str) -> Result<Checked, Refused> {
        let grant = Grant {
            origins: Origin::parse(origin).into_iter().collect(),
            ..Grant::default()
        };
        let request = Request {
            verb: "GET".to_owned(),
            url: url.to_owned(),
            fields: Vec::new(),
            content: Content::None,
        };
        check(&grant, request)
    }

    /// What the fuzz target `url` found or began with.
    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("url", checks::url);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever a filter writes, it asks whom it was granted, and nobody hears another host's name.
        #[test]
        fn any_url_leads_to_the_granted_origin_or_nowhere(
            url in "(https?://|HTTP://|ftp://|http:/|//)([a-z]{0,3}@|127\\.0\\.0\\.1:11334@)?\
                (127\\.0\\.0\\.1|127\\.1|[aA]\\.example|\\[::1\\]|::1|[a-z.%ü-]{0,9})(\\.|)(:11334|:80|:443|:\\+80|:0|:|)\
                ([/?#\\\\][a-z%/?#@:. ü\r\n]{0,9})?",
        ) {
            for granted in ["127.0.0.1:11334", "https://a.example", "[::1]:80"] {
                let Ok(checked) = asked(&url, granted) else {
                    continue;
                };
                let origin = Origin::parse(granted).unwrap();
                prop_assert_eq!(&checked.origin, &origin, "{}", url);
                let host = checked.request.headers()[header::HOST].to_str().unwrap();
                let named = Origin::of(origin.scheme, host);
                prop_assert_eq!(named, Some(origin), "{}", url);
                let path = checked.request.uri().to_string();
                prop_assert!(path.starts_with('/') && !path.contains(char::is_whitespace), "{path}");
            }
        }
    }
}
