//! A backend that does what the test says, honest or not, and keeps what it was told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

/// What it does at a command; `GREETING` and `.` are commands here. Acts are kept by the beginning of a command.
#[derive(Clone, Debug)]
pub enum Act {
    /// these octets
    Say(Vec<u8>),
    /// these octets, then it closes
    SayAndClose(&'static str),
    /// nothing, for ever
    Silence,
    /// this much later it goes on as usual
    Wait(Duration),
    Close,
}

#[derive(Default)]
pub struct State {
    pub ehlo: Vec<&'static str>,
    pub acts: HashMap<&'static str, Act>,
    /// commands, in order, of all connections
    pub log: Vec<String>,
    /// messages that were answered 250 or committed before an act at `.`
    pub messages: Vec<Vec<u8>>,
    pub live: usize,
    pub peak: usize,
    /// says 354 and reads nothing behind it as long as this holds
    pub deaf: bool,
}

pub struct Backend {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: Option<JoinHandle<()>>,
}

impl Backend {
    pub async fn honest() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// An honest one that listens here.
    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let ehlo = vec![
            "PIPELINING",
            "SIZE 10000000",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "ENHANCEDSTATUSCODES",
        ];
        let state = Arc::new(Mutex::new(State {
            ehlo,
            ..State::default()
        }));
        let task = Some(tokio::spawn(serve(listener, Arc::clone(&state))));
        Self {
            address,
            state,
            task,
        }
    }

    /// Honest but for one thing.
    pub async fn with(command: &'static str, act: Act) -> Self {
        let backend = Self::honest().await;
        backend.state().acts.insert(command, act);
        backend
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Nobody listens any more.
    pub async fn go_down(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            drop(task.await);
        }
    }

    /// Listens at the same address again.
    pub async fn come_up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Some(tokio::spawn(serve(listener, Arc::clone(&self.state))));
    }

    /// Waits until it has heard a command that begins with this.
    pub async fn until_heard(&self, verb: &str) {
        let heard = async {
            while self.heard(verb).is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let heard = timeout(Duration::from_secs(10), heard).await;
        heard.unwrap_or_else(|_| panic!("nobody says {verb}"));
    }

    /// Waits until all connections are over.
    pub async fn left_alone(&self) {
        let over = async {
            while self.state().live > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let over = timeout(Duration::from_secs(20), over).await;
        over.expect("everybody hangs up");
    }

    pub fn messages(&self) -> Vec<String> {
        let messages = self.state().messages.clone();
        messages
            .into_iter()
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .collect()
    }

    /// The commands that begin with this.
    pub fn heard(&self, verb: &str) -> Vec<String> {
        self.state()
            .log
            .iter()
            .filter(|line| line.starts_with(verb))
            .cloned()
            .collect()
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        sessions.spawn(async move {
            // Whoever closed before this one came is not to be counted beside it: the runtime hears of that meanwhile.
            yield_now().await;
            {
                let mut state = state.lock().unwrap();
                state.live += 1;
                state.peak = state.peak.max(state.live);
            }
            drop(session(tcp, &state).await);
            state.lock().unwrap().live -= 1;
        });
    }
}

async fn session(tcp: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut wire = BufReader::new(tcp);
    if !answer(
        &mut wire,
        state,
        "GREETING",
        "220 backend.example.org ESMTP",
    )
    .await?
    {
        return Ok(());
    }
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        state.lock().unwrap().log.push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let usual = match verb.as_str() {
            "EHLO" => ehlo(state),
            "DATA" => "354 Go".into(),
            "QUIT" => "221 Bye".into(),
            "XCLIENT" => "220 Again".into(),
            _ => "250 2.0.0 Ok".into(),
        };
        let accepted = answer(&mut wire, state, &line, &usual).await?;
        if !accepted || verb == "QUIT" {
            return Ok(());
        }
        let refuses = state.lock().unwrap().acts.contains_key("DATA");
        if verb == "DATA" && !refuses && !data(&mut wire, state).await? {
            return Ok(());
        }
    }
}

fn ehlo(state: &Mutex<State>) -> String {
    let keywords = state.lock().unwrap().ehlo.clone();
    let mut text = "250-backend.example.org".to_owned();
    keywords
        .iter()
        .for_each(|keyword| text.push_str(&format!("\r\n250-{keyword}")));
    text + "\r\n250 HELP"
}

/// The one that says most of this command.
fn act(state: &Mutex<State>, command: &str) -> Option<Act> {
    let state = state.lock().unwrap();
    let fitting = state
        .acts
        .iter()
        .filter(|(of, _)| command.starts_with(**of));
    let fittest = fitting.max_by_key(|(of, _)| of.len());
    fittest.map(|(_, act)| act.clone())
}

/// False: the connection is over.
async fn answer(
    wire: &mut BufReader<TcpStream>,
    state: &Mutex<State>,
    command: &str,
    usual: &str,
) -> std::io::Result<bool> {
    let act = act(state, command);
    match act {
        None => {}
        Some(Act::Wait(time)) => sleep(time).await,
        Some(Act::Say(octets)) => return wire.write_all(&octets).await.map(|()| true),
        Some(Act::SayAndClose(text)) => {
            wire.write_all(format!("{text}\r\n").as_bytes()).await?;
            return Ok(false);
        }
        Some(Act::Close) => return Ok(false),
        Some(Act::Silence) => {
            // Until the proxy gives up.
            let mut sink = [0; 1024];
            while wire.read(&mut sink).await? > 0 {}
            return Ok(false);
        }
    }
    wire.write_all(format!("{usual}\r\n").as_bytes()).await?;
    Ok(true)
}

/// An end-of-data reader of its own, as naive backends have it: a line of one dot, however that line ends.
async fn data(wire: &mut BufReader<TcpStream>, state: &Mutex<State>) -> std::io::Result<bool> {
    while state.lock().unwrap().deaf {
        sleep(Duration::from_millis(10)).await;
    }
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if wire.read_until(b'\n', &mut line).await? == 0 {
            return Ok(false);
        }
        if line == b".\r\n" || line == b".\n" {
            break;
        }
        let unstuffed = line.strip_prefix(b".").unwrap_or(&line);
        message.extend_from_slice(unstuffed);
    }
    state.lock().unwrap().messages.push(message);
    answer(wire, state, ".", "250 2.0.0 Ok: queued as 4ABCDE").await
}
