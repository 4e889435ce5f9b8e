//! The stages of a session at which filters are asked.

/// One stage; `Outcome` and `Disconnect` are observers, they have no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// before the greeting
    Connect,
    /// HELO or EHLO
    Hello,
    /// AUTH, before it is relayed (reserved: AUTH is not offered yet)
    Auth,
    /// MAIL
    Mail,
    /// each RCPT
    Rcpt,
    /// the empty line after the header section; answered after the dot
    Headers,
    /// the end of data
    Message,
    /// after the reply to a transaction
    Outcome,
    /// after the connection
    Disconnect,
}

impl Stage {
    /// In the order of a session.
    pub const ALL: [Stage; 9] = [
        Stage::Connect,
        Stage::Hello,
        Stage::Auth,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Headers,
        Stage::Message,
        Stage::Outcome,
        Stage::Disconnect,
    ];
    /// `connect`, `hello`, … as written in a filter's TOML.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Hello => "hello",
            Stage::Auth => "auth",
            Stage::Mail => "mail",
            Stage::Rcpt => "rcpt",
            Stage::Headers => "headers",
            Stage::Message => "message",
            Stage::Outcome => "outcome",
            Stage::Disconnect => "disconnect",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageSet(u16);

impl StageSet {
    /// Adds one.
    pub fn insert(&mut self, stage: Stage) {
        self.0 |= 1 << stage as u16;
    }
    /// Takes one out.
    pub fn remove(&mut self, stage: Stage) {
        self.0 &= !(1 << stage as u16);
    }
    /// Those of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// None at all?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Holds it?
    pub const fn contains(self, stage: Stage) -> bool {
        self.0 & (1 << stage as u16) != 0
    }
    /// In the order of a session.
    pub fn iter(self) -> impl Iterator<Item = Stage> {
        Stage::ALL.into_iter().filter(move |s| self.contains(*s))
    }
}

impl FromIterator<Stage> for StageSet {
    fn from_iter<I: IntoIterator<Item = Stage>>(stages: I) -> Self {
        let mut set = Self::default();
        stages.into_iter().for_each(|stage| set.insert(stage));
        set
    }
}
