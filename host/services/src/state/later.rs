//! A store that is opened for the first filter that remembers something.

use tokio::sync::OnceCell;

use super::{Place, Store};
use crate::{Fault, Trust};

pub struct Later {
    place: Place,
    trust: Trust,
    store: OnceCell<Store>,
}

impl Later {
    pub fn new(place: Place, trust: Trust) -> Self {
        Self {
            place,
            trust,
            store: OnceCell::new(),
        }
    }

    /// Opens it, once.
    pub async fn opened(&self) -> Result<Store, Fault> {
        let opening = || Store::open(&self.place, &self.trust);
        self.store.get_or_try_init(opening).await.cloned()
    }

    /// If it was opened.
    pub fn now(&self) -> Option<&Store> {
        self.store.get()
    }
}
