use std::sync::Arc;

use super::Keep;

/// What shall become of a message that nobody refuses, and who said so.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark(Option<(Keep, Arc<str>)>);

impl Mark {
    /// Quarantine goes before discard; of two alike the first stands.
    pub(super) fn add(&mut self, keep: Keep, by: &Arc<str>) {
        let stands = match &self.0 {
            None => false,
            Some((Keep::Quarantine(_), _)) => true,
            Some((Keep::Discard, _)) => keep == Keep::Discard,
        };
        if !stands {
            self.0 = Some((keep, by.clone()));
        }
    }

    /// Both marks as one.
    pub(super) fn join(mut self, other: &Self) -> Self {
        if let Some((keep, by)) = &other.0 {
            self.add(keep.clone(), by);
        }
        self
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn into_inner(self) -> Option<(Keep, Arc<str>)> {
        self.0
    }
}
