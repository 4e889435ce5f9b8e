//! What must hold for any file that ends in `.wasm`.

use lazaret_mail::is_unsafe;

use super::inspect;

/// Octets of what is told of a fault; names in it are a component's own.
const WORDS: usize = 4096;

/// It is read, or refused in words that are bounded and safe in a log, and the same each time.
pub fn inspected(octets: &[u8]) {
    let seen = inspect(octets);
    assert_eq!(format!("{seen:?}"), format!("{:?}", inspect(octets)));
    match seen {
        Ok(seen) => {
            assert_eq!(seen.size, octets.len() as u64);
            assert!(!seen.stages.is_empty(), "asked at no stage");
            assert!(seen.inert.len() <= 100 && seen.extra.len() <= 100);
            let language = seen.language.unwrap_or_default();
            assert!(!language.contains(is_unsafe), "{language:?}");
        }
        Err(error) => {
            let words = format!("{} {}", error.problem, error.cure);
            assert!(words.len() < WORDS, "{} octets", words.len());
            assert!(!words.contains(is_unsafe), "{words:?}");
        }
    }
}
