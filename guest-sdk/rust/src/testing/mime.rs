//! The MIME tree of a test message.

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

use crate::parts::Part;

/// A part with its decoded octets.
pub struct Leaf {
    pub part: Part,
    pub octets: Vec<u8>,
    pub is_text: bool,
}

/// Parents before children; the parts of an enclosed message hang below its message/rfc822 part.
pub fn parts(message: &[u8]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    if let Some(message) = MessageParser::default().parse(message) {
        walk(&message, 0, None, &mut leaves);
    }
    leaves
}

fn walk(message: &Message, id: u32, parent: Option<u32>, leaves: &mut Vec<Leaf>) {
    let Some(part) = message.part(id) else { return };
    let index = leaves.len() as u32;
    leaves.push(leaf(part, index, parent));
    match &part.body {
        PartType::Multipart(children) => {
            for &child in children {
                walk(message, child, Some(index), leaves);
            }
        }
        PartType::Message(enclosed) => walk(enclosed, 0, Some(index), leaves),
        _ => {}
    }
}

fn leaf(part: &MessagePart, index: u32, parent: Option<u32>) -> Leaf {
    let octets = match part.body {
        PartType::Multipart(_) => Vec::new(),
        _ => part.contents().to_vec(),
    };
    Leaf {
        part: Part {
            index,
            parent,
            content_type: content_type(part),
            name: part.attachment_name().map(str::to_owned),
            attachment: part
                .content_disposition()
                .is_some_and(|disposition| disposition.is_attachment()),
            size: octets.len() as u32,
            sha256: hex(&Sha256::digest(&octets)),
        },
        is_text: matches!(part.body, PartType::Text(_) | PartType::Html(_)),
        octets,
    }
}

fn content_type(part: &MessagePart) -> String {
    let Some(declared) = part.content_type() else {
        return "text/plain".to_owned();
    };
    let kind = declared.ctype().to_ascii_lowercase();
    match declared.subtype() {
        Some(subtype) => format!("{kind}/{}", subtype.to_ascii_lowercase()),
        None => kind,
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
