//! A proxy whose filters are made from the very octets of their files, so that a test sees which build answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lazaret_mail::{
    Answer, Failure, Filter, LoadError, Loader, Policy, Question, Sandbox, Source, Stage, StageSet,
    Verdict,
};
use lazaret_proxy::control::{self, Request, Response};
use lazaret_proxy::filters::report::ChainReport;
use lazaret_proxy::{Config, Proxy, Reloader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::filter::{hint, say};
use super::{Backend, Client};

/// Makes filters of text: `say WORDS` rejects each recipient with these words, `config` with its `[config]`, `pass`
/// does nothing, `discard` takes mail for nobody; `broken` cannot be loaded, `slow WORDS` takes a while, `flaky WORDS` loads once it is allowed to.
#[derive(Default)]
pub struct Foundry {
    /// what was handed over, in order
    pub loaded: Mutex<Vec<String>>,
    pub allows_flaky: AtomicBool,
    /// loads at this moment, and the most there ever were
    at_once: AtomicUsize,
    /// those that wait to be compiled go on
    pub gate: Notify,
    pub most_at_once: AtomicUsize,
}

impl Foundry {
    pub fn loads(&self) -> usize {
        self.loaded.lock().unwrap().len()
    }
}

#[async_trait]
impl Loader for Foundry {
    async fn load(&self, source: Source) -> Result<Arc<dyn Filter>, LoadError> {
        let text = String::from_utf8_lossy(&source.wasm).into_owned();
        self.loaded.lock().unwrap().push(text.clone());
        let now = self.at_once.fetch_add(1, SeqCst) + 1;
        self.most_at_once.fetch_max(now, SeqCst);
        let (kind, words) = text.split_once(' ').unwrap_or((&text, ""));
        if kind == "slow" {
            sleep(Duration::from_millis(100)).await;
        }
        if kind == "gated" {
            self.gate.notified().await;
        }
        self.at_once.fetch_sub(1, SeqCst);
        let reject = |words: &str| Verdict::Reject(hint(words));
        let verdict = match kind {
            "pass" => Verdict::Continue,
            "discard" => Verdict::Discard,
            "config" => reject(&source.policy.config),
            "shelf" if source.policy.lists.iter().all(|list| list.file.exists()) => {
                let texts = source.policy.lists.iter();
                let texts = texts.map(|list| std::fs::read_to_string(&list.file).unwrap());
                if texts.into_iter().any(|text| text.contains("broken")) {
                    return Err(LoadError::new(&source.file, "has a broken list", "mend it"));
                }
                reject(words)
            }
            "say" | "slow" | "gated" => reject(words),
            "flaky" if self.allows_flaky.load(SeqCst) => reject(words),
            _ => {
                return Err(LoadError::new(&source.file, "is broken", "mend it"));
            }
        };
        Ok(Arc::new(Cast {
            name: source.name,
            policy: source.policy,
            verdict,
        }))
    }
}

struct Cast {
    name: String,
    policy: Policy,
    verdict: Verdict,
}

impl Filter for Cast {
    fn name(&self) -> &str {
        &self.name
    }
    fn stages(&self) -> StageSet {
        [Stage::Rcpt].into_iter().collect()
    }
    fn policy(&self) -> &Policy {
        &self.policy
    }
    fn fork(&self) -> Box<dyn Sandbox> {
        Box::new(CastSandbox(self.verdict.clone()))
    }
}

struct CastSandbox(Verdict);

#[async_trait]
impl Sandbox for CastSandbox {
    async fn ask(&mut self, _: Question) -> Result<Answer, Failure> {
        Ok(say(self.0.clone()))
    }
}

/// A running proxy with a filter directory to play with.
pub struct Harbour {
    pub dir: tempfile::TempDir,
    pub foundry: Arc<Foundry>,
    pub reloader: Reloader,
    backend: Backend,
    address: SocketAddr,
    pub admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<()>,
}

impl Harbour {
    /// With these files in `filters.d`.
    pub async fn with(files: &[(&str, &str)]) -> Self {
        Self::set_up(files, "", "look = \"10ms\"\nquiet = \"20ms\"").await
    }

    pub async fn set_up(files: &[(&str, &str)], root: &str, reload: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let filters = dir.path().join("filters.d");
        std::fs::create_dir(&filters).unwrap();
        for (name, text) in files {
            std::fs::write(filters.join(name), text).unwrap();
        }
        Self::start(dir, root, reload).await
    }

    async fn start(dir: tempfile::TempDir, root: &str, reload: &str) -> Self {
        let backend = Backend::honest().await;
        let text = format!(
            "hostname = \"mx.example.org\"\nfilters = \"filters.d\"\n{root}\n[reload]\n{reload}\n[[listener]]\nname = \"mx\"\n\
             listen = [\"127.0.0.1:0\"]\nrecipients = [\"example.org\"]\n[backend]\naddress = [\"{}\"]\n\
             [admin]\nlisten = [\"127.0.0.1:0\"]\ncontrol = \"control.sock\"\n",
            backend.address
        );
        let path = dir.path().join("lazaret.toml");
        std::fs::write(&path, &text).unwrap();
        let config = Config::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let foundry = Arc::new(Foundry::default());
        let proxy = Proxy::bind(config, Arc::clone(&foundry) as _)
            .await
            .unwrap();
        let (address, reloader) = (proxy.addresses()[0].1, proxy.reloader());
        let admin = proxy.admin_addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(proxy.run(async move {
            drop(stopped.await);
        }));
        Self {
            dir,
            foundry,
            reloader,
            backend,
            address,
            admin,
            stop: Some(stop),
            done,
        }
    }

    /// Ends it and starts another one with the same files.
    pub async fn restarted(mut self) -> Self {
        drop(self.stop.take());
        self.done.await.unwrap();
        drop(self.backend);
        Self::start(self.dir, "", "look = \"10ms\"\nquiet = \"20ms\"").await
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its backend listens.
    pub fn backend(&self) -> SocketAddr {
        self.backend.address
    }

    /// Messages that the backend took.
    pub fn delivered(&self) -> usize {
        self.backend.messages().len()
    }

    pub fn configuration(&self) -> PathBuf {
        self.dir.path().join("lazaret.toml")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("filters.d").join(name)
    }

    /// As an editor that is careful does it: beside, then renamed over.
    pub fn put(&self, name: &str, text: &str) {
        let temporary = self.file(&format!(".{name}.new"));
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(temporary, self.file(name)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.file(from), self.file(to)).unwrap();
    }

    pub async fn ask(&self, request: Request) -> Response {
        control::ask(&self.configuration(), &request).await.unwrap()
    }

    pub async fn report(&self) -> ChainReport {
        match self.ask(Request::List).await {
            Response::Chain(report) => report,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the report is as wanted.
    pub async fn until(&self, wanted: impl Fn(&ChainReport) -> bool) -> ChainReport {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let report = self.report().await;
            if wanted(&report) {
                return report;
            }
            assert!(Instant::now() < deadline, "still {report:#?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn generation(&self, wanted: u64) -> ChainReport {
        self.until(|report| report.generation == wanted).await
    }

    /// What is said about the files as they are now, without our directory.
    pub async fn trouble(&self) -> Vec<String> {
        let report = self.until(|report| report.load_error.is_some()).await;
        let errors = report.load_error.unwrap().errors;
        let here = format!("{}/", self.dir.path().display());
        errors
            .iter()
            .map(|error| error.replace(&here, ""))
            .collect()
    }

    /// Long enough for anything to be noticed that would be.
    pub async fn settled(&self) -> ChainReport {
        sleep(Duration::from_millis(300)).await;
        self.report().await
    }

    /// A client that said MAIL.
    pub async fn sender(&self) -> Client {
        let mut client = Client::connect(self.address).await;
        client
            .play(
                "S: 220\nC: EHLO client.example.com\nS: 250\nC: MAIL FROM:<a@example.com>\nS: 250",
            )
            .await;
        client
    }

    /// What a recipient gets now.
    pub async fn verdict(&self) -> String {
        rcpt(&mut self.sender().await).await
    }

    /// Status and text of the admin port.
    pub async fn http(&self, method: &str, path: &str) -> (u16, String) {
        let mut tcp = TcpStream::connect(self.admin).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), text.to_owned())
    }
}

/// What this recipient gets, without the id.
pub async fn rcpt(client: &mut Client) -> String {
    client.send(b"RCPT TO:<b@example.org>\r\n").await;
    let reply = client.reply().await;
    reply.split(" (").next().unwrap().to_owned()
}
