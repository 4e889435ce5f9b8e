//! A mail server that takes everything and keeps nothing.

mod end;
mod session;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::workers::run;
pub use session::Offer;
use session::{GREETING, Session, Taken};

/// Octets read at once; one buffer for all connections of a thread.
const BUFFER: usize = 256 * 1024;

/// Connections that the kernel keeps waiting for us.
const BACKLOG: u32 = 4096;

/// How a sink is to be.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// where it listens; port 0 takes a free one
    pub listen: SocketAddr,
    /// threads that share the connections
    pub threads: usize,
    /// what it announces
    pub offer: Offer,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 1,
            offer: Offer::Everything,
        }
    }
}

/// A running sink; it ends when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    totals: Arc<Totals>,
    stop: Option<watch::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a sink took so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// connections
    pub connections: u64,
    /// messages that were answered 250
    pub messages: u64,
    /// octets of content
    pub octets: u64,
}

#[derive(Debug, Default)]
struct Totals {
    connections: AtomicU64,
    messages: AtomicU64,
    octets: AtomicU64,
}

impl Sink {
    /// Listens and serves on threads of its own.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(options: &SinkOptions) -> io::Result<Self> {
        let listener = run(async { listen(options.listen) })?;
        let address = listener.local_addr()?;
        let totals = Arc::new(Totals::default());
        let (stop, stopped) = watch::channel(());
        let mut threads = Vec::new();
        for _ in 0..options.threads.max(1) {
            let listener = listener.try_clone()?;
            let (totals, stopped, offer) = (Arc::clone(&totals), stopped.clone(), options.offer);
            threads.push(std::thread::spawn(move || {
                run(serve(listener, totals, offer, stopped));
            }));
        }
        Ok(Self {
            address,
            totals,
            stop: Some(stop),
            threads,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it took so far.
    pub fn counts(&self) -> Counts {
        self.totals.counts()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Totals {
    fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
        }
    }

    fn add(&self, taken: &Taken) {
        self.messages.fetch_add(taken.messages, Ordering::Relaxed);
        self.octets.fetch_add(taken.octets, Ordering::Relaxed);
    }

    /// What HELP answers.
    fn status(&self) -> String {
        let Counts {
            connections,
            messages,
            octets,
        } = self.counts();
        format!("connections={connections} messages={messages} octets={octets}")
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

async fn serve(
    listener: std::net::TcpListener,
    totals: Arc<Totals>,
    offer: Offer,
    mut stopped: watch::Receiver<()>,
) {
    let listener = TcpListener::from_std(listener).expect("a listening socket on a runtime");
    let buffer = Rc::new(RefCell::new(vec![0; BUFFER]));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        // An error here belongs to one connection, or is a lack of descriptors that will pass.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        totals.connections.fetch_add(1, Ordering::Relaxed);
        let (totals, buffer) = (Arc::clone(&totals), Rc::clone(&buffer));
        tokio::task::spawn_local(async move {
            // A client that goes away has nothing more to be told.
            let _ = connection(stream, &totals, offer, &buffer).await;
        });
    }
}

async fn connection(
    stream: TcpStream,
    totals: &Totals,
    offer: Offer,
    buffer: &RefCell<Vec<u8>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = Session::new(offer);
    let mut replies = GREETING.to_vec();
    loop {
        write(&stream, &mut replies).await?;
        stream.readable().await?;
        let taken = match read(&stream, buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                let status = || totals.status();
                session.take(&buffer.borrow()[..read], &mut replies, status)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        totals.add(&taken);
        if taken.close {
            return write(&stream, &mut replies).await;
        }
    }
}

/// Reads what is there. The buffer is borrowed between two waits only, so that idle connections need none.
fn read(stream: &TcpStream, buffer: &RefCell<Vec<u8>>) -> io::Result<usize> {
    stream.try_read(&mut buffer.borrow_mut())
}

/// Writes the replies and forgets them.
async fn write(stream: &TcpStream, replies: &mut Vec<u8>) -> io::Result<()> {
    let mut written = 0;
    while written < replies.len() {
        match stream.try_write(&replies[written..]) {
            Ok(octets) => written += octets,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    replies.clear();
    Ok(())
}
