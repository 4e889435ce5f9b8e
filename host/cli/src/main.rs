//! The `lazaret` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use lazaret::arguments::Arguments;
use lazaret::{output, perform};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("cannot start threads: {error}"));
            return ExitCode::from(75);
        }
    };
    match runtime.block_on(perform(&arguments)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::complain(&failure.to_string());
            failure.exit.into()
        }
    }
}
