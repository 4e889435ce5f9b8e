//! Which octets of a header value are structure (RFC 5322 sections 3.2.2 and 3.2.4).

/// Stands for an octet that is quoted: part of a word.
const QUOTED: &str = "q";

/// Stands for an octet of a comment.
const COMMENT: &str = " ";

/// As many octets, with `q` for all that is quoted and blanks for comments. What is opened and never closed is neither.
pub fn masked(value: &str) -> String {
    let mut mask = String::with_capacity(value.len());
    let mut unclosed = String::new();
    while let Some(c) = value[mask.len()..].chars().next() {
        let rest = &value[mask.len()..];
        let closed = match c {
            // Nothing that follows is looked through twice.
            _ if unclosed.contains(c) => None,
            '"' => quoted(rest).map(|length| QUOTED.repeat(length)),
            '(' => comment(rest).map(|length| COMMENT.repeat(length)),
            _ => None,
        };
        match closed {
            Some(hidden) => mask.push_str(&hidden),
            None => {
                if matches!(c, '"' | '(') && !unclosed.contains(c) {
                    unclosed.push(c);
                }
                mask.push(c);
            }
        }
    }
    mask
}

/// Octets up to the closing quote.
fn quoted(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Octets up to the parenthesis that closes the first one.
fn comment(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_and_comments_are_no_structure() {
        for (value, mask) in [
            ("a <b@c>", "a <b@c>"),
            ("\"<b@c>\" <d@e>", "qqqqqqq <d@e>"),
            ("\"a\\\"<\" x", "qqqqqq x"),
            ("(a (b) \\) \"c) d", "              d"),
            ("\"ö\"@e", "qqqq@e"),
            ("\"a <b@c>", "\"a <b@c>"),
            ("((a) <b@c>", "((a) <b@c>"),
            ("(\"a)\" <b@c>", "    \" <b@c>"),
        ] {
            assert_eq!(masked(value), mask, "{value}");
        }
    }

    #[test]
    fn what_is_never_closed_is_looked_through_once() {
        for text in ["(", "\"\\", "(\\)"] {
            let long = text.repeat(1 << 16);
            assert_eq!(masked(&long).len(), long.len());
        }
    }
}
