//! Delivery into a Maildir: written to `tmp`, synced, renamed into `new`, directory synced. Until then nothing is in
//! `new`, so a reader never sees half a message, and once we say 250 it survives a power cut.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

/// A Maildir.
#[derive(Debug)]
pub struct Maildir {
    dir: PathBuf,
    delivered: AtomicU64,
}

impl Maildir {
    /// Creates `tmp`, `new` and `cur` where they are missing.
    pub fn open(dir: &Path) -> io::Result<Self> {
        for name in ["tmp", "new", "cur"] {
            std::fs::create_dir_all(dir.join(name))?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            delivered: AtomicU64::new(0),
        })
    }

    /// A message under way.
    pub async fn begin(&self) -> io::Result<Delivery> {
        let name = self.unique_name();
        let draft = self.dir.join("tmp").join(&name);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&draft)
            .await?;
        Ok(Delivery {
            file,
            draft: Draft(Some(draft)),
            new: self.dir.join("new"),
            name,
        })
    }

    /// Time, process and a counter make a name that no other delivery has.
    fn unique_name(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let process = std::process::id();
        let count = self.delivered.fetch_add(1, Ordering::Relaxed);
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        format!("{seconds}.M{micros}P{process}Q{count}.lazaret-demo")
    }
}

/// A message being written; dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Delivery {
    file: File,
    draft: Draft,
    new: PathBuf,
    name: String,
}

impl Delivery {
    /// The file name it will have.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends octets.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets).await
    }

    /// Makes the message durable and visible; answers with its file name.
    pub async fn commit(mut self) -> io::Result<String> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        self.draft.rename(&self.new.join(&self.name)).await?;
        File::open(&self.new).await?.sync_all().await?;
        Ok(self.name)
    }
}

/// A file in `tmp`, removed unless it was renamed.
#[derive(Debug)]
struct Draft(Option<PathBuf>);

impl Draft {
    async fn rename(&mut self, to: &Path) -> io::Result<()> {
        if let Some(draft) = &self.0 {
            fs::rename(draft, to).await?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(draft) = &self.0 {
            let _ = std::fs::remove_file(draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let name = |e: io::Result<std::fs::DirEntry>| e.unwrap().file_name();
        entries.map(|e| name(e).into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_message_is_visible_only_when_complete() {
        let dir = tempfile::tempdir().unwrap();
        let maildir = Maildir::open(dir.path()).unwrap();
        let mut delivery = maildir.begin().await.unwrap();
        delivery.write(b"Subject: one\r\n\r\n").await.unwrap();
        assert!(names(&dir.path().join("new")).is_empty());
        delivery.write(b"body\r\n").await.unwrap();
        let name = delivery.commit().await.unwrap();
        assert_eq!(names(&dir.path().join("new")), std::slice::from_ref(&name));
        assert!(names(&dir.path().join("tmp")).is_empty());
        let octets = std::fs::read(dir.path().join("new").join(name)).unwrap();
        assert_eq!(octets, b"Subject: one\r\n\r\nbody\r\n");
    }

    #[tokio::test]
    async fn an_abandoned_message_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let maildir = Maildir::open(dir.path()).unwrap();
        let mut delivery = maildir.begin().await.unwrap();
        delivery.write(b"half").await.unwrap();
        drop(delivery);
        assert!(names(&dir.path().join("tmp")).is_empty());
    }
}
