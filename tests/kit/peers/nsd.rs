//! Debian's NSD, an authoritative name server, started from a private directory.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports::free_port;

/// How long it may take to answer its first query.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Nsd {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Nsd {
    /// Serves these zones, each a name and the text of its file. None if NSD is not installed.
    pub fn start(zones: &[(&str, &str)]) -> Option<Self> {
        let program = super::find("nsd")?;
        let dir = tempfile::Builder::new().prefix("lazaret-nsd-").tempdir();
        let dir = dir.expect("a temporary directory");
        let address = free_port();
        let place = dir.path().display();
        let mut config = format!(
            "server:\n  ip-address: {}@{}\n  username: \"\"\n  zonesdir: \"{place}\"\n  database: \"\"\n  \
             pidfile: \"{place}/pid\"\n  xfrdfile: \"{place}/xfrd\"\n  zonelistfile: \"{place}/list\"\n  \
             xfrdir: \"{place}\"\n  logfile: \"{place}/log\"\n  server-count: 1\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n",
            address.ip(),
            address.port()
        );
        for (name, text) in zones {
            config += &format!("zone:\n  name: \"{name}\"\n  zonefile: \"{name}.zone\"\n");
            let file = dir.path().join(format!("{name}.zone"));
            std::fs::write(file, text).expect("a writable directory");
        }
        let file = dir.path().join("nsd.conf");
        std::fs::write(&file, config).expect("a writable directory");
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(&file);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let nsd = Self {
            child: child.expect("nsd starts"),
            address,
            dir,
        };
        nsd.wait();
        Some(nsd)
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait(&self) {
        let begun = Instant::now();
        while std::net::TcpStream::connect(self.address).is_err() {
            let log = std::fs::read_to_string(self.dir.path().join("log"));
            assert!(begun.elapsed() < PATIENCE, "nsd does not listen: {log:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}
