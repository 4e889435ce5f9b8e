//! The commands that a mail gives to the filter.

use std::time::Duration;

use lazaret_filter::prelude::*;

use crate::{Reference, answer, facts};

impl Reference {
    /// Does what it is told.
    pub fn obey(&self, stage: &str, command: &str) -> Verdict {
        log::info(format!("{stage}: {command}"));
        match command {
            "continue" => Verdict::Continue,
            "accept" => Verdict::Accept,
            "discard" => Verdict::Discard,
            "reject" => Verdict::reject("told to reject"),
            "defer" => Verdict::defer("told to defer"),
            "disconnect" => Verdict::disconnect("told to disconnect"),
            "quarantine" => Verdict::quarantine("told to quarantine"),
            "coded" => Verdict::reject("told to use codes")
                .code(554)
                .enhanced("5.7.26"),
            "trap" => panic!("told to trap"),
            "random" => Verdict::reject(random()),
            "facts" => Verdict::reject(facts::line(self.calls)),
            "errors" => Verdict::reject(self.errors()),
            "limit" => Verdict::reject(limit()),
            "hold" => {
                let _ = pace::hold(Duration::from_millis(300));
                Verdict::Continue
            }
            "edits" => {
                edits(stage);
                Verdict::Continue
            }
            "report" => {
                facts::report(self.calls);
                Verdict::Continue
            }
            unknown => Verdict::reject(format!("unknown command {unknown}")),
        }
    }

    /// Calls of which some must fail at each stage.
    fn errors(&self) -> String {
        let note = notes::set(notes::Scope::Transaction, "key", "value");
        format!(
            "configure={} edit={} body={} part={} score={} note={} hold={}",
            self.configuring,
            answer(edit_headers::add("X Bad", "value")),
            answer(body::read(0, 1)),
            answer(parts::text(9999)),
            answer(score::add("", 1.0, "")),
            answer(note),
            answer(pace::hold(Duration::ZERO)),
        )
    }
}

fn random() -> String {
    let octets = entropy::random(8);
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Writes notes until the host has had enough.
fn limit() -> String {
    let mut count = 0;
    loop {
        match notes::set(notes::Scope::Connection, "again", "x") {
            Ok(()) => count += 1,
            Err(error) => return format!("{count} notes, then {}", error.name()),
        }
    }
}

/// Adds, replaces and removes fields. What the operator does not allow is left out.
fn edits(stage: &str) {
    let _ = edit_headers::add("X-Reference", &format!("added at {stage}"));
    let subject = headers::first("Subject").map(|subject| format!(" {subject}"));
    let subject = format!("[{stage}]{}", subject.unwrap_or_default());
    if let Err(error) = edit_headers::replace("Subject", 0, &subject) {
        let _ = edit_headers::add("X-Reference-Replace", error.name());
    }
    let removed = edit_headers::remove_all("X-Remove");
    let removed = removed.map_or_else(|error| error.name().to_owned(), |count| count.to_string());
    let _ = edit_headers::add("X-Removed", &removed);
    let _ = edit_headers::remove("X-Remove-Second", 1);
}
