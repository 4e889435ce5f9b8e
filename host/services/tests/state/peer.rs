//! A Redis of our own, from a private directory.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    directory: tempfile::TempDir,
}

/// Starts Debian's `redis-server`; None, and a line that says so, where it is not installed.
pub fn redis() -> Option<Server> {
    let installed = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if installed.is_ok() {
        let directory = tempfile::tempdir().unwrap();
        let child = start(directory.path());
        return Some(Server { child, directory });
    }
    let required = std::env::var_os("LAZARET_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "redis-server is not installed, and LAZARET_REQUIRE_PEERS=1 wants it"
    );
    eprintln!("skipped: redis-server not installed");
    None
}

impl Server {
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.directory.path()))
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        self.child = start(self.directory.path());
    }

    /// Runs one command of `redis-cli`, and gives its output.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let socket = socket(self.directory.path());
        let output = Command::new("redis-cli")
            .args(["-s", &socket])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn socket(directory: &Path) -> String {
    directory.join("redis.sock").display().to_string()
}

/// Until it listens.
fn start(directory: &Path) -> Child {
    let socket = socket(directory);
    let _ = std::fs::remove_file(&socket);
    let child = Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", &socket, "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let late = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < late, "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
