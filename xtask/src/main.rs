//! `cargo xtask`: the few commands a newcomer needs. Standard library only, so that it builds in a second.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod compatibility;
mod demo;
mod faults;
mod guest_target;
mod hostile;
mod languages;
mod peers;
mod step;
mod test;
mod units;
mod unpack;

use std::process::ExitCode;

use step::Outcome;

const HELP: &str = "\
Tasks of this repository.

Usage: cargo xtask <task> [arguments]

  demo [arguments of `lazaret demo`]   build everything and start a mail proxy on loopback
                                       e.g. cargo xtask demo --smtp 127.0.0.1:3025
  test [arguments of `cargo test`]     run every test of the workspace, then count the peers
                                       (Postfix, swaks, smtplib ...) that took part
                                       e.g. cargo xtask test -p lazaret-smtp
  bench [arguments]                    Lazaret beside HAProxy, nginx, Postfix, milters and Haraka; rewrites
                                       docs/performance.md, with --only STAGE that part of it (cargo xtask bench --help)
  faults [--row N] [--json]            hurts a running proxy in every way of the fault table while clients send,
                                       and checks that no mail is lost or doubled; rewrites docs/faults.md
  crowd [--connections N] [--json]     ten thousand slow or idle connections, and a good client among them;
                                       rewrites docs/crowd.md
  hostile [--quick] [--json]           ten thousand attacks by hostile filters beside good clients, and a
                                       table of what came of them; rewrites docs/hostile.md
  languages [--build]                  the reference filter in C, Python and JavaScript: fetches their
                                       toolchains, builds, plays the transcripts, rewrites docs/languages.md
  peers                                unpacks mail servers whose packages exclude each other below target/peers
  compatibility                        the tests against mail programs of others; rewrites docs/compatibility.md
  check [--units]                      what CI asks before the tests: format, lints, documentation, and whether
                                       `demo` and `test` share one compiled wasmtime

`demo` and `test` add the Rust target wasm32-wasip2 with rustup when it is missing.

Environment:
  LAZARET_REQUIRE_PEERS=1   `test` fails when no peer took part, `faults` where a tool is missing
  LAZARET_REQUIRE_LANGUAGES=1   tests fail when a language was not built (languages --build)
  CARGO_TARGET_DIR          where cargo builds, as always
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match perform(&task, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::from(problem.exit)
        }
    }
}

fn perform(task: &str, rest: &[String]) -> Outcome {
    match task {
        "bench" => bench::bench(rest),
        "compatibility" => compatibility::compatibility(rest),
        "demo" => demo::demo(rest),
        "crowd" => faults::crowd(rest),
        "faults" => faults::faults(rest),
        "hostile" => hostile::hostile(rest),
        "languages" => languages::languages(rest),
        "peers" => unpack::peers(rest),
        "test" => test::test(rest),
        "check" => check::check(rest),
        "" | "help" | "-h" | "--help" => {
            step::say(HELP);
            Ok(())
        }
        other => Err(step::Problem::usage(format!(
            "there is no task `{other}`; tasks are bench, demo, test, faults, crowd, hostile, languages, peers, compatibility, check (cargo xtask --help)"
        ))),
    }
}
