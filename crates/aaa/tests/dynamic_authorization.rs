//! Routers that are asked about open sessions: which, with what, how politely, and what is made of their answers.

#[path = "support/memory.rs"]
#[expect(dead_code, reason = "the clock is what this test needs of it")]
mod memory;
#[path = "support/registry.rs"]
#[expect(dead_code, reason = "the routers are what this test needs of it")]
mod registry;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aaa::directory::Directory;
use aaa::dynamic_authorization::{Due, DueTerms, Reply, Sender};
use aaa::metrics::{Count, Metrics};
use aaa::port::Clock as _;
use domain::accounting::{SessionKey, SessionPlace};
use domain::id::{SessionId, TenantId};
use domain::nas::{Nas, NasSettings, Vendor};
use domain::session::Session;
use domain::session_command::{EndReason, NakCause, NotAsked, RouterAnswer, Wish};
use domain::terms::Term;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use radius::avp;
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::dynamic_authorization::{Answer, ErrorCause, Request, encode_attributes};
use tokio::task::JoinSet;

use crate::memory::TestClock;
use crate::registry::{MemoryRegistry, NOW, SECRET, nas};

/// How a router answers the request of this number.
type Script = Box<dyn FnMut(usize) -> Option<Answer> + Send>;

/// Requests: what each wanted, and its attributes.
type Seen = Vec<(Code, Vec<String>)>;

/// A router on loopback that keeps what it was sent.
struct Router {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    /// Answers each datagram after `delay`, and notes in `most` how many it had at a time.
    fn start(place: &str, mut script: Script, delay: Duration, most: Arc<AtomicUsize>) -> Self {
        let socket = UdpSocket::bind((place, 0)).expect("loopback has ports");
        let address = socket.local_addr().expect("it is bound");
        let wait = Some(Duration::from_millis(1));
        socket.set_read_timeout(wait).expect("a time above zero");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (notes, end) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let dictionary = Dictionary::builtin();
            let mut buffer = [0; 4_096];
            let mut waiting: Vec<(Instant, SocketAddr, Vec<u8>)> = Vec::new();
            let mut count = 0;
            while !end.load(Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let now = TestClock::new().timestamp().as_seconds();
                    let request = Request::read(&buffer[..length], SECRET, now).expect("signed");
                    let shown = avp::decode(&dictionary, request.packet.attributes(), None);
                    let shown = shown.iter().map(|avp| avp.show(&dictionary).to_string());
                    let is_shown = |text: &String| {
                        !text.starts_with("Event-Timestamp") && !text.starts_with("Message-Auth")
                    };
                    let shown = shown.filter(is_shown).collect();
                    notes
                        .lock()
                        .expect("no panic")
                        .push((request.packet.code(), shown));
                    if let Some(answer) = script(count) {
                        let mut reply = Vec::new();
                        request
                            .write_reply(&mut reply, answer, SECRET)
                            .expect("it fits");
                        waiting.push((Instant::now() + delay, from, reply));
                    }
                    count += 1;
                    most.fetch_max(waiting.len(), Relaxed);
                }
                let now = Instant::now();
                waiting.retain(|(at, to, reply)| {
                    let is_due = *at <= now;
                    if is_due {
                        socket.send_to(reply, to).expect("loopback takes it");
                    }
                    !is_due
                });
            }
        });
        Self {
            address,
            seen,
            stop,
            thread: Some(thread),
        }
    }

    fn answering(script: impl FnMut(usize) -> Option<Answer> + Send + 'static) -> Self {
        Self::start(
            "127.0.0.1",
            Box::new(script),
            Duration::ZERO,
            Arc::default(),
        )
    }

    fn seen(&self) -> Seen {
        self.seen.lock().expect("no panic").clone()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the router does not panic");
        }
    }
}

/// What is due, said by the test.
struct Said(Due<u32>);

impl DueTerms for Said {
    type Mark = u32;

    fn due(&self, _session: &Session, vendor: Vendor, _now: Timestamp) -> Due<u32> {
        assert_eq!(vendor, Vendor::Mikrotik);
        self.0.clone()
    }
}

/// A node's way to its routers.
struct Harness {
    sender: Sender,
    metrics: Arc<Metrics>,
    /// Ends the task with the test.
    _tasks: JoinSet<()>,
}

impl Harness {
    async fn start(routers: Vec<Nas>) -> Self {
        let registry = MemoryRegistry {
            nas: Mutex::new(routers),
            ..MemoryRegistry::default()
        };
        let directory = Arc::new(Directory::new([1; 32]));
        directory.load(&registry).await.expect("it is in memory");
        let metrics = Arc::new(Metrics::new());
        let clock = Arc::new(TestClock::new());
        let (sender, mut carrier) =
            Sender::open(&[], directory, clock, Arc::clone(&metrics)).expect("there are ports");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { carrier.run().await });
        Self {
            sender,
            metrics,
            _tasks: tasks,
        }
    }

    async fn ask(&self, session: &Session, wish: &Wish, attempt: u8) -> Reply<u32> {
        self.sender
            .ask(&Said(Due::Nothing), session, wish, attempt)
            .await
    }
}

fn settings(router: SocketAddr) -> NasSettings {
    NasSettings {
        coa_port: router.port(),
        ..NasSettings::default()
    }
}

fn session(nas: &Nas, number: u32) -> Session {
    Session {
        terms: None,
        id: SessionId::new(NOW, [1; 10]),
        key: SessionKey([1; 16]),
        tenant: TenantId::DEFAULT,
        nas: nas.id,
        auth: None,
        subscriber: None,
        username: format!("user-{number}"),
        started_at: NOW,
        updated_at: NOW,
        total: UsageAmount::default(),
        place: SessionPlace {
            acct_session_id: format!("81{number:06x}").into(),
            nas_address: Some("127.0.0.1".parse().expect("an address")),
            framed_ipv4: Some("100.64.0.7".parse().expect("an address")),
            calling_station: Some("02:00:5E:00:00:07".into()),
            ..SessionPlace::default()
        },
    }
}

const KICK: Wish = Wish::End(EndReason::Kicked);

#[tokio::test]
async fn a_disconnect_names_the_session_and_nothing_else() {
    let router = Router::answering(|_| Some(Answer::Acknowledged));
    let nas = nas(1, "127.0.0.1", settings(router.address));
    let harness = Harness::start(vec![nas.clone()]).await;
    let reply = harness.ask(&session(&nas, 7), &KICK, 0).await;
    assert_eq!(reply.answer, RouterAnswer::Acknowledged);
    assert!(!reply.is_last_set);
    let reply = harness.ask(&session(&nas, 7), &KICK, 9).await;
    assert!(reply.is_last_set);
    let first = [
        "User-Name = \"user-7\"",
        "Acct-Session-Id = \"81000007\"",
        "Framed-IP-Address = 100.64.0.7",
    ];
    let last = [first[0], first[1]];
    let expected = [first.to_vec(), last.to_vec()];
    let expected = expected.map(|set| {
        let set = set.into_iter().map(str::to_owned).collect::<Vec<_>>();
        (Code::DisconnectRequest, set)
    });
    assert_eq!(router.seen(), expected);
    assert_eq!(harness.metrics.value(Count::CoaAcknowledged), 2);
}

#[tokio::test]
async fn a_change_carries_what_is_due_and_its_mark_holds_when_it_is_acknowledged() {
    let refused = Answer::Refused(Some(ErrorCause::UNSUPPORTED_ATTRIBUTE));
    let router = Router::answering(move |count| {
        Some(if count == 0 {
            Answer::Acknowledged
        } else {
            refused
        })
    });
    let nas = nas(1, "127.0.0.0/8", settings(router.address));
    let harness = Harness::start(vec![nas.clone()]).await;
    let session = session(&nas, 7);
    let attributes = encode_attributes(|writer| writer.push_integer(27, 600)).expect("it fits");
    let due = Said(Due::Change {
        attributes,
        mark: 77,
    });
    let reply = harness.sender.ask(&due, &session, &Wish::Apply, 0).await;
    assert_eq!(
        (reply.answer, reply.mark),
        (RouterAnswer::Acknowledged, Some(77))
    );
    let reply = harness.sender.ask(&due, &session, &Wish::Apply, 0).await;
    let expected = RouterAnswer::Refused(NakCause::Attributes(401));
    assert_eq!((reply.answer, reply.mark), (expected, None));
    let rate = Wish::SetRate("2M/4M".parse().expect("a valid rate"));
    harness.ask(&session, &rate, 2).await;
    let seen = router.seen();
    let wanted = |index: usize| {
        let (code, attributes): &(Code, Vec<String>) = &seen[index];
        assert_eq!(*code, Code::CoaRequest);
        attributes.last().cloned().unwrap_or_default()
    };
    assert_eq!(wanted(0), "Session-Timeout = 600");
    assert_eq!(wanted(2), "Mikrotik-Rate-Limit = \"2M/4M\"");
}

#[tokio::test]
async fn what_need_not_or_cannot_be_asked_is_not() {
    let router = Router::answering(|_| Some(Answer::Acknowledged));
    let own = nas(1, "127.0.0.1", settings(router.address));
    let generic = NasSettings {
        vendor: Vendor::Generic,
        ..settings(router.address)
    };
    let generic = nas(2, "127.0.0.2", generic);
    let region = nas(3, "10.0.0.0/8", settings(router.address));
    let harness = Harness::start(vec![own.clone(), generic.clone(), region.clone()]).await;
    let check = async |nas: &Nas, due: Due<u32>, wish: &Wish, expected: NotAsked| {
        let reply = harness
            .sender
            .ask(&Said(due), &session(nas, 7), wish, 0)
            .await;
        assert_eq!(reply.answer, RouterAnswer::NotAsked(expected));
    };
    check(&own, Due::Nothing, &Wish::Apply, NotAsked::NothingToChange).await;
    // The user has the right again.
    let refused = Wish::End(EndReason::CredentialChanged);
    check(&own, Due::Nothing, &refused, NotAsked::NothingToChange).await;
    let reason = EndReason::TermsChanged(Term::Address);
    check(
        &own,
        Due::End(reason),
        &Wish::Apply,
        NotAsked::HasToEnd(reason),
    )
    .await;
    let rate = Wish::SetRate("2M/4M".parse().expect("a valid rate"));
    check(&generic, Due::Nothing, &rate, NotAsked::CannotChange).await;
    // The session was reported from an address that is not of this prefix.
    check(&region, Due::Nothing, &KICK, NotAsked::NoAddress).await;
    let removed = nas(9, "127.0.0.9", NasSettings::default());
    check(&removed, Due::Nothing, &KICK, NotAsked::NasRemoved).await;
    let mut nameless = session(&own, 7);
    nameless.place = SessionPlace::default();
    let reply = harness.ask(&nameless, &KICK, 0).await;
    assert_eq!(reply.answer, RouterAnswer::NotAsked(NotAsked::Ambiguous));
    assert_eq!(router.seen(), []);
}

#[tokio::test]
async fn a_router_is_asked_in_its_own_way() {
    let router = Router::answering(|_| Some(Answer::Acknowledged));
    let own = NasSettings {
        identifier: Some("edge-1".into()),
        coa_identity: "NAS-Identifier,NAS-IP-Address,Calling-Station-Id"
            .parse()
            .ok(),
        ..settings(router.address)
    };
    let nas = nas(1, "127.0.0.1", own);
    let harness = Harness::start(vec![nas.clone()]).await;
    let mut session = session(&nas, 7);
    harness.ask(&session, &KICK, 0).await;
    let seen = router.seen();
    let expected = [
        "NAS-Identifier = \"edge-1\"",
        "NAS-IP-Address = 127.0.0.1",
        "Calling-Station-Id = \"02:00:5E:00:00:07\"",
    ];
    assert_eq!(seen[0].1, expected);
    // Its address is not known: it is where the registry says.
    session.place.nas_address = None;
    let reply = harness.ask(&session, &KICK, 0).await;
    assert_eq!(reply.answer, RouterAnswer::Acknowledged);
}

#[tokio::test]
async fn a_session_is_named_as_its_router_named_it() {
    let router = Router::answering(|_| Some(Answer::Acknowledged));
    let nas = nas(1, "127.0.0.1", settings(router.address));
    let harness = Harness::start(vec![nas.clone()]).await;
    let mut session = session(&nas, 7);
    session.username = "dev".into();
    session.place.user_name = Some("02:00:5E:00:00:07".into());
    harness.ask(&session, &KICK, 0).await;
    assert_eq!(router.seen()[0].1[0], "User-Name = \"02:00:5E:00:00:07\"");
}

#[tokio::test]
async fn every_refusal_is_understood() {
    let causes = [
        (Some(503), NakCause::SessionNotFound),
        (Some(506), NakCause::ResourcesUnavailable),
        (Some(401), NakCause::Attributes(401)),
        (Some(402), NakCause::Attributes(402)),
        (Some(404), NakCause::Attributes(404)),
        (Some(407), NakCause::Attributes(407)),
        (Some(508), NakCause::Attributes(508)),
        (Some(501), NakCause::Other(501)),
        (None, NakCause::Missing),
    ];
    let router =
        Router::answering(move |count| Some(Answer::Refused(causes[count].0.map(ErrorCause))));
    let nas = nas(1, "127.0.0.1", settings(router.address));
    let harness = Harness::start(vec![nas.clone()]).await;
    for (_, cause) in causes {
        let reply = harness.ask(&session(&nas, 7), &KICK, 0).await;
        assert_eq!(reply.answer, RouterAnswer::Refused(cause));
    }
    assert_eq!(harness.metrics.value(Count::CoaRefused), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sessions_are_ended_politely_within_seconds() {
    const ROUTERS: u8 = 50;
    const SESSIONS: u32 = 10_000;
    let most: Vec<Arc<AtomicUsize>> = (0..ROUTERS).map(|_| Arc::default()).collect();
    let routers: Vec<Router> = (1..=ROUTERS)
        .zip(&most)
        .map(|(number, most)| {
            let script = Box::new(|_| Some(Answer::Acknowledged));
            let (place, delay) = (format!("127.0.1.{number}"), Duration::from_millis(5));
            Router::start(&place, script, delay, Arc::clone(most))
        })
        .collect();
    let registered: Vec<Nas> = (1..=ROUTERS)
        .zip(&routers)
        .map(|(number, router)| {
            let place = router.address.ip().to_string();
            nas(number, &place, settings(router.address))
        })
        .collect();
    let harness = Harness::start(registered.clone()).await;
    let begun = Instant::now();
    let mut asked = JoinSet::new();
    for number in 0..SESSIONS {
        let nas = &registered[usize::try_from(number).expect("it is small") % registered.len()];
        let mut session = session(nas, number);
        session.place.nas_address = None;
        let sender = harness.sender.clone();
        asked.spawn(async move { sender.ask(&Said(Due::Nothing), &session, &KICK, 0).await });
    }
    let mut answers: HashMap<bool, u32> = HashMap::new();
    while let Some(reply) = asked.join_next().await {
        let reply = reply.expect("nothing panics");
        *answers
            .entry(reply.answer == RouterAnswer::Acknowledged)
            .or_default() += 1;
    }
    assert_eq!(answers, HashMap::from([(true, SESSIONS)]));
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
    for most in most {
        let most = most.load(Relaxed);
        assert!(most <= 16, "{most} at a time");
    }
}
