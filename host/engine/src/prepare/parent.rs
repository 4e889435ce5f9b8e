//! The parent's side: starts the child, feeds it, listens, and says what became of it.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lazaret_mail::{Clues, LoadError};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::frames::{self, FromChild, ToChild};
use super::{Desk, Order, Product, Step, relay};
use crate::inspect::fault;
use crate::text::{clip, printable};

/// Parent and child must be of one version: code and frames go between them.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Octets of what the child left on standard error that are kept: its end.
const MAX_NOISE: usize = 4096;
/// Octets of it that are shown.
const SHOWN_NOISE: usize = 300;
/// How much larger than the component its native code may be, besides its memory.
const MOST_EXPANSION: u64 = 16;

/// Prepares in a child process of its own; `program` is run as `PROGRAM prepare ..`. Blocks until the child has ended.
/// Must stay on one thread that lives as long: the child dies with it.
pub fn in_child(
    program: &Path,
    order: &Order,
    wasm: &[u8],
    config: &str,
    desk: &mut dyn Desk,
) -> Result<Product, LoadError> {
    let mut child = start(program, order).map_err(|error| not_started(program, &error))?;
    let late = match Late::after(order.limits.wall, &child) {
        Ok(late) => late,
        Err(error) => {
            // Nobody would end one that blocks.
            let _ = child.kill();
            let _ = child.wait();
            return Err(not_started(program, &error));
        }
    };
    let noise = Noise::collect(child.stderr.take());
    let mut talk = Talk {
        order,
        desk,
        step: Step::Waiting,
    };
    let answered = talk.hold(&mut child, wasm, config);
    let step = talk.step;
    if answered.is_err() {
        // It may have been refused in the middle of its work.
        let _ = child.kill();
    }
    let ended = late.reap(&mut child);
    let noise = noise.end();
    if !noise.is_empty() {
        tracing::debug!(
            filter = order.name,
            noise,
            "the preparation left on standard error"
        );
    }
    match answered {
        Ok(Some(product)) => Ok(product),
        Err(error) => Err(error),
        Ok(None) => Err(match ended {
            Ok((late, status)) => death(order, status, late, step, &noise),
            Err(error) => not_started(program, &error),
        }),
    }
}

fn start(program: &Path, order: &Order) -> std::io::Result<Child> {
    let limits = &order.limits;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    Command::new(program)
        .arg0("lazaret")
        .arg("prepare")
        .args(["--memory", &limits.memory.to_string()])
        .args(["--cpu", &limits.cpu.as_secs().max(1).to_string()])
        .env_clear()
        // Compiling shall not take all processors from mail.
        .env("RAYON_NUM_THREADS", (processors / 2).max(1).to_string())
        // The program's allocator takes a gigabyte of address space at once; what it does not use must not count as data.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// The conversation with a child.
struct Talk<'a> {
    order: &'a Order,
    desk: &'a mut dyn Desk,
    step: Step,
}

impl Talk<'_> {
    /// The product; or nothing, where the child ended without an answer.
    fn hold(
        &mut self,
        child: &mut Child,
        wasm: &[u8],
        config: &str,
    ) -> Result<Option<Product>, LoadError> {
        let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
            return Ok(None);
        };
        let first = ToChild::Prepare {
            order: Box::new(self.order.clone()),
            config: config.len() as u64,
            version: VERSION.to_owned(),
        };
        // A child that does not listen has ended, or will be ended by its wall: it shows when we listen.
        let _ = frames::write(&mut to, &first, &[config.as_bytes(), wasm]);
        let most = wasm.len() as u64 * MOST_EXPANSION + 2 * self.order.max_memory + (64 << 20);
        while let Ok(Some((frame, octets))) = frames::read(&mut from, most) {
            if let Some(product) = self.hear(frame, octets, &mut to)? {
                return Ok(Some(product));
            }
        }
        Ok(None)
    }

    fn hear(
        &mut self,
        frame: FromChild,
        octets: Vec<u8>,
        to: &mut impl Write,
    ) -> Result<Option<Product>, LoadError> {
        match frame {
            FromChild::Step(step) => {
                self.step = step;
                self.desk.step(step);
            }
            FromChild::Seen(seen) => {
                let denied = self.desk.settle(&seen)?;
                let _ = frames::write(to, &ToChild::Settled(denied), &[]);
            }
            FromChild::Said { level, by, message } => {
                relay::log(&self.order.name, &level, by, &message);
            }
            FromChild::Refused {
                problem,
                cure,
                detail,
                stderr,
                backtrace,
            } => {
                let clues = Clues {
                    detail,
                    stderr,
                    backtrace,
                };
                return Err(LoadError {
                    clues: Box::new(clues),
                    ..fault(problem, cure)
                });
            }
            // Of fewer octets than it says it is no answer.
            FromChild::Made { head, compiled } => {
                return Ok(Product::made(*head, compiled, octets));
            }
        }
        Ok(None)
    }
}

/// Kills the child when its time is over.
struct Late {
    over: Arc<AtomicBool>,
    ended: Sender<()>,
    thread: JoinHandle<()>,
}

impl Late {
    fn after(wall: Duration, child: &Child) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (sender, ended) = mpsc::channel::<()>();
        let pid = Pid::from_child(child);
        let told = over.clone();
        let work = move || {
            if ended.recv_timeout(wall) == Err(RecvTimeoutError::Timeout) {
                told.store(true, Ordering::SeqCst);
                let killed = kill_process(pid, Signal::KILL);
                tracing::debug!(?killed, "a preparation took too long");
            }
        };
        let thread = thread::Builder::new().name("lazaret-wall".into());
        Ok(Self {
            over,
            ended: sender,
            thread: thread.spawn(work)?,
        })
    }

    /// Waits for the end of the child. Its number is its own until it is reaped, and by then nobody kills by it.
    fn reap(self, child: &mut Child) -> std::io::Result<(bool, ExitStatus)> {
        let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(child)), seen))?;
        drop(self.ended);
        let _ = self.thread.join();
        let over = self.over.load(Ordering::SeqCst);
        Ok((over, child.wait()?))
    }
}

/// Standard error of the child: read to its end, so that it never blocks; only the end is kept.
struct Noise(Option<JoinHandle<String>>);

impl Noise {
    fn collect(stderr: Option<ChildStderr>) -> Self {
        let work = move || {
            let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
            let mut stderr = stderr?;
            while let Ok(octets @ 1..) = stderr.read(&mut piece) {
                kept.extend_from_slice(&piece[..octets]);
                let over = kept.len().saturating_sub(MAX_NOISE);
                kept.drain(..over);
            }
            Some(String::from_utf8_lossy(&kept).trim().to_owned())
        };
        let thread = thread::Builder::new().name("lazaret-noise".into());
        Self(thread.spawn(move || work().unwrap_or_default()).ok())
    }

    fn end(self) -> String {
        let said = self.0.and_then(|thread| thread.join().ok());
        said.unwrap_or_default()
    }
}

fn not_started(program: &Path, error: &std::io::Error) -> LoadError {
    fault(
        format!(
            "no process could be started to prepare it ({}: {error})",
            program.display()
        ),
        "look at the limits on processes and memory, then load it again",
    )
}

/// Did it end for want of memory? Then no allocation of ours comes back, and no thread of its compiler starts.
fn starved(signal: Option<Signal>, noise: &str) -> bool {
    const WORDS: [&str; 3] = [
        "memory allocation of",
        "Cannot allocate memory",
        "Resource temporarily unavailable",
    ];
    matches!(signal, None | Some(Signal::ABORT)) && WORDS.iter().any(|words| noise.contains(words))
}

/// A child that ended without an answer: by which limit, and at which step.
fn death(order: &Order, status: ExitStatus, late: bool, step: Step, noise: &str) -> LoadError {
    let limits = &order.limits;
    let signal = status.signal().and_then(Signal::from_named_raw);
    let smaller = "make it smaller, or give it less to configure";
    let problem = match signal {
        _ if late => format!("its preparation took longer than {:?}", limits.wall),
        Some(Signal::XCPU) => format!("its preparation used its CPU time of {:?}", limits.cpu),
        _ if starved(signal, noise) => format!(
            "its preparation wants more memory than {} MiB",
            limits.memory >> 20
        ),
        Some(Signal::KILL) => {
            "its preparation was killed from outside, as the kernel does when memory is short"
                .to_owned()
        }
        _ => format!("its preparation ended without an answer ({status})"),
    };
    let cure = match signal {
        _ if late => smaller,
        Some(Signal::XCPU | Signal::ABORT) => smaller,
        _ if starved(signal, noise) => smaller,
        Some(Signal::KILL) => "load it again when there is more memory",
        _ => "report this, with the file",
    };
    // Where Rust says how to see more, it has said why in the lines before.
    let mut said = noise.lines().filter(|line| !line.starts_with("note: "));
    let last = said.next_back().unwrap_or_default();
    let last = match (signal, last) {
        (Some(Signal::KILL | Signal::XCPU), _) | (_, "") => String::new(),
        (_, words) => format!(": {}", printable(clip(words, SHOWN_NOISE))),
    };
    fault(format!("{problem}, while {step}{last}"), cure)
}
