//! Functions compiled before, by the hash of their code: a snapshot differs from its component in data alone, and a
//! filter's next build in a few functions.
//!
//! All functions of a component are one entry of the cache, read as a whole and written as a whole: tens of thousands of
//! small files would cost more than they save. A small entry says which component a filter's name stood for last, so that
//! its next build starts from there. Without a cache, functions still spare the second compilation of a preparation.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::CacheStore;

use super::{Cache, Key};

/// Octets of all functions of a filter that are kept.
const MAX_OCTETS: usize = 512 << 20;

/// What the compiler asks before it compiles a function.
#[derive(Debug)]
pub struct Functions {
    wasm: [u8; 32],
    by_name: Key,
    /// from an earlier preparation, and whether it was of use in this one
    known: HashMap<Vec<u8>, (Vec<u8>, AtomicBool)>,
    new: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Functions {
    /// Those of the component with that hash, or else of the last one of that name.
    pub fn open(cache: Option<&Cache>, filter: &str, wasm: &[u8; 32]) -> Self {
        let (key, by_name) = (Key::functions(wasm), Key::latest(filter));
        let last = |cache: &Cache| {
            let latest = cache.read(&by_name)?;
            cache.read(&Key::functions(latest.first_chunk()?))
        };
        let kept = cache.and_then(|cache| cache.read(&key).or_else(|| last(cache)));
        let kept = kept.unwrap_or_default();
        let known = Pairs(&kept).map(|(key, code)| {
            let code = (code.to_owned(), AtomicBool::new(false));
            (key.to_owned(), code)
        });
        Self {
            wasm: *wasm,
            by_name,
            known: known.collect(),
            new: Mutex::default(),
        }
    }

    /// Keeps those that were of use, if any is new.
    pub fn save(&self, cache: Option<&Cache>) {
        let new = self.new.lock().expect("no holder of the functions panics");
        let Some(cache) = cache.filter(|_| !new.is_empty()) else {
            return;
        };
        let used = self
            .known
            .iter()
            .filter(|(_, (_, used))| used.load(Ordering::Relaxed))
            .map(|(key, (code, _))| (key, code));
        let mut octets = Vec::new();
        for (key, code) in used.chain(new.iter()) {
            if octets.len() + key.len() + code.len() > MAX_OCTETS {
                break;
            }
            push(&mut octets, key);
            push(&mut octets, code);
        }
        cache.write(&Key::functions(&self.wasm), &[&octets]);
        cache.write(&self.by_name, &[&self.wasm]);
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some((code, used)) = self.known.get(key) {
            used.store(true, Ordering::Relaxed);
            return Some(Cow::Borrowed(code));
        }
        let new = self.new.lock().expect("no holder of the functions panics");
        new.get(key).map(|code| Cow::Owned(code.clone()))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let mut new = self.new.lock().expect("no holder of the functions panics");
        new.insert(key.to_owned(), value);
        true
    }
}

fn push(octets: &mut Vec<u8>, part: &[u8]) {
    octets.extend_from_slice(&(part.len() as u64).to_le_bytes());
    octets.extend_from_slice(part);
}

/// Keys and codes, one after the other.
struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_at_checked(8)?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        let (part, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(part)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.part()?, self.part()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_of_use_is_kept_and_the_rest_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(&home.path().join("cache"), 1 << 20).unwrap();
        let first = Functions::open(Some(&cache), "one", &[1; 32]);
        first.insert(b"a", b"code of a".to_vec());
        first.insert(b"b", b"code of b".to_vec());
        first.save(Some(&cache));
        let second = Functions::open(Some(&cache), "one", &[2; 32]);
        assert_eq!(second.get(b"b").as_deref(), Some(&b"code of b"[..]));
        second.insert(b"c", b"code of c".to_vec());
        second.save(Some(&cache));
        let third = Functions::open(Some(&cache), "other", &[2; 32]);
        assert!(
            third.get(b"a").is_none(),
            "the second time nobody asked for it"
        );
        assert!(third.get(b"b").is_some() && third.get(b"c").is_some());
        let stranger = Functions::open(Some(&cache), "other", &[3; 32]);
        assert!(stranger.get(b"b").is_none());
    }

    #[test]
    fn a_pack_that_is_cut_off_ends_there() {
        let mut octets = Vec::new();
        push(&mut octets, b"key");
        push(&mut octets, b"code");
        push(&mut octets, b"other");
        octets.extend_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Pairs(&octets).count(), 1);
    }
}
