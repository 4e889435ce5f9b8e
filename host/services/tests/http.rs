//! Servers that are down, slow, lying or overdoing it: a filter hears so in time.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lazaret_services::dns::{Names, Zone};
use lazaret_services::http::{
    Budget, Chunks, Client, Content, Grant, Origin, REQUESTS, Request, Response,
};
use lazaret_services::{Refused, Trust};

/// How long a filter of these tests waits for what comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// And how long for what does not.
const SHORT: Duration = Duration::from_millis(700);

/// Reads a request up to its end, hands it over, and lets `answer` do what it likes with the connection.
fn server(
    answer: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, requests) = channel();
    let (answer, heard) = (Arc::new(answer), Arc::new(Mutex::new(heard)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer, heard) = (stream.unwrap(), answer.clone(), heard.clone());
            std::thread::spawn(move || {
                let request = request(&mut stream);
                let _ = heard.lock().unwrap().send(request);
                answer(&mut stream);
            });
        }
    });
    (address, requests)
}

fn request(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    let mut octet = [0];
    while !octets.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap_or(0) == 1 {
        octets.push(octet[0]);
    }
    let head = String::from_utf8_lossy(&octets).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let own = name.eq_ignore_ascii_case("content-length");
        own.then(|| value.parse().unwrap())
    });
    let mut content = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut content).unwrap();
    head + &String::from_utf8_lossy(&content)
}

fn says(text: &'static str) -> impl Fn(&mut TcpStream) + Send + Sync {
    move |stream| stream.write_all(text.as_bytes()).unwrap()
}

fn client(zone: &str) -> Client {
    Client::new(Names::of_zone(Zone::parse(zone).unwrap()), Trust::default())
}

fn grant(origin: &str) -> Grant {
    Grant {
        origins: vec![Origin::parse(origin).unwrap()],
        time: PATIENCE,
    }
}

fn get(url: &str) -> Request {
    Request {
        verb: "GET".into(),
        url: url.into(),
        fields: Vec::new(),
        content: Content::None,
    }
}

async fn fetch(address: SocketAddr, request: Request) -> Result<Response, Refused> {
    fetch_within(PATIENCE, address, request).await
}

async fn fetch_within(
    time: Duration,
    address: SocketAddr,
    request: Request,
) -> Result<Response, Refused> {
    let grant = Grant {
        time,
        ..grant(&address.to_string())
    };
    client("")
        .fetch(&grant, &mut Budget::of(&grant), request)
        .await
}

async fn fetched(
    time: Duration,
    answer: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> Result<Response, Refused> {
    let (address, _requests) = server(answer);
    let begun = Instant::now();
    let response = fetch_within(time, address, get(&format!("http://{address}/"))).await;
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    response
}

/// What a server does with a connection.
type Answer = Box<dyn Fn(&mut TcpStream) + Send + Sync>;

#[tokio::test]
async fn a_request_and_its_answer() {
    let (address, requests) = server(says(
        "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 5\r\n\r\nthere",
    ));
    let request = Request {
        verb: "POST".into(),
        fields: vec![("X-From".into(), "a@example.org".into())],
        content: Content::Octets(Bytes::from_static(b"{}")),
        ..get(&format!("http://{address}/check?x=1"))
    };
    let response = fetch(address, request).await.unwrap();
    assert_eq!((response.status, &*response.content), (302, &b"there"[..]));
    let location = ("location".to_owned(), "http://192.0.2.1/".to_owned());
    assert!(
        response.fields.contains(&location),
        "a redirect is an answer"
    );
    let heard = requests.recv().unwrap();
    assert!(heard.starts_with("POST /check?x=1 HTTP/1.1\r\n"), "{heard}");
    assert!(
        heard
            .to_lowercase()
            .contains(&format!("\r\nhost: {address}\r\n")),
        "{heard}"
    );
    assert!(heard.ends_with("\r\n\r\n{}"), "{heard}");
}

struct Spool(Bytes);

impl Chunks for Spool {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> std::io::Result<Bytes> {
        let start = usize::try_from(offset).unwrap();
        Ok(self.0.slice(start..self.0.len().min(start + length)))
    }
}

#[tokio::test]
async fn a_message_is_streamed() {
    let (address, requests) = server(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let message: Bytes = "0123456789abcdef".repeat(20_000).into();
    let request = Request {
        verb: "POST".into(),
        content: Content::Stream(Arc::new(Spool(message.clone()))),
        ..get(&format!("http://{address}/"))
    };
    assert_eq!(fetch(address, request).await.unwrap().status, 200);
    let heard = requests.recv().unwrap();
    assert!(heard.as_bytes().ends_with(&message));
    assert!(
        heard.to_lowercase().contains("content-length: 320000"),
        "{}",
        &heard[..300]
    );
}

#[tokio::test]
async fn servers_that_are_no_use_are_unavailable() {
    let cases: Vec<(&str, Answer)> = vec![
        ("closes", Box::new(|_| ())),
        (
            "speaks SMTP",
            Box::new(says("220 mx.example.org ESMTP\r\n")),
        ),
        (
            "cuts the answer",
            Box::new(says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")),
        ),
        (
            "says nothing",
            Box::new(|_| std::thread::sleep(PATIENCE * 3)),
        ),
        (
            "drips",
            Box::new(|stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
                while stream.write_all(b".").is_ok() {
                    std::thread::sleep(SHORT / 4);
                }
            }),
        ),
        (
            "has no end of fields",
            Box::new(|stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                while stream.write_all(b"X-Field: and another\r\n").is_ok() {}
            }),
        ),
    ];
    for (name, answer) in cases {
        let fetched = fetched(SHORT, answer).await;
        assert_eq!(fetched, Err(Refused::Unavailable), "{name}");
    }
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = fetch(closed, get(&format!("http://{closed}/"))).await;
    assert_eq!(down, Err(Refused::Unavailable));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = fetched(PATIENCE, |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    assert_eq!(endless.await, Err(Refused::Limit));
    let announces = says("HTTP/1.1 200 OK\r\nContent-Length: 536870912\r\n\r\nx");
    let announced = fetched(SHORT, announces);
    assert!(announced.await.is_err());
}

#[tokio::test]
async fn only_what_was_granted_is_asked() {
    let (address, requests) = server(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let port = address.port();
    for url in [
        format!("http://127.0.0.2:{port}/"),
        format!("http://127.0.0.1:{}/", port ^ 1),
        format!("https://{address}/"),
        format!("http://localhost:{port}/"),
    ] {
        let refused = fetch(address, get(&url)).await;
        assert_eq!(refused, Err(Refused::NotGranted), "{url}");
    }
    for url in [
        "".to_owned(),
        "/".to_owned(),
        format!("ftp://{address}/"),
        format!("http://user@{address}/"),
        format!("http://{address}/a b"),
    ] {
        let refused = fetch(address, get(&url)).await;
        assert_eq!(refused, Err(Refused::Invalid), "{url}");
    }
    assert!(requests.try_recv().is_err(), "nobody was asked");
}

#[tokio::test]
async fn a_filter_cannot_write_the_fields_that_frame_a_message() {
    let (address, requests) = server(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    for (name, value) in [
        ("Host", "other.example"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("X-A", "b\r\nX-C: d"),
        ("X A", "b"),
        ("", "b"),
    ] {
        let request = Request {
            fields: vec![(name.into(), value.into())],
            ..get(&format!("http://{address}/"))
        };
        assert_eq!(
            fetch(address, request).await,
            Err(Refused::Invalid),
            "{name}"
        );
    }
    let verb = Request {
        verb: "CONNECT".into(),
        ..get(&format!("http://{address}/"))
    };
    assert_eq!(fetch(address, verb).await, Err(Refused::Invalid));
    assert!(requests.try_recv().is_err(), "nobody was asked");
}

/// Mailboxes may have letters outside ASCII (RFC 6531); such octets are a field's own affair (RFC 9110 section 5.5).
#[tokio::test]
async fn fields_go_out_as_utf_8() {
    let (address, requests) = server(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let request = Request {
        fields: vec![("X-From".into(), "gr\u{fc}n@example.org".into())],
        ..get(&format!("http://{address}/"))
    };
    assert_eq!(fetch(address, request).await.unwrap().status, 200);
    let heard = requests.recv().unwrap();
    assert!(heard.contains(": gr\u{fc}n@example.org\r\n"), "{heard}");
}

#[tokio::test]
async fn a_name_never_leads_to_a_private_address() {
    let (address, requests) = server(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let client = client("rebound.example. A 127.0.0.1\nrebound.example. AAAA ::1\n");
    let origin = format!("rebound.example:{}", address.port());
    let grant = grant(&origin);
    let fetched = client
        .fetch(
            &grant,
            &mut Budget::of(&grant),
            get(&format!("http://{origin}/")),
        )
        .await;
    assert_eq!(fetched, Err(Refused::Unavailable));
    assert!(requests.try_recv().is_err(), "nobody was asked");
}

#[tokio::test]
async fn a_call_has_so_many_requests_and_so_much_time() {
    let (address, _requests) = server(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let grant = Grant {
        time: Duration::from_secs(30),
        ..grant(&address.to_string())
    };
    let mut budget = Budget::of(&grant);
    let client = client("");
    let url = format!("http://{address}/");
    for _ in 0..REQUESTS {
        assert!(client.fetch(&grant, &mut budget, get(&url)).await.is_ok());
    }
    let more = client.fetch(&grant, &mut budget, get(&url)).await;
    assert_eq!(more, Err(Refused::Limit));
}
