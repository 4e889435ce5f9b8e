//! What the service manager is told (sd_notify(3)): that we are ready, reload or stop, how things are, and that we live.
//! Where none asked (no `NOTIFY_SOCKET`), nothing happens.

use std::pin::pin;
use std::time::Duration;

use lazaret_proxy::{Pulse, Reloader};
use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::heart::Heart;
use crate::logging;
use crate::signals::Hangup;

/// How often `systemctl status` gets a new line where no watchdog asks for more.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// Between looks at what is to be logged while a reload goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Signs of life in the time that the watchdog allows for one: a machine short of CPU may lose some.
const SIGNS: u32 = 6;

/// A thread that has no turn for a task in this time stands: what takes long in a session does it elsewhere.
const STANDS: Duration = Duration::from_secs(30);

/// To say goodbye to the backend and write down state, after `grace`.
const AFTER_GRACE: Duration = Duration::from_secs(20);

/// A proxy as the service manager sees it.
#[derive(Clone, Debug)]
pub struct Service {
    pulse: Pulse,
}

impl Service {
    /// Of the proxy with this pulse.
    pub fn new(pulse: Pulse) -> Self {
        Self { pulse }
    }

    /// We listen and have our filters.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready, NotifyState::Status(&self.pulse.line())]);
    }

    /// No new connections; those that are get `grace`.
    pub fn stopping(&self) {
        let status = format!("stopping: {}", self.pulse.line());
        // However long `grace` is: nobody kills what is still within it.
        let grace = (self.pulse.grace() + AFTER_GRACE).as_micros();
        let patience = NotifyState::ExtendTimeoutUsec(u32::try_from(grace).unwrap_or(u32::MAX));
        tell(&[
            NotifyState::Stopping,
            patience,
            NotifyState::Status(&status),
        ]);
    }

    /// Reloads at each SIGHUP, and says when it begins and when it is done (`Type=notify-reload`).
    pub fn reloads(&self, mut hangup: Hangup, reloader: Reloader) -> JoinHandle<()> {
        let service = self.clone();
        tokio::spawn(async move {
            while hangup.comes().await {
                service.reloading();
                // Whoever asks again meanwhile has mended something: that is looked at now, and once more at the end.
                while service.reload_once(&reloader, &mut hangup).await {}
                service.ready();
            }
        })
    }

    /// What is logged changes with the configuration, however long filters take behind it: that may be what is to be seen.
    /// True: it was asked for again meanwhile.
    async fn reload_once(&self, reloader: &Reloader, hangup: &mut Hangup) -> bool {
        let mut reloaded = pin!(reloader.reloaded());
        let (mut followed, mut again) = (None, false);
        loop {
            let done = tokio::select! {
                () = &mut reloaded => true,
                () = sleep(LOOK_EVERY) => false,
                more = hangup.comes(), if !again => {
                    again = more;
                    reloader.reload();
                    false
                }
            };
            let levels = self.pulse.log_levels();
            if followed.as_ref() != Some(&levels) {
                logging::follow(&levels);
                followed = Some(levels);
            }
            if done {
                return again;
            }
        }
    }

    /// Signs of life, for as long as each thread that carries sessions has its turn, and lines for `systemctl status`. One
    /// sixth of what the watchdog allows lies between two.
    pub fn lives(&self) -> JoinHandle<()> {
        let watchdog = sd_notify::watchdog_enabled().filter(|most| !most.is_zero());
        let every = watchdog.map_or(STATUS_EVERY, |most| (most / SIGNS).min(STATUS_EVERY));
        let every = every.max(Duration::from_millis(1));
        let sign = || tell(&[NotifyState::Watchdog]);
        let heart = watchdog.and_then(|most| Heart::start(most, every, sign));
        let service = self.clone();
        tokio::spawn(async move {
            let mut beats = interval(every);
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                beats.tick().await;
                tell(&[NotifyState::Status(&service.pulse.line())]);
                service.all_threads_go().await;
                match &heart {
                    Some(heart) => heart.beat(),
                    None if watchdog.is_some() => tell(&[NotifyState::Watchdog]),
                    None => {}
                }
            }
        })
    }

    /// Resolves once each thread that carries sessions has had its turn.
    async fn all_threads_go(&self) {
        let mut turn = pin!(self.pulse.turn());
        while timeout(STANDS, &mut turn).await.is_err() {
            tracing::error!(
                "a thread that carries sessions has stood for {} s, and so do its clients; restart the program, and report this",
                STANDS.as_secs()
            );
        }
    }

    fn reloading(&self) {
        // Without the time of it systemd would not know which reload this is.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "no clock: the service manager cannot be told"),
        }
    }
}

/// What the manager misses is not worth a message lost.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
