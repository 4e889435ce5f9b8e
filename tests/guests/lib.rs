//! What the guest `puppet` is told to do, read from its `[config]`.
//!
//! Each stage has one step, or a list of steps of which the first that fits is taken; `when` is looked for in what the
//! stage is told and in the sender:
//!
//! ```toml
//! [config]
//! mail = { do = [{ score = ["GREETING", 1.5, "because"] }], reject = "go away", code = 550 }
//! rcpt = [{ when = "bob@", defer = "later" }, { accept = true }]
//! ```

use serde_json::Value;

/// The whole script, as the operator wrote it.
#[derive(Debug, Default)]
pub struct Script(Value);

/// What to do at one stage: some actions in order, then a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a>(&'a Value);

impl Script {
    /// Reads the JSON text that `configure` was given.
    pub fn parse(config: &str) -> Result<Self, String> {
        serde_json::from_str(config)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// The first step of `stage` whose `when` is part of `argument`, or of the sender, who is asked for only then.
    pub fn step(
        &self,
        stage: &str,
        argument: &str,
        sender: impl Fn() -> String,
    ) -> Option<Step<'_>> {
        let fits = |when: &str| argument.contains(when) || sender().contains(when);
        match self.0.get(stage)? {
            Value::Array(steps) => steps
                .iter()
                .map(Step)
                .find(|step| step.text("when").is_none_or(fits)),
            step => Some(Step(step)),
        }
    }
}

impl<'a> Step<'a> {
    /// The actions, each an object of one key.
    pub fn actions(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let actions = self.0.get("do").and_then(Value::as_array);
        actions
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(name, argument)| (name.as_str(), argument))
    }

    /// The string under `key`.
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// Is `key` there and true?
    pub fn says(self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool) == Some(true)
    }

    /// The reply code wished for.
    pub fn code(self) -> Option<u16> {
        self.0.get("code")?.as_u64()?.try_into().ok()
    }
}

/// Replaces each `{name}` that `value` knows; what it does not know stays as it is.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else {
            break;
        };
        let close = open + length;
        out.push_str(&rest[..open]);
        match value(&rest[open + 1..close]) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[open..=close]),
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_that_fits_is_taken() {
        let script = Script::parse(
            r#"{"rcpt": [{"when": "bob", "reject": "no bob"}, {"defer": "later"}], "mail": {"accept": true}}"#,
        )
        .unwrap();
        let from = || "carol@example.com".to_owned();
        let rcpt = |who| script.step("rcpt", who, from).unwrap();
        assert_eq!(rcpt("bob@example.org").text("reject"), Some("no bob"));
        assert_eq!(rcpt("eve@example.org").text("defer"), Some("later"));
        assert!(script.step("mail", "anyone", from).unwrap().says("accept"));
        assert!(script.step("hello", "name", from).is_none());
        let script = Script::parse(r#"{"message": [{"when": "carol", "accept": true}]}"#).unwrap();
        assert!(script.step("message", "", from).is_some());
        assert!(script.step("message", "", String::new).is_none());
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_stay() {
        let value = |name: &str| (name == "count").then(|| "3".to_owned());
        assert_eq!(
            fill("call {count} of {many} {", value),
            "call 3 of {many} {"
        );
    }
}
