//! Where a Redis server is.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::Fault;

/// A server, and how one logs in there.
pub struct Address {
    pub place: Place,
    pub login: RedisConnectionInfo,
}

/// Shown without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Tcp(String, u16),
    /// verified by `services-ca`, or Mozilla's authorities
    Tls(String, u16),
    Unix(std::path::PathBuf),
}

impl Address {
    /// `redis://[[user]:password@]host[:port][/database]`, the same with `rediss`, or `redis+unix:///path[?db=..&pass=..]`.
    pub fn parse(url: &str) -> Result<Self, Fault> {
        // redis itself is built without TLS: ours is put under it.
        let (text, tls) = match url.strip_prefix("rediss://") {
            Some(rest) => (format!("redis://{rest}"), true),
            None => (url.to_owned(), false),
        };
        let info = text.into_connection_info().map_err(|_| wrong())?;
        let place = match (info.addr(), tls) {
            (ConnectionAddr::Tcp(host, port), false) => Place::Tcp(host.clone(), *port),
            (ConnectionAddr::Tcp(host, port), true) => Place::Tls(host.clone(), *port),
            (ConnectionAddr::Unix(path), false) => Place::Unix(path.clone()),
            _ => return Err(wrong()),
        };
        let login = info.redis_settings().clone();
        Ok(Self {
            place,
            // Answers to questions that only inform would be one more thing to lie about.
            login: login.set_skip_set_lib_name(),
        })
    }
}

/// The text is not shown: it may hold a password.
fn wrong() -> Fault {
    Fault::new(
        "`state` holds no address of a Redis server",
        "write e.g. \"redis://127.0.0.1:6379/0\", \"rediss://user:password@host:6380/0\" or \"redis+unix:///run/redis/redis.sock\"",
    )
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(host, port) => write!(f, "redis://{host}:{port}"),
            Place::Tls(host, port) => write!(f, "rediss://{host}:{port}"),
            Place::Unix(path) => write!(f, "redis+unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_passwords() {
        for (url, shown) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379"),
            ("redis://:secret@127.0.0.1:6380/3", "redis://127.0.0.1:6380"),
            (
                "rediss://me:secret@kv.example/1",
                "rediss://kv.example:6379",
            ),
            (
                "redis+unix:///run/redis.sock?pass=secret",
                "redis+unix:///run/redis.sock",
            ),
        ] {
            assert_eq!(Address::parse(url).unwrap().place.to_string(), shown);
        }
        let address = Address::parse("redis://me:secret@127.0.0.1/3").unwrap();
        assert_eq!(address.login.password(), Some("secret"));
        assert_eq!(
            (address.login.username(), address.login.db()),
            (Some("me"), 3)
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_it() {
        for url in [
            "",
            "127.0.0.1:6379",
            "http://127.0.0.1",
            "redis://127.0.0.1/secret",
            "rediss+unix:///secret",
        ] {
            let fault = Address::parse(url).err().expect(url);
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }
}
