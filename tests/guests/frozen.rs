//! What a snapshot freezes: takes its time in `configure`, keeps what it found there, and tells at rcpt what is left of it.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "package lazaret:frozen; world frozen {
        include lazaret:filter/stage-rcpt@0.1.0;
        include lazaret:filter/configure@0.1.0;
        import lazaret:filter/entropy@0.1.0;
    }",
    path: "../../wit",
    world: "lazaret:frozen/frozen",
    generate_all,
});

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use exports::lazaret::filter::on_rcpt::{Address, Guest as OnRcpt, Verdict};
use lazaret::filter::entropy;
use lazaret::filter::types::Reply;
use serde_json::Value;

struct Frozen;

/// What `configure` left.
struct Left {
    configured: Instant,
    map: HashMap<u32, u32>,
    ballast: Vec<u8>,
}

static LEFT: OnceLock<Left> = OnceLock::new();

impl Guest for Frozen {
    fn configure(config: String) -> Result<(), String> {
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        let number = |key: &str| config.get(key).and_then(Value::as_u64).unwrap_or_default();
        if let Some(words) = config.get("print").and_then(Value::as_str) {
            eprintln!("{words}");
        }
        if let Some(words) = config.get("panic").and_then(Value::as_str) {
            panic!("{words}");
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(number("spin")) {}
        let ballast = vec![1; number("mib") as usize * 1024 * 1024];
        let left = Left {
            configured: Instant::now(),
            map: HashMap::from([(1, 1)]),
            ballast,
        };
        LEFT.set(left).map_err(|_| "configured twice".to_owned())
    }
}

impl OnRcpt for Frozen {
    /// `panic@..` panics, `pass@..` is let through; every other recipient hears what is left.
    fn rcpt(recipient: Address) -> Verdict {
        let left = LEFT.get().expect("configured");
        assert_ne!(recipient.local_part, "panic", "told to panic");
        let past = Instant::now().checked_duration_since(left.configured);
        if recipient.local_part == "pass" {
            past.expect("configure lies in the past");
            return Verdict::Continue;
        }
        let drawn: String = entropy::random(8)
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let text = format!(
            "past {} drawn {drawn} hash {:x} ballast {}",
            past.is_some(),
            left.map.hasher().hash_one(1),
            left.ballast
                .iter()
                .map(|octet| u64::from(*octet))
                .sum::<u64>()
        );
        Verdict::Reject(Reply {
            code: None,
            enhanced: None,
            text,
        })
    }
}

export!(Frozen);
