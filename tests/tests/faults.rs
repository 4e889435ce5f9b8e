//! Some rows of the fault table, with fewer messages; all of it is `cargo xtask faults`.

use std::path::Path;

use lazaret_tests::faults::{Scale, rows, run};

#[test]
fn the_short_table_passes() {
    let program = Path::new(env!("CARGO_BIN_EXE_lazaret-under-test"));
    let outcome = run::run(&rows::short(), program, Scale::SHORT, &|_, _| {});
    let table = lazaret_tests::faults::report::table(&outcome);
    println!("{table}");
    assert!(outcome.is_good(), "{table}");
}
