use std::sync::Arc;

use crate::{NOTE_LIMIT, Notes, Scope};

/// Most octets of a key and of a value.
const NOTE_OCTETS: usize = 4096;

/// Notes of a connection and its transaction. Nothing is allocated before the first note is written or read.
#[derive(Debug, Default)]
pub(super) struct Book {
    connection: Option<Arc<Notes>>,
    transaction: Notes,
    /// a transaction's notes over the connection's
    view: Option<Arc<Notes>>,
}

impl Book {
    /// What filters read.
    pub(super) fn view(&mut self) -> Arc<Notes> {
        let connection = &self.connection;
        let view = self
            .view
            .get_or_insert_with(|| connection.clone().unwrap_or_default());
        view.clone()
    }

    /// False when a cap was met and nothing was written.
    pub(super) fn write(&mut self, filter: &str, scope: Scope, key: String, value: String) -> bool {
        let id = (filter.to_owned(), key);
        let view = self.view();
        let full = view.0.len() >= NOTE_LIMIT && !view.0.contains_key(&id);
        if full || id.1.len() > NOTE_OCTETS || value.len() > NOTE_OCTETS {
            return false;
        }
        drop(view);
        let hidden = match scope {
            Scope::Transaction => {
                self.transaction.0.insert(id.clone(), value.clone());
                false
            }
            Scope::Connection => {
                let connection = self.connection.get_or_insert_default();
                Arc::make_mut(connection)
                    .0
                    .insert(id.clone(), value.clone());
                self.transaction.0.contains_key(&id)
            }
        };
        if let Some(view) = self.view.as_mut().filter(|_| !hidden) {
            Arc::make_mut(view).0.insert(id, value);
        }
        true
    }

    /// The transaction's notes are gone.
    pub(super) fn end_transaction(&mut self) {
        if !self.transaction.0.is_empty() {
            self.transaction.0.clear();
            self.view = None;
        }
    }
}
