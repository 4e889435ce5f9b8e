//! Postfix, from a directory of its own: as a proxy before the queue, or with a queue and milters.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Absent, milter};
use crate::ground::{Ground, HOSTNAME, find};
use crate::server::Server;

/// How Postfix stands in front of the sink.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// `smtpd_proxy_filter`: no queue, the sink's reply is the client's
    Proxy,
    /// so many null milters, then the queue, then its SMTP client
    Milters(usize),
}

pub fn start(ground: &Ground, role: Role) -> Result<Server, Absent> {
    let program = find("postfix").ok_or_else(|| Absent::NotHere("postfix".into()))?;
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Err(Absent::NotHere("postfix (which wants root)".into()));
    }
    let mut server = Server::prepare("postfix")?;
    let mut extra = String::new();
    match role {
        Role::Proxy => extra = format!("smtpd_proxy_filter = {}\n", ground.sink.address()),
        Role::Milters(count) => {
            let null = milter::build(&server)?;
            let sockets: Result<Vec<_>, _> = (0..count)
                .map(|n| milter::run(&mut server, &null, n))
                .collect();
            extra += &format!("smtpd_milters = {}\n", sockets?.join(", "));
        }
    }
    write(&server, ground, &extra)?;
    let etc = server.dir().join("etc");
    let started = Command::new(&program)
        .arg("-c")
        .arg(&etc)
        .arg("start")
        .output()?;
    if !started.status.success() {
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        return Err(Absent::Broken(anyhow::anyhow!("postfix start: {said}")));
    }
    let stop = format!("{} -c {} stop", program.display(), etc.display());
    let master = master(&server)?;
    server.adopt(master, &stop)?;
    Ok(server.ready()?)
}

/// The process of master(8), from its pid file.
fn master(server: &Server) -> Result<u32> {
    let file = server.dir().join("queue/pid/master.pid");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Ok(process) = text.trim().parse()
        {
            return Ok(process);
        }
        ensure!(Instant::now() < deadline, "Postfix wrote no master.pid");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn write(server: &Server, ground: &Ground, extra: &str) -> Result<()> {
    let id = Command::new("id").args(["-u", "postfix"]).output()?;
    let user = String::from_utf8(id.stdout)?
        .trim()
        .parse()
        .context("a user id")?;
    for name in ["queue", "data"] {
        std::fs::create_dir(server.dir().join(name))?;
    }
    chown(server.dir().join("data"), Some(user), None)?;
    server.write("etc/main.cf", main_cf(server, ground) + extra)?;
    server.write(
        "etc/master.cf",
        master_cf(server.plain(), server.implicit()),
    )
}

/// Nothing is looked up, nobody is counted, everything for anybody goes to the sink.
fn main_cf(server: &Server, ground: &Ground) -> String {
    let (root, sink) = (server.dir().display(), ground.sink.address());
    let certificate = ground.certificate.path().display();
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
myhostname = {HOSTNAME}
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
relay_domains = example.org
relay_transport = smtp:[{ip}]:{port}
smtp_host_lookup = native
message_size_limit = 52428800
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}/cert.pem
smtpd_tls_key_file = {certificate}/key.pem
",
        ip = sink.ip(),
        port = sink.port(),
    )
}

fn master_cf(plain: SocketAddr, implicit: SocketAddr) -> String {
    format!(
        "{plain} inet n - n - - smtpd
{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"
    )
}
