//! A stream to a server that may answer anything: it is cut off when too much comes in without being an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets that came in since the last answer that somebody took.
#[derive(Clone, Default)]
pub struct Meter(Arc<AtomicUsize>);

impl Meter {
    /// An answer was taken.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// More than this came in.
    pub fn is_over(&self, limit: usize) -> bool {
        self.0.load(Ordering::Relaxed) > limit
    }

    fn add(&self, octets: usize) -> usize {
        self.0.fetch_add(octets, Ordering::Relaxed) + octets
    }
}

pub struct Metered<S> {
    pub stream: S,
    pub meter: Meter,
    pub limit: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let came = buffer.filled().len() - before;
        let answer = match self.meter.add(came) > self.limit {
            true => Err(io::Error::other("an answer of unreasonable size")),
            false => Ok(()),
        };
        Poll::Ready(answer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
