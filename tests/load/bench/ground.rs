//! What all peers share: the backend, a certificate, the programs that were built.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lazaret_load::Tree;

/// How long a peer may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name that peers answer to.
pub const HOSTNAME: &str = "mx.example.org";

/// Where peers stand.
#[derive(Debug)]
pub struct Ground {
    /// the mail server behind all of them
    pub sink: SinkProcess,
    /// `cert.pem` and `key.pem`, ECDSA on P-256, and `both.pem`; under a directory that everybody may read
    pub certificate: tempfile::TempDir,
    /// the release build of lazaret
    pub lazaret: PathBuf,
    /// the null filter, compiled to a component
    pub null_filter: PathBuf,
    /// Haraka's program, if it was found
    pub haraka: Option<PathBuf>,
}

impl Ground {
    /// The pair of files.
    pub fn pem(&self, name: &str) -> PathBuf {
        self.certificate.path().join(name)
    }
}

/// Makes the certificate that every peer presents.
pub fn certificate() -> Result<tempfile::TempDir> {
    let made = rcgen::generate_simple_self_signed(vec![HOSTNAME.to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let dir = private_directory("certificate")?;
    std::fs::write(dir.path().join("cert.pem"), &certificate)?;
    std::fs::write(dir.path().join("key.pem"), &key)?;
    std::fs::write(dir.path().join("both.pem"), certificate + &key)?;
    Ok(dir)
}

/// A directory of a peer's own. Daemons that give up root's rights must still be able to enter it.
pub fn private_directory(name: &str) -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new()
        .prefix(&format!("lazaret-bench-{name}-"))
        .tempdir()?;
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755))?;
    Ok(dir)
}

/// A loopback port that nobody listens on now.
pub fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until somebody listens on `address`, as long as `alive` says that it may still happen.
pub fn wait_for(address: SocketAddr, mut alive: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        ensure!(alive(), "it ended before it listened on {address}");
        ensure!(Instant::now() < deadline, "it does not listen on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The program `name`, where daemons live too.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).map(|dir| dir.join(name));
    let also = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(|dir| Path::new(dir).join(name));
    directories.chain(also).find(|file| file.is_file())
}

/// The sink in a process of its own, so that its CPU time can be told from the generator's.
#[derive(Debug)]
pub struct SinkProcess {
    child: Child,
    address: SocketAddr,
}

impl SinkProcess {
    /// Starts `lazaret-load sink`, which was built beside this program.
    pub fn start() -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("lazaret-load");
        let mut child = Command::new(&program)
            .args(["sink", "--threads", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim_end()
            .rsplit(' ')
            .next()
            .and_then(|a| a.parse().ok());
        let address = address.with_context(|| format!("the sink said {line:?}"))?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its processes.
    pub fn tree(&self) -> Tree {
        Tree::of(&[self.child.id()])
    }

    /// How many messages it took so far; it answers HELP with that.
    pub fn messages(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(self.address)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        line.clear();
        stream.write_all(b"HELP\r\n")?;
        reader.read_line(&mut line)?;
        let messages = line
            .split(' ')
            .find_map(|word| word.strip_prefix("messages="));
        let messages = messages.and_then(|number| number.parse().ok());
        messages.with_context(|| format!("the sink answered HELP with {line:?}"))
    }

    /// Waits until it has taken `messages`, which a peer with a queue may still hold. Exactly so many: a message lost or
    /// doubled makes the measurement worthless.
    pub fn wait_for(&self, messages: u64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let taken = self.messages()?;
            if taken == messages {
                return Ok(());
            }
            if taken > messages || Instant::now() > deadline {
                bail!("the sink has {taken} messages instead of {messages}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        let _ = end(&mut self.child);
    }
}

/// Ends a child of ours, first politely.
pub fn end(child: &mut Child) -> io::Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    signal(child.id(), "TERM")?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Sends a signal to a process that we started.
pub fn signal(process: u32, name: &str) -> io::Result<()> {
    let process = process.to_string();
    Command::new("kill").args(["-s", name, &process]).output()?;
    Ok(())
}
