//! `state`: where filters remember what must outlive a connection.

use std::fmt;
use std::path::PathBuf;

use lazaret_config::{ConfigError, Source, Spanned, read_text};
use serde::Deserialize;

/// Octets of a file that holds the address of a server.
const ADDRESS: u64 = 4096;
/// How an address begins.
const SCHEMES: [&str; 3] = ["redis://", "rediss://", "redis+unix://"];

/// Where state is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// a redb file; made if need be
    File(PathBuf),
    /// the address of a Redis or Valkey server; may hold a password
    Redis(String),
    /// forgotten at each restart
    Memory,
}

/// Without the password.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::File(path) => f.debug_tuple("File").field(path).finish(),
            State::Redis(_) => f.write_str("Redis(..)"),
            State::Memory => f.write_str("Memory"),
        }
    }
}

/// As the operator wrote it.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a file, an address such as \"redis://127.0.0.1:6379/0\", \"memory\", { file = \"..\" } or { redis-file = \"..\" }"
)]
pub(super) enum Written {
    Word(String),
    Table(WrittenTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum WrittenTable {
    File(PathBuf),
    RedisFile(PathBuf),
}

/// A word with a scheme is an address, `memory` is what it says, all else a file.
pub(super) fn check(
    source: &Source,
    written: Option<Spanned<Written>>,
) -> Result<Option<State>, ConfigError> {
    let Some(written) = written else {
        return Ok(None);
    };
    let span = written.span();
    let base = source.directory();
    let state = match written.into_inner() {
        Written::Word(word) if word == "memory" => State::Memory,
        Written::Word(word) if word.contains("://") => {
            let address = address(&word).ok_or_else(|| {
                source
                    .error(span, "`state` names a server of another kind")
                    .cure("write e.g. \"redis://127.0.0.1:6379/0\" or \"rediss://host:6380\"")
            })?;
            State::Redis(address)
        }
        Written::Word(word) => State::File(base.join(word)),
        Written::Table(WrittenTable::File(file)) => State::File(base.join(file)),
        Written::Table(WrittenTable::RedisFile(file)) => {
            let path = base.join(file);
            let text = read_text(&path, ADDRESS)?;
            let address = address(text.trim()).ok_or_else(|| {
                ConfigError::new(&path, "holds no address of a Redis server")
                    .cure("write one line, e.g. redis://:password@127.0.0.1:6379/0")
            })?;
            State::Redis(address)
        }
    };
    Ok(Some(state))
}

fn address(text: &str) -> Option<String> {
    let known = SCHEMES.iter().any(|scheme| text.starts_with(scheme));
    (known && !text.contains(char::is_whitespace)).then(|| text.to_owned())
}
