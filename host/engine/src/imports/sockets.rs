//! `wasi:sockets/tcp` of filters that may connect: nothing there waits beyond `tcp-time`.
//!
//! What would have to is an error that the guest can answer: `timeout` for a connection, a failed operation for a
//! stream. Both wake whoever polls them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime::Result;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, HostTcpSocket, ShutdownType, TcpSocket};
use wasmtime_wasi::p2::pipe::{ClosedInputStream, ClosedOutputStream};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, InputStream, OutputStream, Pollable, SocketError,
    SocketResult, StreamError, StreamResult,
};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};

use super::patience::{Patience, late};
use crate::guest::Guest;

/// Names the implementation for the linker.
pub struct HasSockets;

impl HasData for HasSockets {
    type Data<'a> = Sockets<'a>;
}

/// WASI's own, and the time for it.
pub struct Sockets<'a> {
    inner: WasiSocketsCtxView<'a>,
    patience: Arc<Patience>,
}

/// What the linker asks for.
pub fn sockets(guest: &mut Guest) -> Sockets<'_> {
    let patience = guest.ctx.patience();
    Sockets {
        inner: guest.sockets(),
        patience,
    }
}

impl Sockets<'_> {
    /// The streams of a connection, from here on with an end to waiting.
    fn bound(
        &mut self,
        input: &Resource<DynInputStream>,
        output: &Resource<DynOutputStream>,
    ) -> SocketResult<()> {
        let entry = self.inner.table.get_mut(input)?;
        let stream = std::mem::replace(entry, Box::new(ClosedInputStream));
        *entry = Box::new(Timed::of(stream, &self.patience));
        let entry = self.inner.table.get_mut(output)?;
        let stream = std::mem::replace(entry, Box::new(ClosedOutputStream));
        *entry = Box::new(Timed::of(stream, &self.patience));
        Ok(())
    }

    /// Waiting for more is an error now.
    fn in_time(&self, error: SocketError) -> SocketError {
        let waits = matches!(error.downcast_ref(), Some(ErrorCode::WouldBlock));
        match waits && self.patience.is_over() {
            true => ErrorCode::Timeout.into(),
            false => error,
        }
    }
}

/// Functions that do not wait: WASI's own do it.
macro_rules! passed_on {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {$(
        fn $name(&mut self, socket: Resource<TcpSocket> $(, $argument: $kind)*) -> $result {
            HostTcpSocket::$name(&mut self.inner, socket $(, $argument)*)
        }
    )*};
}

type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);
type Accepted = (
    Resource<TcpSocket>,
    Resource<DynInputStream>,
    Resource<DynOutputStream>,
);

impl network::Host for Sockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.inner, error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.inner, error)
    }
}

impl HostNetwork for Sockets<'_> {
    fn drop(&mut self, network: Resource<Network>) -> Result<()> {
        HostNetwork::drop(&mut self.inner, network)
    }
}

impl tcp::Host for Sockets<'_> {}

impl HostTcpSocket for Sockets<'_> {
    async fn start_bind(
        &mut self,
        socket: Resource<TcpSocket>,
        network: Resource<Network>,
        to: IpSocketAddress,
    ) -> SocketResult<()> {
        HostTcpSocket::start_bind(&mut self.inner, socket, network, to).await
    }

    /// No filter is granted an address to listen on: this refuses.
    async fn start_listen(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        HostTcpSocket::start_listen(&mut self.inner, socket).await
    }

    fn finish_connect(&mut self, socket: Resource<TcpSocket>) -> SocketResult<Streams> {
        let connected = HostTcpSocket::finish_connect(&mut self.inner, socket);
        let (input, output) = connected.map_err(|error| self.in_time(error))?;
        self.bound(&input, &output)?;
        Ok((input, output))
    }

    fn subscribe(&mut self, socket: Resource<TcpSocket>) -> Result<Resource<DynPollable>> {
        let pollable = HostTcpSocket::subscribe(&mut self.inner, socket)?;
        self.patience.watch(pollable.rep());
        Ok(pollable)
    }

    passed_on! {
        fn finish_bind() -> SocketResult<()>;
        fn start_connect(network: Resource<Network>, to: IpSocketAddress) -> SocketResult<()>;
        fn finish_listen() -> SocketResult<()>;
        fn accept() -> SocketResult<Accepted>;
        fn local_address() -> SocketResult<IpSocketAddress>;
        fn remote_address() -> SocketResult<IpSocketAddress>;
        fn is_listening() -> Result<bool>;
        fn address_family() -> Result<IpAddressFamily>;
        fn set_listen_backlog_size(value: u64) -> SocketResult<()>;
        fn keep_alive_enabled() -> SocketResult<bool>;
        fn set_keep_alive_enabled(value: bool) -> SocketResult<()>;
        fn keep_alive_idle_time() -> SocketResult<u64>;
        fn set_keep_alive_idle_time(value: u64) -> SocketResult<()>;
        fn keep_alive_interval() -> SocketResult<u64>;
        fn set_keep_alive_interval(value: u64) -> SocketResult<()>;
        fn keep_alive_count() -> SocketResult<u32>;
        fn set_keep_alive_count(value: u32) -> SocketResult<()>;
        fn hop_limit() -> SocketResult<u8>;
        fn set_hop_limit(value: u8) -> SocketResult<()>;
        fn receive_buffer_size() -> SocketResult<u64>;
        fn set_receive_buffer_size(value: u64) -> SocketResult<()>;
        fn send_buffer_size() -> SocketResult<u64>;
        fn set_send_buffer_size(value: u64) -> SocketResult<()>;
        fn shutdown(how: ShutdownType) -> SocketResult<()>;
        fn drop() -> Result<()>;
    }
}

/// A stream of a socket. What has come is read and what there is room for is sent also when the time is over.
struct Timed<S> {
    stream: S,
    patience: Arc<Patience>,
}

impl<S> Timed<S> {
    fn of(stream: S, patience: &Arc<Patience>) -> Self {
        Self {
            stream,
            patience: patience.clone(),
        }
    }

    fn in_time(&self) -> StreamResult<()> {
        match self.patience.is_over() {
            true => Err(StreamError::LastOperationFailed(late().into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl<S: Pollable> Pollable for Timed<S> {
    async fn ready(&mut self) {
        self.patience.within(self.stream.ready()).await;
    }
}

#[async_trait]
impl InputStream for Timed<DynInputStream> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let octets = self.stream.read(size)?;
        if octets.is_empty() {
            self.in_time()?;
        }
        Ok(octets)
    }

    async fn cancel(&mut self) {
        self.patience.within(self.stream.cancel()).await;
    }
}

#[async_trait]
impl OutputStream for Timed<DynOutputStream> {
    fn write(&mut self, octets: Bytes) -> StreamResult<()> {
        self.stream.write(octets)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let room = self.stream.check_write()?;
        if room == 0 {
            self.in_time()?;
        }
        Ok(room)
    }

    async fn cancel(&mut self) {
        self.patience.within(self.stream.cancel()).await;
    }
}
