//! Servers that take connections and then do what they like.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lazaret_services::state::{Caps, Place, Space, Store};
use lazaret_services::{Refused, STORE_PATIENCE, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a busy machine may add to the two seconds that an order has.
const SLACK: Duration = Duration::from_secs(3);
/// When the right answer comes that is late.
const LATE: Duration = Duration::from_secs(5);

/// What a fake server does when it is asked to carry out an order.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// answers with these octets
    Say(&'static [u8]),
    /// announces this many octets and sends them without an end
    Flood(&'static [u8]),
    Silent,
    /// the right answer, but five seconds late, and only that to the first order
    Late,
    Reset,
    /// not even the greeting is answered
    Mute,
    /// the greeting is refused in these words
    Unready(&'static [u8]),
}

struct Fake {
    url: String,
    asked: Arc<AtomicU32>,
}

async fn fake(lie: Lie) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, lie, count.clone()));
        }
    });
    Fake { url, asked }
}

async fn serve(mut stream: TcpStream, lie: Lie, asked: Arc<AtomicU32>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(octets @ 1..) = stream.read(&mut buffer).await {
        let said = &buffer[..octets];
        let is_order = said.windows(4).any(|part| part == b"EVAL");
        let answered = match lie {
            Lie::Mute => Ok(()),
            Lie::Unready(words) if !is_order => stream.write_all(words).await,
            _ if !is_order => stream.write_all(b"+PONG\r\n").await,
            lie => {
                let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
                tell(&mut stream, lie, first).await
            }
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn tell(stream: &mut TcpStream, lie: Lie, first: bool) -> std::io::Result<()> {
    match lie {
        Lie::Say(octets) => stream.write_all(octets).await,
        Lie::Flood(octets) => {
            stream.write_all(octets).await?;
            loop {
                stream.write_all(&[b'x'; 64 << 10]).await?;
            }
        }
        Lie::Late if first => {
            tokio::time::sleep(LATE).await;
            stream.write_all(b"$3\r\nold\r\n").await
        }
        Lie::Late => stream.write_all(b"$3\r\nnew\r\n").await,
        Lie::Reset => Err(std::io::ErrorKind::ConnectionReset.into()),
        Lie::Unready(_) => stream.write_all(b"$3\r\nnew\r\n").await,
        Lie::Silent | Lie::Mute => Ok(()),
    }
}

async fn space(url: &str) -> (Store, Space) {
    let store = Store::open(&Place::Redis(url.to_owned()), &Trust::default())
        .await
        .unwrap();
    let space = store.space("greylist", Caps::default());
    (store, space)
}

#[tokio::test]
async fn nonsense_is_an_error_as_a_value() {
    for lie in [
        Lie::Say(b":7\r\n"),
        Lie::Say(b"*2\r\n+a\r\n+b\r\n"),
        Lie::Say(b"*-9\r\n"),
        Lie::Say(b"-WRONGTYPE Operation against a key\r\n"),
        Lie::Say(b"-LOADING Redis is loading\r\n"),
        Lie::Say(b"-NOSCRIPT No matching script\r\n"),
        Lie::Say(b"$99999999999999999999\r\n"),
        Lie::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Lie::Say(b"$3\r\nabcdef\r\n"),
        Lie::Reset,
    ] {
        let fake = fake(lie).await;
        let (_store, space) = space(&fake.url).await;
        let begun = Instant::now();
        let answer = space.set("a", b"1", 60).await;
        assert_eq!(answer, Err(Refused::Unavailable), "{lie:?}");
        assert!(begun.elapsed() < STORE_PATIENCE + SLACK, "{lie:?}");
        assert!(fake.asked.load(Ordering::Relaxed) > 0, "{lie:?}");
    }
}

/// As `maxmemory` with `noeviction` has it, and a server that was made a replica.
#[tokio::test]
async fn a_server_that_refuses_orders_is_a_trouble() {
    for (refusal, words) in [
        (&b"-OOM used memory > 'maxmemory'\r\n"[..], "maxmemory"),
        (b"-READONLY a read only replica\r\n", "replica"),
    ] {
        let fake = fake(Lie::Say(refusal)).await;
        let (store, space) = space(&fake.url).await;
        assert_eq!(store.trouble(), None);
        let answer = space.set("a", b"1", 60).await;
        assert_eq!(answer, Err(Refused::Unavailable));
        let trouble = store.trouble().unwrap_or_default();
        assert!(trouble.contains(words), "{trouble}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_greeting_is_not_there() {
    for (words, told) in [
        (&b"-LOADING Redis is loading\r\n"[..], "loading"),
        (
            b"-DENIED Redis is running in protected mode\r\n",
            "protected",
        ),
        (b"-ERR max number of clients reached\r\n", "max number"),
        (b"-NOAUTH Authentication required.\r\n", "Authentication"),
    ] {
        let fake = fake(Lie::Unready(words)).await;
        let (store, space) = space(&fake.url).await;
        assert_eq!(space.read("a").await, Err(Refused::Unavailable));
        let trouble = store.trouble().unwrap_or_default();
        assert!(trouble.contains(told), "{trouble}");
        assert_eq!(fake.asked.load(Ordering::Relaxed), 0);
    }
}

/// A user without the right to PING, and a server that cannot save: they answer, and do what they are asked.
#[tokio::test]
async fn a_server_that_refuses_ping_alone_is_there() {
    for words in [
        &b"-NOPERM this user has no permissions to run the 'ping' command\r\n"[..],
        b"-MISCONF Redis is configured to save RDB snapshots\r\n",
    ] {
        let fake = fake(Lie::Unready(words)).await;
        let (store, space) = space(&fake.url).await;
        assert_eq!(space.read("a").await, Ok(Some(b"new".to_vec())));
        assert_eq!(store.trouble(), None);
    }
}

/// However short the time is that filters have, one that hangs is given up soon.
#[tokio::test]
async fn a_server_that_hangs_is_given_up_by_the_hasty_too() {
    let fake = fake(Lie::Silent).await;
    let (store, space) = space(&fake.url).await;
    let space = space.within(Duration::from_millis(300));
    let begun = Instant::now();
    while store.trouble().is_none() {
        let asked = Instant::now();
        assert_eq!(space.read("a").await, Err(Refused::Unavailable));
        assert!(asked.elapsed() < STORE_PATIENCE / 2 + SLACK);
        assert!(begun.elapsed() < STORE_PATIENCE + SLACK);
    }
}

#[tokio::test]
async fn a_value_of_512_megabytes_is_cut_off_early() {
    for start in [&b"$536870912\r\n"[..], b"+", b"*4294967295\r\n+"] {
        let fake = fake(Lie::Flood(start)).await;
        let (store, space) = space(&fake.url).await;
        let begun = Instant::now();
        assert_eq!(space.read("a").await, Err(Refused::Unavailable));
        assert!(
            begun.elapsed() < STORE_PATIENCE + SLACK,
            "{:?}",
            begun.elapsed()
        );
        let late = Instant::now() + Duration::from_secs(10);
        while store.trouble().is_none() && Instant::now() < late {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let trouble = store.trouble().unwrap_or_default();
        assert!(trouble.contains("unreasonable size"), "{trouble}");
    }
}

/// Two seconds once, then the circuit is open: later calls cost nothing until an attempt succeeds.
#[tokio::test]
async fn a_slow_server_costs_two_seconds_once() {
    for lie in [Lie::Late, Lie::Silent, Lie::Mute] {
        let fake = fake(lie).await;
        let (store, space) = space(&fake.url).await;
        let begun = Instant::now();
        assert_eq!(space.read("a").await, Err(Refused::Unavailable), "{lie:?}");
        let first = begun.elapsed();
        assert!(first < STORE_PATIENCE + SLACK, "{lie:?}: {first:?}");
        let late = Instant::now() + Duration::from_secs(10);
        while store.trouble().is_none() && Instant::now() < late {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let begun = Instant::now();
        assert_eq!(space.read("a").await, Err(Refused::Unavailable), "{lie:?}");
        let second = begun.elapsed();
        assert!(second < Duration::from_millis(1800), "{lie:?}: {second:?}");
    }
}

/// Whoever asks afterwards hears the answer to his own question, by a new connection.
#[tokio::test]
async fn an_answer_that_comes_late_is_nobodys() {
    let fake = fake(Lie::Late).await;
    let (_store, space) = space(&fake.url).await;
    let begun = Instant::now();
    assert_eq!(space.read("a").await, Err(Refused::Unavailable));
    assert!(
        begun.elapsed() < STORE_PATIENCE + SLACK,
        "{:?}",
        begun.elapsed()
    );
    let mut answered = 0;
    while begun.elapsed() < LATE + SLACK {
        match space.read("b").await {
            Ok(value) => {
                assert_eq!(value.as_deref(), Some(&b"new"[..]));
                answered += 1;
            }
            refused => assert_eq!(refused, Err(Refused::Unavailable)),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(answered > 0, "it comes back by itself");
}
