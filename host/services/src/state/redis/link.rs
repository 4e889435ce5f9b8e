//! The connection to a Redis server: kept by one task, which connects again whenever it is lost.
//!
//! While a connection is being made for the first time, or again after it was lost, orders wait for it; once an attempt
//! failed they are refused at once until one succeeds, so that a dead server costs no filter two seconds a call.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, ServerError, Value};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::address::{Address, Place};
use super::metered::{Meter, Metered};
use crate::state::VALUE;
use crate::{Refused, STORE_PATIENCE, Trust};

/// Orders under way at once.
const TOGETHER: usize = 64;
/// What may come in without being an answer that somebody took: all answers of all orders under way.
const UNANSWERED: usize = TOGETHER * (VALUE + 1024);
/// Before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);
/// Between attempts, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// What a server says that is another one now, or not ready: the next connection may find the right one.
const ELSEWHERE: [&str; 4] = ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"];
/// What a server says to PING that serves all the same: its user may not say that, it cannot save, a script is running.
const PING_ALONE: [&str; 3] = ["NOPERM", "MISCONF", "BUSY"];
/// … if this one is not younger: meanwhile others may read.
const ELSEWHERE_EACH: Duration = Duration::from_secs(30);
/// A connection that held for so long was good.
const GOOD: Duration = Duration::from_secs(10);

pub struct Link {
    shared: Arc<Shared>,
    keeping: JoinHandle<()>,
}

struct Shared {
    address: Address,
    trust: Trust,
    status: watch::Sender<Status>,
    /// what it said to the last order, if it refused that
    refusal: Mutex<Option<String>>,
    places: Semaphore,
}

#[derive(Clone)]
enum Status {
    /// wait for it
    Connecting,
    Up(Connected),
    /// why
    Down(Arc<str>),
}

#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    meter: Meter,
    since: Instant,
    /// told why it must be given up
    end: Arc<End>,
}

#[derive(Default)]
struct End {
    why: OnceLock<String>,
    told: Notify,
    quiet: Mutex<Quiet>,
}

/// How long orders waited for nothing since one was answered: of those that waited together, once.
#[derive(Default)]
struct Quiet {
    waited: Duration,
    until: Option<Instant>,
}

impl End {
    /// It has answered something.
    fn is_heard(&self) {
        *self.quiet() = Quiet::default();
    }

    /// An order that was sent then is dropped without an answer. Some filters wait for less time than it takes to be sure.
    fn is_dropped(&self, sent: Instant) {
        let mut quiet = self.quiet();
        let from = quiet.until.map_or(sent, |until| until.max(sent));
        quiet.waited += from.elapsed();
        quiet.until = Some(Instant::now());
        if quiet.waited >= STORE_PATIENCE / 2 {
            self.tell("no answer in time");
        }
    }

    fn quiet(&self) -> MutexGuard<'_, Quiet> {
        self.quiet.lock().expect("no holder of this lock panics")
    }

    fn tell(&self, why: &str) {
        let _ = self.why.set(why.to_owned());
        self.told.notify_one();
    }
}

/// Gives the connection up if its order is dropped before it was answered: later orders would wait behind it.
struct Answering<'c> {
    end: Option<&'c End>,
    since: Instant,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            end.is_dropped(self.since);
        }
    }
}

impl Link {
    /// Begins to connect. Inside a tokio runtime.
    pub fn to(address: Address, trust: Trust) -> Self {
        let shared = Arc::new(Shared {
            address,
            trust,
            status: watch::Sender::new(Status::Connecting),
            refusal: Mutex::default(),
            places: Semaphore::new(TOGETHER),
        });
        Self {
            keeping: tokio::spawn(shared.clone().keep()),
            shared,
        }
    }

    /// Sends a command and waits for its answer; whoever asks gives up when he has waited long enough.
    pub async fn ask(&self, command: &Cmd) -> Result<Value, Refused> {
        let _place = self.shared.places.acquire().await;
        let mut connected = self.connected().await?;
        let mut answering = Answering {
            end: Some(&connected.end),
            since: Instant::now(),
        };
        let answer = connected.connection.req_packed_command(command).await;
        answering.end = None;
        let answer = answer.map_err(|error| {
            connected.end.tell(&error.to_string());
            Refused::Unavailable
        })?;
        connected.meter.reset();
        connected.end.is_heard();
        if let Some(refusal) = is_elsewhere(&answer, connected.since.elapsed()) {
            connected.end.tell(&refusal.to_string());
        }
        Ok(answer)
    }

    /// The connection cannot be believed any more.
    pub fn distrust(&self, why: &str) {
        if let Status::Up(connected) = &*self.shared.status.borrow() {
            connected.end.tell(why);
        }
    }

    /// The server refuses what is asked, and will go on doing so until somebody looks. Told once, until it does as it is told.
    pub fn complain(&self, refusal: &ServerError) {
        let (server, error) = (&self.shared.address.place, refusal.to_string());
        let before = self.refusal().replace(error.clone());
        if before.is_none() {
            tracing::warn!(%server, error, "the state's server refuses orders");
        }
    }

    /// It did as it was told.
    pub fn is_served(&self) {
        if self.refusal().take().is_some() {
            tracing::info!(server = %self.shared.address.place, "the state's server takes orders again");
        }
    }

    pub fn trouble(&self) -> Option<String> {
        let server = &self.shared.address.place;
        if let Status::Down(why) = &*self.shared.status.borrow() {
            return Some(format!("{server}: {why}"));
        }
        let refusal = self.refusal();
        let refusal = refusal.as_ref();
        refusal.map(|error| format!("{server} refuses orders: {error}"))
    }

    fn refusal(&self) -> MutexGuard<'_, Option<String>> {
        let refusal = self.shared.refusal.lock();
        refusal.expect("no holder of this lock panics")
    }

    async fn connected(&self) -> Result<Connected, Refused> {
        let mut status = self.shared.status.subscribe();
        let settled = status.wait_for(|status| !matches!(status, Status::Connecting));
        match settled.await.map(|status| status.clone()) {
            Ok(Status::Up(connected)) => Ok(connected),
            _ => Err(Refused::Unavailable),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Shared {
    async fn keep(self: Arc<Self>) {
        let mut pause = PAUSE;
        loop {
            let since = Instant::now();
            let why = match timeout(STORE_PATIENCE, self.connect()).await {
                Ok(Ok((connected, driving))) => self.hold(connected, driving).await,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if since.elapsed() >= GOOD {
                pause = PAUSE;
                self.lose(Status::Connecting, &why);
                continue;
            }
            self.lose(Status::Down(why.as_str().into()), &why);
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn lose(&self, status: Status, why: &str) {
        let was_down = matches!(self.status.send_replace(status), Status::Down(_));
        if !was_down {
            let server = &self.address.place;
            tracing::warn!(%server, why, "the state's server is not there: filters that ask for it hear `unavailable`");
        }
    }

    /// Until it ends; why it did.
    async fn hold(&self, connected: Connected, driving: Driving) -> String {
        let (end, meter) = (connected.end.clone(), connected.meter.clone());
        self.status.send_replace(Status::Up(connected));
        tracing::info!(server = %self.address.place, "the state's server answers");
        tokio::select! {
            () = driving => {}
            () = end.told.notified() => {}
        }
        if meter.is_over(UNANSWERED) {
            return "an answer of unreasonable size".to_owned();
        }
        let why = end.why.get().cloned();
        why.unwrap_or_else(|| "the connection was closed".to_owned())
    }

    /// Until the server has answered once: that it takes connections says little.
    async fn connect(&self) -> io::Result<(Connected, Driving)> {
        let meter = Meter::default();
        let metered = Metered {
            stream: stream(&self.address.place, &self.trust).await?,
            meter: meter.clone(),
            limit: UNANSWERED,
        };
        // Time is kept by those who ask.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let login = &self.address.login;
        let (mut connection, driving) =
            MultiplexedConnection::new_with_config(login, metered, config)
                .await
                .map_err(io::Error::other)?;
        let mut driving: Driving = Box::pin(driving);
        let ping = redis::cmd("PING");
        tokio::select! {
            pong = connection.req_packed_command(&ping) => {
                // A refusal is a value here.
                match pong.map_err(io::Error::other)? {
                    Value::ServerError(refusal) if !PING_ALONE.contains(&refusal.code()) => {
                        return Err(io::Error::other(refusal.to_string()));
                    }
                    _ => {}
                }
            }
            () = &mut driving => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        meter.reset();
        let connected = Connected {
            connection,
            meter,
            since: Instant::now(),
            end: Arc::default(),
        };
        Ok((connected, driving))
    }
}

/// What it refused, if another connection, to whoever has its name by now, may do better than this one of that age.
fn is_elsewhere(answer: &Value, age: Duration) -> Option<&ServerError> {
    match answer {
        Value::ServerError(refusal) if is_of_another(refusal) => {
            Some(refusal).filter(|_| age >= ELSEWHERE_EACH)
        }
        _ => None,
    }
}

/// Before version 7 what an order in a script hears is the script's error, and its code is somewhere in the words.
fn is_of_another(refusal: &ServerError) -> bool {
    let words = refusal.details().unwrap_or_default();
    ELSEWHERE.iter().any(|code| {
        refusal.code() == *code || refusal.code() == "ERR" && words.contains(&format!("-{code} "))
    })
}

/// Moves octets between orders and server.
type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn stream(place: &Place, trust: &Trust) -> io::Result<Box<dyn Stream>> {
    match place {
        Place::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Place::Tcp(host, port) => Ok(Box::new(tcp(host, *port).await?)),
        Place::Tls(host, port) => {
            let stream = tcp(host, *port).await?;
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            Ok(Box::new(trust.connector().connect(name, stream).await?))
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_another_one_now_is_looked_for_again() {
        let refused = |words: &str| Value::extract_error(parsed(words)).is_err();
        let young = ELSEWHERE_EACH / 2;
        for (words, age, elsewhere) in [
            ("-READONLY a replica\r\n", ELSEWHERE_EACH, true),
            ("-READONLY a replica\r\n", young, false),
            ("-NOAUTH Authentication required.\r\n", ELSEWHERE_EACH, true),
            (
                "-ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You can't write\r\n",
                ELSEWHERE_EACH,
                true,
            ),
            ("-ERR READONLY is a word\r\n", ELSEWHERE_EACH, false),
            ("-OOM too much\r\n", ELSEWHERE_EACH, false),
            ("$2\r\nOK\r\n", ELSEWHERE_EACH, false),
        ] {
            assert_eq!(
                is_elsewhere(&parsed(words), age).is_some(),
                elsewhere,
                "{words}"
            );
            assert_eq!(refused(words), words.starts_with('-'), "{words}");
        }
    }

    #[tokio::test]
    async fn who_leaves_early_says_nothing_of_the_server() {
        let end = End::default();
        let now = Instant::now();
        let ago = |millis| now - Duration::from_millis(millis);
        // Long apart, each for a moment.
        end.is_dropped(ago(10));
        end.quiet().until = Some(ago(5_000));
        end.is_dropped(ago(10));
        assert!(end.why.get().is_none());
        // Together: what one waited for counts once.
        end.is_dropped(ago(600));
        end.is_dropped(ago(600));
        end.is_dropped(ago(9_000));
        assert!(end.why.get().is_none());
        end.is_heard();
        end.is_dropped(ago(1_100));
        assert!(end.why.get().is_some());
    }

    fn parsed(words: &str) -> Value {
        redis::parse_redis_value(words.as_bytes()).unwrap()
    }
}
