//! Ports for programs that must be told one: each belongs to one test of one test program as long as that runs.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Below what the system chooses from for `:0` and for connections, so that neither takes what was given away here.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Locks of the ports given away; they end with the process, however it ends.
static GIVEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of loopback that nobody listens on, and that no other test is given while this process lives.
pub fn free_port() -> SocketAddr {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = directory();
    // Test programs begin far apart, so that they seldom meet.
    let start = std::process::id() as usize * 97 + given.len();
    let count = usize::from(LAST - FIRST);
    let ports = (0..count).map(|step| FIRST + ((start + step) % count) as u16);
    for port in ports {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if let Some(lock) = lock(place.join(port.to_string()))
            && TcpListener::bind(address).is_ok()
        {
            given.push(lock);
            return address;
        }
    }
    panic!("no port between {FIRST} and {LAST} is free");
}

/// One for each user: nobody can lock files of others.
fn directory() -> PathBuf {
    let user = std::fs::metadata("/proc/self").map_or(0, |it| it.uid());
    let place = std::env::temp_dir().join(format!("lazaret-ports-{user}"));
    std::fs::create_dir_all(&place).expect("a directory for temporary files");
    place
}

fn lock(path: PathBuf) -> Option<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.ok()?;
    file.try_lock().is_ok().then_some(file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_and_each_can_be_listened_on() {
        let ports: BTreeSet<_> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        for port in &ports {
            assert!(TcpListener::bind(port).is_ok(), "{port}");
            let path = directory().join(port.port().to_string());
            assert!(lock(path).is_none(), "{port} can be given to others");
        }
    }
}
