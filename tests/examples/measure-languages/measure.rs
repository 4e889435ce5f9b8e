//! What a language costs, for `docs/languages.md`: one engine for each, so that none finds anything ready.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::facts::Address;
use lazaret_mail::{
    Answer, Ask, Envelope, Filter, Loader, Notes, Party, Policy, Question, Sandbox, Score, Session,
    Source,
};
use lazaret_tests::quantile::quantile;
use tokio::runtime::Runtime;

use crate::languages::{Language, policy, transcripts};

/// Sandboxes that are forked and asked one after the other.
const ROUNDS: usize = 200;
/// Sandboxes that are held at once.
const HELD: usize = 32;

/// Writes a line with the profile we were built in, then one for each language: name, octets, milliseconds of CPU to load, how it is configured,
/// microseconds of the first call in a fresh sandbox and of a further one (medians), KiB of linear memory and of
/// resident memory of a sandbox.
pub fn write(file: &Path) -> Result<(), String> {
    let profile = if cfg!(debug_assertions) {
        "development"
    } else {
        "release"
    };
    let mut lines = format!("{profile}\n");
    for language in Language::ALL {
        let component = language
            .component()
            .map_err(|absent| format!("{}: {absent:?}", language.name()))?;
        eprintln!("measuring {}", language.name());
        lines.push_str(&Bench::new(&component).line(language));
    }
    std::fs::write(file, lines).map_err(|error| format!("{}: {error}", file.display()))
}

struct Bench {
    runtime: Runtime,
    filter: Arc<dyn Filter>,
    size: usize,
    load: Duration,
}

impl Bench {
    fn new(component: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let wasm = std::fs::read(component).expect("a component that is there");
        let size = wasm.len();
        let engine = Engine::new(EngineSettings::default()).expect("an engine");
        let policy = Policy::parse(&transcripts().join("reference.toml"), &policy());
        let source = Source {
            name: "reference".to_owned(),
            file: component.to_owned(),
            wasm: wasm.into(),
            policy: policy.unwrap_or_else(|error| panic!("{error}")),
        };
        let before = cpu();
        let filter = runtime.block_on(engine.load(source));
        let load = cpu() - before;
        Self {
            filter: filter.unwrap_or_else(|error| panic!("{error}")),
            runtime,
            size,
            load,
        }
    }

    fn line(&self, language: Language) -> String {
        let (first, further): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| self.round()).unzip();
        let micros = |samples: &[Duration]| quantile(samples, 0.5).as_secs_f64() * 1e6;
        let (linear, resident) = self.held();
        format!(
            "{}\t{}\t{}\t{}\t{:.0}\t{:.0}\t{}\t{}\n",
            language.name(),
            self.size,
            self.load.as_millis(),
            self.filter.preparation(),
            micros(&first),
            micros(&further),
            linear / 1024,
            resident / 1024,
        )
    }

    /// A sandbox from its fork to its end: how long its first call took, and its second.
    fn round(&self) -> (Duration, Duration) {
        let begun = Instant::now();
        let mut sandbox = self.filter.fork();
        self.ask(&mut *sandbox, Ask::Mail(address("alice@example.com")));
        let first = begun.elapsed();
        let begun = Instant::now();
        self.ask(&mut *sandbox, Ask::Rcpt(address("bob@example.org")));
        (first, begun.elapsed())
    }

    /// Linear and resident memory of a sandbox that was asked twice.
    fn held(&self) -> (u64, u64) {
        let before = resident();
        let mut linear = 0;
        let held: Vec<_> = (0..HELD)
            .map(|_| {
                let mut sandbox = self.filter.fork();
                self.ask(&mut *sandbox, Ask::Mail(address("alice@example.com")));
                let answer = self.ask(&mut *sandbox, Ask::Rcpt(address("bob@example.org")));
                linear = answer.effects.memory;
                sandbox
            })
            .collect();
        let resident = resident().saturating_sub(before) / held.len() as u64;
        (linear, resident)
    }

    fn ask(&self, sandbox: &mut dyn Sandbox, ask: Ask) -> Answer {
        let answer = self.runtime.block_on(sandbox.ask(question(ask)));
        answer.unwrap_or_else(|failure| panic!("{failure}"))
    }
}

fn address(mailbox: &str) -> lazaret_mail::Path {
    lazaret_mail::Path::new(Address::parse(mailbox).expect("a mailbox"))
}

fn question(ask: Ask) -> Question {
    let session = Session {
        id: "measured".into(),
        listener: "mx".into(),
        client: Party {
            address: "192.0.2.1:4711".parse().expect("an address"),
            name: lazaret_mail::ClientName::default(),
        },
        hello: Some("client.example.com".to_owned()),
        tls: None,
        user: None,
        early_talker: false,
    };
    Question {
        ask: ask.into(),
        session: Arc::new(session),
        envelope: Some(Arc::new(Envelope::default())),
        message: None,
        score: Score::default(),
        notes: Arc::new(Notes::default()),
    }
}

/// Of this process and of the children that have ended.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux counts in hundredths of a second, whatever the kernel's own clock.
    Duration::from_millis(ticks * 10)
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
