//! Compiled code on disk: what it spares, what it never takes.
#![allow(clippy::unwrap_used)]

mod kit;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kit::{all_granted, component, load, question};
use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::{Ask, Policy, Verdict};
use tempfile::TempDir;

/// Rejects a connection with its configuration.
fn echo() -> Vec<u8> {
    component(
        "export configure: func(config: string) -> result<_, string>; export lazaret:filter/on-connect@0.1.0;",
        r#"(data (i32.const 256) "\02")
        (func (export "configure") (param i32 i32) (result i32)
            (i32.store (i32.const 276) (local.get 0)) (i32.store (i32.const 280) (local.get 1)) (i32.const 32))
        (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32) (i32.const 256))"#,
    )
}

fn cached(dir: &Path, octets: u64) -> Arc<Engine> {
    let settings = EngineSettings {
        sandboxes: 8,
        cache: Some(dir.to_owned()),
        cache_size: octets,
        ..EngineSettings::default()
    };
    Engine::new(settings).unwrap()
}

fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    (home, dir)
}

/// Loads with this configuration, and checks that it is the one that answers.
async fn answers(engine: &Engine, config: &str) {
    let policy = Policy {
        config: config.to_owned(),
        ..all_granted()
    };
    let filter = load(engine, &echo(), policy).await.unwrap();
    assert_eq!(filter.preparation(), "snapshot");
    let answer = filter.fork().ask(question(Ask::Connect)).await.unwrap();
    let Verdict::Reject(reply) = answer.verdict else {
        panic!("{:?}", answer.verdict);
    };
    assert_eq!(reply.text, config);
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.collect()
}

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let (_home, dir) = home();
    let first = cached(&dir, 1 << 30);
    answers(&first, r#"{"a":1}"#).await;
    assert_eq!(
        (first.prepared(), first.compiled()),
        (1, 2),
        "instrumented and frozen"
    );
    let second = cached(&dir, 1 << 30);
    answers(&second, r#"{"a":1}"#).await;
    assert_eq!((second.prepared(), second.compiled()), (0, 0));
}

#[tokio::test]
async fn a_changed_configuration_is_only_configured() {
    let (_home, dir) = home();
    answers(&cached(&dir, 1 << 30), r#"{"a":1}"#).await;
    let engine = cached(&dir, 1 << 30);
    answers(&engine, r#"{"a":2}"#).await;
    assert_eq!(
        (engine.prepared(), engine.compiled()),
        (1, 1),
        "the snapshot alone"
    );
    answers(&engine, r#"{"a":1}"#).await;
    assert_eq!(engine.prepared(), 1, "both are kept");
}

#[tokio::test]
async fn other_rights_and_limits_are_other_entries() {
    let (_home, dir) = home();
    let engine = cached(&dir, 1 << 30);
    for memory in [32 << 20, 64 << 20, 32 << 20] {
        let policy = Policy {
            memory,
            ..all_granted()
        };
        load(&engine, &echo(), policy).await.unwrap();
    }
    let policy = Policy {
        deny: vec!["pace".into()],
        ..Policy::default()
    };
    load(&engine, &echo(), policy).await.unwrap();
    assert_eq!(engine.prepared(), 3);
}

#[tokio::test]
async fn damaged_entries_are_made_anew() {
    let cut = |octets: &mut Vec<u8>| octets.truncate(octets.len() / 2);
    let flip = |octets: &mut Vec<u8>| *octets.last_mut().unwrap() ^= 1;
    let empty = |octets: &mut Vec<u8>| octets.clear();
    for damage in [cut as fn(&mut Vec<u8>), flip, empty] {
        let (_home, dir) = home();
        answers(&cached(&dir, 1 << 30), "{}").await;
        for entry in entries(&dir) {
            let mut octets = fs::read(&entry).unwrap();
            damage(&mut octets);
            fs::write(&entry, octets).unwrap();
        }
        let engine = cached(&dir, 1 << 30);
        answers(&engine, "{}").await;
        assert_eq!(engine.compiled(), 2);
        answers(&engine, "{}").await;
        assert_eq!(engine.prepared(), 1, "the new entry is whole");
    }
}

#[tokio::test]
async fn it_is_private_and_an_entry_that_is_not_is_not_taken() {
    let (_home, dir) = home();
    answers(&cached(&dir, 1 << 30), "{}").await;
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    assert!(!entries(&dir).is_empty());
    for entry in entries(&dir) {
        assert_eq!(fs::metadata(&entry).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&entry, Permissions::from_mode(0o644)).unwrap();
    }
    let engine = cached(&dir, 1 << 30);
    answers(&engine, "{}").await;
    assert_eq!(engine.prepared(), 1);
}

#[test]
fn an_open_directory_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let settings = EngineSettings {
        cache: Some(home.path().to_owned()),
        ..EngineSettings::default()
    };
    let said = Engine::new(settings).err().unwrap().to_string();
    assert!(said.contains("is open to other users"), "{said}");
    assert!(said.contains("chmod 700"), "{said}");
}

#[tokio::test]
async fn it_holds_no_more_than_its_size() {
    let (_home, dir) = home();
    let engine = cached(&dir, 300_000);
    // Nothing of it is ours, and it is older than all that is.
    let others = [
        "state.redb",
        "mail.eml",
        "unfinished-mail",
        "unfinished-2026-01-02",
        "unfinished-feed",
        "prepared-by-me",
    ];
    let others = others.map(|name| dir.join(name));
    for other in &others {
        fs::write(other, vec![0; 400_000]).unwrap();
        let file = fs::File::options().write(true).open(other).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    fs::create_dir(dir.join("prepared")).unwrap();
    for n in 0..12 {
        answers(&engine, &format!(r#"{{"n":{n}}}"#)).await;
    }
    assert!(others.iter().all(|other| other.exists()), "none is touched");
    let left_behind = ["unfinished-12-3", "unfinished-12-3-00112233445566ff"];
    for name in left_behind {
        let file = fs::File::create(dir.join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    answers(&engine, r#"{"n":12}"#).await;
    let is_gone = |name: &str| !dir.join(name).exists();
    assert!(left_behind.iter().all(|name| is_gone(name)));
    let held: u64 = entries(&dir)
        .iter()
        .filter(|e| e.is_file() && !others.contains(e))
        .map(|e| fs::metadata(e).unwrap().len())
        .sum();
    assert!(held <= 300_000, "{held}");
    let before = engine.prepared();
    answers(&engine, r#"{"n":11}"#).await;
    assert_eq!(engine.prepared(), before, "the latest are kept");
    answers(&engine, r#"{"n":0}"#).await;
    assert_eq!(engine.prepared(), before + 1, "the oldest went");
}
