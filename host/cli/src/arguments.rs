//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Lazaret stands in front of a mail server, ends TLS, lets sandboxed WebAssembly filters examine every stage of every
/// SMTP transaction, and hands clean mail on while the client waits.
#[derive(Debug, Parser)]
#[command(
    name = "lazaret",
    version,
    after_help = "\
Examples:
  lazaret demo                            a working proxy on loopback, nothing to configure
  lazaret check --probe                   is the configuration right, is the backend no open relay?
  lazaret run --config /etc/lazaret/lazaret.toml

Exit codes: 0 good, 1 checked and found bad, 2 usage or configuration, 75 try again later."
)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// How to log
    #[command(flatten)]
    pub log: LogArguments,
}

/// Logging goes to standard error.
#[derive(Args, Debug)]
pub struct LogArguments {
    /// Lines for people, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Least important level to log, e.g. `debug`, or by module, e.g. `info,lazaret_proxy=debug`; for `run` instead of `[log] level`
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<String>,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// for people
    Text,
    /// one object a line
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy
    Run(Run),
    /// Check the configuration, load every filter, print the chain
    Check(Check),
    /// Show why something was refused, or taken: the decision behind an id in a reply
    Explain(Explain),
    /// Show the running filters, switch them between observing and enforcing, or install those that come along
    Filters(Filters),
    /// Show what a filter exports, imports and therefore may ask for
    Inspect(Inspect),
    /// Send a message file through filters, without any network
    Try(Try),
    /// Start a working proxy on loopback: certificate, bundled filters, Maildir backend
    Demo(Demo),
    /// Internal: lazaret starts itself so, to compile one filter in a process with limits of its own
    Prepare(Prepare),
}

/// `lazaret run`
#[derive(Args, Debug)]
#[command(after_help = "\
Signals:
  SIGTERM, SIGINT  stop listening, let transactions under way finish for at most `grace`, end with 0; a second one ends at
                   once with 75
  SIGHUP           read the configuration, lists, certificates and filters again

Files:
  ./lazaret.toml, /etc/lazaret/lazaret.toml   the configuration; docs/configuration.md has every key
  the directory `filters`                     NN-name.wasm and NN-name.toml, watched while it runs

Environment:
  CACHE_DIRECTORY, XDG_CACHE_HOME, HOME       where compiled filters are kept, unless `cache` says it
  STATE_DIRECTORY, XDG_STATE_HOME, HOME       where filters remember, unless `state` says it
  RUNTIME_DIRECTORY, XDG_RUNTIME_DIR          where the control socket is, unless `[admin] control` says it
  NOTIFY_SOCKET, WATCHDOG_USEC                the service manager that is told (sd_notify)

Exit codes: 0 stopped as asked, 2 usage, configuration or an address that another process has, 75 the system refused, this
host has not got an address (yet), or a second signal.

Examples:
  lazaret run
  lazaret run --config /etc/lazaret/lazaret.toml --log-format json")]
pub struct Run {
    /// Configuration file [default: ./lazaret.toml, then /etc/lazaret/lazaret.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `lazaret check`
#[derive(Args, Debug)]
#[command(after_help = "\
Nothing is listened on, and mail is not touched.

Exit codes: 0 good, 1 a filter, a directory or the backend is bad, 2 the configuration is wrong.

Examples:
  lazaret check
  lazaret check --probe --config /etc/lazaret/lazaret.toml
  lazaret check --json | jq .filters")]
pub struct Check {
    /// Configuration file [default: ./lazaret.toml, then /etc/lazaret/lazaret.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Also talk to the backend: does it offer the configured identity, and does it refuse to relay for a stranger?
    /// No message is sent.
    #[arg(long)]
    pub probe: bool,
    /// How to print
    #[command(flatten)]
    pub print: Print,
}

/// `lazaret explain`
#[derive(Args, Debug)]
#[command(after_help = "\
The id stands in parentheses at the end of each reply of Lazaret, and in the log. Asks the proxy that runs with this
configuration, as its user or as root; it keeps its last 10,000 decisions (`[limits] decisions`).

Exit codes: 0 shown, 1 nothing is known of that id, 2 usage, 75 no proxy runs.

Examples:
  lazaret explain 7F3K2QWXYZ              a session and its transactions
  lazaret explain 7F3K2QWXYZ-2            one transaction
  lazaret explain 7F3K2QWXYZ --config /etc/lazaret/lazaret.toml
  lazaret explain 7F3K2QWXYZ --json | jq .transactions[0].reply")]
pub struct Explain {
    /// Of a session or a transaction, as it stands in a reply or in the log
    pub id: String,
    /// Which proxy
    #[command(flatten)]
    pub target: Target,
}

/// `lazaret filters`
#[derive(Args, Debug)]
#[command(after_help = "\
`list`, `observe` and `enforce` talk to the proxy that runs with this configuration, as its user or as root, over its control
socket; a switch holds from the next question on. `shipped` and `install` ask nobody.

Exit codes: 0 done, 1 no such filter, or a .wasm of another hand was kept, 2 usage, or a file cannot be written, 75 no
proxy runs.

Examples:
  lazaret filters list
  lazaret filters observe                 let everything in, record what filters would have done
  lazaret filters observe rules --config /etc/lazaret/lazaret.toml
  lazaret filters enforce                 take back all that was switched
  lazaret filters shipped                 the filters that this program brings along
  lazaret filters install dnsbl auth --dir /etc/lazaret/filters.d
  lazaret filters install --dir filters.d   the components of all .toml that are there, as after an upgrade")]
pub struct Filters {
    /// What to do
    #[command(subcommand)]
    pub action: FiltersAction,
}

/// What `lazaret filters` does.
#[derive(Debug, Subcommand)]
pub enum FiltersAction {
    /// Show filters, modes, stages, counts
    List(Target),
    /// Record verdicts and do not apply them
    Observe {
        /// The filter, without its number; every filter where none is named
        name: Option<String>,
        /// Which proxy
        #[command(flatten)]
        target: Target,
    },
    /// Apply verdicts; without NAME take back all that was switched
    Enforce {
        /// The filter, without its number
        name: Option<String>,
        /// Which proxy
        #[command(flatten)]
        target: Target,
    },
    /// Show the filters that this program brings along
    Shipped(Print),
    /// Write filters that it brings along into a filter directory
    Install(Install),
}

/// `lazaret filters install`
#[derive(Args, Debug)]
#[command(after_help = "\
What is missing is written, and what is still as an earlier lazaret wrote it (`.shipped` remembers) is renewed. A file that
you wrote or changed is never touched. A filter whose .toml is there under another number keeps that number.

Exit codes: 0 done, 1 no such filter, or a .wasm of another hand was kept, 2 usage, or a file cannot be written.

Examples:
  lazaret filters install dnsbl auth greylist --dir /etc/lazaret/filters.d
  lazaret filters install --dir filters.d --json")]
pub struct Install {
    /// Filters, see `lazaret filters shipped` [default: those whose .toml is in DIR]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The filter directory
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// How to print
    #[command(flatten)]
    pub print: Print,
}

/// Which proxy is asked, and how its answer is printed.
#[derive(Args, Debug)]
pub struct Target {
    /// Its configuration file [default: ./lazaret.toml, then /etc/lazaret/lazaret.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub print: Print,
}

/// `lazaret inspect`
#[derive(Args, Debug)]
#[command(after_help = "\
Nothing of the filter is run, unless --prepare says so: then it is compiled and configured in a process with limits of its
own, and tried in sandboxes of this one, as `run` would, and what can only be expected else is known: whether its sandboxes
start from a snapshot, and why not. Seconds, or minutes for a large one that is not in the cache.

Exit codes: 0 it is a filter, 1 it is none, or --prepare found that it would not load, 2 usage, or the file cannot be read.

Examples:
  lazaret inspect filters.d/20-rules.wasm
  lazaret inspect --prepare filters.d/20-rules.wasm
  lazaret inspect --prepare --json my-filter.wasm | jq .preparation")]
pub struct Inspect {
    /// The component
    pub wasm: PathBuf,
    /// Also prepare it, with the `.toml` beside it or, without one, with all it asks for and no `[config]`
    #[arg(long)]
    pub prepare: bool,
    /// How to print
    #[command(flatten)]
    pub print: Print,
}

/// How a command prints its result.
#[derive(Args, Clone, Copy, Debug)]
pub struct Print {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `lazaret try`
#[derive(Args, Debug)]
#[command(after_help = "\
No network and no configuration; the filters run in their sandboxes, with their limits. State is in memory and empty at
first. Client and envelope are those of the flags: what a message says of its own way is not believed.

A directory, or several files, are tried side by side and counted by folder: the directories right below the one that is
named. Files that begin with a dot or with README are passed over. Ctrl-C prints what was tried so far.

Exit codes: 0 tried, whatever the verdict, 1 a filter cannot be loaded, 2 usage, or a file cannot be read, 75 stopped by
Ctrl-C.

Examples:
  lazaret try --filters lazaret-demo/filters.d mail.eml
  lazaret try --filter my-filter.wasm mail.eml --from alice@example.com --rcpt bob@example.org
  lazaret try --filter my-filter.wasm mail.eml --ip 203.0.113.9 --helo mail.example.com --json
  lazaret try --filters examples/mx.d --zone names.zone path/to/corpus --without greylist
  lazaret try --filters examples/mx.d --zone names.zone path/to/ham path/to/spam --json --each")]
pub struct Try {
    /// A filter; its rights are read from the `.toml` beside it, and are generous where there is none. May be repeated
    #[arg(long, value_name = "FILE", required_unless_present = "filters")]
    pub filter: Vec<PathBuf>,
    /// A filter directory; its filters are asked in name order, before those of --filter
    #[arg(long, value_name = "DIR")]
    pub filters: Option<PathBuf>,
    /// A filter that is left out, by its name without its number. May be repeated
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// The message, or directories of them; lines may end in LF or CRLF
    #[arg(required = true)]
    pub mail: Vec<PathBuf>,
    /// With directories: one line for each message too, tab-separated; with --json one object a line
    #[arg(long)]
    pub each: bool,
    /// Envelope sender; "" is the null sender
    #[arg(long, value_name = "ADDRESS", default_value = "sender@example.com")]
    pub from: String,
    /// Envelope recipient, may be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "recipient@example.org")]
    pub rcpt: Vec<String>,
    /// Client address
    #[arg(long, value_name = "IP", default_value = "192.0.2.1")]
    pub ip: IpAddr,
    /// What the client says in EHLO
    #[arg(long, value_name = "NAME", default_value = "client.example.com")]
    pub helo: String,
    /// Name of the listener it came in by
    #[arg(long, value_name = "NAME", default_value = "mx")]
    pub listener: String,
    /// Names for filters that ask the DNS: a zone file (RFC 1035) in place of the network. Without it every name fails
    #[arg(long, value_name = "FILE")]
    pub zone: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub print: Print,
}

/// `lazaret demo`
#[derive(Args, Debug)]
#[command(after_help = "\
SIGTERM and Ctrl-C end it, SIGHUP reads its configuration and filters again.

Exit codes: 0 stopped as asked, 2 an address or the directory cannot be had, 75 the system refused.

Examples:
  lazaret demo
  lazaret demo --dir /tmp/lazaret-demo --smtp 127.0.0.1:3025 --smtps 127.0.0.1:3465")]
pub struct Demo {
    /// Where the certificate, configuration, filters and delivered mail are kept
    #[arg(long, value_name = "DIR", default_value = "./lazaret-demo")]
    pub dir: PathBuf,
    /// Where to listen for SMTP with STARTTLS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525")]
    pub smtp: SocketAddr,
    /// Where to listen for SMTP over TLS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2465")]
    pub smtps: SocketAddr,
}

/// `lazaret prepare`
#[derive(Args, Debug)]
#[command(after_help = "\
Not for people and not a stable interface. Reads one order from standard input, in lazaret's own frames, and writes the
compiled filter, or why there is none, to standard output. `lazaret check` prepares filters and prints what came of it.

Exit codes: 0 an answer was written, also one that says why there is no filter; anything else: it died.

Examples:
  lazaret prepare --memory 3221225472 --cpu 300")]
pub struct Prepare {
    /// Octets of memory that may be written to
    #[arg(long, value_name = "OCTETS")]
    pub memory: u64,
    /// Seconds of CPU time
    #[arg(long, value_name = "SECONDS")]
    pub cpu: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// `--help` stands in for man pages.
    #[test]
    fn help_says_how_a_command_ends_and_shows_it() {
        let mut root = Arguments::command();
        let names: Vec<_> = root
            .get_subcommands()
            .map(|c| c.get_name().to_owned())
            .collect();
        for name in names {
            let help = root.find_subcommand_mut(&name).unwrap().render_long_help();
            let help = help.to_string();
            for part in ["Exit codes: 0", "Examples:\n  lazaret", "Usage:"] {
                assert!(help.contains(part), "{name}: no {part} in\n{help}");
            }
            let widest = help.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(140), "{name}: {widest:?} columns");
        }
        let run = root
            .find_subcommand_mut("run")
            .unwrap()
            .render_long_help()
            .to_string();
        for part in [
            "SIGHUP",
            "SIGTERM",
            "/etc/lazaret/lazaret.toml",
            "NOTIFY_SOCKET",
        ] {
            assert!(run.contains(part), "no {part} in\n{run}");
        }
    }

    /// Every example in `--help` is a command line that parses.
    #[test]
    fn examples_parse() {
        let mut root = Arguments::command();
        let mut texts = vec![root.render_long_help().to_string()];
        let commands: Vec<_> = root
            .get_subcommands()
            .map(|c| c.get_name().to_owned())
            .collect();
        for name in commands {
            let command = root.find_subcommand_mut(&name).unwrap();
            texts.push(command.render_long_help().to_string());
        }
        let mut examples = 0;
        for line in texts.iter().flat_map(|t| t.lines()) {
            let Some(command) = line.strip_prefix("  lazaret ") else {
                continue;
            };
            let words = command
                .split("  ")
                .next()
                .unwrap()
                .split(" | ")
                .next()
                .unwrap();
            let words = std::iter::once("lazaret").chain(words.split_whitespace());
            Arguments::try_parse_from(words).unwrap_or_else(|e| panic!("{command}: {e}"));
            examples += 1;
        }
        assert!(examples >= 12, "only {examples} examples");
    }
}
