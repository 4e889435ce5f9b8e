//! Which characters of a stranger's text must not be shown as they are: the one table for logs, terminals and addresses.

/// Could this character end a line, steer a terminal, turn the direction of what stands around it, or not be seen at all?
///
/// Joiners (U+200C, U+200D) are not in the table: Persian and several Indian scripts are written with them.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // a mark of direction, a space of no width, two marks of direction
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            // line and paragraph separator, embeddings and overrides of direction
            | '\u{2028}'..='\u{202e}'
            // invisible operators, isolates of direction
            | '\u{2060}'..='\u{206f}'
            // byte order mark, annotations, tags
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::is_unsafe;

    #[test]
    fn what_people_write_is_harmless() {
        for text in [
            "Grüße, 1 € – “so”",
            "می\u{200c}خواهم",
            "दिल्ली",
            "日本",
            "👩\u{200d}🚀",
        ] {
            assert!(!text.chars().any(is_unsafe), "{text}");
        }
    }

    #[test]
    fn what_ends_lines_or_turns_them_is_not() {
        let lines = "\0\t\r\n\u{7f}\u{85}\u{9b}\u{2028}\u{2029}";
        let marks = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let unseen = "\u{200b}\u{2060}\u{feff}\u{fffa}\u{e0041}";
        for character in [lines, marks, unseen].concat().chars() {
            assert!(is_unsafe(character), "{}", character.escape_unicode());
        }
    }
}
