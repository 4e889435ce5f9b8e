//! Messages kept back: `ID.eml` with the octets, `ID.json` with who sent it to whom and why it is here. On disk before
//! the client hears 250.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lazaret_mail::{Content, Envelope, Message, Path, Segment, Session};
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::workers::on_disk;

const BLOCK: usize = 256 << 10;
/// How long a client waits for the disk of the quarantine, and a second for each MiB; then it is to come again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages that are written at once. A disk that hangs keeps a thread for each, and spool and reloads need some, too.
static PLACES: Semaphore = Semaphore::const_new(64);

/// A message in the quarantine.
#[derive(Debug)]
pub(crate) struct Stored {
    files: [PathBuf; 2],
}

impl Stored {
    fn remove(self) {
        if let Err(error) = self.files.iter().try_for_each(std::fs::remove_file) {
            tracing::warn!(%error, "a quarantined copy could not be taken back");
        }
    }
}

/// A copy that depends on what the backend says to the message. Dropped before that, as with a session that is cut off, it is
/// taken out again: the client did not hear 250, and comes again.
#[derive(Debug)]
pub(crate) struct Provisional(Option<Stored>);

impl Provisional {
    pub(crate) fn of(stored: Stored) -> Self {
        Self(Some(stored))
    }

    /// The backend has taken the message.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }

    /// It has not, and the client was told to try once more.
    pub(crate) async fn take_back(mut self) {
        if let Some(stored) = self.0.take() {
            let _ = on_disk(move || stored.remove()).await;
        }
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if let Some(stored) = self.0.take() {
            drop(on_disk(move || stored.remove()));
        }
    }
}

/// Writes a message and its facts, files and directory synced. An existing id is never overwritten.
pub(crate) async fn store(
    directory: &FilePath,
    id: &str,
    session: &Session,
    envelope: &Envelope,
    message: &Message,
    reason: &str,
) -> io::Result<Stored> {
    let facts = facts(id, session, envelope, message, reason);
    let (directory, id, message) = (directory.to_owned(), id.to_owned(), message.clone());
    let patience = PATIENCE + Duration::from_secs(message.size() >> 20);
    let write = move || write(&directory, &id, &facts, &message);
    within(patience, write).await
}

/// What is written too late, or for nobody any more, is removed again: the client did not hear 250.
async fn within(
    patience: Duration,
    write: impl FnOnce() -> io::Result<Stored> + Send + 'static,
) -> io::Result<Stored> {
    let end = Instant::now() + patience;
    let late = || {
        let words = format!("it was not written within {patience:?}");
        io::Error::new(io::ErrorKind::TimedOut, words)
    };
    let place = timeout_at(end, PLACES.acquire()).await;
    let place = place
        .map_err(|_| late())?
        .expect("nobody closes this semaphore");
    let (tell, mut told) = oneshot::channel();
    drop(on_disk(move || {
        let _place = place;
        if let Err(Ok(mut unheard)) = tell.send(write().map(Provisional::of)) {
            unheard.0.take().into_iter().for_each(Stored::remove);
        }
    }));
    let written = match timeout_at(end, &mut told).await {
        Ok(written) => written.map_err(io::Error::other)?,
        Err(_) => {
            told.close();
            told.try_recv().unwrap_or_else(|_| Err(late()))
        }
    };
    Ok(written?.0.take().expect("nobody took it before"))
}

fn facts(
    id: &str,
    session: &Session,
    envelope: &Envelope,
    message: &Message,
    reason: &str,
) -> Vec<u8> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let sender = envelope.sender.as_ref().map(|path| path.address.mailbox());
    let recipients: Vec<_> = envelope
        .recipients
        .iter()
        .map(|path| path.address.mailbox())
        .collect();
    let parameters = |path: &Path| {
        path.parameters
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let facts = json!({
        "id": id,
        "time": seconds,
        "reason": reason,
        "listener": &*session.listener,
        "client": session.client.address.to_string(),
        "hello": session.hello,
        "tls": session.tls.as_ref().map(|tls| &tls.version),
        "sender": sender,
        "sender-parameters": envelope.sender.as_ref().map(parameters),
        "recipients": recipients,
        "recipient-parameters": envelope.recipients.iter().map(parameters).collect::<Vec<_>>(),
        "size": message.size(),
    });
    format!("{facts:#}\n").into_bytes()
}

fn write(directory: &FilePath, id: &str, facts: &[u8], message: &Message) -> io::Result<Stored> {
    let files = [
        directory.join(format!("{id}.eml")),
        directory.join(format!("{id}.json")),
    ];
    write_file(&files[0], |file| write_message(file, message))?;
    let mut ours = vec![&files[0]];
    let written = write_file(&files[1], |file| file.write_all(facts)).and_then(|()| {
        ours.push(&files[1]);
        File::open(directory)?.sync_all()
    });
    if written.is_err() {
        // One without the other is of no use, and the client will send the message again.
        ours.into_iter()
            .for_each(|file| drop(std::fs::remove_file(file)));
    }
    written.map(|()| Stored { files })
}

/// Creates a file or leaves none. One that exists belongs to another message, for which somebody heard 250: it is
/// neither overwritten nor removed.
fn write_file(path: &FilePath, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = fill(&mut file).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(std::fs::remove_file(path));
    }
    written
}

fn write_message(file: &mut File, message: &Message) -> io::Result<()> {
    for segment in message.segments() {
        match segment {
            Segment::Octets(octets) => file.write_all(&octets)?,
            Segment::Spooled(content, offset) => copy(file, &content, offset)?,
        }
    }
    Ok(())
}

fn copy(file: &mut File, content: &Content, mut offset: u64) -> io::Result<()> {
    while offset < content.len() {
        let octets = content.read_at(offset, BLOCK)?;
        offset += octets.len() as u64;
        file.write_all(&octets)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[tokio::test]
    async fn what_is_written_too_late_is_removed_again() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["A.eml", "A.json"].map(|name| dir.path().join(name));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let paths = files.clone();
        let slow = move || {
            let _ = wait.recv();
            for path in &paths {
                std::fs::write(path, "")?;
            }
            Ok(Stored { files: paths })
        };
        let late = within(Duration::from_millis(20), slow).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert!(PLACES.available_permits() < 64, "it still has its thread");
        drop(go);
        while PLACES.available_permits() < 64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(files.iter().all(|file| !file.exists()));
    }

    #[tokio::test]
    async fn a_provisional_copy_goes_unless_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let stored = |id: &str| {
            let files = ["eml", "json"].map(|end| dir.path().join(format!("{id}.{end}")));
            files
                .iter()
                .for_each(|file| std::fs::write(file, "").unwrap());
            Provisional::of(Stored { files })
        };
        let left = || std::fs::read_dir(dir.path()).unwrap().count();
        stored("A").keep();
        stored("B").take_back().await;
        assert_eq!(left(), 2, "A");
        drop(stored("C"));
        while left() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[test]
    fn an_older_message_of_the_same_id_is_kept_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let message = Message::parse(
            Content::Memory(Bytes::from_static(b"A: 1\r\n\r\nnew\r\n")),
            999,
        )
        .unwrap();
        for older in ["ID.eml", "ID.json"] {
            std::fs::write(dir.path().join(older), "older").unwrap();
            assert!(write(dir.path(), "ID", b"{}", &message).is_err());
            assert_eq!(std::fs::read(dir.path().join(older)).unwrap(), b"older");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
            std::fs::remove_file(dir.path().join(older)).unwrap();
        }
        assert!(write(dir.path(), "ID", b"{}", &message).is_ok());
    }
}
