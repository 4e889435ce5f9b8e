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
    /// the same where nobody wrote `state`: in the usual place of the service or user, made with its directory when the first
    /// filter is granted `state`
    Usual(PathBuf),
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
            State::Usual(path) => f.debug_tuple("Usual").field(path).finish(),
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
        return Ok(usual(|name| std::env::var_os(name)));
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

/// In systemd's directory for us, the first if it made several; else in the user's own.
fn usual(variable: impl Fn(&str) -> Option<OsString>) -> Option<State> {
    let absolute = |name: &str| {
        let first = std::env::split_paths(&variable(name)?).next()?;
        first.is_absolute().then_some(first)
    };
    let of_user = || {
        let base = absolute("XDG_STATE_HOME");
        let base = base.or_else(|| Some(absolute("HOME")?.join(".local/state")));
        Some(base?.join("lazaret"))
    };
    let directory = absolute("STATE_DIRECTORY").or_else(of_user)?;
    Some(State::Usual(directory.join("state.redb")))
}

fn address(text: &str) -> Option<String> {
    let known = SCHEMES.iter().any(|scheme| text.starts_with(scheme));
    (known && !text.contains(char::is_whitespace)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_has_a_place_for_it_and_else_the_user() {
        let place = |set: &[(&str, &str)]| {
            let value = |name: &str| {
                let (_, value) = set.iter().find(|(known, _)| *known == name)?;
                Some(OsString::from(value))
            };
            usual(value)
        };
        let file = |path: &str| Some(State::Usual(path.into()));
        let home = ("HOME", "/home/mail");
        let xdg = ("XDG_STATE_HOME", "/s");
        let service = ("STATE_DIRECTORY", "/var/lib/lazaret:/var/lib/lazaret/q");
        let of_service = file("/var/lib/lazaret/state.redb");
        assert_eq!(place(&[service]), of_service);
        assert_eq!(place(&[home, xdg, service]), of_service);
        assert_eq!(place(&[home, xdg]), file("/s/lazaret/state.redb"));
        let of_home = file("/home/mail/.local/state/lazaret/state.redb");
        assert_eq!(place(&[home]), of_home);
        let relative = [("STATE_DIRECTORY", "lazaret"), ("XDG_STATE_HOME", "s")];
        assert_eq!(place(&[home, relative[0], relative[1]]), of_home);
        assert_eq!(place(&relative), None);
        assert_eq!(place(&[("HOME", "")]), None);
        assert_eq!(place(&[]), None);
    }
}
