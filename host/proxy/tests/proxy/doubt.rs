//! A message may come twice only if the backend can have taken it: if its dot has left us.

use futures_util::future::join_all;
use lazaret_proxy::control::{self, Request, Response};
use lazaret_proxy::explain::report::TransactionReport;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

use crate::kit::{Backend, Client, Running, Setup};

const RECIPIENT: &str =
    "S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250";
/// The proxy writes content in pieces of so many octets; what is left goes out with the dot.
const PIECE: usize = 64 << 10;
/// In two rows of sizes, one half a piece beside the other: however much the system takes of a message that nobody
/// reads, up to half a mebibyte, for one of them that is all but some of the last write.
const MESSAGES: usize = 16;

/// A socket whose connections take little that is not read: some 100 KiB on Linux, where it would be 3 MiB if only
/// the buffer of the receiver were small.
fn narrow() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    SockRef::from(&socket).set_tcp_mss(536).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(64).unwrap()
}

async fn before(backend: &Backend) -> Running {
    let setup = Setup {
        backend: "reply = \"3s\"\naccept = \"1s\"\nidle = \"0s\"",
        tables: "[admin]\nlisten = [\"127.0.0.1:0\"]\ncontrol = \"control.sock\"",
        ..Setup::default()
    };
    Running::start(backend, setup).await
}

fn subject(number: usize) -> String {
    format!("Subject: <{number}>")
}

/// Whole pieces, and nearly one more. Each line gets a dot, so that none is written from where it is.
fn message(number: usize) -> String {
    const LINE: usize = 512;
    let lines = |octets| octets / LINE;
    let aside = match number % 2 {
        0 => String::new(),
        _ => format!("X-Aside: {}\r\n", "x".repeat(LINE - 11)).repeat(lines(PIECE / 2)),
    };
    let line = format!("..{}\r\n", "x".repeat(LINE - 3));
    let body = line.repeat(lines(number / 2 * PIECE + PIECE - (2 << 10)));
    format!("{}\r\n{aside}\r\n{body}", subject(number))
}

async fn send(client: &mut Client, number: usize) -> String {
    client.play("C: DATA\nS: 354").await;
    client.send(message(number).as_bytes()).await;
    client.play("C: .").await;
    client.reply().await
}

/// What became of the one transaction of the session in this reply.
async fn told(proxy: &Running, reply: &str) -> TransactionReport {
    let id = reply.rsplit('(').next().unwrap().to_owned();
    let configuration = proxy.dir.path().join("lazaret.toml");
    let told = control::ask(&configuration, &Request::Explain { id }).await;
    match told.unwrap() {
        Response::Explanation(mut told) => told.transactions.remove(0),
        other => panic!("{other:?}"),
    }
}

/// The backend reads only when everybody has heard that it does not: it then finds what had left the proxy.
#[tokio::test]
async fn a_message_is_in_doubt_only_if_its_dot_has_left() {
    let backend = Backend::on(narrow());
    backend.state().deaf = true;
    let proxy = before(&backend).await;
    let mut clients = join_all((0..MESSAGES).map(|_| proxy.play(RECIPIENT))).await;
    let sent = clients.iter_mut().zip(0..).map(|(c, n)| send(c, n));
    let replies = join_all(sent).await;
    backend.state().deaf = false;
    backend.left_alone().await;
    let arrived = backend.messages();
    let mut problems = Vec::new();
    for (number, reply) in replies.iter().enumerate() {
        assert!(reply.starts_with("451 4.3."), "{number}: {reply}");
        let told = told(&proxy, reply).await;
        let whole = arrived.iter().any(|it| it.contains(&subject(number)));
        let fate = if whole { "in doubt" } else { "failed" };
        assert_eq!(told.fate, fate, "{number}: {:?}", told.problem);
        problems.extend(told.problem);
    }
    let ambiguous = &proxy.backend_status().await["ambiguous"];
    assert_eq!(*ambiguous, arrived.len());
    // Else this has tested nothing.
    let stuck = "backend silent for 3s at the end of data";
    assert!(problems.iter().any(|it| it == stuck), "{problems:#?}");
}
