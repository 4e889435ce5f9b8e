//! `wasi:io/poll`: WASI's own, and whoever sleeps in it or waits there for a socket is seen to do so.

use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;

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
}

/// What the linker asks for.
pub fn polls(guest: &mut Guest) -> Polls<'_> {
    let (table, _, waiting) = guest.streams();
    Polls { table, waiting }
}

impl poll::Host for Polls<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        let polled = poll::Host::poll(self.table, pollables);
        self.waiting.during("wasi:io/poll.poll", polled).await
    }
}

impl poll::HostPollable for Polls<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        poll::HostPollable::ready(self.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        let blocked = poll::HostPollable::block(self.table, pollable);
        let call = "wasi:io/poll.pollable.block";
        self.waiting.during(call, blocked).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        poll::HostPollable::drop(self.table, pollable)
    }
}
