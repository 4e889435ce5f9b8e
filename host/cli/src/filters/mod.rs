//! `lazaret filters`: the running chain, the panic switch, and the filters that the program brings along.

pub mod bundled;
mod table;

use std::io::IsTerminal;

use lazaret_proxy::control::{self, AskError, Request, Response};

use crate::arguments::{Filters, FiltersAction, Target};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::run::find_config;

/// Carries out one of its actions.
pub async fn filters(arguments: &Filters) -> Result<Exit, Failure> {
    let (request, target) = match &arguments.action {
        FiltersAction::Shipped(print) => return bundled::list(*print),
        FiltersAction::Install(install) => return bundled::install(install),
        FiltersAction::List(target) => (Request::List, target),
        FiltersAction::Observe { name, target } => {
            (Request::Observe { name: name.clone() }, target)
        }
        FiltersAction::Enforce { name, target } => {
            (Request::Enforce { name: name.clone() }, target)
        }
    };
    ask(&request, target).await
}

/// Asks the proxy that runs, and prints what it says.
async fn ask(request: &Request, target: &Target) -> Result<Exit, Failure> {
    let config = find_config(target.config.as_deref())?;
    if !config.exists() {
        return Err(Failure::usage(format!(
            "{} does not exist",
            config.display()
        )));
    }
    match control::ask(&config, request).await.map_err(unanswered)? {
        Response::Chain(report) => {
            output::say(&match target.print.json {
                true => output::json(&report),
                false => table::text(&report, std::io::stdout().is_terminal()) + advice(request),
            })?;
            Ok(Exit::Good)
        }
        Response::NoSuchFilter { name, known } => Err(unknown(&name, &known)),
        Response::Refused(why) => Err(Failure::bad(why)),
        Response::Explanation(_) | Response::Forgotten { .. } => {
            Err(Failure::bad("the proxy answered another question"))
        }
    }
}

fn unanswered(error: AskError) -> Failure {
    Failure::temporary(error)
}

fn unknown(name: &str, known: &[String]) -> Failure {
    let cure = match lazaret_config::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "none runs".to_owned(),
        None => format!("those that run: `{}`", known.join("`, `")),
    };
    Failure::bad(format!("no filter is named `{name}`; {cure}"))
}

/// How long it holds, for who switched something.
fn advice(request: &Request) -> &'static str {
    match request {
        Request::List | Request::Explain { .. } | Request::Enforce { name: None } => "",
        Request::Observe { .. } => {
            "\nThis holds for the next question on, through reloads and restarts of the program, until `lazaret filters enforce` or\n\
             the next boot. To keep it, write mode = \"observe\" into the filter's .toml or into lazaret.toml.\n"
        }
        Request::Enforce { name: Some(_) } => {
            "\n`lazaret filters enforce` without a name takes back everything that was switched.\n"
        }
    }
}
