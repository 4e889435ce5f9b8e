//! Writing tables between the markers of a page.

use anyhow::{Context, Result};

use crate::table::Part;

/// `page` with every part between its markers, `<!-- bench: NAME -->` and `<!-- /bench -->`.
///
/// # Errors
/// A part without markers.
pub fn filled(page: &str, parts: &[Part]) -> Result<String> {
    let mut page = page.to_owned();
    for (name, text) in parts {
        let open = format!("<!-- bench: {name} -->\n");
        let missing = || format!("the page has no marker {}", open.trim_end());
        let start = page.find(&open).with_context(missing)? + open.len();
        let length = page[start..].find(CLOSE).with_context(missing)?;
        page.replace_range(start..start + length, text);
    }
    Ok(page)
}

const CLOSE: &str = "<!-- /bench -->";

#[cfg(test)]
mod tests {
    use super::filled;
    use crate::arguments::Kind;
    use crate::table;

    #[test]
    fn only_what_is_between_markers_changes() {
        let page = "# Page\n<!-- bench: a -->\nold\n<!-- /bench -->\nprose\n<!-- bench: b -->\n<!-- /bench -->\n";
        let parts = [("b", "two\n".to_owned()), ("a", "one\n".to_owned())];
        assert_eq!(
            filled(page, &parts).unwrap(),
            "# Page\n<!-- bench: a -->\none\n<!-- /bench -->\nprose\n<!-- bench: b -->\ntwo\n<!-- /bench -->\n"
        );
    }

    #[test]
    fn a_missing_marker_is_an_error() {
        let parts = [("c", String::new())];
        assert!(filled("<!-- bench: a -->\n<!-- /bench -->", &parts).is_err());
    }

    #[test]
    fn the_page_has_every_marker() {
        let page = include_str!("../../../docs/performance.md");
        for name in table::names(Kind::ALL) {
            assert!(filled(page, &[(name, String::new())]).is_ok(), "{name}");
        }
    }
}
