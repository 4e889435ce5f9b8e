//! `lazaret run`: the proxy.

use std::path::{Path, PathBuf};
use std::pin::pin;

use lazaret_proxy::Config;

use crate::arguments::Run;
use crate::exit::{Exit, Failure};
use crate::service::Service;
use crate::{handed, logging, signals, wire};

/// Where the configuration is looked for when none is named.
const USUAL_PLACES: [&str; 2] = ["./lazaret.toml", "/etc/lazaret/lazaret.toml"];

/// Reads the configuration, listens, serves until SIGTERM or Ctrl-C, drains.
pub async fn run(arguments: &Run) -> Result<Exit, Failure> {
    let config = Config::read(&find_config(arguments.config.as_deref())?)?;
    logging::follow(&config.log);
    let (stop, hangup) = (signals::stop(signals::DRAINS)?, signals::hangup()?);
    let mut stop = pin!(stop);
    let starting = wire::start(config, handed::sockets()?);
    let (proxy, services) = tokio::select! {
        started = starting => started?,
        // Filters may take minutes to compile.
        () = &mut stop => return Ok(Exit::Good),
    };
    logging::publish(&proxy.metrics());
    let service = Service::new(proxy.pulse());
    service.reloads(hangup, proxy.reloader());
    for (listener, address) in proxy.addresses() {
        tracing::info!(%listener, %address, "listening");
    }
    service.ready();
    service.lives();
    let stop = async {
        stop.await;
        service.stopping();
    };
    proxy.run(stop).await;
    services.settle().await;
    tracing::info!("stopped");
    Ok(Exit::Good)
}

/// The file named, or the first of the usual places that exists.
pub fn find_config(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let found = USUAL_PLACES.iter().map(PathBuf::from).find(|p| p.exists());
    found.ok_or_else(|| {
        Failure::usage(format!(
            "no configuration: neither {} nor {} exists; name one with --config FILE, or start with `lazaret demo`",
            USUAL_PLACES[0], USUAL_PLACES[1]
        ))
    })
}
