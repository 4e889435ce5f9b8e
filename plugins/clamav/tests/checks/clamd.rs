//! What must hold for any answer of what calls itself clamd.

use super::{Look, Trouble, read};

/// An answer is one line of plain text to the letter, or nonsense; what is told of it is safe.
pub fn clamd(answer: &[u8]) {
    let told = read(answer);
    let is_line = answer.strip_suffix(b"\0").is_some_and(is_plain);
    match &told {
        Ok(Look::Clean) => assert_eq!(answer, b"stream: OK\0"),
        Ok(Look::TooLarge) => assert_eq!(answer, b"INSTREAM size limit exceeded. ERROR\0"),
        Ok(Look::Found(name)) => {
            assert!(answer.starts_with(b"stream: ") && answer.ends_with(b" FOUND\0"));
            assert!(is_line && !name.is_empty(), "{name}");
            is_safe(name);
        }
        Err(Trouble::Said(error)) => {
            assert!(is_line && answer.ends_with(b" ERROR\0"));
            is_safe(error);
        }
        Err(Trouble::Nonsense) => {
            // A line that says it found something is never taken for nothing.
            let found = is_line && answer.starts_with(b"stream: ") && answer.len() > 15;
            assert!(!(found && answer.ends_with(b" FOUND\0")), "{answer:?}");
        }
        Err(trouble) => panic!("{trouble}"),
    }
    if let Err(trouble) = told {
        let said = trouble.to_string();
        assert!(said.len() <= 120 && is_plain(said.as_bytes()), "{said}");
    }
    names(answer);
}

fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|octet| (b' '..=b'~').contains(octet))
}

fn is_safe(name: &str) {
    assert!(name.len() <= 100 && is_plain(name.as_bytes()), "{name:?}");
    assert!(
        !name.contains(['"', '<', '>', '%', ';', '=', '\\']),
        "{name}"
    );
}

/// The same octets as a signature's name: found, or nonsense, but never clean and never an error.
fn names(octets: &[u8]) {
    let answer = [b"stream: ", octets, b" FOUND\0"].concat();
    match read(&answer) {
        Ok(Look::Found(_)) => assert!(is_plain(octets) && !octets.is_empty()),
        Err(Trouble::Nonsense) => assert!(!is_plain(octets) || octets.is_empty()),
        other => panic!("{other:?}"),
    }
}
