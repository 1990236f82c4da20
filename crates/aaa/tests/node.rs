//! A whole node on loopback sockets, with everything outside of it in memory.

#[path = "support/memory.rs"]
mod memory;
#[path = "support/registry.rs"]
mod registry;
#[path = "support/request.rs"]
mod request;
#[path = "support/spool.rs"]
mod spool;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aaa::engine::Role;
use aaa::guard::GuardOptions;
use aaa::metrics::{Count, Drop};
use aaa::node::{Node, NodeOptions, Ports, Restartable, StartError};
use aaa::port::{Clock, PortError};
use domain::access::RejectReason;
use domain::change::Change;
use domain::credential::Credential;
use domain::id::SessionId;
use domain::nas::{MessageAuthenticatorPolicy, NasSettings};
use domain::plan::PlanTerms;
use domain::session::{LiveSession, SessionSlot};
use domain::session_command::{EndReason, Wish};
use domain::subscriber::{Subscriber, SubscriberStatus};
use radius::attribute::kind;
use radius::authenticator::verify_reply;
use radius::code::Code;
use radius::packet::Packet;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use crate::memory::{MemoryFeed, MemoryLog, MemoryStore, Panics, REFUSED, TestClock};
use crate::registry::{MemoryRegistry, PASSWORD, address, nas, plan, plan_id, subscriber};
use crate::request::Request;
use crate::spool::MemorySpool;

/// More than any machine needs; what takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Records that the spool takes.
const SPOOL_ROOM: u64 = 3;

struct Harness {
    runtime: Runtime,
    node: Node,
    registry: Arc<MemoryRegistry>,
    store: Arc<MemoryStore>,
    spool: Arc<MemorySpool>,
    log: Arc<MemoryLog>,
    feed: mpsc::Sender<Result<Vec<Change>, PortError>>,
    feed_panics: Arc<Panics>,
    clock: Arc<TestClock>,
    journal: JoinHandle<()>,
    log_writer: JoinHandle<()>,
    drain: JoinHandle<()>,
}

impl Harness {
    fn start(listen: &[&str], workers: usize) -> Self {
        let listen: Vec<SocketAddr> = listen.iter().map(|text| socket_address(text)).collect();
        Self::try_start(&listen, &listen, workers).expect("loopback can be listened on")
    }

    fn try_start(
        auth: &[SocketAddr],
        acct: &[SocketAddr],
        workers: usize,
    ) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.map_err(StartError::Thread)?;
        let registry = Arc::new(fixture());
        let store = Arc::new(MemoryStore {
            batches: Mutex::default(),
            gate: Semaphore::new(1),
            is_away: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            failures: AtomicUsize::new(0),
        });
        let spool = Arc::new(MemorySpool::with_room(SPOOL_ROOM));
        let log = Arc::new(MemoryLog::default());
        let (feed, changes) = mpsc::channel(16);
        let feed_panics = Arc::new(Panics::default());
        let clock = Arc::new(TestClock::new());
        let options = NodeOptions {
            auth: auth.to_vec(),
            acct: acct.to_vec(),
            workers,
            reject_delay: Duration::ZERO,
            rows: Some(rows::row::Mode::Strict),
            guard: GuardOptions::OFF,
            relay: None,
        };
        let ports = Ports {
            registry: Arc::clone(&registry),
            accounting: Arc::clone(&store),
            spool: Arc::clone(&spool),
            log: Arc::clone(&log),
            feed: MemoryFeed {
                changes,
                panics: Arc::clone(&feed_panics),
            },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let (node, tasks) = runtime.block_on(Node::start(&options, ports))?;
        let journal = runtime.spawn(tasks.journal);
        let start = |task| runtime.spawn(run_again_after_panics(task));
        let log_writer = start(tasks.log);
        let drain = start(tasks.drain);
        start(tasks.follower);
        for (_, task) in tasks.beside {
            start(task);
        }
        Ok(Self {
            node,
            registry,
            store,
            spool,
            log,
            feed,
            feed_panics,
            clock,
            journal,
            log_writer,
            drain,
            runtime,
        })
    }

    fn auth(&self) -> SocketAddr {
        self.node.auth[0]
    }

    fn acct(&self) -> SocketAddr {
        self.node.acct[0]
    }

    /// Asks the port that the request is for.
    fn ask(&self, router: &Router, request: &Request) -> Code {
        let to = match request.role {
            Role::Authentication => self.auth(),
            Role::Accounting => self.acct(),
        };
        router.ask(to, request)
    }

    /// Lets no commit through until [`Self::open_gate`].
    fn close_gate(&self) {
        let permit = self.runtime.block_on(self.store.gate.acquire());
        permit.expect("the gate stays").forget();
    }

    fn open_gate(&self) {
        self.store.gate.add_permits(1);
    }

    /// Waits until so many valid Accounting-Requests have been taken in.
    fn wait_for_requests(&self, count: u64) {
        wait_until("the requests are taken in", || {
            count <= self.node.metrics.value(Count::AccountingRequest)
        });
    }

    fn stop(mut self) -> Stopped {
        self.node.stop();
        self.node.join();
        for task in [self.journal, self.log_writer, self.drain] {
            let end = self
                .runtime
                .block_on(async { tokio::time::timeout(PATIENCE, task).await });
            end.expect("it ends when the workers have")
                .expect("nothing panicked");
        }
        Stopped {
            store: self.store,
            log: self.log,
        }
    }
}

/// What the program does with a task.
async fn run_again_after_panics(task: Restartable) {
    let mut one = JoinSet::new();
    one.spawn(task());
    while let Some(Err(_)) = one.join_next().await {
        one.spawn(task());
    }
}

/// What remains of a node.
struct Stopped {
    store: Arc<MemoryStore>,
    log: Arc<MemoryLog>,
}

fn fixture() -> MemoryRegistry {
    let registry = MemoryRegistry::default();
    let auto = NasSettings {
        message_authenticator: MessageAuthenticatorPolicy::Auto,
        ..NasSettings::default()
    };
    *registry.nas.lock().expect("nobody panicked") = vec![
        nas(1, "127.0.0.0/24", NasSettings::default()),
        nas(2, "::1", auto),
    ];
    *registry.plans.lock().expect("nobody panicked") =
        vec![plan(1, "25M/50M", PlanTerms::default())];
    registry.put(subscriber(1, "ana"));
    registry
}

fn socket_address(text: &str) -> SocketAddr {
    text.parse().expect("a valid address and port")
}

fn wait_until(what: &str, is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// A router with one socket.
struct Router(UdpSocket);

impl Router {
    fn at(source: &str) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(address(source), 0));
        let socket = socket.expect("loopback can be bound");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not 0");
        Self(socket)
    }

    fn send(&self, to: SocketAddr, request: &Request) {
        let sent = self.0.send_to(&request.octets(), to);
        sent.expect("loopback takes it");
    }

    /// The code of the next reply, which must be to `request` and from `from`.
    fn receive(&self, from: SocketAddr, request: &Request) -> Code {
        let mut buffer = [0; 4_096];
        let (length, source) = self.0.recv_from(&mut buffer).expect("it is answered");
        assert_eq!(source, from);
        code_of(&buffer[..length], request)
    }

    fn ask(&self, to: SocketAddr, request: &Request) -> Code {
        self.send(to, request);
        self.receive(to, request)
    }

    /// Identifiers of the replies that are there within so much time of each other.
    fn drain(&self, within: Duration) -> Vec<u8> {
        self.0.set_read_timeout(Some(within)).expect("it is not 0");
        let mut buffer = [0; 4_096];
        let mut identifiers = Vec::new();
        while self.0.recv_from(&mut buffer).is_ok() {
            identifiers.push(buffer[1]);
        }
        self.0
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not 0");
        identifiers
    }
}

fn code_of(octets: &[u8], request: &Request) -> Code {
    let sent = request.octets();
    let sent = Packet::parse(&sent).expect("we wrote it");
    let reply = Packet::parse(octets).expect("the node writes packets");
    let authenticator = sent.authenticator();
    let verified = verify_reply(&reply, request.identifier, authenticator, request.secret);
    verified.expect("the node signs its replies");
    reply.code()
}

fn login(user_name: &str) -> Request {
    Request::access(user_name).pap(PASSWORD)
}

/// An Interim-Update; `number` is its uptime and its identifier.
fn interim(session: &str, number: u8) -> Request {
    Request::accounting(3, session)
        .identifier(number)
        .with(kind::USER_NAME, b"ana")
        .with(kind::ACCT_SESSION_TIME, &u32::from(number).to_be_bytes())
}

#[test]
fn every_worker_answers_over_ipv4_and_ipv6() {
    let harness = Harness::start(&["127.0.0.1:0", "[::1]:0"], 4);
    let ports: Vec<_> = harness.node.auth.iter().zip(&harness.node.acct).collect();
    for (source, (auth, acct)) in ["127.0.0.1", "::1"].into_iter().zip(ports) {
        let routers: Vec<_> = (0..32).map(|_| Router::at(source)).collect();
        for router in &routers {
            assert_eq!(router.ask(*auth, &login("ana")), Code::AccessAccept);
            let code = router.ask(*acct, &interim("a", 1));
            assert_eq!(code, Code::AccountingResponse);
        }
    }
    let stopped = harness.stop();
    assert_eq!(stopped.store.sessions().len(), 64);
    assert_eq!(
        stopped.log.entries.lock().expect("nobody panicked").len(),
        64
    );
}

#[track_caller]
fn check_wildcard(listen: &str, asked: &[(&str, &str)]) {
    let harness = Harness::start(&[listen], 2);
    let port = harness.auth().port();
    for (source, to) in asked {
        let to = SocketAddr::new(address(to), port);
        assert_eq!(
            Router::at(source).ask(to, &login("ana")),
            Code::AccessAccept
        );
    }
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    let v4 = [("127.0.0.1", "127.0.0.2"), ("127.0.0.3", "127.0.0.1")];
    check_wildcard("0.0.0.0:0", &v4);
    check_wildcard("[::]:0", &[v4[0], ("::1", "::1"), v4[1]]);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_remedy() {
    #[track_caller]
    fn check(taken: SocketAddr) {
        let free = socket_address("127.0.0.1:0");
        let Err(problem) = Harness::try_start(&[free], &[taken], 2) else {
            panic!("{taken} was taken");
        };
        assert_eq!(
            problem.to_string(),
            format!(
                "cannot listen on {taken} (radius.acct): another program has this port; stop it or choose another port"
            )
        );
    }
    let other = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    check(other.local_addr().expect("it is bound"));
    let node = Harness::start(&["127.0.0.1:0"], 2);
    check(node.auth());
}

#[test]
fn a_change_is_in_force_while_the_node_runs() {
    let harness = Harness::start(&["127.0.0.1:0"], 2);
    let router = Router::at("127.0.0.1");
    assert_eq!(harness.ask(&router, &login("bo")), Code::AccessReject);
    let added = subscriber(2, "bo");
    let id = added.id;
    harness.registry.put(added);
    let changes = vec![Change::Subscriber(id), Change::Plan(plan_id(1))];
    harness
        .feed
        .blocking_send(Ok(changes))
        .expect("it is followed");
    wait_for_accept(&harness, "bo");
    let knocker = Router::at("127.0.1.1");
    knocker.send(harness.auth(), &login("ana"));
    wait_until("the knock is noted", || {
        let knocks = harness.log.knocks.lock().expect("nobody panicked");
        knocks
            .iter()
            .any(|knock| knock.source == IpAddr::from([127, 0, 1, 1]))
    });
    let added = nas(3, "127.0.1.1", NasSettings::default());
    let id = added.id;
    harness
        .registry
        .nas
        .lock()
        .expect("nobody panicked")
        .push(added);
    let changes = vec![Change::Nas(id)];
    harness
        .feed
        .blocking_send(Ok(changes))
        .expect("it is followed");
    wait_until("the NAS is known", || {
        harness.node.directory.nas_count() == 3
    });
    assert_eq!(
        knocker.ask(harness.auth(), &login("ana")),
        Code::AccessAccept
    );
}

/// Asks again and again until the user is let in.
fn wait_for_accept(harness: &Harness, user_name: &str) {
    let deadline = Instant::now() + PATIENCE;
    let router = Router::at("127.0.0.1");
    for seed in (0..=255).cycle() {
        assert!(Instant::now() < deadline, "{user_name} is never let in");
        let request = Request::access(user_name).authenticator(seed).pap(PASSWORD);
        if harness.ask(&router, &request) == Code::AccessAccept {
            return;
        }
    }
}

#[test]
fn after_a_failure_of_the_feed_everything_is_loaded_again() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    harness.registry.put(subscriber(2, "bo"));
    let failure = PortError::new("read the change feed", "the connection is gone");
    harness
        .feed
        .blocking_send(Err(failure))
        .expect("it is followed");
    wait_for_accept(&harness, "bo");
    // Who is loaded is let in before everything is.
    let deadline = Instant::now() + PATIENCE;
    while harness.node.metrics.value(Count::DirectoryReload) < 2 {
        assert!(Instant::now() < deadline, "it is never loaded whole");
        std::thread::yield_now();
    }
    assert_eq!(harness.node.metrics.value(Count::DirectoryReload), 2);
    assert_eq!(harness.node.metrics.value(Count::ChangeFailure), 1);
    let added = subscriber(3, "cy");
    let id = added.id;
    harness.registry.put(added);
    let changes = vec![Change::Subscriber(id)];
    harness
        .feed
        .blocking_send(Ok(changes))
        .expect("it is followed");
    wait_for_accept(&harness, "cy");
    assert_eq!(harness.node.metrics.value(Count::DirectoryReload), 2);
}

#[test]
fn a_follower_that_panicked_has_missed_nothing() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let change = |number, user_name| {
        let added = subscriber(number, user_name);
        let changes = vec![Change::Subscriber(added.id)];
        harness.registry.put(added);
        let sent = harness.feed.blocking_send(Ok(changes));
        sent.expect("it is followed");
    };
    harness.feed_panics.once();
    change(2, "bo");
    wait_for_accept(&harness, "bo");
    // Whoever is loaded can log in before the load is at its end, and counted.
    let reloads = || harness.node.metrics.value(Count::DirectoryReload);
    wait_until("the load is at its end", || reloads() == 2);
    change(3, "cy");
    wait_for_accept(&harness, "cy");
    assert_eq!(harness.node.metrics.value(Count::DirectoryReload), 2);
}

#[test]
fn a_log_writer_that_panicked_goes_on_with_what_it_was_writing() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let router = Router::at("127.0.0.1");
    let login = |identifier| login("ana").identifier(identifier);
    harness.log.panics.once();
    assert_eq!(harness.ask(&router, &login(1)), Code::AccessAccept);
    assert_eq!(harness.ask(&router, &login(2)), Code::AccessAccept);
    let log = harness.stop().log;
    assert_eq!(log.entries.lock().expect("nobody panicked").len(), 2);
}

#[test]
fn a_worker_that_panicked_answers_again() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let router = Router::at("127.0.0.1");
    for number in 1..=3 {
        harness.clock.panics.once();
        let request = login("ana").identifier(u8::try_from(number).expect("a few"));
        assert_eq!(harness.ask(&router, &request), Code::AccessAccept);
        assert_eq!(harness.node.metrics.value(Count::WorkerRestart), number);
    }
    assert_eq!(harness.stop().store.sessions().len(), 0);
}

#[test]
fn a_slow_hash_is_compared_beside_the_workers() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let hash = "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.";
    let hashed = Subscriber {
        credential: Credential::Hashed(hash.parse().expect("a valid hash")),
        ..subscriber(2, "hashed")
    };
    harness.registry.put(hashed);
    let changes = vec![Change::Everything];
    harness
        .feed
        .blocking_send(Ok(changes))
        .expect("it is followed");
    wait_until("it is loaded", || {
        harness.node.directory.subscriber_count() == 2
    });
    let router = Router::at("127.0.0.1");
    let login = |identifier, password| {
        let request = Request::access("hashed").identifier(identifier);
        harness.ask(&router, &request.pap(password))
    };
    assert_eq!(login(1, "password"), Code::AccessAccept);
    assert_eq!(login(2, "passwort"), Code::AccessReject);
    assert_eq!(login(3, "password"), Code::AccessAccept);
}

#[test]
fn a_failing_store_is_not_acknowledged_until_it_is_mended() {
    let harness = Harness::start(&["127.0.0.1:0"], 2);
    let router = Router::at("127.0.0.1");
    harness.store.is_failing.store(true, Relaxed);
    for attempt in 1..=3 {
        router.send(harness.acct(), &interim("a", 1));
        wait_until("the journal has given up", || {
            harness.node.metrics.drops(Drop::JournalFailed) == attempt
        });
    }
    assert_eq!(router.drain(Duration::from_millis(1)), []);
    assert_eq!(harness.store.failures.load(Relaxed), 3);
    harness.store.is_failing.store(false, Relaxed);
    let code = harness.ask(&router, &interim("a", 1));
    assert_eq!(code, Code::AccountingResponse);
    assert_eq!(harness.stop().store.sessions().len(), 1);
}

#[test]
fn what_the_database_cannot_take_is_acknowledged_from_the_spool_until_that_is_full() {
    let harness = Harness::start(&["127.0.0.1:0"], 2);
    let router = Router::at("127.0.0.1");
    harness.store.is_away.store(true, Relaxed);
    for number in 1..=3 {
        let code = harness.ask(&router, &interim("a", number));
        assert_eq!(code, Code::AccountingResponse);
    }
    assert!(harness.node.spool.is_spooling());
    assert_eq!(harness.node.spool.depth(), 3);
    assert_eq!(harness.node.sessions.len(), 1);
    router.send(harness.acct(), &interim("a", 4));
    wait_until("the journal has given up", || {
        harness.node.metrics.drops(Drop::JournalFailed) == 1
    });
    assert_eq!(router.drain(Duration::from_millis(1)), []);
    let spool = &harness.node.spool;
    assert!(spool.database.find().is_some() && spool.refusal.find().is_some());
    harness.store.is_away.store(false, Relaxed);
    wait_until("the spool is drained", || !harness.node.spool.is_spooling());
    assert_eq!(
        harness.ask(&router, &interim("a", 5)),
        Code::AccountingResponse
    );
    assert_eq!((spool.database.find(), spool.refusal.find()), (None, None));
    assert_eq!(harness.node.metrics.value(Count::SpoolDrained), 3);
    assert_eq!(
        harness.spool.parcels.lock().expect("nobody panicked").len(),
        0
    );
    assert_eq!(
        harness.spool.aside.lock().expect("nobody panicked").len(),
        0
    );
    let uptimes: Vec<_> = harness.stop().store.sessions();
    let uptimes: Vec<_> = uptimes
        .iter()
        .map(|record| record.total.session_seconds)
        .collect();
    assert_eq!(uptimes, [1, 2, 3, 5]);
}

#[test]
fn a_worker_that_panics_starts_again_and_is_counted() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let router = Router::at("127.0.0.1");
    harness.close_gate();
    router.send(harness.acct(), &interim("a", 1));
    harness.wait_for_requests(1);
    harness.clock.panics.once();
    // The panic comes before the socket is read, so not even this request is lost.
    assert_eq!(harness.ask(&router, &login("ana")), Code::AccessAccept);
    assert_eq!(harness.node.metrics.value(Count::WorkerRestart), 1);
    // What was under way is stored, and acknowledged when it is sent again.
    harness.open_gate();
    wait_until("the record is stored", || {
        harness.node.metrics.value(Count::JournalRecord) == 1
    });
    assert_eq!(router.drain(Duration::from_millis(1)), []);
    let code = harness.ask(&router, &interim("a", 1));
    assert_eq!(code, Code::AccountingResponse);
    assert_eq!(harness.node.metrics.value(Count::WorkerRestart), 1);
    assert_eq!(harness.stop().store.sessions().len(), 2);
}

#[test]
fn a_record_that_cannot_be_stored_does_not_keep_out_the_others() {
    const RECORDS: u8 = 100;
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let router = Router::at("127.0.0.1");
    harness.close_gate();
    for number in 0..RECORDS {
        let session = if number == 70 { REFUSED } else { "taken" };
        router.send(harness.acct(), &interim(session, number));
    }
    harness.wait_for_requests(RECORDS.into());
    harness.open_gate();
    wait_until("the record is given up", || {
        harness.node.metrics.drops(Drop::JournalFailed) == 1
    });
    let stopped = harness.stop();
    let acknowledged = router.drain(Duration::from_millis(1));
    let others: Vec<_> = (0..RECORDS).filter(|number| *number != 70).collect();
    assert_eq!(acknowledged, others);
    assert_eq!(stopped.store.sessions().len(), others.len());
}

#[test]
fn a_node_that_stops_acknowledges_what_it_has_and_commits_it() {
    const RECORDS: u8 = 100;
    let harness = Harness::start(&["127.0.0.1:0"], 2);
    let acct = harness.acct();
    let router = Router::at("127.0.0.1");
    harness.close_gate();
    for number in 0..RECORDS {
        router.send(acct, &interim("a", number));
    }
    harness.wait_for_requests(RECORDS.into());
    assert_eq!(router.drain(Duration::from_millis(1)), []);
    harness.node.stop();
    harness.open_gate();
    let stopped = harness.stop();
    let mut acknowledged = router.drain(Duration::from_millis(1));
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(stopped.store.sessions().len(), usize::from(RECORDS));
}

#[test]
fn batches_are_bounded_and_each_session_keeps_its_order() {
    const SESSIONS: usize = 30;
    const RECORDS: u8 = 100;
    let harness = Harness::start(&["127.0.0.1:0"], 4);
    let acct = harness.acct();
    let names: Vec<_> = (0..SESSIONS).map(|number| format!("s{number}")).collect();
    let routers: Vec<_> = names.iter().map(|_| Router::at("127.0.0.1")).collect();
    harness.close_gate();
    for number in 0..RECORDS {
        for (router, name) in routers.iter().zip(&names) {
            router.send(acct, &interim(name, number));
        }
        // Loopback drops what does not fit the receive buffer.
        harness.wait_for_requests((u64::from(number) + 1) * SESSIONS as u64);
    }
    harness.open_gate();
    for router in &routers {
        for number in 0..RECORDS {
            let code = router.receive(acct, &interim_of(&names, &routers, router, number));
            assert_eq!(code, Code::AccountingResponse);
        }
    }
    let store = harness.stop().store;
    let sizes: Vec<_> = {
        let batches = store.batches.lock().expect("nobody panicked");
        batches.iter().map(Vec::len).collect()
    };
    assert!(sizes.iter().all(|size| *size <= 1_024), "{sizes:?}");
    assert!(sizes.contains(&1_024), "{sizes:?}");
    let mut uptimes = HashMap::<_, Vec<_>>::new();
    for record in store.sessions() {
        let uptime = record.total.session_seconds;
        uptimes.entry(record.key).or_default().push(uptime);
    }
    assert_eq!(uptimes.len(), SESSIONS);
    let in_order: Vec<_> = (0..u64::from(RECORDS)).collect();
    assert!(uptimes.values().all(|uptimes| *uptimes == in_order));
}

fn interim_of(names: &[String], routers: &[Router], router: &Router, number: u8) -> Request {
    let index = routers.iter().position(|other| std::ptr::eq(other, router));
    interim(&names[index.expect("it is one of them")], number)
}

/// The store knows of the session that a record began.
fn store_session(harness: &Harness) {
    let record = harness.store.sessions().pop().expect("one is stored");
    let mut slot = SessionSlot::default();
    slot.apply(&record, SessionId::from_bytes(record.key.0));
    let live = LiveSession {
        session: slot.open.expect("it began"),
        is_replaced: false,
    };
    let mut stored = harness.registry.sessions.lock().expect("nobody panicked");
    stored.push(live);
}

#[test]
fn a_change_of_rights_reaches_a_session_that_is_open() {
    let harness = Harness::start(&["127.0.0.1:0"], 1);
    let (board, clock) = (&harness.registry, Arc::clone(&harness.clock));
    let task = harness
        .node
        .rights_task(Arc::clone(board), Arc::clone(board), clock);
    harness.runtime.spawn(run_again_after_panics(task));
    let router = Router::at("127.0.0.1");
    assert_eq!(harness.ask(&router, &login("ana")), Code::AccessAccept);
    let code = harness.ask(&router, &interim("80000001", 1));
    assert_eq!(code, Code::AccountingResponse);
    store_session(&harness);
    let disabled = Subscriber {
        status: SubscriberStatus::Disabled,
        ..subscriber(1, "ana")
    };
    let change = Change::Subscriber(disabled.id);
    harness.registry.put(disabled);
    let told = harness.feed.blocking_send(Ok(vec![change]));
    told.expect("the follower listens");
    let asked = || {
        harness
            .registry
            .asked
            .lock()
            .expect("nobody panicked")
            .clone()
    };
    wait_until("the session is to be ended", || !asked().is_empty());
    let reason = EndReason::Refused(RejectReason::Disabled);
    assert_eq!(asked()[0].wish, Wish::End(reason));
    assert_eq!(asked()[0].username, "ana");
}
