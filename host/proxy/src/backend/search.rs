//! The way to one connection: which address is asked, and which next if it fails before anything was promised to the
//! client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep};

use super::member::Counts;
use super::pool::Place;
use super::{Backend, Dialogue, Error, Introduction, Link, Member, Step};

/// While no address is alive, one session at a time tries them; how long the others wait for their turn.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where the next search begins among addresses with equally many connections in use.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// One search.
pub(super) struct Search<'b> {
    backend: &'b Backend,
    begun: Instant,
    /// addresses that failed
    tried: Vec<SocketAddr>,
    wants: Wants,
    /// how often the backend refused this client so far
    refusals: u32,
    /// the right to try addresses that are not alive
    trial: Option<SemaphorePermit<'b>>,
    /// what went wrong last
    last: Option<Error>,
}

/// Which connections will do.
#[derive(Clone)]
enum Wants {
    Any,
    /// an idle one of this address proved dead: no other is trusted, and a fresh one tells whether the address is to blame
    Fresh(Arc<Member>),
}

impl<'b> Search<'b> {
    pub(super) fn new(backend: &'b Backend) -> Self {
        Self {
            backend,
            begun: Instant::now(),
            tried: Vec::new(),
            wants: Wants::Any,
            refusals: 0,
            trial: None,
            last: None,
        }
    }

    /// A search for a client that was refused so often already.
    pub(super) fn after(backend: &'b Backend, refusals: u32) -> Self {
        Self {
            refusals,
            ..Self::new(backend)
        }
    }

    /// A connection for this client, made known on it.
    ///
    /// # Errors
    /// What went wrong last, once no address is left to be tried.
    pub(super) async fn link(&mut self, who: &Introduction) -> Result<Box<Link>, Error> {
        loop {
            let mut link = self.any_link(&who.dialogue).await?;
            link.note_in(&who.dialogue);
            match who.open(&mut link, self.backend.identity()).await {
                Ok(()) => return Ok(link),
                Err(error) => self.failed(&link, error)?,
            }
        }
    }

    /// Something failed on this connection, and nothing was promised. Ok: [`link`](Self::link) may find another one.
    ///
    /// # Errors
    /// The same, if no other connection would help.
    pub(super) fn failed(&mut self, link: &Link, error: Error) -> Result<(), Error> {
        let member = link.member();
        if error.is_verdict() {
            return self.refused(link, error);
        }
        if link.was_idle() && error.is_stale_link() {
            tracing::debug!(address = %member.address, %error, "an idle connection was dead");
            // Those idle beside it are no better.
            drop(member.sort_out(|_| false));
            self.wants = Wants::Fresh(Arc::clone(member));
            return Ok(());
        }
        if !error.is_of_address() {
            return Err(error);
        }
        if error.is_break() {
            self.backend.broke(member, &error);
        }
        self.exclude(member, error);
        Ok(())
    }

    /// Another connection may do better after 421, at another address if there is one; but only once, or a client could
    /// make us go round all of them.
    fn refused(&mut self, link: &Link, error: Error) -> Result<(), Error> {
        let member = link.member();
        self.refusals += 1;
        if self.refusals > 1 || matches!(error, Error::Refused(..)) {
            return Err(error);
        }
        tracing::debug!(address = %member.address, %error, "once more, elsewhere");
        let members = self.backend.names.known();
        let mut others = members.iter().filter(|it| it.address != member.address);
        match link.was_idle() && !others.any(|other| self.may_try(other)) {
            true => self.wants = Wants::Fresh(Arc::clone(member)),
            false => self.exclude(member, error),
        }
        Ok(())
    }

    fn exclude(&mut self, member: &Member, error: Error) {
        self.tried.push(member.address);
        self.last = Some(error);
    }

    async fn any_link(&mut self, dialogue: &Dialogue) -> Result<Box<Link>, Error> {
        loop {
            let member = match &self.wants {
                Wants::Fresh(member) if self.may_try(member) => Arc::clone(member),
                _ => self.choose().await?,
            };
            if let Some(link) = self.idle(&member) {
                return Ok(link);
            }
            match self.place().await? {
                Place::Taken(member, mut link) => {
                    // Of an address that failed: dropped, which frees a place.
                    if matches!(self.wants, Wants::Any) && !self.is_tried(&member) {
                        Counts::add(&member.counts.reused);
                        link.begin_use(&member);
                        return Ok(link);
                    }
                }
                Place::Free(permit) => {
                    let begun = Instant::now();
                    match Link::open(self.backend, &member, Some(permit), dialogue).await {
                        Ok(link) => {
                            self.backend.opened(&member, &link);
                            return Ok(link);
                        }
                        Err(error) => self.not_opened(&member, begun, error),
                    }
                }
            }
        }
    }

    fn not_opened(&mut self, member: &Member, begun: Instant, error: Error) {
        let change = member.not_opened(begun, &error);
        self.backend.tell(member, change);
        tracing::debug!(address = %member.address, %error, "no connection");
        self.exclude(member, error);
    }

    /// A free place; else a connection that is idle elsewhere; else one of both as soon as there is one.
    async fn place(&self) -> Result<Place, Error> {
        if !self.backend.pool.is_waited_for() {
            if let Some(permit) = self.backend.pool.spare() {
                return Ok(Place::Free(permit));
            }
            if let Some((member, link)) = self.idle_elsewhere() {
                return Ok(Place::Taken(member, link));
            }
        }
        self.backend.place(|| self.idle_elsewhere()).await
    }

    fn idle_elsewhere(&self) -> Option<(Arc<Member>, Box<Link>)> {
        let members = self.backend.names.known();
        let mut others = members.iter().filter(|member| self.may_try(member));
        others.find_map(|member| Some((Arc::clone(member), self.backend.idle_link(member)?)))
    }

    fn idle(&self, member: &Arc<Member>) -> Option<Box<Link>> {
        if matches!(self.wants, Wants::Fresh(_)) || self.backend.pool.is_waited_for() {
            return None;
        }
        let link = self.backend.idle_link(member)?;
        Counts::add(&member.counts.reused);
        Some(link)
    }

    /// The address to go on with.
    async fn choose(&mut self) -> Result<Arc<Member>, Error> {
        loop {
            let members = self.backend.names.members().await?;
            let is_late = self.begun.elapsed() > self.backend.config.reply;
            if let Some(error) = self.last.take_if(|_| is_late) {
                return Err(error);
            }
            if let Some(member) = self.best(&members) {
                return Ok(member);
            }
            match self.last.take() {
                Some(error) => return Err(error),
                None => self.ask_for_trial(&members).await?,
            }
        }
    }

    /// One that is due for a trial; else the one with the fewest connections in use, in turn among equals.
    fn best(&self, members: &[Arc<Member>]) -> Option<Arc<Member>> {
        let now = Instant::now();
        let untried = || members.iter().filter(|member| !self.is_tried(member));
        if let Some(due) = untried().find(|member| member.admits_trial(now)) {
            return Some(Arc::clone(due));
        }
        let candidates: Vec<_> = untried().filter(|member| self.may_try(member)).collect();
        let first = match candidates.len() {
            0 => return None,
            1 => 0,
            several => TURN.fetch_add(1, Ordering::Relaxed) % several,
        };
        let (before, from) = candidates.split_at(first);
        let in_turn = from.iter().chain(before);
        in_turn
            .min_by_key(|member| member.in_use())
            .map(|member| Arc::clone(member))
    }

    fn is_tried(&self, member: &Member) -> bool {
        self.tried.contains(&member.address)
    }

    fn may_try(&self, member: &Member) -> bool {
        !self.is_tried(member) && (self.trial.is_some() || member.is_alive())
    }

    /// No address is alive: sessions try them one after another, each waiting a moment for its turn.
    async fn ask_for_trial(&mut self, members: &[Arc<Member>]) -> Result<(), Error> {
        let mut changes = self.backend.changes.subscribe();
        let is_alive = || members.iter().any(|member| member.is_alive());
        tokio::select! {
            biased;
            trial = self.backend.trial.acquire() => self.trial = trial.ok(),
            _ = changes.wait_for(|()| is_alive()) => {}
            () = sleep(PATIENCE) => return Err(trouble(members)),
        }
        Ok(())
    }
}

/// Why one of them cannot be used.
fn trouble(members: &[Arc<Member>]) -> Error {
    let known = members.iter().find_map(|member| member.trouble());
    known.unwrap_or(Error::Silent(Step::Greeting, PATIENCE))
}
