//! The demo's mail server: takes mail from the proxy on loopback and puts it into a Maildir.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::maildir::Maildir;
use super::session::Session;

/// Sessions at a time; the proxy opens at most 40.
const SESSIONS: usize = 64;

/// An SMTP server that listens on a free port of 127.0.0.1 and delivers everything it is given.
#[derive(Debug)]
pub struct MaildirBackend {
    listener: TcpListener,
    maildir: Arc<Maildir>,
}

impl MaildirBackend {
    /// Opens (or creates) the Maildir and listens.
    pub async fn bind(maildir: &Path) -> io::Result<Self> {
        let maildir = Arc::new(Maildir::open(maildir)?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self { listener, maildir })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let room = Arc::new(Semaphore::new(SESSIONS));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let maildir = self.maildir.clone();
                    tokio::spawn(async move {
                        serve_one(stream, maildir).await;
                        drop(permit);
                    });
                }
                // Out of file descriptors: the next accept would fail at once as well.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    }
}

async fn serve_one(stream: TcpStream, maildir: Arc<Maildir>) {
    if let Err(error) = Session::new(stream, maildir).run().await {
        tracing::warn!(%error, "the demo backend lost a connection");
    }
}
