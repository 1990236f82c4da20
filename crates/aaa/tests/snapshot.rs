//! What is copied for a start without the database, and what becomes of a copy that fails.

#[path = "support/registry.rs"]
mod registry;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aaa::directory::Directory;
use aaa::metrics::{Count, Metrics};
use aaa::port::{Clock, Named, PortError, RowsAdded, SnapshotDraft, SnapshotStore};
use aaa::session_table::{OpenSession, SessionTable};
use aaa::snapshot::SnapshotKeeper;
use domain::accounting::{SessionKey, SessionPlace};
use domain::id::{NasId, SubscriberId, TenantId};
use domain::nas::{Nas, NasSettings};
use domain::plan::{Plan, PlanTerms};
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use rows::row::{GroupRows, UserRows};
use tokio::task::JoinSet;

use crate::registry::{MemoryRegistry, NOW, SECRET, address, nas, plan, plan_id, subscriber};

/// A user with more rows than a copy has room for.
const LONG: &str = "long";
const LOADED_AS_OF: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Copies that were finished, and whether there is room for another.
#[derive(Default)]
struct MemorySnapshots {
    finished: Mutex<Vec<Copy>>,
    is_full: AtomicBool,
    is_panicking: AtomicBool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Copy {
    as_of: Timestamp,
    nas: Vec<String>,
    plans: Vec<String>,
    policies: Vec<String>,
    subscribers: Vec<String>,
    rows: Vec<String>,
    sessions: Vec<(SubscriberId, SessionKey)>,
}

struct Draft {
    copy: Copy,
    store: Arc<MemorySnapshots>,
}

struct Place(Arc<MemorySnapshots>);

impl SnapshotStore for Place {
    type Draft = Draft;

    fn begin(&self, as_of: Timestamp) -> Result<Draft, PortError> {
        Ok(Draft {
            copy: Copy {
                as_of,
                ..Copy::default()
            },
            store: Arc::clone(&self.0),
        })
    }
}

impl SnapshotDraft for Draft {
    fn add_nas(&mut self, nas: &Nas) -> Result<(), PortError> {
        assert_eq!(nas.secret.expose(), SECRET);
        self.copy.nas.push(nas.name.to_string());
        Ok(())
    }

    fn add_plan(&mut self, plan: &Plan) -> Result<(), PortError> {
        self.copy.plans.push(plan.name.to_string());
        Ok(())
    }

    fn add_policy(&mut self, policy: &TenantPolicy) -> Result<(), PortError> {
        self.copy.policies.push(policy.language.to_string());
        Ok(())
    }

    fn add_subscriber(&mut self, subscriber: &Subscriber) -> Result<(), PortError> {
        if self.store.is_panicking.swap(false, Relaxed) {
            std::panic::resume_unwind(Box::new("as the test wants it"));
        }
        if self.store.is_full.load(Relaxed) {
            return Err(PortError::outage("write a copy", "the disk is full"));
        }
        self.copy.subscribers.push(subscriber.username.to_string());
        self.copy.subscribers.sort();
        Ok(())
    }

    fn add_row_group(&mut self, group: Named<GroupRows>) -> Result<RowsAdded, PortError> {
        self.copy.rows.push(group.name);
        Ok(RowsAdded::Whole)
    }

    fn add_row_user(&mut self, user: Named<UserRows>) -> Result<RowsAdded, PortError> {
        if user.name == LONG {
            return Ok(RowsAdded::TooLong);
        }
        self.copy.rows.push(user.name);
        Ok(RowsAdded::Whole)
    }

    fn add_session(
        &mut self,
        subscriber: SubscriberId,
        session: &OpenSession,
    ) -> Result<(), PortError> {
        self.copy.sessions.push((subscriber, session.key));
        Ok(())
    }

    fn finish(self) -> Result<(), PortError> {
        let finished = self.store.finished.lock();
        let mut finished = finished.unwrap_or_else(PoisonError::into_inner);
        finished.push(self.copy);
        Ok(())
    }
}

struct StandingClock(Instant);

impl Clock for StandingClock {
    fn timestamp(&self) -> Timestamp {
        NOW
    }

    fn instant(&self) -> Instant {
        self.0
    }
}

struct Fixture {
    snapshots: Arc<MemorySnapshots>,
    keeper: Arc<SnapshotKeeper<Place>>,
    registry: MemoryRegistry,
}

impl Fixture {
    async fn new() -> Self {
        let registry = MemoryRegistry::default();
        *registry.nas.lock().expect("nobody panicked") =
            vec![nas(1, "192.0.2.1", NasSettings::default())];
        *registry.plans.lock().expect("nobody panicked") =
            vec![plan(1, "25M/50M", PlanTerms::default())];
        *registry.policies.lock().expect("nobody panicked") = vec![TenantPolicy {
            language: "sw".parse().expect("a valid tag"),
            ..TenantPolicy::new(TenantId::DEFAULT)
        }];
        registry.put(subscriber(1, "ana"));
        // Its plan is not known, and is not a plan.
        registry.put(Subscriber {
            plan: plan_id(9),
            ..subscriber(2, "bo")
        });
        let rows = registry.row_users.lock();
        rows.expect("nobody panicked")
            .extend(["Bob", LONG].map(|name| (name.to_owned(), UserRows::default())));
        let rows = registry.row_groups.lock();
        rows.expect("nobody panicked")
            .insert("gold".to_owned(), GroupRows::default());
        let snapshots = Arc::new(MemorySnapshots::default());
        let keeper = SnapshotKeeper {
            store: Arc::new(Place(Arc::clone(&snapshots))),
            directory: Arc::new(Directory::new([1; 32])),
            sessions: Arc::new(SessionTable::new()),
            metrics: Arc::new(Metrics::new()),
            clock: Arc::new(StandingClock(Instant::now())),
            loaded_as_of: LOADED_AS_OF,
            progress: Mutex::default(),
        };
        let loaded = keeper.directory.load(&registry).await;
        loaded.expect("memory does not fail");
        Self {
            snapshots,
            keeper: Arc::new(keeper),
            registry,
        }
    }

    fn changed(&self) {
        self.keeper.metrics.count(Count::ChangeApplied);
    }

    async fn finish(&self) {
        Arc::clone(&self.keeper).finish().await;
    }

    fn finished(&self) -> Vec<Copy> {
        let finished = self.snapshots.finished.lock().expect("nobody panicked");
        finished.clone()
    }

    fn counts(&self) -> (u64, u64) {
        let value = |count| self.keeper.metrics.value(count);
        (value(Count::SnapshotWritten), value(Count::SnapshotFailure))
    }
}

#[tokio::test]
async fn a_copy_has_everything_that_answers_come_from() {
    let fixture = Fixture::new().await;
    let id = subscriber(1, "ana").id;
    let key = SessionKey([3; 16]);
    let place = SessionPlace {
        nas_address: Some(address("192.0.2.1")),
        ..SessionPlace::default()
    };
    let session = OpenSession::of(key, NasId::new(NOW, [1; 10]), &place, NOW);
    fixture.keeper.sessions.insert(id, session);
    fixture.keeper.metrics.count(Count::DirectoryReload);
    fixture.finish().await;
    let expected = Copy {
        as_of: NOW,
        nas: vec!["nas-1".into()],
        plans: vec!["plan-1".into()],
        policies: vec!["sw".into()],
        subscribers: vec!["ana".into(), "bo".into()],
        rows: vec!["gold".into(), "Bob".into()],
        sessions: vec![(id, key)],
    };
    assert_eq!(fixture.finished(), [expected]);
    // There is nothing new to copy.
    fixture.finish().await;
    assert_eq!(fixture.counts(), (1, 0));
    let left_out = fixture.keeper.metrics.value(Count::SnapshotRowsLeftOut);
    assert_eq!(left_out, 1);
}

#[tokio::test]
async fn a_directory_that_came_from_a_snapshot_is_no_newer_than_that() {
    let fixture = Fixture::new().await;
    fixture.keeper.metrics.count(Count::SpoolAdded);
    fixture.finish().await;
    fixture.keeper.metrics.count(Count::DirectoryReload);
    fixture.finish().await;
    let as_of: Vec<_> = fixture.finished().iter().map(|copy| copy.as_of).collect();
    assert_eq!(as_of, [LOADED_AS_OF, NOW]);
}

#[tokio::test]
async fn a_copy_that_fails_or_panics_is_counted_and_tried_again() {
    let fixture = Fixture::new().await;
    fixture.changed();
    fixture.snapshots.is_full.store(true, Relaxed);
    fixture.finish().await;
    fixture.finish().await;
    assert_eq!((fixture.counts(), fixture.finished()), ((0, 2), vec![]));
    fixture.snapshots.is_full.store(false, Relaxed);
    fixture.snapshots.is_panicking.store(true, Relaxed);
    fixture.finish().await;
    assert_eq!((fixture.counts(), fixture.finished()), ((0, 3), vec![]));
    fixture.registry.put(subscriber(3, "cy"));
    let loaded = fixture.keeper.directory.load(&fixture.registry).await;
    loaded.expect("memory does not fail");
    fixture.finish().await;
    assert_eq!(fixture.counts(), (1, 3));
    assert_eq!(fixture.finished()[0].subscribers, ["ana", "bo", "cy"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_copied_within_a_minute_and_many_changes_once() {
    let fixture = Fixture::new().await;
    fixture.keeper.metrics.count(Count::DirectoryReload);
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&fixture.keeper).run());
    wait_for_copies(&fixture, 1).await;
    for _ in 0..1_000 {
        fixture.changed();
    }
    let begun = tokio::time::Instant::now();
    wait_for_copies(&fixture, 2).await;
    assert!(begun.elapsed().as_secs() <= 60, "{:?}", begun.elapsed());
}

/// Lets time pass until there are so many copies, and no more.
async fn wait_for_copies(fixture: &Fixture, count: usize) {
    while fixture.finished().len() < count {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(fixture.finished().len(), count);
}
