//! Sessions of which nothing is heard, over a store and a registry in memory and a clock that stands.

#[path = "support/followers.rs"]
mod followers;
#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "support/memory.rs"]
mod memory;
#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "support/registry.rs"]
mod registry;
#[path = "support/spool.rs"]
mod spool;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aaa::directory::Directory;
use aaa::follow::{Follow, Followers};
use aaa::metrics::{Count, Metrics};
use aaa::session_table::SessionTable;
use aaa::spooling::Spooling;
use aaa::stale::StaleKeeper;
use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord, SourceId,
    TerminateCause,
};
use domain::id::{NasId, SessionId, SubscriberId, TenantId};
use domain::plan::{InterimInterval, PlanTerms};
use domain::session::{LiveSession, Session};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use crate::followers::followers;
use crate::memory::MemoryStore;
use crate::registry::{MemoryRegistry, NOW, plan, subscriber};
use crate::spool::MemorySpool;

/// The interval of the plan: 3 minutes of silence and one more end a session.
const INTERIM: u32 = 60;

/// The first second in which that has passed, and one for the task to look.
const LIMIT: u64 = 3 * 60 + 60 + 2;

struct Fixture {
    registry: Arc<MemoryRegistry>,
    store: Arc<MemoryStore>,
    sessions: Arc<SessionTable>,
    metrics: Arc<Metrics>,
    spooling: Arc<Spooling<MemoryStore, MemorySpool>>,
    /// Ends with the fixture.
    _tasks: JoinSet<()>,
}

impl Fixture {
    async fn new() -> Self {
        let registry = MemoryRegistry::default();
        let terms = PlanTerms {
            interim: InterimInterval::new(INTERIM).expect("in range"),
            ..PlanTerms::default()
        };
        *registry.plans.lock().expect("nobody panicked") = vec![plan(1, "1M/1M", terms)];
        registry.put(subscriber(1, "ana"));
        let registry = Arc::new(registry);
        let directory = Directory::new([1; 32]);
        directory
            .load(&*registry)
            .await
            .expect("memory does not fail");
        let store = Arc::new(MemoryStore {
            batches: Mutex::default(),
            gate: Semaphore::new(1),
            is_away: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            failures: AtomicUsize::new(0),
        });
        let follow = Follow {
            directory: Arc::new(directory),
            sessions: Arc::default(),
            metrics: Arc::default(),
        };
        let spooling = Arc::new(Spooling::new(
            vec![SourceId([1; 16])],
            Arc::clone(&store),
            Arc::new(MemorySpool::with_room(1_000)),
            Followers {
                sessions: follow.clone(),
                ..followers()
            },
        ));
        let (sessions, metrics) = (Arc::clone(&follow.sessions), Arc::clone(&follow.metrics));
        let mut keeper = StaleKeeper::new(Arc::clone(&registry), Arc::clone(&spooling), follow);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { keeper.run().await });
        Self {
            registry,
            store,
            sessions,
            metrics,
            spooling,
            _tasks: tasks,
        }
    }

    /// A router reports; the database has it then.
    async fn report(&self, key: u8, event: SessionEvent, at: Timestamp) {
        let record = AccountingRecord::Session(record(key, event, at));
        let stored = self.spooling.commit(0, &[record]).await;
        stored.expect("it is stored or spooled");
        if event == SessionEvent::Stop {
            self.forget(key);
        } else {
            self.know(key, at);
        }
    }

    /// The database knows a session until then.
    fn know(&self, key: u8, updated_at: Timestamp) {
        self.forget(key);
        let mut sessions = self.registry.sessions.lock().expect("nobody panicked");
        sessions.push(live(key, updated_at));
    }

    fn forget(&self, key: u8) {
        let mut sessions = self.registry.sessions.lock().expect("nobody panicked");
        sessions.retain(|live| live.session.key != SessionKey([key; 16]));
    }

    /// Lets time pass, a second at a time, as it does.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            advance(Duration::from_secs(1)).await;
            // The task takes its turn before this one goes on.
            sleep(Duration::ZERO).await;
            tokio::task::yield_now().await;
        }
    }

    /// What was closed for its silence, and at which instant.
    fn closed(&self) -> Vec<(u8, Timestamp, Option<TerminateCause>)> {
        let records = self.store.sessions().into_iter();
        let silent = records.filter(|record| record.event == SessionEvent::Silence);
        silent
            .map(|record| (record.key.0[0], record.at, record.terminate_cause))
            .collect()
    }
}

fn record(key: u8, event: SessionEvent, at: Timestamp) -> SessionRecord {
    SessionRecord {
        event,
        tenant: TenantId::DEFAULT,
        nas: NasId::new(NOW, [1; 10]),
        key: SessionKey([key; 16]),
        auth: None,
        terms: None,
        subscriber: Some(SubscriberId::new(NOW, [1; 10])),
        username: "ana".into(),
        at,
        total: UsageAmount::default(),
        terminate_cause: None,
        place: SessionPlace::default(),
    }
}

fn live(key: u8, updated_at: Timestamp) -> LiveSession {
    let record = record(key, SessionEvent::Interim, updated_at);
    LiveSession {
        session: Session {
            id: SessionId::from_bytes([key; 16]),
            key: record.key,
            tenant: record.tenant,
            nas: record.nas,
            auth: None,
            terms: None,
            subscriber: record.subscriber,
            username: record.username.to_string(),
            started_at: NOW,
            updated_at,
            total: record.total,
            place: record.place,
        },
        is_replaced: false,
    }
}

const CAUSE: Option<TerminateCause> = Some(TerminateCause::Stale { seconds: 240 });

#[tokio::test(start_paused = true)]
async fn a_silent_session_is_closed_once_at_its_last_report() {
    let fixture = Fixture::new().await;
    fixture.report(1, SessionEvent::Start, NOW).await;
    fixture.pass(60).await;
    let last = NOW.plus_seconds(60);
    fixture.report(1, SessionEvent::Interim, last).await;
    fixture.pass(LIMIT - 3).await;
    assert_eq!(fixture.closed(), []);
    assert_eq!(fixture.sessions.len(), 1);
    fixture.pass(3).await;
    assert_eq!(fixture.closed(), [(1, last, CAUSE)]);
    assert!(fixture.sessions.is_empty());
    assert_eq!(fixture.metrics.value(Count::SessionSilenced), 1);
    fixture.forget(1);
    fixture.pass(1_000).await;
    assert_eq!(fixture.closed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_reports_is_never_closed() {
    let fixture = Fixture::new().await;
    fixture.report(1, SessionEvent::Start, NOW).await;
    for minute in 1..60 {
        fixture.pass(60).await;
        // The wall clock was set back by a day in between.
        let jump = if minute < 30 { 0 } else { -86_400 };
        let at = NOW.plus_seconds(60 * minute + jump);
        fixture.report(1, SessionEvent::Interim, at).await;
    }
    assert_eq!(fixture.closed(), []);
}

#[tokio::test(start_paused = true)]
async fn what_another_node_heard_keeps_a_session_open() {
    let fixture = Fixture::new().await;
    fixture.report(1, SessionEvent::Start, NOW).await;
    for round in 1..10 {
        fixture.know(1, NOW.plus_seconds(60 * round));
        fixture.pass(200).await;
    }
    assert_eq!(fixture.closed(), []);
    // When it falls silent there as well, this node closes it, later than the other one would.
    fixture.pass(2 * LIMIT + 120).await;
    assert_eq!(fixture.closed(), [(1, NOW.plus_seconds(540), CAUSE)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_another_node_closed_is_forgotten() {
    let fixture = Fixture::new().await;
    fixture.report(1, SessionEvent::Start, NOW).await;
    fixture.forget(1);
    fixture.pass(LIMIT).await;
    assert_eq!(fixture.closed(), []);
    assert!(fixture.sessions.is_empty());
    assert!(fixture.sessions.vigil().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_closed_while_reports_are_spooled() {
    let fixture = Fixture::new().await;
    fixture.report(1, SessionEvent::Start, NOW).await;
    fixture.store.is_away.store(true, Relaxed);
    // This one goes to the spool, so the database does not know of it.
    fixture.report(2, SessionEvent::Start, NOW).await;
    fixture.forget(2);
    fixture.pass(2 * LIMIT).await;
    assert_eq!(fixture.closed(), []);
    assert_eq!(fixture.sessions.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_is_off_loses_all_its_sessions() {
    let fixture = Fixture::new().await;
    for key in 1..=200 {
        fixture.report(key, SessionEvent::Start, NOW).await;
    }
    fixture.pass(LIMIT + 2).await;
    assert_eq!(fixture.closed().len(), 200);
    assert!(fixture.sessions.is_empty());
}
