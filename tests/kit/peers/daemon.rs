//! A server of others that stays in the foreground, started from a private directory.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::mailbox::wait_until_it_listens;

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Daemon {
    command: Command,
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Daemon {
    /// Runs the command; its output goes into `log` of the directory. Panics with that if it does not listen soon.
    pub(super) fn start(address: SocketAddr, dir: TempDir, mut command: Command) -> Self {
        let log = File::create(dir.path().join("log")).expect("our directory");
        let errors = log.try_clone().expect("a descriptor");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().expect("it was found");
        let daemon = Self {
            command,
            child,
            address,
            dir,
        };
        daemon.wait();
        daemon
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Tells it to end, and waits until it has; its children end with it.
    pub fn stop(&mut self) {
        // One that has ended left its number to others.
        if matches!(self.child.try_wait(), Ok(None)) {
            let id = self.child.id().to_string();
            let _ = Command::new("kill").arg(id).status();
            let _ = self.child.wait();
        }
    }

    /// Starts it again, with the same files at the same address.
    pub fn again(&mut self) {
        self.child = self.command.spawn().expect("it was there before");
        self.wait();
    }

    fn wait(&self) {
        wait_until_it_listens(self.address, || {
            std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}
