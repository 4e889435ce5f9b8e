//! The other side: asks a proxy that runs.

use std::io;
use std::path::{Path, PathBuf};

use lazaret_config::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{PATIENCE, Request, Response, place};

/// Most octets of an answer.
const ANSWER_LIMIT: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// nobody listens at any of these places
    #[error("no lazaret runs with {} (there is no control socket at {}); start it with `lazaret run`", .configuration.display(), .tried.join(", "))]
    NotRunning {
        /// the configuration that was named
        configuration: PathBuf,
        /// where it was looked for
        tried: Vec<String>,
    },
    /// somebody does, and cannot be asked
    #[error("the proxy at {} cannot be asked: {source}{}", .path.display(), advice(.source))]
    Failed {
        /// its socket
        path: PathBuf,
        /// the system's words
        source: io::Error,
    },
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; be the user it runs as, or root",
        io::ErrorKind::TimedOut => "; it does not answer in time",
        _ => "",
    }
}

/// Asks the proxy that runs with this configuration. The file need not be right: a mistake made in it since must not
/// keep anybody from the panic switch.
pub async fn ask(configuration: &Path, request: &Request) -> Result<Response, AskError> {
    let places = match named(configuration) {
        Some(path) => vec![path],
        None => place::usual(configuration),
    };
    for path in &places {
        let failed = |source| AskError::Failed {
            path: path.clone(),
            source,
        };
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) if nobody_listens(&error) => continue,
            Err(error) => return Err(failed(error)),
        };
        // Who could put a socket here could make the operator believe anything.
        place::is_credible(path).map_err(failed)?;
        let spoken = timeout(PATIENCE, speak(stream, request)).await;
        return spoken
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed);
    }
    Err(AskError::NotRunning {
        configuration: configuration.to_owned(),
        tried: places
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
    })
}

fn nobody_listens(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
    )
}

/// `[admin] control`, read without judging the rest.
fn named(configuration: &Path) -> Option<PathBuf> {
    let source = Source::read(configuration).ok()?;
    let control = source.text_in_table("admin", "control")?;
    Some(source.directory().join(control))
}

async fn speak(mut stream: UnixStream, request: &Request) -> io::Result<Response> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}
