//! Debian's Exim, unpacked and not installed: as a backend that delivers into a Maildir, and as a client that relays.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;

use tempfile::TempDir;

use super::apart::{self, User};
use super::mailbox::{Backend, wait_until_it_listens};
use crate::ports::free_port;

const USER: User = User {
    name: "Debian-exim",
    id: 64_001,
};

/// A running Exim; it is stopped when dropped.
#[derive(Debug)]
pub struct Exim {
    dir: TempDir,
    address: SocketAddr,
    daemon: Child,
}

/// An Exim that sends what it is given to one host.
#[derive(Debug)]
pub struct EximClient {
    dir: TempDir,
}

fn program() -> PathBuf {
    super::unpacked("exim4-daemon-light").join("usr/sbin/exim4")
}

fn directory(configuration: impl Fn(&Path) -> String) -> Option<TempDir> {
    if !apart::can_be("exim4", &program()) {
        return None;
    }
    let dir = tempfile::Builder::new().prefix("lazaret-exim-").tempdir();
    let dir = dir.expect("a temporary directory");
    apart::write_users(dir.path(), &[USER]);
    for name in ["spool", "mail", "log"] {
        apart::make_dir(dir.path(), name, USER.id);
    }
    let text = format!("{}\n{}", common(dir.path()), configuration(dir.path()));
    std::fs::write(dir.path().join("conf"), text).expect("our directory");
    Some(dir)
}

impl Exim {
    /// Starts one; `tls` are lines of its main section. `None` if it is not unpacked or cannot be started here.
    pub fn start(tls: &str) -> Option<Self> {
        let dir = directory(|dir| backend(dir, tls))?;
        let address = free_port();
        let listen = format!("[{}]:{}", address.ip(), address.port());
        let daemon = call(&dir, &["-bdf", "-oX", &listen], |dir, command| {
            apart::start(dir, &[], command)
        });
        let exim = Self {
            dir,
            address,
            daemon,
        };
        wait_until_it_listens(address, || exim.log());
        Some(exim)
    }
}

impl EximClient {
    /// Sends to `address`; `transport` are more lines of its smtp transport. `None` as for [`Exim::start`].
    pub fn to(address: SocketAddr, transport: &str) -> Option<Self> {
        let dir = directory(|_| relay(address, transport))?;
        Some(Self { dir })
    }

    /// With its version.
    pub fn name(&self) -> String {
        version(&self.dir)
    }

    /// Says this to it as an SMTP client of the same machine, and waits until it has sent what it was given.
    pub fn submit(&self, dialogue: &[u8]) -> String {
        let said = call(&self.dir, &["-odf", "-bs"], |dir, command| {
            apart::run(dir, &[], command, dialogue)
        });
        format!("{said}\n{}", log(&self.dir))
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        apart::stop(&mut self.daemon);
    }
}

impl Backend for Exim {
    fn name(&self) -> String {
        version(&self.dir)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        log(&self.dir)
    }

    fn inbox(&self) -> PathBuf {
        self.dir.path().join("mail/inbox/new")
    }

    fn own_fields(&self) -> &[&str] {
        &["Return-path: ", "Envelope-to: ", "Received: "]
    }

    fn id_in<'r>(&self, reply: &'r str) -> &'r str {
        let (_, id) = reply.split_once(" id=").expect("Exim tells its id");
        id.split_whitespace().next().expect("an id")
    }
}

fn call<T>(dir: &TempDir, arguments: &[&str], how: impl Fn(&Path, &[&str]) -> T) -> T {
    let (program, configuration) = (program(), dir.path().join("conf"));
    let paths = [&program, &configuration].map(|path| path.to_str().expect("a path of ours"));
    how(
        dir.path(),
        &[&[paths[0], "-C", paths[1]], arguments].concat(),
    )
}

fn log(dir: &TempDir) -> String {
    let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    ["log/mainlog", "log/paniclog", "out"].map(read).concat()
}

/// `Exim version 4.96 #2 built ...`
fn version(dir: &TempDir) -> String {
    let said = call(dir, &["-bV"], |dir, command| {
        apart::run(dir, &[], command, b"")
    });
    let version = said.split_whitespace().nth(2);
    format!("Exim {}", version.expect("Exim tells its version"))
}

fn common(dir: &Path) -> String {
    let (dir, program) = (dir.display(), program());
    format!(
        "exim_path = {}
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
pid_file_path = {dir}/spool/pid
keep_environment =
local_interfaces = 127.0.0.1
accept_8bitmime = true
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_rcpt = accept
message_size_limit = 50M
never_users =
host_lookup =
rfc1413_hosts =",
        program.display()
    )
}

fn backend(dir: &Path, tls: &str) -> String {
    let dir = dir.display();
    let tls = if tls.is_empty() {
        "tls_advertise_hosts ="
    } else {
        tls
    };
    format!(
        "primary_hostname = backend.example.org
{tls}
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {dir}/mail/inbox
  user = {user}
  return_path_add
  envelope_to_add
",
        user = USER.name
    )
}

fn relay(address: SocketAddr, transport: &str) -> String {
    format!(
        "primary_hostname = client.example.com
tls_advertise_hosts =
begin routers
all:
  driver = manualroute
  route_list = * {} byname
  transport = onward
  self = send
begin transports
onward:
  driver = smtp
  port = {}
  allow_localhost
  {transport}
",
        address.ip(),
        address.port()
    )
}
