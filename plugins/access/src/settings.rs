//! The keys of `[config]`.

use serde::Deserialize;

/// The `[config]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[derive(Default)]
pub struct Settings {
    /// when a denied client, name or sender hears of it
    pub when: When,
    /// networks in CIDR notation
    pub clients: List,
    /// confirmed PTR names; without the grant `session:name` no client has one
    pub client_names: List,
    /// names in HELO and EHLO
    pub hellos: List,
    /// MAIL FROM
    pub senders: List,
    /// RCPT TO
    pub recipients: List,
}

/// When a denial is said.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// at the stage where the fact is known
    #[default]
    AtOnce,
    /// to each recipient, so that an allowed sender or recipient spares a denied client
    AtRcpt,
}

/// One pair of lists and the answer to what is denied.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct List {
    /// spared from every deny list of this filter
    pub allow: Vec<String>,
    /// gets `action`
    pub deny: Vec<String>,
    /// for good or for now
    pub action: Action,
    /// what the client hears; each list has words of its own
    pub text: Option<String>,
}

/// How to deny.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// 5xx
    #[default]
    Reject,
    /// 4xx
    Defer,
}
