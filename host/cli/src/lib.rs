//! The `lazaret` program as a library: arguments, wiring, output for people.
//!
//! [`perform`] runs one command to its exit code; [`wire`] is the only place where the engine meets the proxy, and
//! tests start the product through it as well.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod check;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod figures;
pub mod filters;
pub mod handed;
mod heart;
pub mod inspect;
pub mod logging;
pub mod output;
pub mod prepare;
pub mod run;
pub mod service;
pub mod shipped;
pub mod signals;
pub mod trial;
pub mod wire;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Command};
use clap::Parser;
use exit::{Exit, Failure};

/// Of the program and of all tests that start it. Chosen by measurement: docs/performance.md, "What was gained".
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A thread that waited for a disk and has nothing to do goes after this time, and the memory it kept for itself with it. What is
/// looked at four times a second wakes the one that has slept longest: a longer time would keep several for nothing.
const IDLE_THREAD: Duration = Duration::from_millis(400);
/// For what still runs on other threads when all is done.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The program: reads the command line, runs the command, says what went wrong on standard error.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Prepare(limits) = &arguments.command {
        return ended(prepare::prepare(limits)); // one thread, no runtime, no log of its own
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(IDLE_THREAD)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("cannot start threads: {error}"));
            return ExitCode::from(75);
        }
    };
    let result = runtime.block_on(perform(&arguments));
    // A thread that waits for a disk that hangs is not waited for.
    runtime.shutdown_timeout(LAST_WAIT);
    ended(result)
}

fn ended(result: Result<Exit, Failure>) -> ExitCode {
    logging::flush();
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::complain(&failure.to_string());
            failure.exit.into()
        }
    }
}

/// Runs one command.
pub async fn perform(arguments: &Arguments) -> Result<Exit, Failure> {
    logging::start(arguments)?;
    match &arguments.command {
        Command::Run(run) => run::run(run).await,
        Command::Check(check) => check::check(check).await,
        Command::Explain(asked) => explain::explain(asked).await,
        Command::Filters(asked) => filters::filters(asked).await,
        Command::Inspect(inspect) => inspect::inspect(inspect).await,
        Command::Try(trial) => trial::trial(trial).await,
        Command::Demo(demo) => demo::demo(demo).await,
        Command::Prepare(limits) => prepare::prepare(limits),
    }
}
