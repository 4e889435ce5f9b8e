//! What the host keeps for one sandbox while it lives.

use std::net::SocketAddr;

use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::clock::Clock;
use crate::imports::Ctx;
use crate::journal::Stream;
use crate::limiter::Limiter;
use crate::waiting::Waiting;

/// Handles of WASI that a guest may hold at once.
const MAX_HANDLES: usize = 1000;
/// The same of one that may connect: each socket is a descriptor of the process, with or without a connection. A
/// connection is a socket, two streams and what polls them.
const MAX_HANDLES_CONNECTED: usize = 32;
/// Octets of `wasi:random` in one call.
const MAX_RANDOM: u64 = 64 << 10;

/// The data of a store.
pub struct Guest {
    /// the contract's side
    pub ctx: Ctx,
    /// memory and tables
    pub limiter: Limiter,
    /// made when it is first asked for: most filters never do
    wasi: Option<WasiCtx>,
    clock: Clock,
    handles: ResourceTable,
}

impl Guest {
    /// A guest that may do nothing but what `ctx` serves: WASI is there, without files, names, environment or arguments,
    /// without sockets but to the addresses that were granted; stdin is empty, stdout and stderr go to the journal. Randomness is the system's, new in each guest.
    pub fn new(ctx: Ctx, limiter: Limiter, clock: Clock) -> Self {
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(match ctx.sockets().is_empty() {
            true => MAX_HANDLES,
            false => MAX_HANDLES_CONNECTED,
        });
        Self {
            ctx,
            limiter,
            wasi: None,
            clock,
            handles,
        }
    }

    /// Its streams, the octets that they may still carry in this call, and where it is told that it waits for them.
    pub fn streams(&mut self) -> (&mut ResourceTable, &mut u64, &Waiting) {
        let (left, waiting) = self.ctx.wire();
        (&mut self.handles, left, waiting)
    }

    /// Does the guest hold handles of WASI, an open stdout for example? They are numbers in its memory for things in
    /// ours, so they cannot be part of a snapshot.
    pub fn holds_handles(&self) -> bool {
        !self.handles.is_empty()
    }

    /// Did it never ask WASI for anything? Then its handles have never had a number.
    pub fn knows_no_wasi(&self) -> bool {
        self.wasi.is_none() && self.handles.is_empty()
    }
}

/// Nothing but what `ctx` serves.
fn wasi(ctx: &Ctx, clock: Clock) -> WasiCtx {
    let sockets = ctx.sockets().to_vec();
    WasiCtxBuilder::new()
        .stdout(Stream::out(ctx.journal().clone()))
        .stderr(Stream::err(ctx.journal().clone()))
        .allow_tcp(!sockets.is_empty())
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .monotonic_clock(clock)
        .socket_addr_check(move |address, wanted| {
            let granted = may_use(&sockets, address, wanted);
            Box::pin(std::future::ready(granted))
        })
        .build()
}

/// A socket connects to what was granted; before that the system binds it, to what it likes.
fn may_use(granted: &[SocketAddr], address: SocketAddr, wanted: SocketAddrUse) -> bool {
    match wanted {
        SocketAddrUse::TcpConnect => granted.contains(&address),
        SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
        _ => false,
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (asker, clock) = (&self.ctx, self.clock);
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| wasi(asker, clock)),
            table: &mut self.handles,
        }
    }
}
