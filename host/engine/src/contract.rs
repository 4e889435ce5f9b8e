//! The names of the contract: interfaces, permissions, versions.

use std::fmt;

use lazaret_mail::{Ask, Stage};
use serde::{Deserialize, Serialize};

/// The version of `lazaret:filter` that this host speaks.
pub const VERSION: (u64, u64, u64) = (0, 1, 0);
/// The package of the contract.
pub const PACKAGE: &str = "lazaret:filter";

/// What a filter may ask for, one imported interface each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// who is talking to us
    Session,
    /// from whom, to whom
    Envelope,
    /// the header section
    Headers,
    /// the message as octets
    Body,
    /// the MIME tree
    Parts,
    /// change the header section
    EditHeaders,
    /// points for or against a message
    Score,
    /// short facts for later stages and filters
    Notes,
    /// hold back a reply
    Pace,
    /// what names stand for
    Dns,
    /// what is remembered across connections
    State,
    /// requests to servers
    Http,
    /// large sets that the host holds
    Lists,
    /// counters and gauges
    Metrics,
    /// lines in the log
    Log,
    /// fresh randomness
    Entropy,
}

/// How a permission can be treated by the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// must be granted, cannot be denied: its functions have no way to answer `not-granted`
    GrantOnly,
    /// granted or denied; a denied one answers `not-granted`
    GrantOrDeny,
    /// always granted
    Always,
}

impl Permission {
    /// In the order of the contract.
    pub const ALL: [Permission; 16] = [
        Permission::Session,
        Permission::Envelope,
        Permission::Headers,
        Permission::Body,
        Permission::Parts,
        Permission::EditHeaders,
        Permission::Score,
        Permission::Notes,
        Permission::Pace,
        Permission::Dns,
        Permission::State,
        Permission::Http,
        Permission::Lists,
        Permission::Metrics,
        Permission::Log,
        Permission::Entropy,
    ];

    /// As written in `grant` and `deny`, and as the interface is called.
    pub const fn name(self) -> &'static str {
        match self {
            Permission::Session => "session",
            Permission::Envelope => "envelope",
            Permission::Headers => "headers",
            Permission::Body => "body",
            Permission::Parts => "parts",
            Permission::EditHeaders => "edit-headers",
            Permission::Score => "score",
            Permission::Notes => "notes",
            Permission::Pace => "pace",
            Permission::Dns => "dns",
            Permission::State => "state",
            Permission::Http => "http",
            Permission::Lists => "lists",
            Permission::Metrics => "metrics",
            Permission::Log => "log",
            Permission::Entropy => "entropy",
        }
    }

    /// The permission of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Granted, denied or neither?
    pub const fn treatment(self) -> Treatment {
        match self {
            Permission::Session | Permission::Envelope | Permission::Headers => {
                Treatment::GrantOnly
            }
            Permission::Log | Permission::Entropy => Treatment::Always,
            _ => Treatment::GrantOrDeny,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The interface that a filter exports to be asked at `stage`, without package and version.
pub const fn stage_interface(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "on-connect",
        Stage::Hello => "on-hello",
        Stage::Auth => "on-auth",
        Stage::Mail => "on-mail",
        Stage::Rcpt => "on-rcpt",
        Stage::Headers => "on-headers",
        Stage::Message => "on-message",
        Stage::Outcome => "on-outcome",
        Stage::Disconnect => "on-disconnect",
    }
}

/// The stage of that interface.
pub fn interface_stage(interface: &str) -> Option<Stage> {
    Stage::ALL
        .into_iter()
        .find(|stage| stage_interface(*stage) == interface)
}

/// The stage of a question.
pub const fn stage_of(ask: &Ask) -> Stage {
    match ask {
        Ask::Connect => Stage::Connect,
        Ask::Hello(_) => Stage::Hello,
        Ask::Auth { .. } => Stage::Auth,
        Ask::Mail(_) => Stage::Mail,
        Ask::Rcpt(_) => Stage::Rcpt,
        Ask::Headers => Stage::Headers,
        Ask::Message => Stage::Message,
        Ask::Outcome(_) => Stage::Outcome,
        Ask::Disconnect(_) => Stage::Disconnect,
    }
}

/// `0.1.0` of this host.
pub fn our_version() -> String {
    let (major, minor, patch) = VERSION;
    format!("{major}.{minor}.{patch}")
}

/// The name of an import or export of a component: `package/interface@version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// e.g. `lazaret:filter`; empty for a plain name
    pub package: &'a str,
    /// e.g. `on-rcpt`
    pub interface: &'a str,
    /// e.g. `0.1.0`
    pub version: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Takes a name apart; never fails.
    pub fn parse(name: &'a str) -> Self {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/').unwrap_or(("", path));
        Name {
            package,
            interface,
            version,
        }
    }

    /// Of our package, whatever the version?
    pub fn is_ours(&self) -> bool {
        self.package == PACKAGE
    }

    /// A version that this host can serve: before 1.0 the minor number must be the same, patches only add.
    pub fn is_served(&self) -> bool {
        let (major, minor, _) = VERSION;
        let mut numbers = self.version.unwrap_or("").split('.').map(str::parse::<u64>);
        numbers.next() == Some(Ok(major)) && numbers.next() == Some(Ok(minor))
    }

    /// An interface of WASI 0.2 that is linked inert.
    pub fn is_inert(&self) -> bool {
        const PACKAGES: [&str; 6] = [
            "wasi:cli",
            "wasi:io",
            "wasi:clocks",
            "wasi:random",
            "wasi:filesystem",
            "wasi:sockets",
        ];
        PACKAGES.contains(&self.package) && self.version.is_some_and(|v| v.starts_with("0.2."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = Name::parse("lazaret:filter/on-rcpt@0.1.0");
        assert!(name.is_ours() && name.is_served() && !name.is_inert());
        assert_eq!(interface_stage(name.interface), Some(Stage::Rcpt));
        assert_eq!(Name::parse("configure").interface, "configure");
        assert_eq!(Name::parse("configure").package, "");
    }

    #[test]
    fn a_patch_is_served_and_another_minor_is_not() {
        assert!(Name::parse("lazaret:filter/session@0.1.7").is_served());
        assert!(!Name::parse("lazaret:filter/session@0.2.0").is_served());
        assert!(!Name::parse("lazaret:filter/session@1.1.0").is_served());
        assert!(!Name::parse("lazaret:filter/session").is_served());
    }

    #[test]
    fn only_wasi_02_is_inert() {
        assert!(Name::parse("wasi:cli/stdout@0.2.6").is_inert());
        assert!(!Name::parse("wasi:cli/stdout@0.3.0").is_inert());
        assert!(!Name::parse("wasi:http/outgoing-handler@0.2.0").is_inert());
    }

    #[test]
    fn every_permission_is_found_by_its_name() {
        for permission in Permission::ALL {
            assert_eq!(Permission::named(permission.name()), Some(permission));
        }
    }
}
