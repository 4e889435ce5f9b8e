//! The filter directory: what is wrong in it is said with its cure, and keeps nothing open.

use std::path::Path;

use lazaret_mail::Stage;
use lazaret_proxy::filters::load_directory;

use crate::kit::filter::{ALL_VERDICTS, Filters, say};

/// What is said about a directory with these files.
async fn said(files: &[(&str, &str)]) -> (usize, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let judge = |_: &lazaret_mail::Question| say(lazaret_mail::Verdict::Continue);
    let loader = Filters::default().and("access", &[Stage::Mail], ALL_VERDICTS, judge);
    let (filters, errors) = load_directory(dir.path(), &loader).await;
    let strip = |error: String| error.replace(&format!("{}/", dir.path().display()), "");
    (
        filters.len(),
        errors
            .iter()
            .map(|error| strip(error.to_string()))
            .collect(),
    )
}

#[tokio::test]
async fn each_mistake_has_its_own_words_and_the_filter_takes_part() {
    for (files, wanted) in [
        (
            &[("10-access.wasm", "")][..],
            "10-access.wasm: has no .toml beside it; write 10-access.toml: it says what the filter may do",
        ),
        (
            &[("10-access.toml", "")],
            "10-access.toml: has no .wasm beside it; put 10-access.wasm back, or remove the .toml to remove the filter",
        ),
        (
            &[("access.wasm", ""), ("access.toml", "")],
            "access.toml: is not named NN-name; begin the name with two digits, e.g. 10-access",
        ),
        (
            &[("10-access.wasm", ""), ("10-access.toml", "\nmod = 1\n")],
            "10-access.toml:2: unknown key `mod`; did you mean `mode`?",
        ),
    ] {
        assert_eq!(said(files).await, (1, vec![wanted.to_owned()]));
    }
    let twice = [
        ("10-access.wasm", ""),
        ("10-access.toml", ""),
        ("20-access.wasm", ""),
        ("20-access.toml", ""),
    ];
    let (filters, errors) = said(&twice).await;
    assert_eq!((filters, errors.len()), (2, 2));
    assert_eq!(
        errors[0],
        "10-access.toml: two filters are named `access`; rename one after its number"
    );
}

#[tokio::test]
async fn lists_readmes_and_hidden_files_are_no_filters() {
    let files = [
        ("10-access.wasm", ""),
        ("10-access.toml", ""),
        ("README.md", ""),
        (".10-x.wasm.swp", ""),
        ("domains.txt", ""),
    ];
    assert_eq!(said(&files).await, (1, Vec::new()));
}

#[tokio::test]
async fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("10-access.toml"), "").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", dir.path().join("10-access.wasm")).unwrap();
    let (filters, errors) = load_directory(dir.path(), &Filters::default()).await;
    assert_eq!(filters.len(), 1);
    assert!(
        errors[0].to_string().contains("is not a regular file"),
        "{}",
        errors[0]
    );
}

#[tokio::test]
async fn a_directory_that_is_gone_is_said_and_defers_all_mail() {
    let (filters, errors) = load_directory(Path::new("/nowhere"), &Filters::default()).await;
    assert!(filters[0].stages().contains(Stage::Mail));
    assert!(
        errors[0]
            .to_string()
            .starts_with("/nowhere: cannot be read"),
        "{}",
        errors[0]
    );
}
