//! Patterns of lines: `*` stands for any octets of a line, a line `...` for any number of lines.

/// Does `text` fit `pattern`, in which `*` stands for any run of characters?
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Do all `lines` in order fit `patterns`, of which `...` stands for any number of lines?
pub fn all_fit<P: AsRef<str>, L: AsRef<str>>(patterns: &[P], lines: &[L]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((skip, later)) if skip.as_ref() == "..." => {
            (0..=lines.len()).any(|skipped| all_fit(later, &lines[skipped..]))
        }
        Some((pattern, later)) => lines.split_first().is_some_and(|(line, rest)| {
            fits(pattern.as_ref(), line.as_ref()) && all_fit(later, rest)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(fits("250 *", "250 ok"));
        assert!(fits("550 5.7.1 * (*)", "550 5.7.1 go away (7F)"));
        assert!(fits("*", ""));
        assert!(!fits("250 *", "251 ok"));
        assert!(!fits("250", "250 ok"));
        assert!(!fits("ab*ba", "aba"));
    }

    #[test]
    fn dots_stand_for_any_lines() {
        assert!(all_fit(&["a", "...", "z"], &["a", "b", "c", "z"]));
        assert!(all_fit(&["a", "...", "z"], &["a", "z"]));
        assert!(!all_fit(&["a", "z"], &["a", "b", "z"]));
        assert!(!all_fit(&["..."; 0], &["a"]));
    }
}
