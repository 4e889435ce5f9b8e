//! `lazaret-load`: load for mail servers from the command line.
#![forbid(unsafe_code)]

mod arguments;

use std::process::ExitCode;

use clap::Parser;
use lazaret_load::hold::Held;
use lazaret_load::{Plan, Sink, SinkOptions, Tree};

use arguments::{Arguments, Hold, Output, Send, Serve, Task};

fn main() -> ExitCode {
    match Arguments::parse().task {
        Task::Send(task) => send(&task),
        Task::Hold(task) => hold(&task),
        Task::Sink(task) => sink(&task),
    }
}

/// 0: all went as planned, 1: something did not.
fn send(task: &Send) -> ExitCode {
    let plan: Plan = task.plan();
    let report = lazaret_load::send(&plan);
    match task.output {
        Output::Words => println!("{report}"),
        Output::Json => println!(
            "{}",
            serde_json::to_string(&report).expect("numbers and text")
        ),
    }
    ExitCode::from(u8::from(report.failures > 0))
}

fn hold(task: &Hold) -> ExitCode {
    let held = match Held::open(&task.plan(), task.posture()) {
        Ok(held) => held,
        Err(fault) => return failed(&fault.to_string()),
    };
    println!("open, the slowest after {:?}", held.slowest());
    if !task.process.is_empty() {
        let octets = Tree::of(&task.process).pss();
        println!("proportional set size: {} KiB", octets / 1024);
    }
    std::thread::sleep(task.time());
    ExitCode::SUCCESS
}

fn sink(task: &Serve) -> ExitCode {
    let options = SinkOptions {
        listen: task.listen,
        threads: task.threads,
        offer: task.offer(),
    };
    match Sink::start(&options) {
        Ok(sink) => {
            println!("listening on {}", sink.address());
            loop {
                std::thread::park();
            }
        }
        Err(error) => failed(&format!("cannot listen on {}: {error}", task.listen)),
    }
}

fn failed(problem: &str) -> ExitCode {
    eprintln!("lazaret-load: {problem}");
    ExitCode::FAILURE
}
