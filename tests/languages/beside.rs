//! The heaviest filter there is, compiled in its child while mail flows.

use std::path::Path;
use std::time::Duration;

use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::{Loader, Source};
use lazaret_tests::proxy::settings;
use lazaret_tests::quantile::quantile;

use super::policy;

/// What a client notices while this component is compiled, printed; an error where it has to wait each time.
pub fn mail(component: &Path) -> Result<(), String> {
    let wasm = std::fs::read(component).map_err(|error| error.to_string())?;
    let source = Source {
        name: "reference".to_owned(),
        file: component.to_owned(),
        wasm: wasm.into(),
        policy: policy(),
    };
    let settings = EngineSettings {
        cache: None,
        ..settings()
    };
    let engine = Engine::new(settings).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let mut loaded = Ok(());
    let samples = lazaret_tests::beside("Python", || {
        let done = runtime.block_on(engine.load(source));
        loaded = done.map(drop).map_err(|error| error.to_string());
    });
    loaded?;
    // The rare ones say more of the machine than of us: those are for people.
    let (busy, quiet) = (
        quantile(&samples.attack, 0.5),
        quantile(&samples.quiet, 0.5),
    );
    match busy < Duration::from_millis(500).max(quiet * 20) {
        true => Ok(()),
        false => Err(format!(
            "a message takes {busy:?} while it compiles, {quiet:?} without"
        )),
    }
}
