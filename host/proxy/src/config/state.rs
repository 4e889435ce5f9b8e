//! `state`: where filters remember what must outlive a connection.

use std::ffi::OsString;
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
        return Ok(usual(std::env::var_os("STATE_DIRECTORY")));
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
            let told = |error| source.naming_at(span.clone(), error);
            let text = read_text(&path, ADDRESS).map_err(told)?;
            let address = address(text.trim()).ok_or_else(|| {
                told(ConfigError::new(
                    &path,
                    "holds no address of a Redis server",
                ))
                .cure("write one line, e.g. redis://:password@127.0.0.1:6379/0")
            })?;
            State::Redis(address)
        }
    };
    Ok(Some(state))
}

/// In systemd's directory for us, the first if it made several. There is no usual place elsewhere.
fn usual(directories: Option<OsString>) -> Option<State> {
    let first = std::env::split_paths(&directories?).next()?;
    let is_ours = first.is_absolute();
    is_ours.then(|| State::File(first.join("state.redb")))
}

fn address(text: &str) -> Option<String> {
    let known = SCHEMES.iter().any(|scheme| text.starts_with(scheme));
    (known && !text.contains(char::is_whitespace)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_has_a_place_for_it() {
        let usual = |directories: &str| usual(Some(directories.into()));
        let file = Some(State::File("/var/lib/lazaret/state.redb".into()));
        assert_eq!(usual("/var/lib/lazaret"), file);
        assert_eq!(usual("/var/lib/lazaret:/var/lib/lazaret/quarantine"), file);
        assert_eq!(usual("lazaret"), None);
        assert_eq!(super::usual(None), None);
    }
}
