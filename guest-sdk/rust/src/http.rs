//! Permission `http`, by origin (`http:127.0.0.1:11334`, `http:https://api.example.com`): one request, one answer.

use crate::Error;
pub use crate::bindings::permissions::lazaret::filter::http::{Content, Field, Request, Response};
use crate::host::http as host;

/// Sends a request and waits for the answer. A redirect is an answer like any other.
///
/// # Errors
/// [`Error::NotGranted`] for another origin, and for [`Content::Message`] without the permission `body`; [`Error::Invalid`]
/// for what is no request; [`Error::Unavailable`] when nobody answers in time, or not in HTTP; [`Error::Limit`] after 16
/// requests of a call, and for an answer over 1 MiB; [`Error::NotNow`] in `configure`, and for [`Content::Message`] before
/// the stage `message`.
pub fn fetch(request: &Request) -> Result<Response, Error> {
    host::fetch(request)
}

impl Request {
    /// GET of an absolute URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url, Content::None)
    }

    /// POST of some octets.
    pub fn post(url: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url, Content::Octets(content.into()))
    }

    /// POST of the whole message as now edited, straight from the host's spool.
    pub fn post_message(url: impl Into<String>) -> Self {
        Self::new("POST", url, Content::Message)
    }

    fn new(verb: &str, url: impl Into<String>, content: Content) -> Self {
        Self {
            verb: verb.to_owned(),
            url: url.into(),
            fields: Vec::new(),
            content,
        }
    }

    /// One more field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push(Field {
            name: name.into(),
            value: value.into(),
        });
        self
    }
}

impl Response {
    /// An answer, for tests.
    pub fn new(status: u16, content: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            fields: Vec::new(),
            content: content.into(),
        }
    }

    /// The first field of that name, any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(&field.value)
    }
}
