//! The resolvers of the system, as `/etc/resolv.conf` names them now: at boot it may come after us, and who brings up a
//! network writes it anew.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::network::{Heard, Network};
use crate::Fault;

/// Where the system names them.
const FILE: &str = "/etc/resolv.conf";
/// RFC 1035 section 4.2; the file cannot name another.
const PORT: u16 = 53;
/// How often the file is looked at, at most, and only if somebody asks for a name or how things are.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Octets that are read of it.
const LARGEST: u64 = 64 << 10;

/// Follows the file. Whatever is wrong with a new one, the resolvers before it are asked on; if there were none, every name
/// fails until there are.
pub struct System {
    file: PathBuf,
    port: u16,
    every: Duration,
    looked: Mutex<Instant>,
    now: Mutex<Now>,
    /// somebody wanted to know a name: only then it is trouble that there is nobody to ask
    wanted: AtomicBool,
}

#[derive(Default)]
struct Now {
    /// the file, or why it could not be read; None before the first look
    read: Option<Result<Vec<u8>, String>>,
    network: Option<Arc<Network>>,
    trouble: Option<String>,
}

impl System {
    /// Blocks for one look at the file.
    pub fn open() -> Arc<Self> {
        Self::following(FILE.into(), PORT, LOOK_EVERY)
    }

    fn following(file: PathBuf, port: u16, every: Duration) -> Arc<Self> {
        let system = Self {
            file,
            port,
            every,
            looked: Mutex::new(Instant::now()),
            now: Mutex::default(),
            wanted: AtomicBool::default(),
        };
        system.look();
        Arc::new(system)
    }

    /// Who is to be asked now. Whoever comes when it is time for a look waits for it, the others do not.
    pub async fn network(self: &Arc<Self>) -> Option<Arc<Network>> {
        self.wanted.store(true, Relaxed);
        if self.is_due() {
            let system = Arc::clone(self);
            // An error: the runtime has come to its end.
            let _ = spawn_blocking(move || system.look()).await;
        }
        self.lock().network.clone()
    }

    /// See [`Network::note`].
    pub fn note(&self, heard: &[Heard]) {
        if let Some(network) = &self.lock().network {
            network.note(heard);
        }
    }

    /// Why names that somebody wanted to know are not answered, or are by resolvers that the file no longer names. If it is time for a look, that is
    /// taken aside, for the next who asks.
    pub fn trouble(self: &Arc<Self>, runtime: Option<&Handle>) -> Option<String> {
        if let Some(runtime) = runtime
            && self.is_due()
        {
            let system = Arc::clone(self);
            drop(runtime.spawn_blocking(move || system.look()));
        }
        if !self.wanted.load(Relaxed) {
            return None;
        }
        let now = self.lock();
        let silence = || now.network.as_ref()?.trouble();
        now.trouble.clone().or_else(silence)
    }

    /// For one of those who ask.
    fn is_due(&self) -> bool {
        let mut looked = self.looked.lock().expect("no holder of this lock panics");
        let is_due = looked.elapsed() >= self.every;
        if is_due {
            *looked = Instant::now();
        }
        is_due
    }

    /// Blocks.
    fn look(&self) {
        let read = read(&self.file).map_err(|error| error.to_string());
        let mut now = self.lock();
        if now.read.as_ref() == Some(&read) {
            return;
        }
        let is_first = now.read.is_none();
        let network = match &read {
            Ok(text) => Network::of_file(text, self.port),
            Err(why) => Err(super::network::no_resolver(why)),
        };
        now.read = Some(read);
        match network {
            Ok(network) => {
                now.network = Some(Arc::new(network));
                now.trouble = None;
                if !is_first {
                    let file = self.file.display();
                    tracing::info!("{file} changed: the resolvers that it names are asked");
                }
            }
            Err(fault) => now.complain(&fault),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("no holder of this lock panics")
    }
}

impl Now {
    fn complain(&mut self, fault: &Fault) {
        let meanwhile = match self.network {
            Some(_) => "the resolvers from before are asked on",
            None => "until then every name fails",
        };
        let trouble = format!("{fault}; {meanwhile}");
        tracing::warn!("{trouble}");
        self.trouble = Some(trouble);
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?.take(LARGEST).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;
    use tokio::time::sleep;

    use super::*;
    use crate::dns::{Answer, DomainName, Kind, Names, Source};

    /// Says NXDOMAIN to whatever it is asked (RFC 1035 section 4.1.1).
    async fn resolver() -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut octets = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut octets).await {
                let flags = [0x81, 0x83];
                octets[2..4].copy_from_slice(&flags);
                socket.send_to(&octets[..length], from).await.unwrap();
            }
        });
        port
    }

    fn names(file: &Path, port: u16, every: Duration) -> (Names, Arc<System>) {
        let system = System::following(file.to_owned(), port, every);
        let source = Arc::new(Source::System(Arc::clone(&system)));
        let runtime = Some(Handle::current());
        (Names { source, runtime }, system)
    }

    async fn ask(names: &Names) -> Answer {
        let name = DomainName::parse("none.example.org").unwrap();
        names.resolve(name, Kind::A, Duration::from_secs(5)).await
    }

    /// As at boot, when the network comes last.
    #[tokio::test]
    async fn a_file_that_comes_later_is_read_when_a_name_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let (names, _) = names(&file, resolver().await, Duration::ZERO);
        assert_eq!(ask(&names).await, Answer::Failed);
        let trouble = names.trouble().unwrap();
        assert!(trouble.starts_with("no resolver for names: "), "{trouble}");
        assert!(trouble.ends_with("every name fails"), "{trouble}");
        std::fs::write(&file, "search example.org\n").unwrap();
        assert_eq!(ask(&names).await, Answer::Failed);
        assert!(names.trouble().unwrap().contains("no nameservers found"));
        std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
        assert_eq!(ask(&names).await, Answer::NoName);
        assert_eq!(names.trouble(), None);
    }

    #[tokio::test]
    async fn another_resolver_is_asked_and_a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
        let (names, system) = names(&file, resolver().await, Duration::ZERO);
        let first = system.network().await.unwrap();
        assert!(Arc::ptr_eq(&first, &system.network().await.unwrap()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(ask(&names).await, Answer::NoName);
        let trouble = names.trouble().unwrap();
        assert!(trouble.ends_with("from before are asked on"), "{trouble}");
        std::fs::write(&file, "nameserver 127.0.0.1\nnameserver 192.0.2.53\n").unwrap();
        assert_eq!(ask(&names).await, Answer::NoName);
        assert!(!Arc::ptr_eq(&first, &system.network().await.unwrap()));
        assert_eq!(names.trouble(), None);
    }

    #[tokio::test]
    async fn who_asks_how_things_are_has_it_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let (names, _) = names(&file, PORT, Duration::ZERO);
        assert_eq!(names.trouble(), None, "nobody wants to know a name");
        assert_eq!(ask(&names).await, Answer::Failed);
        assert!(names.trouble().is_some());
        std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
        while names.trouble().is_some() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn it_is_not_looked_at_for_each_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let (names, system) = names(&file, PORT, Duration::from_secs(3600));
        std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
        assert!(system.network().await.is_none());
        assert!(names.trouble().is_some());
    }
}
