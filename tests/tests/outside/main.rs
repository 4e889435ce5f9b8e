//! Filters that need the outside world, through the proxy, with real servers behind them and with servers that are no use.

mod auth;
mod greylist;
mod keeper;
mod names;
mod scan;

/// The program that is tested.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lazaret-under-test");

/// A message of this sender without anything remarkable.
fn letter(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: bob@example.org\r\nSubject: lunch on Monday\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\
         Message-ID: <1@example.com>\r\n\r\nAt one?\r\nYours\r\n"
    )
}
