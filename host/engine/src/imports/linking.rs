//! Which host stands behind which import of a filter.

use wasmtime::component::{HasData, HasSelf, Linker};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::io::{poll, streams};
use wasmtime_wasi::p2::bindings::sockets::tcp;

use super::Ctx;
use super::denied::Denied;
use super::poll::{HasPolls, polls};
use super::sockets::{HasSockets, sockets};
use super::wire::{HasWire, wire};
use crate::bindings::{
    body, dns, edit_headers, entropy, envelope, headers, http, lists, log, metrics, notes, pace,
    parts, score, session, state, types,
};
use crate::contract::Permission;
use crate::guest::Guest;

/// The host's side of a granted import.
type Granted = HasSelf<Ctx>;

impl HasData for Denied {
    type Data<'a> = Denied;
}

fn ctx(guest: &mut Guest) -> &mut Ctx {
    &mut guest.ctx
}

fn denied(_: &mut Guest) -> Denied {
    Denied
}

/// Links everything a component asks for: the contract, with stubs for what is denied, and inert WASI 0.2.
pub fn link(
    linker: &mut Linker<Guest>,
    asked: &[Permission],
    refused: &[Permission],
) -> wasmtime::Result<()> {
    p2::add_to_linker_async(linker)?;
    watch_io(linker)?;
    types::add_to_linker::<_, Granted>(linker, ctx)?;
    for permission in asked {
        if refused.contains(permission) {
            link_denied(linker, *permission)?;
        } else {
            link_granted(linker, *permission)?;
        }
    }
    Ok(())
}

/// In place of WASI's own, by which a filter could carry any number of octets, and wait for as long as it lives, where nobody sees it.
fn watch_io(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    streams::add_to_linker::<_, HasWire>(linker, wire)?;
    tcp::add_to_linker::<_, HasSockets>(linker, sockets)?;
    poll::add_to_linker::<_, HasPolls>(linker, polls)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn link_granted(linker: &mut Linker<Guest>, permission: Permission) -> wasmtime::Result<()> {
    match permission {
        Permission::Session => session::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Envelope => envelope::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Headers => headers::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Body => body::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Parts => parts::add_to_linker::<_, Granted>(linker, ctx),
        Permission::EditHeaders => edit_headers::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Score => score::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Notes => notes::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Pace => pace::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Dns => dns::add_to_linker::<_, Granted>(linker, ctx),
        Permission::State => state::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Http => http::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Lists => lists::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Metrics => metrics::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Log => log::add_to_linker::<_, Granted>(linker, ctx),
        Permission::Entropy => entropy::add_to_linker::<_, Granted>(linker, ctx),
    }
}

/// Those that may not be denied are refused before; they get no stub, and so no link.
fn link_denied(linker: &mut Linker<Guest>, permission: Permission) -> wasmtime::Result<()> {
    match permission {
        Permission::Body => body::add_to_linker::<_, Denied>(linker, denied),
        Permission::Parts => parts::add_to_linker::<_, Denied>(linker, denied),
        Permission::EditHeaders => edit_headers::add_to_linker::<_, Denied>(linker, denied),
        Permission::Score => score::add_to_linker::<_, Denied>(linker, denied),
        Permission::Notes => notes::add_to_linker::<_, Denied>(linker, denied),
        Permission::Pace => pace::add_to_linker::<_, Denied>(linker, denied),
        Permission::Dns => dns::add_to_linker::<_, Denied>(linker, denied),
        Permission::State => state::add_to_linker::<_, Denied>(linker, denied),
        Permission::Http => http::add_to_linker::<_, Denied>(linker, denied),
        Permission::Lists => lists::add_to_linker::<_, Denied>(linker, denied),
        Permission::Metrics => metrics::add_to_linker::<_, Denied>(linker, denied),
        _ => Ok(()),
    }
}
