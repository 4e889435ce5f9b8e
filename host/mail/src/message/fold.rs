//! Writes a field: folding (RFC 5322 section 2.2.3) and encoded words (RFC 2047).

use std::fmt::Write;

use memchr::memchr2;

/// Where lines are broken if a blank allows it (RFC 5322 section 2.1.1), in octets without CRLF.
const LINE: usize = 78;
/// A longer run without a blank is written as encoded words, so that no line comes near 998 octets.
const RUN: usize = 900;
/// More blanks than this in a row are encoded too.
const BLANKS: usize = 60;
/// Hardly a value has more words than one in so many octets.
const MOST_WORDS: usize = 8;
/// Longest encoded word (RFC 2047 section 2).
const WORD: usize = 75;
const WORD_START: &str = "=?utf-8?Q?";
const WORD_END: &str = "?=";

/// The octets of a field. The value holds no controls but tabs; blanks around it are left out.
pub(super) fn fold(name: &str, value: &str) -> Vec<u8> {
    let value = value.trim_matches([' ', '\t']);
    let mut lines = Lines::after(name, value.len());
    for run in runs(value) {
        lines.put(&run);
    }
    lines.written.push_str("\r\n");
    lines.written.into_bytes()
}

/// A word, or words that are encoded together, and the blanks before it.
#[derive(Debug)]
struct Run<'v> {
    blanks: &'v str,
    words: &'v str,
    encode: bool,
}

/// Takes a value apart. Blanks between encoded words vanish when they are decoded, so such neighbours make one run.
fn runs(value: &str) -> Vec<Run<'_>> {
    let plain = value.is_ascii();
    let mut runs: Vec<Run<'_>> = Vec::with_capacity(value.len().div_ceil(MOST_WORDS));
    let mut start = 0;
    while start < value.len() {
        let word = start + blanks(&value[start..]);
        let end =
            word + memchr2(b' ', b'\t', &value.as_bytes()[word..]).unwrap_or(value.len() - word);
        let encode = must_encode(plain, &value[word..end], word - start);
        match runs.last_mut() {
            Some(before) if before.encode && encode => {
                let from = start - before.words.len();
                before.words = &value[from..end];
            }
            _ => runs.push(Run {
                blanks: &value[start..word],
                words: &value[word..end],
                encode,
            }),
        }
        start = end;
    }
    runs
}

fn blanks(text: &str) -> usize {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    text.bytes().take_while(is_blank).count()
}

/// A plain word beside an encoded one must not look like one; a value of plain words says what it means.
fn must_encode(plain: bool, word: &str, blanks: usize) -> bool {
    let misleading = !plain && word.contains("=?");
    !word.is_ascii() || word.len() > RUN || blanks > BLANKS || misleading
}

struct Lines {
    written: String,
    column: usize,
}

impl Lines {
    fn after(name: &str, octets: usize) -> Self {
        /// Most values are broken once a line, behind a word.
        const BREAKS: usize = 16;
        let mut written = String::with_capacity(name.len() + 1 + octets + octets / BREAKS + 4);
        written.push_str(name);
        written.push(':');
        Self {
            column: written.len(),
            written,
        }
    }

    fn put(&mut self, run: &Run<'_>) {
        if !run.encode {
            return self.piece(run.blanks, run.words);
        }
        let (blanks, kept) = run.blanks.split_at(run.blanks.len().min(BLANKS));
        let mut blanks = blanks;
        for word in encoded_words(&[kept, run.words].concat()) {
            self.piece(blanks, &word);
            blanks = " ";
        }
    }

    /// Breaks the line before the blanks if the word would pass its end; never before the first word.
    fn piece(&mut self, blanks: &str, word: &str) {
        let first = blanks.is_empty();
        let blanks = if first { " " } else { blanks };
        let width = blanks.len() + word.len();
        if !first && self.column + width > LINE {
            self.written.push_str("\r\n");
            self.column = 0;
        }
        self.column += width;
        self.written.push_str(blanks);
        self.written.push_str(word);
    }
}

/// Encoded words of at most 75 octets, each of whole characters.
fn encoded_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::from(WORD_START);
    for c in text.chars() {
        let code = encode(c);
        if word.len() + code.len() + WORD_END.len() > WORD {
            words.push(std::mem::replace(&mut word, WORD_START.into()) + WORD_END);
        }
        word.push_str(&code);
    }
    words.push(word + WORD_END);
    words
}

/// RFC 2047 section 4.2 and, for phrases, section 5 (3).
fn encode(c: char) -> String {
    match c {
        ' ' => "_".into(),
        'a'..='z' | 'A'..='Z' | '0'..='9' | '!' | '*' | '+' | '-' | '/' => c.into(),
        _ => {
            let mut octets = [0; 4];
            let mut code = String::new();
            for octet in c.encode_utf8(&mut octets).bytes() {
                write!(code, "={octet:02X}").expect("a String takes all that is written");
            }
            code
        }
    }
}
