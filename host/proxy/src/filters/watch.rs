//! Watches the files of filters by looking at them over and over, and brings in what changed.
//!
//! A look is a `stat` of each file, some microseconds each. Unlike notifications of the kernel it sees every kind of
//! change on every file system: over NFS, below a mount, where a directory was taken away and put back, where a list
//! lies elsewhere or a link leads to it; and nothing is lost when a queue is full.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lazaret_mail::{Filter, LoadError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::Needs;
use super::directory::{Directory, Renewed};
use super::look::Look;
use crate::Config;
use crate::renewal::{self, Renewal};
use crate::site::{Site, Sites};

/// Who asked, to be told when it is done.
type Asked = oneshot::Sender<()>;

/// Asks the proxy to look at its files now.
#[derive(Clone, Debug)]
pub struct Reloader(mpsc::Sender<Option<Asked>>);

impl Reloader {
    /// Looks at the configuration, filters, lists and certificates at once, whether they changed or not, and logs what
    /// came of it. What failed is tried again.
    pub fn reload(&self) {
        // One that is waiting already does for both.
        let _ = self.0.try_send(None);
    }

    /// The same, and resolves when it is done, well or not.
    pub async fn reloaded(&self) {
        let (done, when_done) = oneshot::channel();
        // Where nobody listens any more, nothing is left to reload.
        if self.0.send(Some(done)).await.is_ok() {
            let _ = when_done.await;
        }
    }
}

/// Between looks at certificates, which then decide for themselves whether it is time.
const CERTIFICATES: Duration = Duration::from_secs(1);
/// Before the next look for who asked while another one was under way.
const SOON: Duration = Duration::from_millis(250);
/// For a disk, before it is told that it does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Beside everything else: a disk that hangs, theirs or another, holds up nobody.
async fn watch_certificates(sites: &Sites) {
    loop {
        let site = sites.now();
        let looking = spawn_blocking(move || {
            site.doors.iter().for_each(|door| door.watch_certificates());
        });
        drop(looking.await);
        sleep(CERTIFICATES).await;
    }
}

/// Waits for a disk as long as that takes, but not in silence.
async fn patiently<T>(of: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(PATIENCE, &mut work).await {
        return done;
    }
    tracing::error!("the disk of {of} does not answer: what is loaded stays, nothing new is seen");
    let done = work.await;
    tracing::info!("the disk of {of} answers again");
    done
}

/// The task that watches.
pub(crate) struct Watch {
    directory: Option<Directory>,
    /// where the directory is told of another configuration
    needs: Option<Arc<ArcSwap<Needs>>>,
    /// the configuration that holds
    config: Config,
    /// none once nobody can ask any more
    asked: Option<mpsc::Receiver<Option<Asked>>>,
    /// the operator asked and has no answer yet
    owed: bool,
    /// told once nothing is owed any more
    waiting: Vec<Asked>,
    /// seen, and since when it looks like this
    settling: Option<(Look, Instant)>,
}

impl Watch {
    /// `config` is what holds now.
    pub(crate) fn new(directory: Option<Directory>, config: Config) -> (Self, Reloader) {
        let (sender, asked) = mpsc::channel(1);
        let watch = Self {
            needs: directory.as_ref().map(Directory::needs),
            directory,
            config,
            asked: Some(asked),
            owed: false,
            waiting: Vec::new(),
            settling: None,
        };
        (watch, Reloader(sender))
    }

    /// Until it is aborted.
    pub(crate) async fn run(self, sites: Arc<Sites>) {
        tokio::join!(watch_certificates(&sites), self.watch(&sites));
    }

    async fn watch(mut self, sites: &Sites) {
        loop {
            let filters = self.directory.as_ref().map(Directory::filters);
            let filters = filters.unwrap_or_default();
            let pause = self.pause();
            tokio::select! {
                () = sleep(pause) => {}
                asked = self.next_asked() => self.reload(asked, &filters, sites).await,
            }
            match self.directory.take() {
                Some(mut directory) => {
                    self.turn(&mut directory, &filters, sites).await;
                    self.directory = Some(directory);
                }
                None => {
                    self.owed = false;
                    self.waiting.clear();
                }
            }
        }
    }

    /// Somebody asks.
    async fn next_asked(&mut self) -> Option<Asked> {
        if let Some(asked) = &mut self.asked {
            if let Some(asked) = asked.recv().await {
                return asked;
            }
            self.asked = None;
        }
        pending().await
    }

    /// Whatever filters and their disk take: who asks meanwhile has the configuration read at once. It fits `filters`.
    async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = T>,
        filters: &[Arc<dyn Filter>],
        sites: &Sites,
    ) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                asked = self.next_asked() => self.reload(asked, filters, sites).await,
            }
        }
    }

    /// Shorter while something changes, so that it is brought in soon after it is still.
    fn pause(&self) -> Duration {
        let pace = self.config.reload;
        match self.settling {
            _ if self.owed => pace.look.min(SOON),
            Some(_) => pace.look.min(pace.quiet / 2),
            None => pace.look,
        }
        .max(Duration::from_millis(1))
    }

    /// The configuration, then the certificates that it names; the filters are looked at next.
    async fn reload(&mut self, asked: Option<Asked>, filters: &[Arc<dyn Filter>], sites: &Sites) {
        self.owed = true;
        self.waiting.extend(asked);
        let site = sites.now();
        let reading = renewal::read(&self.config, filters, &site.doors);
        match patiently("the configuration", reading).await {
            Ok(renewal) => self.renew(renewal, sites),
            Err(trouble) => {
                tracing::error!(%trouble, "the configuration cannot be used: that before it holds as a whole");
                sites.now().note_outdated(Some(trouble));
            }
        }
        let site = sites.now();
        let renewing = spawn_blocking(move || {
            let doors: Vec<_> = site.doors.iter().filter(|door| door.speaks_tls()).collect();
            let renewed = doors.iter().filter(|door| door.renew_certificates());
            (renewed.count(), doors.len())
        });
        match timeout(PATIENCE, renewing).await {
            Ok(Ok((renewed, all))) => {
                tracing::info!("asked to reload: {renewed} of {all} sets of certificates changed");
            }
            _ => tracing::error!("asked to reload: the disk of the certificates does not answer"),
        }
    }

    fn renew(&mut self, renewal: Renewal, sites: &Sites) {
        let site = sites.now();
        site.note_outdated(None);
        renewal.log();
        if renewal.changed.is_empty() {
            return;
        }
        sites.replace(site.renewed(&self.config, &renewal.config));
        if let Some(needs) = &self.needs {
            needs.store(Arc::new(Needs::of(&renewal.config)));
        }
        self.config = renewal.config;
    }

    async fn turn(
        &mut self,
        directory: &mut Directory,
        filters: &[Arc<dyn Filter>],
        sites: &Sites,
    ) {
        let looking = patiently("the filters and their lists", directory.look());
        let look = self.meanwhile(looking, filters, sites).await;
        if !self.owed && (directory.has_tried(&look) || !self.is_still(&look)) {
            if directory.has_tried(&look) {
                self.settling = None;
            }
            return;
        }
        // Who asks from here on has it done once more.
        let owed = std::mem::take(&mut self.owed);
        let waiting = std::mem::take(&mut self.waiting);
        let renewing = directory.renew(look, owed);
        let renewed = self.meanwhile(renewing, filters, sites).await;
        self.settling = None;
        if let Renewed::Unsettled = renewed {
            self.owed |= owed;
            self.waiting.extend(waiting);
            return;
        }
        let changed = matches!(renewed, Renewed::Changed(_));
        Self::bring_in(renewed, directory, owed, &sites.now());
        if changed && self.owed {
            // What was read meanwhile was held against the filters before these.
            self.reload(None, &directory.filters(), sites).await;
        }
    }

    fn bring_in(renewed: Renewed, directory: &Directory, owed: bool, site: &Site) {
        match renewed {
            Renewed::Unsettled => {}
            Renewed::Same => {
                site.standing.retell(directory);
                unchanged(directory, owed, site);
            }
            Renewed::Changed(change) => {
                let chain = site.standing.next(Some(directory));
                let generation = chain.generation();
                site.chain.store(chain);
                site.standing.publish(Some(directory));
                tracing::info!("reloaded generation {generation}: {change}");
            }
            Renewed::Refused(errors) => refused(directory, &errors, owed, site),
        }
    }

    /// Has it looked like this for the quiet period?
    fn is_still(&mut self, look: &Look) -> bool {
        match &self.settling {
            Some((before, since)) if before == look => since.elapsed() >= self.config.reload.quiet,
            _ => {
                self.settling = Some((look.clone(), Instant::now()));
                self.config.reload.quiet.is_zero()
            }
        }
    }
}

fn unchanged(directory: &Directory, owed: bool, site: &Site) {
    let generation = site.chain.load().generation();
    if site.standing.mended() {
        tracing::info!("the filter directory is good again; generation {generation} stays");
    } else if owed {
        tracing::info!("nothing changed: generation {generation} stays");
    }
    for error in directory.errors().iter().filter(|_| owed) {
        tracing::error!(%error, "filter still not loaded");
    }
}

/// Once for the same errors, unless somebody asks.
fn refused(directory: &Directory, errors: &[LoadError], owed: bool, site: &Site) {
    if !site.standing.complain(errors) && !owed {
        return;
    }
    let generation = site.chain.load().generation();
    let directory = directory.path().display();
    tracing::error!(%directory, "filters changed and cannot be loaded: generation {generation} stays until they are mended");
    for error in errors {
        tracing::error!(%error, "filter not loaded");
    }
}
