//! The watchdog of the service manager: a program that stands gives no sign of life, and one that goes on does.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lazaret_tests::faults::signs::{Heard, Manager};
use lazaret_tests::peers;
use lazaret_tests::program::{Launch, Program};
use lazaret_tests::{BackendDouble, Client, Proxy};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lazaret-under-test");
/// As `WatchdogSec=` of a unit says it, but short.
const WATCHDOG: Duration = Duration::from_millis(600);

/// A program as its service manager sees it.
struct Watched {
    program: Program,
    manager: Manager,
    _backend: BackendDouble,
    _directory: tempfile::TempDir,
}

impl Watched {
    fn start() -> Self {
        let backend = BackendDouble::start();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let manager = Manager::listen(directory.path());
        let socket = directory.path().join("notify").display().to_string();
        let watchdog = WATCHDOG.as_micros().to_string();
        let variables = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", watchdog)];
        let launch = Launch {
            environment: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            ..Launch::default()
        };
        let builder = Proxy::before(backend.address());
        Self {
            program: Program::launch(Path::new(PROGRAM), builder, launch),
            manager,
            _backend: backend,
            _directory: directory,
        }
    }

    fn listen(&self, span: Duration) -> Heard {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| self.manager.watch(&over));
            std::thread::sleep(span);
            over.store(true, Ordering::SeqCst);
            heard.join().expect("it only listens")
        })
    }

    /// Signs come, as often as the manager wants them at least.
    fn gives_signs(&self) {
        let heard = self.listen(10 * WATCHDOG);
        assert!(heard.signs >= 5, "of a program that lives: {heard}");
    }

    /// After twice the time that is allowed between two, none is given any more.
    fn is_silent(&self) {
        let before = self.listen(2 * WATCHDOG);
        let heard = self.listen(4 * WATCHDOG);
        assert_eq!(heard.signs, 0, "of a program that stands: {heard}");
        println!(
            "{} signs in the first {:?}, then none",
            before.signs,
            2 * WATCHDOG
        );
    }

    fn serves(&self) {
        let mut client = Client::greeted(self.program.plain());
        let message = b"Subject: after it\r\n\r\nA line.\r\n";
        let reply = client.deliver("alice@example.com", &["bob@example.org"], message);
        assert_eq!(reply.code, 250, "{reply:?}");
    }
}

/// Threads that carry tasks stand still, as if each were in a call that never ends; all others go on, that of the signs
/// too. They go on when this is dropped.
struct Standstill(Child);

/// Each of them is traced (ptrace(2)) and interrupted. Where this ends, the system lets them go.
const INTERRUPT: &str = r#"
import ctypes, os, sys
process, wanted = int(sys.argv[1]), sys.argv[2]
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.restype, ptrace.argtypes = ctypes.c_long, [ctypes.c_long] * 4
SEIZE, INTERRUPT = 0x4206, 0x4207
stopped = 0
for thread in map(int, os.listdir(f"/proc/{process}/task")):
    name = open(f"/proc/{process}/task/{thread}/comm").read().strip()
    main = thread == process or name.startswith("tokio")
    carries = name.removeprefix("lazaret-").isdigit()
    if not ((main or carries) if wanted == "all" else name == wanted):
        continue
    for request in SEIZE, INTERRUPT:
        if ptrace(request, thread, 0, 0) == -1:
            sys.exit(print("refused: " + os.strerror(ctypes.get_errno()), flush=True))
    stopped += 1
print("stopped", stopped, flush=True)
sys.stdin.read()
"#;

impl Standstill {
    /// Of `all` threads that carry tasks, or of the one with that name. Nothing where it is not to be had here.
    fn of(program: &Program, threads: &str) -> Option<Self> {
        let mut tracer = Command::new(peers::find("python3")?)
            .args(["-c", INTERRUPT, &program.id().to_string(), threads])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        let said = BufReader::new(tracer.stdout.take().expect("a pipe")).read_line(&mut line);
        said.expect("text");
        let standstill = Self(tracer);
        println!("threads of the runtime: {}", line.trim_end());
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["stopped", count] => assert!(
                count
                    .parse::<u32>()
                    .is_ok_and(|count| count >= if threads == "all" { 3 } else { 1 }),
                "{count}"
            ),
            _ => {
                peers::missing("a right to trace others");
                return None;
            }
        }
        Some(standstill)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        // Our own child; it may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_runtime_that_stands_gives_no_sign_until_it_goes_on() {
    let watched = Watched::start();
    watched.gives_signs();
    stands_and_goes_on(&watched, "all");
}

/// The clients on it get nothing more, whatever the others do.
#[test]
fn one_thread_of_sessions_that_stands_is_enough() {
    let watched = Watched::start();
    stands_and_goes_on(&watched, "lazaret-0");
}

fn stands_and_goes_on(watched: &Watched, threads: &str) {
    let Some(standstill) = Standstill::of(&watched.program, threads) else {
        return;
    };
    watched.is_silent();
    drop(standstill);
    watched.gives_signs();
    watched.serves();
    peers::ran("python3");
}

#[test]
fn a_program_that_is_stopped_gives_no_sign_until_it_goes_on() {
    let watched = Watched::start();
    watched.gives_signs();
    watched.program.signal("STOP");
    watched.is_silent();
    watched.program.signal("CONT");
    watched.gives_signs();
    watched.serves();
}
