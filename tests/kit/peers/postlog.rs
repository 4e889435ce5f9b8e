//! The log of a Postfix, written by us. Its own postlogd now and then logs a line itself, waits for room in the
//! socket that nobody but it reads, and all of Postfix waits with it.

use std::fs::{File, Permissions, set_permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// No line of Postfix is longer: `MSG_BUFFER` and its label.
const LINE: usize = 8 * 1024;
/// How late an end is seen.
const LOOK: Duration = Duration::from_millis(100);

/// Reads the socket until it is dropped.
#[derive(Debug)]
pub(super) struct Postlog {
    done: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Postlog {
    /// Listens at `socket`, for everybody, and appends what comes to `file`, a line each.
    pub(super) fn start(socket: &Path, file: &Path) -> Self {
        let lines = UnixDatagram::bind(socket).expect("our directory");
        set_permissions(socket, Permissions::from_mode(0o666)).expect("our socket");
        lines.set_read_timeout(Some(LOOK)).expect("a time");
        let file = File::options().create(true).append(true).open(file);
        let file = file.expect("our directory");
        let done = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&done);
        let reader = std::thread::spawn(move || keep(&lines, file, &ends));
        Self {
            done,
            reader: Some(reader),
        }
    }
}

fn keep(lines: &UnixDatagram, mut file: File, ends: &AtomicBool) {
    let mut line = vec![0; LINE + 1];
    while !ends.load(Ordering::Relaxed) {
        match lines.recv(&mut line[..LINE]) {
            Ok(length) => {
                line[length] = b'\n';
                file.write_all(&line[..=length]).expect("room for a log");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("the socket of the log: {error}"),
        }
    }
}

impl Drop for Postlog {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // What it panicked with is on the test's output.
            drop(reader.join());
        }
    }
}
