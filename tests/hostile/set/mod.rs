//! The hostile set: every way to misbehave while mail flows, at every stage where it applies.

mod abi;
mod effects;
mod endless;
mod floods;
mod growth;
mod huge;
mod injection;
mod verdicts;

use super::attack::Attack;

/// All of it. Each attack has a name of its own.
pub fn all() -> Vec<Attack> {
    [
        endless::attacks(),
        growth::attacks(),
        floods::attacks(),
        huge::attacks(),
        injection::attacks(),
        verdicts::attacks(),
        effects::attacks(),
        abi::attacks(),
    ]
    .concat()
}

/// Those at which the filter is loaded and asked.
pub fn asked() -> Vec<Attack> {
    let mut all = all();
    all.retain(|attack| attack.point.stage().is_some());
    all
}

/// Those that happen before the first question.
pub fn loading() -> Vec<Attack> {
    let mut all = all();
    all.retain(|attack| attack.point.stage().is_none());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_attacks_have_one_name() {
        let all = all();
        let names: BTreeSet<_> = all.iter().map(Attack::name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() > 300, "only {} attacks", all.len());
    }
}
