//! Records read ahead. TLS asks for 4 KiB at a time, five calls for a record of 16 KiB; while a large message comes in,
//! one call takes several records.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::task::coop;

/// Octets that are read ahead.
const ROOM: usize = 64 << 10;

/// A stream below TLS. What was read ahead comes first, whoever reads; there is a buffer only as long as it holds
/// something.
#[derive(Debug)]
pub(crate) struct Ahead<S> {
    stream: S,
    /// read and not asked for yet
    octets: BytesMut,
    reading: Reading,
}

/// How much is read from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// what is asked for
    Asked,
    /// as much as there is
    Ahead,
}

impl<S> Ahead<S> {
    /// Reads what it is asked for.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            octets: BytesMut::new(),
            reading: Reading::Asked,
        }
    }

    /// The stream itself.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// How much is read from now on.
    pub(crate) fn set(&mut self, reading: Reading) {
        self.reading = reading;
        self.tidy();
    }

    /// Is something there that was read ahead?
    pub(crate) fn holds_octets(&self) -> bool {
        !self.octets.is_empty()
    }

    fn take(&mut self, buf: &mut ReadBuf<'_>) {
        let taken = self.octets.len().min(buf.remaining());
        buf.put_slice(&self.octets[..taken]);
        self.octets.advance(taken);
        self.tidy();
    }

    /// No buffer for nothing, unless the next one comes at once.
    fn tidy(&mut self) {
        if self.reading == Reading::Asked && self.octets.is_empty() {
            self.octets = BytesMut::new();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ahead = self.get_mut();
        if ahead.holds_octets() {
            // As a socket does: a client that floods us gets no more of the thread.
            ready!(coop::poll_proceed(cx)).made_progress();
            ahead.take(buf);
            return Poll::Ready(Ok(()));
        }
        if ahead.reading == Reading::Asked {
            ahead.octets = BytesMut::new();
            return Pin::new(&mut ahead.stream).poll_read(cx, buf);
        }
        ahead.octets.reserve(ROOM);
        match pin!(ahead.stream.read_buf(&mut ahead.octets)).poll(cx) {
            Poll::Pending => {
                ahead.octets = BytesMut::new();
                Poll::Pending
            }
            Poll::Ready(read) => {
                read?;
                ahead.take(buf);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn octets_are_the_same_however_they_are_read() {
        let sent: Vec<u8> = (0..ROOM * 5 + 7).map(|n| (n % 251) as u8).collect();
        let (mut client, ours) = duplex(ROOM * 2);
        let octets = sent.clone();
        tokio::spawn(async move {
            for piece in octets.chunks(10_007) {
                client.write_all(piece).await.unwrap();
            }
        });
        let (mut ahead, mut read) = (Ahead::new(ours), Vec::new());
        let mut turn = 0;
        loop {
            ahead.set(match turn % 3 {
                0 => Reading::Asked,
                _ => Reading::Ahead,
            });
            let mut room = vec![0; 1 + turn * 997 % 4096];
            match ahead.read(&mut room).await.unwrap() {
                0 => break,
                octets => read.extend_from_slice(&room[..octets]),
            }
            turn += 1;
        }
        assert!(read == sent, "{} of {} octets", read.len(), sent.len());
    }

    /// Filters and the backend take their time then.
    #[tokio::test]
    async fn who_has_said_all_has_no_buffer() {
        let (mut client, ours) = duplex(ROOM);
        let mut ahead = Ahead::new(ours);
        let mut room = [0; 10];
        for last in [Reading::Asked, Reading::Ahead] {
            ahead.set(Reading::Ahead);
            client.write_all(b"0123456789abcdefghij").await.unwrap();
            ahead.read_exact(&mut room).await.unwrap();
            assert!(ahead.holds_octets());
            ahead.set(last);
            ahead.read_exact(&mut room).await.unwrap();
            ahead.set(Reading::Asked);
            assert_eq!(ahead.octets.capacity(), 0);
        }
    }

    #[tokio::test]
    async fn who_says_nothing_has_no_buffer() {
        let (mut client, ours) = duplex(ROOM);
        let mut ahead = Ahead::new(ours);
        ahead.set(Reading::Ahead);
        client.write_all(b"0123456789").await.unwrap();
        let mut room = [0; 10];
        ahead.read_exact(&mut room).await.unwrap();
        assert!(!ahead.holds_octets());
        let read = ahead.read(&mut room);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(5), read);
        assert!(waited.await.is_err());
        assert_eq!(ahead.octets.capacity(), 0);
    }
}
