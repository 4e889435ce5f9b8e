//! ClamAV's daemon with one signature of our own: the test string of EICAR.

use std::net::SocketAddr;
use std::process::Command;

use super::Daemon;

/// What `Eicar-Test-Signature` is the signature of, in halves so that no file of ours has a virus.
const EICAR: [&str; 2] = [
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANT",
    "IVIRUS-TEST-FILE!$H+H*",
];

/// The test string.
pub fn eicar() -> String {
    EICAR.concat()
}

/// Starts clamd there; `extra` is appended to its clamd.conf. None if it is not installed.
pub fn clamd(address: SocketAddr, extra: &str) -> Option<Daemon> {
    let program = super::find("clamd")?;
    let dir = tempfile::Builder::new().prefix("lazaret-clamd-").tempdir();
    let dir = dir.expect("a temporary directory");
    let place = dir.path().display();
    let config = format!(
        "Foreground yes\nTCPSocket {}\nTCPAddr {}\nDatabaseDirectory {place}\nTemporaryDirectory {place}\n\
         MaxThreads 4\nSelfCheck 0\n{extra}\n",
        address.port(),
        address.ip()
    );
    let hex: String = eicar()
        .bytes()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let database = format!("Eicar-Test-Signature:0:*:{hex}\n");
    for (name, text) in [("clamd.conf", config), ("own.ndb", database)] {
        std::fs::write(dir.path().join(name), text).expect("a writable directory");
    }
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(dir.path().join("clamd.conf"));
    Some(Daemon::start(address, dir, command))
}
