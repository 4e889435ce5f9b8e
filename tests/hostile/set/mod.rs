//! The hostile set: every way to misbehave while mail flows, at every stage where it applies.

mod abi;
mod canary;
mod effects;
mod endless;
mod floods;
mod growth;
mod huge;
mod injection;
mod lists;
mod verdicts;

use super::attack::{Attack, Guest};

/// All of it. Each attack has a name of its own.
pub fn all() -> Vec<Attack> {
    [
        endless::attacks(),
        growth::attacks(),
        floods::attacks(),
        huge::attacks(),
        lists::attacks(),
        injection::attacks(),
        verdicts::attacks(),
        effects::attacks(),
        abi::attacks(),
        canary::attacks(),
    ]
    .concat()
}

/// Those that look for what another sandbox left.
pub fn canaries() -> Vec<Attack> {
    canary::attacks()
}

/// Those at which the filter is loaded and asked.
pub fn asked() -> Vec<Attack> {
    let mut all = all();
    all.retain(|attack| attack.point.stage().is_some());
    all
}

/// A share of [`asked`] that an ordinary test run can afford: the plainest kinds at all their stages; every other kind
/// at one, each at another than the kind before it.
pub fn spread() -> Vec<Attack> {
    const EVERYWHERE: [&str; 4] = ["endless loop", "memory growth", "trap", "deep recursion"];
    let all = asked();
    let mut chosen = Vec::new();
    let kinds = all.chunk_by(|one, next| one.kind == next.kind);
    for (number, of_a_kind) in kinds.enumerate() {
        let one = &of_a_kind[number % of_a_kind.len()];
        match one.guest {
            Guest::Forged(_) if EVERYWHERE.contains(&one.kind) => {
                chosen.extend_from_slice(of_a_kind)
            }
            _ => chosen.push(one.clone()),
        }
    }
    chosen
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
    fn a_share_has_every_stage() {
        let stages = |attacks: &[Attack]| -> BTreeSet<_> {
            attacks.iter().map(|attack| attack.point).collect()
        };
        assert_eq!(stages(&asked()), stages(&spread()));
        assert!(spread().len() > 80, "only {}", spread().len());
    }

    #[test]
    fn no_two_attacks_have_one_name() {
        let all = all();
        let names: BTreeSet<_> = all.iter().map(Attack::name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() > 300, "only {} attacks", all.len());
    }
}
