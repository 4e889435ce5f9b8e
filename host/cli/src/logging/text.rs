//! An event as a line of text.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::format::Writer;

use super::line::Spelt;
use super::stamp;

pub(super) fn text(writer: &mut Writer<'_>, event: &Event<'_>, spans: &str) -> fmt::Result {
    let about = event.metadata();
    stamp::now(writer)?;
    match writer.has_ansi_escapes() {
        true => write!(
            writer,
            " {}{:>5}\x1b[0m ",
            colour(about.level()),
            about.level()
        )?,
        false => writer.write_str(padded(about.level()))?,
    }
    if !spans.is_empty() {
        write!(writer, "{spans} ")?;
    }
    let mut fields = TextFields {
        line: String::with_capacity(LINE),
        value: String::new(),
        went: Ok(()),
    };
    fields.line.push_str(about.target());
    fields.line.push(':');
    event.record(&mut fields);
    fields.went?;
    fields.line.push('\n');
    writer.write_str(&fields.line)
}

/// Octets of the line of a transaction, nearly always.
const LINE: usize = 1024;

fn padded(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        _ => " TRACE ",
    }
}

fn colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// A line with thirty fields, one for each transaction: what most of them are is written without the machinery of formats.
struct TextFields {
    line: String,
    value: String,
    went: fmt::Result,
}

impl TextFields {
    fn text(&mut self, field: &Field, value: &str) {
        let needs = Needs::of(value);
        if needs != Needs::Spelling {
            return self.spelt(field, value, needs);
        }
        let mut spelt = String::with_capacity(2 * value.len());
        let written = Spelt::text(&mut spelt).write_str(value);
        self.went = self.went.and(written);
        let is_one = !spelt.is_empty() && spelt.bytes().all(is_word);
        let needs = if is_one {
            Needs::Nothing
        } else {
            Needs::Quotes
        };
        self.spelt(field, &spelt, needs);
    }

    /// What has nothing in it to be spelt.
    fn spelt(&mut self, field: &Field, value: &str, needs: Needs) {
        if field.name() == "message" {
            self.line.push(' ');
            return self.line.push_str(value);
        }
        self.key(field);
        match needs {
            Needs::Nothing => self.line.push_str(value),
            Needs::Quotes | Needs::Spelling => quoted(&mut self.line, value),
        }
    }

    /// What has nothing in it to be spelt or quoted.
    fn number(&mut self, field: &Field, value: impl itoa::Integer) {
        self.key(field);
        self.line.push_str(itoa::Buffer::new().format(value));
    }

    fn key(&mut self, field: &Field) {
        self.line.push(' ');
        self.line.push_str(field.name());
        self.line.push('=');
    }
}

impl Visit for TextFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match Thousandths::of(value) {
            Some(value) => {
                self.key(field);
                value.put(&mut self.line);
            }
            None => self.record_debug(field, &value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field);
        self.line.push_str(if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = std::mem::take(&mut self.value);
        text.clear();
        let written = write!(text, "{value:?}");
        self.went = self.went.and(written);
        self.text(field, &text);
        self.value = text;
    }
}

/// What is to be done to a value before it stands in a line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// quotes: it has octets that could pass for the next field
    Quotes,
    /// it has octets that must not stand there, and may need quotes as well
    Spelling,
}

impl Needs {
    /// Without a branch for each octet.
    fn of(value: &str) -> Self {
        let (odd, quoted) =
            value
                .bytes()
                .fold((false, value.is_empty()), |(odd, quoted), octet| {
                    let is_plain = matches!(octet, b' '..=b'~');
                    (odd | !is_plain, quoted | !is_word(octet))
                });
        match (odd, quoted) {
            (true, _) => Needs::Spelling,
            (false, true) => Needs::Quotes,
            (false, false) => Needs::Nothing,
        }
    }
}

/// No octet that could pass for the next field.
fn is_word(octet: u8) -> bool {
    !matches!(octet, b' ' | b'"' | b'=' | b'\\')
}

/// A number of so many thousandths, as the times in our lines are, spelt as Rust and JSON spell it; what finds the shortest
/// spelling of any number takes many times longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thousandths(u32);

impl Thousandths {
    /// None for what is no such number, or below zero.
    pub(super) fn of(value: f64) -> Option<Self> {
        let thousandths = (value * 1e3).round();
        let is_one = (0.0..f64::from(u32::MAX)).contains(&thousandths)
            && thousandths / 1e3 == value
            && value.is_sign_positive();
        is_one.then_some(Self(thousandths as u32))
    }
}

impl Thousandths {
    pub(super) fn put(self, line: &mut String) {
        let mut number = itoa::Buffer::new();
        line.push_str(number.format(self.0 / 1000));
        line.push('.');
        // The digit in front keeps the zeros behind it.
        let part = number.format(1000 + self.0 % 1000)[1..].trim_end_matches('0');
        line.push_str(if part.is_empty() { "0" } else { part });
    }
}

/// In quotes. A quote that is escaped already is left as it is.
fn quoted(line: &mut String, value: &str) {
    line.push('"');
    let mut escaped = false;
    if !value.contains(['"', '\\']) {
        line.push_str(value);
    } else {
        for c in value.chars() {
            if c == '"' && !escaped {
                line.push('\\');
            }
            escaped = c == '\\' && !escaped;
            line.push(c);
        }
    }
    line.push_str(if escaped { "\\\"" } else { "\"" });
}
