//! The worker between a database and routers that the test holds.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause,
};
use domain::id::{NasId, TenantId};
use domain::session::{Session, SessionState};
use domain::session_command::verdict::CommandState;
use domain::session_command::{NakCause, RouterAnswer, RouterReply, Wish};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use services::port::{RouterRequest, Routers};
use services::session::{self, Tally};
use services::watch::{Happening, Watch};
use services::worker::Worker;
use services::worker::counts::{Answer, WorkerCounts};
use storage::session::SessionFilter;
use storage::store::{Store, StoreOptions};
use testkit::database::{Database, TestClock};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

testkit::test_on_both_databases!(
    a_kick_is_confirmed_at_once,
    ten_thousand_sessions_end_politely_within_a_minute,
    a_silent_router_holds_nobody_up,
    another_worker_goes_on_with_what_one_leaves,
    a_refused_change_of_speed_leaves_the_session,
    what_happens_to_sessions_is_seen,
);

const TENANT: TenantId = TenantId::DEFAULT;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a router does with questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It ends the session, and reports that.
    Obedient,
    /// It never answers.
    Silent,
    Refusing,
    /// It answers when the test lets it.
    Held,
}

/// Routers, and what they were asked.
struct Lab {
    manners: Mutex<HashMap<NasId, Manner>>,
    asked: Mutex<Vec<(NasId, Wish)>>,
    /// Questions under way at each router, and the most that there were.
    under_way: Mutex<HashMap<NasId, (usize, usize)>>,
    stops: mpsc::Sender<Session>,
    gate: Notify,
}

/// A database, its routers and a worker between them.
struct World {
    store: Store,
    options: StoreOptions,
    lab: Arc<Lab>,
    tasks: JoinSet<()>,
    counts: Arc<WorkerCounts>,
}

impl Routers for Lab {
    async fn ask(&self, request: &RouterRequest) -> RouterReply {
        let nas = request.session.nas;
        self.asked.lock().unwrap().push((nas, request.wish.clone()));
        self.enter(nas);
        let manner = self.manners.lock().unwrap().get(&nas).copied();
        let answer = match manner.unwrap_or(Manner::Obedient) {
            Manner::Obedient => {
                tokio::task::yield_now().await;
                self.stops.send(request.session.clone()).await.unwrap();
                RouterAnswer::Acknowledged
            }
            Manner::Silent => {
                sleep(Duration::from_secs(5)).await;
                RouterAnswer::Silent
            }
            Manner::Refusing => RouterAnswer::Refused(NakCause::Other(501)),
            Manner::Held => {
                self.gate.notified().await;
                self.stops.send(request.session.clone()).await.unwrap();
                RouterAnswer::Acknowledged
            }
        };
        self.leave(nas);
        RouterReply {
            terms: None,
            answer,
            is_last_set: true,
        }
    }
}

impl Lab {
    fn enter(&self, nas: NasId) {
        let mut under_way = self.under_way.lock().unwrap();
        let (now, most) = under_way.entry(nas).or_default();
        *now += 1;
        *most = (*most).max(*now);
    }

    fn leave(&self, nas: NasId) {
        self.under_way.lock().unwrap().get_mut(&nas).unwrap().0 -= 1;
    }

    fn set(&self, router: u16, manner: Manner) {
        self.manners.lock().unwrap().insert(nas(router), manner);
    }

    fn asked_count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl World {
    async fn new(database: &Database) -> Self {
        let begun = Instant::now();
        let clock = move || {
            let micros = i64::try_from(begun.elapsed().as_micros()).unwrap();
            Timestamp::from_micros(TestClock::START.as_micros() + micros)
        };
        let options = StoreOptions {
            clock: Arc::new(clock),
            ..database.store_options()
        };
        let store = Store::open(options.clone()).await.unwrap();
        let (stops, reported) = mpsc::channel(100_000);
        let lab = Arc::new(Lab {
            manners: Mutex::default(),
            asked: Mutex::default(),
            under_way: Mutex::default(),
            stops,
            gate: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(account(store.clone(), Arc::clone(&options.clock), reported));
        Self {
            store,
            options,
            lab,
            tasks,
            counts: Arc::default(),
        }
    }

    /// Starts a worker with a store of its own, as another process would.
    async fn start_worker(&mut self) -> (Store, tokio::task::AbortHandle) {
        let store = Store::open(self.options.clone()).await.unwrap();
        let worker = Worker {
            store: store.clone(),
            routers: Arc::clone(&self.lab),
            clock: Arc::clone(&self.options.clock),
            counts: Arc::clone(&self.counts),
        };
        (store, self.tasks.spawn(worker.run()))
    }

    /// Opens sessions `first..` on these routers, in turn.
    async fn open(&self, first: u32, count: u32, routers: &[u16]) -> Vec<Session> {
        let at = (self.options.clock)();
        let records: Vec<AccountingRecord> = (first..first + count)
            .zip(routers.iter().cycle())
            .map(|(number, router)| record(number, nas(*router), at, SessionEvent::Start))
            .collect();
        for some in records.chunks(1_000) {
            self.store.accounting_commit(some).await.unwrap();
        }
        let filter = SessionFilter::default();
        let found = session::find(&self.store, TENANT, &filter).await.unwrap();
        let is_meant =
            |session: &Session| (first..first + count).contains(&number_of(&session.key));
        found.into_iter().filter(is_meant).collect()
    }
}

/// Takes the Stops of routers in, many at a time, as the journal does.
async fn account(
    store: Store,
    clock: storage::clock::Clock,
    mut reported: mpsc::Receiver<Session>,
) {
    let mut ended = Vec::new();
    while reported.recv_many(&mut ended, 1_000).await != 0 {
        let stops = ended.drain(..).map(|session| {
            let number = number_of(&session.key);
            record(number, session.nas, clock(), SessionEvent::Stop)
        });
        let stops: Vec<AccountingRecord> = stops.collect();
        store.accounting_commit(&stops).await.unwrap();
    }
}

fn nas(router: u16) -> NasId {
    let [high, low] = router.to_be_bytes();
    NasId::new(TestClock::START, [0, 0, 0, 0, 0, 0, 0, 0, high, low])
}

fn number_of(key: &SessionKey) -> u32 {
    let [.., a, b, c, d] = key.0;
    u32::from_be_bytes([a, b, c, d])
}

fn record(number: u32, nas: NasId, at: Timestamp, event: SessionEvent) -> AccountingRecord {
    let mut key = [0; 16];
    key[12..].copy_from_slice(&number.to_be_bytes());
    AccountingRecord::Session(SessionRecord {
        terms: None,
        event,
        tenant: TENANT,
        nas,
        key: SessionKey(key),
        auth: None,
        subscriber: None,
        username: format!("user-{number}").into(),
        at,
        total: UsageAmount::default(),
        terminate_cause: match event {
            SessionEvent::Start | SessionEvent::Interim => None,
            SessionEvent::Stop => Some(TerminateCause::Reported(6)),
            SessionEvent::Silence => Some(TerminateCause::Stale { seconds: 960 }),
        },
        place: SessionPlace {
            acct_session_id: format!("{number:08x}").into(),
            ..SessionPlace::default()
        },
    })
}

async fn a_kick_is_confirmed_at_once(database: Database) {
    let mut world = World::new(&database).await;
    world.start_worker().await;
    let sessions = world.open(0, 50, &[1]).await;
    let mut times = Vec::new();
    for one in sessions.chunks(1) {
        let begun = Instant::now();
        let ids = session::kick(&world.store, one, "test").await.unwrap();
        let known = session::wait(&world.store, &ids, PATIENCE).await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(known[0].state, CommandState::Confirmed);
        assert_eq!(known[0].verdict.as_deref(), Some("ended"));
    }
    times.sort_unstable();
    let slowest = times[times.len() - 1];
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let middle = times[times.len() / 2];
    assert!(middle < Duration::from_secs(1), "{middle:?}");
    assert_eq!(world.counts.answers(Answer::Acknowledged), 50);
    assert_eq!(world.counts.settled(CommandState::Confirmed), 50);
}

async fn ten_thousand_sessions_end_politely_within_a_minute(database: Database) {
    let mut world = World::new(&database).await;
    world.start_worker().await;
    let routers: Vec<u16> = (1..=20).collect();
    let sessions = world.open(0, 10_000, &routers).await;
    assert_eq!(sessions.len(), 10_000);
    let begun = Instant::now();
    let ids = session::kick(&world.store, &sessions, "test")
        .await
        .unwrap();
    let known = session::wait(&world.store, &ids, 2 * PATIENCE)
        .await
        .unwrap();
    let took = begun.elapsed();
    assert!(took < PATIENCE, "{took:?}");
    let expected = Tally {
        confirmed: 10_000,
        ..Tally::default()
    };
    assert_eq!(session::tally(&known), expected);
    assert_eq!(world.lab.asked_count(), 10_000, "each was asked once");
    let under_way = world.lab.under_way.lock().unwrap();
    let most = under_way.values().map(|(_, most)| *most).max();
    assert!(most.is_some_and(|most| most <= 32), "{most:?}");
}

async fn a_silent_router_holds_nobody_up(database: Database) {
    let mut world = World::new(&database).await;
    world.lab.set(1, Manner::Silent);
    let away = world.open(0, 3_000, &[1]).await;
    let there = world.open(3_000, 1, &[2]).await;
    world.start_worker().await;
    let waiting = session::kick(&world.store, &away, "test").await.unwrap();
    let begun = Instant::now();
    let ids = session::kick(&world.store, &there, "test").await.unwrap();
    let known = session::wait(&world.store, &ids, PATIENCE).await.unwrap();
    assert_eq!(known[0].state, CommandState::Confirmed);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    // The router comes back, and what waited for it is carried out.
    let is_waiting = async || {
        let commands = world.store.session_command_many(&waiting).await.unwrap();
        commands
            .iter()
            .any(|command| command.state == CommandState::WaitingRouter)
    };
    let until = Instant::now() + PATIENCE;
    while !is_waiting().await {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(100)).await;
    }
    world.lab.set(1, Manner::Obedient);
    let known = session::wait(&world.store, &waiting, 2 * PATIENCE)
        .await
        .unwrap();
    assert_eq!(session::tally(&known).confirmed, 3_000);
}

async fn another_worker_goes_on_with_what_one_leaves(database: Database) {
    let mut world = World::new(&database).await;
    world.lab.set(1, Manner::Held);
    let sessions = world.open(0, 3, &[1]).await;
    let (store, first) = world.start_worker().await;
    let ids = session::kick(&world.store, &sessions, "test")
        .await
        .unwrap();
    let until = Instant::now() + PATIENCE;
    while world.lab.asked_count() < 3 {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(10)).await;
    }
    first.abort();
    assert_eq!(store.job_release().await.unwrap(), 3);
    world.lab.set(1, Manner::Obedient);
    world.start_worker().await;
    let known = session::wait(&world.store, &ids, PATIENCE).await.unwrap();
    assert_eq!(session::tally(&known).confirmed, 3);
    assert_eq!(world.lab.asked_count(), 6);
}

async fn a_refused_change_of_speed_leaves_the_session(database: Database) {
    let mut world = World::new(&database).await;
    world.lab.set(1, Manner::Refusing);
    world.start_worker().await;
    let sessions = world.open(0, 1, &[1]).await;
    let rate = "1M/2M".parse().unwrap();
    let ids = session::set_rate(&world.store, &sessions, rate, "test").await;
    let known = session::wait(&world.store, &ids.unwrap(), PATIENCE)
        .await
        .unwrap();
    assert_eq!(known[0].verdict.as_deref(), Some("refused"));
    assert_eq!(known[0].error_cause, Some(501));
    let id = sessions[0].id.to_string();
    let found = world.store.session_find(TENANT, &id).await.unwrap();
    assert_eq!(found.unwrap().state, SessionState::Open);
}

async fn what_happens_to_sessions_is_seen(database: Database) {
    let mut world = World::new(&database).await;
    world.start_worker().await;
    world.open(0, 2, &[1]).await;
    let mut watch = Watch::default();
    let filter = SessionFilter {
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    let mut look = async || {
        let events = watch.look(&world.store, TENANT, &filter).await.unwrap();
        let events = events.unwrap().into_iter();
        events
            .map(|event| (event.happening, event.session.user_name, event.wanted))
            .collect::<Vec<_>>()
    };
    assert_eq!(look().await, []);
    let new = world.open(2, 1, &[1]).await;
    let started = (Happening::Started, "user-2".to_owned(), None);
    assert_eq!(look().await, [started]);
    let ids = session::kick(&world.store, &new, "test").await.unwrap();
    let known = timeout(PATIENCE, session::wait(&world.store, &ids, PATIENCE)).await;
    assert_eq!(known.unwrap().unwrap()[0].state, CommandState::Confirmed);
    let at = (world.options.clock)();
    let ends = [
        record(0, nas(1), at, SessionEvent::Stop),
        record(1, nas(1), at.plus_seconds(3_600), SessionEvent::Silence),
    ];
    world.store.accounting_commit(&ends).await.unwrap();
    let seen = look().await;
    let wanted = Some("end it: an operator ends it".to_owned());
    for expected in [
        (Happening::Stopped, "user-0".to_owned(), None),
        (Happening::Stale, "user-1".to_owned(), None),
        (Happening::Kicked, "user-2".to_owned(), wanted),
    ] {
        assert!(seen.contains(&expected), "{seen:?}");
    }
    assert_eq!(seen.len(), 3);
}
