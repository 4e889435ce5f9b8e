//! One connection to the backend: opened, greeted, in TLS where the policy says so. All that knows sockets here.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use lazaret_smtp::{Argument, Client, ClientLimits, Command, Extensions, Keyword, Reply};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{Backend, Error, Step};
use crate::config::BackendTls;
use crate::tls;
use crate::wire::Wire;

/// Content is written when so many octets wait.
const BLOCK: usize = 64 << 10;

/// A connection to the backend. Dropped after any error; whatever was not ended with a dot is forgotten by the backend.
pub(crate) struct Link {
    wire: Wire,
    client: Client,
    extensions: Extensions,
    reply: Duration,
    accept: Duration,
    /// place among the `connections`, given back when this is dropped
    _permit: OwnedSemaphorePermit,
}

impl Link {
    /// Connects to the first address that answers; greeting, EHLO, TLS by policy, EHLO again.
    pub(crate) async fn open(
        backend: &Backend,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let (wire, address) = connect(backend).await?;
        let mut link = Self {
            wire,
            client: Client::new(ClientLimits::default()),
            extensions: Extensions::new(),
            reply: backend.config.reply,
            accept: backend.config.accept,
            _permit: permit,
        };
        let greeting = link.receive(Step::Greeting, link.reply).await?;
        if greeting.code().get() != 220 {
            return Err(Error::Unexpected(Step::Greeting, greeting));
        }
        link.hello(&backend.hostname).await?;
        match backend.config.tls {
            BackendTls::Off => Ok(link),
            BackendTls::Opportunistic if !link.extensions.has(&Keyword::StartTls) => Ok(link),
            _ => link.start_tls(backend, address).await,
        }
    }

    /// What it said to our last EHLO.
    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// EHLO; the answer replaces what was known of it.
    pub(crate) async fn hello(&mut self, name: &str) -> Result<(), Error> {
        let reply = self
            .ask(Step::Hello, &Command::Ehlo(hello_argument(name)))
            .await?;
        if reply.code().get() != 250 {
            return Err(Error::Unexpected(Step::Hello, reply));
        }
        self.extensions = Extensions::parse(&reply);
        Ok(())
    }

    /// Sends a command and waits for its reply. 421 is an error: the backend closes.
    pub(crate) async fn ask(&mut self, step: Step, command: &Command) -> Result<Reply, Error> {
        self.look(step).await?;
        self.client.send(command);
        self.flush(step).await?;
        self.receive(step, self.reply).await
    }

    /// Waits for the reply owed for what was sent.
    async fn receive(&mut self, step: Step, patience: Duration) -> Result<Reply, Error> {
        let reply = timeout(patience, self.next_reply(step)).await;
        let reply = reply.map_err(|_| Error::Silent(step, patience))??;
        match reply.code().get() {
            421 => Err(Error::Unexpected(step, reply)),
            _ => Ok(reply),
        }
    }

    async fn next_reply(&mut self, step: Step) -> Result<Reply, Error> {
        loop {
            if let Some(reply) = self
                .client
                .next()
                .map_err(|doubt| Error::Doubt(step, doubt))?
            {
                return Ok(reply);
            }
            match self.wire.read_buf(room(&mut self.client)).await {
                Ok(0) | Err(_) => return Err(Error::Closed(step)),
                Ok(_) => {}
            }
        }
    }

    /// Sends content, dot-stuffed, in large blocks.
    pub(crate) async fn content(&mut self, octets: &[u8]) -> Result<(), Error> {
        for block in octets.chunks(BLOCK) {
            self.client.content(block);
            if self.client.output().len() >= BLOCK {
                self.flush(Step::Content).await?;
            }
        }
        Ok(())
    }

    /// Ends the content. From here on the backend may have taken the message.
    pub(crate) async fn end_content(&mut self) -> Result<Reply, Error> {
        // What precedes the dot goes out first: a failure until here leaves no doubt.
        self.flush(Step::Content).await?;
        self.look(Step::Content).await?;
        self.client.end_content();
        let doubt = |error| Error::InDoubt(Box::new(error));
        self.flush(Step::EndOfData).await.map_err(doubt)?;
        self.receive(Step::EndOfData, self.accept)
            .await
            .map_err(doubt)
    }

    /// Whatever waits to be read while no reply is owed answers nothing: taken for the answer to the next command it
    /// would bring the dialogue out of step, and a 250 to RCPT would pass for one to the dot.
    async fn look(&mut self, step: Step) -> Result<(), Error> {
        let read = {
            let mut read = pin!(self.wire.read_buf(room(&mut self.client)));
            poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await
        };
        if matches!(read, Poll::Ready(Ok(0) | Err(_))) {
            return Err(Error::Closed(step));
        }
        match self.client.next() {
            Err(doubt) => Err(Error::Doubt(step, doubt)),
            Ok(_) if self.client.is_in_step() => Ok(()),
            Ok(_) => Err(Error::OutOfStep(step)),
        }
    }

    async fn flush(&mut self, step: Step) -> Result<(), Error> {
        let write = async {
            let output = self.client.output();
            while output.has_remaining() {
                if self.wire.write_buf(output).await? == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
            }
            // TLS keeps records back until it is flushed.
            self.wire.flush().await
        };
        let written = timeout(self.reply, write).await;
        written
            .map_err(|_| Error::Silent(step, self.reply))?
            .map_err(|_| Error::Closed(step))
    }

    /// RFC 3207. Anything behind the 220 in the clear is an injected reply, not a beginning of TLS.
    async fn start_tls(mut self, backend: &Backend, address: String) -> Result<Self, Error> {
        if !self.extensions.has(&Keyword::StartTls) {
            return Err(Error::NoTls);
        }
        let reply = self.ask(Step::StartTls, &Command::StartTls).await?;
        if reply.code().get() != 220 {
            return Err(Error::Unexpected(Step::StartTls, reply));
        }
        self.client
            .tls_started()
            .map_err(|doubt| Error::Doubt(Step::StartTls, doubt))?;
        let name = server_name(backend, &address)?;
        let connector = backend
            .connector
            .as_ref()
            .expect("made for every policy but off");
        let tcp = self
            .wire
            .into_plain()
            .expect("TLS is started once on a connection");
        let handshake = timeout(backend.config.connect, tls::connect(connector, name, tcp)).await;
        let late = |_| Error::Silent(Step::StartTls, backend.config.connect);
        self.wire = handshake.map_err(late)?.map_err(Error::Tls)?;
        self.hello(&backend.hostname).await?;
        Ok(self)
    }

    /// Takes leave, and waits a moment for the backend to hang up, so that it never sees more of us than it allows.
    pub(crate) fn quit(mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        tokio::spawn(async move {
            let farewell = async {
                if self.ask(Step::Reset, &Command::Quit).await.is_ok() {
                    drop(self.wire.shutdown().await);
                }
            };
            drop(timeout(PATIENCE, farewell).await);
        });
    }
}

/// Where replies are read to: without room a read takes 64 octets.
fn room(client: &mut Client) -> &mut BytesMut {
    const REPLY: usize = 4 << 10;
    let buffer = client.buffer();
    buffer.reserve(REPLY);
    buffer
}

async fn connect(backend: &Backend) -> Result<(Wire, String), Error> {
    let mut last = None;
    for address in &backend.config.address {
        let connected = timeout(backend.config.connect, TcpStream::connect(address)).await;
        match connected
            .map_err(std::io::Error::from)
            .and_then(|result| result)
        {
            Ok(tcp) => {
                // Commands are small and each waits for its reply: Nagle would add 40 ms to each.
                drop(tcp.set_nodelay(true));
                return Ok((Wire::Plain(tcp), address.clone()));
            }
            Err(source) => {
                last = Some(Error::Unreachable {
                    address: address.clone(),
                    source,
                })
            }
        }
    }
    Err(last.expect("the configuration refuses an empty list of addresses"))
}

/// What a client said in HELO passed the same grammar; anything else would break out of the line.
fn hello_argument(name: &str) -> Argument {
    Argument::new(name).unwrap_or_default()
}

/// The name the certificate must be valid for.
fn server_name(backend: &Backend, address: &str) -> Result<ServerName<'static>, Error> {
    if let BackendTls::Verify {
        name: Some(name), ..
    } = &backend.config.tls
    {
        return Ok(name.clone());
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).map_err(|e| Error::Tls(std::io::Error::other(e)))
}
