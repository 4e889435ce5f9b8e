//! The smallest filter: one stage, no permission. Refuses every recipient whose local part is `nobody`.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "package lazaret:minimal; world minimal { include lazaret:filter/stage-rcpt@0.1.0; }",
    path: "../../wit",
    world: "lazaret:minimal/minimal",
    generate_all,
});

use exports::lazaret::filter::on_rcpt::{Address, Guest, Verdict};
use lazaret::filter::types::Reply;

struct Minimal;

impl Guest for Minimal {
    fn rcpt(recipient: Address) -> Verdict {
        if recipient.local_part != "nobody" {
            return Verdict::Continue;
        }
        Verdict::Reject(Reply {
            code: None,
            enhanced: None,
            text: "nobody is not here".to_owned(),
        })
    }
}

export!(Minimal);
