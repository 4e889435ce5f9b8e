//! The only place where the engine and the proxy meet.

use std::sync::Arc;

use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::Loader;
use lazaret_proxy::{Config, Proxy};

use crate::exit::Failure;

/// An engine as every command uses it.
pub fn engine() -> Result<Arc<dyn Loader>, Failure> {
    let engine = Engine::new(EngineSettings::default())
        .map_err(|e| Failure::temporary(format!("the WebAssembly engine cannot start: {e}")))?;
    Ok(engine)
}

/// Loads the filters and listens; nothing is served before [`Proxy::run`].
pub async fn start(config: Config) -> Result<Proxy, Failure> {
    Proxy::bind(config, engine()?).await.map_err(Failure::usage)
}
