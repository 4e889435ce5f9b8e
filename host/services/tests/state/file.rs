//! State in a file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use lazaret_services::Trust;
use lazaret_services::state::{Caps, Place, Store};

async fn open(path: &Path) -> Result<Store, String> {
    let opened = Store::open(&Place::File(path.to_owned()), &Trust::default()).await;
    opened.map_err(|fault| fault.to_string())
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).unwrap();
    metadata.permissions().mode() & 0o777
}

#[tokio::test]
async fn what_was_answered_outlives_the_process_that_settles() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let store = open(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    let space = store.space("greylist", Caps::default());
    space.set("a", b"1", 60).await.unwrap();
    space.increment("n", 4, 60).await.unwrap();
    space.set("gone", b"1", 1).await.unwrap();
    store.settle().await;
    let copy = directory.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // As after a crash: nobody closed this one.
    let space = open(&copy)
        .await
        .unwrap()
        .space("greylist", Caps::default());
    assert_eq!(space.read("a").await, Ok(Some(b"1".to_vec())));
    assert_eq!(space.increment("n", 1, 60).await, Ok(5));
    assert_eq!(space.read("gone").await, Ok(None));
}

#[tokio::test]
async fn what_was_answered_is_written_when_the_last_one_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    for n in 1..=3 {
        let space = open(&path)
            .await
            .unwrap()
            .space("greylist", Caps::default());
        assert_eq!(space.increment("n", 1, 60).await, Ok(n));
    }
}

#[tokio::test]
async fn a_file_that_others_could_read_is_made_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    drop(open(&path).await.unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path).await.unwrap());
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn two_do_not_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let held = open(&path).await.unwrap();
    let error = open(&path).await.err().unwrap();
    let us = std::process::id();
    assert!(
        error.contains(&format!("state.redb is in use by another process ({us})")),
        "{error}"
    );
    assert!(error.contains("redis://"), "{error}");
    drop(held);
    open(&path).await.map(drop).unwrap();
}

#[tokio::test]
async fn another_kind_of_file_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let text = "not a database at all\n".repeat(500);
    std::fs::write(&path, &text).unwrap();
    let error = open(&path).await.err().unwrap();
    assert!(
        error.contains("notes.txt is no state of Lazaret"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let error = open(directory.path()).await.err().unwrap();
    assert!(error.contains("cannot be opened"), "{error}");
    let error = open(&directory.path().join("no/state.redb"))
        .await
        .err()
        .unwrap();
    assert!(error.contains("check that its directory exists"), "{error}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.redb");
    let other = redb::Database::create(&path).unwrap();
    let writing = other.begin_write().unwrap();
    let table = redb::TableDefinition::<&str, u64>::new("invoices");
    writing.open_table(table).unwrap().insert("a", 1).unwrap();
    writing.commit().unwrap();
    drop(other);
    let error = open(&path).await.err().unwrap();
    assert!(error.contains("another program's tables"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let store = open(&path).await.unwrap();
    let space = store.space("greylist", Caps::default());
    for n in 0..2000 {
        space.set(&format!("key {n}"), &[7; 100], 60).await.unwrap();
    }
    drop((space, store));
    let whole = std::fs::read(&path).unwrap();
    for (what, damage) in [
        ("cut", whole[..whole.len() / 3].to_vec()),
        (
            "zeros",
            [&whole[..4096], &vec![0; whole.len() - 4096]].concat(),
        ),
        ("noise", {
            let mut octets = whole.clone();
            octets[8192..]
                .iter_mut()
                .step_by(7)
                .for_each(|octet| *octet ^= 0x5a);
            octets
        }),
    ] {
        std::fs::write(&path, damage).unwrap();
        let error = open(&path).await.err().expect(what);
        assert!(error.contains("state.redb"), "{what}: {error}");
        assert!(
            error.contains("damaged") || error.contains("no state"),
            "{what}: {error}"
        );
    }
}

/// Expired entries go without anybody asking for them: the file does not grow for ever.
#[tokio::test]
async fn what_expired_is_swept_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let store = open(&path).await.unwrap();
    let space = store.space("greylist", Caps::default());
    for n in 0..3000 {
        space.set(&format!("key {n}"), b"1", 1).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    space.set("last", b"1", 60).await.unwrap();
    store.settle().await;
    drop((space, store));
    let database = redb::Database::open(&path).unwrap();
    let reading = redb::ReadableDatabase::begin_read(&database).unwrap();
    let usage = redb::TableDefinition::<&str, (u64, u64)>::new("usage");
    let usage = reading.open_table(usage).unwrap();
    let held = usage.get("greylist").unwrap().unwrap().value();
    assert_eq!(held, (1, 5));
}

/// The place is usual and nobody wants it: nothing is there, whoever asks for something else.
#[tokio::test]
async fn a_usual_place_is_made_for_the_first_who_remembers() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("state");
    let path = home.join("lazaret/state.redb");
    let place = Place::Usual(path.clone());
    lazaret_services::state::can_be(&place).unwrap();
    let store = Store::later(place.clone(), Trust::default());
    store.settle().await;
    assert_eq!(store.trouble(), None);
    assert!(!home.exists());
    let opened = store.opened().await.unwrap();
    let first = opened.space("greylist", Caps::default());
    assert_eq!(first.increment("n", 1, 60).await, Ok(1));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let again = store.opened().await.unwrap();
    let second = again.space("greylist", Caps::default());
    assert_eq!(second.increment("n", 1, 60).await, Ok(2), "it is the same");
    // Whoever only looks neither opens it nor minds that it is held.
    lazaret_services::state::can_be(&place).unwrap();
    let other = Store::later(place, Trust::default());
    assert!(other.opened().await.is_err());
    drop((store, opened, again, first, second));
    other.opened().await.map(drop).unwrap();
}

#[tokio::test]
async fn a_usual_place_that_cannot_be_made_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("home");
    std::fs::write(&file, "no directory").unwrap();
    let place = Place::Usual(file.join("state/lazaret/state.redb"));
    let seen = lazaret_services::state::can_be(&place).unwrap_err();
    let store = Store::later(place, Trust::default());
    let error = store.opened().await.map(drop).unwrap_err();
    for fault in [seen, error] {
        let said = fault.to_string();
        assert!(said.contains("home/state/lazaret, where"), "{said}");
        assert!(said.contains("name another place under `state`"), "{said}");
    }
}
