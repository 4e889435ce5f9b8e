//! One connection of the demo's backend: the server machine of `lazaret_smtp`, a socket, a Maildir.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lazaret_smtp::{Event, Path, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::identity::Identity;
use super::maildir::{Delivery, Maildir};
use super::site::DOMAIN;
use super::words;

const PATIENCE: Duration = Duration::from_secs(300);

/// A session; ends with QUIT, an error, or silence.
pub struct Session {
    stream: TcpStream,
    server: Server,
    maildir: Arc<Maildir>,
    client: Identity,
    transaction: Option<Transaction>,
}

/// From MAIL to the reply after the dot.
struct Transaction {
    sender: Path,
    recipients: Vec<Path>,
    delivery: Option<Delivery>,
    broken: Option<io::Error>,
}

impl Session {
    /// A session that has not greeted yet.
    pub fn new(stream: TcpStream, maildir: Arc<Maildir>) -> Self {
        Self {
            stream,
            server: Server::new(words::server_config()),
            maildir,
            client: Identity::default(),
            transaction: None,
        }
    }

    /// Serves to the end.
    pub async fn run(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.server.greet();
        loop {
            match self.server.next() {
                Event::NeedInput => {
                    self.flush().await?;
                    if !self.read().await? {
                        return Ok(());
                    }
                }
                Event::Flush => self.flush().await?,
                Event::Close(_) => return self.flush().await,
                event => self.serve(event).await,
            }
        }
    }

    async fn read(&mut self) -> io::Result<bool> {
        let read = self.stream.read_buf(self.server.buffer());
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(octets) => Ok(octets? > 0),
            Err(_) => Ok(false),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let output = self.server.output().split();
        self.stream.write_all(&output).await
    }

    async fn serve(&mut self, event: Event) {
        match event {
            Event::Hello(hello) => {
                self.client.greeted_as(&hello.name);
                self.server.accept_hello(&words::offer());
            }
            Event::Mail(sender) => {
                self.transaction = Some(Transaction::new(sender));
                self.server.answer(words::reply(250, "2.1.0", "sender ok"));
            }
            Event::Rcpt(recipient) => self.recipient(recipient),
            Event::Data => self.begin().await,
            Event::Content(octets) => self.write(&octets).await,
            Event::End(end) => self.end(end.fault.is_some()).await,
            Event::XClient(attributes) => {
                self.client.learn(&attributes);
                self.server.answer(words::greeting());
            }
            Event::StartTls => self
                .server
                .answer(words::reply(502, "5.5.1", "no TLS on loopback")),
            Event::XForward(_) => {
                self.server
                    .answer(words::reply(502, "5.5.1", "XCLIENT is offered"))
            }
            Event::Reset => self.transaction = None,
            Event::NeedInput | Event::Flush | Event::Quit | Event::Close(_) => {}
        }
    }

    /// Mail for the demo's domain only: even a demo is no open relay.
    fn recipient(&mut self, recipient: Path) {
        let domain = recipient.address.domain();
        if !domain.is_empty() && !domain.eq_ignore_ascii_case(DOMAIN) {
            let refusal = words::reply(550, "5.7.1", "no mailbox of this demo");
            return self.server.answer(refusal);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(recipient);
        }
        self.server
            .answer(words::reply(250, "2.1.5", "recipient ok"));
    }

    async fn begin(&mut self) {
        let Some(transaction) = &mut self.transaction else {
            return self.server.answer(words::reply(503, "5.5.1", "MAIL first"));
        };
        match transaction.begin(&self.maildir, &self.client).await {
            Ok(()) => self.server.go_ahead(),
            Err(error) => {
                tracing::error!(%error, "the demo's Maildir cannot be written");
                self.server
                    .answer(words::reply(451, "4.3.0", "the Maildir cannot be written"));
            }
        }
    }

    async fn write(&mut self, octets: &[u8]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.write(octets).await;
        }
    }

    async fn end(&mut self, too_big: bool) {
        let reply = match self.transaction.take() {
            _ if too_big => words::reply(552, "5.3.4", "message too big"),
            None => words::reply(503, "5.5.1", "MAIL first"),
            Some(transaction) => match transaction.commit().await {
                Ok(name) => words::reply(250, "2.0.0", &format!("delivered, queued as {name}")),
                Err(error) => {
                    tracing::error!(%error, "the demo's Maildir cannot be written");
                    words::reply(451, "4.3.0", "the Maildir cannot be written")
                }
            },
        };
        self.server.answer(reply);
    }
}

impl Transaction {
    fn new(sender: Path) -> Self {
        Self {
            sender,
            recipients: Vec::new(),
            delivery: None,
            broken: None,
        }
    }

    /// Opens the file and writes what a final delivery writes on top (RFC 5321 section 4.4).
    async fn begin(&mut self, maildir: &Maildir, client: &Identity) -> io::Result<()> {
        let mut delivery = maildir.begin().await?;
        let trace = words::trace(&self.sender, &self.recipients, client, delivery.name());
        delivery.write(trace.as_bytes()).await?;
        self.delivery = Some(delivery);
        Ok(())
    }

    /// The first error is kept for the reply after the dot.
    async fn write(&mut self, octets: &[u8]) {
        if let (Some(delivery), None) = (&mut self.delivery, &self.broken) {
            self.broken = delivery.write(octets).await.err();
        }
    }

    async fn commit(self) -> io::Result<String> {
        match (self.broken, self.delivery) {
            (Some(error), _) => Err(error),
            (None, Some(delivery)) => delivery.commit().await,
            (None, None) => Err(io::Error::other("no message was begun")),
        }
    }
}
