//! Names from resolvers that are down, slow, lying or overdoing it: an answer in time, whatever they do.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lazaret_services::Refused;
use lazaret_services::dns::{
    Answer, Budget, Confirmed, Grant, Kind, Names, Query, RECORDS, Settings,
};

/// How long a filter of these tests waits for what comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// And how long for what does not.
const SHORT: Duration = Duration::from_millis(500);

/// A resolver on loopback that answers each query with what `answer` makes of it; nothing for None.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
}

impl Server {
    fn start(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let (socket, address) = free_in_both();
        let asked = Arc::new(AtomicU32::new(0));
        let counter = asked.clone();
        std::thread::spawn(move || {
            let mut query = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                counter.fetch_add(1, Ordering::Relaxed);
                if let Some(octets) = answer(&query[..length]) {
                    let _ = socket.send_to(&octets, from);
                }
            }
        });
        Self { address, asked }
    }

    /// Also answers over TCP, each connection with these octets behind their length.
    fn tcp(self, message: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind(self.address).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                std::io::Read::read_exact(&mut stream, &mut length).unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                std::io::Read::read_exact(&mut stream, &mut query).unwrap();
                let message = message(&query);
                let length = u16::try_from(message.len()).unwrap().to_be_bytes();
                let _ = stream.write_all(&[&length[..], &message].concat());
            }
        });
        self
    }

    fn names(&self) -> Names {
        Names::open(&Settings::Servers(vec![self.address])).unwrap()
    }
}

/// A port that is free over UDP and over TCP: other programs of the machine hold ports, too.
fn free_in_both() -> (UdpSocket, SocketAddr) {
    let sockets = (0..100).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    let addressed = sockets.map(|socket| {
        let address = socket.local_addr().unwrap();
        (socket, address)
    });
    let mut free = addressed.filter(|(_, address)| TcpListener::bind(address).is_ok());
    free.next().unwrap()
}

/// Octets of header and question of a query.
fn question(query: &[u8]) -> &[u8] {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    &query[..at + 5]
}

/// A response with this code and these records, each type and data, owned by the name of the question.
fn response(query: &[u8], flags: u16, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut octets = question(query).to_vec();
    octets[2..4].copy_from_slice(&flags.to_be_bytes());
    octets[4..6].copy_from_slice(&1_u16.to_be_bytes());
    octets[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    octets[8..12].fill(0);
    for (kind, data) in records {
        octets.extend([0xc0, 12]);
        octets.extend(kind.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 60]);
        octets.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        octets.extend(data);
    }
    octets
}

const OK: u16 = 0x8180;
const TRUNCATED: u16 = 0x8380;
const SERVFAIL: u16 = 0x8182;
const NXDOMAIN: u16 = 0x8183;
const REFUSED: u16 = 0x8185;
const A: u16 = 1;
const CNAME: u16 = 5;
const PTR: u16 = 12;
const TXT: u16 = 16;

fn query(name: &str, kind: Kind) -> Query {
    Query {
        name: name.to_owned(),
        kind,
    }
}

async fn ask(names: &Names, name: &str, kind: Kind) -> Answer {
    ask_within(PATIENCE, names, name, kind).await
}

async fn ask_within(time: Duration, names: &Names, name: &str, kind: Kind) -> Answer {
    let grant = Grant {
        time,
        ..Grant::default()
    };
    let mut budget = Budget::of(&grant);
    let answers = names.ask(&grant, &mut budget, &[query(name, kind)]).await;
    answers.unwrap().remove(0)
}

#[tokio::test]
async fn records_and_their_absence() {
    let server = Server::start(|query| {
        Some(match query[13] {
            b'a' => response(
                query,
                OK,
                &[(A, vec![192, 0, 2, 1]), (A, vec![192, 0, 2, 2])],
            ),
            b'n' => response(query, NXDOMAIN, &[]),
            _ => response(query, OK, &[]),
        })
    });
    let names = server.names();
    let found = Answer::Records(vec!["192.0.2.1".into(), "192.0.2.2".into()]);
    assert_eq!(ask(&names, "a.example", Kind::A).await, found);
    assert_eq!(ask(&names, "n.example", Kind::A).await, Answer::NoName);
    assert_eq!(ask(&names, "x.example", Kind::A).await, Answer::NoData);
    let asked = server.asked.load(Ordering::Relaxed);
    assert_eq!(ask(&names, "A.Example.", Kind::A).await, found);
    assert_eq!(server.asked.load(Ordering::Relaxed), asked, "it was cached");
}

#[tokio::test]
async fn a_resolver_that_fails_or_lies_is_a_failure() {
    let server = Server::start(|query| {
        Some(match query[13] {
            b's' => response(query, SERVFAIL, &[]),
            b'r' => response(query, REFUSED, &[]),
            // a name that leads to itself
            b'l' => response(query, OK, &[(CNAME, vec![0xc0, 12])]),
            // five octets as an address
            _ => response(query, OK, &[(A, vec![1, 2, 3, 4, 5])]),
        })
    });
    let names = server.names();
    for name in ["s.example", "r.example"] {
        assert_eq!(ask(&names, name, Kind::A).await, Answer::Failed, "{name}");
    }
    for name in ["l.example", "w.example"] {
        let answer = ask_within(SHORT, &names, name, Kind::A).await;
        let nothing = matches!(answer, Answer::Failed | Answer::Late | Answer::NoData);
        assert!(nothing, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_silent_resolver_is_late_and_uses_up_the_time_of_the_call() {
    let server = Server::start(|_| None);
    let names = server.names();
    let grant = Grant {
        time: SHORT,
        ..Grant::default()
    };
    let mut budget = Budget::of(&grant);
    let many: Vec<_> = (0..64)
        .map(|n| query(&format!("q{n}.example"), Kind::A))
        .collect();
    let begun = Instant::now();
    let answers = names.ask(&grant, &mut budget, &many).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Answer::Late));
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let again = names.ask(&grant, &mut budget, &many[..1]).await;
    assert_eq!(again, Err(Refused::Unavailable));
}

#[tokio::test]
async fn resolvers_that_say_nothing_are_a_trouble_until_one_answers() {
    let speaks = Arc::new(AtomicU32::new(0));
    let asked = speaks.clone();
    let server = Server::start(move |query| {
        let answers = asked.load(Ordering::Relaxed) > 0;
        answers.then(|| response(query, OK, &[(A, vec![192, 0, 2, 1])]))
    });
    let names = server.names();
    let question = |n: u32| query(&format!("q{n}.example"), Kind::A);
    let grant = Grant {
        time: SHORT,
        ..Grant::default()
    };
    for time in 0..5 {
        assert_eq!(names.trouble(), None, "some domains are slow");
        let many: Vec<_> = (0..9).map(|n| question(10 * time + n)).collect();
        let asking = names.ask(&grant, &mut Budget::of(&grant), &many).await;
        asking.unwrap();
    }
    let trouble = names.trouble().unwrap();
    assert!(
        trouble.contains("did not answer the last 5 times"),
        "{trouble}"
    );
    speaks.store(1, Ordering::Relaxed);
    let answer = ask(&names, "q99.example", Kind::A).await;
    assert_eq!(answer.records(), ["192.0.2.1"]);
    assert_eq!(names.trouble(), None);
}

#[tokio::test]
async fn answers_for_somebody_else_are_not_believed() {
    let server = Server::start(|query| {
        let mut lie = response(query, OK, &[(A, vec![192, 0, 2, 66])]);
        lie[13] = b'z';
        Some(lie)
    });
    let answer = ask_within(SHORT, &server.names(), "a.example", Kind::A).await;
    assert!(answer.records().is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_flood_of_records_is_cut() {
    let records = |query: &[u8]| {
        let records: Vec<_> = (0..4000_u16)
            .map(|n| (A, vec![10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]]))
            .collect();
        response(query, OK, &records[..3900])
    };
    let server = Server::start(|query| Some(response(query, TRUNCATED, &[]))).tcp(records);
    let answer = ask(&server.names(), "a.example", Kind::A).await;
    assert_eq!(answer.records().len(), RECORDS);
}

/// SPF reads one of them, and which comes last is chance.
#[tokio::test]
async fn texts_are_all_there_however_many() {
    let text = |query: &[u8]| {
        let short = |text: &str| (TXT, [&[text.len() as u8], text.as_bytes()].concat());
        let mut records: Vec<_> = (0..2000).map(|n| short(&format!("x={n}"))).collect();
        records.push(short("v=spf1 -all"));
        response(query, OK, &records)
    };
    let server = Server::start(|query| Some(response(query, TRUNCATED, &[]))).tcp(text);
    let names = server.names();
    for _ in ["asked", "kept"] {
        let answer = ask(&names, "a.example", Kind::Txt).await;
        assert_eq!(answer.records().len(), 2001);
        assert!(answer.records().contains(&"v=spf1 -all".to_owned()));
    }
}

/// As much as one message holds, whatever the octets are.
#[tokio::test]
async fn texts_of_64_kilobytes_are_all_there() {
    for octet in [b'x', 255] {
        let text = move |query: &[u8]| {
            let string = [vec![255], vec![octet; 255]].concat();
            let record = (TXT, string.repeat(15));
            response(query, OK, &vec![record; 17])
        };
        let server = Server::start(|query| Some(response(query, TRUNCATED, &[]))).tcp(text);
        let answer = ask(&server.names(), "a.example", Kind::Txt).await;
        assert_eq!(answer.records().len(), 17, "{octet}");
        let whole = |record: &String| record.chars().count() == 15 * 255;
        assert!(answer.records().iter().all(whole), "{octet}");
    }
}

/// A zone file may hold more than a message.
#[tokio::test]
async fn texts_of_a_zone_are_cut_where_a_message_ends() {
    let text = "x".repeat(250);
    let zone: String = (0..300)
        .map(|n| format!("a.example. TXT \"{n:05}{text}\"\n"))
        .collect();
    let names = Names::of_zone(lazaret_services::dns::Zone::parse(&zone).unwrap());
    let answer = ask(&names, "a.example", Kind::Txt).await;
    assert_eq!(answer.records().len(), 65_535 / 255);
}

#[tokio::test]
async fn a_client_has_a_name_only_if_that_name_has_its_address() {
    let zone = "
        1.2.0.192.in-addr.arpa. PTR liar.example.
        1.2.0.192.in-addr.arpa. PTR Mail.Example.
        2.2.0.192.in-addr.arpa. PTR liar.example.
        3.2.0.192.in-addr.arpa. PTR bad!name.example.
        mail.example. A 192.0.2.1
        liar.example. A 198.51.100.1
        bad!name.example. A 192.0.2.3
        1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.example.
        six.example. AAAA 2001:db8::1
    ";
    let zone: String = zone
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let names = Names::of_zone(lazaret_services::dns::Zone::parse(&zone).unwrap());
    for (address, name) in [
        ("192.0.2.1", Some("mail.example")),
        ("::ffff:192.0.2.1", Some("mail.example")),
        ("192.0.2.2", None),
        ("192.0.2.3", None),
        ("192.0.2.4", None),
        ("2001:db8::1", Some("six.example")),
    ] {
        let found = confirmed(&names, address, &mut patient(PATIENCE)).await;
        let name = name.map(|name| Confirmed::Name(name.to_owned()));
        assert_eq!(found, name.unwrap_or(Confirmed::Nameless), "{address}");
    }
}

fn patient(time: Duration) -> Budget {
    Budget::of(&Grant {
        time,
        ..Grant::default()
    })
}

async fn confirmed(names: &Names, address: &str, budget: &mut Budget) -> Confirmed {
    names.confirmed(address.parse().unwrap(), budget).await
}

#[tokio::test]
async fn who_does_not_answer_says_nothing_about_a_name_and_costs_the_time_there_is() {
    let server = Server::start(|query| match query[12..].starts_with(b"\x011") {
        true => Some(response(query, SERVFAIL, &[])),
        false => None,
    });
    let names = server.names();
    let mut budget = patient(PATIENCE);
    let broken = confirmed(&names, "192.0.2.1", &mut budget).await;
    assert_eq!(broken, Confirmed::Unanswered);
    assert!(budget.has_time());
    let mut budget = patient(SHORT);
    let silent = confirmed(&names, "192.0.2.2", &mut budget).await;
    assert_eq!(silent, Confirmed::Unanswered);
    assert!(budget.has_time(), "its zone is somebody else's");
    let grant = Grant::default();
    let asked = [query("a.example", Kind::A)];
    let late = names.ask(&grant, &mut budget, &asked).await;
    assert_eq!(late, Ok(vec![Answer::Late]));
    assert!(!budget.has_time());
    let late = names.ask(&grant, &mut budget, &asked).await;
    assert_eq!(late, Err(Refused::Unavailable));
}

#[tokio::test]
async fn a_name_that_nobody_answers_for_hides_none_that_is_right() {
    let server = Server::start(|query| {
        let name = &query[12..];
        let says = |names: &[&[u8]]| names.iter().map(|name| (PTR, name.to_vec())).collect();
        match name {
            _ if name.starts_with(b"\x011") => {
                let names: Vec<_> = says(&[b"\x04hole\x07example\0", b"\x04mail\x07example\0"]);
                Some(response(query, OK, &names))
            }
            _ if name.starts_with(b"\x04mail") => {
                Some(response(query, OK, &[(A, vec![192, 0, 2, 1])]))
            }
            _ => None,
        }
    });
    let found = confirmed(&server.names(), "192.0.2.1", &mut patient(SHORT * 4)).await;
    assert_eq!(found, Confirmed::Name("mail.example".into()));
}
