//! The keys of `[config]`.

use std::collections::BTreeMap;

use lazaret_filter::Network;
use serde::Deserialize;

use crate::list::Subject;

/// The `[config]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// networks that no list is asked about
    pub trusted: Vec<Network>,
    /// recipients that are never refused: `abuse@`, `postmaster@example.org`
    pub exempt: Vec<String>,
    /// points of all lists together from which on a recipient is refused; None: never
    pub refuse: Option<f64>,
    /// how
    pub action: Action,
    /// what the client hears: `{client}`, `{list}`
    pub text: Option<String>,
    /// the lists
    pub list: Vec<ListSettings>,
}

/// How to refuse.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// 5xx
    #[default]
    Reject,
    /// 4xx
    Defer,
}

/// One `[[config.list]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListSettings {
    /// below which it is asked
    pub zone: String,
    /// the symbol of its points; made of the zone if not said
    pub symbol: Option<String>,
    /// what it lists
    #[serde(default)]
    pub of: Subject,
    /// points of whatever is listed; negative for an allow list
    pub weight: Option<f64>,
    /// points by what it answers: an address, or a network in CIDR notation
    #[serde(default)]
    pub returns: BTreeMap<String, f64>,
}
