//! What the tests of the proxy share: a scripted backend, a client that plays transcripts, filters written in Rust.
#![allow(dead_code)] // each test file uses its own part

pub mod backend;
pub mod client;
pub mod filter;
pub mod harbour;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_mail::ClientNames;
use lazaret_proxy::{Config, Proxy, Reloader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub use backend::{Act, Backend};
pub use client::Client;
pub use filter::Filters;

/// From the greeting to where the content may come.
pub const DATA: &str = "S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354";

/// A proxy that runs until this is dropped.
pub struct Running {
    pub address: SocketAddr,
    pub dir: tempfile::TempDir,
    pub reloader: Reloader,
    admin: SocketAddr,
    health: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<()>,
}

/// What a test changes of the configuration.
#[derive(Default)]
pub struct Setup {
    /// lines of the root table
    pub root: &'static str,
    /// lines of the listener
    pub listener: &'static str,
    /// lines of `[backend]`, with its `address` or without
    pub backend: &'static str,
    /// further tables
    pub tables: &'static str,
    pub filters: Filters,
    /// who knows what clients are called
    pub names: Option<Arc<dyn ClientNames>>,
}

impl Running {
    /// In front of this backend, with the defaults.
    pub async fn before(backend: &Backend) -> Self {
        Self::start(backend, Setup::default()).await
    }

    pub async fn start(backend: &Backend, setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("quarantine")).unwrap();
        setup.filters.write(&dir.path().join("filters.d"));
        let text = config(&setup, backend.address);
        let path = dir.path().join("lazaret.toml");
        std::fs::write(&path, &text).unwrap();
        let mut config = Config::read(&path).unwrap_or_else(|e| panic!("{e}\n{text}"));
        // Not in the directory of a real one.
        config.control = Some(dir.path().join("control.sock"));
        let proxy = Proxy::bind(config, Arc::new(setup.filters)).await.unwrap();
        setup.names.into_iter().for_each(|it| proxy.ask_names(it));
        let (address, reloader) = (proxy.addresses()[0].1, proxy.reloader());
        let (admin, health) = (proxy.admin_addresses()[0], proxy.health_address());
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(proxy.run(async move {
            drop(stopped.await);
        }));
        Self {
            address,
            dir,
            reloader,
            admin,
            health,
            stop: Some(stop),
            done,
        }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A client that plays this from the greeting on.
    pub async fn play(&self, transcript: &str) -> Client {
        let mut client = self.client().await;
        client.play(transcript).await;
        client
    }

    /// A client that is offered this keyword of the backend's. EHLO waits for the backend for half a second, which on a busy
    /// machine may be too little, and then offers less.
    pub async fn offered(&self, keyword: &str) -> Client {
        let late = Instant::now() + Duration::from_secs(20);
        loop {
            let mut client = self.play("S: 220\nC: EHLO client.example.com").await;
            let offer = client.lines().await.join("|");
            if offer.contains(keyword) {
                return client;
            }
            assert!(Instant::now() < late, "no {keyword} in {offer}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text at the admin port.
    async fn told(&self, path: &str) -> String {
        http(self.admin, path).await.1
    }

    /// Status and text of `/healthz` at the admin port.
    pub async fn healthz(&self) -> (u16, String) {
        http(self.admin, "/healthz").await
    }

    /// Status and text at the port `[admin] health`.
    pub async fn outside(&self, path: &str) -> (u16, String) {
        http(self.health(), path).await
    }

    /// Where that is, from this host.
    pub fn health(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.health.unwrap().port()).into()
    }

    /// What `/status` says of the first address of the backend.
    pub async fn backend_status(&self) -> serde_json::Value {
        let status = self.told("/status").await;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["backend"]["addresses"][0].clone()
    }

    /// All series of this name in `/metrics` together. Nothing is asked of the backend for it.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.told("/metrics").await;
        let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        text.lines().filter(of_name).map(value).sum()
    }

    /// Waits until that is as wanted: each session is on a thread of its own, and what it does is seen a moment later.
    pub async fn until(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        let late = Instant::now() + Duration::from_secs(10);
        loop {
            let value = self.metric(name).await;
            if wanted(value) {
                return;
            }
            assert!(Instant::now() < late, "{name} is {value}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nobody has a connection to the backend any more.
    pub async fn until_let_go(&self) {
        let in_use = "lazaret_backend_in_use";
        self.until(in_use, |links| links == 0.0).await;
    }

    /// Asks for the shutdown.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the proxy has ended.
    pub async fn ended(self) {
        self.done.await.unwrap();
    }

    pub fn quarantined(&self, ending: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.path().join("quarantine")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|e| e == ending))
            .map(read)
            .collect()
    }
}

async fn http(address: SocketAddr, path: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), text.to_owned())
}

fn read(path: impl AsRef<Path>) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

fn config(setup: &Setup, backend: SocketAddr) -> String {
    let recipients = if setup.listener.contains("recipients") {
        ""
    } else {
        "recipients = [\"example.org\"]"
    };
    let address = if setup.backend.contains("address") {
        String::new()
    } else {
        format!("address = [\"{backend}\"]")
    };
    let admin = if setup.tables.contains("[admin]") {
        ""
    } else {
        "[admin]\nlisten = [\"127.0.0.1:0\"]"
    };
    format!(
        "hostname = \"mx.example.org\"\nfilters = \"filters.d\"\nquarantine = \"quarantine\"\n{}\n\
         [[listener]]\nname = \"mx\"\nlisten = [\"127.0.0.1:0\"]\n{recipients}\n{}\n\
         [backend]\n{address}\n{}\n{}\n{admin}\n",
        setup.root, setup.listener, setup.backend, setup.tables
    )
}
