//! The functions of the services with the signatures of the generated bindings, answered by the made-up world.

use super::state::{Stage, World, permitted};
use crate::Error;

pub mod dns {
    use super::*;
    use crate::dns::{Answer, Kind, Query};

    pub fn lookup(name: &str, kind: Kind) -> Result<Answer, Error> {
        ask(|world| answer(world, name, kind))
    }

    pub fn lookup_all(queries: &[Query]) -> Result<Vec<Answer>, Error> {
        if queries.len() > 64 {
            return Err(Error::Limit);
        }
        ask(|world| {
            let all = queries.iter();
            all.map(|query| answer(world, &query.name, query.kind))
                .collect()
        })
    }

    fn ask<T>(ask: impl FnOnce(&mut World) -> Result<T, Error>) -> Result<T, Error> {
        permitted("dns", Stage::Connect.., ask)
    }

    fn answer(world: &World, name: &str, kind: Kind) -> Result<Answer, Error> {
        let bare = name.strip_suffix('.').unwrap_or(name);
        let is_label = |label: &str| {
            let plain = |c: char| !c.is_control() && c != ' ' && c != '\\';
            (1..=63).contains(&label.len()) && label.chars().all(plain)
        };
        let good = match kind {
            Kind::Ptr => name.parse::<std::net::IpAddr>().is_ok(),
            _ => bare.len() <= 253 && bare.split('.').all(is_label),
        };
        if !good {
            return Err(Error::Invalid);
        }
        Ok(world.facts.outside.answer(name, kind))
    }
}

pub mod state {
    use super::*;
    use crate::testing::State;

    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        ask(|state| state.get(key))
    }

    pub fn set(key: &str, value: &[u8], seconds: u32) -> Result<(), Error> {
        ask(|state| state.set(key, value, seconds))
    }

    pub fn remove(key: &str) -> Result<bool, Error> {
        ask(|state| state.remove(key))
    }

    pub fn increment(key: &str, by: i32, seconds: u32) -> Result<i32, Error> {
        ask(|state| state.increment(key, by, seconds))
    }

    pub fn compare_and_set(
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        seconds: u32,
    ) -> Result<bool, Error> {
        ask(|state| state.compare_and_set(key, expected, value, seconds))
    }

    fn ask<T>(ask: impl FnOnce(&State) -> Result<T, Error>) -> Result<T, Error> {
        let asked = |world: &mut World| ask(&world.facts.outside.state);
        permitted("state", Stage::Connect.., asked)
    }
}

pub mod http {
    use super::*;
    use crate::http::{Content, Request, Response};
    use crate::testing::message::Message;

    pub fn fetch(request: &Request) -> Result<Response, Error> {
        let mut sent = request.clone();
        if matches!(sent.content, Content::Message) {
            let message = permitted("body", Stage::Message..=Stage::Message, |world| {
                world.message.clone().ok_or(Error::NotNow)
            });
            sent.content = Content::Octets(message.as_ref().map(Message::octets).map_err(|e| *e)?);
        }
        permitted("http", Stage::Connect.., |world| {
            if !matches!(sent.verb.as_str(), "GET" | "POST" | "PUT" | "HEAD") {
                return Err(Error::Invalid);
            }
            let answer = world.facts.outside.fetched(&sent);
            world.requests.push(sent);
            answer
        })
    }
}

pub mod lists {
    use super::*;

    pub fn contains(name: &str, entry: &str) -> Result<bool, Error> {
        Ok(lookup(name, entry)?.is_some())
    }

    pub fn lookup(name: &str, entry: &str) -> Result<Option<String>, Error> {
        permitted("lists", Stage::Connect.., |world| {
            world.facts.outside.listed(name, entry)
        })
    }
}

pub mod metrics {
    use super::*;

    pub fn count(name: &str, by: u32) -> Result<(), Error> {
        meter(name, |value| value + f64::from(by))
    }

    pub fn gauge(name: &str, value: f64) -> Result<(), Error> {
        match value.is_nan() {
            true => Err(Error::Invalid),
            false => meter(name, |_| value),
        }
    }

    fn meter(name: &str, change: impl FnOnce(f64) -> f64) -> Result<(), Error> {
        permitted("metrics", Stage::Connect.., |world| {
            let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
            let digit = name.as_bytes().first().is_none_or(u8::is_ascii_digit);
            if digit || name.len() > 64 || !name.bytes().all(allowed) {
                return Err(Error::Invalid);
            }
            let meter = world.metrics.entry(name.to_owned()).or_default();
            *meter = change(*meter);
            Ok(())
        })
    }
}
