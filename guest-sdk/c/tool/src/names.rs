//! Shorter names: `lazaret_on_mail` for `exports_lazaret_filter_on_mail_mail`.

/// Every identifier of a C text that has a shorter name gets it.
pub fn shorten(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        short.push_str(before);
        short.push_str(&name(word));
        rest = after;
    }
    short + rest
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn name(word: &str) -> String {
    if word == "exports_lazaret_configure" {
        return "lazaret_configure".to_owned();
    }
    if let Some(stage) = word.strip_prefix("exports_lazaret_filter_on_") {
        return of_stage(stage);
    }
    if let Some(upper) = word.strip_prefix("LAZARET_FILTER_") {
        return format!("LAZARET_{}", upper.strip_prefix("TYPES_").unwrap_or(upper));
    }
    match word.strip_prefix("lazaret_filter_") {
        Some(lower) => of_interface(lower),
        None => word.to_owned(),
    }
}

/// `mail_mail`, `mail_verdict_t`, `outcome_result_of_transaction_t`
fn of_stage(word: &str) -> String {
    let (stage, what) = word.split_once('_').unwrap_or((word, word));
    let what = match what {
        what if what == stage => return format!("lazaret_on_{stage}"),
        "result_of_transaction_t" => "outcome_t",
        "result_of_transaction_free" => "outcome_free",
        what => what,
    };
    format!("lazaret_{what}")
}

/// `session_tls`; the words that interfaces share belong to none of them.
fn of_interface(word: &str) -> String {
    let shared = ["error_t", "address_t", "address_free"];
    let is_alias = |ending: &&&str| {
        let owner = word.strip_suffix(**ending).unwrap_or_default();
        !owner.contains("list_") && !owner.contains("option_") && !owner.contains("result_")
    };
    if let Some(own) = word.strip_prefix("types_") {
        return format!("lazaret_{own}");
    }
    let alias = shared
        .iter()
        .filter(|ending| word.ends_with(&format!("_{ending}")))
        .find(is_alias);
    match alias {
        Some(shared) => format!("lazaret_{shared}"),
        None => format!("lazaret_{word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn names_are_short_and_words_shared() {
        for (long, short) in [
            ("exports_lazaret_configure(", "lazaret_configure("),
            ("exports_lazaret_filter_on_mail_mail", "lazaret_on_mail"),
            (
                "exports_lazaret_filter_on_mail_verdict_t",
                "lazaret_verdict_t",
            ),
            (
                "exports_lazaret_filter_on_outcome_outcome",
                "lazaret_on_outcome",
            ),
            (
                "exports_lazaret_filter_on_outcome_result_of_transaction_t",
                "lazaret_outcome_t",
            ),
            ("lazaret_filter_envelope_address_t", "lazaret_address_t"),
            (
                "lazaret_filter_envelope_list_address_t",
                "lazaret_envelope_list_address_t",
            ),
            ("lazaret_filter_edit_headers_error_t", "lazaret_error_t"),
            (
                "lazaret_filter_score_result_list_entry_error_t",
                "lazaret_score_result_list_entry_error_t",
            ),
            ("LAZARET_FILTER_TYPES_ERROR_LIMIT", "LAZARET_ERROR_LIMIT"),
            ("LAZARET_FILTER_LOG_LEVEL_WARN", "LAZARET_LOG_LEVEL_WARN"),
            (
                "\"lazaret:filter/session@0.1.0\"",
                "\"lazaret:filter/session@0.1.0\"",
            ),
        ] {
            assert_eq!(shorten(long), short);
        }
    }
}
