//! One event, one line, whatever stands in its values: a client, a backend or a filter wrote most of them.

use std::fmt::{self, Write};
use std::os::unix::fs::MetadataExt;

use lazaret_smtp::is_unsafe;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::stamp;
use super::text::{Thousandths, text};
use crate::arguments::LogFormat;

#[cfg(test)]
#[path = "../../tests/checks/line.rs"]
mod checks;

/// Writes events. No control character gets through: each is spelt, as `\u{1b}` or `\n`, in JSON, too, where a reader
/// would otherwise turn `\u001b` back into what steers his terminal.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    pub format: LogFormat,
    pub reader: Reader,
}

/// Who reads standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// anybody
    Plain,
    /// systemd's journal, which takes the level of a line from its beginning (sd-daemon(3))
    Journal,
}

impl Reader {
    /// The journal, if `JOURNAL_STREAM` names the device and inode of what is our standard error now.
    pub fn of_standard_error() -> Self {
        let named = std::env::var("JOURNAL_STREAM").ok();
        let ours = std::fs::metadata("/proc/self/fd/2").ok();
        let ours = ours.map(|it| format!("{}:{}", it.dev(), it.ino()));
        match named.is_some() && named == ours {
            true => Reader::Journal,
            false => Reader::Plain,
        }
    }

    fn prefix(self, level: Level) -> &'static str {
        match (self, level) {
            (Reader::Plain, _) => "",
            (Reader::Journal, Level::ERROR) => "<3>",
            (Reader::Journal, Level::WARN) => "<4>",
            (Reader::Journal, Level::INFO) => "<6>",
            (Reader::Journal, _) => "<7>",
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let spans = spans(context);
        writer.write_str(self.reader.prefix(*event.metadata().level()))?;
        match self.format {
            LogFormat::Json => json(&mut writer, event, &spans),
            LogFormat::Text => text(&mut writer, event, &spans),
        }
    }
}

/// Names of the spans it happened in, the outermost first. There are none unless somebody asked for level debug.
fn spans<S, N>(context: &FmtContext<'_, S, N>) -> String
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let mut names = String::new();
    for span in context
        .event_scope()
        .into_iter()
        .flat_map(|it| it.from_root())
    {
        if !names.is_empty() {
            names.push('/');
        }
        names.push_str(span.name());
    }
    names
}

fn json(writer: &mut Writer<'_>, event: &Event<'_>, spans: &str) -> fmt::Result {
    let about = event.metadata();
    writer.write_str("{\"timestamp\":\"")?;
    stamp::now(writer)?;
    write!(writer, "\",\"level\":\"{}\"", about.level())?;
    let mut fields = JsonFields {
        writer: writer.by_ref(),
        went: Ok(()),
    };
    event.record(&mut fields);
    fields.went?;
    write!(writer, ",\"target\":\"{}\"", about.target())?;
    if !spans.is_empty() {
        write!(writer, ",\"span\":\"{spans}\"")?;
    }
    writer.write_str("}\n")
}

struct JsonFields<'w> {
    writer: Writer<'w>,
    went: fmt::Result,
}

impl JsonFields<'_> {
    fn string(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.value(field, |writer| {
            writer.write_char('"')?;
            Spelt::json(writer).write_fmt(value)?;
            writer.write_char('"')
        });
    }

    fn value(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.went.is_ok() {
            let key = write!(self.writer, ",\"{}\":", field.name());
            self.went = key.and_then(|()| write(&mut self.writer));
        }
    }
}

impl Visit for JsonFields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, |writer| match Thousandths::of(value) {
            Some(value) => {
                let mut digits = String::new();
                value.put(&mut digits);
                writer.write_str(&digits)
            }
            None => write!(writer, "{}", Value::from(value)),
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.string(field, format_args!("{value:?}"));
    }
}

/// Spells what must not stand in a line.
pub(super) struct Spelt<'w, W> {
    inner: &'w mut W,
    format: LogFormat,
}

impl<'w, W: Write> Spelt<'w, W> {
    fn json(inner: &'w mut W) -> Self {
        Self {
            inner,
            format: LogFormat::Json,
        }
    }

    pub(super) fn text(inner: &'w mut W) -> Self {
        Self {
            inner,
            format: LogFormat::Text,
        }
    }
}

impl<W> Spelt<'_, W> {
    /// Nothing to spell, as nearly always.
    fn is_plain(&self, text: &str) -> bool {
        let json = self.format == LogFormat::Json;
        let plain = |octet: u8| {
            let escaped = json && matches!(octet, b'"' | b'\\');
            matches!(octet, b' '..=b'~') && !escaped
        };
        text.bytes().all(plain)
    }
}

impl<W: Write> Write for Spelt<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_plain(text) {
            return self.inner.write_str(text);
        }
        let mut plain = 0;
        for (place, c) in text.char_indices() {
            let json = self.format == LogFormat::Json;
            let escaped = json && matches!(c, '"' | '\\');
            if !escaped && !is_unsafe(c) {
                continue;
            }
            self.inner.write_str(&text[plain..place])?;
            plain = place + c.len_utf8();
            match (escaped, json) {
                (true, _) => write!(self.inner, "\\{c}")?,
                (false, true) => write!(self.inner, "\\{}", c.escape_default())?,
                (false, false) => write!(self.inner, "{}", c.escape_default())?,
            }
        }
        self.inner.write_str(&text[plain..])
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of this, without the time.
    fn written(format: LogFormat, log: impl Fn()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(Lines {
                format,
                reader: Reader::Plain,
            })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    const ATTACK: &str = "a\r\nb\u{1b}[2J\0\u{85}\u{2028}\u{202e}\u{7f}\",\"by\":\"x\\";

    #[test]
    fn the_journal_is_told_how_serious_a_line_is() {
        let prefixes = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG]
            .map(|level| Reader::Journal.prefix(level));
        assert_eq!(prefixes, ["<3>", "<4>", "<6>", "<7>"]);
        assert_eq!(Reader::Plain.prefix(Level::ERROR), "");
    }

    #[test]
    fn a_json_line_parses_and_its_values_hold_no_control() {
        let line = written(LogFormat::Json, || {
            tracing::info!(value = ATTACK, shown = %ATTACK, debug = ?ATTACK, n = 7, f = f64::NAN, "{ATTACK}");
        });
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.trim_end().bytes().all(|octet| octet >= 0x20), "{line}");
        let object: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
        let plain = "a\\r\\nb\\u{1b}[2J\\u{0}\\u{85}\\u{2028}\\u{202e}\\u{7f}\",\"by\":\"x\\";
        for key in ["value", "shown", "message"] {
            assert_eq!(object[key], plain, "{key}");
        }
        assert_eq!(object["n"], 7);
        assert_eq!(object["f"], Value::Null);
        assert_eq!(object["level"], "INFO");
        for value in object.values().filter_map(Value::as_str) {
            assert!(!value.chars().any(char::is_control), "{value:?}");
        }
    }

    #[test]
    fn a_text_line_is_one_and_no_value_passes_for_another_field() {
        let line = written(LogFormat::Text, || {
            tracing::warn!(
                plain = "abc",
                empty = "",
                named = "B\u{f6}hm",
                spaced = "x by=y",
                value = ATTACK,
                n = 7,
                "said\nso"
            );
        });
        let said = line.split_once("tests: ").unwrap().1;
        assert_eq!(
            said,
            "said\\nso plain=abc empty=\"\" named=B\u{f6}hm spaced=\"x by=y\" \
             value=\"a\\r\\nb\\u{1b}[2J\\u{0}\\u{85}\\u{2028}\\u{202e}\\u{7f}\\\",\\\"by\\\":\\\"x\\\\\" n=7\n"
        );
    }

    #[test]
    fn thousandths_are_spelt_as_any_number() {
        for thousandths in (0..20_000).chain((0..u32::MAX).step_by(99_991)) {
            let value = f64::from(thousandths) / 1e3;
            let spelt = Thousandths::of(value).map(|it| {
                let mut digits = String::new();
                it.put(&mut digits);
                digits
            });
            assert_eq!(spelt, Some(format!("{value:?}")));
            assert_eq!(spelt, Some(Value::from(value).to_string()));
        }
        let others = [
            0.0005,
            1.0 / 3.0,
            1e-9,
            -0.0,
            -1.5,
            1e300,
            f64::INFINITY,
            f64::NAN,
        ];
        assert!(
            others
                .into_iter()
                .all(|value| Thousandths::of(value).is_none())
        );
    }

    #[test]
    fn what_is_no_text_is_spelt_as_it_is() {
        let log = || tracing::info!(f = 0.25, n = -3, b = true, third = 1.0 / 3.0);
        let text = written(LogFormat::Text, log);
        assert!(
            text.ends_with(" f=0.25 n=-3 b=true third=0.3333333333333333\n"),
            "{text}"
        );
        let json = written(LogFormat::Json, log);
        assert!(
            json.contains("\"f\":0.25,\"n\":-3,\"b\":true,\"third\":0.3333333333333333"),
            "{json}"
        );
    }

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("line", checks::line);
    }

    #[test]
    fn the_spans_it_happened_in_are_named() {
        let line = written(LogFormat::Json, || {
            let _session = tracing::info_span!("session").entered();
            let _stage = tracing::info_span!("rcpt").entered();
            tracing::info!("here");
        });
        assert!(line.contains("\"span\":\"session/rcpt\""), "{line}");
    }
}
