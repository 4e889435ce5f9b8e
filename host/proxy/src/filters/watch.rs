//! Watches the files of filters by looking at them over and over, and brings in what changed.
//!
//! A look is a `stat` of each file, some microseconds each. Unlike notifications of the kernel it sees every kind of
//! change on every file system: over NFS, below a mount, where a directory was taken away and put back, where a list
//! lies elsewhere or a link leads to it; and nothing is lost when a queue is full.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_mail::LoadError;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::directory::{Directory, Renewed};
use super::look::Look;
use super::{Stamp, stamp};
use crate::config::{Certificates, Reload};
use crate::site::Site;

/// Asks the proxy to look at its files now.
#[derive(Clone, Debug)]
pub struct Reloader(mpsc::Sender<()>);

impl Reloader {
    /// Looks at filters, lists and certificates at once, whether they changed or not, and logs what came of it. What
    /// failed is tried again.
    pub fn reload(&self) {
        // One that is waiting already does for both.
        let _ = self.0.try_send(());
    }
}

/// The task that watches.
pub(crate) struct Watch {
    directory: Option<Directory>,
    certificates: Vec<Certificates>,
    configuration: (PathBuf, Stamp),
    pace: Reload,
    asked: mpsc::Receiver<()>,
    /// the operator asked and has no answer yet
    owed: bool,
    /// seen, and since when it looks like this
    settling: Option<(Look, Instant)>,
}

impl Watch {
    /// `configuration` is the file that is read at start only.
    pub(crate) fn new(
        directory: Option<Directory>,
        certificates: Vec<Certificates>,
        configuration: PathBuf,
        pace: Reload,
    ) -> (Self, Reloader) {
        let (sender, asked) = mpsc::channel(1);
        let watch = Self {
            directory,
            certificates,
            configuration: (configuration.clone(), stamp(&configuration)),
            pace,
            asked,
            owed: false,
            settling: None,
        };
        (watch, Reloader(sender))
    }

    /// Until it is aborted.
    pub(crate) async fn run(mut self, site: Arc<Site>) {
        let mut others = true;
        loop {
            tokio::select! {
                () = sleep(self.pause()) => {}
                asked = self.asked.recv(), if others => match asked {
                    Some(()) => self.look_at_the_rest(),
                    None => others = false,
                }
            }
            if let Some(mut directory) = self.directory.take() {
                self.turn(&mut directory, &site).await;
                self.directory = Some(directory);
            }
        }
    }

    /// Shorter while something changes, so that it is brought in soon after it is still.
    fn pause(&self) -> Duration {
        match self.settling {
            Some(_) => self.pace.look.min(self.pace.quiet / 2),
            None => self.pace.look,
        }
        .max(Duration::from_millis(1))
    }

    fn look_at_the_rest(&mut self) {
        self.owed = true;
        let renewed = self.certificates.iter().filter(|it| it.renew()).count();
        let all = self.certificates.len();
        tracing::info!("asked to reload: {renewed} of {all} sets of certificates changed");
        let (path, before) = &self.configuration;
        if stamp(path) != *before {
            let file = path.display();
            tracing::warn!(%file, "the configuration changed: it is read at start only, restart to apply it");
        }
    }

    async fn turn(&mut self, directory: &mut Directory, site: &Site) {
        let look = directory.look().await;
        if !self.owed && (directory.has_tried(&look) || !self.is_still(&look)) {
            if directory.has_tried(&look) {
                self.settling = None;
            }
            return;
        }
        match directory.renew(look, self.owed).await {
            Renewed::Unsettled => {
                self.settling = None;
                return;
            }
            Renewed::Same => self.unchanged(directory, site),
            Renewed::Changed(change) => {
                let chain = site.standing.next(Some(directory));
                let generation = chain.generation();
                site.chain.store(chain);
                site.standing.publish(Some(directory));
                tracing::info!("reloaded generation {generation}: {change}");
            }
            Renewed::Refused(errors) => self.refused(directory, &errors, site),
        }
        self.owed = false;
        self.settling = None;
    }

    /// Has it looked like this for the quiet period?
    fn is_still(&mut self, look: &Look) -> bool {
        match &self.settling {
            Some((before, since)) if before == look => since.elapsed() >= self.pace.quiet,
            _ => {
                self.settling = Some((look.clone(), Instant::now()));
                self.pace.quiet.is_zero()
            }
        }
    }

    fn unchanged(&self, directory: &Directory, site: &Site) {
        let generation = site.chain.load().generation();
        if site.standing.mended() {
            tracing::info!("the filter directory is good again; generation {generation} stays");
        } else if self.owed {
            tracing::info!("nothing changed: generation {generation} stays");
        }
        for error in directory.errors().iter().filter(|_| self.owed) {
            tracing::error!(%error, "filter still not loaded");
        }
    }

    /// Once for the same errors, unless somebody asks.
    fn refused(&self, directory: &Directory, errors: &[LoadError], site: &Site) {
        if !site.standing.complain(errors) && !self.owed {
            return;
        }
        let generation = site.chain.load().generation();
        let directory = directory.path().display();
        tracing::error!(%directory, "filters changed and cannot be loaded: generation {generation} stays until they are mended");
        for error in errors {
            tracing::error!(%error, "filter not loaded");
        }
    }
}
