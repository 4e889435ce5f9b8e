//! `lists`: large sets and maps from files, held once for all filters and sandboxes.
//!
//! One entry a line, what stands behind its first blank is its value; lines that are empty or begin with `#` are left out,
//! and a value that begins with `#` is a remark. Of two equal entries the first counts.

mod book;
mod networks;
mod table;
mod words;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::{Fault, Refused};
use book::Book;

/// How often files are looked at; a change is read when it looks the same twice.
const LOOK: Duration = Duration::from_millis(500);

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// compared as a whole, in any case
    Words,
    /// a domain holds all below it
    Domains,
    /// CIDR
    Networks,
}

/// One line under `[lists]` in a filter's TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// the filter's name for it
    pub name: String,
    /// what it holds
    pub kind: Kind,
    /// where
    pub file: PathBuf,
}

type Books = Mutex<HashMap<(PathBuf, Kind), Weak<Book>>>;

/// All lists of the process: one file is held once, whoever names it.
#[derive(Default)]
pub struct Library {
    books: Arc<Books>,
    watching: Mutex<Option<JoinHandle<()>>>,
}

impl Library {
    /// The lists of one filter, read now and again when their files change. Inside a tokio runtime.
    ///
    /// # Errors
    /// A file that cannot be read or has a broken line, with file and line. Later a broken file is only reported: what was
    /// read before stays.
    pub async fn shelf(&self, lists: &[Definition]) -> Result<Shelf, Fault> {
        let mut books = HashMap::new();
        for list in lists {
            let book = self.book(&list.file, list.kind).await?;
            books.insert(list.name.clone(), book);
        }
        if !books.is_empty() {
            self.watch();
        }
        Ok(Shelf { books })
    }

    /// Files that changed and cannot be read, and why: what was read before stays.
    pub fn troubles(&self) -> Vec<String> {
        let books = held(&self.books);
        books.iter().filter_map(|book| book.trouble()).collect()
    }

    async fn book(&self, file: &std::path::Path, kind: Kind) -> Result<Arc<Book>, Fault> {
        let place = (file.to_owned(), kind);
        let known = |books: &Books| {
            let books = books.lock().unwrap_or_else(PoisonError::into_inner);
            books.get(&place).and_then(Weak::upgrade)
        };
        if let Some(book) = known(&self.books) {
            return Ok(book);
        }
        let path = file.to_owned();
        let opening = spawn_blocking(move || Book::open(path, kind));
        let book = Arc::new(opening.await.expect("reading a list does not panic")?);
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.retain(|_, book| book.strong_count() > 0);
        // Somebody may have opened it meanwhile: all have the same one, for only that is looked at.
        if let Some(other) = books.get(&place).and_then(Weak::upgrade) {
            return Ok(other);
        }
        books.insert(place, Arc::downgrade(&book));
        Ok(book)
    }

    fn watch(&self) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        watching.get_or_insert_with(|| tokio::spawn(keep_looking(self.books.clone())));
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let watching = self
            .watching
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(watching) = watching {
            watching.abort();
        }
    }
}

fn held(books: &Books) -> Vec<Arc<Book>> {
    let books = books.lock().unwrap_or_else(PoisonError::into_inner);
    books.values().filter_map(Weak::upgrade).collect()
}

async fn keep_looking(books: Arc<Books>) {
    loop {
        sleep(LOOK).await;
        let held = held(&books);
        let looking = spawn_blocking(move || held.iter().for_each(|book| book.look()));
        // A panic of one look is no reason to look no more.
        let _ = looking.await;
    }
}

/// The lists of one filter.
pub struct Shelf {
    books: HashMap<String, Arc<Book>>,
}

impl Shelf {
    /// Is the entry in the list of that name?
    ///
    /// # Errors
    /// [`Refused::Invalid`] for a list that is not there, and for an entry that is no address where it holds networks.
    pub fn contains(&self, name: &str, entry: &str) -> Result<bool, Refused> {
        Ok(self.lookup(name, entry)?.is_some())
    }

    /// What stands behind it, of the most specific line that holds it.
    ///
    /// # Errors
    /// As [`Shelf::contains`].
    pub fn lookup(&self, name: &str, entry: &str) -> Result<Option<String>, Refused> {
        let book = self.books.get(name).ok_or(Refused::Invalid)?;
        book.lookup(entry)
    }
}
