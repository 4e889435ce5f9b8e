//! The configuration read again while the proxy runs: all of it that is right, or nothing of it. What only a restart can
//! change keeps its value, and is named.

use std::collections::BTreeSet;
use std::sync::Arc;

use lazaret_mail::Filter;
use tokio::task::spawn_blocking;

use crate::config::{Config, ListenerConfig};
use crate::door::Door;
use crate::filters::fits;
use crate::proxy::check_directories;

/// What reading the file again came to.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// what holds from now on
    pub(crate) config: Config,
    /// tables and keys that differ from what held before
    pub(crate) changed: Vec<String>,
    /// what differs in the file and takes a restart
    pub(crate) pending: Vec<String>,
}

impl Renewal {
    pub(crate) fn log(&self) {
        match self.changed.is_empty() {
            true => tracing::info!("the configuration was read again: nothing in it changed"),
            false => tracing::info!(
                changed = self.changed.join(", "),
                "the configuration was read again: it holds from the next session on"
            ),
        }
        for what in &self.pending {
            tracing::warn!("the configuration was read again: {what}");
        }
    }
}

/// Reads the file of a configuration again, and what it names. The error says file, line and cure; so does a filter that
/// runs and would not fit, and a certificate that is worse than the one that these doors show.
pub(crate) async fn read(
    before: &Config,
    filters: &[Arc<dyn Filter>],
    doors: &[Arc<Door>],
) -> Result<Renewal, String> {
    let path = before.path.clone();
    let read = spawn_blocking(move || {
        let next = Config::read(&path).map_err(|error| error.to_string())?;
        check_directories(&next).map_err(|error| error.to_string())?;
        Ok::<_, String>(next)
    });
    let next = read.await.map_err(|error| error.to_string())??;
    let renewal = between(before, next);
    let misfit = filters
        .iter()
        .find_map(|it| fits(&**it, &renewal.config).err());
    let mut doors = doors.iter().zip(&renewal.config.listeners);
    let expired = || doors.find_map(|(door, listener)| door.would_expire(listener));
    match misfit.map(|misfit| misfit.to_string()).or_else(expired) {
        Some(trouble) => Err(trouble),
        None => Ok(renewal),
    }
}

fn between(before: &Config, mut next: Config) -> Renewal {
    let mut pending = keep_what_is_bound(before, &mut next);
    pending.extend(keep_listeners(before, &mut next));
    Renewal {
        changed: changed(before, &next),
        config: next,
        pending,
    }
}

fn keep<T: PartialEq + Clone>(name: &str, before: &T, next: &mut T) -> Option<String> {
    let differs = before != next;
    next.clone_from(before);
    differs.then(|| of_a_restart(name))
}

fn of_a_restart(name: &str) -> String {
    format!("`{name}` changes with a restart only, its old value holds")
}

fn keep_authorities(before: &Config, next: &mut Config) -> Option<String> {
    let roots = |config: &Config| config.services_ca.as_ref().map(|it| it.roots.clone());
    let differs = roots(before) != roots(next);
    next.services_ca.clone_from(&before.services_ca);
    differs.then(|| of_a_restart("services-ca"))
}

/// What was opened or made at start.
fn keep_what_is_bound(before: &Config, next: &mut Config) -> Vec<String> {
    let kept = [
        keep("filters", &before.filters, &mut next.filters),
        keep("cache", &before.cache, &mut next.cache),
        keep("state", &before.state, &mut next.state),
        keep("dns", &before.dns, &mut next.dns),
        keep_authorities(before, next),
        keep("admin.listen", &before.admin, &mut next.admin),
        keep("admin.health", &before.health, &mut next.health),
        keep("admin.control", &before.control, &mut next.control),
    ];
    kept.into_iter().flatten().collect()
}

/// The listeners as they are bound, each with what the file says of it now.
fn keep_listeners(before: &Config, next: &mut Config) -> Vec<String> {
    let mut pending = Vec::new();
    let mut told = std::mem::take(&mut next.listeners);
    for old in &before.listeners {
        let place = told.iter().position(|new| new.name == old.name);
        let new = place.map(|place| told.swap_remove(place));
        let Some(new) = new else {
            pending.push(format!(
                "listener `{}` is gone; it serves on until a restart",
                old.name
            ));
            next.listeners.push(old.clone());
            continue;
        };
        if new.listen != old.listen {
            pending.push(format!(
                "`listen` of listener `{}` changes with a restart only, its old value holds",
                old.name
            ));
        }
        next.listeners.push(ListenerConfig {
            listen: old.listen.clone(),
            ..new
        });
    }
    pending.extend(
        told.iter()
            .map(|new| format!("listener `{}` is new; it listens after a restart", new.name)),
    );
    pending
}

fn changed(before: &Config, next: &Config) -> Vec<String> {
    let parts = [
        ("hostname", before.hostname != next.hostname),
        ("quarantine", before.quarantine != next.quarantine),
        ("spool", before.spool != next.spool),
        ("mode", before.mode != next.mode),
        ("trace", before.trace != next.trace),
        ("grace", before.grace != next.grace),
        ("backend", before.backend != next.backend),
        ("limits", before.limits != next.limits),
        ("deadlines", before.deadlines != next.deadlines),
        ("reload", before.reload != next.reload),
        ("log", before.log != next.log),
    ];
    let listeners = before.listeners.iter().zip(&next.listeners);
    let listeners = listeners.filter(|(old, new)| old != new);
    let parts = parts.into_iter().filter(|(_, differs)| *differs);
    let names: BTreeSet<_> = parts
        .map(|(name, _)| name.to_owned())
        .chain(listeners.map(|(old, _)| format!("listener `{}`", old.name)))
        .collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "hostname = \"mx.example.org\"\n\
        [[listener]]\nname = \"a\"\nlisten = [\"127.0.0.1:25\"]\nrecipients = [\"example.org\"]\n\
        [[listener]]\nname = \"b\"\nlisten = [\"127.0.0.1:26\"]\nrecipients = [\"example.org\"]\n\
        [backend]\naddress = [\"127.0.0.1:10025\"]\n";

    fn config(text: &str) -> Config {
        Config::parse("lazaret.toml".as_ref(), text).unwrap()
    }

    fn renewal(changes: &[(&str, &str)]) -> Renewal {
        let text = changes.iter().fold(FILE.to_owned(), |text, (old, new)| {
            text.replacen(old, new, 1)
        });
        assert_ne!(text, FILE);
        between(&config(FILE), config(&text))
    }

    #[test]
    fn what_changed_is_named_and_the_rest_is_as_it_was() {
        let renewal = renewal(&[
            ("[\"example.org\"]", "[\"example.net\"]"),
            ("[backend]", "[limits]\nerrors = 3\n[backend]"),
        ]);
        assert_eq!(renewal.changed, ["limits", "listener `a`"]);
        assert_eq!(renewal.pending, [""; 0]);
        assert_eq!(renewal.config.limits.errors, 3);
    }

    /// The services of filters are opened once: a place to remember that is only in the file would be memory.
    #[test]
    fn what_services_are_made_with_stays_and_is_named() {
        let renewal = renewal(&[
            ("[[listener]]", "state = \"memory\"\n[[listener]]"),
            ("[backend]", "[dns]\nservers = [\"192.0.2.53\"]\n[backend]"),
        ]);
        assert_eq!(renewal.changed, [""; 0]);
        assert_eq!(
            renewal.pending,
            ["state", "dns"]
                .map(|name| format!("`{name}` changes with a restart only, its old value holds"))
        );
        assert_eq!(renewal.config.state, config(FILE).state);
    }

    #[test]
    fn what_is_bound_stays_and_is_named() {
        let renewal = renewal(&[
            ("127.0.0.1:25", "127.0.0.1:2525"),
            ("name = \"b\"", "name = \"c\""),
            (
                "[backend]",
                "[admin]\nlisten = [\"127.0.0.1:8025\"]\nhealth = \"0.0.0.0:8026\"\n[backend]",
            ),
        ]);
        assert_eq!(renewal.changed, [""; 0]);
        assert_eq!(
            renewal.pending,
            [
                "`admin.listen` changes with a restart only, its old value holds",
                "`admin.health` changes with a restart only, its old value holds",
                "`listen` of listener `a` changes with a restart only, its old value holds",
                "listener `b` is gone; it serves on until a restart",
                "listener `c` is new; it listens after a restart",
            ]
        );
        let names: Vec<_> = renewal.config.listeners.iter().map(|it| &it.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(renewal.config.listeners[0].listen[0].port(), 25);
    }
}
