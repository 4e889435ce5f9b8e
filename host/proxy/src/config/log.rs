//! `[log]`: what is worth a line.

use lazaret_config::{ConfigError, Source, Spanned};
use serde::Deserialize;

/// The least important level that is logged, for all or by module: `info`, `info,lazaret_proxy=debug`. Checked, so that
/// whoever writes the log can take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevels(String);

impl LogLevels {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevels {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

/// As the operator wrote it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Written {
    level: Option<Spanned<String>>,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Written {
    pub(super) fn check(self, source: &Source) -> Result<LogLevels, ConfigError> {
        let Some(level) = self.level else {
            return Ok(LogLevels::default());
        };
        match level.get_ref().split(',').find(|part| !is_directive(part)) {
            None => Ok(LogLevels(level.into_inner())),
            Some(part) => Err(source
                .error(level.span(), format!("`{}` is no level", part.escape_debug()))
                .cure("write off, error, warn, info, debug or trace; by module \"info,lazaret_proxy=debug\"")),
        }
    }
}

/// `level`, or `module=level` where a module is named as in the log's `target`. A lone word is never a module: `wran` would log
/// nothing at all.
fn is_directive(part: &str) -> bool {
    let is_module = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
        !name.is_empty() && name.bytes().all(plain)
    };
    match part.split_once('=') {
        None => LEVELS.contains(&part),
        Some((module, level)) => is_module(module) && LEVELS.contains(&level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_for_all_or_by_module() {
        for good in [
            "info",
            "off",
            "warn,lazaret_proxy=debug",
            "lazaret_engine::lane=trace",
        ] {
            assert!(good.split(',').all(is_directive), "{good}");
        }
        for bad in [
            "",
            "wran",
            "INFO",
            "info,",
            "=info",
            "a b=info",
            "x=loud",
            "[span]=info",
            "info debug",
        ] {
            assert!(!bad.split(',').all(is_directive), "{bad}");
        }
    }
}
