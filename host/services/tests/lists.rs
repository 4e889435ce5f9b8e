//! Lists from files, read again when they change.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lazaret_services::Refused;
use lazaret_services::lists::{Definition, Kind, Library, Shelf};

fn list(kind: Kind, file: PathBuf) -> Definition {
    Definition {
        name: "it".into(),
        kind,
        file,
    }
}

async fn shelf(library: &Library, kind: Kind, path: &Path, text: &str) -> Result<Shelf, String> {
    std::fs::write(path, text).unwrap();
    let shelf = library.shelf(&[list(kind, path.to_owned())]).await;
    shelf.map_err(|fault| fault.to_string())
}

/// What is found for an entry in a list of that text.
async fn find(kind: Kind, text: &str, entry: &str) -> Result<Option<String>, Refused> {
    let directory = tempfile::tempdir().unwrap();
    let library = Library::default();
    let shelf = shelf(&library, kind, &directory.path().join("list"), text).await;
    shelf.unwrap().lookup("it", entry)
}

fn found(value: &str) -> Result<Option<String>, Refused> {
    Ok(Some(value.to_owned()))
}

#[tokio::test]
async fn words_are_compared_whole_and_in_any_case() {
    let text = "\u{feff}# senders\n\nAnna@Example.org\tgold  card\r\nbert@example.org # a remark\nanna@example.org second\nÜ\n";
    assert_eq!(
        find(Kind::Words, text, "anna@example.ORG").await,
        found("gold  card")
    );
    assert_eq!(find(Kind::Words, text, "bert@example.org").await, found(""));
    assert_eq!(find(Kind::Words, text, "ü").await, found(""));
    for missing in [
        "example.org",
        "nna@example.org",
        "anna@example.org gold",
        "",
        "#",
        "zz",
    ] {
        assert_eq!(
            find(Kind::Words, text, missing).await,
            Ok(None),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn a_domain_holds_what_is_below_it_and_the_nearest_speaks() {
    let text = "example.org far\nMail.Example.org. near\n.example.net dotted\n*.example.com star\n";
    for (entry, value) in [
        ("example.org", "far"),
        ("a.b.EXAMPLE.org.", "far"),
        ("mail.example.org", "near"),
        ("x.mail.example.org", "near"),
        ("example.net", "dotted"),
        ("a.example.com", "star"),
    ] {
        assert_eq!(
            find(Kind::Domains, text, entry).await,
            found(value),
            "{entry}"
        );
    }
    for missing in ["org", "badexample.org", "example.org.evil", "", "."] {
        assert_eq!(
            find(Kind::Domains, text, missing).await,
            Ok(None),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn the_smallest_network_speaks() {
    let text = "10.0.0.0/8 wide\n10.1.0.0/16 narrow\n10.1.2.3 one\n2001:db8::/32 six\n2001:db8:1::/48 sixteen\n::ffff:192.0.2.0/120 mapped\n";
    for (entry, value) in [
        ("10.9.9.9", "wide"),
        ("10.1.9.9", "narrow"),
        ("10.1.2.3", "one"),
        ("::ffff:10.1.2.3", "one"),
        ("2001:db8:2::1", "six"),
        ("[2001:db8:1::1]", "sixteen"),
        ("192.0.2.77", "mapped"),
    ] {
        assert_eq!(
            find(Kind::Networks, text, entry).await,
            found(value),
            "{entry}"
        );
    }
    for missing in ["11.0.0.1", "2001:db9::1", "192.0.3.1"] {
        assert_eq!(
            find(Kind::Networks, text, missing).await,
            Ok(None),
            "{missing}"
        );
    }
    assert_eq!(
        find(Kind::Networks, "0.0.0.0/0 all\n", "203.0.113.9").await,
        found("all")
    );
    assert_eq!(
        find(Kind::Networks, "::/0 all\n", "2001:db8::1").await,
        found("all")
    );
    assert_eq!(
        find(Kind::Networks, "::/0 all\n", "192.0.2.1").await,
        Ok(None)
    );
    for wrong in ["", "10.0.0.0/8", "example.org"] {
        assert_eq!(
            find(Kind::Networks, text, wrong).await,
            Err(Refused::Invalid),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_broken_line_is_cited() {
    let directory = tempfile::tempdir().unwrap();
    let (library, path) = (Library::default(), directory.path().join("list"));
    for (kind, text, problem) in [
        (
            Kind::Domains,
            "a.example\n\nb example\n-?-.example\n",
            ":4: `-?-.example` is no domain",
        ),
        (
            Kind::Networks,
            "10.0.0.0/8\n10.0.0.0/33\n",
            ":2: `10.0.0.0/33` is no network",
        ),
        (
            Kind::Networks,
            "10.0.0.1/8\n",
            ":1: `10.0.0.1/8` has bits behind its prefix: is it 10.0.0.0/8?",
        ),
        (
            Kind::Words,
            "good\nbad\u{1}\n",
            ":2: a line over 2048 octets",
        ),
    ] {
        let error = shelf(&library, kind, &path, text).await.err().unwrap();
        assert!(error.contains(problem), "{error}");
        assert!(error.contains("list:"), "{error}");
    }
    let missing = library
        .shelf(&[list(Kind::Words, directory.path().join("no"))])
        .await;
    let error = missing.err().unwrap().to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn a_list_that_is_not_named_is_invalid() {
    let shelf = Library::default().shelf(&[]).await.unwrap();
    assert_eq!(shelf.contains("it", "a"), Err(Refused::Invalid));
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let late = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < late, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_changed_file_is_read_again_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (library, path) = (Library::default(), directory.path().join("list"));
    let shelf = shelf(&library, Kind::Networks, &path, "10.0.0.0/8 one\n")
        .await
        .unwrap();
    let says = |value: &str| shelf.lookup("it", "10.0.0.1") == found(value);
    assert!(says("one"));
    // Each text is of another length: two of one length within a tick of the file system's clock look the same.
    std::fs::write(&path, "10.0.0.0/8 second\n").unwrap();
    until("the change is not seen", || says("second")).await;
    std::fs::write(&path, "10.0.0.0/8 three\nnonsense\n").unwrap();
    until("the broken line is not reported", || {
        !library.troubles().is_empty()
    })
    .await;
    assert!(library.troubles()[0].contains("list:2: `nonsense` is no network"));
    assert!(says("second"));
    std::fs::remove_file(&path).unwrap();
    until("the missing file is not reported", || {
        library
            .troubles()
            .iter()
            .any(|trouble| trouble.contains("cannot be read"))
    })
    .await;
    assert!(says("second"));
    // As careful writers do it.
    std::fs::write(directory.path().join("new"), "10.0.0.0/8 four\n").unwrap();
    std::fs::rename(directory.path().join("new"), &path).unwrap();
    until("the new file is not seen", || says("four")).await;
    assert_eq!(library.troubles(), Vec::<String>::new());
}

/// Two filters, one file: read and held once.
#[tokio::test]
async fn a_file_is_held_once_and_goes_with_its_last_filter() {
    let directory = tempfile::tempdir().unwrap();
    let (library, path) = (Library::default(), directory.path().join("list"));
    let first = shelf(&library, Kind::Words, &path, "one\n").await.unwrap();
    // Of another length, or it could look the same.
    std::fs::write(&path, "second\n").unwrap();
    // Held by another filter: not read anew, so both change at the same moment.
    let second = library
        .shelf(&[list(Kind::Words, path.clone())])
        .await
        .unwrap();
    assert_eq!(second.contains("it", "one"), Ok(true));
    until("the change is not seen", || {
        second.contains("it", "second") == Ok(true)
    })
    .await;
    assert_eq!(first.contains("it", "second"), Ok(true));
    drop((first, second));
    std::fs::write(&path, "three\n").unwrap();
    let third = library.shelf(&[list(Kind::Words, path)]).await.unwrap();
    assert_eq!(third.contains("it", "three"), Ok(true));
}

#[tokio::test]
async fn a_hundred_thousand_lines_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (library, path) = (Library::default(), directory.path().join("list"));
    let lines =
        (0..100_000_u32).map(|n| format!("h{}.example.org {n}\n", n.wrapping_mul(2_654_435_761)));
    let text: String = lines.collect();
    let shelf = shelf(&library, Kind::Domains, &path, &text).await.unwrap();
    for n in (0..100_000_u32).step_by(9973) {
        let entry = format!("deep.h{}.example.org", n.wrapping_mul(2_654_435_761));
        assert_eq!(shelf.lookup("it", &entry), found(&n.to_string()));
    }
    assert_eq!(shelf.contains("it", "example.org"), Ok(false));
}
