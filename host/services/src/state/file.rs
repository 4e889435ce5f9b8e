//! State in a file of our own, by redb.
//!
//! One thread owns the file. It carries out orders inside one transaction after the other and answers each at once; the
//! transaction is made durable after [`GATHER`], so that a thousand orders a second cost one `fsync`. Who dies by SIGKILL or
//! loses power forgets what was written in that time, and nothing older; the file is never torn.

mod holder;
mod pages;

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageError};
use tokio::sync::oneshot;

use super::ledger;
use super::{Carrying, Done, Keeper, Order};
use crate::{Fault, Refused};
use pages::Tables;

/// How long answered orders may be lost by a crash.
const GATHER: Duration = Duration::from_secs(1);
/// Orders of one transaction: what is not durable yet is kept in memory.
const TOGETHER: usize = 20_000;
/// Orders that wait for the disk; more of them are refused.
const WAITING: usize = 4096;
/// How often expired entries are swept while nobody asks.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Expired entries swept in one transaction.
const SWEEP: usize = 5000;
/// Memory for pages of the file.
const CACHE: usize = 32 << 20;
/// Between attempts to open the file again after the disk failed.
const REOPEN: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<Done, Refused>>;

enum Job {
    Carry(Order, Reply),
    /// ends the transaction; answered when it is durable
    Settle(oneshot::Sender<()>),
}

pub struct File {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    trouble: Trouble,
}

/// Why the file cannot be written at the moment.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<Option<String>>>);

impl File {
    pub async fn open(path: &Path) -> Result<Self, Fault> {
        let (jobs, waiting) = sync_channel(WAITING);
        let trouble = Trouble::default();
        let (opened, opening) = oneshot::channel();
        let clerk = Clerk {
            path: path.to_owned(),
            jobs: waiting,
            trouble: trouble.clone(),
        };
        let thread = std::thread::Builder::new().name("state".into());
        let thread = thread.spawn(move || clerk.work(opened)).map_err(|error| {
            let problem = format!("no thread for the state can be started: {error}");
            Fault::of_machine(problem, "raise the limit of threads of this service")
        })?;
        let vanished = |_| damaged(path, &"the file is damaged beyond reading");
        opening.await.unwrap_or_else(|e| Err(vanished(e)))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            trouble,
        })
    }

    fn send(&self, job: Job) -> Result<(), Refused> {
        let jobs = self.jobs.as_ref().ok_or(Refused::Unavailable)?;
        jobs.try_send(job).map_err(|_| Refused::Unavailable)
    }
}

impl Keeper for File {
    fn carry_out(&self, order: Order) -> Carrying<'_> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.send(Job::Carry(order, reply))?;
            answer.await.unwrap_or(Err(Refused::Unavailable))
        })
    }

    fn settle(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let (settled, settling) = oneshot::channel();
            if self.send(Job::Settle(settled)).is_ok() {
                let _ = settling.await;
            }
        })
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.told()
    }
}

/// Nothing that was answered is left behind.
impl Drop for File {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Trouble {
    fn told(&self) -> Option<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    fn tell(&self, what: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}

/// The thread that owns the file.
struct Clerk {
    path: PathBuf,
    jobs: Receiver<Job>,
    trouble: Trouble,
}

/// Why a transaction ended.
enum Ended {
    /// there will be more
    Gathered,
    /// nobody can ask any more
    Alone,
}

impl Clerk {
    fn work(self, opened: oneshot::Sender<Result<(), Fault>>) {
        let mut database = match open(&self.path) {
            Ok(database) => {
                let _ = opened.send(Ok(()));
                Some(database)
            }
            Err(fault) => {
                let _ = opened.send(Err(fault));
                return;
            }
        };
        loop {
            let Some(open) = &database else {
                match self.reopen() {
                    Ok(again) => database = Some(again),
                    Err(Ended::Gathered) => {}
                    Err(Ended::Alone) => return,
                }
                continue;
            };
            // A damaged page may make redb panic; what is wrong with it is found when the file is opened again.
            match catch_unwind(AssertUnwindSafe(|| self.transact(open))) {
                Ok(Ok(Ended::Gathered)) => {}
                Ok(Ok(Ended::Alone)) => return,
                Ok(Err(error)) => {
                    self.fail(&error.to_string());
                    database = None;
                }
                Err(_) => {
                    self.fail("the file is damaged");
                    database = None;
                }
            }
        }
    }

    fn fail(&self, why: &str) {
        let file = self.path.display();
        tracing::error!(%file, why, "state cannot be written: filters that ask for it hear `unavailable`");
        self.trouble.tell(Some(format!("{file}: {why}")));
    }

    /// Refuses what is asked meanwhile.
    fn reopen(&self) -> Result<Database, Ended> {
        let until = Instant::now() + REOPEN;
        loop {
            match self.jobs.recv_timeout(left(until)) {
                Ok(Job::Carry(_, reply)) => drop(reply.send(Err(Refused::Unavailable))),
                Ok(Job::Settle(settled)) => drop(settled.send(())),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Err(Ended::Alone),
            }
        }
        let opened = catch_unwind(AssertUnwindSafe(|| open(&self.path)));
        let database = opened.ok().and_then(Result::ok).ok_or(Ended::Gathered)?;
        tracing::info!(file = %self.path.display(), "state can be written again");
        self.trouble.tell(None);
        Ok(database)
    }

    /// One transaction: from the first order until [`GATHER`] later.
    fn transact(&self, database: &Database) -> Result<Ended, redb::Error> {
        let first = match self.jobs.recv_timeout(SWEEP_EVERY) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Alone),
        };
        let transaction = database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        let (ended, settled) = self.gather(&mut tables, first)?;
        ledger::sweep_all(&mut tables, super::now(), SWEEP)?;
        match tables.close()? {
            true => transaction.commit()?,
            false => transaction.abort()?,
        }
        if let Some(settled) = settled {
            let _ = settled.send(());
        }
        Ok(ended)
    }

    fn gather(
        &self,
        tables: &mut Tables<'_>,
        first: Option<Job>,
    ) -> Result<(Ended, Option<oneshot::Sender<()>>), redb::Error> {
        let until = Instant::now() + GATHER;
        let mut next = first;
        for served in 1.. {
            match next {
                None => break,
                Some(Job::Settle(settled)) => return Ok((Ended::Gathered, Some(settled))),
                Some(Job::Carry(order, reply)) => carry_out(tables, &order, reply)?,
            }
            if served == TOGETHER {
                break;
            }
            next = match self.jobs.recv_timeout(left(until)) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok((Ended::Alone, None)),
            };
        }
        Ok((Ended::Gathered, None))
    }
}

/// Who waited too long has gone with `unavailable`: then nothing is done.
fn carry_out(tables: &mut Tables<'_>, order: &Order, reply: Reply) -> Result<(), redb::Error> {
    if !reply.is_closed() {
        let done = ledger::carry_out(tables, order, super::now())?;
        let _ = reply.send(done);
    }
    Ok(())
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Is there a file, or a place for one?
pub fn can_be(path: &Path) -> Result<(), Fault> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    std::fs::metadata(directory).map_err(|error| unusable(path, &error))?;
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(no_file(path)),
        _ => Ok(()),
    }
}

/// Could the file and, if need be, its directory be made?
pub fn can_be_made(path: &Path) -> Result<(), Fault> {
    let above = path.ancestors().skip(1);
    let Some(there) = above.into_iter().find(|directory| directory.exists()) else {
        return Err(no_directory(path, &std::io::ErrorKind::NotFound.into()));
    };
    match path.parent() == Some(there) {
        true => can_be(path),
        false if there.is_dir() => Ok(()),
        false => Err(no_directory(
            path,
            &std::io::ErrorKind::NotADirectory.into(),
        )),
    }
}

/// Makes the directory of a file where nobody made it, for its user alone.
pub fn make_directory(path: &Path) -> Result<(), Fault> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.map_err(|error| no_directory(path, &error))
}

fn no_directory(path: &Path, error: &std::io::Error) -> Fault {
    let directory = path.parent().unwrap_or(path).display();
    Fault::new(
        format!("{directory}, where filters' state is kept, cannot be made: {error}"),
        "name another place under `state`, or make that directory for the user of the proxy",
    )
}

fn unusable(path: &Path, error: &std::io::Error) -> Fault {
    let problem = format!(
        "the state file {} cannot be opened: {error}",
        path.display()
    );
    if is_for_now(error) {
        return Fault::of_machine(
            problem,
            "make room, and start again; the file itself is good",
        );
    }
    Fault::new(
        problem,
        "check that its directory exists and who may write there",
    )
}

/// A full disk, a quota, no more descriptors or memory: no fault of what stands in the file.
fn is_for_now(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{OutOfMemory, QuotaExceeded, StorageFull};
    /// ENFILE and EMFILE of errno(3), which have no kind of their own.
    const DESCRIPTORS: [i32; 2] = [23, 24];
    [StorageFull, QuotaExceeded, OutOfMemory].contains(&error.kind())
        || error
            .raw_os_error()
            .is_some_and(|errno| DESCRIPTORS.contains(&errno))
}

fn no_file(path: &Path) -> Fault {
    let problem = format!("the state file {} is not a regular file", path.display());
    Fault::new(problem, "name another one under `state`")
}

fn open(path: &Path) -> Result<Database, Fault> {
    let unusable = |error: std::io::Error| unusable(path, &error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(0o600).open(path).map_err(unusable)?;
    let metadata = file.metadata().map_err(unusable)?;
    if !metadata.is_file() {
        return Err(no_file(path));
    }
    let claimed = file.try_clone().map_err(unusable)?;
    let backend = FileBackend::new(file).map_err(|error| refused(path, error))?;
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    // A file that somebody wrote into is found out here, not in the middle of a transaction.
    builder.set_check_integrity_on_open(true);
    let opening = catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(backend)));
    let database = opening
        .unwrap_or_else(|_| {
            Err(DatabaseError::Storage(StorageError::Corrupted(
                "panic".into(),
            )))
        })
        .map_err(|error| refused(path, error))?;
    pages::claim(&database).map_err(|why| match why {
        pages::Unclaimed::Foreign(what) => foreign(path, &what),
        // A full disk is no fault of what stands in the file.
        pages::Unclaimed::Broken(redb::Error::Io(error)) => unusable(error),
        pages::Unclaimed::Broken(error) => damaged(path, &error),
    })?;
    // Only now it is known to be ours.
    if metadata.permissions().mode() & 0o077 != 0 {
        let private = Permissions::from_mode(0o600);
        claimed.set_permissions(private).map_err(unusable)?;
        tracing::warn!(file = %path.display(), "the state file was open to others: it has mode 0600 now");
    }
    Ok(database)
}

fn refused(path: &Path, error: DatabaseError) -> Fault {
    let shown = path.display();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Fault::new(
            match holder::of(path) {
                Some(process) => {
                    format!("the state file {shown} is in use by another process ({process})")
                }
                None => format!("the state file {shown} is in use by another process"),
            },
            "end the other Lazaret, give each its own file, or let both share a Redis: state = \"redis://..\"",
        ),
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            foreign(path, &"it is no redb file")
        }
        DatabaseError::Storage(StorageError::Io(error)) => unusable(path, &error),
        DatabaseError::UpgradeRequired(_) => foreign(path, &"it is a redb file of another age"),
        error => damaged(path, &error),
    }
}

fn foreign(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    let problem = format!("{} is no state of Lazaret: {why}", path.display());
    Fault::new(
        problem,
        "name another file under `state`; nothing was changed in this one",
    )
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    let problem = format!("the state file {} is damaged: {why}", path.display());
    Fault::new(
        problem,
        "put a backup in its place, or move it away to begin with nothing remembered",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;
    use crate::Lies;

    /// Who is told that his file is damaged moves it away, and a service that ends with 2 is not started again.
    #[test]
    fn a_full_disk_is_no_damage() {
        let path = Path::new("state.redb");
        let full = |kind: ErrorKind| DatabaseError::Storage(StorageError::Io(kind.into()));
        for error in [
            full(ErrorKind::StorageFull),
            full(ErrorKind::QuotaExceeded),
            DatabaseError::Storage(StorageError::Io(Error::from_raw_os_error(24))),
        ] {
            let fault = refused(path, error);
            assert_eq!(fault.lies, Lies::InMachine, "{fault}");
            assert!(fault.problem.contains("cannot be opened"), "{fault}");
        }
        let damage = DatabaseError::Storage(StorageError::Corrupted("a page".into()));
        let fault = refused(path, damage);
        assert_eq!(fault.lies, Lies::InConfiguration);
        assert!(fault.problem.contains("is damaged"), "{fault}");
    }
}
