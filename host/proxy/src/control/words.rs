//! What the operator switched, kept beside the socket: a proxy that crashes in the middle of an emergency must not come
//! back enforcing. It counts until the next boot,
//! also where the directory outlives that.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lazaret_mail::{Mode, Switchboard, Switched};
use serde::{Deserialize, Serialize};

use crate::filters::report::SwitchReport;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    /// the boot of the system in which it was said; none where that cannot be told, or by an earlier version
    boot: Option<String>,
    all: Option<SwitchReport>,
    named: BTreeMap<String, SwitchReport>,
}

fn file(socket: &Path) -> PathBuf {
    socket.with_extension("switches")
}

/// What was written under another name of the same configuration, unless something was under this one.
pub(super) fn adopt(socket: &Path, other: &Path) -> io::Result<()> {
    let (here, there) = (file(socket), file(other));
    match here.exists() || !there.exists() {
        true => Ok(()),
        false => std::fs::rename(there, here),
    }
}

/// Names and words; None is all filters, and comes first.
pub(super) fn read(socket: &Path) -> Vec<(Option<String>, Switched)> {
    let file = file(socket);
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "what was switched before cannot be read");
            return Vec::new();
        }
    };
    let written: Written = serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::error!(file = %file.display(), %error, "what was switched before cannot be read");
        Written::default()
    });
    if written.boot.is_some() && written.boot != boot() {
        tracing::info!(file = %file.display(), "what was switched before the system was booted does not count any more");
        return Vec::new();
    }
    let all = written.all.map(|said| (None, said));
    let named = written
        .named
        .into_iter()
        .map(|(name, said)| (Some(name), said));
    let words = all.into_iter().chain(named);
    words
        .filter_map(|(name, said)| Some((name, switched(&said)?)))
        .collect()
}

/// Which boot of the system this is: a directory that outlives it, a container's for example, is told by that.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

fn switched(said: &SwitchReport) -> Option<Switched> {
    let mode = match said.mode.as_str() {
        "observe" => Mode::Observe,
        "enforce" => Mode::Enforce,
        _ => return None,
    };
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(said.since))?;
    Some(Switched { mode, since })
}

/// Whole or not at all; no file where nothing is switched.
pub(super) fn write(socket: &Path, board: &Switchboard) -> io::Result<()> {
    let file = file(socket);
    let (all, named) = board.words();
    if all.is_none() && named.is_empty() {
        return match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let written = Written {
        boot: boot(),
        all: all.map(Into::into),
        named: named
            .into_iter()
            .map(|(name, said)| (name, said.into()))
            .collect(),
    };
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    temporary.write_all(&serde_json::to_vec(&written)?)?;
    temporary.persist(&file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in a container whose /run/lazaret is a volume.
    #[test]
    fn what_was_said_before_a_boot_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("c.sock");
        let board = Switchboard::default();
        board.switch(None, Mode::Observe, UNIX_EPOCH);
        write(&socket, &board).unwrap();
        assert_eq!(read(&socket).len(), 1);
        let said = std::fs::read_to_string(file(&socket)).unwrap();
        let boot = boot().unwrap();
        std::fs::write(file(&socket), said.replace(&boot, "another")).unwrap();
        assert_eq!(read(&socket).len(), 0);
        let of_an_earlier_version = said.replace(&format!("\"boot\":\"{boot}\","), "");
        assert_ne!(of_an_earlier_version, said);
        std::fs::write(file(&socket), of_an_earlier_version).unwrap();
        assert_eq!(read(&socket).len(), 1);
    }
}
