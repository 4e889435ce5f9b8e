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
//!
//! Where `listeners` is given, only the part under the session's listener is played:
//!
//! ```toml
//! [config.listeners.one]
//! mail = { reject = "go away" }
//! [config.listeners.another]
//! message = { accept = true }
//! ```

use serde_json::Value;

/// The whole script, as the operator wrote it.
#[derive(Debug, Default)]
pub struct Script(Value);

/// What of it is played: the steps by stage.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a>(&'a Value);

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

    /// What is played at `listener`, which is asked for only where the script tells listeners apart.
    pub fn part(&self, listener: impl Fn() -> String) -> Option<Part<'_>> {
        match self.0.get("listeners") {
            Some(parts) => parts.get(listener()).map(Part),
            None => Some(Part(&self.0)),
        }
    }

    /// What is done when it is configured, whatever the listeners.
    pub fn configure(&self) -> Option<Step<'_>> {
        Part(&self.0).step("configure", "", String::new)
    }
}

impl<'a> Part<'a> {
    /// The first step of `stage` whose `when` is part of `argument`, or of the sender, who is asked for only then.
    pub fn step(
        self,
        stage: &str,
        argument: &str,
        sender: impl Fn() -> String,
    ) -> Option<Step<'a>> {
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
        let part = whole(&script);
        let rcpt = |who| part.step("rcpt", who, from).unwrap();
        assert_eq!(rcpt("bob@example.org").text("reject"), Some("no bob"));
        assert_eq!(rcpt("eve@example.org").text("defer"), Some("later"));
        assert!(part.step("mail", "anyone", from).unwrap().says("accept"));
        assert!(part.step("hello", "name", from).is_none());
        let script = Script::parse(r#"{"message": [{"when": "carol", "accept": true}]}"#).unwrap();
        assert!(whole(&script).step("message", "", from).is_some());
        assert!(whole(&script).step("message", "", String::new).is_none());
    }

    fn whole(script: &Script) -> Part<'_> {
        let part = script.part(|| unreachable!("it does not tell listeners apart"));
        part.unwrap()
    }

    #[test]
    fn each_listener_has_its_part_and_others_have_none() {
        let script = Script::parse(
            r#"{"configure": {"error": "no"}, "listeners": {"one": {"mail": {"reject": "one"}}, "two": {"mail": {"reject": "two"}}}}"#,
        )
        .unwrap();
        let says = |listener: &str| {
            let part = script.part(|| listener.to_owned())?;
            part.step("mail", "anyone", String::new)?.text("reject")
        };
        assert_eq!(
            (says("one"), says("two"), says("three")),
            (Some("one"), Some("two"), None)
        );
        assert_eq!(script.configure().unwrap().text("error"), Some("no"));
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
