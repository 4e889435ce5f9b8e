//! The null filter: what does it cost to be asked?
//!
//! It exports every stage, pulls the message through its own memory unless it is told not to, and says `continue`.

use lazaret_filter::prelude::*;

/// The `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// pull the whole message at the stage `message`
    read_body: bool,
}

/// The configured filter.
pub struct Null(Settings);

#[filter]
impl Filter for Null {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn connect(&mut self) -> Verdict {
        Verdict::Continue
    }

    fn hello(&mut self, _name: &str) -> Verdict {
        Verdict::Continue
    }

    fn auth(&mut self, _mechanism: &str, _name: Option<&str>) -> Verdict {
        Verdict::Continue
    }

    fn mail(&mut self, _sender: &Address) -> Verdict {
        Verdict::Continue
    }

    fn rcpt(&mut self, _recipient: &Address) -> Verdict {
        Verdict::Continue
    }

    fn headers(&mut self) -> Verdict {
        Verdict::Continue
    }

    fn message(&mut self) -> Verdict {
        if !self.0.read_body {
            return Verdict::Continue;
        }
        let read: usize = body::chunks().flatten().map(|chunk| chunk.len()).sum();
        // A message that was cut short on its way here would make the benchmark a lie.
        if read == body::size() as usize {
            Verdict::Continue
        } else {
            Verdict::reject("the null filter could not read all of it")
        }
    }

    fn outcome(&mut self, _transaction: &TransactionResult) {}

    fn disconnect(&mut self, _reason: &str) {}
}

#[cfg(test)]
mod tests {
    use lazaret_filter::testing;

    use super::Null;

    #[test]
    fn it_never_objects() {
        for config in ["read-body = true", "read-body = false"] {
            let report = testing::Transaction::new()
                .from("sender@example.com")
                .run::<Null>(config);
            assert_eq!(report.verdict().to_string(), "continue");
        }
    }
}
