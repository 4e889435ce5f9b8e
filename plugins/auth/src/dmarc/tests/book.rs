//! RFC 9989 section 4.10, word for word and with a walk for each domain, beside what asks as little as it can.

use super::{Authenticated, Authors, Found, Kind, Names, Outcome, identifiers};

/// Numbers that are the same each time (Knuth's generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Of two to five labels, now and then of up to eight: walks pass over some names above longer ones. Many are alike.
    fn domain(&mut self) -> String {
        let most = if self.below(10) == 0 { 7 } else { 4 };
        let above = 1 + self.below(most);
        (0..above).fold("t".to_owned(), |name, _| {
            let label = if self.below(4) == 0 { "b" } else { "a" };
            format!("{label}.{name}")
        })
    }

    fn policy(&mut self) -> String {
        let suffix = ["", "; psd=y", "; psd=n", "; psd=u", ""][self.below(5)];
        format!("v=DMARC1; p=reject{suffix}")
    }
}

/// Domains and their policies.
#[derive(Debug, Default)]
struct Tree(Vec<(String, String)>);

impl Tree {
    /// Throws a policy for some of the names from the domain upwards.
    fn grow(&mut self, dice: &mut Dice, domain: &str) {
        let labels: Vec<_> = domain.split('.').collect();
        for from in 0..labels.len() {
            let name = labels[from..].join(".");
            if dice.below(3) == 0 && self.policy(&name).is_none() {
                self.0.push((name, dice.policy()));
            }
        }
    }

    fn policy(&self, domain: &str) -> Option<&str> {
        let own = self.0.iter().find(|(name, _)| name == domain);
        own.map(|(_, policy)| policy.as_str())
    }

    /// Steps 1 to 7 of section 4.10, then section 4.10.2; None where nothing was found.
    fn organisation(&self, start: &str) -> Option<String> {
        let labels: Vec<_> = start.split('.').collect();
        let next = labels.len().saturating_sub(7).max(1);
        let above = (next..labels.len()).map(|from| labels[from..].join("."));
        let mut last = None;
        for name in std::iter::once(start.to_owned()).chain(above) {
            let Some(policy) = self.policy(&name) else {
                continue;
            };
            if policy.contains("psd=y") && name != start {
                let more = name.split('.').count() + 1;
                return Some(labels[labels.len() - more..].join("."));
            }
            last = Some(name);
            if policy.contains("psd=y") || policy.contains("psd=n") {
                break;
            }
        }
        last
    }

    /// None where DMARC does not apply.
    fn aligned(&self, author: &str, other: &str) -> Option<bool> {
        let own = self.organisation(author)?;
        let of_other = self.organisation(other);
        let theirs = of_other.unwrap_or_else(|| other.to_owned());
        Some(author == other || own == theirs)
    }
}

impl Names for &Tree {
    fn look_up(&mut self, name: &str, _: Kind) -> Found {
        let domain = name
            .strip_prefix("_dmarc.")
            .expect("policies are asked for");
        match self.policy(domain) {
            Some(policy) => Found::Records(vec![policy.to_owned()]),
            None => Found::Void,
        }
    }
}

fn passes(mut tree: &Tree, author: &str, other: &str) -> Option<bool> {
    let from = format!("a@{author}");
    let authors = Authors::look_up(&mut tree, &[from.as_bytes()]);
    let authenticated = Authenticated {
        passed: identifiers("", &[other]),
        ..Authenticated::default()
    };
    match authors.check(&mut tree, &authenticated)[0].outcome {
        Outcome::Pass => Some(true),
        Outcome::Fail(_) => Some(false),
        _ => None,
    }
}

#[test]
fn random_trees_are_read_by_the_book() {
    let mut dice = Dice(1);
    let mut times = [0; 2];
    for _ in 0..20_000 {
        let (author, other) = (dice.domain(), dice.domain());
        let mut tree = Tree::default();
        tree.grow(&mut dice, &author);
        tree.grow(&mut dice, &other);
        let found = passes(&tree, &author, &other);
        let expected = tree.aligned(&author, &other);
        assert_eq!(found, expected, "{author} {other} {tree:#?}");
        if let Some(found) = found {
            times[usize::from(found)] += 1;
        }
    }
    assert!(times.iter().all(|times| *times > 5000), "{times:?}");
}
