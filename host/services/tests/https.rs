//! `https` for filters: an answer only from whom an authority vouches for, by the name that was asked for.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use lazaret_services::dns::{Names, Zone};
use lazaret_services::http::{Budget, Client, Content, Grant, Origin, Request, Response};
use lazaret_services::{Refused, Trust};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean";

/// Answers each request after a handshake; what it is asked is told.
struct Server {
    address: SocketAddr,
    roots: RootCertStore,
    heard: Receiver<String>,
}

fn serve(name: &str, answer: &'static [u8]) -> Server {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut tls = StreamOwned::new(connection, stream.unwrap());
            let mut request = vec![0; 4096];
            // Whoever does not believe the certificate goes without a request.
            if let Ok(length) = tls.read(&mut request) {
                let _ = told.send(String::from_utf8_lossy(&request[..length]).into_owned());
                let _ = tls.write_all(answer);
            }
        }
    });
    Server {
        address,
        roots,
        heard,
    }
}

async fn fetch(origin: &str, trust: Trust) -> Result<Response, Refused> {
    let grant = Grant {
        origins: vec![Origin::parse(origin).unwrap()],
        time: Duration::from_secs(20),
    };
    let request = Request {
        verb: "GET".into(),
        url: format!("{origin}/check"),
        fields: Vec::new(),
        content: Content::None,
    };
    let names = Names::of_zone(Zone::parse("").unwrap());
    let client = Client::new(names, trust);
    client.fetch(&grant, &mut Budget::of(&grant), request).await
}

#[tokio::test]
async fn a_server_whose_authority_is_believed_is_asked_and_heard() {
    let server = serve("127.0.0.1", ANSWER);
    let origin = format!("https://{}", server.address);
    let response = fetch(&origin, Trust::of(server.roots)).await.unwrap();
    assert_eq!((response.status, &*response.content), (200, &b"clean"[..]));
    let heard = server.heard.recv().unwrap();
    assert!(heard.starts_with("GET /check HTTP/1.1\r\n"), "{heard}");
}

#[tokio::test]
async fn nothing_is_said_to_a_stranger() {
    let server = serve("127.0.0.1", ANSWER);
    let origin = format!("https://{}", server.address);
    let answer = fetch(&origin, Trust::default()).await;
    assert_eq!(answer, Err(Refused::Unavailable));
    assert!(server.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_stranger() {
    let server = serve("scanner.example.org", ANSWER);
    let origin = format!("https://{}", server.address);
    let answer = fetch(&origin, Trust::of(server.roots)).await;
    assert_eq!(answer, Err(Refused::Unavailable));
    assert!(server.heard.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_in_the_clear_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(ANSWER);
        }
    });
    let answer = fetch(&origin, Trust::default()).await;
    assert_eq!(answer, Err(Refused::Unavailable));
}

/// Whoever cuts the connection cannot make a part look like the whole.
#[tokio::test]
async fn an_answer_that_is_cut_off_is_none() {
    let server = serve(
        "127.0.0.1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nclean",
    );
    let origin = format!("https://{}", server.address);
    let answer = fetch(&origin, Trust::of(server.roots)).await;
    assert_eq!(answer, Err(Refused::Unavailable));
}
