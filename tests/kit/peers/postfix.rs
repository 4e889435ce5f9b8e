//! Debian's Postfix, started from a private directory: own queue, own ports, own mailbox.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long Postfix may take to start, and to deliver.
const PATIENCE: Duration = Duration::from_secs(30);

/// The user that mail is delivered as.
const NOBODY: u32 = 65_534;

/// A listening smtpd of the instance.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// e.g. `smtpd -o smtpd_tls_wrappermode=yes`
    pub command: &'a str,
}

impl Default for Service<'_> {
    fn default() -> Self {
        Self { command: "smtpd" }
    }
}

/// A running instance; it is stopped when dropped.
#[derive(Debug)]
pub struct Postfix {
    dir: TempDir,
    address: SocketAddr,
}

/// A message as Postfix delivered it, with CRLF again at the end of each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// the fields that Postfix itself put on top: Return-Path, X-Original-To, Delivered-To, and its Received
    pub own: Vec<u8>,
    /// everything below
    pub octets: Vec<u8>,
}

impl Postfix {
    /// Starts an instance that delivers mail for example.org into one Maildir. `extra` is appended to its
    /// main.cf. `None` if Postfix is not installed, or we are not root, without whom it does not start.
    pub fn start(service: Service<'_>, extra: &str) -> Option<Self> {
        super::find("postfix")?;
        if !is_root() {
            super::missing("postfix (which wants root)");
            return None;
        }
        let address = free_port();
        let dir = tempfile::Builder::new()
            .prefix("lazaret-postfix-")
            .tempdir();
        let postfix = Self {
            dir: dir.expect("a temporary directory"),
            address,
        };
        postfix.write(service, extra);
        super::run(&mut postfix.command("start"));
        postfix.wait();
        Some(postfix)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The messages delivered, once there are `count`; waits up to half a minute for them.
    pub fn arrived(&self, count: usize) -> Vec<Arrived> {
        let inbox = self.dir.path().join("mail/inbox/new");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let files = files_by_age(&inbox);
            if files.len() >= count || Instant::now() >= deadline {
                return files.iter().map(|file| Arrived::read(file)).collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn write(&self, service: Service<'_>, extra: &str) {
        let root = self.dir.path();
        std::fs::set_permissions(root, PermissionsExt::from_mode(0o755)).expect("our directory");
        for name in ["etc", "queue", "data", "mail"] {
            std::fs::create_dir(root.join(name)).expect("a fresh directory");
        }
        let postfix = super::run(Command::new("id").args(["-u", "postfix"]));
        let postfix = postfix.trim().parse().expect("a user id");
        let owned = chown(root.join("data"), Some(postfix), None)
            .and_then(|()| chown(root.join("mail"), Some(NOBODY), None));
        owned.expect("root may give files away");
        let main = format!("{}\n{extra}\n", main_cf(root));
        std::fs::write(root.join("etc/main.cf"), main).expect("our directory");
        let master = master_cf(self.address, service.command);
        std::fs::write(root.join("etc/master.cf"), master).expect("our directory");
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(super::find("postfix").expect("it was there at the start"));
        command.arg("-c").arg(self.dir.path().join("etc")).arg(verb);
        command
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            assert!(
                Instant::now() < deadline,
                "Postfix does not listen:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // A Postfix that is gone already has nothing to be told.
        let _ = self.command("stop").output();
    }
}

impl Arrived {
    fn read(file: &Path) -> Self {
        let stored = std::fs::read(file).expect("a delivered message");
        let mut octets = Vec::with_capacity(stored.len() + stored.len() / 40);
        for line in stored.split_inclusive(|octet| *octet == b'\n') {
            octets.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            octets.extend_from_slice(b"\r\n");
        }
        let body = octets.split_off(own_fields(&octets));
        Self {
            own: octets,
            octets: body,
        }
    }
}

/// The length of what Postfix put on top: three fields of the delivery, one Received field of its smtpd.
fn own_fields(octets: &[u8]) -> usize {
    let text = String::from_utf8_lossy(octets);
    let names = [
        "Return-Path: ",
        "X-Original-To: ",
        "Delivered-To: ",
        "Received: ",
    ];
    let mut lines = text.split_inclusive("\r\n").peekable();
    let mut length = 0;
    for name in names {
        let first = lines.next().unwrap_or_default();
        assert!(
            first.starts_with(name),
            "{first:?} where Postfix puts {name}"
        );
        length += first.len();
        while let Some(folded) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            length += folded.len();
        }
    }
    length
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn files_by_age(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.metadata().ok()?.modified().ok()?, path))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

/// A port that nobody listens on now.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket")
}

fn main_cf(root: &Path) -> String {
    let root = root.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log
maillog_file_prefixes = {root}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = backend.example.org
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
virtual_mailbox_limit = 0
message_size_limit = 52428800
smtputf8_enable = yes"
    )
}

fn master_cf(address: SocketAddr, command: &str) -> String {
    format!(
        "{address} inet n - n - - {command}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
virtual unix - n n - - virtual
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"
    )
}
