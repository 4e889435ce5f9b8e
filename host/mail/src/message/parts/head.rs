use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

use super::decode::Encoding;
use super::{Field, PartsFault};

/// A longer MIME field makes the message unparsed: parsing its parameters must stay cheap.
const FIELD_OCTETS: usize = 4 << 10;

const NAMES: [&str; 3] = [
    "Content-Type",
    "Content-Disposition",
    "Content-Transfer-Encoding",
];

/// The fields that decide what a part is: the first of each name.
pub(in crate::message) fn mime_fields(fields: &[Field]) -> impl Iterator<Item = Option<&Field>> {
    NAMES
        .iter()
        .map(|name| fields.iter().find(|field| field.is(name)))
}

/// What a part's header says of it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) content_type: String,
    pub(super) name: Option<String>,
    pub(super) disposition: Option<String>,
    pub(super) charset: Option<String>,
    /// of a multipart
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) encoding: Encoding,
}

impl Head {
    /// `default` is the type of a part without one (RFC 2046 section 5.1).
    pub(super) fn of(fields: &[Field], default: &str) -> Result<Self, PartsFault> {
        let mut found = [None; 3];
        for (slot, field) in found.iter_mut().zip(mime_fields(fields)) {
            if field.is_some_and(|field| field.raw().len() > FIELD_OCTETS) {
                return Err(PartsFault::Header);
            }
            *slot = field.map(Field::value);
        }
        let [kind, disposition, encoding] = found;
        let parsed_kind = kind.and_then(parse);
        let parsed_disposition = disposition.and_then(parse);
        let attribute = |of: &Option<ContentType<'static>>, name: &str| {
            of.as_ref()
                .and_then(|value| value.attribute(name))
                .map(str::to_owned)
        };
        let content_type = parsed_kind.as_ref().map_or(default.to_owned(), essence);
        let multipart = content_type.starts_with("multipart/");
        Ok(Self {
            content_type,
            name: attribute(&parsed_disposition, "filename").or(attribute(&parsed_kind, "name")),
            disposition: parsed_disposition.map(|value| value.ctype().to_owned()),
            charset: attribute(&parsed_kind, "charset"),
            boundary: kind.filter(|_| multipart).and_then(boundary),
            encoding: encoding.map_or(Encoding::Identity, transfer_encoding),
        })
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(&*self.content_type, "message/rfc822" | "message/global")
    }

    /// What a part inside this one is when it does not say.
    pub(super) fn default_inside(&self) -> &'static str {
        match &*self.content_type {
            "multipart/digest" => "message/rfc822",
            _ => "text/plain",
        }
    }
}

fn parse(value: &[u8]) -> Option<ContentType<'static>> {
    let line = [value, b"\r\n"].concat();
    match MessageStream::new(&line).parse_content_type().into_owned() {
        HeaderValue::ContentType(parsed) => Some(parsed),
        _ => None,
    }
}

fn essence(kind: &ContentType<'_>) -> String {
    let essence = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("unknown"));
    essence.trim().to_ascii_lowercase()
}

/// A boundary may hold octets that are no UTF-8. It is read with each octet as a character, so that it is found as it
/// stands in the body.
fn boundary(value: &[u8]) -> Option<Vec<u8>> {
    let latin1: String = value.iter().map(|octet| char::from(*octet)).collect();
    let parsed = parse(latin1.as_bytes())?;
    let boundary = parsed.attribute("boundary")?.trim_end();
    let octets = boundary
        .chars()
        .map(|c| u8::try_from(c).ok())
        .collect::<Option<Vec<u8>>>()?;
    Some(octets).filter(|octets| !octets.is_empty())
}

fn transfer_encoding(value: &[u8]) -> Encoding {
    let value = String::from_utf8_lossy(value);
    let word = value.trim().split([';', '(', ' ', '\t', '\r']).next();
    match word.unwrap_or("").to_ascii_lowercase().as_str() {
        "base64" => Encoding::Base64,
        "quoted-printable" => Encoding::QuotedPrintable,
        _ => Encoding::Identity,
    }
}
