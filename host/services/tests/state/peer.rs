//! A Redis of our own, from a private directory.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lazaret_services::Trust;
use rustls::RootCertStore;

pub struct Server {
    child: Child,
    directory: tempfile::TempDir,
    door: Door,
}

#[derive(Clone, Copy)]
enum Door {
    Socket,
    Tls(SocketAddr),
}

/// Starts Debian's `redis-server`; None, and a line that says so, where it is not installed.
pub fn redis() -> Option<Server> {
    is_installed().then(|| {
        let directory = tempfile::tempdir().unwrap();
        Server::start(directory, || Door::Socket)
    })
}

/// The same with TLS alone, and who vouches for it.
pub fn redis_over_tls() -> Option<(Server, Trust)> {
    is_installed().then(|| {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let write = |name, text| std::fs::write(directory.path().join(name), text).unwrap();
        write("cert.pem", made.cert.pem());
        write("key.pem", made.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let server = Server::start(directory, || Door::Tls(free().unwrap()));
        (server, Trust::of(roots))
    })
}

fn is_installed() -> bool {
    let version = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if version.is_ok() {
        return true;
    }
    let required = std::env::var_os("LAZARET_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "redis-server is not installed, and LAZARET_REQUIRE_PEERS=1 wants it"
    );
    eprintln!("skipped: redis-server not installed");
    false
}

impl Server {
    /// Somebody else may take a free port before the server does: then at another one.
    fn start(directory: tempfile::TempDir, door: impl Fn() -> Door) -> Self {
        let tries = (0..10).map(|_| door());
        let mut started = tries.filter_map(|door| Some((start(directory.path(), door)?, door)));
        let (child, door) = started.next().expect("redis-server starts");
        Self {
            child,
            directory,
            door,
        }
    }

    pub fn url(&self) -> String {
        match self.door {
            Door::Socket => format!("redis+unix://{}", socket(self.directory.path())),
            Door::Tls(address) => format!("rediss://{address}"),
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        let child = start(self.directory.path(), self.door);
        self.child = child.expect("redis-server starts");
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

/// Until it listens; None if it ended instead.
fn start(directory: &Path, door: Door) -> Option<Child> {
    let mut command = Command::new("redis-server");
    // It writes before it answers, and what is written outlives a SIGKILL: a disk need not be waited for, which on a machine
    // at work may take seconds.
    command
        .args(["--port", "0", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "no", "--dir"])
        .arg(directory)
        .current_dir(directory)
        .stdout(Stdio::null());
    match door {
        Door::Socket => {
            let socket = socket(directory);
            let _ = std::fs::remove_file(&socket);
            command.args(["--unixsocket", &socket]);
        }
        Door::Tls(address) => {
            let port = address.port().to_string();
            command
                .args(["--bind", "127.0.0.1", "--tls-port", &port])
                .args(["--tls-auth-clients", "no", "--tls-ca-cert-file", "cert.pem"])
                .args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"]);
        }
    }
    let mut child = command.spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(30);
    while !listens(directory, door) {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < late, "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(child)
}

fn listens(directory: &Path, door: Door) -> bool {
    match door {
        Door::Socket => UnixStream::connect(socket(directory)).is_ok(),
        Door::Tls(address) => TcpStream::connect(address).is_ok(),
    }
}
