//! Where hostile files are loaded, and what loads is asked once at each stage, without a network.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_engine::{Engine, EngineSettings, PrepareLimits, Preparer};
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{
    Ask, Content, Envelope, Filter, LoadError, Loader, Message, Party, Path, Policy, Question,
    Session, Source, Stage,
};
use tokio::runtime::Runtime;

use super::GRACE;
use super::attack::{Expected, TIME};
use super::files::{Room, Specimen};

/// CPU that a fork may use before its first question, which pays for it.
const BOOT: Duration = Duration::from_millis(50);
/// CPU that one question may use.
const MOST: Duration = TIME.saturating_add(BOOT).saturating_add(GRACE);
/// Octets of what an operator is shown of one file: a thousand of the filter's own, each escaped, and some of ours.
const MESSAGE: usize = 12_000;

/// An engine with a runtime to wait for it.
pub struct Nursery {
    engine: Arc<Engine>,
    /// its children have little memory
    tight: Arc<Engine>,
    runtime: Runtime,
}

/// Files are prepared by `program`, in a process of its own each, under limits that bombs meet soon.
pub fn apart(program: PathBuf) -> EngineSettings {
    EngineSettings {
        sandboxes: 50,
        preparer: Preparer::Child { program },
        prepare: limits(),
        ..EngineSettings::default()
    }
}

/// The same in this process.
pub fn here() -> EngineSettings {
    EngineSettings {
        sandboxes: 50,
        prepare: limits(),
        ..EngineSettings::default()
    }
}

fn limits() -> PrepareLimits {
    PrepareLimits {
        // A million calls of the host are within it on most machines, unoptimised, too.
        start_time: Duration::from_secs(2),
        configure_time: Duration::from_secs(2),
        configure_wall: Duration::from_secs(30),
        wall: Duration::from_secs(20),
        cpu: Duration::from_secs(5),
        ..PrepareLimits::default()
    }
}

/// What became of a file.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// the error, or `loaded`
    pub answer: String,
    /// until the loader answered, in real time
    pub took: Duration,
    /// what came of asking it, if it loaded
    pub asked: Asked,
}

/// What came of asking a filter once at each of its stages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// stages at which it said something
    pub answered: usize,
    /// stages at which it failed
    pub failed: usize,
    /// the longest call, in CPU
    pub longest: Duration,
}

impl Nursery {
    /// With these settings.
    pub fn new(settings: EngineSettings) -> Self {
        let mut tight = settings.clone();
        tight.prepare.memory = Room::TIGHT;
        Self {
            engine: Engine::new(settings).expect("an engine"),
            tight: Engine::new(tight).expect("an engine"),
            runtime: Runtime::new().expect("a runtime"),
        }
    }

    /// Is a file loaded in a process of its own? What costs its loader minutes is for such a one.
    pub fn is_apart(&self) -> bool {
        matches!(self.engine.settings().preparer, Preparer::Child { .. })
    }

    /// Loads a file, asks what loads, and says what was wrong with the answer.
    pub fn try_out(&self, specimen: &Specimen) -> Result<Loaded, String> {
        let begun = Instant::now();
        let loaded = self.load(specimen);
        let took = begun.elapsed();
        let (answer, asked) = match (&loaded, &specimen.expected) {
            (Ok(filter), Expected::Contained) => ("loaded".to_owned(), self.ask_all(&**filter)?),
            (Ok(_), expected) => return Err(format!("it loaded, expected {expected:?}")),
            (Err(error), expected) => (said(error, expected)?, Asked::default()),
        };
        Ok(Loaded {
            answer,
            took,
            asked,
        })
    }

    /// Asks one sandbox at mail, about two senders one after the other; what it said to each.
    pub fn ask_twice(
        &self,
        specimen: &Specimen,
        first: &str,
        second: &str,
    ) -> Result<[String; 2], String> {
        let filter = self.load(specimen).map_err(|error| error.to_string())?;
        let mut sandbox = filter.fork();
        let mut ask = |sender: &str| {
            let asked = sandbox.ask(question(Ask::Mail(path(sender))));
            let answer = self.runtime.block_on(asked);
            answer
                .map(|answer| answer.verdict.kind().name().to_owned())
                .map_err(|failure| failure.to_string())
        };
        Ok([ask(first)?, ask(second)?])
    }

    fn load(&self, specimen: &Specimen) -> Result<Arc<dyn Filter>, LoadError> {
        let file = std::path::Path::new("filters.d/10-specimen.toml");
        let policy = Policy::parse(file, &specimen.policy);
        let source = Source {
            name: "specimen".to_owned(),
            file: "filters.d/10-specimen.wasm".into(),
            wasm: specimen.wasm.clone().into(),
            policy: policy.unwrap_or_else(|error| panic!("{}: {error}", specimen.policy)),
        };
        let engine = match specimen.room {
            Room::Usual => &self.engine,
            Room::Tight => &self.tight,
        };
        self.runtime.block_on(engine.load(source))
    }

    /// Asks at every stage; an answer or a failure is right, within the limit.
    fn ask_all(&self, filter: &dyn Filter) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for ask in questions() {
            if !filter.stages().contains(ask.stage()) {
                continue;
            }
            let (is_answered, cpu) = self.ask(filter, &ask);
            asked.answered += usize::from(is_answered);
            asked.failed += usize::from(!is_answered);
            asked.longest = asked.longest.max(cpu);
        }
        match asked.longest > MOST {
            true => Err(format!("used {:?} of CPU", asked.longest)),
            false => Ok(asked),
        }
    }

    /// Whether it answered, and the CPU of that or of the failure: the least of up to five, for on a busy machine whoever
    /// is to stop it may come late.
    fn ask(&self, filter: &dyn Filter, ask: &Ask) -> (bool, Duration) {
        let mut least = (false, Duration::MAX);
        for _ in 0..5 {
            let mut sandbox = filter.fork();
            let answered = self.runtime.block_on(sandbox.ask(question(ask.clone())));
            let cpu = match &answered {
                Ok(answer) => answer.effects.cpu,
                Err(failure) => failure.cpu,
            };
            least = (answered.is_ok(), least.1.min(cpu));
            if least.1 <= MOST {
                break;
            }
        }
        least
    }
}

/// Says who is at fault and the cure, in a few printable words.
fn said(error: &LoadError, expected: &Expected) -> Result<String, String> {
    let words = format!("{}; {}", error.problem, error.cure);
    if error.problem.is_empty() || error.cure.is_empty() {
        return Err(format!("an error without a cure: {words}"));
    }
    if words.len() > MESSAGE {
        return Err(format!("an error of {} octets", words.len()));
    }
    if words.chars().any(|c| c.is_control() && c != '\n') {
        return Err(format!("controls in an error: {words:?}"));
    }
    match expected {
        Expected::Refused(word) if !words.contains(word) => {
            Err(format!("expected {word:?}: {words}"))
        }
        Expected::RefusedOf(any) if !any.iter().any(|word| words.contains(word)) => {
            Err(format!("expected one of {any:?}: {words}"))
        }
        _ => Ok(words),
    }
}

fn questions() -> Vec<Ask> {
    let path = path("evil@example.com");
    vec![
        Ask::Connect,
        Ask::Hello("evil.example.com".to_owned()),
        Ask::Mail(path.clone()),
        Ask::Rcpt(path),
        Ask::Headers,
        Ask::Message,
        Ask::Disconnect("quit".to_owned()),
    ]
}

fn path(mailbox: &str) -> Path {
    Path::new(lazaret_mail::facts::Address::parse(mailbox).expect("an address"))
}

fn question(ask: Ask) -> Question {
    let content = Content::Memory("Subject: a test\r\n\r\nbody\r\n".into());
    let message = || Message::parse(content, HEADER_LIMIT).expect("a small message");
    let with_message = matches!(ask.stage(), Stage::Headers | Stage::Message);
    Question {
        ask: ask.into(),
        session: Arc::new(Session {
            id: "s1".into(),
            listener: "good".into(),
            client: Party {
                address: "192.0.2.1:4711".parse().expect("an address"),
                name: lazaret_mail::ClientName::default(),
            },
            hello: None,
            tls: None,
            user: None,
            early_talker: false,
        }),
        envelope: Some(Arc::new(Envelope::default())),
        message: with_message.then(|| Arc::new(message())),
        score: Default::default(),
        notes: Arc::default(),
    }
}
