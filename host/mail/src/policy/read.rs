use std::path::Path;

use lazaret_config::{ByteSize, ConfigError, Source, Span, Spanned, Table};
use serde::Deserialize;

use super::{Grant, Mode, OnFailure, Parallel, Policy, VerdictGrants, config, lists, outside};
use crate::chain::BreakerPolicy;
use crate::{Stage, VerdictKind};

/// What each key may look like.
const EXAMPLES: &str = include_str!("examples.toml");

/// The keys of a filter's TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Written {
    mode: Mode,
    on_failure: OnFailure,
    grant: Vec<Spanned<String>>,
    deny: Vec<Spanned<String>>,
    verdicts: Option<Vec<Spanned<String>>>,
    stages: Option<Vec<Spanned<String>>>,
    listeners: Option<Vec<String>>,
    time: Span,
    time_per_mib: Span,
    wall: Span,
    concurrency: usize,
    breaker: Breaker,
    dns_time: Span,
    http_time: Span,
    tcp_time: Span,
    tcp_size: ByteSize,
    state_keys: u64,
    state_size: ByteSize,
    lists: Option<Spanned<Table>>,
    parallel: Option<Spanned<Parallel>>,
    memory: ByteSize,
    max_message: ByteSize,
    config: Table,
}

impl Default for Written {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            mode: policy.mode,
            on_failure: policy.on_failure,
            grant: Vec::new(),
            deny: Vec::new(),
            verdicts: None,
            stages: None,
            listeners: None,
            time: Span(policy.time),
            time_per_mib: Span(policy.time_per_mib),
            wall: Span(policy.wall),
            concurrency: policy.concurrency,
            breaker: Breaker::default(),
            dns_time: Span(policy.dns_time),
            http_time: Span(policy.http_time),
            tcp_time: Span(policy.tcp_time),
            tcp_size: ByteSize(policy.tcp_size),
            state_keys: policy.state_keys,
            state_size: ByteSize(policy.state_size),
            lists: None,
            parallel: None,
            memory: ByteSize(policy.memory),
            max_message: ByteSize(policy.max_message),
            config: Table::new(),
        }
    }
}

/// `breaker`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Breaker {
    failures: u32,
    within: Span,
    open: Span,
}

impl Default for Breaker {
    fn default() -> Self {
        let policy = BreakerPolicy::default();
        Self {
            failures: policy.failures,
            within: Span(policy.within),
            open: Span(policy.open),
        }
    }
}

impl Breaker {
    fn check(self, reader: &Reader<'_>) -> Result<BreakerPolicy, ConfigError> {
        Ok(BreakerPolicy {
            failures: self.failures,
            within: reader.not_zero("breaker.within", self.within.0)?,
            open: reader.not_zero("breaker.open", self.open.0)?,
        })
    }
}

pub(super) fn policy(
    source: &Source,
    reading: &mut dyn FnMut(&Path),
) -> Result<Policy, ConfigError> {
    let written: Written = source.parse_like(EXAMPLES)?;
    let reader = Reader { source };
    let grant = reader.each(&written.grant, Reader::grant)?;
    let deny = reader.each(&written.deny, Reader::denial)?;
    reader.once(&written.grant, &written.deny)?;
    let verdicts = match &written.verdicts {
        Some(words) => VerdictGrants(reader.each(words, Reader::verdict)?),
        None => VerdictGrants::default(),
    };
    let parallel = reader.parallel(written.parallel.as_ref(), &grant)?;
    let lists = written.lists.map(|table| lists::read(source, table));
    let stages = written.stages.as_ref();
    reader.some_of("stages", stages.map(Vec::len))?;
    reader.some_of("listeners", written.listeners.as_ref().map(Vec::len))?;
    Ok(Policy {
        mode: written.mode,
        on_failure: written.on_failure,
        grant,
        deny,
        verdicts,
        stages: stages
            .map(|words| reader.each(words, Reader::stage))
            .transpose()?,
        listeners: written.listeners,
        time: reader.not_zero("time", written.time.0)?,
        time_per_mib: written.time_per_mib.0,
        wall: reader.not_zero("wall", written.wall.0)?,
        concurrency: reader.places("concurrency", written.concurrency)?,
        breaker: written.breaker.check(&reader)?,
        dns_time: reader.not_zero("dns-time", written.dns_time.0)?,
        http_time: reader.not_zero("http-time", written.http_time.0)?,
        tcp_time: reader.not_zero("tcp-time", written.tcp_time.0)?,
        tcp_size: reader.not_zero("tcp-size", written.tcp_size.0)?,
        state_keys: reader.not_zero("state-keys", written.state_keys)?,
        state_size: reader.not_zero("state-size", written.state_size.0)?,
        lists: lists.transpose()?.unwrap_or_default(),
        parallel,
        memory: reader.not_zero("memory", written.memory.0)?,
        max_message: written.max_message.0,
        config: config::resolve(written.config, source, reading)?,
    })
}

/// An imported interface, as named in `grant` and `deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// cannot be denied: its functions have no way to say so
    Fact(&'static str),
    /// can be granted or denied
    Right(&'static str),
    /// always granted
    Always(&'static str),
    /// no interface of the contract: without a grant it is there and reaches nobody
    Wire(&'static str),
}

impl Permission {
    /// Every permission of the contract.
    pub const ALL: [Permission; 17] = [
        Permission::Fact("session"),
        Permission::Fact("envelope"),
        Permission::Fact("headers"),
        Permission::Right("body"),
        Permission::Right("parts"),
        Permission::Right("edit-headers"),
        Permission::Right("score"),
        Permission::Right("notes"),
        Permission::Right("pace"),
        Permission::Right("dns"),
        Permission::Right("state"),
        Permission::Right("http"),
        Permission::Right("lists"),
        Permission::Right("metrics"),
        Permission::Wire("tcp"),
        Permission::Always("log"),
        Permission::Always("entropy"),
    ];

    /// The name of the interface.
    pub const fn name(self) -> &'static str {
        match self {
            Permission::Fact(name)
            | Permission::Right(name)
            | Permission::Always(name)
            | Permission::Wire(name) => name,
        }
    }

    /// The permission of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.name() == name)
    }
}

struct Reader<'s> {
    source: &'s Source,
}

impl Reader<'_> {
    fn each<T>(
        &self,
        words: &[Spanned<String>],
        read: impl Fn(&Self, &Spanned<String>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        words.iter().map(|word| read(self, word)).collect()
    }

    fn error(&self, word: &Spanned<String>, problem: impl Into<String>) -> ConfigError {
        self.source.error(word.span(), problem)
    }

    fn permission(&self, word: &Spanned<String>) -> Result<Permission, ConfigError> {
        let text = word.get_ref();
        let name = text.split_once(':').map_or(text.as_str(), |(name, _)| name);
        let permission = Permission::named(name);
        if let Some(Permission::Always(name)) = permission {
            let error = self.error(word, format!("`{name}` is always granted"));
            return Err(error.cure("leave it out"));
        }
        permission.ok_or_else(|| {
            let error = self.error(word, format!("unknown permission `{name}`"));
            error.instead_of(name, Permission::ALL.map(Permission::name))
        })
    }

    fn grant(&self, word: &Spanned<String>) -> Result<Grant, ConfigError> {
        let permission = self.permission(word)?;
        let scope = word.get_ref().split_once(':').map(|(_, scope)| scope);
        match (permission.name(), scope) {
            ("session", None) => Ok(Grant::Session),
            ("session", Some("name")) => Ok(Grant::SessionName),
            ("envelope", None) => Ok(Grant::Envelope),
            ("headers", None) => Ok(Grant::Headers),
            ("body", None) => Ok(Grant::Body),
            ("parts", None) => Ok(Grant::Parts),
            ("notes", None) => Ok(Grant::Notes),
            ("pace", None) => Ok(Grant::Pace),
            ("edit-headers", None) => Ok(Grant::EditHeaders(Vec::new())),
            ("edit-headers", Some(patterns)) => self.patterns(word, patterns),
            ("score", None) => Ok(Grant::Score(f64::MIN, f64::MAX)),
            ("score", Some(range)) => self.score(word, range),
            ("state", None) => Ok(Grant::State),
            ("lists", None) => Ok(Grant::Lists),
            ("metrics", None) => Ok(Grant::Metrics),
            ("dns", None) => Ok(Grant::Dns(Vec::new())),
            ("dns", Some(names)) => self.names(word, names),
            ("http", origins) => self.origins(word, origins.unwrap_or_default()),
            ("tcp", addresses) => self.addresses(word, addresses.unwrap_or_default()),
            ("session", Some(other)) => {
                let error = self.error(word, format!("`session` has no `{other}`"));
                Err(error.cure("write \"session\", or \"session:name\""))
            }
            (name, _) => {
                let error = self.error(word, format!("`{name}` takes nothing after a colon"));
                Err(error.cure(format!("write \"{name}\"")))
            }
        }
    }

    fn names(&self, word: &Spanned<String>, names: &str) -> Result<Grant, ConfigError> {
        let names = split(names);
        match names.iter().find(|name| !outside::is_name(name)) {
            None => Ok(Grant::Dns(names)),
            Some(wrong) => {
                let error = self.error(word, format!("`{wrong}` is no domain name"));
                Err(error.cure("write e.g. \"dns:*.zen.example,dns.example\""))
            }
        }
    }

    fn origins(&self, word: &Spanned<String>, origins: &str) -> Result<Grant, ConfigError> {
        let origins = split(origins);
        match origins.iter().find(|origin| !outside::is_origin(origin)) {
            None => Ok(Grant::Http(origins)),
            Some(wrong) => {
                let error = self.error(word, format!("`{wrong}` is no origin"));
                Err(error.cure(
                    "write e.g. \"http:127.0.0.1:11334\" or \"http:https://api.example.com\"",
                ))
            }
        }
    }

    fn addresses(&self, word: &Spanned<String>, addresses: &str) -> Result<Grant, ConfigError> {
        let read = |address: String| {
            address.parse().map_err(|_| {
                let problem = format!("`{address}` is no IP address with a port");
                self.error(word, problem)
                    .cure("write e.g. \"tcp:127.0.0.1:3310\"")
            })
        };
        let addresses = split(addresses).into_iter().map(read);
        Ok(Grant::Tcp(addresses.collect::<Result<_, _>>()?))
    }

    fn patterns(&self, word: &Spanned<String>, patterns: &str) -> Result<Grant, ConfigError> {
        let is_pattern = |pattern: &str| {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            let printable = name
                .bytes()
                .all(|c| (33..=126).contains(&c) && c != b':' && c != b'*');
            printable && !pattern.is_empty()
        };
        let patterns = split(patterns);
        match patterns.iter().find(|pattern| !is_pattern(pattern)) {
            None => Ok(Grant::EditHeaders(patterns)),
            Some(wrong) => {
                let problem = format!("`{wrong}` is no field name and no pattern");
                let cure = "write e.g. \"edit-headers:X-Spam-*\" (`*` at the end only)";
                Err(self.error(word, problem).cure(cure))
            }
        }
    }

    fn score(&self, word: &Spanned<String>, range: &str) -> Result<Grant, ConfigError> {
        let bound = |text: &str| {
            text.trim()
                .parse::<f64>()
                .ok()
                .filter(|points| points.is_finite())
        };
        let bounds = range
            .split_once("..")
            .and_then(|(low, high)| Some((bound(low)?, bound(high)?)));
        match bounds {
            Some((low, high)) if low <= high => Ok(Grant::Score(low, high)),
            Some((low, high)) => {
                let problem = format!("the range `{range}` runs backwards");
                Err(self
                    .error(word, problem)
                    .cure(format!("write \"score:{high}..{low}\"")))
            }
            None => {
                let problem = format!("`{range}` is not a range of points");
                Err(self.error(word, problem).cure("write e.g. \"score:-2..8\""))
            }
        }
    }

    fn denial(&self, word: &Spanned<String>) -> Result<String, ConfigError> {
        match self.permission(word)? {
            Permission::Right(name) if name == word.get_ref() => Ok(name.to_owned()),
            Permission::Right(name) => {
                let problem = format!("`{}` cannot be denied in part", word.get_ref());
                Err(self.error(word, problem).cure(format!("write \"{name}\"")))
            }
            Permission::Wire(name) => {
                let error = self.error(word, format!("`{name}` need not be denied"));
                Err(error.cure("leave it out: without a grant it reaches nobody"))
            }
            permission => {
                let problem = format!("`{}` can only be granted", permission.name());
                Err(self
                    .error(word, problem)
                    .cure("move it to `grant`, or do not run this filter"))
            }
        }
    }

    /// A permission is granted or denied, not both.
    fn once(&self, grant: &[Spanned<String>], deny: &[Spanned<String>]) -> Result<(), ConfigError> {
        let granted = |name: &str| {
            let mut names = grant.iter().map(|word| word.get_ref().split(':').next());
            names.any(|granted| granted == Some(name))
        };
        match deny.iter().find(|word| granted(word.get_ref())) {
            None => Ok(()),
            Some(word) => {
                let problem = format!("`{}` is both granted and denied", word.get_ref());
                Err(self
                    .error(word, problem)
                    .cure("remove it from one of the two"))
            }
        }
    }

    /// Who is asked beside others must only read: what he writes would be seen by some, and by others not.
    fn parallel(
        &self,
        written: Option<&Spanned<Parallel>>,
        grant: &[Grant],
    ) -> Result<Parallel, ConfigError> {
        let Some(written) = written else {
            return Ok(Parallel::No);
        };
        let writes = grant.iter().find_map(|grant| match grant {
            Grant::EditHeaders(_) => Some("edit-headers"),
            Grant::Notes => Some("notes"),
            _ => None,
        });
        match (*written.get_ref(), writes) {
            (Parallel::Scan, Some(right)) => {
                let problem = format!(
                    "`parallel = \"scan\"` is for filters that only read, and this one is granted `{right}`"
                );
                let cure = format!(
                    "take `{right}` out of `grant` (and put it under `deny`), or leave `parallel` out"
                );
                Err(self.source.error(written.span(), problem).cure(cure))
            }
            (parallel, _) => Ok(parallel),
        }
    }

    fn verdict(&self, word: &Spanned<String>) -> Result<VerdictKind, ConfigError> {
        let text = word.get_ref();
        let kind = VerdictKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text);
        kind.ok_or_else(|| {
            let error = self.error(word, format!("unknown verdict `{text}`"));
            error.instead_of(text, VerdictKind::ALL.map(VerdictKind::name))
        })
    }

    fn stage(&self, word: &Spanned<String>) -> Result<Stage, ConfigError> {
        let text = word.get_ref();
        let stage = Stage::ALL.into_iter().find(|stage| stage.name() == text);
        stage.ok_or_else(|| {
            let error = self.error(word, format!("unknown stage `{text}`"));
            error.instead_of(text, Stage::ALL.map(Stage::name))
        })
    }

    /// More than there could ever be sandboxes is a mistake.
    fn places(&self, key: &str, value: usize) -> Result<usize, ConfigError> {
        const MOST: usize = 1_000_000;
        if value > MOST {
            let problem = format!("`{key}` is over {MOST}");
            let error = self.source.error_at(&[key], problem);
            return Err(error.cure("leave it out for the default"));
        }
        self.not_zero(key, value)
    }

    /// None left is not "no restriction".
    fn some_of(&self, key: &str, entries: Option<usize>) -> Result<(), ConfigError> {
        if entries == Some(0) {
            let problem = format!("`{key}` is empty: the filter would never be asked");
            let error = self.source.error_at(&[key], problem);
            return Err(error.cure("leave it out for all of them, or write mode = \"off\""));
        }
        Ok(())
    }

    fn not_zero<T: Default + PartialEq>(&self, key: &str, value: T) -> Result<T, ConfigError> {
        if value == T::default() {
            let problem = format!("`{key}` is nothing: the filter could never answer");
            let key: Vec<_> = key.split('.').collect();
            let error = self.source.error_at(&key, problem);
            return Err(error.cure("leave it out for the default"));
        }
        Ok(value)
    }
}

/// `a, b`
fn split(list: &str) -> Vec<String> {
    list.split(',')
        .map(|entry| entry.trim().to_owned())
        .collect()
}
