//! The README's recipe for Postfix, taken from the README and run literally.

use std::path::Path;
use std::process::{Command, Stdio};

use lazaret_tests::peers::{self, Backend, Postfix};
use lazaret_tests::{Client, Proxy};

/// The block of the README whose fence says `info`.
fn block(info: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let fence = format!("```{info}\n");
    let (_, rest) = readme
        .split_once(&fence)
        .unwrap_or_else(|| panic!("README has no block {info:?}"));
    let (block, _) = rest.split_once("```").expect("a fence has an end");
    block.to_owned()
}

/// The block of `lazaret.toml` that names how the backend learns who the client is.
fn backend_block() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let blocks = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let found = blocks.into_iter().find(|block| block.contains("identity"));
    found
        .expect("README has a TOML block with `identity`")
        .to_owned()
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

/// A proxy with the README's backend block, which has the address of that Postfix.
fn proxy(postfix: &Postfix) -> lazaret_tests::proxy::Builder {
    let backend = backend_block().replace("127.0.0.1:10025", &postfix.address().to_string());
    Proxy::before(postfix.address()).set(&backend)
}

fn probe(dir: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lazaret-under-test"))
        .args(["check", "--probe", "--config"])
        .arg(dir.join("lazaret.toml"))
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn the_recipe_delivers_and_the_probe_likes_it() {
    let Some(postfix) = postfix(|master| master, "") else {
        return;
    };
    let running = proxy(&postfix).start();
    let mut client = Client::greeted(running.plain());
    let message = b"Subject: by the book\r\n\r\nHello.\r\n";
    let reply = client.deliver("alice@example.com", &["bob@example.org"], message);
    assert_eq!(reply.code, 250, "{reply:?}\n{}", postfix.log());
    let arrived = postfix.arrived(1);
    assert_eq!(arrived.len(), 1, "{}", postfix.log());
    assert!(arrived[0].octets.ends_with(message));
    let (code, said) = probe(running.dir());
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
    let dir = proxy(&postfix)
        .set("[backend]\nidentity = \"none\"\n")
        .write();
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
    let (code, said) = probe(proxy(&postfix).write().path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("smtpd_authorized_xclient_hosts"), "{said}");
    peers::ran("postfix, no XCLIENT");
}
