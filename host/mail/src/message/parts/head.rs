use std::collections::BTreeSet;

use super::decode::Encoding;
use super::parameters::{Structured, without_comments};
use super::{Field, PartsFault};

/// A longer MIME field makes the message unparsed: parsing its parameters must stay cheap.
const FIELD_OCTETS: usize = 4 << 10;

/// More readings of a boundary are no accident.
const MOST_BOUNDARIES: usize = 8;

const NAMES: [&str; 3] = [
    "Content-Type",
    "Content-Disposition",
    "Content-Transfer-Encoding",
];

/// Extensions that mean the same.
const SPELLINGS: [(&str, &str); 4] = [
    ("jpeg", "jpg"),
    ("html", "htm"),
    ("tiff", "tif"),
    ("mpeg", "mpg"),
];

/// The fields that decide what a part is.
pub(in crate::message) fn mime_fields(fields: &[Field]) -> impl Iterator<Item = &Field> {
    fields
        .iter()
        .filter(|field| NAMES.iter().any(|name| field.is(name)))
}

/// What a part's header says of it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) content_type: String,
    pub(super) name: Option<String>,
    pub(super) attachment: bool,
    pub(super) charset: Option<String>,
    /// of a multipart, each reading of it
    pub(super) boundaries: BTreeSet<Vec<u8>>,
    pub(super) encoding: Encoding,
}

impl Head {
    /// `default` is the type of a part without one (RFC 2046 section 5.1).
    pub(super) fn of(fields: &[Field], default: &str) -> Result<Self, PartsFault> {
        // To Python such a field ends the header, and those behind it say nothing.
        let spaced = fields.iter().position(Field::is_spaced);
        if spaced.is_some_and(|at| mime_fields(&fields[at..]).next().is_some()) {
            return Err(PartsFault::Ambiguous);
        }
        let (mut first, mut last) = ([None; 3], [None; 3]);
        for (place, name) in NAMES.iter().enumerate() {
            let mut named = fields.iter().filter(|field| field.is(name));
            first[place] = value(named.next())?;
            last[place] = value(named.next())?;
            if named.next().is_some() {
                return Err(PartsFault::Ambiguous);
            }
        }
        let head = Self::read(first, default)?;
        if last == [None; 3] {
            return Ok(head);
        }
        let other = [0, 1, 2].map(|place| last[place].or(first[place]));
        let same = head.agrees_with(&Self::read(other, default)?);
        same.then_some(head).ok_or(PartsFault::Ambiguous)
    }

    fn read(fields: [Option<&[u8]>; 3], default: &str) -> Result<Self, PartsFault> {
        let [kind, disposition, encoding] = fields;
        let kind = kind.map(Structured::read);
        let disposition = disposition.map(Structured::read);
        let stated = kind.as_ref().and_then(|kind| essence(&kind.head));
        let content_type = stated.unwrap_or_else(|| default.to_owned());
        let named = |of: &Option<Structured>, what: &str| -> Vec<String> {
            of.as_ref()
                .map_or(Vec::new(), |of| of.texts(what).collect())
        };
        let names = [named(&disposition, "filename"), named(&kind, "name")].concat();
        let multipart = kind.as_ref().filter(|_| is_multipart(&content_type));
        let head = Self {
            name: name(&names)?,
            attachment: disposition.is_some_and(|d| d.head.eq_ignore_ascii_case(b"attachment")),
            charset: charset(named(&kind, "charset"), &content_type)?,
            boundaries: multipart.map_or(Ok(BTreeSet::new()), boundaries)?,
            encoding: encoding.map_or(Encoding::Identity, transfer_encoding),
            content_type,
        };
        let text = head.is_multipart() || head.content_type.starts_with("text/");
        if head.encoding == Encoding::Unknown && !(text && head.name.is_none()) {
            return Err(PartsFault::Encoding);
        }
        Ok(head)
    }

    /// Of two fields of one name it does not matter which counts. Broken programs repeat the type of a text.
    fn agrees_with(&self, other: &Self) -> bool {
        let leaf = |head: &Self| !head.is_multipart() && !head.is_message();
        let same_type = self.content_type == other.content_type || leaf(self) && leaf(other);
        let extension = |head: &Self| head.name.as_deref().and_then(extension);
        let is_text = |head: &Self| head.content_type.starts_with("text/");
        let same_charset = beyond_ascii(&self.charset) == beyond_ascii(&other.charset);
        let same_text = same_charset || !is_text(self) && !is_text(other);
        same_type
            && same_text
            && self.boundaries == other.boundaries
            && self.encoding == other.encoding
            && extension(self) == extension(other)
    }

    /// A part without a name has that of the uuencoded file in it.
    pub(super) fn name_from(&mut self, body: &[u8]) {
        if self.name.is_none() {
            let inside = self.encoding.name_inside(body).map(String::from_utf8_lossy);
            let inside = inside.map(|name| without_controls(&name));
            self.name = inside.filter(|name| !name.is_empty());
        }
    }

    pub(super) fn is_multipart(&self) -> bool {
        is_multipart(&self.content_type)
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(
            &*self.content_type,
            "message/rfc822" | "message/global" | "message/news"
        )
    }

    pub(super) fn is_any_message(&self) -> bool {
        self.is_message() || self.may_be_message()
    }

    /// To some programs every other type of its kind is a message, too; these have a form of their own.
    pub(super) fn may_be_message(&self) -> bool {
        const OTHERS: [&str; 8] = [
            "delivery-status",
            "disposition-notification",
            "external-body",
            "feedback-report",
            "global-delivery-status",
            "global-disposition-notification",
            "global-headers",
            "partial",
        ];
        let kind = self.content_type.strip_prefix("message/");
        kind.is_some_and(|kind| !self.is_message() && !OTHERS.contains(&kind))
    }

    /// What a part inside this one is when it does not say.
    pub(super) fn default_inside(&self) -> &'static str {
        match &*self.content_type {
            "multipart/digest" => "message/rfc822",
            _ => "text/plain",
        }
    }
}

fn value(field: Option<&Field>) -> Result<Option<&[u8]>, PartsFault> {
    match field {
        Some(field) if field.raw().len() > FIELD_OCTETS => Err(PartsFault::Header),
        field => Ok(field.map(Field::value)),
    }
}

/// In lower case. Of a text it says what the octets mean: what is ASCII in one reading must be in all.
fn charset(readings: Vec<String>, content_type: &str) -> Result<Option<String>, PartsFault> {
    let word = |reading: String| {
        let word = reading.split_ascii_whitespace().next().unwrap_or_default();
        word.trim_matches(['"', '\'', '\\']).to_ascii_lowercase()
    };
    let mut words = readings.into_iter().map(word);
    let first = words.next();
    let differs = words.any(|word| beyond_ascii(&Some(word)) != beyond_ascii(&first));
    match differs && content_type.starts_with("text/") {
        true => Err(PartsFault::Ambiguous),
        false => Ok(first),
    }
}

/// A charset in which the octets of ASCII are something else: a link in the one is no link in the other.
fn beyond_ascii(charset: &Option<String>) -> Option<String> {
    const KINDS: [&str; 23] = [
        "utf-16",
        "utf16",
        "utf-32",
        "utf32",
        "utf-7",
        "utf7",
        "ucs",
        "csucs",
        "csunicode",
        "unicode",
        "iso-10646",
        "iso-2022",
        "hz",
        "csutf",
        "x-unicode",
        "u7",
        "u16",
        "u32",
        "ebcdic",
        "x-ebcdic",
        "ibm",
        "csibm",
        "cp0",
    ];
    let charset = charset.as_ref().map(|word| word.replace('_', "-"));
    charset.filter(|word| KINDS.iter().any(|kind| word.starts_with(kind)))
}

fn is_multipart(content_type: &str) -> bool {
    content_type.starts_with("multipart/")
}

/// In lower case, without blanks; `None` if there is no type.
fn essence(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let shown = without_controls(head.trim_matches('"')).to_ascii_lowercase();
    let (kind, rest) = shown.split_once('/').unwrap_or((&shown, ""));
    let subtype = rest.split_ascii_whitespace().next().unwrap_or("unknown");
    let kind = Some(kind.trim()).filter(|kind| !kind.is_empty())?;
    Some(format!("{kind}/{subtype}"))
}

/// Extensions that open as something to look at or listen to. Of several names a part with such a one is told only if all
/// are so: which of them a program shows, nobody knows.
const HARMLESS: &[&str] = &[
    "7z", "asc", "avi", "bmp", "csv", "doc", "docx", "dwg", "dxf", "epub", "gif", "heic", "ics",
    "jpg", "json", "key", "log", "m4a", "md", "mov", "mp3", "mp4", "numbers", "odp", "ods", "odt",
    "p7m", "p7s", "pages", "pdf", "png", "ppt", "pptx", "psd", "rar", "rtf", "sig", "tif", "txt",
    "vcf", "wav", "webp", "xls", "xlsx", "xml", "zip",
];

/// How much a reading of a name says about what its part may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    Nothing,
    Harmless,
    Extension(String),
}

impl Says {
    fn of(name: &str) -> Self {
        match extension(name) {
            None => Says::Nothing,
            Some(known) if HARMLESS.contains(&&*known) => Says::Harmless,
            Some(other) => Says::Extension(other),
        }
    }
}

/// Of all readings the first that may be more than harmless, else the first with an extension, else the first. Two of
/// them that may be different things cannot both be told.
fn name(readings: &[String]) -> Result<Option<String>, PartsFault> {
    let mut told: Option<(String, Says)> = None;
    let names = readings.iter().map(|name| without_controls(name));
    for name in names.filter(|name| !name.is_empty()) {
        let says = Says::of(&name);
        match &told {
            Some((_, first @ Says::Extension(_))) if matches!(says, Says::Extension(_)) => {
                if *first != says {
                    return Err(PartsFault::Ambiguous);
                }
            }
            Some((_, first)) if *first >= says => {}
            _ => told = Some((name, says)),
        }
    }
    Ok(told.map(|(name, _)| name))
}

fn without_controls(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// What a desktop may take for one; an unseen character in it makes it another.
fn extension(name: &str) -> Option<String> {
    // Of the known ones the longest have 18.
    const LONGEST: usize = 64;
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let (_, last) = name.rsplit_once(['.', '\u{2024}', '\u{fe52}', '\u{ff0e}'])?;
    let is_one = last.chars().count() <= LONGEST
        && last.chars().any(char::is_alphabetic)
        && !last.contains(char::is_whitespace);
    let last = is_one.then(|| last.to_lowercase())?;
    let short = SPELLINGS.iter().find(|(long, _)| *long == last);
    Some(short.map_or(last, |(_, short)| (*short).to_owned()))
}

/// As they stand in the body; blanks at the end do not count (RFC 2046 section 5.1.1).
fn boundaries(kind: &Structured) -> Result<BTreeSet<Vec<u8>>, PartsFault> {
    let readings = kind.octets("boundary");
    let trimmed = readings.map(|boundary| boundary.trim_ascii_end().to_vec());
    let all: BTreeSet<_> = trimmed.filter(|boundary| !boundary.is_empty()).collect();
    let few = all.len() <= MOST_BOUNDARIES;
    few.then_some(all).ok_or(PartsFault::Ambiguous)
}

/// The names that programs know, and what others write for no encoding.
fn transfer_encoding(value: &[u8]) -> Encoding {
    let bare = without_comments(value).to_ascii_lowercase();
    let value = String::from_utf8_lossy(&bare);
    let mut words = value.split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | '"'));
    match words.find(|word| !word.is_empty()).unwrap_or_default() {
        "base64" => Encoding::Base64,
        "quoted-printable" => Encoding::QuotedPrintable,
        "x-uuencode" | "uuencode" | "x-uue" | "uue" => Encoding::Uuencode,
        "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" | "7" | "8" | "none" => {
            Encoding::Identity
        }
        _ => Encoding::Unknown,
    }
}
