//! One list: what it is asked, what its answer is worth.

use lazaret_filter::dns::Answer;
use lazaret_filter::log;
use serde::Deserialize;

use crate::codes::{Codes, Meaning, meaning};
use crate::settings::ListSettings;

/// What a list is about.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// the client's address
    #[default]
    Client,
    /// its confirmed PTR name
    ClientName,
    /// what it said in EHLO
    Hello,
    /// the domain of the sender
    Sender,
}

/// A list.
#[derive(Debug)]
pub struct List {
    zone: String,
    symbol: String,
    subject: Subject,
    codes: Codes,
}

/// What a list said against or for a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// for the score
    pub symbol: String,
    /// may be negative
    pub points: f64,
    /// which list
    pub zone: String,
    /// for the score
    pub why: String,
}

impl List {
    /// Checks what the operator wrote.
    pub fn new(settings: ListSettings) -> Result<Self, String> {
        let zone = settings.zone.trim_matches('.').to_lowercase();
        if zone.is_empty() || !zone.contains('.') {
            return Err(format!(
                "list.zone: `{}` is no zone of a list",
                settings.zone
            ));
        }
        let codes = Codes::new(settings.weight, &settings.returns);
        let symbol = settings.symbol.unwrap_or_else(|| symbol(&zone));
        if !is_symbol(&symbol) {
            return Err(format!(
                "list.symbol: `{symbol}` is no symbol: write 1 to 64 letters, digits, `-`, `_` and `.`"
            ));
        }
        Ok(Self {
            symbol,
            codes: codes.map_err(|problem| format!("the list {zone} {problem}"))?,
            subject: settings.of,
            zone,
        })
    }

    /// What it is about.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The name to ask about a subject; None for one that no list can hold: an address literal, the null sender, what is no
    /// name. Clients choose some of them: one that cannot be asked about must not keep the others from being asked at once.
    pub fn name_of(&self, subject: String) -> Option<String> {
        // What IDNA takes for a dot is one to whoever resolves the name (UTS 46 section 4).
        let subject = subject.replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], ".");
        let bare = subject.trim_end_matches('.');
        let plain = |c: char| !c.is_control() && c != ' ' && c != '\\';
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(plain);
        let can_be_listed = bare.contains('.') && !bare.starts_with('[');
        let good = can_be_listed && bare.split('.').all(is_label);
        let name = good.then(|| format!("{bare}.{}", self.zone))?;
        (name.len() <= 253).then_some(name)
    }

    /// What an answer is worth. One that nobody gave is worth nothing, and said in the log.
    pub fn read(&self, answer: &Answer) -> Option<Finding> {
        let records = match answer {
            Answer::Records(records) => records,
            Answer::NoName | Answer::NoData => return None,
            Answer::Failed | Answer::Late => {
                log::info(format_args!("{} does not answer", self.zone));
                return None;
            }
        };
        match meaning(records) {
            Meaning::Listed(codes) => {
                let points = self.codes.points(&codes)?;
                let codes: Vec<_> = codes.iter().take(4).map(ToString::to_string).collect();
                Some(Finding {
                    symbol: self.symbol.clone(),
                    points,
                    zone: self.zone.clone(),
                    why: format!("{} says {}", self.zone, codes.join(" ")),
                })
            }
            Meaning::Refused => {
                log::warn(format_args!(
                    "{} refuses to answer us: ask it by a resolver of your own, or pay for it",
                    self.zone
                ));
                None
            }
            Meaning::Nonsense => {
                log::warn(format_args!(
                    "{} answers as no list does: is it still there?",
                    self.zone
                ));
                None
            }
        }
    }
}

/// `DNSBL_ZEN_EXAMPLE`
/// As the contract has it.
fn is_symbol(text: &str) -> bool {
    let is_of_it = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    (1..=64).contains(&text.len()) && text.bytes().all(is_of_it)
}

fn symbol(zone: &str) -> String {
    let word = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    let symbol = format!("DNSBL_{}", zone.chars().map(word).collect::<String>());
    symbol.chars().take(64).collect()
}
