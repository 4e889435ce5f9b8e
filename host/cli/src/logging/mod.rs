//! The log: standard error, text or JSON.

mod line;
mod sink;
mod stamp;
mod text;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use lazaret_proxy::MetricsRegistry;
use lazaret_proxy::config::LogLevels;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::reload;

use crate::arguments::{Arguments, Command, LogFormat};
use crate::exit::Failure;
use line::{Lines, Reader};
use sink::Sink;

/// What is still on its way when the program ends gets so much time.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// That of the proxy; other commands write as they go.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Takes other levels, where the configuration is followed: without `--log`.
static FOLLOWED: OnceLock<Follower> = OnceLock::new();

type Follower = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// Starts logging. The proxy tells about its life and each transaction, and waits for nobody to read it; the other commands
/// only warn.
pub fn start(arguments: &Arguments) -> Result<(), Failure> {
    let usual = match arguments.command {
        Command::Run(_) | Command::Demo(_) => "info",
        // Compiling Python takes a minute: people want to see that something happens.
        Command::Check(_) | Command::Try(_) => "warn,lazaret_engine::progress=info",
        Command::Explain(_) | Command::Filters(_) | Command::Inspect(_) | Command::Prepare(_) => {
            "warn"
        }
    };
    let level = arguments.log.log.as_deref().unwrap_or(usual);
    let filter = levels(level).map_err(|problem| {
        Failure::usage(format!(
            "--log {level}: {problem}; e.g. `debug` or `info,lazaret_proxy=debug`"
        ))
    })?;
    let format = arguments.log.log_format;
    match arguments.command {
        Command::Run(_) | Command::Demo(_) => {
            let follower = install(filter, format, open(format)?);
            if arguments.log.log.is_none() {
                FOLLOWED.get_or_init(|| follower);
            }
            tell_panics();
        }
        _ => drop(install(filter, format, io::stderr)),
    }
    Ok(())
}

/// From now on what the configuration wants is logged, unless the command line said what.
pub fn follow(wanted: &LogLevels) {
    let Some(follower) = FOLLOWED.get() else {
        return;
    };
    let taken = levels(wanted.as_str()).map(follower);
    match taken {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the level of the log cannot be changed"),
        Err(problem) => tracing::error!("[log] level: {problem}"),
    }
}

/// Waits a moment for what is on its way. Before the program ends, and before it writes to standard error itself.
pub fn flush() {
    if let Some(sink) = SINK.get() {
        sink.flush(LAST_WORDS);
    }
}

/// Counts lines, and those that were dropped.
pub fn publish(registry: &MetricsRegistry) {
    let Some(sink) = SINK.get() else {
        return;
    };
    let tally = sink.tally().clone();
    registry.on_scrape(move |scrape| {
        let written = [(&[][..], tally.written() as f64)];
        scrape.counter("log_lines", "Lines of the log that were written", &written);
        let dropped = [(&[][..], tally.dropped() as f64)];
        let help = "Lines of the log that were dropped because standard error took no more";
        scrape.counter("log_lines_dropped", help, &dropped);
    });
}

fn open(format: LogFormat) -> Result<Sink, Failure> {
    let tell = match format {
        LogFormat::Text => |dropped| {
            format!(
                "{}  WARN lazaret::logging: {dropped} lines dropped\n",
                now()
            )
        },
        LogFormat::Json => |dropped| {
            format!(
                "{{\"timestamp\":\"{}\",\"level\":\"WARN\",\"message\":\"{dropped} lines dropped\",\"dropped\":{dropped},\"target\":\"lazaret::logging\"}}\n",
                now()
            )
        },
    };
    let failed = |error| Failure::temporary(format!("the log cannot be opened: {error}"));
    let sink = standard_error().and_then(|out| Sink::start(out, tell));
    let sink = sink.map_err(failed)?;
    Ok(SINK.get_or_init(|| sink).clone())
}

/// Without the lock of `io::stderr`, which the thread of the log would hold as long as a reader blocks it.
fn standard_error() -> io::Result<File> {
    Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
}

fn now() -> String {
    let mut text = String::new();
    let mut writer = tracing_subscriber::fmt::format::Writer::new(&mut text);
    // Without a clock a line has no time.
    let _ = SystemTime.format_time(&mut writer);
    text
}

fn install<W>(filter: EnvFilter, format: LogFormat, writer: W) -> Follower
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A log that cannot be written is not worth a panic: no complaint about it on the same closed stream.
    let log = tracing_subscriber::fmt()
        .with_ansi(io::stderr().is_terminal() && format == LogFormat::Text)
        .log_internal_errors(false)
        .event_format(Lines {
            format,
            reader: Reader::of_standard_error(),
        })
        .with_writer(writer)
        .with_env_filter(filter)
        .with_filter_reloading();
    let handle = log.reload_handle();
    log.init();
    Box::new(move |filter| handle.reload(filter))
}

/// A panic is a line of the log like any other, and readers of JSON do not stumble over it.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(
            place,
            backtrace = %backtrace,
            "panic: {}",
            panic.payload_as_str().unwrap_or("without words")
        );
    }));
}

/// What to log. A lone word must be a level: taken for the name of a module, `--log wran` would log nothing at all.
fn levels(written: &str) -> Result<EnvFilter, String> {
    let lone = |part: &&str| !part.contains(['=', '[']);
    for word in written.split(',').filter(lone) {
        word.parse::<LevelFilter>()
            .map_err(|_| format!("`{word}` is no level (error, warn, info, debug, trace, off)"))?;
    }
    EnvFilter::try_new(written).map_err(|e| e.to_string())
}
