//! The keys of `[config]`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The `[config]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// scheme, host and port of rspamd's normal worker
    url: String,
    /// what becomes of a message that nobody judges
    when_unavailable: Unavailable,
    /// which of its points count here
    score: Points,
    /// what they are multiplied with
    weight: f64,
    /// so few points at least, as in the grant
    least: f64,
    /// so many at most, likewise
    most: f64,
    /// when the field with score and symbols is written
    report: Report,
    /// fields that rspamd wants to have added and removed
    milter_headers: MilterHeaders,
    /// what the client hears where rspamd gives no words
    text: String,
    /// what becomes of a message by rspamd's action
    actions: BTreeMap<String, Answer>,
    /// our name
    mta_name: Option<String>,
    /// a settings id of rspamd's configuration
    settings_id: Option<String>,
    /// more of `Flags`
    flags: Vec<Flag>,
    /// of a controller worker
    password: Option<String>,
}

/// Messages that nobody judges.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// 451
    Defer,
    /// pass
    Continue,
}

/// Points for the score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Points {
    /// none
    None,
    /// the sum, as `RSPAMD`
    Total,
    /// each symbol with its points
    Symbols,
}

/// The field `X-Rspamd-Report`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// is not written
    Never,
    /// is written into what is tagged
    Spam,
    /// is written into every message
    Always,
}

/// `milter` in rspamd's answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MilterHeaders {
    /// is done as far as `edit-headers` is granted
    Apply,
    /// is not done
    Ignore,
}

/// To an action.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// 550 5.7.1
    Reject,
    /// 451 4.7.1
    Defer,
    /// the operator must grant it
    Quarantine,
    /// passes with `X-Spam: Yes`
    Tag,
    /// the same, and with the subject that rspamd gives it
    Subject,
    /// passes
    Continue,
}

/// What rspamd is asked to do otherwise.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// all rules, also when the action is certain
    PassAll,
    /// no line in rspamd's log
    NoLog,
    /// scores by group
    Groups,
}

/// Settings that make sense.
#[derive(Debug)]
pub struct Checked {
    pub url: String,
    pub when_unavailable: Unavailable,
    pub score: Points,
    pub weight: f64,
    pub least: f64,
    pub most: f64,
    pub report: Report,
    pub milter_headers: MilterHeaders,
    pub text: String,
    actions: BTreeMap<String, Answer>,
    pub mta_name: Option<String>,
    pub settings_id: Option<String>,
    pub password: Option<String>,
    flags: Vec<Flag>,
}

/// What rspamd's own milter does, but for the subject.
const USUAL: [(&str, Answer); 6] = [
    ("reject", Answer::Reject),
    ("soft reject", Answer::Defer),
    ("greylist", Answer::Continue),
    ("add header", Answer::Tag),
    ("rewrite subject", Answer::Tag),
    ("no action", Answer::Continue),
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:11333".to_owned(),
            when_unavailable: Unavailable::Defer,
            score: Points::Total,
            weight: 1.0,
            least: -10.0,
            most: 20.0,
            report: Report::Spam,
            milter_headers: MilterHeaders::Ignore,
            text: "this message looks like spam".to_owned(),
            actions: BTreeMap::new(),
            mta_name: None,
            settings_id: None,
            flags: Vec::new(),
            password: None,
        }
    }
}

impl Settings {
    /// # Errors
    /// Names the key and what to write.
    pub fn check(self) -> Result<Checked, String> {
        let url = self.url.trim_end_matches('/');
        let host = url.strip_prefix("http://").or(url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
            return Err(format!(
                "url: `{url}` is no origin; write it as http://127.0.0.1:11333, without a path"
            ));
        }
        if !(self.least <= 0.0 && self.most >= 0.0) {
            return Err(
                "`least` is 0 or less and `most` is 0 or more; write them as in the grant `score:-10..20`"
                    .to_owned(),
            );
        }
        let usual = USUAL.map(|(action, answer)| (action.to_owned(), answer));
        Ok(Checked {
            url: url.to_owned(),
            when_unavailable: self.when_unavailable,
            score: self.score,
            weight: self.weight,
            least: self.least,
            most: self.most,
            report: self.report,
            milter_headers: self.milter_headers,
            text: self.text,
            actions: usual.into_iter().chain(self.actions).collect(),
            mta_name: self.mta_name,
            settings_id: self.settings_id,
            password: self.password,
            flags: self.flags,
        })
    }
}

impl Checked {
    /// None for an action of somebody's own that is not configured.
    pub fn answer_to(&self, action: &str) -> Option<Answer> {
        self.actions.get(action).copied()
    }

    /// As rspamd reads them.
    pub fn flags(&self) -> Option<String> {
        let words = self.flags.iter().map(|flag| match flag {
            Flag::PassAll => "pass_all",
            Flag::NoLog => "no_log",
            Flag::Groups => "groups",
        });
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then(|| words.join(","))
    }
}
