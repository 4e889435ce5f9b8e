//! What the operator switched, kept beside the socket: a proxy that crashes in the middle of an emergency must not come
//! back enforcing. It is gone with the runtime directory, at the latest at the next boot.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lazaret_mail::{Mode, Switchboard, Switched};
use serde::{Deserialize, Serialize};

use crate::filters::report::SwitchReport;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
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
