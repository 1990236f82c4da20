//! Puts a node together: sockets, workers, journal, log writer and the directory that follows.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::accounting::SourceId;
use domain::change::Change;
use domain::time::Timestamp;
use rand::Rng;
use rows::row::Mode;
use tokio::sync::Mutex;
use tracing::{error, info};

use crate::auth_log::LogWriter;
use crate::auth_log::handover::{self, Handover};
use crate::claims::{self, Claimer};
use crate::directory::Directory;
use crate::dynamic_authorization::Sender;
use crate::engine::{Context, Role};
use crate::follow::Followers;
use crate::guard::{Guard, GuardOptions};
use crate::inbox::{self, Inbox, Outlet};
use crate::journal::{self, Journal};
use crate::limits::{LimitKeeper, LimitTable};
use crate::metrics::{Count, Metrics};
use crate::port::{
    AccountingStore, AuthLogStore, ChangeFeed, Clock, CommandDesk, DeviceStore, GuardBoard,
    LimitStore, PortError, Registry, SessionBoard, Spool,
};
use crate::relay::RelayOptions;
use crate::rights::Rights;
use crate::rights::concerns::Concerns;
use crate::rights::keeper::RightsKeeper;
use crate::session_table::SessionTable;
use crate::socket::{self, BindError, Listener};
use crate::spooling::{SpoolState, Spooling};
use crate::verifier::Verifier;
use crate::worker::Worker;

mod beside;
mod routers;

/// Addresses that one node may listen on.
pub const LISTENERS_MAX: usize = 64;

/// Sessions read from the registry at a time.
const SESSION_PAGE: u32 = 10_000;

/// Wait before the change feed is tried again after a failure; doubled each time up to the most,
/// because every attempt loads everything.
const FEED_RETRY: Duration = Duration::from_millis(500);
const FEED_RETRY_MAX: Duration = Duration::from_secs(8);

/// A feed that has not failed for so long after a failure is taken for mended.
const FEED_TRIAL: Duration = Duration::from_secs(2);

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub auth: Vec<SocketAddr>,
    pub acct: Vec<SocketAddr>,
    /// Threads that serve packets, at least 1.
    pub workers: usize,
    /// How long an Access-Reject is held back; less than a router's timeout.
    pub reject_delay: Duration,
    /// How the rows of FreeRADIUS' tables are obeyed; without it, as the installation says.
    pub rows: Option<Mode>,
    pub guard: GuardOptions,
    /// Where local tools hand in requests for routers.
    pub relay: Option<RelayOptions>,
}

/// What the node works with outside of itself.
pub struct Ports<R, A, S, L, F> {
    pub registry: Arc<R>,
    pub accounting: Arc<A>,
    pub spool: Arc<S>,
    pub log: Arc<L>,
    pub feed: F,
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(
        "{count} listen addresses are more than {LISTENERS_MAX}: name fewer in radius.auth and radius.acct"
    )]
    ListenersTooMany { count: usize },
    #[error("the registry could not be loaded")]
    Load(#[source] PortError),
    #[error("the packet threads could not be started")]
    Thread(#[source] io::Error),
    #[error("no port could be opened to speak with routers")]
    Carrier(#[source] io::Error),
}

/// A task that must run as long as the node.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a task, and after a panic starts it again: what it works with is kept.
pub type Restartable = Box<dyn Fn() -> Task + Send>;

/// The tasks of a node, to be run and watched by the program.
pub struct Tasks {
    /// Ends by itself when the workers have stopped and everything is stored. It is not started
    /// again: what it had taken is not acknowledged, and routers repeat it to the next process.
    pub journal: Task,
    /// Ends by itself when the workers have stopped and everything is written.
    pub log: Restartable,
    /// Moves what is in the spool to the database. Ends when the journal has ended.
    pub drain: Restartable,
    /// Never ends.
    pub follower: Restartable,
    /// Look after sessions, and speak with routers and local tools, each with its name. None of them
    /// ends.
    pub beside: Vec<(&'static str, Restartable)>,
    /// Never ends.
    pub limits: Restartable,
    /// Binds new devices. Never ends.
    pub claims: Restartable,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    pub auth: Vec<SocketAddr>,
    pub acct: Vec<SocketAddr>,
    pub directory: Arc<Directory>,
    pub sessions: Arc<SessionTable>,
    pub limits: Arc<LimitTable>,
    pub metrics: Arc<Metrics>,
    pub spool: Arc<SpoolState>,
    pub rights: Rights,
    concerns: Arc<Concerns>,
    /// Where routers are asked to end or change sessions.
    pub sender: Sender,
    /// Where local tools are heard; absent also while the address cannot be had.
    pub relay: Option<SocketAddr>,
    stop: Arc<AtomicBool>,
    outlets: Vec<Outlet>,
    threads: Vec<JoinHandle<()>>,
}

impl Node {
    /// Opens the sockets, loads the directory, and serves. The change feed must have been opened
    /// before, so that nothing between loading and following is missed.
    pub async fn start<R, A, S, L, F>(
        options: &NodeOptions,
        ports: Ports<R, A, S, L, F>,
    ) -> Result<(Self, Tasks), StartError>
    where
        R: Registry + SessionBoard + GuardBoard + DeviceStore,
        A: AccountingStore + LimitStore,
        S: Spool,
        L: AuthLogStore,
        F: ChangeFeed,
    {
        let mut blank = Blank::open(options, ports)?;
        blank.spooling.drain_at_start().await;
        let now = blank.clock.timestamp();
        let loaded = load(&blank.context, &*blank.registry, now).await;
        loaded.map_err(StartError::Load)?;
        let loaded = blank.keeper.load().await;
        loaded.map_err(StartError::Load)?;
        blank.context.metrics.count(Count::DirectoryReload);
        blank.serve(options)
    }

    /// Does the same with the directory of a snapshot, while the registry is away. The change feed
    /// must begin with [`Change::Everything`] when the registry is back.
    pub async fn start_from_snapshot<R, A, S, L, F, I>(
        options: &NodeOptions,
        ports: Ports<R, A, S, L, F>,
        snapshot: &I,
    ) -> Result<(Self, Tasks), StartError>
    where
        R: Registry + SessionBoard + GuardBoard + DeviceStore,
        A: AccountingStore + LimitStore,
        S: Spool,
        L: AuthLogStore,
        F: ChangeFeed,
        I: Registry,
    {
        let blank = Blank::open(options, ports)?;
        let now = blank.clock.timestamp();
        let loaded = load(&blank.context, snapshot, now).await;
        loaded.map_err(StartError::Load)?;
        blank.serve(options)
    }

    /// The task that keeps open sessions on the terms that are due. It never ends.
    pub fn rights_task<B: SessionBoard, D: CommandDesk>(
        &self,
        board: Arc<B>,
        desk: Arc<D>,
        clock: Arc<dyn Clock>,
    ) -> Restartable {
        let keeper = RightsKeeper::new(
            self.rights.clone(),
            Arc::clone(&self.sessions),
            Arc::clone(&self.concerns),
            (board, desk),
            Arc::clone(&self.metrics),
            clock,
        );
        restartable(keeper, |keeper| Box::pin(keeper.run()))
    }

    /// Tells the workers to finish what they have and stop. The journal and the log must go on
    /// until their tasks end.
    pub fn stop(&self) {
        stop_workers(&self.stop, &self.outlets);
    }

    /// Waits for the workers; blocks the thread.
    pub fn join(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("A packet worker ended by a panic");
            }
        }
    }
}

/// A node whose sockets are open and whose directory is empty.
struct Blank<R, A, S, L, F> {
    sets: Vec<Vec<Listener>>,
    context: Context,
    spooling: Arc<Spooling<A, S>>,
    keeper: LimitKeeper<A>,
    registry: Arc<R>,
    log: Arc<L>,
    feed: F,
    clock: Arc<dyn Clock>,
}

impl<R, A, S, L, F> Blank<R, A, S, L, F>
where
    R: Registry + SessionBoard + GuardBoard + DeviceStore,
    A: AccountingStore + LimitStore,
    S: Spool,
    L: AuthLogStore,
    F: ChangeFeed,
{
    fn open(options: &NodeOptions, ports: Ports<R, A, S, L, F>) -> Result<Self, StartError> {
        let sets = open_listeners(options)?;
        let metrics = Arc::new(Metrics::new());
        let context = Context {
            directory: Arc::new(Directory::new(draw()).obeying(options.rows)),
            sessions: Arc::new(SessionTable::new()),
            limits: Arc::new(LimitTable::new(Arc::clone(&metrics))),
            metrics,
            reject_delay: options.reject_delay,
            guard: Arc::new(Guard::new(options.guard, ports.clock.instant())),
            conversations: Arc::default(),
        };
        let lanes = ports.accounting.lanes().max(1);
        let keeper = LimitKeeper::new(
            Arc::clone(&ports.accounting),
            Arc::clone(&context.limits),
            Arc::clone(&context.directory),
            Arc::clone(&context.metrics),
        );
        let followers = Followers {
            sessions: context.follow(),
            limits: Arc::clone(&context.limits),
            clock: Arc::clone(&ports.clock),
        };
        let spooling = Arc::new(Spooling::new(
            (0..lanes).map(|_| SourceId(draw())).collect(),
            ports.accounting,
            ports.spool,
            followers,
        ));
        Ok(Self {
            sets,
            context,
            spooling,
            keeper,
            registry: ports.registry,
            log: ports.log,
            feed: ports.feed,
            clock: ports.clock,
        })
    }

    fn serve(self, options: &NodeOptions) -> Result<(Node, Tasks), StartError> {
        let Self {
            sets,
            context,
            spooling,
            keeper,
            registry,
            log,
            feed,
            clock,
        } = self;
        let addresses = |role| addresses_of(&sets, role);
        let (auth, acct) = (addresses(Role::Authentication), addresses(Role::Accounting));
        let routers = routers::open(options, &context, &registry, &auth, &clock)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (journal_queue, journal_receiver) = journal::channel();
        let (handovers, intake) = handover::channel(sets.len(), &context.metrics);
        let verifier = Verifier::start(options.workers).map_err(StartError::Thread)?;
        let (claims, queue) = claims::channel();
        let crew = Crew {
            context: context.clone(),
            journal: journal_queue,
            verifier,
            claims,
            clock: Arc::clone(&clock),
            stop: Arc::clone(&stop),
        };
        let (outlets, threads) = crew.start(sets, handovers).map_err(StartError::Thread)?;
        let journal = Journal {
            store: Arc::clone(&spooling),
            queue: journal_receiver,
            outlets: outlets.clone(),
        };
        let log = LogWriter::new(log, intake, outlets.clone(), Arc::clone(&context.metrics));
        let beside = beside::tasks(&context, &registry, &spooling, &clock);
        let beside = beside.into_iter().chain(routers.tasks).collect();
        let claimer = Claimer::new(Arc::clone(&registry), queue, Arc::clone(&context.metrics));
        let follower = Follower::new(&context, registry, feed);
        let concerns = Arc::clone(&follower.concerns);
        let spool = spooling.state();
        let tasks = Tasks {
            drain: restartable(Arc::clone(&spooling), |drain| Box::pin(drain.run())),
            journal: Box::pin(async move {
                journal.run().await;
                spooling.finish();
            }),
            log: restartable(log, |log| Box::pin(log.run())),
            follower: restartable(follower, |follower| Box::pin(follower.run())),
            beside,
            limits: restartable(keeper, |keeper| Box::pin(keeper.run())),
            claims: restartable(claimer, |claimer| Box::pin(claimer.run())),
        };
        let node = Node {
            rights: Rights::new(Arc::clone(&context.directory), Arc::clone(&context.limits)),
            auth,
            acct,
            directory: context.directory,
            sessions: context.sessions,
            limits: context.limits,
            metrics: context.metrics,
            spool,
            concerns,
            sender: routers.sender,
            relay: routers.relay,
            stop,
            outlets,
            threads,
        };
        Ok((node, tasks))
    }
}

/// Keeps what a task works with, so that another one goes on with it after a panic.
fn restartable<W: Send + 'static>(
    work: W,
    run: for<'w> fn(&'w mut W) -> Pin<Box<dyn Future<Output = ()> + Send + 'w>>,
) -> Restartable {
    let work = Arc::new(Mutex::new(work));
    Box::new(move || {
        let work = Arc::clone(&work);
        Box::pin(async move { run(&mut *work.lock().await).await })
    })
}

/// What all workers share.
struct Crew {
    context: Context,
    journal: journal::Sender,
    verifier: Verifier,
    claims: claims::Sender,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
}

impl Crew {
    /// Starts a worker for each set of listeners; all of them or none.
    fn start(
        self,
        sets: Vec<Vec<Listener>>,
        handovers: Vec<Handover>,
    ) -> io::Result<(Vec<Outlet>, Vec<JoinHandle<()>>)> {
        let mut outlets = Vec::new();
        let mut threads = Vec::new();
        for (index, (listeners, log)) in sets.into_iter().zip(handovers).enumerate() {
            match self.start_worker(index, listeners, log) {
                Ok((outlet, thread)) => {
                    outlets.push(outlet);
                    threads.push(thread);
                }
                Err(problem) => {
                    stop_workers(&self.stop, &outlets);
                    return Err(problem);
                }
            }
        }
        Ok((outlets, threads))
    }

    fn start_worker(
        &self,
        index: usize,
        listeners: Vec<Listener>,
        log: Handover,
    ) -> io::Result<(Outlet, JoinHandle<()>)> {
        let (outlet, inbox): (Outlet, Inbox) = inbox::channel()?;
        let worker = Worker {
            index,
            context: self.context.clone(),
            listeners,
            inbox,
            outlet: outlet.clone(),
            journal: self.journal.clone(),
            log,
            verifier: self.verifier.clone(),
            claims: self.claims.clone(),
            clock: Arc::clone(&self.clock),
            stop: Arc::clone(&self.stop),
            seed: draw(),
        };
        let builder = thread::Builder::new().name(format!("radius-{index}"));
        Ok((outlet, builder.spawn(move || worker.run())?))
    }
}

fn stop_workers(stop: &AtomicBool, outlets: &[Outlet]) {
    stop.store(true, Relaxed);
    for outlet in outlets {
        outlet.wake();
    }
}

fn open_listeners(options: &NodeOptions) -> Result<Vec<Vec<Listener>>, StartError> {
    let count = options.auth.len() + options.acct.len();
    if LISTENERS_MAX < count {
        return Err(StartError::ListenersTooMany { count });
    }
    let workers = options.workers.max(1);
    let mut sets: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    let auth = options
        .auth
        .iter()
        .map(|address| (address, Role::Authentication));
    let acct = options
        .acct
        .iter()
        .map(|address| (address, Role::Accounting));
    for (address, role) in auth.chain(acct) {
        let listeners = socket::bind(*address, role, workers)?;
        for (set, listener) in sets.iter_mut().zip(listeners) {
            set.push(listener);
        }
    }
    Ok(sets)
}

fn addresses_of(sets: &[Vec<Listener>], role: Role) -> Vec<SocketAddr> {
    let first = sets.first().into_iter().flatten();
    first
        .filter(|listener| listener.role == role)
        .map(|listener| listener.socket.address())
        .collect()
}

async fn load<R: Registry>(
    context: &Context,
    registry: &R,
    now: Timestamp,
) -> Result<(), PortError> {
    fill(context, registry, now).await?;
    context.directory.tell_namesakes();
    info!(
        subscribers = context.directory.subscriber_count(),
        row_users = context.directory.rows().user_count(),
        nas = context.directory.nas_count(),
        sessions = context.sessions.len(),
        "Loaded the directory"
    );
    Ok(())
}

/// Brings the directory and the open sessions up to the registry.
pub(crate) async fn fill<R: Registry>(
    context: &Context,
    registry: &R,
    now: Timestamp,
) -> Result<(), PortError> {
    context.directory.read(registry).await?;
    let follow = context.follow();
    let mut after = None;
    loop {
        let page = registry.session_page(after, SESSION_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.session.id);
        for session in &page {
            follow.loaded(session, now);
        }
    }
    Ok(())
}

/// Applies changes as they come. A failure is tried again with everything, because what was read
/// from the feed may not have been applied.
struct Follower<R, F> {
    context: Context,
    /// Who looks at the sessions that changes concern.
    concerns: Arc<Concerns>,
    registry: Arc<R>,
    feed: F,
    /// It was running before: what it had read from the feed may not have been applied.
    has_run: bool,
}

impl<R: Registry, F: ChangeFeed> Follower<R, F> {
    fn new(context: &Context, registry: Arc<R>, feed: F) -> Self {
        Self {
            context: context.clone(),
            concerns: Arc::default(),
            registry,
            feed,
            has_run: false,
        }
    }

    /// Never ends. After a panic it may be called again.
    async fn run(&mut self) {
        if std::mem::replace(&mut self.has_run, true) {
            self.recover().await;
        }
        loop {
            let Err(problem) = self.follow_once().await else {
                continue;
            };
            self.context.metrics.count(Count::ChangeFailure);
            error!(
                error = &problem as &dyn std::error::Error,
                "Changes cannot be followed; answers come from what is known"
            );
            self.recover().await;
            info!("Changes are followed again");
        }
    }

    async fn follow_once(&mut self) -> Result<(), PortError> {
        let changes = self.feed.next().await?;
        apply(&self.context, &*self.registry, &changes).await?;
        self.concerns.note(&changes);
        Ok(())
    }

    /// Loads everything, however long it takes until that is possible.
    async fn recover(&mut self) {
        let mut wait = FEED_RETRY;
        loop {
            tokio::time::sleep(wait).await;
            match catch_up(&self.context, &*self.registry, &mut self.feed).await {
                Ok(()) => return self.concerns.note_everything(),
                Err(_) => self.context.metrics.count(Count::ChangeFailure),
            }
            wait = FEED_RETRY_MAX.min(2 * wait);
        }
    }
}

/// Loads everything, then sees whether the feed holds: a feed that fails at once is not followed.
async fn catch_up<R: Registry, F: ChangeFeed>(
    context: &Context,
    registry: &R,
    feed: &mut F,
) -> Result<(), PortError> {
    context.directory.load(registry).await?;
    context.metrics.count(Count::DirectoryReload);
    match tokio::time::timeout(FEED_TRIAL, feed.next()).await {
        Ok(changes) => apply(context, registry, &changes?).await,
        // Nothing to follow is no failure.
        Err(_) => Ok(()),
    }
}

async fn apply<R: Registry>(
    context: &Context,
    registry: &R,
    changes: &[Change],
) -> Result<(), PortError> {
    let applied = context.directory.apply(registry, changes).await?;
    context.metrics.add(Count::ChangeApplied, applied as u64);
    if changes.contains(&Change::Everything) {
        context.metrics.count(Count::DirectoryReload);
        info!(
            subscribers = context.directory.subscriber_count(),
            nas = context.directory.nas_count(),
            "Loaded the directory again"
        );
    }
    Ok(())
}

fn draw<const LEN: usize>() -> [u8; LEN] {
    let mut octets = [0; LEN];
    rand::rng().fill_bytes(&mut octets);
    octets
}
