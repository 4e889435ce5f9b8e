//! The same of every store: memory, a file, a Redis. And what each does when it cannot.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod file;
mod lying;
mod peer;
mod restart;

use std::time::{Duration, Instant};

use lazaret_services::state::{Caps, LONGEST, Place, Space, Store};
use lazaret_services::{Refused, Trust};

/// A store, and what must live as long.
struct Kept {
    name: &'static str,
    store: Store,
    _peer: Option<peer::Server>,
    _directory: tempfile::TempDir,
}

impl Kept {
    fn space(&self) -> Space {
        self.store.space("greylist", Caps::default())
    }
}

async fn everywhere() -> Vec<Kept> {
    let directory = || tempfile::tempdir().unwrap();
    let in_file = directory();
    let mut places = vec![
        ("memory", Place::Memory, None, directory()),
        (
            "file",
            Place::File(in_file.path().join("state.redb")),
            None,
            in_file,
        ),
    ];
    if let Some(server) = peer::redis() {
        let place = Place::Redis(server.url());
        places.push(("redis", place, Some(server), directory()));
    }
    let mut trust = Trust::default();
    if let Some((server, believed)) = peer::redis_over_tls() {
        let place = Place::Redis(server.url());
        places.push(("redis over TLS", place, Some(server), directory()));
        trust = believed;
    }
    let mut kept = Vec::new();
    for (name, place, peer, directory) in places {
        let store = Store::open(&place, &trust).await.unwrap();
        let opened = Kept {
            name,
            store,
            _peer: peer,
            _directory: directory,
        };
        restart::until_it_answers(&opened.space()).await;
        kept.push(opened);
    }
    kept
}

fn value(text: &str) -> Result<Option<Vec<u8>>, Refused> {
    Ok(Some(text.into()))
}

#[tokio::test]
async fn what_is_set_is_read_until_it_is_removed() {
    for kept in everywhere().await {
        let (space, name) = (kept.space(), kept.name);
        assert_eq!(space.read("a").await, Ok(None), "{name}");
        assert_eq!(space.set("a", b"1\0\r\n\xff", 60).await, Ok(()), "{name}");
        assert_eq!(
            space.read("a").await,
            Ok(Some(b"1\0\r\n\xff".to_vec())),
            "{name}"
        );
        assert_eq!(space.set("a", b"", 60).await, Ok(()), "{name}");
        assert_eq!(space.read("a").await, value(""), "{name}");
        assert_eq!(space.remove("a").await, Ok(true), "{name}");
        assert_eq!(space.remove("a").await, Ok(false), "{name}");
        assert_eq!(space.read("a").await, Ok(None), "{name}");
    }
}

#[tokio::test]
async fn filters_do_not_see_each_other() {
    for kept in everywhere().await {
        let other = kept.store.space("rate", Caps::default());
        kept.space().set("a", b"mine", 60).await.unwrap();
        assert_eq!(other.read("a").await, Ok(None), "{}", kept.name);
        other.set("a", b"other", 60).await.unwrap();
        assert_eq!(kept.space().read("a").await, value("mine"), "{}", kept.name);
    }
}

#[tokio::test]
async fn what_expired_is_gone() {
    let mut tasks = tokio::task::JoinSet::new();
    for kept in everywhere().await {
        tasks.spawn(async move { while !expires(&kept).await {} });
    }
    tasks.join_all().await;
}

/// False if the store took so long that nothing can be said.
async fn expires(kept: &Kept) -> bool {
    let (space, name) = (kept.space(), kept.name);
    let begun = Instant::now();
    space.set("value", b"1", 4).await.unwrap();
    space.set("stays", b"1", 60).await.unwrap();
    assert_eq!(space.increment("number", 5, 4).await, Ok(5), "{name}");
    let set = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // A number keeps the time it was made with.
    let second = space.increment("number", 5, 60).await;
    if begun.elapsed() >= Duration::from_millis(3900) {
        for key in ["value", "stays", "number"] {
            space.remove(key).await.unwrap();
        }
        return false;
    }
    assert_eq!(second, Ok(10), "{name}");
    tokio::time::sleep_until(set + Duration::from_millis(4200)).await;
    assert_eq!(space.read("value").await, Ok(None), "{name}");
    assert_eq!(space.read("stays").await, value("1"), "{name}");
    assert_eq!(space.increment("number", 5, 60).await, Ok(5), "{name}");
    let made = space.compare_and_set("value", None, Some(b"2"), 60).await;
    assert_eq!(made, Ok(true), "{name}");
    assert_eq!(space.remove("value").await, Ok(true), "{name}");
    true
}

#[tokio::test]
async fn numbers_add_up_within_their_bounds() {
    for kept in everywhere().await {
        let (space, name) = (kept.space(), kept.name);
        assert_eq!(
            space.increment("n", i32::MAX, 60).await,
            Ok(i32::MAX),
            "{name}"
        );
        assert_eq!(space.increment("n", 1, 60).await, Ok(i32::MAX), "{name}");
        assert_eq!(space.increment("n", i32::MIN, 60).await, Ok(-1), "{name}");
        assert_eq!(
            space.increment("n", i32::MIN, 60).await,
            Ok(i32::MIN),
            "{name}"
        );
        assert_eq!(space.read("n").await, value("-2147483648"), "{name}");
        space.set("text", b"7", 60).await.unwrap();
        assert_eq!(
            space.increment("text", 1, 60).await,
            Err(Refused::Invalid),
            "{name}"
        );
        assert_eq!(space.read("text").await, value("7"), "{name}");
    }
}

#[tokio::test]
async fn a_swap_asks_what_is_there() {
    for kept in everywhere().await {
        let (space, name) = (kept.space(), kept.name);
        let swap = |expected: Option<&'static str>, value: Option<&'static str>| {
            let space = space.clone();
            let octets = |text: Option<&'static str>| text.map(str::as_bytes);
            async move {
                space
                    .compare_and_set("k", octets(expected), octets(value), 60)
                    .await
            }
        };
        assert_eq!(swap(Some("a"), Some("b")).await, Ok(false), "{name}");
        assert_eq!(swap(None, None).await, Ok(true), "{name}");
        assert_eq!(swap(None, Some("a")).await, Ok(true), "{name}");
        assert_eq!(swap(None, Some("b")).await, Ok(false), "{name}");
        assert_eq!(swap(Some("a"), Some("")).await, Ok(true), "{name}");
        assert_eq!(swap(None, Some("b")).await, Ok(false), "{name}");
        assert_eq!(swap(Some(""), Some("b")).await, Ok(true), "{name}");
        assert_eq!(swap(Some("b"), None).await, Ok(true), "{name}");
        assert_eq!(space.read("k").await, Ok(None), "{name}");
        assert_eq!(space.increment("n", 3, 60).await, Ok(3), "{name}");
        assert_eq!(
            space.compare_and_set("n", Some(b"3"), Some(b"x"), 60).await,
            Ok(true),
            "{name}"
        );
    }
}

#[tokio::test]
async fn keys_values_and_times_have_bounds() {
    for kept in everywhere().await {
        let (space, name) = (kept.space(), kept.name);
        let (long, longer) = ("k".repeat(512), "k".repeat(513));
        assert_eq!(
            space.set(&long, &vec![7; 64 << 10], LONGEST).await,
            Ok(()),
            "{name}"
        );
        assert_eq!(
            space.read(&long).await,
            Ok(Some(vec![7; 64 << 10])),
            "{name}"
        );
        for refused in [
            space.set("k", &vec![7; (64 << 10) + 1], 60).await,
            space.set("", b"", 60).await,
            space.set(&longer, b"", 60).await,
            space.set("k", b"", 0).await,
            space.set("k", b"", LONGEST + 1).await,
            space.increment("k", 1, 0).await.map(drop),
            space.read(&longer).await.map(drop),
            space.remove("").await.map(drop),
        ] {
            assert_eq!(refused, Err(Refused::Invalid), "{name}");
        }
        assert_eq!(space.read("k").await, Ok(None), "{name}");
        // Who removes needs no time.
        assert_eq!(
            space.compare_and_set("k", None, None, 0).await,
            Ok(true),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_filter_has_its_most_keys_and_octets() {
    let caps = Caps { keys: 3, size: 100 };
    for kept in everywhere().await {
        let (space, name) = (kept.store.space("small", caps), kept.name);
        for key in ["a", "b", "c"] {
            assert_eq!(space.set(key, b"12345678", 60).await, Ok(()), "{name}");
        }
        assert_eq!(space.set("d", b"", 60).await, Err(Refused::Limit), "{name}");
        assert_eq!(
            space.increment("d", 1, 60).await,
            Err(Refused::Limit),
            "{name}"
        );
        assert_eq!(
            space.compare_and_set("d", None, Some(b""), 60).await,
            Err(Refused::Limit),
            "{name}"
        );
        // 27 octets are there: 8 may become 81, not 82.
        assert_eq!(
            space.set("a", &[0; 82], 60).await,
            Err(Refused::Limit),
            "{name}"
        );
        assert_eq!(space.set("a", &[0; 81], 60).await, Ok(()), "{name}");
        assert_eq!(space.remove("b").await, Ok(true), "{name}");
        assert_eq!(space.set("d", b"1234567", 60).await, Ok(()), "{name}");
        // The caps were lowered meanwhile: what shrinks is taken.
        let lowered = kept.store.space("small", Caps { keys: 1, size: 10 });
        assert_eq!(
            lowered.set("a", &[0; 82], 60).await,
            Err(Refused::Limit),
            "{name}"
        );
        assert_eq!(lowered.set("a", &[0; 70], 60).await, Ok(()), "{name}");
        // Another filter has caps of its own.
        assert_eq!(kept.space().set("d", b"", 60).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn what_expired_makes_room() {
    let mut tasks = tokio::task::JoinSet::new();
    for kept in everywhere().await {
        tasks.spawn(async move { makes_room(&kept).await });
    }
    tasks.join_all().await;
}

async fn makes_room(kept: &Kept) {
    let caps = Caps {
        keys: 40,
        size: 1 << 20,
    };
    let (space, name) = (kept.store.space("small", caps), kept.name);
    // Tried again where the first of them was gone before the last was there.
    while !fills_up(&space, name).await {}
    tokio::time::sleep(Duration::from_millis(6100)).await;
    for n in 0..40 {
        let set = space.set(&format!("new {n}"), b"1", 60).await;
        assert_eq!(set, Ok(()), "{name}");
    }
    let more = space.set("one more", b"1", 60).await;
    assert_eq!(more, Err(Refused::Limit), "{name}");
}

/// False if the store took so long that nothing can be said.
async fn fills_up(space: &Space, name: &str) -> bool {
    let begun = Instant::now();
    for n in 0..40 {
        space.set(&format!("old {n}"), b"1", 6).await.unwrap();
    }
    let more = space.set("new", b"1", 60).await;
    if begun.elapsed() >= Duration::from_millis(5900) {
        space.remove("new").await.unwrap();
        return false;
    }
    assert_eq!(more, Err(Refused::Limit), "{name}");
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn orders_of_many_at_once_are_single_steps() {
    for kept in everywhere().await {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let space = kept.space();
            tasks.spawn(async move {
                let mut won = 0;
                for n in 0..25 {
                    space.increment("sum", 1, 60).await.unwrap();
                    let key = format!("first {n}");
                    won += u32::from(
                        space
                            .compare_and_set(&key, None, Some(b"x"), 60)
                            .await
                            .unwrap(),
                    );
                }
                won
            });
        }
        let won: u32 = tasks.join_all().await.into_iter().sum();
        assert_eq!(
            kept.space().read("sum").await,
            value("1000"),
            "{}",
            kept.name
        );
        assert_eq!(won, 25, "{}", kept.name);
    }
}
