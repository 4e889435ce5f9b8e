//! One way in which a filter may misbehave, and the only answer that is right.

use std::time::Duration;

use super::forge::Forge;

/// CPU that a stage of a hostile filter is given.
pub const TIME: Duration = Duration::from_millis(10);
/// The same where it must not run out of it: ten times as much.
const ROOM: Duration = Duration::from_millis(100);

/// Where a filter misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// the start function of its core module
    Start,
    /// `configure`
    Configure,
    /// the stage of that name
    Connect,
    /// see [`Point::Connect`]
    Hello,
    /// see [`Point::Connect`]
    Mail,
    /// see [`Point::Connect`]
    Rcpt,
    /// see [`Point::Connect`]
    Headers,
    /// see [`Point::Connect`]
    Message,
    /// see [`Point::Connect`]
    Outcome,
    /// see [`Point::Connect`]
    Disconnect,
}

/// The stages that are asked for a verdict.
pub const JUDGES: [Point; 6] = [
    Point::Connect,
    Point::Hello,
    Point::Mail,
    Point::Rcpt,
    Point::Headers,
    Point::Message,
];

/// All stages, observers included.
pub const STAGES: [Point; 8] = [
    Point::Connect,
    Point::Hello,
    Point::Mail,
    Point::Rcpt,
    Point::Headers,
    Point::Message,
    Point::Outcome,
    Point::Disconnect,
];

/// What runs before the first question.
pub const LOADING: [Point; 2] = [Point::Start, Point::Configure];

impl Point {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Point::Start => "start",
            Point::Configure => "configure",
            Point::Connect => "connect",
            Point::Hello => "hello",
            Point::Mail => "mail",
            Point::Rcpt => "rcpt",
            Point::Headers => "headers",
            Point::Message => "message",
            Point::Outcome => "outcome",
            Point::Disconnect => "disconnect",
        }
    }

    /// The stage, if it is one.
    pub fn stage(self) -> Option<&'static str> {
        (!LOADING.contains(&self)).then(|| self.name())
    }

    /// The core export behind it.
    pub fn export(self) -> Option<String> {
        match self {
            Point::Start => None,
            Point::Configure => Some("configure".to_owned()),
            _ => Some(format!("lazaret:filter/on-{0}@0.1.0#{0}", self.name())),
        }
    }

    /// May the filter object here?
    pub fn judges(self) -> bool {
        JUDGES.contains(&self)
    }
}

/// What must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The filter fails, the log says these words, its `on-failure` answers.
    Failure(&'static str),
    /// Any of these words: what comes first depends on the machine.
    FailureOf(&'static [&'static str]),
    /// The client hears this pattern, and no more than this.
    Reply(&'static str),
    /// The message is delivered as if there were no such filter.
    Nothing,
    /// The message is delivered; its new fields are exactly these, in order.
    Fields(&'static [&'static str]),
    /// It does not load; the error has these words.
    Refused(&'static str),
    /// It does not load; the error has any of these words: what comes first depends on the machine.
    RefusedOf(&'static [&'static str]),
    /// It does not load, or it does and is harmless; what matters is what else happens.
    Contained,
}

impl Expected {
    /// Is running out of CPU time a right answer?
    fn may_run_out(&self) -> bool {
        match self {
            Expected::Failure(word) => word.contains("CPU time"),
            Expected::FailureOf(words) => words.contains(&"CPU time"),
            Expected::Contained => true,
            Expected::Reply(_)
            | Expected::Nothing
            | Expected::Fields(_)
            | Expected::Refused(_)
            | Expected::RefusedOf(_) => false,
        }
    }
}

fn number_of_seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    number.parse().ok().map(Duration::from_secs)
}

/// The filter that does it.
#[derive(Clone, Debug)]
pub enum Guest {
    /// made from WebAssembly text
    Forged(Forge),
    /// the puppet, told by its `[config]`, a TOML table for the stage
    Told(String),
}

/// One row of the set, at one point.
#[derive(Clone, Debug)]
pub struct Attack {
    /// e.g. `endless loop`
    pub kind: &'static str,
    /// where
    pub point: Point,
    /// the filter
    pub guest: Guest,
    /// lines of its `.toml`, besides what all have
    pub policy: &'static str,
    /// the answer
    pub expected: Expected,
}

impl Attack {
    /// CPU that its stage is given: what its policy says; else little where it may run out of it. Whatever must come of
    /// something else is given room: where the machine is a guest itself, time that its host took counts as CPU.
    pub fn time(&self) -> Duration {
        let policy: toml::Table = self.policy.parse().unwrap_or_default();
        let own = policy.get("time").and_then(toml::Value::as_str);
        let own = own.and_then(|text| match text.strip_suffix("ms") {
            Some(number) => number.parse().ok().map(Duration::from_millis),
            None => number_of_seconds(text),
        });
        match own {
            Some(own) => own,
            None if self.expected.may_run_out() => TIME,
            None => ROOM,
        }
    }

    /// Its name as a filter and as a listener: `endless-loop-at-mail`.
    pub fn name(&self) -> String {
        let kind: String = self
            .kind
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        format!("{kind}-at-{}", self.point.name())
    }
}

/// A way to misbehave, before it is said where.
#[derive(Clone, Debug)]
pub struct Kind {
    name: &'static str,
    guest: Guest,
    policy: &'static str,
    expected: Expected,
}

impl Kind {
    /// In WebAssembly text.
    pub fn forged(name: &'static str, forge: Forge, expected: Expected) -> Self {
        Self {
            name,
            guest: Guest::Forged(forge),
            policy: "",
            expected,
        }
    }

    /// By the puppet; `step` is its step in TOML.
    pub fn told(name: &'static str, step: impl Into<String>, expected: Expected) -> Self {
        Self {
            name,
            guest: Guest::Told(step.into()),
            policy: "",
            expected,
        }
    }

    /// With these lines in its `.toml`.
    pub fn under(mut self, policy: &'static str) -> Self {
        self.policy = policy;
        self
    }

    /// At each of these points.
    pub fn at(&self, points: &[Point]) -> Vec<Attack> {
        let attack = |point: &Point| Attack {
            kind: self.name,
            point: *point,
            guest: self.guest.clone(),
            policy: self.policy,
            expected: self.expected.clone(),
        };
        points.iter().map(attack).collect()
    }
}
