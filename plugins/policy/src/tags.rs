//! The fields `X-Spam-Flag`, `X-Spam-Score`, `X-Spam-Status` and `X-Spam-Reasons`.

use lazaret_filter::{Error, edit_headers, headers, log};

/// Every field of ours starts like this.
const PREFIX: &str = "x-spam-";

/// Names of forged fields that are removed. The host allows 256 edits: with more, none would be left for our own.
const MOST_FORGED: usize = 100;

/// Octets of reasons in a header field.
const MOST_REASONS: usize = 600;

/// Only we say what is spam: fields that a sender wrote to please or to fool a reader's rules go. False, and nothing is
/// done, if they have so many names that they are there to keep us from it.
#[must_use]
pub fn remove_forged() -> bool {
    let mut names: Vec<_> = headers::all()
        .into_iter()
        .map(|field| field.name.trim().to_ascii_lowercase())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    names.sort();
    names.dedup();
    if names.len() > MOST_FORGED {
        return false;
    }
    for name in names {
        done(&name, edit_headers::remove_all(&name).map(|_| ()));
    }
    true
}

/// Fields are added on top, so the last one written here comes first.
pub fn write(total: f64, tag: f64, reasons: &str) {
    let is_spam = total >= tag;
    if !reasons.is_empty() {
        add("X-Spam-Reasons", shortened(reasons));
    }
    let answer = if is_spam { "Yes" } else { "No" };
    add(
        "X-Spam-Status",
        &format!("{answer}, score={total:.1} required={tag:.1}"),
    );
    add("X-Spam-Score", &format!("{total:.1}"));
    if is_spam {
        add("X-Spam-Flag", "YES");
    }
}

fn add(name: &str, value: &str) {
    done(name, edit_headers::add(name, value));
}

fn done(name: &str, result: Result<(), Error>) {
    if let Err(error) = result {
        log::warn(format!(
            "cannot edit {name} ({word}): grant `edit-headers:X-Spam-*`",
            word = error.name()
        ));
    }
}

/// At a blank, so that no reason is cut.
fn shortened(reasons: &str) -> &str {
    if reasons.len() <= MOST_REASONS {
        return reasons;
    }
    let end = reasons.floor_char_boundary(MOST_REASONS);
    match reasons[..end].rfind(' ') {
        Some(blank) => &reasons[..blank],
        None => &reasons[..end],
    }
}
