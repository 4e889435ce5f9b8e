//! Debian's Postfix, started from a private directory: own queue, own ports, own mailbox.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::mailbox::{Backend, is_root, wait_until_it_listens};
use super::postlog::Postlog;
use crate::ports::free_port;

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(20);
/// The user that mail is delivered as.
const NOBODY: u32 = 65_534;
/// The service that its programs log to: ours. `postlog` itself must be in master.cf, and nobody asks it.
const LOG: &str = "lazaret-log";

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
    /// `None` until its directories are there
    log: Option<Postlog>,
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
        let mut postfix = Self {
            dir: dir.expect("a temporary directory"),
            address,
            log: None,
        };
        postfix.write(service, extra);
        let root = postfix.dir.path();
        let socket = root.join("queue/public").join(LOG);
        postfix.log = Some(Postlog::start(&socket, &root.join("log")));
        super::run(&mut postfix.command("start"));
        wait_until_it_listens(address, || postfix.log());
        Some(postfix)
    }

    fn write(&self, service: Service<'_>, extra: &str) {
        let root = self.dir.path();
        std::fs::set_permissions(root, PermissionsExt::from_mode(0o755)).expect("our directory");
        for name in ["etc", "queue", "queue/public", "data", "mail"] {
            std::fs::create_dir(root.join(name)).expect("a fresh directory");
        }
        give("postfix", &root.join("data"));
        give("nobody", &root.join("mail"));
        give("postfix:postdrop", &root.join("queue/public"));
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
}

impl Backend for Postfix {
    fn name(&self) -> String {
        let said = super::run(Command::new("/usr/sbin/postconf").args(["-d", "mail_version"]));
        let version = said
            .lines()
            .find_map(|line| line.strip_prefix("mail_version = "));
        let version = version.expect("Postfix tells its version");
        format!("Postfix {version}")
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn inbox(&self) -> PathBuf {
        self.dir.path().join("mail/inbox/new")
    }

    fn own_fields(&self) -> &[&str] {
        &[
            "Return-Path: ",
            "X-Original-To: ",
            "Delivered-To: ",
            "Received: ",
        ]
    }

    fn id_in<'r>(&self, reply: &'r str) -> &'r str {
        let (_, id) = reply
            .split_once("queued as ")
            .expect("Postfix tells its queue id");
        id.split_whitespace()
            .next()
            .expect("an id")
            .trim_end_matches(')')
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // A Postfix that is gone already has nothing to be told.
        if let Ok(stop) = self
            .command("stop")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            && !ends_within(stop, STOP)
        {
            self.kill();
        }
    }
}

impl Postfix {
    fn kill(&self) {
        let file = self.dir.path().join("queue/pid/master.pid");
        let Ok(master) = std::fs::read_to_string(file) else {
            return;
        };
        let group = format!("-{}", master.trim());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
    }
}

fn give(owner: &str, directory: &Path) {
    super::run(Command::new("chown").arg(owner).arg(directory));
}

fn ends_within(mut child: Child, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(child.kill());
    drop(child.wait());
    false
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
postlog_service_name = {LOG}
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
