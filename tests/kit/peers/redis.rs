//! Debian's Redis, over TCP.

use std::net::SocketAddr;
use std::process::Command;

use super::Daemon;

/// Starts it there. None if it is not installed.
pub fn redis(address: SocketAddr) -> Option<Daemon> {
    let program = super::find("redis-server")?;
    let dir = tempfile::Builder::new().prefix("lazaret-redis-").tempdir();
    let dir = dir.expect("a temporary directory");
    let mut command = Command::new(program);
    command
        .args(["--bind", &address.ip().to_string()])
        .args(["--port", &address.port().to_string(), "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(dir.path());
    Some(Daemon::start(address, dir, command))
}
