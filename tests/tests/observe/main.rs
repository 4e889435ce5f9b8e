//! What the operator holds in hand, against the program itself: the log, `lazaret explain`, and what the admin port tells.

mod admin;
mod explain;
mod figures;
mod health;
mod log;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lazaret-under-test");
