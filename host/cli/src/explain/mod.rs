//! `lazaret explain`: the decision behind a reply.

mod page;

use lazaret_proxy::control::{self, Request, Response};

use crate::arguments::Explain;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::run::find_config;

/// Asks the proxy that runs, and prints what it knows.
pub async fn explain(arguments: &Explain) -> Result<Exit, Failure> {
    let config = find_config(arguments.target.config.as_deref())?;
    if !config.exists() {
        let problem = format!("{} does not exist", config.display());
        return Err(Failure::usage(problem));
    }
    let request = Request::Explain {
        id: arguments.id.clone(),
    };
    let answer = control::ask(&config, &request).await;
    match answer.map_err(Failure::temporary)? {
        Response::Explanation(explanation) => {
            output::say(&match arguments.target.print.json {
                true => output::json(&*explanation),
                false => output::printable(&page::text(&explanation)),
            })?;
            Ok(Exit::Good)
        }
        Response::Forgotten { kept } => Err(Failure::bad(format!(
            "nothing is known of `{}`: an id stands in parentheses at the end of a refusal, and in the log. {kept} decisions are \
             kept, older ones are forgotten, and all of them when the proxy restarts; the log may still have its line",
            arguments.id
        ))),
        Response::Refused(why) => Err(Failure::bad(why)),
        Response::Chain(_) | Response::NoSuchFilter { .. } => {
            Err(Failure::bad("the proxy answered another question"))
        }
    }
}
