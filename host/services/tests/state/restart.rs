//! A Redis that goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lazaret_services::state::{Caps, Place, Space, Store};
use lazaret_services::{Refused, Trust};

use super::peer;

/// Asks until it is answered.
pub async fn until_it_answers(space: &Space) {
    let late = Instant::now() + Duration::from_secs(20);
    while space.read("x").await.is_err() {
        assert!(Instant::now() < late, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let Some(mut server) = peer::redis() else {
        return;
    };
    server.kill();
    let store = Store::open(&Place::Redis(server.url()), &Trust::default())
        .await
        .unwrap();
    let space = store.space("greylist", Caps::default());
    assert_eq!(space.read("x").await, Err(Refused::Unavailable));
    let trouble = store.trouble().unwrap();
    assert!(trouble.starts_with("redis+unix:///"), "{trouble}");
    server.start_again();
    until_it_answers(&space).await;
    assert_eq!(store.trouble(), None);
}

/// Once it is known to be dead, nobody waits for it.
#[tokio::test]
async fn a_dead_server_costs_no_time() {
    let Some(mut server) = peer::redis() else {
        return;
    };
    let store = Store::open(&Place::Redis(server.url()), &Trust::default())
        .await
        .unwrap();
    let space = store.space("greylist", Caps::default());
    until_it_answers(&space).await;
    server.kill();
    let begun = Instant::now();
    for _ in 0..500 {
        assert_eq!(space.read("x").await, Err(Refused::Unavailable));
    }
    // One may have been under way.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_under_load_nothing_answered_is_lost() {
    let Some(mut server) = peer::redis() else {
        return;
    };
    let store = Store::open(&Place::Redis(server.url()), &Trust::default())
        .await
        .unwrap();
    until_it_answers(&store.space("load", Caps::default())).await;
    let (ends, slowest) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let space = store.space("load", Caps::default());
        let (ends, slowest) = (ends.clone(), slowest.clone());
        tasks.spawn(async move {
            let key = format!("sum {number}");
            let (mut answered, mut unsure) = (0, 0);
            while !ends.load(Ordering::Relaxed) {
                let begun = Instant::now();
                match space.increment(&key, 1, 600).await {
                    Ok(_) => answered += 1,
                    Err(_) => {
                        unsure += 1;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                let took = begun.elapsed().as_millis() as u32;
                slowest.fetch_max(took, Ordering::Relaxed);
            }
            (key, answered, unsure)
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.start_again();
        until_it_answers(&store.space("load", Caps::default())).await;
    }
    ends.store(true, Ordering::Relaxed);
    let (mut sum, mut failed) = (0, 0);
    for (key, answered, unsure) in tasks.join_all().await {
        let held = server.cli(&["HGET", "lazaret:{load}:entries", &key]);
        let held: i32 = held.trim_start_matches('n').parse().unwrap();
        assert!(
            held >= answered,
            "{key}: {answered} were answered, {held} are there"
        );
        assert!(
            held <= answered + unsure,
            "{key}: {held} of {answered} and {unsure}"
        );
        (sum, failed) = (sum + answered, failed + unsure);
    }
    assert!(sum > 0 && failed > 0, "{sum} answered, {failed} failed");
    let slowest = slowest.load(Ordering::Relaxed);
    assert!(slowest < 8000, "somebody waited {slowest} ms");
}

#[tokio::test]
async fn a_key_of_somebody_else_is_an_error_and_no_more() {
    let Some(server) = peer::redis() else {
        return;
    };
    let store = Store::open(&Place::Redis(server.url()), &Trust::default())
        .await
        .unwrap();
    let space = store.space("greylist", Caps::default());
    until_it_answers(&space).await;
    server.cli(&["SET", "lazaret:{greylist}:ends", "mine"]);
    assert_eq!(space.set("a", b"1", 60).await, Err(Refused::Unavailable));
    assert_eq!(space.read("a").await, Err(Refused::Unavailable));
    assert_eq!(
        store
            .space("rate", Caps::default())
            .set("a", b"1", 60)
            .await,
        Ok(())
    );
    server.cli(&["DEL", "lazaret:{greylist}:ends"]);
    assert_eq!(space.set("a", b"1", 60).await, Ok(()));
}

/// Nothing stays in the server when its time is over.
#[tokio::test]
async fn a_space_goes_with_its_last_entry() {
    let Some(server) = peer::redis() else {
        return;
    };
    let store = Store::open(&Place::Redis(server.url()), &Trust::default())
        .await
        .unwrap();
    let space = store.space("greylist", Caps::default());
    until_it_answers(&space).await;
    for n in 0..50 {
        space.set(&format!("{n}"), b"1", 5).await.unwrap();
    }
    assert_eq!(server.cli(&["DBSIZE"]), "3");
    let late = Instant::now() + Duration::from_secs(30);
    while server.cli(&["DBSIZE"]) != "0" {
        assert!(Instant::now() < late, "it stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_never_told_anything() {
    let Some((server, trust)) = peer::redis_over_tls() else {
        return;
    };
    let place = Place::Redis(server.url());
    let stranger = Store::open(&place, &Trust::default()).await.unwrap();
    let space = stranger.space("greylist", Caps::default());
    assert_eq!(space.set("a", b"1", 60).await, Err(Refused::Unavailable));
    let trouble = stranger.trouble().unwrap();
    assert!(trouble.contains("UnknownIssuer"), "{trouble}");

    // The same certificate, by a name that it does not hold.
    let named = Place::Redis(server.url().replace("127.0.0.1", "localhost"));
    let named = Store::open(&named, &trust).await.unwrap();
    let space = named.space("greylist", Caps::default());
    assert_eq!(space.read("a").await, Err(Refused::Unavailable));
    let trouble = named.trouble().unwrap();
    assert!(trouble.contains("not valid for name"), "{trouble}");
}
