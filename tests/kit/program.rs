//! The program itself as a process of its own: `lazaret run`, its log, its memory.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports::free_port;
use crate::proxy::Builder;

/// A running `lazaret run`; it is told to end when this is dropped.
#[derive(Debug)]
pub struct Program {
    program: PathBuf,
    dir: TempDir,
    addresses: [SocketAddr; 3],
    launch: Launch,
    /// with [`Sockets::Handed`], what it is to listen on
    handed: Vec<TcpListener>,
    child: Child,
}

/// How the program is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// what starts it: a command that becomes what stands behind it, e.g. `nice -n 19`
    pub by: Vec<String>,
    /// variables of its environment
    pub environment: Vec<(String, String)>,
    /// who reads its log
    pub log: Log,
    /// who listens
    pub sockets: Sockets,
}

/// Who opens the sockets of the three listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sockets {
    /// the program
    #[default]
    Own,
    /// we, as systemd does: they are there before the program and after it
    Handed,
}

/// Who reads the log of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// the file `log` of its directory
    #[default]
    File,
    /// nobody: a pipe that is never emptied, and everything is said
    Blocked,
}

/// File descriptors of the threads that carry sessions: one thread for each processor, and four for each thread.
pub fn descriptors_of_threads() -> usize {
    4 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// The listeners that every builder has.
const LISTENERS: [&str; 3] = ["plain", "starttls", "implicit"];

impl Program {
    /// Starts `program` with what was built; each of the three listeners gets a free port.
    pub fn run(program: &str, builder: Builder) -> Self {
        Self::launch(Path::new(program), builder, Launch::default())
    }

    /// The same, started otherwise.
    pub fn launch(program: &Path, builder: Builder, launch: Launch) -> Self {
        let addresses = LISTENERS.map(|_| free_port());
        let listen = |builder: Builder, (name, address): (&str, SocketAddr)| {
            builder.set(&format!("[listener-{name}]\nlisten = [\"{address}\"]"))
        };
        let dir = LISTENERS
            .into_iter()
            .zip(addresses)
            .fold(builder, listen)
            .write();
        let handed = match launch.sockets {
            Sockets::Own => Vec::new(),
            Sockets::Handed => addresses.map(listening).into(),
        };
        let child = start(program, dir.path(), &launch, &handed);
        let mut started = Self {
            program: program.into(),
            dir,
            addresses,
            launch,
            handed,
            child,
        };
        started.until_it_listens();
        started
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("it ends");
    }

    /// Starts it again, with the same files on the same ports.
    pub fn again(&mut self) {
        self.child = start(&self.program, self.dir.path(), &self.launch, &self.handed);
        self.until_it_listens();
    }

    /// Before that its filters are compiled, which on a machine at work takes long.
    fn until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(240);
        while !self.listens() {
            let ended = self.child.try_wait().expect("our own child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "it does not listen ({ended:?}); the log:\n{}",
                self.log(&[]).join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// At a socket that was handed over it does so once it greets.
    fn listens(&self) -> bool {
        let Ok(mut client) = TcpStream::connect(self.addresses[0]) else {
            return false;
        };
        let patience = client.set_read_timeout(Some(Duration::from_secs(30)));
        patience.expect("a time");
        self.handed.is_empty() || client.read_exact(&mut [0]).is_ok()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code, once it has ended; waits so long for that.
    pub fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.child.try_wait().expect("our own child");
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Another command of the same program about this proxy: `--config` is added.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.dir.path().join("lazaret.toml"))
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    }

    /// The listener without TLS.
    pub fn plain(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The listener of that name: `plain`, `starttls` or `implicit`.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let known = LISTENERS.iter().position(|name| *name == listener);
        self.addresses[known.unwrap_or_else(|| panic!("no listener {listener}"))]
    }

    /// A file of its filter directory.
    pub fn filter(&self, name: &str) -> PathBuf {
        self.dir.path().join("filters.d").join(name)
    }

    /// Puts a file in the place of another in one step.
    pub fn put(&self, name: &str, octets: &[u8]) {
        self.put_all(&[(name, octets)]);
    }

    /// Puts files there that are of no use without each other. All are written before the first is in its place: the program
    /// may look at any time, and should hardly ever see one alone.
    pub fn put_all(&self, files: &[(&str, &[u8])]) {
        let beside = |name: &str| self.filter(&format!(".{name}.new"));
        for (name, octets) in files {
            std::fs::write(beside(name), octets).expect("our directory");
        }
        for (name, _) in files {
            std::fs::rename(beside(name), self.filter(name)).expect("our directory");
        }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The lines of its log in which all of `words` occur.
    pub fn log(&self, words: &[&str]) -> Vec<String> {
        let text = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text
            .lines()
            .filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }

    /// Waits until the log has such a line.
    pub fn logs(&self, words: &[&str]) -> Vec<String> {
        self.until(&format!("a line with {words:?}"), || {
            !self.log(words).is_empty()
        });
        self.log(words)
    }

    /// Waits up to a minute.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        self.until_within(Duration::from_secs(60), what, is_so);
    }

    /// Waits up to so long.
    pub fn until_within(&self, patience: Duration, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + patience;
        while !is_so() {
            let log = self.log(&[]).join("\n");
            assert!(
                Instant::now() < deadline,
                "{what} does not come; the log:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal, e.g. `HUP`.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(told.expect("kill is there").success());
    }

    /// Waits until it has ended of itself; its exit code.
    pub fn ends(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// Memory it holds, in KiB (`VmRSS` of Linux); 0 where that is not known.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Tells it to end, and waits until it has; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(address: SocketAddr) -> TcpListener {
    TcpListener::bind(address).expect("a port that is nobody else's")
}

/// What systemd does last, as sd_listen_fds(3) says: the sockets, here in the place of standard input and output, become
/// descriptors from 3 on, and the program hears whom they are for.
const HANDS_OVER: [&str; 4] = [
    "sh",
    "-c",
    "exec 3<&0 4<&1 5<&2 </dev/null >/dev/null 2>>\"$XDG_RUNTIME_DIR/log\"; LISTEN_FDS=3 LISTEN_PID=$$ exec \"$@\"",
    "sh",
];

fn start(program: &Path, dir: &Path, launch: &Launch, handed: &[TcpListener]) -> Child {
    let hands_over: &[&str] = match handed {
        [] => &[],
        _ => &HANDS_OVER,
    };
    let mut words = hands_over
        .iter()
        .map(OsStr::new)
        .chain(launch.by.iter().map(OsStr::new))
        .chain([program.as_os_str()]);
    let mut command = Command::new(words.next().expect("at least the program"));
    command.args(words).args(["run", "--log-format", "json"]);
    // Else the configuration says how much.
    if launch.log == Log::Blocked {
        command.args(["--log", "trace"]);
    }
    command
        .arg("--config")
        .arg(dir.join("lazaret.toml"))
        .env("XDG_RUNTIME_DIR", dir)
        .env("XDG_CACHE_HOME", dir)
        .env("XDG_STATE_HOME", dir.join("state"))
        .envs(launch.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(match launch.log {
            Log::File => Stdio::from(log(dir)),
            // The child keeps the end that is read, so it is not closed, and nobody reads it.
            Log::Blocked => Stdio::piped(),
        });
    if let [one, other, third] = handed {
        let stdio = |socket: &TcpListener| {
            let socket = socket.try_clone().expect("a descriptor");
            Stdio::from(OwnedFd::from(socket))
        };
        command
            .stdin(stdio(one))
            .stdout(stdio(other))
            .stderr(stdio(third));
    }
    command.spawn().expect("the program starts")
}

fn log(dir: &Path) -> File {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("log"));
    file.expect("our directory")
}
