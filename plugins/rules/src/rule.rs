//! One rule: when it holds, and what follows.

use lazaret_filter::prelude::*;
use serde::Deserialize;

use crate::action::{Edit, EditTable, Edits};
use crate::condition::{Condition, ConditionTable, Holds};
use crate::facts::Facts;

/// Octets of a rule's name.
const LONGEST_NAME: usize = 40;

/// Octets of the words for the points.
const LONGEST_WHY: usize = 200;

/// A `[[config.rule]]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleTable {
    name: String,
    when: ConditionTable,
    why: Option<String>,
    score: Option<f64>,
    reject: Option<String>,
    defer: Option<String>,
    #[serde(default)]
    edit: Vec<EditTable>,
}

/// A rule that makes sense.
#[derive(Debug)]
pub struct Rule {
    pub name: String,
    when: Condition,
    why: String,
    score: Option<f64>,
    reply: Verdict,
    edits: Vec<Edit>,
}

impl Rule {
    /// # Errors
    /// What is wrong and the cure.
    pub fn new(table: RuleTable) -> Result<Self, String> {
        let edits: Vec<Edit> = table
            .edit
            .into_iter()
            .map(Edit::new)
            .collect::<Result<_, _>>()?;
        let rule = Self {
            when: Condition::new(table.when, Holds::Any)?,
            why: why(table.why, &table.name)?,
            name: name(table.name)?,
            score: table.score,
            reply: reply(table.reject, table.defer)?,
            edits,
        };
        if rule.score.is_none() && rule.edits.is_empty() && rule.reply.passes() {
            return Err(
                "nothing follows from it; give it `score`, `reject`, `defer` or `edit`".into(),
            );
        }
        Ok(rule)
    }

    /// Does its condition hold?
    pub fn holds(&self, facts: &Facts) -> bool {
        self.when.holds(facts)
    }

    /// Does what follows; points are also told to `reasons`.
    pub fn follow(&self, edits: &mut Edits, reasons: &mut Vec<String>) -> Verdict {
        if let Some(points) = self.score {
            reasons.push(format!("{}={points:.1}", self.name));
            if let Err(error) = score::add(&self.name, points, &self.why) {
                log::warn(format!(
                    "rule {}: cannot score ({word}): grant `score`",
                    self.name,
                    word = error.name()
                ));
            }
        }
        for edit in &self.edits {
            if let Err(error) = edits.apply(edit) {
                let field = edit.field();
                log::warn(format!(
                    "rule {}: cannot edit {field} ({word}): grant `edit-headers:{field}`",
                    self.name,
                    word = error.name()
                ));
            }
        }
        self.reply.clone()
    }
}

fn name(name: String) -> Result<String, String> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain && !name.is_empty() && name.len() <= LONGEST_NAME {
        return Ok(name);
    }
    Err(format!(
        "a name has letters, digits, `_` and `-`, at most {LONGEST_NAME}; write e.g. \"NO_DATE\""
    ))
}

fn why(why: Option<String>, name: &str) -> Result<String, String> {
    let why = why.unwrap_or_else(|| name.to_lowercase().replace('_', " "));
    if why.len() > LONGEST_WHY || why.chars().any(char::is_control) {
        return Err(format!(
            "`why` is one line of at most {LONGEST_WHY} octets; make it shorter"
        ));
    }
    Ok(why)
}

fn reply(reject: Option<String>, defer: Option<String>) -> Result<Verdict, String> {
    match (reject, defer) {
        (Some(_), Some(_)) => Err("it has both `reject` and `defer`; keep one".into()),
        (Some(text), None) => Ok(Verdict::reject(text).enhanced("5.7.1")),
        (None, Some(text)) => Ok(Verdict::defer(text).enhanced("4.7.1")),
        (None, None) => Ok(Verdict::Continue),
    }
}
