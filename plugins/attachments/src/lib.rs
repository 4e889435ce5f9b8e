//! Bundled filter `policy`: what to do at which score.
use lazaret_filter::prelude::*;

/// x
#[derive(Default)]
pub struct Policy;

#[filter]
impl Filter for Policy {
    fn message(&mut self) -> Verdict {
        match score::total() {
            Ok(total) if total >= 15.0 => Verdict::reject("this message looks like spam").enhanced("5.7.1"),
            _ => Verdict::Continue,
        }
    }
}
