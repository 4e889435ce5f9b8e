//! The program itself as a process of its own: `lazaret run`, its log, its memory.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::peers::free_port;
use crate::proxy::Builder;

/// A running `lazaret run`; it is told to end when this is dropped.
#[derive(Debug)]
pub struct Program {
    program: PathBuf,
    dir: TempDir,
    address: SocketAddr,
    child: Child,
}

impl Program {
    /// Starts `program` with what was built; its listener `plain` gets a free port.
    pub fn run(program: &str, builder: Builder) -> Self {
        Self::run_with(program, builder, |_, _| {})
    }

    /// The same; `set` is given its directory and its command, to change its surroundings.
    pub fn run_with(
        program: &str,
        builder: Builder,
        set: impl FnOnce(&Path, &mut Command),
    ) -> Self {
        let address = free_port();
        let listen = format!("[listener-plain]\nlisten = [\"{address}\"]");
        let dir = builder.set(&listen).write();
        let log = File::create(dir.path().join("log")).expect("our directory");
        let mut command = Command::new(program);
        command
            .args(["run", "--log-format", "json", "--config"])
            .arg(dir.path().join("lazaret.toml"))
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("XDG_CACHE_HOME", dir.path())
            .stdin(Stdio::null())
            .stderr(log);
        set(dir.path(), &mut command);
        let child = command.spawn().expect("the program starts");
        let started = Self {
            program: program.into(),
            dir,
            address,
            child,
        };
        started.until("it listens", || TcpStream::connect(address).is_ok());
        started
    }

    /// Another command of the same program about this proxy: `--config` is added.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.dir.path().join("lazaret.toml"))
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    }

    /// The listener without TLS.
    pub fn plain(&self) -> SocketAddr {
        self.address
    }

    /// A file of its filter directory.
    pub fn filter(&self, name: &str) -> PathBuf {
        self.dir.path().join("filters.d").join(name)
    }

    /// Puts a file in the place of another in one step.
    pub fn put(&self, name: &str, octets: &[u8]) {
        let beside = self.filter(&format!(".{name}.new"));
        std::fs::write(&beside, octets).expect("our directory");
        std::fs::rename(beside, self.filter(name)).expect("our directory");
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The lines of its log in which all of `words` occur.
    pub fn log(&self, words: &[&str]) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("log")).expect("our file");
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
        let deadline = Instant::now() + Duration::from_secs(60);
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

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
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
