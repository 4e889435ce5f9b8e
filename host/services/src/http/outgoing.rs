//! The content of a request on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{Chunks, Content};

/// Octets read at once.
const CHUNK: usize = 64 << 10;

/// Read as the connection takes it.
pub struct Outgoing {
    content: Content,
    sent: u64,
}

impl Outgoing {
    pub fn new(content: Content) -> Self {
        Self { content, sent: 0 }
    }

    fn left(&self) -> u64 {
        let size = match &self.content {
            Content::None => 0,
            Content::Octets(octets) => octets.len() as u64,
            Content::Stream(chunks) => chunks.size(),
        };
        size.saturating_sub(self.sent)
    }

    fn next(&self) -> io::Result<Bytes> {
        match &self.content {
            Content::None => Ok(Bytes::new()),
            Content::Octets(octets) => Ok(octets.clone()),
            Content::Stream(chunks) => read(&**chunks, self.sent),
        }
    }
}

fn read(chunks: &dyn Chunks, offset: u64) -> io::Result<Bytes> {
    match chunks.read(offset, CHUNK)? {
        octets if octets.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        octets => Ok(octets),
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let octets = self.next()?;
        self.sent += octets.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(octets))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
