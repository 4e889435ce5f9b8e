//! The reference filter in Rust: every stage, every permission, every way to answer and to fail. What it does is
//! specified in `guest-sdk/reference`.

mod commands;
mod facts;

use lazaret_filter::prelude::*;

/// The `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    domains: Vec<String>,
    #[serde(default = "one")]
    points: f64,
}

fn one() -> f64 {
    1.0
}

/// The configured filter. A copy of it lives for one transaction.
pub struct Reference {
    settings: Settings,
    /// what `notes.get` answered in `configure`
    configuring: &'static str,
    /// how often this copy was asked
    calls: u32,
}

#[filter]
impl Filter for Reference {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, String> {
        if settings.domains.is_empty() {
            return Err("`domains` is empty: name at least one".to_owned());
        }
        log::info(format!("configured: {} domains", settings.domains.len()));
        Ok(Self {
            settings,
            configuring: answer(notes::get("reference", "client")),
            calls: 0,
        })
    }

    fn connect(&mut self) -> Verdict {
        self.calls += 1;
        let client = session::client().address;
        let _ = notes::set(notes::Scope::Connection, "client", &client);
        self.obey_name("connect", &session::listener())
    }

    fn hello(&mut self, name: &str) -> Verdict {
        self.calls += 1;
        self.obey_name("hello", name)
    }

    fn auth(&mut self, _mechanism: &str, name: Option<&str>) -> Verdict {
        self.calls += 1;
        self.obey_name("auth", name.unwrap_or_default())
    }

    fn mail(&mut self, sender: &Address) -> Verdict {
        self.calls += 1;
        let domain = sender.domain.to_ascii_lowercase();
        if self.settings.domains.contains(&domain) {
            let why = format!("{domain} is listed");
            if let Err(error) = score::add("LISTED", self.settings.points, &why) {
                log::warn(format!("score: {}", error.name()));
            }
        }
        self.obey_name("mail", &sender.local_part)
    }

    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        self.calls += 1;
        self.obey_name("rcpt", &recipient.local_part)
    }

    fn headers(&mut self) -> Verdict {
        self.calls += 1;
        self.obey_fields("headers")
    }

    fn message(&mut self) -> Verdict {
        self.calls += 1;
        self.obey_fields("message")
    }

    fn outcome(&mut self, transaction: &TransactionResult) {
        let by = transaction.decided_by.as_deref().unwrap_or("none");
        let queue = transaction.queue_id.as_deref().unwrap_or("none");
        log::info(format!(
            "outcome {} by={by} queue={queue}",
            transaction.code
        ));
    }

    fn disconnect(&mut self, reason: &str) {
        log::info(format!("disconnect {reason}"));
    }
}

impl Reference {
    /// The command in a name, e.g. `try-reject.example.com`.
    fn obey_name(&self, stage: &str, name: &str) -> Verdict {
        let command = name
            .strip_prefix("try-")
            .and_then(|rest| rest.split('.').next());
        command.map_or(Verdict::Continue, |command| self.obey(stage, command))
    }

    /// The commands in the fields `X-Try` that are for this stage.
    fn obey_fields(&self, stage: &str) -> Verdict {
        let fields = headers::text("X-Try");
        let commands = fields.iter().filter_map(|field| {
            let (at, command) = field.split_once(' ')?;
            (at == stage).then_some(command)
        });
        commands
            .map(|command| self.obey(stage, command))
            .find(|verdict| *verdict != Verdict::Continue)
            .unwrap_or(Verdict::Continue)
    }
}

/// `ok`, or the error by its name in the contract.
fn answer<T>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.name(), |_| "ok")
}

#[cfg(test)]
mod tests;
