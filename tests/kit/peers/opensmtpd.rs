//! Debian's OpenSMTPD, unpacked and not installed, as a backend that delivers into a Maildir.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;

use tempfile::TempDir;

use super::apart::{self, User};
use super::mailbox::{Backend, wait_until_it_listens};
use crate::ports::free_port;

const USERS: [User; 3] = [
    User {
        name: "opensmtpd",
        id: 64_002,
    },
    User {
        name: "opensmtpq",
        id: 64_003,
    },
    MAILBOX,
];
/// Whose mail it is.
const MAILBOX: User = User {
    name: "mailbox",
    id: 64_004,
};

/// A running OpenSMTPD; it is stopped when dropped.
#[derive(Debug)]
pub struct OpenSmtpd {
    dir: TempDir,
    address: SocketAddr,
    daemon: Child,
}

impl OpenSmtpd {
    /// Starts one. `None` if it is not unpacked or cannot be started here.
    pub fn start() -> Option<Self> {
        let unpacked = super::unpacked("opensmtpd");
        let program = unpacked.join("usr/sbin/smtpd");
        if !apart::can_be("opensmtpd", &program) {
            return None;
        }
        let dir = tempfile::Builder::new()
            .prefix("lazaret-opensmtpd-")
            .tempdir();
        let dir = dir.expect("a temporary directory");
        let address = free_port();
        prepare(&dir, address);
        let inner = |name| dir.path().join(name);
        let (spool, run, state, libexec) = (
            inner("spool"),
            inner("run"),
            inner("state"),
            unpacked.join("usr/libexec"),
        );
        let binds = [
            (spool.as_path(), "/var/spool"),
            (&run, "/run"),
            (&state, "/var/lib"),
            (&libexec, "/usr/libexec"),
        ];
        let (program, conf) = (
            program.display().to_string(),
            inner("conf").display().to_string(),
        );
        let daemon = apart::start(dir.path(), &binds, &[&program, "-d", "-f", &conf]);
        let smtpd = Self {
            dir,
            address,
            daemon,
        };
        wait_until_it_listens(address, || smtpd.log());
        Some(smtpd)
    }
}

fn prepare(dir: &TempDir, address: SocketAddr) {
    apart::write_users(dir.path(), &USERS);
    for (name, owner) in [("spool", 0), ("run", 0), ("state", 0), ("mail", MAILBOX.id)] {
        apart::make_dir(dir.path(), name, owner);
    }
    // It shuts itself into this one.
    std::fs::create_dir_all(dir.path().join("state/opensmtpd/empty")).expect("our directory");
    let conf = format!(
        "table whole {{ \"@\" = {user} }}
listen on {} port {} hostname backend.example.org
action \"inbox\" maildir \"{}/mail/inbox\" virtual <whole>
match from any for any action \"inbox\"
",
        address.ip(),
        address.port(),
        dir.path().display(),
        user = MAILBOX.name
    );
    std::fs::write(dir.path().join("conf"), conf).expect("our directory");
}

impl Drop for OpenSmtpd {
    fn drop(&mut self) {
        apart::stop(&mut self.daemon);
    }
}

impl Backend for OpenSmtpd {
    /// `info: OpenSMTPD 6.8.0p2 starting` is its first line.
    fn name(&self) -> String {
        let log = self.log();
        let version = log
            .split_once("OpenSMTPD ")
            .and_then(|(_, rest)| rest.split(' ').next());
        format!("OpenSMTPD {}", version.expect("it tells its version"))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out")).unwrap_or_default()
    }

    fn inbox(&self) -> PathBuf {
        self.dir.path().join("mail/inbox/new")
    }

    fn own_fields(&self) -> &[&str] {
        &["Return-Path: ", "Delivered-To: ", "Received: "]
    }

    /// `250 2.0.0 d74819fe Message accepted for delivery`
    fn id_in<'r>(&self, reply: &'r str) -> &'r str {
        reply.split(' ').nth(2).expect("OpenSMTPD tells its id")
    }
}
