//! Looks after the backend that the configuration names now, and after those it named before for as long as sessions
//! use them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::backend::Backend;
use crate::site::Sites;

/// How often a backend of an earlier configuration is asked whether anybody uses it still.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// A task that ends with its handle.
struct Looking(JoinHandle<()>);

impl Looking {
    fn after(backend: &Arc<Backend>) -> Self {
        Self(tokio::spawn(Arc::clone(backend).look_after()))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Until it is aborted.
pub(crate) async fn keep_backends(sites: Arc<Sites>) {
    let mut backend = Arc::clone(&sites.now().backend);
    let mut looking = Looking::after(&backend);
    loop {
        // Before the look: a change meanwhile is not missed.
        let changed = sites.changed();
        let now = Arc::clone(&sites.now().backend);
        if Arc::ptr_eq(&now, &backend) {
            changed.await;
            continue;
        }
        let next = Looking::after(&now);
        tokio::spawn(retire(
            std::mem::replace(&mut backend, now),
            std::mem::replace(&mut looking, next),
        ));
    }
}

/// Sessions that began with it end with it.
async fn retire(backend: Arc<Backend>, looking: Looking) {
    /// Ours, and that of who looks after it.
    const OURS: usize = 2;
    while Arc::strong_count(&backend) > OURS {
        sleep(ASK_EVERY).await;
    }
    drop(looking);
    backend.take_leave().await;
}
