//! Debian's `redis-server`, started from a private directory.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificate;
use crate::ports::free_port;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server that writes down what it is told before it says so; it ends when dropped.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    child: Child,
    dir: TempDir,
    tls: SocketAddr,
}

impl Redis {
    /// Starts it. None if Redis is not installed.
    pub fn start() -> Option<Self> {
        let program = super::find("redis-server")?;
        let dir = tempfile::Builder::new().prefix("lazaret-redis-").tempdir();
        let dir = dir.expect("a temporary directory");
        certificate::shared().write(dir.path());
        let tls = free_port();
        let child = launch(&program, &dir, tls);
        Some(Self {
            program,
            child,
            dir,
            tls,
        })
    }

    /// For `state` of lazaret.toml.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.dir).display())
    }

    /// The same server by TLS; it shows the [`shared`](certificate::shared) certificate.
    pub fn tls_url(&self) -> String {
        format!("rediss://{}", self.tls)
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with what it had written down.
    pub fn again(&mut self) {
        self.child = launch(&self.program, &self.dir, self.tls);
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

fn launch(program: &PathBuf, dir: &TempDir, tls: SocketAddr) -> Child {
    let socket = socket(dir);
    let _ = std::fs::remove_file(&socket);
    let mut command = Command::new(program);
    // It writes before it answers, and what is written outlives a SIGKILL: a disk need not be waited for, which on a machine
    // at work may take seconds.
    command
        .args(["--port", "0", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "no", "--unixsocket"])
        .arg(&socket)
        .args(["--bind", "127.0.0.1", "--tls-port", &tls.port().to_string()])
        .args(["--tls-auth-clients", "no", "--tls-ca-cert-file", "cert.pem"])
        .args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"])
        .arg("--dir")
        .arg(dir.path())
        .current_dir(dir.path())
        .stdout(Stdio::null());
    let child = command.spawn().expect("redis-server starts");
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(begun.elapsed() < PATIENCE, "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
