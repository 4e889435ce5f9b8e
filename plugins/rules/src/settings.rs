//! The `[config]` table: an array of rules, each read alone so that its mistakes are told with its name.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::rule::{Rule, RuleTable};

/// Rules of one filter.
const MOST_RULES: usize = 2000;

/// The `[config]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[[config.rule]]`
    rule: Vec<Value>,
}

impl Settings {
    /// # Errors
    /// Names the rule, what is wrong with it, and the cure.
    pub fn rules(self) -> Result<Vec<Rule>, String> {
        if self.rule.len() > MOST_RULES {
            return Err(format!(
                "{} rules are too many: at most {MOST_RULES}",
                self.rule.len()
            ));
        }
        let mut names = HashSet::new();
        let mut rules = Vec::new();
        for (place, table) in self.rule.into_iter().enumerate() {
            let title = title(place, &table);
            let rule = read(table).map_err(|problem| format!("{title}: {problem}"))?;
            if !names.insert(rule.name.clone()) {
                return Err(format!(
                    "{title}: another rule has this name; give it one of its own"
                ));
            }
            rules.push(rule);
        }
        Ok(rules)
    }
}

fn read(table: Value) -> Result<Rule, String> {
    let table: RuleTable = serde_json::from_value(table).map_err(|error| error.to_string())?;
    Rule::new(table)
}

fn title(place: usize, table: &Value) -> String {
    match table.get("name").and_then(Value::as_str) {
        Some(name) => format!("rule {name}"),
        None => format!("rule number {}", place + 1),
    }
}
