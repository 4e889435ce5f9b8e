//! `lazaret demo`: everything that is needed to see mail pass and be refused, on loopback, in one directory.

mod backend;
mod banner;
mod certificate;
mod identity;
mod maildir;
mod session;
mod site;
mod words;

use std::pin::pin;

use lazaret_proxy::{Config, Handed};

use crate::arguments::Demo;
use crate::exit::{Exit, Failure};
use crate::service::Service;
use crate::{output, signals, wire};

pub use backend::MaildirBackend;

/// Prepares the directory, starts backend and proxy, says how to try them, and serves until it is told to stop.
pub async fn demo(arguments: &Demo) -> Result<Exit, Failure> {
    let site = site::Site::open(&arguments.dir)?;
    let backend = MaildirBackend::bind(&site.maildir())
        .await
        .map_err(|e| Failure::temporary(format!("the Maildir backend cannot start: {e}")))?;
    let config = site.prepare(arguments, &backend)?;
    let config = Config::read(&config)?;
    let (stop, hangup) = (signals::stop(signals::DRAINS)?, signals::hangup()?);
    let mut stop = pin!(stop);
    let (proxy, services) = tokio::select! {
        started = wire::start(config, Handed::default()) => started.map_err(|failure| with_flag(failure, arguments))?,
        // The bundled filters take some seconds to compile.
        () = &mut stop => return Ok(Exit::Good),
    };
    Service::new(proxy.pulse()).reloads(hangup, proxy.reloader());
    tokio::spawn(backend.serve());
    // The banner is a courtesy: a proxy that serves goes on without it.
    let _ = output::say(&banner::banner(&site, &proxy));
    proxy.run(stop).await;
    services.settle().await;
    Ok(Exit::Good)
}

/// A port that cannot be listened on is a matter of the command line here: name the flag.
fn with_flag(failure: Failure, arguments: &Demo) -> Failure {
    let text = failure.to_string();
    let flags = [("--smtp", arguments.smtp), ("--smtps", arguments.smtps)];
    match flags
        .iter()
        .find(|(_, address)| text.contains(&address.to_string()))
    {
        Some((flag, address)) => Failure::usage(format!(
            "{text}; choose another address, e.g. {flag} {}:{}",
            address.ip(),
            address.port().saturating_add(1000)
        )),
        None => failure,
    }
}
