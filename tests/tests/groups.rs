//! MAIL and the first RCPT reach the backend at once (RFC 2920), where it offers PIPELINING.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use lazaret_tests::{Client, Proxy};

/// How long the backend waits for RCPT before it answers MAIL.
const PATIENCE: Duration = Duration::from_millis(700);
const GROUP: &str = "MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<carol@example.org>\r\nDATA\r\n";

/// A backend that answers MAIL only once it has waited for what comes behind it, and tells what came.
fn slow_to_answer(offer: &'static str) -> (SocketAddr, Receiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            thread::spawn(move || drop(serve(stream, offer, &tell)));
        }
    });
    (address, told)
}

fn serve(mut stream: TcpStream, offer: &str, tell: &Sender<Option<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 backend.example.org ESMTP\r\n")?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let said = std::mem::take(&mut line);
        match &said[..4] {
            "EHLO" => write!(stream, "250-backend.example.org\r\n250 {offer}\r\n")?,
            "MAIL" => {
                stream.set_read_timeout(Some(PATIENCE))?;
                let behind = match lines.fill_buf() {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                    behind => Some(String::from_utf8_lossy(behind?).into_owned()),
                };
                stream.set_read_timeout(None)?;
                drop(tell.send(behind));
                stream.write_all(b"250 2.1.0 Ok\r\n")?;
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                while lines.read_line(&mut line)? > 0 && line != ".\r\n" {
                    line.clear();
                }
                line.clear();
                stream.write_all(b"250 2.0.0 taken\r\n")?;
            }
            _ => stream.write_all(b"250 2.1.5 Ok\r\n")?,
        }
    }
    Ok(())
}

/// What was behind MAIL when the backend had waited.
fn behind_mail(offer: &'static str, group: &str) -> Option<String> {
    let (address, told) = slow_to_answer(offer);
    let proxy = Proxy::before(address).start();
    let mut client = Client::greeted(proxy.plain());
    client.octets(group.as_bytes()).expect("it is there");
    client.expect("250 2.1.0 *");
    client.expect("250 2.1.5 *");
    if group == GROUP {
        client.expect("250 2.1.5 *");
        client.expect("354 *");
        client.content(b"Subject: hello\r\n\r\nA line.\r\n");
        client.expect("250 2.0.0 taken");
    }
    told.recv().expect("MAIL came")
}

#[test]
fn mail_and_rcpt_are_one_journey() {
    let behind = behind_mail("PIPELINING", GROUP);
    let behind = behind.expect("RCPT did not wait for the answer to MAIL");
    assert_eq!(behind, "RCPT TO:<bob@example.org>\r\n");
}

#[test]
fn a_backend_without_pipelining_is_asked_one_by_one() {
    assert_eq!(behind_mail("8BITMIME", GROUP), None);
}

#[test]
fn a_client_that_waits_hears_of_mail_first() {
    let (address, told) = slow_to_answer("PIPELINING");
    let proxy = Proxy::before(address).start();
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 2.1.0 *");
    assert!(told.try_recv().is_err(), "nobody to ask for yet");
    client.ask("RCPT TO:<bob@example.org>", "250 2.1.5 *");
    let behind = Some("RCPT TO:<bob@example.org>\r\n".to_owned());
    assert_eq!(told.recv(), Ok(behind));
}
