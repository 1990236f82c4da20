//! The authentication log from the workers to the store, on a clock that the test holds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aaa::auth_log::LogWriter;
use aaa::auth_log::fold::{Conclusion, Fold, SINGLE_MAX};
use aaa::auth_log::handover::{self, Handover};
use aaa::inbox::{self, Inbox};
use aaa::metrics::{Count, Metrics};
use aaa::port::{AuthLogStore, PortError};
use domain::access::{Method, Trace};
use domain::auth_log::{AuthLogEntry, AuthOutcome, Knock};
use domain::id::{AuthId, NasId, TenantId};
use domain::time::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const RESTART_PAUSE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);

/// An unknown sender.
const KNOCK: Knock = Knock {
    source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    last_at: START,
    packets: 7,
};

/// The user whose entries the store does not take.
const REFUSED: &str = "refused";

/// The user whose entries the store panics with.
const POISON: &str = "poison";

#[derive(Default)]
struct TestStore {
    entries: Mutex<Vec<AuthLogEntry>>,
    batches: Mutex<Vec<usize>>,
    knocks: Mutex<Vec<Knock>>,
    busy: Mutex<Duration>,
    /// How long each batch takes.
    takes: Mutex<Duration>,
    is_away: AtomicBool,
    refuses_all: AtomicBool,
    /// It panics so many times, with the batch stored or not in turn.
    panics: AtomicUsize,
}

impl AuthLogStore for TestStore {
    async fn append(&self, entries: &[&AuthLogEntry], knocks: &[Knock]) -> Result<(), PortError> {
        let takes = *self.takes.lock().expect("nobody panicked");
        sleep(takes).await;
        if self.is_away.load(Relaxed) {
            return Err(PortError::outage("append", "nobody listens"));
        }
        let is_of = |entry: &&AuthLogEntry, user| entry.username.as_deref() == Some(user);
        if entries.iter().any(|entry| is_of(entry, POISON)) {
            panic_on_purpose();
        }
        let is_refused = |entry: &&AuthLogEntry| is_of(entry, REFUSED);
        if self.refuses_all.load(Relaxed) || entries.iter().any(is_refused) {
            return Err(PortError::new("append", "a value does not fit"));
        }
        let panics = self.panics.load(Relaxed);
        self.panics.store(panics.saturating_sub(1), Relaxed);
        if panics % 2 == 1 {
            panic_on_purpose();
        }
        *self.busy.lock().expect("nobody panicked") += takes;
        self.knocks
            .lock()
            .expect("nobody panicked")
            .extend_from_slice(knocks);
        if !entries.is_empty() {
            let mut batches = self.batches.lock().expect("nobody panicked");
            batches.push(entries.len());
        }
        let mut stored = self.entries.lock().expect("nobody panicked");
        for entry in entries {
            if stored.iter().all(|other| other.id != entry.id) {
                stored.push((*entry).clone());
            }
        }
        drop(stored);
        if panics != 0 {
            panic_on_purpose();
        }
        Ok(())
    }
}

fn panic_on_purpose() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

impl TestStore {
    fn rows(&self) -> usize {
        self.entries.lock().expect("nobody panicked").len()
    }

    fn decisions(&self) -> u64 {
        let entries = self.entries.lock().expect("nobody panicked");
        entries.iter().map(|entry| entry.count).sum()
    }
}

/// A worker without sockets.
struct TestWorker {
    handover: Handover,
    inbox: Inbox,
    fold: Fold,
}

struct Harness {
    store: Arc<TestStore>,
    metrics: Arc<Metrics>,
    workers: Vec<TestWorker>,
    writer: JoinSet<()>,
    decided: u64,
}

impl Harness {
    fn start(workers: usize) -> Self {
        let store = Arc::new(TestStore::default());
        let metrics = Arc::new(Metrics::new());
        let (handovers, intake) = handover::channel(workers, &metrics);
        let (outlets, inboxes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| inbox::channel().expect("the system gives an event"))
            .unzip();
        let writer = LogWriter::new(Arc::clone(&store), intake, outlets, Arc::clone(&metrics));
        let mut tasks = JoinSet::new();
        tasks.spawn(run_again_after_panics(writer));
        let workers = handovers.into_iter().zip(inboxes);
        Self {
            store,
            metrics,
            workers: workers
                .map(|(handover, inbox)| TestWorker {
                    fold: handover.fold(),
                    handover,
                    inbox,
                })
                .collect(),
            writer: tasks,
            decided: 0,
        }
    }

    /// A worker accepts a user.
    fn decide(&mut self, worker: usize, user: &str) {
        self.decided += 1;
        let worker = &mut self.workers[worker];
        let micros = i64::try_from(self.decided).expect("a few");
        worker.fold.note(&Conclusion {
            id: AuthId::from_bytes(u128::from(self.decided).to_be_bytes()),
            at: Timestamp::from_micros(START.as_micros() + micros),
            tenant: TenantId::DEFAULT,
            nas: NasId::new(START, [1; 10]),
            subscriber: None,
            user_name: user.as_bytes(),
            method: Method::Pap,
            outcome: AuthOutcome::Accepted,
            trace: &Trace::new(),
            calling_station: None,
            called_station: None,
        });
        worker.handover.offer(&mut worker.fold);
    }

    /// Lets time pass; the workers look around when they are woken.
    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(STEP).await;
            self.look_around();
        }
    }

    fn look_around(&mut self) {
        for worker in &mut self.workers {
            let _nothing_else = worker.inbox.drain().count();
            worker.handover.offer(&mut worker.fold);
        }
    }

    /// Lets time pass until everything is stored; says how long that was.
    async fn pass_until_stored(&mut self) -> Duration {
        let begin = Instant::now();
        while self.store.decisions() + self.count(Count::AuthLogLost) < self.decided {
            assert!(begin.elapsed() < 10 * MINUTE, "it is never stored");
            self.pass(STEP).await;
        }
        begin.elapsed()
    }

    fn count(&self, count: Count) -> u64 {
        self.metrics.value(count)
    }

    /// Ends the workers and waits for the writer.
    async fn stop(mut self) -> (Arc<TestStore>, Arc<Metrics>, Duration) {
        let begin = Instant::now();
        for TestWorker { handover, fold, .. } in &mut self.workers {
            handover.finish(fold);
        }
        self.workers.clear();
        let ended = self.writer.join_next().await.expect("there is one writer");
        ended.expect("the writer does not panic");
        (self.store, self.metrics, begin.elapsed())
    }
}

/// Runs the writer as the program does.
async fn run_again_after_panics(writer: LogWriter<TestStore>) {
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    loop {
        let writer = Arc::clone(&writer);
        let mut one = JoinSet::new();
        one.spawn(async move { writer.lock().await.run().await });
        if matches!(one.join_next().await, Some(Ok(()))) {
            return;
        }
        sleep(RESTART_PAUSE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_stored_a_moment_later_with_those_of_other_workers() {
    let mut harness = Harness::start(3);
    for worker in [2, 0, 1, 0] {
        harness.decide(worker, "ana");
    }
    assert!(harness.pass_until_stored().await <= Duration::from_millis(60));
    let ids: Vec<_> = {
        let entries = harness.store.entries.lock().expect("nobody panicked");
        let ids = entries.iter().map(|entry| entry.id.as_uuid().as_u128());
        ids.collect()
    };
    assert_eq!(ids, [1, 2, 3, 4], "in the order in which they were made");
    assert_eq!(*harness.store.batches.lock().expect("nobody panicked"), [4]);
    harness.decide(1, "ana");
    assert!(harness.pass_until_stored().await <= Duration::from_millis(60));
    assert_eq!(harness.count(Count::AuthLogWritten), 5);
    assert_eq!(harness.count(Count::AuthLogCoalesced), 0);
    assert_eq!(harness.count(Count::AuthLogLost), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_while_the_store_is_away_is_kept_and_stored_when_it_is_back() {
    const USERS: u64 = 100;
    const ROUNDS: u64 = 500;
    let mut harness = Harness::start(2);
    harness.store.is_away.store(true, Relaxed);
    for round in 0..ROUNDS {
        for user in 0..USERS {
            let worker = usize::from(user % 2 == 0);
            harness.decide(worker, &format!("user{user}"));
        }
        harness.pass(Duration::from_millis(round % 40)).await;
    }
    harness.pass(MINUTE).await;
    assert_eq!(harness.store.rows(), 0);
    harness.store.is_away.store(false, Relaxed);
    assert!(harness.pass_until_stored().await <= Duration::from_secs(5));
    assert_eq!(harness.count(Count::AuthLogLost), 0);
    assert_eq!(harness.store.decisions(), USERS * ROUNDS);
    let rows = harness.store.rows() as u64;
    assert!(
        rows <= 3 * 2 * (SINGLE_MAX as u64 + USERS),
        "{rows} rows were kept"
    );
    assert_eq!(harness.count(Count::AuthLogWritten), rows);
    assert_eq!(
        harness.count(Count::AuthLogCoalesced),
        USERS * ROUNDS - rows
    );
    let mut by_user = HashMap::<_, u64>::new();
    for entry in &*harness.store.entries.lock().expect("nobody panicked") {
        *by_user.entry(entry.username.clone()).or_default() += entry.count;
    }
    assert_eq!(by_user.len() as u64, USERS);
    assert!(by_user.values().all(|count| *count == ROUNDS));
}

#[tokio::test(start_paused = true)]
async fn under_load_the_writer_takes_a_tenth_of_the_time_and_loses_nothing() {
    const USERS: u32 = 20_000;
    let mut harness = Harness::start(1);
    *harness.store.takes.lock().expect("nobody panicked") = Duration::from_millis(10);
    let begin = Instant::now();
    for round in 0..40 {
        for user in 0..USERS {
            harness.decide(0, &format!("user{user}"));
            if user % 500 == 0 {
                harness.pass(STEP).await;
            }
        }
        assert!(round == 0 || 0 < harness.store.rows());
    }
    let share = harness
        .store
        .busy
        .lock()
        .expect("nobody panicked")
        .as_secs_f64()
        / begin.elapsed().as_secs_f64();
    assert!((0.05..0.11).contains(&share), "{share}");
    let sizes = harness
        .store
        .batches
        .lock()
        .expect("nobody panicked")
        .clone();
    assert!(sizes.iter().all(|size| *size <= 1_024), "{sizes:?}");
    let decided = harness.decided;
    let (store, metrics, time) = harness.stop().await;
    assert_eq!(store.decisions(), decided);
    assert_eq!(metrics.value(Count::AuthLogLost), 0);
    assert!(
        time < Duration::from_secs(1),
        "no rest at the end: {time:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_refused_does_not_keep_out_the_others() {
    let mut harness = Harness::start(1);
    for number in 0..900 {
        harness.decide(0, if number == 700 { REFUSED } else { "ana" });
    }
    assert!(harness.pass_until_stored().await < Duration::from_secs(1));
    assert_eq!(harness.count(Count::AuthLogLost), 1);
    assert_eq!(harness.store.decisions(), 899);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_panicked_goes_on_and_loses_and_repeats_nothing() {
    let mut harness = Harness::start(2);
    for panics in 1..=4 {
        for number in 0..900 {
            harness.decide(number % 2, "ana");
        }
        harness.store.panics.store(panics, Relaxed);
        // What is stored may not be known to be: it is written again, and ignored.
        harness.pass(10 * RESTART_PAUSE).await;
        assert_eq!(harness.store.panics.load(Relaxed), 0);
        assert_eq!(harness.store.decisions(), harness.decided);
    }
    let decided = harness.decided;
    let (store, metrics, _) = harness.stop().await;
    assert_eq!(store.decisions(), decided);
    assert_eq!(metrics.value(Count::AuthLogWritten), decided);
    assert_eq!(metrics.value(Count::AuthLogLost), 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_the_writer_panics_with_does_not_keep_out_the_others() {
    let mut harness = Harness::start(1);
    for number in 0..900 {
        harness.decide(0, if number == 700 { POISON } else { "ana" });
    }
    assert!(harness.pass_until_stored().await < 20 * RESTART_PAUSE);
    assert_eq!(harness.count(Count::AuthLogLost), 1);
    assert_eq!(harness.store.decisions(), 899);
    harness.decide(0, "ana");
    assert!(harness.pass_until_stored().await <= Duration::from_millis(60));
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_panics_again_and_again_does_not_keep_up_a_stop() {
    let mut harness = Harness::start(1);
    for _ in 0..900 {
        harness.decide(0, POISON);
    }
    harness.workers[0].handover.report(vec![KNOCK]);
    let (store, metrics, time) = harness.stop().await;
    assert_eq!(store.decisions(), 0);
    assert_eq!(metrics.value(Count::AuthLogLost), 900);
    assert!(time <= Duration::from_secs(10), "{time:?}");
    assert_eq!(*store.knocks.lock().expect("nobody panicked"), [KNOCK]);
}

#[tokio::test(start_paused = true)]
async fn unknown_senders_that_the_writer_panics_with_are_counted() {
    let harness = Harness::start(1);
    harness.store.panics.store(1, Relaxed);
    harness.workers[0].handover.report(vec![KNOCK]);
    let (_, metrics, _) = harness.stop().await;
    assert_eq!(metrics.value(Count::KnockLost), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_everything_is_waited_for() {
    let mut harness = Harness::start(1);
    harness.store.refuses_all.store(true, Relaxed);
    for _ in 0..2_000 {
        harness.decide(0, "ana");
    }
    harness.pass(MINUTE).await;
    harness.store.refuses_all.store(false, Relaxed);
    harness.pass_until_stored().await;
    let lost = harness.count(Count::AuthLogLost);
    assert!((1..40).contains(&lost), "{lost}");
    assert_eq!(harness.store.decisions(), 2_000 - lost);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_store_and_counts_what_is_lost() {
    for is_back in [false, true] {
        let mut harness = Harness::start(2);
        harness.store.is_away.store(true, Relaxed);
        for number in 0..3_000 {
            harness.decide(number % 2, "ana");
        }
        harness.pass(Duration::from_secs(1)).await;
        let store = Arc::clone(&harness.store);
        let mend = async move {
            sleep(Duration::from_secs(2)).await;
            store.is_away.store(!is_back, Relaxed);
        };
        let ((store, metrics, time), ()) = tokio::join!(harness.stop(), mend);
        let lost = metrics.value(Count::AuthLogLost);
        assert_eq!(store.decisions() + lost, 3_000);
        assert_eq!(lost == 0, is_back, "{lost}");
        assert!(time <= Duration::from_secs(6), "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_senders_are_reported_or_counted() {
    let harness = Harness::start(1);
    harness.workers[0].handover.report(vec![KNOCK]);
    let (store, metrics, _) = harness.stop().await;
    assert_eq!(*store.knocks.lock().expect("nobody panicked"), [KNOCK]);
    assert_eq!(metrics.value(Count::KnockLost), 0);
    let harness = Harness::start(1);
    harness.store.is_away.store(true, Relaxed);
    harness.workers[0].handover.report(vec![KNOCK, KNOCK]);
    let (_, metrics, _) = harness.stop().await;
    assert_eq!(metrics.value(Count::KnockLost), 2);
}
