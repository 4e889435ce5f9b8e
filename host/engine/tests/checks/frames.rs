//! What must hold for any octets on the pipe between parent and child.

use serde_json::Value;

use super::{read, write};

/// Octets that one frame may carry.
const MOST: u64 = 100;

/// Frames are found one behind the other, never larger than allowed, and written again they are the same ones.
pub fn frames(octets: &[u8]) {
    let mut input = octets;
    loop {
        let before = input.len();
        let Ok(Some((head, carried))) = read::<Value>(&mut input, MOST) else {
            return;
        };
        assert!(carried.len() as u64 <= MOST);
        assert!(before - input.len() >= 16 + carried.len());
        let mut again = Vec::new();
        write(&mut again, &head, &[&carried]).expect("memory takes everything");
        let same = read::<Value>(&mut &again[..], MOST).expect("a whole frame");
        let (same_head, same_octets) = same.expect("a frame");
        assert_eq!(same_octets, carried);
        // The reader of JSON rounds fractions; no head of ours has any.
        assert!(has_fraction(&head) || same_head == head, "{head}");
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
