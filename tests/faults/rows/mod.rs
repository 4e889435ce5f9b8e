//! The rows, by what is hurt.

use super::Row;
use super::ledger::Told;

mod backend;
mod clients;
mod disk;
mod filters;
mod log;
mod memory;
mod outside;
mod process;
mod reload;
mod resources;
mod stamps;
mod tls;

/// All of them, in order of their numbers.
pub fn all() -> Vec<Row> {
    let mut all: Vec<Row> = [
        &backend::ROWS[..],
        &clients::ROWS,
        &disk::ROWS,
        &filters::ROWS,
        &log::ROWS,
        &memory::ROWS,
        &outside::ROWS,
        &process::ROWS,
        &reload::ROWS,
        &resources::ROWS,
        &tls::ROWS,
    ]
    .concat();
    all.sort_by_key(|row| row.number);
    all
}

/// Those that plain `cargo test` plays too: quick, and able to fail.
pub fn short() -> Vec<Row> {
    let mut rows = all();
    rows.retain(|row| [2, 3, 5, 6, 7, 9, 10, 11, 16, 17, 18, 28, 29].contains(&row.number));
    rows
}

fn accepted(told: Told) -> bool {
    told == Told::Accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_can_be_is_there() {
        let numbers: Vec<u8> = all().iter().map(|row| row.number).collect();
        for number in 1..=30 {
            assert!(numbers.contains(&number), "row {number} is missing");
        }
        assert!(short().iter().all(|row| numbers.contains(&row.number)));
    }
}
