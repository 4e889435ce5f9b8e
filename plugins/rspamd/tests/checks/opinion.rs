//! What must hold for any answer of what calls itself rspamd.

use lazaret_filter::http::Response;
use serde_json::json;

use super::fields::{report, unfolded, values};
use super::opinion::{Opinion, Trouble, safe};

/// An answer is JSON of a known shape, or nonsense; what is told of it, to the client, in fields and in the log, is one line
/// of bounded length.
pub fn opinion(octets: &[u8]) {
    match Opinion::read(&Response::new(200, octets)) {
        Ok(opinion) => {
            is_told(&opinion);
        }
        Err(trouble) => {
            let said = trouble.to_string();
            assert!(matches!(trouble, Trouble::Nonsense(_)), "{said}");
            is_line(&said, 300);
        }
    }
    let refused = Opinion::read(&Response::new(500, octets));
    assert!(matches!(refused, Err(Trouble::Status(500))));
    is_read(&String::from_utf8_lossy(octets), octets.len());
}

/// Whatever the words in it, an answer that has what it takes is read as it was meant.
fn is_read(text: &str, points: usize) {
    let score = points as f64 - 100.0;
    let answer = json!({
        "action": text,
        "score": score,
        "symbols": { text: { "score": score, "options": [text] } },
        "messages": { "smtp_message": text },
        "dkim-signature": [text, { "value": text }],
    });
    let opinion = Opinion::read(&Response::new(200, answer.to_string())).expect("an opinion");
    assert_eq!(opinion.score, score);
    assert_eq!(opinion.action.len(), text.chars().take(64).count());
    assert_eq!(opinion.weighty().count(), usize::from(score != 0.0));
    assert_eq!(
        opinion.text().is_some(),
        text.chars().take(200).any(|c| c != ' ')
    );
    assert_eq!(values(&opinion.dkim_signature).count(), 2);
    is_told(&opinion);
}

fn is_told(opinion: &Opinion) {
    is_line(&opinion.action, 64);
    is_line(&report(opinion), 1600);
    if let Some(text) = opinion.text() {
        is_line(&text, 200);
        assert!(!text.trim().is_empty());
    }
    let mut last = f64::INFINITY;
    for (name, symbol) in opinion.weighty() {
        assert!(symbol.score != 0.0 && symbol.score.abs() <= last, "{name}");
        last = symbol.score.abs();
        is_line(&symbol.why(), 190);
        is_line(&safe(name, 64), 64);
        assert!(!safe(name, 64).contains([' ', '=', ';']), "{name}");
    }
    for value in values(&opinion.dkim_signature).chain(values(&opinion.milter)) {
        let line = unfolded(value);
        assert!(!line.contains(['\r', '\n', '\t']), "{line:?}");
        assert!(line.len() <= value.len(), "{line:?}");
    }
}

fn is_line(text: &str, most: usize) {
    let plain = text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    assert!(plain && text.len() <= most, "{text:?}");
}
