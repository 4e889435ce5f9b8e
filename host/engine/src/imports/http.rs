//! `http`: requests to origins that were granted.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use lazaret_mail::Message;
use lazaret_services::http as service;

use super::{Ctx, Refusal};
use crate::bindings::http::{Content, Field, Host, Request, Response};
use crate::bindings::types::Error;

/// The message, read from the spool as the server takes it.
struct Spooled(Arc<Message>);

impl service::Chunks for Spooled {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.0.read(offset, length)
    }
}

impl Ctx {
    fn content(&self, content: Content) -> Result<service::Content, Error> {
        Ok(match content {
            Content::None => service::Content::None,
            Content::Octets(octets) => service::Content::Octets(octets.into()),
            Content::Message if !self.rights.may_send => return Err(Error::NotGranted),
            Content::Message => {
                let message = self.whole_message()?;
                service::Content::Stream(Arc::new(Spooled(message)))
            }
        })
    }
}

impl Host for Ctx {
    async fn fetch(&mut self, request: Request) -> Result<Response, Refusal> {
        let reach = self.reach()?;
        let fields = request.fields.into_iter();
        let request = service::Request {
            verb: request.verb,
            url: request.url,
            fields: fields.map(|field| (field.name, field.value)).collect(),
            content: self.content(request.content)?,
        };
        let fetched = reach
            .http
            .fetch(&reach.grants.http, &mut self.asking.http, request);
        let response = self.meter.waiting().during("http.fetch", fetched).await?;
        let fields = response.fields.iter();
        let header: usize = fields.map(|(name, value)| name.len() + value.len()).sum();
        self.charge_read(header + response.content.len())?;
        Ok(response.into())
    }
}

impl From<service::Response> for Response {
    fn from(response: service::Response) -> Self {
        let fields = response.fields.into_iter();
        Self {
            status: response.status,
            fields: fields.map(|(name, value)| Field { name, value }).collect(),
            content: response.content,
        }
    }
}
