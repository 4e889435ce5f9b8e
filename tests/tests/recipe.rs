//! The README's recipe for Postfix, taken from the README and run literally.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lazaret_tests::peers::{self, Backend, Postfix};
use lazaret_tests::ports::free_port;
use lazaret_tests::{Client, certificate};
use tempfile::TempDir;

/// The blocks of the README whose fence says `info`, in order.
fn blocks(info: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let fence = format!("```{info}\n");
    let rests = readme.split(&fence).skip(1);
    let block = |rest: &str| rest.split("```").next().map(str::to_owned);
    rests.filter_map(block).collect()
}

/// The only one.
fn block(info: &str) -> String {
    let mut blocks = blocks(info);
    assert_eq!(blocks.len(), 1, "blocks {info:?} of README");
    blocks.remove(0)
}

/// The configuration of the first screen, and the line that the recipe adds at its end.
fn configuration() -> (String, String) {
    let blocks = blocks("toml");
    let [first, line] = <[String; 2]>::try_from(blocks).expect("README has two TOML blocks");
    (first, line)
}

/// Beside the recipe: mail for example.org goes into our one mailbox.
const SINK: &str = "virtual_mailbox_domains =\nlocal_transport = virtual\n";

/// A Postfix as the README says, `change` applied to the lines of its master.cf.
fn postfix(change: impl Fn(String) -> String, extra: &str) -> Option<Postfix> {
    let master = change(block("text master.cf"));
    let (service, options) = master.split_once('\n').expect("a service and its options");
    let command = service.split_whitespace().last().expect("a command");
    let command = format!("{command}\n{}", options.trim_end());
    let main = format!("{SINK}{}\n{extra}", block("ini main.cf"));
    Postfix::start(peers::Service { command: &command }, &main)
}

/// A directory with the README's `lazaret.toml`: addresses, ports and paths are ours, and what `change` makes of it.
fn directory(backend: SocketAddr, change: impl Fn(String) -> String) -> (TempDir, SocketAddr) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("filters.d")).expect("our directory");
    certificate::shared().write(dir.path());
    let (first, line) = configuration();
    let (listener, other) = (free_port(), free_port());
    let ours = [
        ("0.0.0.0:25", listener.to_string()),
        ("[::]:25", other.to_string()),
        ("127.0.0.1:10025", backend.to_string()),
        ("tls/fullchain.pem", "cert.pem".to_owned()),
        ("tls/privkey.pem", "key.pem".to_owned()),
    ];
    let text = ours.iter().fold(first + &line, |text, (theirs, ours)| {
        assert!(text.contains(theirs), "README no longer says {theirs}");
        text.replace(theirs, ours)
    });
    std::fs::write(dir.path().join("lazaret.toml"), change(text)).expect("our directory");
    (dir, listener)
}

/// `lazaret run` as a process of its own, which ends with this.
struct Running(Child);

impl Running {
    fn start(dir: &Path, listener: SocketAddr) -> Self {
        let mut command = lazaret("run", dir);
        let child = command.stderr(Stdio::null()).spawn();
        let running = Self(child.expect("the program starts"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(listener).is_err() {
            assert!(Instant::now() < deadline, "it listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lazaret(command: &str, dir: &Path) -> Command {
    let mut lazaret = Command::new(env!("CARGO_BIN_EXE_lazaret-under-test"));
    lazaret
        .arg(command)
        .arg("--config")
        .arg(dir.join("lazaret.toml"))
        .envs(["XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"].map(|name| (name, dir)))
        .stdin(Stdio::null());
    lazaret
}

fn told(output: Output) -> (Option<i32>, String) {
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn probe(dir: &Path) -> (Option<i32>, String) {
    let output = lazaret("check", dir).arg("--probe").output();
    told(output.expect("the program starts"))
}

/// Both as they are on the page: without the recipe's line, too, it is a configuration.
#[test]
fn the_first_screen_loads() {
    let (_, line) = configuration();
    let nobody = free_port();
    let without = |text: String| text.replace(&line, "");
    for (dir, _) in [directory(nobody, without), directory(nobody, |text| text)] {
        let output = lazaret("check", dir.path()).output();
        let (code, said) = told(output.expect("the program starts"));
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn the_recipe_delivers_and_the_probe_likes_it() {
    let Some(postfix) = postfix(|master| master, "") else {
        return;
    };
    let (dir, listener) = directory(postfix.address(), |text| text);
    let _running = Running::start(dir.path(), listener);
    let mut client = Client::greeted(listener);
    client.start_tls();
    client.ask("EHLO client.example.com", "250 *");
    let message = b"Subject: by the book\r\n\r\nHello.\r\n";
    let reply = client.deliver("alice@example.com", &["bob@example.org"], message);
    assert_eq!(reply.code, 250, "{reply:?}\n{}", postfix.log());
    let arrived = postfix.arrived(1);
    assert_eq!(arrived.len(), 1, "{}", postfix.log());
    assert!(arrived[0].octets.ends_with(message));
    let (code, said) = probe(dir.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("refuses strangers"), "{said}");
    peers::ran("postfix, README recipe");
}

#[test]
fn without_its_locks_the_probe_finds_an_open_relay() {
    let open = |master: String| {
        let lines = master
            .lines()
            .filter(|line| !line.contains("smtpd_relay_restrictions"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let trusting = "mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n";
    let Some(postfix) = postfix(open, trusting) else {
        return;
    };
    let nameless = |text: String| text.replace("\"xclient\"", "\"none\"");
    let (dir, _) = directory(postfix.address(), nameless);
    let (code, said) = probe(dir.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("RELAYS"), "{said}");
    peers::ran("postfix, open relay");
}

#[test]
fn without_xclient_the_probe_names_the_line_to_add() {
    let mute = |master: String| {
        let lines = master.lines().filter(|line| !line.contains("xclient"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let Some(postfix) = postfix(mute, "") else {
        return;
    };
    let (dir, _) = directory(postfix.address(), |text| text);
    let (code, said) = probe(dir.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("smtpd_authorized_xclient_hosts"), "{said}");
    peers::ran("postfix, no XCLIENT");
}
