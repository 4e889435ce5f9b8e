//! As many messages at once as there are processors, each held only while it is tried.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use lazaret_mail::Chain;
use tokio::sync::mpsc;

use super::fate::Judged;
use super::folders::{Corpus, Mail};
use crate::trial::journey;
use crate::trial::source::{self, Source};
use crate::trial::stranger::Stranger;

/// Largest message that is tried among many, octets: what the proxy takes as it comes. So memory is bounded: one such for each
/// processor, and what filters hold.
const LARGEST: u64 = 50 << 20;

/// Hands that try messages, and the way their results come by.
pub struct Crew {
    results: mpsc::Receiver<Judged>,
    stopped: Arc<AtomicBool>,
    hands: usize,
}

/// What all hands share.
struct Work {
    mails: Vec<Mail>,
    /// the next one to try
    next: AtomicUsize,
    stopped: Arc<AtomicBool>,
    chain: Arc<Chain>,
    stranger: Stranger,
}

impl Crew {
    /// Begins at once.
    pub fn start(chain: Arc<Chain>, stranger: Stranger, corpus: &Corpus) -> Self {
        let hands = std::thread::available_parallelism().map_or(1, |it| it.get());
        let hands = hands.min(corpus.mails.len());
        let (sender, results) = mpsc::channel(hands);
        let stopped = Arc::new(AtomicBool::new(false));
        let work = Arc::new(Work {
            mails: corpus.mails.clone(),
            next: AtomicUsize::new(0),
            stopped: stopped.clone(),
            chain,
            stranger,
        });
        for _ in 0..hands {
            tokio::spawn(work.clone().done_by_one(sender.clone()));
        }
        Self {
            results,
            stopped,
            hands,
        }
    }

    /// The next result, in no order; None after the last.
    pub async fn next(&mut self) -> Option<Judged> {
        self.results.recv().await
    }

    /// Messages under way are the last ones.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// How many there are.
    pub fn hands(&self) -> usize {
        self.hands
    }
}

impl Work {
    async fn done_by_one(self: Arc<Self>, results: mpsc::Sender<Judged>) {
        while !self.stopped.load(Relaxed) {
            let Some(mail) = self.mails.get(self.next.fetch_add(1, Relaxed)) else {
                return;
            };
            if results.send(self.tried(mail).await).await.is_err() {
                return;
            }
        }
    }

    async fn tried(&self, mail: &Mail) -> Judged {
        let path = mail.path.clone();
        let read = tokio::task::spawn_blocking(move || whole(&path)).await;
        let damaged =
            |octets, why: &str| Judged::damaged(mail.folder, mail.path.clone(), octets, why);
        let octets = match read {
            Ok(Ok(octets)) => octets,
            Ok(Err((octets, why))) => return damaged(octets, why),
            Err(_) => return damaged(0, "cannot be read"),
        };
        let size = octets.len() as u64;
        let Ok(letter) = self.stranger.letter(octets) else {
            return damaged(size, "its header section is too large");
        };
        let begun = Instant::now();
        let journey = journey::travel(self.chain.clone(), &letter).await;
        Judged::tried(
            mail.folder,
            mail.path.clone(),
            size,
            &journey,
            begun.elapsed(),
        )
    }
}

/// The message as it would be sent, or its size and what is wrong with it.
fn whole(path: &Path) -> Result<bytes::Bytes, (u64, &'static str)> {
    let size = std::fs::metadata(path).map_or(0, |about| about.len());
    if size > LARGEST {
        return Err((size, "is larger than 50 MiB"));
    }
    let Source {
        octets, refused, ..
    } = source::read(path, LARGEST).map_err(|_| (size, "cannot be read"))?;
    match refused {
        _ if octets.is_empty() => Err((0, "is empty")),
        Some(_) => Err((size, "has a bare CR or a NUL (554 5.6.11)")),
        None => Ok(octets),
    }
}
