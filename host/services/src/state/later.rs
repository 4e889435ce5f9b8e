//! A store that is opened for the first filter that remembers something.

use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::{Place, Store};
use crate::{Fault, Trust, aside};

pub struct Later {
    place: Place,
    trust: Trust,
    store: OnceCell<Store>,
    /// where sockets are served
    runtime: Option<Handle>,
}

impl Later {
    pub fn new(place: Place, trust: Trust) -> Self {
        Self {
            place,
            trust,
            store: OnceCell::new(),
            runtime: Handle::try_current().ok(),
        }
    }

    /// Opens it, once. Filters are loaded by a thread that steps back, and a thread that it starts would step back, too:
    /// the one that serves the state must not.
    pub async fn opened(&self) -> Result<Store, Fault> {
        let opening = || async {
            let (place, trust) = (self.place.clone(), self.trust.clone());
            let open = async move { Store::open(&place, &trust).await };
            let opened = aside(self.runtime.as_ref(), open).await;
            opened.unwrap_or_else(|| Err(lost()))
        };
        self.store.get_or_try_init(opening).await.cloned()
    }

    /// If it was opened.
    pub fn now(&self) -> Option<&Store> {
        self.store.get()
    }
}

fn lost() -> Fault {
    Fault::new(
        "the state was not opened: we stop, or failed at it".to_owned(),
        "start again, and tell us if it comes back",
    )
}
