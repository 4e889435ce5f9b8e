//! A peer that runs.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use lazaret_load::{Security, Tree};
use tempfile::TempDir;

use crate::ground::{end, free_port, private_directory, wait_for};

/// A running peer with a directory of its own; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    dir: TempDir,
    plain: SocketAddr,
    implicit: SocketAddr,
    children: Vec<Child>,
    /// a daemon that left us: its process, and a child of ours that stops it when its standard input ends
    daemon: Option<(u32, Child)>,
}

impl Server {
    /// A place for a peer: a directory and two free ports.
    pub fn prepare(name: &str) -> Result<Self> {
        Ok(Self {
            dir: private_directory(name)?,
            plain: free_port()?,
            implicit: free_port()?,
            children: Vec::new(),
            daemon: None,
        })
    }

    /// No server at all: what is measured is the way to `sink` itself.
    pub fn nobody(sink: SocketAddr) -> Result<Self> {
        let mut server = Self::prepare("nobody")?;
        (server.plain, server.implicit) = (sink, sink);
        Ok(server)
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into its directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let file = self.dir().join(name);
        let parent = file.parent().expect("a file below the directory");
        std::fs::create_dir_all(parent)?;
        std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Where it listens in the clear.
    pub fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// Where it listens with TLS from the first octet.
    pub fn implicit(&self) -> SocketAddr {
        self.implicit
    }

    /// The port for connections of this kind.
    pub fn address(&self, security: Security) -> SocketAddr {
        match security {
            Security::Implicit => self.implicit,
            Security::Plain | Security::Starttls => self.plain,
        }
    }

    /// All its processes.
    pub fn tree(&self) -> Tree {
        let children = self.children.iter().map(Child::id);
        let daemon = self.daemon.iter().map(|(process, _)| *process);
        Tree::of(&children.chain(daemon).collect::<Vec<_>>())
    }

    /// Starts one of its programs; what it says goes to `output` in its directory.
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        let output = File::create(self.dir().join("output"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{:?} does not start", command.get_program()))?;
        self.children.push(child);
        Ok(())
    }

    /// A daemon of its own session belongs to it, and `stop` is the shell command that ends it.
    pub fn adopt(&mut self, process: u32, stop: &str) -> Result<()> {
        use std::os::unix::process::CommandExt;
        // Of a group of its own, so that an interrupt from the terminal ends us and not the one who tidies up.
        let stopper = Command::new("sh")
            .args(["-c", &format!("cat >/dev/null; {stop}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        self.daemon = Some((process, stopper));
        Ok(())
    }

    /// Both ports are served.
    pub fn ready(mut self) -> Result<Self> {
        for address in [self.plain, self.implicit] {
            let children = &mut self.children;
            let alive = || {
                children
                    .iter_mut()
                    .all(|c| matches!(c.try_wait(), Ok(None)))
            };
            if let Err(error) = wait_for(address, alive) {
                bail!("{error}\n{}", self.output());
            }
        }
        Ok(self)
    }

    /// The end of what its program said.
    pub fn output(&self) -> String {
        let text = std::fs::read(self.dir().join("output")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((_, mut stopper)) = self.daemon.take() {
            drop(stopper.stdin.take());
            let _ = stopper.wait();
        }
        for child in &mut self.children {
            let _ = end(child);
        }
    }
}
