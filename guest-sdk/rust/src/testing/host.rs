//! The permission functions with the signatures of the generated bindings, answered by the made-up world.

use super::message::{self, Message};
use super::mime::{self, Leaf};
use super::report::Score;
use super::state::{Note, Stage, THIS_FILTER, World, permitted, spend, with};
use crate::{Address, Error};

/// The host's cap a call.
const CHUNK: usize = 64 * 1024;

/// Octets of a reason for points.
const MAX_WHY: usize = 200;

/// Octets of a note's value.
const MAX_NOTE: usize = 1024;

/// Edits of a call, and octets that they write.
const MAX_EDITS: usize = 256;
const MAX_WRITTEN: usize = 128 << 10;

/// Points and notes of a call.
const MAX_SCORES: usize = 100;
const MAX_NOTES: usize = 32;

/// Milliseconds that a call may hold its reply back.
const MAX_HELD: u32 = 30_000;

/// Random octets of a call.
const MAX_RANDOM: u32 = 4096;

pub mod session {
    use super::*;
    use crate::session::{ClientInfo, TlsInfo};

    pub fn id() -> String {
        "test".to_owned()
    }
    pub fn listener() -> String {
        with(|world| world.facts.listener.clone())
    }
    pub fn client() -> ClientInfo {
        with(|world| {
            assert!(
                world.stage > Stage::Configure,
                "there is no client in `configure`"
            );
            world.facts.client.clone()
        })
    }
    pub fn hello() -> Option<String> {
        with(|world| world.hello.clone())
    }
    pub fn tls() -> Option<TlsInfo> {
        with(|world| world.facts.tls.clone())
    }
    pub fn user() -> Option<String> {
        with(|world| world.facts.user.clone())
    }
    pub fn early_talker() -> bool {
        with(|world| world.facts.early_talker)
    }
}

pub mod envelope {
    use super::*;

    pub fn sender() -> Option<Address> {
        with(|world| world.sender.clone().filter(|_| is_there(world)))
    }
    pub fn recipients() -> Vec<Address> {
        with(|world| match is_there(world) {
            true => world.recipients.clone(),
            false => Vec::new(),
        })
    }
    /// It ends with its transaction.
    fn is_there(world: &World) -> bool {
        world.stage != Stage::Disconnect
    }
}

pub mod headers {
    use super::*;
    use crate::headers::Field;

    pub fn all() -> Vec<Field> {
        with(|world| shown(world).fields.iter().map(field).collect())
    }
    pub fn text(name: &str) -> Vec<String> {
        with(|world| shown(world).text(name))
    }
    fn field((name, value): &(String, Vec<u8>)) -> Field {
        Field {
            name: name.clone(),
            value: value.clone(),
        }
    }
    fn shown(world: &World) -> Message {
        let is_there = matches!(world.stage, Stage::Headers | Stage::Message);
        let message = world.message.clone().filter(|_| is_there);
        message.unwrap_or_default()
    }
}

pub mod body {
    use super::*;

    pub fn size() -> u32 {
        octets().map_or(0, |octets| octets.len() as u32)
    }
    pub fn read(offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        Ok(slice(&octets()?, offset, length))
    }
    fn octets() -> Result<Vec<u8>, Error> {
        permitted("body", Stage::Message..=Stage::Message, |world| {
            world
                .message
                .as_ref()
                .map(Message::octets)
                .ok_or(Error::NotNow)
        })
    }
}

pub mod parts {
    use super::*;
    use crate::parts::Part;

    pub fn all() -> Result<Vec<Part>, Error> {
        Ok(leaves()?.into_iter().map(|leaf| leaf.part).collect())
    }
    pub fn read(part: u32, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        Ok(slice(&leaf(part)?.octets, offset, length))
    }
    pub fn text(part: u32) -> Result<String, Error> {
        let leaf = leaf(part)?;
        let text = leaf.is_text.then_some(leaf.octets).ok_or(Error::Invalid)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
    fn leaf(part: u32) -> Result<Leaf, Error> {
        leaves()?
            .into_iter()
            .nth(part as usize)
            .ok_or(Error::Invalid)
    }
    fn leaves() -> Result<Vec<Leaf>, Error> {
        permitted("parts", Stage::Message..=Stage::Message, |world| {
            if let Some(fault) = world.facts.parts_fault {
                return Err(fault);
            }
            let message = world.message.as_ref().ok_or(Error::NotNow)?;
            Ok(mime::parts(&message.octets()))
        })
    }
}

pub mod edit_headers {
    use super::*;

    pub fn add(name: &str, value: &str) -> Result<(), Error> {
        edit(name, Some(value), |message| {
            message.add(name, value);
            Ok(((), format!("add {name}: {value}")))
        })
    }
    pub fn replace(name: &str, nth: u32, value: &str) -> Result<(), Error> {
        edit(name, Some(value), |message| {
            message.replace(name, nth, value)?;
            Ok(((), format!("replace {name} {nth}: {value}")))
        })
    }
    pub fn remove(name: &str, nth: Option<u32>) -> Result<u32, Error> {
        edit(name, None, |message| {
            let which = nth.map(|nth| format!(" {nth}")).unwrap_or_default();
            Ok((message.remove(name, nth), format!("remove {name}{which}")))
        })
    }
    fn edit<T>(
        name: &str,
        value: Option<&str>,
        change: impl FnOnce(&mut Message) -> Result<(T, String), Error>,
    ) -> Result<T, Error> {
        permitted("edit-headers", Stage::Headers..=Stage::Message, |world| {
            if !message::name_is_valid(name) || !value.is_none_or(message::value_is_valid) {
                return Err(Error::Invalid);
            }
            if !message::in_scope(name, &world.facts.edit_scope) {
                return Err(Error::NotGranted);
            }
            let octets = value.map_or(0, |value| format!("{name}: {value}\r\n").len());
            spend(&mut world.spent.written, octets, MAX_WRITTEN)?;
            spend(&mut world.spent.edits, 1, MAX_EDITS)?;
            let message = world
                .edited
                .get_or_insert(world.message.clone().ok_or(Error::NotNow)?);
            let (result, edit) = change(message)?;
            world.edits.push(edit);
            Ok(result)
        })
    }
}

pub mod score {
    use super::*;
    use crate::score::Entry;

    pub fn add(symbol: &str, points: f64, why: &str) -> Result<(), Error> {
        permitted("score", Stage::Mail..=Stage::Message, |world| {
            let is_reason = why.len() <= MAX_WHY && !why.chars().any(char::is_control);
            if !is_word(symbol) || !points.is_finite() || !is_reason {
                return Err(Error::Invalid);
            }
            let given: f64 = world.scores.iter().map(|score| score.points).sum();
            let (least, most) = world.facts.score_scope;
            if !(least..=most).contains(&(given + points)) {
                return Err(Error::NotGranted);
            }
            spend(&mut world.spent.scores, 1, MAX_SCORES)?;
            world.scores.push(Score {
                symbol: symbol.to_owned(),
                points,
                why: why.to_owned(),
            });
            Ok(())
        })
    }
    pub fn total() -> Result<f64, Error> {
        permitted("score", Stage::Connect.., |world| {
            let own: f64 = world.scores.iter().map(|score| score.points).sum();
            let earlier: f64 = world.facts.earlier.iter().map(|it| it.points).sum();
            Ok(earlier + own)
        })
    }
    pub fn all() -> Result<Vec<Entry>, Error> {
        permitted("score", Stage::Connect.., |world| {
            let own = world.scores.iter().map(own);
            Ok(world.facts.earlier.iter().cloned().chain(own).collect())
        })
    }
    fn own(score: &Score) -> Entry {
        Entry {
            filter: THIS_FILTER.to_owned(),
            symbol: score.symbol.clone(),
            points: score.points,
            why: score.why.clone(),
        }
    }
}

pub mod notes {
    use super::*;
    use crate::notes::Scope;

    pub fn set(scope: Scope, key: &str, value: &str) -> Result<(), Error> {
        let earliest = match scope {
            Scope::Connection => Stage::Connect,
            Scope::Transaction => Stage::Mail,
        };
        permitted("notes", earliest..=Stage::Message, |world| {
            if !is_word(key) || value.len() > MAX_NOTE {
                return Err(Error::Invalid);
            }
            spend(&mut world.spent.notes, 1, MAX_NOTES)?;
            let note = Note::transaction(THIS_FILTER, key, value);
            world.facts.notes.push(Note { scope, ..note });
            Ok(())
        })
    }
    pub fn get(filter: &str, key: &str) -> Result<Option<String>, Error> {
        permitted("notes", Stage::Connect.., |world| {
            let of = |scope| {
                let is = |n: &&Note| n.scope == scope && n.filter == filter && n.key == key;
                world.facts.notes.iter().rfind(is)
            };
            let note = of(Scope::Transaction).or_else(|| of(Scope::Connection));
            Ok(note.map(|note| note.value.clone()))
        })
    }
}

pub mod pace {
    use super::*;

    pub fn hold(milliseconds: u32) -> Result<(), Error> {
        permitted("pace", Stage::Connect..=Stage::Message, |world| {
            let held = milliseconds.min(MAX_HELD - world.spent.held);
            world.spent.held += held;
            world.held += u64::from(held);
            Ok(())
        })
    }
}

pub mod log {
    use super::*;
    use crate::log::Level;

    pub fn write(level: Level, message: &str) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        with(|world| world.log.push(format!("{level}: {message}")));
    }
}

pub mod entropy {
    use std::hash::{BuildHasher, RandomState};

    /// Random enough for a test; every call differs.
    pub fn random(length: u32) -> Vec<u8> {
        (0..length.min(super::MAX_RANDOM))
            .map(|place| RandomState::new().hash_one(place).to_le_bytes()[0])
            .collect()
    }
}

/// Symbols and keys: letters, digits, `-`, `_` and `.`.
fn is_word(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn slice(octets: &[u8], offset: u32, length: u32) -> Vec<u8> {
    let start = octets.len().min(offset as usize);
    let length = CHUNK.min(length as usize).min(octets.len() - start);
    octets[start..start + length].to_vec()
}
