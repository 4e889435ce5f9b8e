//! Debian's `redis-server`, started from a private directory.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server that writes down what it is told before it says so; it ends when dropped.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    child: Child,
    dir: TempDir,
}

impl Redis {
    /// Starts it. None if Redis is not installed.
    pub fn start() -> Option<Self> {
        let program = super::find("redis-server")?;
        let dir = tempfile::Builder::new().prefix("lazaret-redis-").tempdir();
        let dir = dir.expect("a temporary directory");
        let child = launch(&program, &dir);
        Some(Self {
            program,
            child,
            dir,
        })
    }

    /// For `state` of lazaret.toml.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.dir).display())
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with what it had written down.
    pub fn again(&mut self) {
        self.child = launch(&self.program, &self.dir);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn socket(dir: &TempDir) -> PathBuf {
    dir.path().join("redis.sock")
}

fn launch(program: &PathBuf, dir: &TempDir) -> Child {
    let socket = socket(dir);
    let _ = std::fs::remove_file(&socket);
    let mut command = Command::new(program);
    command
        .args(["--port", "0", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null());
    let child = command.spawn().expect("redis-server starts");
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(begun.elapsed() < PATIENCE, "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
