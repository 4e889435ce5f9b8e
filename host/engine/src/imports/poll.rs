//! `wasi:io/poll`: WASI's own, and whoever sleeps in it or waits there for a socket is seen to do so. What waits for a
//! connection is ready when `tcp-time` is over; streams of sockets see to that themselves.

use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;

use super::patience::Patience;
use crate::guest::Guest;
use crate::waiting::Waiting;

/// Names the implementation for the linker.
pub struct HasPolls;

impl HasData for HasPolls {
    type Data<'a> = Polls<'a>;
}

/// What one guest may wait for.
pub struct Polls<'a> {
    table: &'a mut ResourceTable,
    waiting: &'a Waiting,
    patience: Arc<Patience>,
}

/// What the linker asks for.
pub fn polls(guest: &mut Guest) -> Polls<'_> {
    let patience = guest.ctx.patience();
    let (table, _, waiting) = guest.streams();
    Polls {
        table,
        waiting,
        patience,
    }
}

impl Polls<'_> {
    /// Positions of those that wait for a connection.
    fn connecting(&self, pollables: &[Resource<DynPollable>]) -> Vec<u32> {
        let positions = (0..).zip(pollables);
        let connecting = positions.filter(|(_, pollable)| self.patience.watches(pollable.rep()));
        connecting.map(|(position, _)| position).collect()
    }
}

/// Waits; for a connection only until `tcp-time` is over.
async fn bounded<F: Future>(patience: &Patience, connects: bool, work: F) -> Option<F::Output> {
    match connects {
        true => patience.within(work).await,
        false => Some(work.await),
    }
}

impl poll::Host for Polls<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        let connecting = self.connecting(&pollables);
        let polled = poll::Host::poll(self.table, pollables);
        let polled = bounded(&self.patience, !connecting.is_empty(), polled);
        let polled = self.waiting.during("wasi:io/poll.poll", polled).await;
        polled.unwrap_or(Ok(connecting))
    }
}

impl poll::HostPollable for Polls<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        let late = self.patience.watches(pollable.rep()) && self.patience.is_over();
        Ok(poll::HostPollable::ready(self.table, pollable).await? || late)
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        let connects = self.patience.watches(pollable.rep());
        let blocked = poll::HostPollable::block(self.table, pollable);
        let blocked = bounded(&self.patience, connects, blocked);
        let call = "wasi:io/poll.pollable.block";
        let blocked = self.waiting.during(call, blocked).await;
        blocked.unwrap_or(Ok(()))
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.patience.forget(pollable.rep());
        poll::HostPollable::drop(self.table, pollable)
    }
}
