//! Adds to a component what puts a used instance of it back to where it began.
//!
//! Making an instance costs more than what most filters do in it. Yet all that can differ between one that was just made and
//! one that answered its questions is known: the content of its memory and the values of its globals. A small core module
//! is added that imports both; it has a copy of the memory's first content and sets each global to its first value. A
//! component of which anything else may change (tables, segments that are dropped, resources of its own) is left alone:
//! each sandbox of it is made anew.

#[cfg(test)]
#[path = "../../tests/checks/renewable.rs"]
mod checks;
mod module;
pub(crate) mod restorer;
pub(crate) mod whole;

use serde::{Deserialize, Serialize};

use whole::Whole;

/// The function that says where the memory is.
pub const GROUND: &str = "lazaret-ground";
/// The function that restores globals and the named parts of the memory.
pub const RESTORE: &str = "lazaret-restore";
/// Runs of octets that can be filled with zeros in one call, and as many that can be copied from the first content.
pub const RUNS: usize = 8;

/// Octets of a page, as far as the first content is concerned: no system that runs us has smaller ones.
const PAGE: u32 = 4096;
/// Memory that is larger at the start is not looked through for what was written.
const MOST_MEMORY: u32 = 8 << 20;

/// The memory of a component at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// octets
    pub size: u32,
    /// the first page that is not all zeros begins here
    pub from: u32,
    /// the last one ends here
    pub to: u32,
}

/// The component with what restores it; None where anything may change that this cannot bring back.
pub fn renewable(wasm: &[u8]) -> Option<(Vec<u8>, Ground)> {
    let whole = Whole::read(wasm)?;
    let image = whole.image()?;
    let ground = ground(&image)?;
    let made = restorer::add(&whole, &image, ground);
    whole::is_valid(&made).then_some((made, ground))
}

fn ground(image: &[u8]) -> Option<Ground> {
    let size = u32::try_from(image.len()).ok()?;
    let page = |at: usize| at as u32 / PAGE * PAGE;
    let first = image.iter().position(|octet| *octet != 0);
    let last = image.iter().rposition(|octet| *octet != 0);
    Some(Ground {
        size,
        from: first.map_or(0, page),
        to: last.map_or(0, |last| page(last) + PAGE),
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const MEMORY: &str = r#"(core module $Mem (memory (export "memory") 1) (data (i32.const 9000) "a"))
        (core instance $mem (instantiate $Mem))"#;
    const COUNTER: &str = r#"(core module $A (import "m" "memory" (memory 1)) (global $n (mut i64) (i64.const 0))
        (func (export "f") (result i32) (global.set $n (i64.const 1)) (i32.const 0)))"#;
    const MADE: &str = r#"(core instance $a (instantiate $A (with "m" (instance $mem))))"#;
    const LIFTED: &str = r#"(func (export "f") (result u32) (canon lift (core func $a "f")))"#;

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("renewable", checks::put_back);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn whatever_is_made_is_put_back(octets in vec(any::<u8>(), 0..400)) {
            checks::put_back(&octets);
        }
    }

    fn is_renewable(parts: &[&str]) -> bool {
        let text = format!("(component {})", parts.concat());
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        renewable(&wasm).is_some()
    }

    #[test]
    fn memory_and_numbers_are() {
        assert!(is_renewable(&[MEMORY, COUNTER, MADE, LIFTED]));
        let wasm =
            wat::parse_str(format!("(component {MEMORY} {COUNTER} {MADE} {LIFTED})")).unwrap();
        let (_, ground) = renewable(&wasm).unwrap();
        let expected = Ground {
            size: 65536,
            from: 8192,
            to: 12288,
        };
        assert_eq!(ground, expected);
    }

    #[test]
    fn a_module_that_is_made_twice_is_not() {
        let decoy = r#"(core instance $decoy (instantiate $A (with "m" (instance $mem))))"#;
        assert!(!is_renewable(&[MEMORY, COUNTER, decoy, MADE, LIFTED]));
    }

    /// By another number of the same module, which is no section.
    #[test]
    fn nor_one_that_is_made_out_of_sight() {
        let decoy = r#"(core instance $decoy (instantiate $A (with "m" (instance $mem))))"#;
        let real = r#"(core instance $a (instantiate $B (with "m" (instance $mem))))"#;
        let alias = "(alias outer 0 $A (core module $B))";
        assert!(!is_renewable(&[
            COUNTER, alias, MEMORY, decoy, real, LIFTED
        ]));
        let export = r#"(export $B "a-module" (core module $A))"#;
        assert!(!is_renewable(&[
            COUNTER, export, MEMORY, decoy, real, LIFTED
        ]));
        let inner = format!("(component $In {COUNTER} (export \"a\" (core module $A))) (instance $in (instantiate $In))
            (alias export $in \"a\" (core module $B))");
        assert!(!is_renewable(&[&inner, MEMORY, real, LIFTED]));
    }

    #[test]
    fn nor_what_has_no_known_start() {
        let start = r#"(core module $S (func $go) (start $go)) (core instance (instantiate $S))"#;
        assert!(!is_renewable(&[MEMORY, COUNTER, MADE, LIFTED, start]));
        let second = r#"(core module $M2 (memory 1)) (core instance (instantiate $M2))"#;
        assert!(!is_renewable(&[MEMORY, COUNTER, MADE, LIFTED, second]));
        assert!(!is_renewable(&[
            &MEMORY.replace("\"memory\") 1", "\"memory\") 129"),
            COUNTER,
            MADE,
            LIFTED
        ]));
        assert!(is_renewable(&[
            &MEMORY.replace("\"memory\") 1", "\"memory\") 128"),
            COUNTER,
            MADE,
            LIFTED
        ]));
    }

    #[test]
    fn nor_what_has_resources_of_its_own() {
        let resource = "(type $r (resource (rep i32))) (core func (canon resource.new $r))";
        assert!(!is_renewable(&[MEMORY, COUNTER, MADE, LIFTED, resource]));
    }

    #[test]
    fn nor_what_has_too_much_of_it() {
        let globals = |count| "(global (mut i32) (i32.const 0))".repeat(count);
        let with = |count| COUNTER.replace("(func", &format!("{} (func", globals(count)));
        assert!(is_renewable(&[MEMORY, &with(999), MADE, LIFTED]));
        assert!(!is_renewable(&[MEMORY, &with(1000), MADE, LIFTED]));
        let idle = "(core module $I) ".to_owned() + &"(core instance (instantiate $I))".repeat(40);
        assert!(!is_renewable(&[MEMORY, COUNTER, MADE, LIFTED, &idle]));
    }
}
