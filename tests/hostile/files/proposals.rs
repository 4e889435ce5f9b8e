//! Everything of WebAssembly that is switched off, each in a small component that would be a filter without it.

use serde::Deserialize;

use super::Family;
use crate::guests::{assemble, observer_with};
use crate::hostile::attack::Expected;

/// The engine's own tests demand one for each feature that is off.
const SPECIMENS: &str = include_str!("../../mistakes/proposals.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Specimens {
    proposal: Vec<Proposal>,
}

/// Something to put into the core module of a filter, or beside it, and what the refusal says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    flag: String,
    #[serde(default)]
    core: String,
    #[serde(default)]
    beside: String,
    says: String,
}

impl Proposal {
    fn family(self) -> Family {
        let begin = format!("(component {}", self.beside);
        let text = observer_with(&self.core).replacen("(component", &begin, 1);
        let fields = [self.core, self.beside].concat();
        let shown: String = fields.chars().take(40).collect();
        let flag = self.flag.to_lowercase().replace('_', " ");
        Family::single(
            format!("switched off: {flag}: {shown}"),
            assemble(&text),
            // There are a few dozen, read once.
            Expected::Refused(self.says.leak()),
        )
    }
}

pub(super) fn families() -> Vec<Family> {
    let all: Specimens = toml::from_str(SPECIMENS).expect("tests/mistakes/proposals.toml is valid");
    all.proposal.into_iter().map(Proposal::family).collect()
}
