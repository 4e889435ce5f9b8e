//! The log of the child: lines of the guest and warnings of ours go to the parent, which writes them into its own log.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::child::Line;
use super::frames::{FromChild, Voice};

/// Target of what guests say.
const GUEST: &str = "filter";

/// Takes what is logged in this process.
pub struct Relay {
    line: Line,
}

impl Relay {
    /// Sends on this line.
    pub fn new(line: Line) -> Self {
        Self { line }
    }
}

impl Subscriber for Relay {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        let ours = about.target().starts_with("lazaret") && *about.level() <= Level::WARN;
        about.is_event() && (ours || about.target() == GUEST)
    }

    fn event(&self, event: &Event<'_>) {
        let about = event.metadata();
        let mut words = Words::default();
        event.record(&mut words);
        let said = FromChild::Said {
            level: about.level().to_string(),
            by: match about.target() == GUEST {
                true => Voice::Guest,
                false => Voice::Host,
            },
            message: words.0,
        };
        // A parent that is gone needs no log.
        let _ = self.line.send(&said, &[]);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message, without the fields that the parent knows.
#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Writes a line of the child into the log of this process.
pub fn log(filter: &str, level: &str, by: Voice, message: &str) {
    let stage = "configure";
    match (by, level.parse().unwrap_or(Level::WARN)) {
        (Voice::Host, _) => tracing::warn!(filter, "{message}"),
        (_, Level::ERROR) => tracing::error!(target: GUEST, filter, stage, "{message}"),
        (_, Level::WARN) => tracing::warn!(target: GUEST, filter, stage, "{message}"),
        (_, Level::INFO) => tracing::info!(target: GUEST, filter, stage, "{message}"),
        (_, _) => tracing::debug!(target: GUEST, filter, stage, "{message}"),
    }
}
