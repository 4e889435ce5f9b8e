//! One connection, one request, one answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::outgoing::Outgoing;
use super::vetted::{Checked, check};
use super::{Budget, CONTENT, Grant, HEADER, Host, Origin, Request, Response, Scheme, is_public};
use crate::dns::{Kind, Names};
use crate::{Refused, Trust, aside};

/// One attempt at one address.
const CONNECT: Duration = Duration::from_secs(3);
/// Addresses of a name that are tried.
const ATTEMPTS: usize = 4;
/// Fields of a response.
const FIELDS: usize = 128;
/// Talks to servers for filters; cheap to clone.
#[derive(Clone)]
pub struct Client {
    names: Names,
    trust: Trust,
}

impl Client {
    /// Names are resolved by `names`; servers with `https` are verified by `trust`.
    pub fn new(names: Names, trust: Trust) -> Self {
        Self { names, trust }
    }

    /// For a filter: checks the request against its grant, sends it, reads the answer.
    ///
    /// # Errors
    /// [`Refused::Limit`] when the budget has no request left, and for an answer that is too large;
    /// [`Refused::NotGranted`] for another origin; [`Refused::Invalid`] for what is no request; [`Refused::Unavailable`]
    /// when nobody answers in time, or not in HTTP.
    pub async fn fetch(
        &self,
        grant: &Grant,
        budget: &mut Budget,
        request: Request,
    ) -> Result<Response, Refused> {
        let checked = check(grant, request)?;
        let patience = budget.take()?;
        let begun = Instant::now();
        let client = self.clone();
        let fetching = async move { timeout(patience, client.talk(checked)).await };
        let fetched = aside(self.names.runtime(), fetching).await;
        budget.time = budget.time.saturating_sub(begun.elapsed());
        match fetched {
            Some(Ok(answer)) => answer,
            Some(Err(_)) | None => Err(Refused::Unavailable),
        }
    }

    async fn talk(&self, checked: Checked) -> Result<Response, Refused> {
        let Checked { origin, request } = checked;
        let stream = self.connect(&origin).await?;
        match origin.scheme {
            Scheme::Http => exchange(stream, request).await,
            Scheme::Https => {
                let name = match &origin.host {
                    Host::Address(address) => ServerName::from(*address),
                    Host::Name(name) => {
                        ServerName::try_from(name.to_string()).map_err(|_| Refused::Unavailable)?
                    }
                };
                let stream = self.trust.connector().connect(name, stream).await;
                let stream = stream.map_err(|error| down(&origin, &error))?;
                exchange(stream, request).await
            }
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<TcpStream, Refused> {
        for address in self.addresses(&origin.host).await {
            let to = SocketAddr::new(address, origin.port);
            match timeout(CONNECT, TcpStream::connect(to)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => drop(down(origin, &error)),
                Err(_) => drop(down(origin, &"no connection in time")),
            }
        }
        Err(Refused::Unavailable)
    }

    /// A name leads to public addresses only; an address was granted as it is.
    async fn addresses(&self, host: &Host) -> Vec<IpAddr> {
        let name = match host {
            Host::Address(address) => return vec![*address],
            Host::Name(name) => name,
        };
        let asked = [Kind::A, Kind::Aaaa].map(|kind| (name.clone(), kind));
        let answers = self.names.resolve_all(asked.to_vec(), CONNECT).await;
        let said = answers.iter().flat_map(|answer| answer.records());
        let addresses = said.filter_map(|text| text.parse().ok());
        let public = addresses.filter(|address| is_public(*address));
        public.take(ATTEMPTS).collect()
    }
}

fn down(origin: &Origin, error: &dyn std::fmt::Display) -> Refused {
    tracing::debug!(%origin, %error, "no answer over HTTP");
    Refused::Unavailable
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: hyper::Request<Outgoing>,
) -> Result<Response, Refused> {
    let unavailable = |error: hyper::Error| {
        tracing::debug!(%error, "no answer over HTTP");
        Refused::Unavailable
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEADER).max_headers(FIELDS);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(unavailable)?;
    let asking = async move {
        let response = sender.send_request(request).await.map_err(unavailable)?;
        read(response).await
    };
    tokio::pin!(asking);
    tokio::pin!(connection);
    tokio::select! {
        answer = &mut asking => answer,
        // What was read before the connection ended is still there.
        _ = &mut connection => asking.await,
    }
}

async fn read(response: hyper::Response<hyper::body::Incoming>) -> Result<Response, Refused> {
    let (head, content) = response.into_parts();
    let content = Limited::new(content, CONTENT).collect().await;
    let content = content.map_err(|error| match error.is::<LengthLimitError>() {
        true => Refused::Limit,
        false => Refused::Unavailable,
    })?;
    let fields = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.to_string(), value.into_owned())
    });
    Ok(Response {
        status: head.status.as_u16(),
        fields: fields.collect(),
        content: content.to_bytes().into(),
    })
}
