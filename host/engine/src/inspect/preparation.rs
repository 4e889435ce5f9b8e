//! How the sandboxes of a filter come by their configured state.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Configure;
use super::surface::Surface;

/// What is done before the first question, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preparation {
    /// nothing: it takes no configuration and runs no code before its first question
    #[default]
    Absent,
    /// once at load; every sandbox starts from the memory that was left
    Snapshot,
    /// again in each sandbox before its first question, for this reason
    InEachFork(String),
}

impl Preparation {
    /// What can be said without running it.
    pub fn expected(configure: Configure, surface: &Surface) -> Self {
        if configure == Configure::Absent && surface.starts == 0 {
            return Preparation::Absent;
        }
        if surface.inner_modules > 0 {
            let why = "it holds core modules in inner components, as QuickJS does";
            return Preparation::InEachFork(why.to_owned());
        }
        Preparation::Snapshot
    }
}

/// For lists: `snapshot`, `configured in each sandbox: REASON`, `nothing to configure`.
impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Preparation::Absent => f.write_str("nothing to configure"),
            Preparation::Snapshot => f.write_str("snapshot"),
            Preparation::InEachFork(why) => write!(f, "configured in each sandbox: {why}"),
        }
    }
}

/// A set of stages as a list of their names.
pub mod stages {
    use lazaret_mail::{Stage, StageSet};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// As names.
    pub fn serialize<S: Serializer>(stages: &StageSet, out: S) -> Result<S::Ok, S::Error> {
        let names: Vec<_> = stages.iter().map(Stage::name).collect();
        names.serialize(out)
    }

    /// From names; those of no stage are passed over.
    pub fn deserialize<'a, D: Deserializer<'a>>(input: D) -> Result<StageSet, D::Error> {
        let names = Vec::<String>::deserialize(input)?;
        let named = |name: &String| Stage::ALL.into_iter().find(|stage| stage.name() == name);
        Ok(names.iter().filter_map(named).collect())
    }
}
