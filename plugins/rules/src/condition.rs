//! Conditions: a table whose keys must all hold.

use lazaret_filter::Network;
use serde::Deserialize;

use crate::facts::{Facts, Trait};
use crate::matcher::{Matcher, Test, Words};

/// `when = { … }` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ConditionTable {
    all: Option<Vec<ConditionTable>>,
    any: Option<Vec<ConditionTable>>,
    not: Option<Box<ConditionTable>>,
    exists: Option<Words>,
    missing: Option<Words>,
    repeated: Option<Words>,
    is: Option<Trait>,
    client: Option<Words>,
    client_name: Option<Test>,
    hello: Option<Test>,
    listener: Option<Test>,
    sender: Option<Test>,
    recipient: Option<Test>,
    subject: Option<Test>,
    from: Option<Test>,
    every_from: Option<Test>,
    from_name: Option<Test>,
    to: Option<Test>,
    reply_to: Option<Test>,
    header: Option<HeaderTable>,
}

/// `header = { name = "X-Mailer", contains = "bulk" }`
#[derive(Debug, Deserialize)]
struct HeaderTable {
    name: String,
    #[serde(flatten)]
    test: Test,
}

/// Where a text is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    ClientName,
    Hello,
    Listener,
    Sender,
    Recipient,
    Subject,
    /// addresses
    From,
    /// display names
    FromName,
    /// addresses in To and Cc
    To,
    ReplyTo,
    Header(String),
}

/// A condition that makes sense.
#[derive(Debug)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// at least this many fields of that name
    Count(String, usize),
    Is(Trait),
    Client(Vec<Network>),
    Text(Source, Matcher),
    /// at least one, and all of them
    Every(Source, Matcher),
}

/// How often the negations around a condition turn it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// one text that fits is enough
    Any,
    /// A condition is spared by it: whoever writes several authors would choose the one that spares.
    Every,
}

impl Condition {
    /// # Errors
    /// What is wrong and the cure.
    pub fn new(table: ConditionTable, holds: Holds) -> Result<Self, String> {
        let mut all = Vec::new();
        counted(&mut all, table.exists, table.missing, table.repeated);
        all.extend(table.is.map(Self::Is));
        all.extend(table.client.map(clients).transpose()?);
        let header = table.header.map(|it| (Source::Header(it.name), it.test));
        let texts = [
            (Source::ClientName, table.client_name),
            (Source::Hello, table.hello),
            (Source::Listener, table.listener),
            (Source::Sender, table.sender),
            (Source::Recipient, table.recipient),
            (Source::Subject, table.subject),
            (Source::From, table.from),
            (Source::FromName, table.from_name),
            (Source::To, table.to),
            (Source::ReplyTo, table.reply_to),
        ];
        let tests = texts
            .into_iter()
            .filter_map(|(source, test)| Some((source, test?)));
        for (source, test) in tests.chain(header) {
            all.push(Self::text(source, Matcher::new(test)?, holds));
        }
        if let Some(test) = table.every_from {
            all.push(Self::Every(Source::From, Matcher::new(test)?));
        }
        combined(&mut all, (table.all, table.any, table.not), holds)?;
        match all.len() {
            0 => Err("a condition is empty; say e.g. { missing = \"Date\" }".into()),
            1 => Ok(all.remove(0)),
            _ => Ok(Self::All(all)),
        }
    }

    fn text(source: Source, matcher: Matcher, holds: Holds) -> Self {
        match (&source, holds) {
            (Source::From | Source::ReplyTo, Holds::Every) => Self::Every(source, matcher),
            _ => Self::Text(source, matcher),
        }
    }

    /// Does it hold?
    pub fn holds(&self, facts: &Facts) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(facts)),
            Self::Any(any) => any.iter().any(|one| one.holds(facts)),
            Self::Not(not) => !not.holds(facts),
            Self::Count(name, least) => facts.count(name) >= *least,
            Self::Is(it) => facts.is(*it),
            Self::Client(networks) => {
                let client = facts.client();
                networks.iter().any(|network| network.contains(client))
            }
            Self::Text(source, matcher) => {
                facts.texts(source).iter().any(|text| matcher.fits(text))
            }
            Self::Every(source, matcher) => {
                let texts = facts.texts(source);
                !texts.is_empty() && texts.iter().all(|text| matcher.fits(text))
            }
        }
    }
}

/// `all`, `any` and `not`.
type Combined = (
    Option<Vec<ConditionTable>>,
    Option<Vec<ConditionTable>>,
    Option<Box<ConditionTable>>,
);

fn combined(
    into: &mut Vec<Condition>,
    (all, any, not): Combined,
    holds: Holds,
) -> Result<(), String> {
    let each = |tables: Vec<ConditionTable>| {
        tables
            .into_iter()
            .map(|table| Condition::new(table, holds))
            .collect::<Result<Vec<_>, _>>()
    };
    for (key, list) in [("all", &all), ("any", &any)] {
        if list.as_ref().is_some_and(Vec::is_empty) {
            return Err(format!("`{key}` is empty; put conditions into it"));
        }
    }
    into.extend(all.map(each).transpose()?.map(Condition::All));
    into.extend(any.map(each).transpose()?.map(Condition::Any));
    if let Some(not) = not {
        let turned = match holds {
            Holds::Any => Holds::Every,
            Holds::Every => Holds::Any,
        };
        into.push(Condition::Not(Box::new(Condition::new(*not, turned)?)));
    }
    Ok(())
}

/// Of several names any will do.
fn counted(
    into: &mut Vec<Condition>,
    exists: Option<Words>,
    missing: Option<Words>,
    repeated: Option<Words>,
) {
    let any = |words: Words, least| {
        let counts = words
            .0
            .into_iter()
            .map(|name| Condition::Count(name, least));
        Condition::Any(counts.collect())
    };
    into.extend(exists.map(|words| any(words, 1)));
    into.extend(repeated.map(|words| any(words, 2)));
    into.extend(missing.map(|words| {
        let absent = words
            .0
            .into_iter()
            .map(|name| Condition::Not(Box::new(Condition::Count(name, 1))));
        Condition::Any(absent.collect())
    }));
}

fn clients(words: Words) -> Result<Condition, String> {
    let networks: Result<_, _> = words.0.iter().map(|word| word.parse()).collect();
    networks
        .map(Condition::Client)
        .map_err(|error| format!("client: {error}; write e.g. \"192.0.2.0/24\""))
}
