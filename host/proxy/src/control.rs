//! The control socket: how `lazaret filters` and `lazaret explain` talk to a proxy that runs. A Unix socket of mode 0600, one line of JSON
//! each way. The admin port can be reached by every local user and by web pages, so it only tells; what changes anything
//! is here.

mod client;
mod place;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lazaret_mail::Mode;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::explain::Explanation;
use crate::filters::report::{ChainReport, word};
use crate::site::{Site, Sites};

pub use client::{AskError, ask};
pub(crate) use place::bind;

/// Most octets of a request.
const REQUEST_LIMIT: u64 = 64 << 10;
/// For one request and its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests at once; others wait.
const AT_ONCE: usize = 8;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Request {
    /// what runs
    List,
    /// from the next question on, record verdicts and do not apply them
    Observe {
        /// None: every filter, also those that come later
        name: Option<String>,
    },
    /// why something was decided
    Explain {
        /// of a session or a transaction
        id: String,
    },
    /// from the next question on, verdicts count
    Enforce {
        /// None: takes back all that was switched; each filter is again what its files say
        name: Option<String>,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// what runs, after what was asked for was done
    Chain(ChainReport),
    /// what is known about it
    Explanation(Box<Explanation>),
    /// nothing is known of that id
    Forgotten {
        /// how many decisions are kept
        kept: usize,
    },
    /// no filter has that name
    NoSuchFilter {
        /// what was asked for
        name: String,
        /// those that run
        known: Vec<String>,
    },
    /// it cannot be done, in words
    Refused(String),
}

/// A socket that is bound. Its file goes with it.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// to it, by other names
    links: Vec<PathBuf>,
}

impl Control {
    /// Tells the switches of the last run, if the program ended without taking them back.
    pub(crate) fn recall(&self, site: &Site) {
        for (name, said) in words::read(&self.path) {
            let mode = word(said.mode);
            let filter = name.as_deref().unwrap_or("all filters");
            tracing::warn!(
                filter,
                mode,
                "switched by the operator before this start; `lazaret filters enforce` takes it back"
            );
            site.standing
                .board
                .switch(name.as_deref(), said.mode, said.since);
        }
    }

    /// Until it is aborted.
    pub(crate) async fn serve(self, sites: Arc<Sites>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::error!(%error, "the control socket does not accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let (site, path) = (sites.now(), self.path.clone());
            tokio::spawn(async move {
                let answered = timeout(PATIENCE, answer(stream, &site, &path)).await;
                if let Ok(Err(error)) = answered {
                    tracing::debug!(%error, "a request to the control socket came to nothing");
                }
                drop(place);
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        for path in self.links.iter().chain([&self.path]) {
            drop(std::fs::remove_file(path));
        }
    }
}

async fn answer(mut stream: UnixStream, site: &Site, path: &Path) -> io::Result<()> {
    let operator = stream.peer_cred()?.uid();
    let mut line = String::new();
    let (read, mut write) = stream.split();
    BufReader::new(read.take(REQUEST_LIMIT))
        .read_line(&mut line)
        .await?;
    let response = match serde_json::from_str(&line) {
        Ok(request) => perform(request, site, path, operator),
        Err(error) => Response::Refused(format!("not a request: {error}")),
    };
    let mut line = serde_json::to_vec(&response)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.shutdown().await
}

fn perform(request: Request, site: &Site, path: &Path, operator: u32) -> Response {
    match request {
        Request::List => Response::Chain(site.standing.report()),
        Request::Explain { id } => match site.decisions.explain(&id) {
            Some(explanation) => Response::Explanation(Box::new(explanation)),
            None => Response::Forgotten {
                kept: site.decisions.kept().0,
            },
        },
        Request::Observe { name } => switch(site, path, operator, name, Mode::Observe),
        Request::Enforce { name } => switch(site, path, operator, name, Mode::Enforce),
    }
}

fn switch(site: &Site, path: &Path, operator: u32, name: Option<String>, mode: Mode) -> Response {
    if let Some(refusal) = name.as_ref().and_then(|name| refusal(site, name)) {
        return refusal;
    }
    let board = &site.standing.board;
    board.switch(name.as_deref(), mode, SystemTime::now());
    let filter = name.as_deref().unwrap_or("all filters");
    tracing::warn!(
        filter,
        mode = word(mode),
        operator,
        "switched by the operator"
    );
    if let Err(error) = words::write(path, board) {
        tracing::error!(%error, "what was switched holds, but will not outlive this process");
    }
    Response::Chain(site.standing.report())
}

fn refusal(site: &Site, name: &str) -> Option<Response> {
    let filters = site.standing.report().filters;
    match filters.iter().find(|filter| filter.name == name) {
        None => Some(Response::NoSuchFilter {
            name: name.to_owned(),
            known: filters.into_iter().map(|filter| filter.name).collect(),
        }),
        Some(filter) if filter.own_mode == "off" => Some(Response::Refused(format!(
            "{name} is off: {}.toml says mode = \"off\"; change it there",
            filter.file
        ))),
        Some(_) => None,
    }
}
