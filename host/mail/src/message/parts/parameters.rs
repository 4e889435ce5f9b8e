//! The value of Content-Type or Content-Disposition (RFC 2045 section 5.1, RFC 2231), octet for octet.
//!
//! Mail programs differ about comments, quotes and what stands between tokens, so there is not one reading of a value
//! that is built to be read in two ways. All of them are kept, for the caller to see whether they agree.

use memchr::memchr;

use super::decode::unescape;
use crate::message::text;

/// A value taken apart.
pub(super) struct Structured {
    /// before the parameters, without comments
    pub(super) head: Vec<u8>,
    views: Vec<Vec<Parameter>>,
}

struct Parameter {
    /// lower case, without what RFC 2231 adds
    name: Vec<u8>,
    section: Option<u32>,
    extended: bool,
    /// what most programs take it for, and what others do
    values: [Vec<u8>; 2],
}

impl Structured {
    /// As it stands, without its comments, and with a quote at the end that is not closed.
    pub(super) fn read(value: &[u8]) -> Self {
        let line: Vec<u8> = value.iter().copied().filter(|c| !is_line_end(*c)).collect();
        let (segments, unclosed) = segments(&line);
        let mut head = self::head(segments[0]).to_vec();
        let mut views = vec![parameters(&segments)];
        if memchr(b'(', &line).is_some() {
            let bare = without_comments(&line);
            let segments = self::segments(&bare).0;
            head = self::head(segments[0]).to_vec();
            views.push(parameters(&segments));
        }
        if unclosed {
            let closed = [&line[..], b"\""].concat();
            views.push(parameters(&self::segments(&closed).0));
        }
        Self { head, views }
    }

    /// All readings of a parameter, the extended form (RFC 2231) first.
    pub(super) fn octets(&self, name: &str) -> impl Iterator<Item = Vec<u8>> {
        self.readings(name).map(|reading| reading.octets)
    }

    /// The same as text: by its charset in the extended form, else with encoded words decoded, which RFC 2047 forbids
    /// here and programs do.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = String> {
        self.readings(name).map(Reading::text)
    }

    fn readings(&self, name: &str) -> impl Iterator<Item = Reading> {
        let groups = self.views.iter().flat_map(move |view| groups(view, name));
        groups.flat_map(|group| {
            let same = group.iter().all(|p| p.values[0] == p.values[1]);
            let values = if same { 0..1 } else { 0..2 };
            values.map(move |which| Reading::join(&group, which))
        })
    }
}

/// Parameters that make one value each: extended, in sections, plain.
fn groups<'v>(view: &'v [Parameter], name: &str) -> Vec<Vec<&'v Parameter>> {
    let is = |parameter: &&Parameter| parameter.name == name.as_bytes();
    let (mut sections, whole): (Vec<_>, Vec<_>) = view
        .iter()
        .filter(is)
        .partition(|parameter| parameter.section.is_some());
    sections.sort_by_key(|parameter| parameter.section);
    // Where a section is missing, some programs stop and others go on.
    let unbroken = sections.iter().zip(0..);
    let unbroken = unbroken.take_while(|(parameter, at)| parameter.section == Some(*at));
    let unbroken: Vec<_> = unbroken.map(|(parameter, _)| *parameter).collect();
    let single = |extended| {
        let like = whole.iter().filter(move |p| p.extended == extended);
        like.map(|p| vec![*p])
    };
    let mut groups: Vec<_> = single(true).collect();
    groups.extend([sections, unbroken].into_iter().filter(|g| !g.is_empty()));
    groups.extend(single(false));
    groups
}

struct Reading {
    octets: Vec<u8>,
    /// of the extended form, where it may be empty
    charset: Option<Vec<u8>>,
}

impl Reading {
    fn join(group: &[&Parameter], which: usize) -> Self {
        let (mut octets, mut charset) = (Vec::new(), None);
        for (at, section) in group.iter().enumerate() {
            let value = &section.values[which][..];
            if !section.extended {
                octets.extend_from_slice(value);
                continue;
            }
            let (named, value) = with_charset(value)
                .filter(|_| at == 0)
                .unwrap_or((b"", value));
            if at == 0 {
                charset = Some(named.to_vec());
            }
            unescape(b'%', value, &mut octets);
        }
        Self { octets, charset }
    }

    fn text(self) -> String {
        match self.charset {
            Some(charset) => text::charset_text(&charset, &self.octets).into_owned(),
            None => text::decode(&self.octets),
        }
    }
}

/// `charset'language'value`
fn with_charset(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut pieces = value.splitn(3, |c| *c == b'\'');
    let (charset, _, value) = (pieces.next()?, pieces.next()?, pieces.next()?);
    Some((charset, value))
}

fn is_line_end(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n')
}

/// Of the first segment, what stands before a parameter, which need not be behind a `;`.
fn head(segment: &[u8]) -> &[u8] {
    let Some(equals) = memchr(b'=', segment) else {
        return segment.trim_ascii();
    };
    let before = segment[..equals].trim_ascii_end();
    let name = last_word(before);
    // `multipart/mixed=` is a type with something behind it, not a parameter.
    match memchr(b'/', name) {
        Some(_) => before.trim_ascii(),
        None => before[..before.len() - name.len()].trim_ascii(),
    }
}

fn last_word(octets: &[u8]) -> &[u8] {
    let words = octets.trim_ascii_end().rsplit(u8::is_ascii_whitespace);
    words.take(1).next().unwrap_or_default()
}

/// Without the comments that are closed, a blank for each.
pub(super) fn without_comments(line: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(line.len());
    let (mut at, mut quotes, mut comments) = (0, true, true);
    while let Some(octet) = line.get(at) {
        let end = match octet {
            b'"' if quotes => quote_end(line, at),
            b'(' if comments => comment_end(line, at),
            _ => Some(at),
        };
        match (octet, end) {
            (b'(', Some(_)) if comments => bare.push(b' '),
            (_, Some(end)) => bare.extend_from_slice(&line[at..=end]),
            (_, None) => bare.push(*octet),
        }
        // What is never closed is not looked for again.
        quotes &= *octet != b'"' || end.is_some();
        comments &= *octet != b'(' || end.is_some();
        at = end.unwrap_or(at) + 1;
    }
    bare
}

/// What stands between the `;` outside quotes; and whether a quote is not closed, which then quotes nothing.
fn segments(line: &[u8]) -> (Vec<&[u8]>, bool) {
    let (mut segments, mut start, mut at, mut unclosed) = (Vec::new(), 0, 0, false);
    while let Some(octet) = line.get(at) {
        match octet {
            b';' => {
                segments.push(&line[start..at]);
                start = at + 1;
            }
            b'"' if !unclosed => match quote_end(line, at) {
                Some(end) => at = end,
                None => unclosed = true,
            },
            _ => {}
        }
        at += 1;
    }
    segments.push(&line[start..]);
    (segments, unclosed)
}

/// The quote that closes the one at `open`.
fn quote_end(line: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match line.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The end of the comment at `open`; comments nest.
fn comment_end(line: &[u8], open: usize) -> Option<usize> {
    let (mut at, mut depth) = (open, 0_usize);
    loop {
        match line.get(at)? {
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at),
            b')' => depth -= 1,
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
}

fn parameters(segments: &[&[u8]]) -> Vec<Parameter> {
    segments
        .iter()
        .filter_map(|segment| parameter(segment))
        .collect()
}

/// `name=value`, `name*=value`, `name*0=value`, `name*0*=value`; the last word before the `=` is the name.
fn parameter(segment: &[u8]) -> Option<Parameter> {
    let equals = memchr(b'=', segment)?;
    let full = last_word(&segment[..equals]).to_ascii_lowercase();
    let value = segment[equals + 1..].trim_ascii();
    let mut pieces = full.split(|c| *c == b'*');
    let name = pieces.next()?.to_vec();
    let section = pieces
        .next()
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let values = match value.first() {
        Some(b'"') => [by_rule(value), as_it_stands(value)],
        _ => [as_it_stands(value), by_rule(value)],
    };
    Some(Parameter {
        name,
        section,
        extended: full.ends_with(b"*"),
        values,
    })
}

/// A quoted string up to its end, or a token.
fn by_rule(value: &[u8]) -> Vec<u8> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let ends = |c: &u8| c.is_ascii_whitespace() || *c == b'(';
        let end = value.iter().position(ends).unwrap_or(value.len());
        return value[..end].to_vec();
    };
    let mut text = Vec::with_capacity(quoted.len());
    let mut octets = quoted.iter();
    while let Some(octet) = octets.next().filter(|c| **c != b'"') {
        let escaped = Some(octet)
            .filter(|c| **c == b'\\')
            .and_then(|_| octets.next());
        text.push(*escaped.unwrap_or(octet));
    }
    text
}

/// All of it but the quotes.
fn as_it_stands(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for octet in value {
        match octet {
            b'"' if text.last() == Some(&b'\\') => *text.last_mut().expect("just seen") = b'"',
            b'"' => {}
            other => text.push(*other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(value: &str, name: &str) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for text in Structured::read(value.as_bytes()).texts(name) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }

    #[test]
    fn plain_values_have_one_reading() {
        for (value, name, text) in [
            ("a/b; NAME=x.pdf", "name", "x.pdf"),
            ("a/b;name = \"x; y.pdf\" ; z=1", "name", "x; y.pdf"),
            ("a/b; name=\"x \\\"y\\\".pdf\"", "name", "x \"y\".pdf"),
            ("a/b (c; name=no); name=x", "charset", ""),
            ("; filename=\"x.hta\"", "filename", "x.hta"),
            ("filename=\"x.hta\"", "filename", "x.hta"),
            ("a/b boundary=x", "boundary", "x"),
            ("a/b; (never closed boundary=x", "boundary", "x"),
            ("a/b (never closed; boundary=x", "boundary", "x"),
            (
                "a; filename=\"inv=?utf-8?Q?oice=2Ehta?=\"",
                "filename",
                "invoice.hta",
            ),
            (
                "a; filename*=utf-8''inv%oice%2Ehta",
                "filename",
                "inv%oice.hta",
            ),
            (
                "a; filename*=iso-8859-1'de'%FC.pdf",
                "filename",
                "\u{fc}.pdf",
            ),
            ("a; filename*=x.pdf", "filename", "x.pdf"),
            ("a; f*1*=%41; f*0*=utf-8''b; f*2=\"%41\"", "f", "bA%41"),
            ("a; f*99999999999*='", "f", "'"),
        ] {
            let one = Some(text.to_owned()).filter(|text| !text.is_empty());
            assert_eq!(readings(value, name), Vec::from_iter(one), "{value}");
        }
    }

    #[test]
    fn all_readings_are_kept() {
        for (value, texts) in [
            ("a; f=x(1).hta", &["x(1).hta", "x", "x .hta"][..]),
            ("a; f=x y.hta", &["x y.hta", "x"]),
            ("a; f=x; f*=utf-8''y; f=z", &["y", "x", "z"]),
            ("a; f=\"x\".hta", &["x", "x.hta"]),
            ("a; f=\"x\\y\"", &["xy", "x\\y"]),
            ("a; f=\"x; f=y", &["x", "y", "x; f=y"]),
            ("a (; f=x); f=y", &["x)", "y"]),
            ("a; f*0=x; f*2=y", &["xy", "x"]),
        ] {
            assert_eq!(readings(value, "f"), texts, "{value}");
        }
    }

    #[test]
    fn heads() {
        for (value, head) in [
            ("text/html; a=b", "text/html"),
            (" text/html (or so) ; a=b", "text/html"),
            ("text/html a=b", "text/html"),
            ("a=b", ""),
            ("; a=b", ""),
            ("", ""),
        ] {
            assert_eq!(Structured::read(value.as_bytes()).head, head.as_bytes());
        }
    }
}
