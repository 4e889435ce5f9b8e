//! `lazaret check`: everything that `run` would do, short of listening; then what the chain is.

mod chain;
mod settings;

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use lazaret_mail::{Filter, Grant, LoadError};
use lazaret_proxy::config::{Resolvers, State};
use lazaret_proxy::control::{self, Request, Response};
use lazaret_proxy::filters::report::ChainReport;
use lazaret_proxy::{Config, ProbeReport};
use serde_json::json;

use crate::arguments::Check;
use crate::exit::{Exit, Failure};
use crate::run::find_config;
use crate::{output, wire};

/// What was found.
struct Findings {
    config: Config,
    filters: Vec<Arc<dyn Filter>>,
    errors: Vec<LoadError>,
    probe: Option<ProbeReport>,
    /// what runs with this configuration, if somebody does
    now: Option<ChainReport>,
    /// filters remember, and no place is named for it
    unplaced: bool,
    /// or they do so in the usual place of who checks
    usual: Option<PathBuf>,
}

/// Reads the configuration, loads every filter, asks the backend where `--probe` is given, and prints what it found.
pub async fn check(arguments: &Check) -> Result<Exit, Failure> {
    let mut config = Config::read(&find_config(arguments.config.as_deref())?)?;
    let unplaced = config.state.is_none();
    config.state.get_or_insert(State::Memory);
    wire::can_remember(&config)?;
    let (filters, errors) = load(&config).await?;
    let probe = match arguments.probe {
        true => Some(lazaret_proxy::probe(&config).await),
        false => None,
    };
    let remembers = |filter: &Arc<dyn Filter>| filter.policy().grant.contains(&Grant::State);
    let remembers = filters.iter().any(remembers);
    let usual = match &config.state {
        Some(State::Usual(path)) if remembers => Some(path.clone()),
        _ => None,
    };
    let findings = Findings {
        unplaced: unplaced && remembers,
        usual,
        now: running(&config).await,
        config,
        filters,
        errors,
        probe,
    };
    output::say(&match arguments.print.json {
        true => output::json(&findings.json()),
        false => findings.text(),
    })?;
    Ok(match findings.good() {
        true => Exit::Good,
        false => Exit::Bad,
    })
}

/// What the proxy grants that runs now.
async fn running(config: &Config) -> Option<ChainReport> {
    match control::ask(&config.path, &Request::List).await {
        Ok(Response::Chain(report)) => Some(report),
        _ => None,
    }
}

async fn load(config: &Config) -> Result<(Vec<Arc<dyn Filter>>, Vec<LoadError>), Failure> {
    let zone = match &config.dns {
        Resolvers::Zone(file) => Some(file.as_path()),
        Resolvers::System | Resolvers::Servers(_) => None,
    };
    let services = wire::aside(zone).await.map_err(|failure| {
        let told = wire::placed(config, &["dns", "zone"], &failure);
        Failure::usage(told)
    })?;
    let Some(directory) = &config.filters else {
        return Ok((Vec::new(), Vec::new()));
    };
    let engine = wire::engine(wire::cache_to_look_at(config)?, services)?;
    Ok(lazaret_proxy::filters::load_directory(directory, &*engine).await)
}

impl Findings {
    fn good(&self) -> bool {
        self.problems().is_empty() && self.probe.as_ref().is_none_or(ProbeReport::is_good)
    }

    /// Filters that do not load, directories that cannot be written, certificates that have expired, and filters with rights that this configuration cannot
    /// give.
    fn problems(&self) -> Vec<String> {
        let load = self.errors.iter().map(ToString::to_string);
        let unwritable = lazaret_proxy::check_directories(&self.config).err();
        load.chain(unwritable.map(|error| error.to_string()))
            .chain(lazaret_proxy::expired(&self.config))
            .chain(chain::misfits(&self.config, &self.filters))
            .collect()
    }

    fn cautions(&self) -> Vec<String> {
        const UNPLACED: &str = "filters are granted `state`, and no place is named for it: a service of systemd with StateDirectory= keeps it \
             there, in state.redb, and any other in the home of its user; without either `run` refuses to start, add e.g. \
             state = \"state.redb\"";
        let usual = |path: &PathBuf| {
            let path = path.display();
            format!(
                "filters are granted `state`, and no place is named for it: this user keeps it in {path}; a service of \
                 systemd in its StateDirectory="
            )
        };
        let mut cautions = lazaret_proxy::cautions(&self.config);
        cautions.extend(self.unplaced.then(|| UNPLACED.to_owned()));
        cautions.extend(self.usual.as_ref().map(usual));
        let unfiltered = self.config.filters.as_deref();
        let unfiltered = unfiltered.filter(|_| self.filters.is_empty() && self.errors.is_empty());
        cautions.extend(unfiltered.map(lazaret_proxy::filters::no_filter_in));
        cautions
    }

    fn text(&self) -> String {
        let mut text = settings::text(&self.config);
        text.push_str(&chain::text(&self.config, &self.filters, self.now.as_ref()));
        if let Some(probe) = &self.probe {
            let _ = write!(
                text,
                "\nprobe of the backend\n{}\n",
                indented(&probe.to_string())
            );
        }
        let cautions = self.cautions();
        if !cautions.is_empty() {
            text.push_str("\ncautions\n");
        }
        for caution in &cautions {
            let _ = writeln!(text, "  {}", output::printable(caution));
        }
        let problems = self.problems();
        if !problems.is_empty() {
            text.push_str("\nproblems\n");
        }
        for problem in &problems {
            let _ = writeln!(text, "  {}", output::printable(problem));
        }
        let verdict = match self.good() {
            true => "good",
            false => "bad: see above",
        };
        let _ = writeln!(text, "\n{} is {verdict}", self.config.path.display());
        text
    }

    fn json(&self) -> serde_json::Value {
        let probe = self.probe.as_ref();
        json!({
            "good": self.good(),
            "file": self.config.path.display().to_string(),
            "hostname": self.config.hostname,
            "listeners": settings::listeners_json(&self.config),
            "backend": settings::backend_json(&self.config),
            "filters": chain::json(&self.filters, self.now.as_ref()),
            "problems": self.problems(),
            "cautions": self.cautions(),
            "probe": probe.map(|p| json!({ "good": p.is_good(), "text": p.to_string() })),
        })
    }
}

fn indented(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| format!("  {}", output::printable(line)));
    lines.collect::<Vec<_>>().join("\n")
}
