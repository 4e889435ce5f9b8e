//! Remembers, looks up and counts: the local part of a recipient says which, the reply says what came of it.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "package lazaret:keeper; world keeper {
        include lazaret:filter/stage-rcpt@0.1.0;
        import lazaret:filter/state@0.1.0;
        import lazaret:filter/lists@0.1.0;
        import lazaret:filter/metrics@0.1.0;
    }",
    path: "../../wit",
    world: "lazaret:keeper/keeper",
    generate_all,
});

use exports::lazaret::filter::on_rcpt::{Address, Guest, Verdict};
use lazaret::filter::types::{Error, Reply};
use lazaret::filter::{lists, metrics, state};

struct Keeper;

/// How long everything is kept, in seconds.
const HOUR: u32 = 3600;

impl Guest for Keeper {
    fn rcpt(recipient: Address) -> Verdict {
        let (what, of) = recipient
            .local_part
            .split_once('-')
            .unwrap_or((&recipient.local_part, ""));
        let text = match what {
            "count" => count(of),
            "keep" => told(state::set("kept", of.as_bytes(), HOUR).map(|()| "kept".to_owned())),
            "kept" => told(state::get("kept").map(|kept| {
                kept.map_or("nothing".to_owned(), |kept| {
                    String::from_utf8_lossy(&kept).into_owned()
                })
            })),
            "claim" => told(
                state::compare_and_set("claimed", None, Some(of.as_bytes()), HOUR)
                    .map(|first| first.to_string()),
            ),
            "listed" => told(lists::lookup("partners", of).map(|found| format!("{found:?}"))),
            _ => return Verdict::Continue,
        };
        Verdict::Reject(Reply {
            code: None,
            enhanced: None,
            text,
        })
    }
}

/// In the state, which outlives us, and in the metrics, which the operator sees.
fn count(of: &str) -> String {
    let seen = state::increment(&format!("seen {of}"), 1, HOUR);
    let counted = metrics::count("seen", 1).and_then(|()| metrics::gauge("last", 2.5));
    match counted {
        Ok(()) => told(seen.map(|seen| seen.to_string())),
        Err(error) => told(Err(error)),
    }
}

fn told(result: Result<String, Error>) -> String {
    result.unwrap_or_else(|error| error.name().to_owned())
}

export!(Keeper);
