//! `wasi:io/streams` of filters that may connect: every octet through them counts, and beyond `tcp-size` they are closed.

use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::io::streams;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult};

use crate::guest::Guest;
use crate::waiting::Waiting;

/// Names the implementation for the linker.
pub struct HasWire;

impl HasData for HasWire {
    type Data<'a> = Wire<'a>;
}

/// The streams of one guest, and the octets that they may still carry in this call.
pub struct Wire<'a> {
    table: &'a mut ResourceTable,
    left: &'a mut u64,
    waiting: &'a Waiting,
}

/// What the linker asks for.
pub fn wire(guest: &mut Guest) -> Wire<'_> {
    let (table, left, waiting) = guest.streams();
    Wire {
        table,
        left,
        waiting,
    }
}

impl Wire<'_> {
    /// Open for at most this much more?
    fn most(&self, wanted: u64) -> StreamResult<u64> {
        match *self.left {
            0 => Err(StreamError::Closed),
            left => Ok(wanted.min(left)),
        }
    }

    fn carried(&mut self, octets: usize) {
        *self.left = self.left.saturating_sub(octets as u64);
    }

    /// Is all of this still allowed? Then it counts.
    fn charge(&mut self, octets: u64) -> StreamResult<()> {
        match self.left.checked_sub(octets) {
            Some(left) => {
                *self.left = left;
                Ok(())
            }
            None => {
                *self.left = 0;
                Err(StreamError::Closed)
            }
        }
    }
}

impl streams::Host for Wire<'_> {
    fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
        streams::Host::convert_stream_error(self.table, error)
    }
}

impl streams::HostInputStream for Wire<'_> {
    async fn drop(&mut self, stream: Resource<DynInputStream>) -> Result<()> {
        streams::HostInputStream::drop(self.table, stream).await
    }

    fn read(&mut self, stream: Resource<DynInputStream>, most: u64) -> StreamResult<Vec<u8>> {
        let most = self.most(most)?;
        let octets = streams::HostInputStream::read(self.table, stream, most)?;
        self.carried(octets.len());
        Ok(octets)
    }

    async fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        most: u64,
    ) -> StreamResult<Vec<u8>> {
        let most = self.most(most)?;
        let read = streams::HostInputStream::blocking_read(self.table, stream, most);
        let call = "wasi:io/streams.input-stream.blocking-read";
        let octets = self.waiting.during(call, read).await?;
        self.carried(octets.len());
        Ok(octets)
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, most: u64) -> StreamResult<u64> {
        let most = self.most(most)?;
        let skipped = streams::HostInputStream::skip(self.table, stream, most)?;
        self.charge(skipped).map(|()| skipped)
    }

    async fn blocking_skip(
        &mut self,
        stream: Resource<DynInputStream>,
        most: u64,
    ) -> StreamResult<u64> {
        let most = self.most(most)?;
        let skip = streams::HostInputStream::blocking_skip(self.table, stream, most);
        let call = "wasi:io/streams.input-stream.blocking-skip";
        let skipped = self.waiting.during(call, skip).await?;
        self.charge(skipped).map(|()| skipped)
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> Result<Resource<DynPollable>> {
        streams::HostInputStream::subscribe(self.table, stream)
    }
}

impl streams::HostOutputStream for Wire<'_> {
    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> Result<()> {
        streams::HostOutputStream::drop(self.table, stream).await
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        let room = streams::HostOutputStream::check_write(self.table, stream)?;
        self.most(room)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, octets: Vec<u8>) -> StreamResult<()> {
        self.charge(octets.len() as u64)?;
        streams::HostOutputStream::write(self.table, stream, octets)
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> Result<Resource<DynPollable>> {
        streams::HostOutputStream::subscribe(self.table, stream)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        octets: Vec<u8>,
    ) -> StreamResult<()> {
        self.charge(octets.len() as u64)?;
        let write = streams::HostOutputStream::blocking_write_and_flush(self.table, stream, octets);
        let call = "wasi:io/streams.output-stream.blocking-write-and-flush";
        self.waiting.during(call, write).await
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        count: u64,
    ) -> StreamResult<()> {
        self.charge(count)?;
        let write =
            streams::HostOutputStream::blocking_write_zeroes_and_flush(self.table, stream, count);
        let call = "wasi:io/streams.output-stream.blocking-write-zeroes-and-flush";
        self.waiting.during(call, write).await
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, count: u64) -> StreamResult<()> {
        self.charge(count)?;
        streams::HostOutputStream::write_zeroes(self.table, stream, count)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        streams::HostOutputStream::flush(self.table, stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        let flush = streams::HostOutputStream::blocking_flush(self.table, stream);
        let call = "wasi:io/streams.output-stream.blocking-flush";
        self.waiting.during(call, flush).await
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        most: u64,
    ) -> StreamResult<u64> {
        let most = self.most(most)?;
        let carried = streams::HostOutputStream::splice(self.table, to, from, most)?;
        self.charge(carried).map(|()| carried)
    }

    async fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        most: u64,
    ) -> StreamResult<u64> {
        let most = self.most(most)?;
        let splice = streams::HostOutputStream::blocking_splice(self.table, to, from, most);
        let call = "wasi:io/streams.output-stream.blocking-splice";
        let carried = self.waiting.during(call, splice).await?;
        self.charge(carried).map(|()| carried)
    }
}
