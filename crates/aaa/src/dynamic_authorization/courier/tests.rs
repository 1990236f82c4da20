//! Each request is sent as often as it must be, to no router too many at a time, and is over once.

use std::collections::HashMap;

use domain::id::{NasId, TenantId};
use domain::nas::{Nas, NasSettings, parse_source};
use domain::secret::Secret;
use radius::dynamic_authorization::{ErrorCause, Request};

use super::*;

const SECRET: &str = "a shared secret";
const MILLISECOND: Duration = Duration::from_millis(1);

/// A courier on a clock that the test holds, and routers that answer when they are told to.
struct Harness {
    courier: Courier<u32>,
    nas: Arc<NasEntry>,
    now: Instant,
    begun: Instant,
    done: HashMap<u32, Outcome>,
}

impl Harness {
    fn new() -> Self {
        let now = Instant::now();
        let nas = Nas {
            id: NasId::new(Timestamp::from_seconds(1), [1; 10]),
            tenant: TenantId::DEFAULT,
            name: "pop".parse().expect("a valid name"),
            source: parse_source("10.0.0.0/8").expect("a valid source"),
            secret: Secret::from(SECRET),
            settings: NasSettings::default(),
            groups: Vec::new(),
        };
        Self {
            courier: Courier::new(SCHEDULE),
            nas: Arc::new(NasEntry::new(nas)),
            now,
            begun: now,
            done: HashMap::new(),
        }
    }

    fn timestamp(&self) -> Timestamp {
        let elapsed = self.now.duration_since(self.begun).as_secs();
        Timestamp::from_seconds(1_800_000_000 + i64::try_from(elapsed).expect("it is short"))
    }

    fn ask(&mut self, to: SocketAddr, ticket: u32) -> bool {
        let parcel = Parcel {
            to,
            nas: Arc::clone(&self.nas),
            action: Action::Disconnect,
            attributes: vec![1, 5, b'a', b'n', b'a'].into(),
            ticket,
        };
        let timestamp = self.timestamp();
        self.courier
            .handle_request(parcel, self.now, timestamp, 0.0)
            .is_ok()
    }

    fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.courier.poll_transmit()).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let timestamp = self.timestamp();
        self.courier.handle_timeout(self.now, timestamp, 0.0);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some((ticket, outcome)) = self.courier.poll_done() {
            let before = self.done.insert(ticket, outcome);
            assert_eq!(before, None, "{ticket} is over once");
        }
    }

    /// The router answers a datagram.
    fn answer(&mut self, transmit: &Transmit, answer: Answer) -> Result<(), Ignored> {
        let reply = reply_to(transmit, answer, self.timestamp().as_seconds());
        self.hear(transmit.to, &reply)
    }

    fn hear(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<(), Ignored> {
        let timestamp = self.timestamp();
        let heard = self
            .courier
            .handle_datagram(from, datagram, self.now, timestamp, 0.0);
        self.collect();
        heard
    }
}

/// What a router says to a request that it gets now.
#[track_caller]
fn reply_to(transmit: &Transmit, answer: Answer, now: i64) -> Vec<u8> {
    let request = Request::read(&transmit.datagram, SECRET.as_bytes(), now);
    let request = request.expect("it is signed and of now");
    let mut reply = Vec::new();
    request
        .write_reply(&mut reply, answer, SECRET.as_bytes())
        .expect("it fits");
    reply
}

fn router(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 3_799))
}

#[test]
fn a_router_is_asked_the_same_octets_until_it_answers() {
    let mut harness = Harness::new();
    assert!(harness.ask(router(1), 7));
    let first = harness.sent();
    assert_eq!(first.len(), 1);
    harness.pass(999 * MILLISECOND);
    assert_eq!(harness.sent().len(), 0);
    harness.pass(MILLISECOND);
    let again = harness.sent();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].datagram, first[0].datagram);
    assert!(first[0].is_first && !again[0].is_first);
    let refused = Answer::Refused(Some(ErrorCause::SESSION_CONTEXT_NOT_FOUND));
    assert_eq!(harness.answer(&again[0], refused), Ok(()));
    assert_eq!(harness.done.get(&7), Some(&Outcome::Answered(refused)));
    // A late answer, or a doubled one.
    let late = harness.answer(&first[0], refused);
    assert_eq!(late, Err(Ignored::Unexpected));
    harness.pass(Duration::from_secs(60));
    assert_eq!(harness.sent().len(), 0);
}

#[test]
fn a_router_that_says_nothing_is_asked_four_times_in_ten_seconds() {
    let mut harness = Harness::new();
    assert!(harness.ask(router(1), 7));
    let mut times = Vec::new();
    for second in 0..=12 {
        if second != 0 {
            harness.pass(Duration::from_secs(1));
        }
        if !harness.sent().is_empty() {
            times.push(second);
        }
        assert_eq!(harness.done.contains_key(&7), 10 <= second, "{second}");
    }
    assert_eq!(times, [0, 1, 3, 7]);
    assert_eq!(harness.done.get(&7), Some(&Outcome::Silent));
}

#[test]
fn one_router_works_on_few_at_a_time_and_the_others_do_not_wait_for_it() {
    let mut harness = Harness::new();
    for ticket in 0..100 {
        assert!(harness.ask(router(1), ticket));
    }
    let mut under_way = harness.sent();
    assert_eq!(under_way.len(), WINDOW);
    assert!(harness.ask(router(2), 1_000));
    assert_eq!(harness.sent().len(), 1);
    while let Some(transmit) = under_way.pop() {
        assert_eq!(harness.answer(&transmit, Answer::Acknowledged), Ok(()));
        under_way.extend(harness.sent());
        assert!(under_way.len() <= WINDOW);
    }
    let done = (0..100).all(|ticket| harness.done.contains_key(&ticket));
    assert!(done, "{:?}", harness.done.len());
}

#[test]
fn those_that_wait_for_a_router_that_is_away_are_not_sent_for_nothing() {
    let mut harness = Harness::new();
    for ticket in 0..100 {
        assert!(harness.ask(router(1), ticket));
    }
    for _ in 0..10 {
        harness.pass(Duration::from_secs(1));
    }
    assert_eq!(harness.done.len(), 100);
    let first = harness.sent().iter().filter(|sent| sent.is_first).count();
    assert_eq!(first, WINDOW);
}

#[test]
fn one_lost_answer_does_not_make_a_router_away() {
    let mut harness = Harness::new();
    for ticket in 0..100 {
        assert!(harness.ask(router(1), ticket));
    }
    let mut answered = 0;
    for _ in 0..12 {
        let mut sent = harness.sent();
        while let Some(transmit) = sent.pop() {
            let is_lost = transmit.datagram[1] == 0;
            if !is_lost {
                assert_eq!(harness.answer(&transmit, Answer::Acknowledged), Ok(()));
                answered += 1;
            }
            sent.extend(harness.sent());
        }
        harness.pass(Duration::from_secs(1));
    }
    let silent = harness.done.values();
    let silent = silent
        .filter(|outcome| **outcome == Outcome::Silent)
        .count();
    assert_eq!((answered, silent), (99, 1));
}

#[test]
fn what_waits_is_dated_when_it_is_sent() {
    let mut harness = Harness::new();
    for ticket in 0..=16 {
        assert!(harness.ask(router(1), ticket));
    }
    let first = harness.sent();
    harness.now += Duration::from_secs(400);
    let reply = reply_to(&first[0], Answer::Acknowledged, 1_800_000_000);
    assert_eq!(harness.hear(router(1), &reply), Ok(()));
    let last = harness.sent();
    assert_eq!(last.len(), 1);
    // `answer` looks at the time of what it answers.
    assert_eq!(harness.answer(&last[0], Answer::Acknowledged), Ok(()));
}

#[test]
fn strangers_and_forgers_are_ignored() {
    let mut harness = Harness::new();
    assert!(harness.ask(router(1), 7));
    let sent = harness.sent();
    let mut forged = vec![41, sent[0].datagram[1], 0, 20];
    forged.resize(20, 0);
    assert_eq!(harness.hear(router(2), &forged), Err(Ignored::Unexpected));
    assert_eq!(harness.hear(router(1), &forged), Err(Ignored::Invalid));
    assert_eq!(harness.hear(router(1), &[41]), Err(Ignored::Invalid));
    assert!(harness.done.is_empty());
    assert_eq!(harness.answer(&sent[0], Answer::Acknowledged), Ok(()));
}

#[test]
fn there_is_no_end_of_room_for_one_router() {
    let mut harness = Harness::new();
    let room = u32::try_from(WINDOW + WAITING_MAX).expect("it is small");
    for ticket in 0..room {
        assert!(harness.ask(router(1), ticket));
    }
    assert!(!harness.ask(router(1), room));
    assert!(harness.ask(router(2), room));
}

#[test]
fn an_identifier_rests_before_it_is_used_again() {
    let mut harness = Harness::new();
    let mut used = Vec::new();
    for ticket in 0..256 {
        assert!(harness.ask(router(1), ticket));
        let sent = harness.sent();
        used.push(sent[0].datagram[1]);
        assert_eq!(harness.answer(&sent[0], Answer::Acknowledged), Ok(()));
    }
    used.dedup();
    assert_eq!(used.len(), 256);
}
