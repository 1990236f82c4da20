//! A script: one engine, simulated time, and replies as text.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aaa::directory::Directory;
use aaa::duplicate::Ticket;
use aaa::engine::{Context, Effect, Engine, Moment, Outgoing, Received, Role};
use aaa::guard::{Guard, GuardOptions};
use aaa::inbox::Completion;
use aaa::limits::LimitTable;
use aaa::metrics::{Drop, Metrics};
use aaa::session_table::SessionTable;
use domain::accounting::AccountingRecord;
use domain::auth_log::AuthLogEntry;
use domain::change::Change;
use domain::nas::{MessageAuthenticatorPolicy, NasSettings, Vendor};
use domain::plan::{PlanTerms, SessionLimit, TimeoutSeconds};
use domain::subscriber::{StaticAddresses, Subscriber, SubscriberStatus};
use radius::attribute::kind;
use radius::authenticator::{verify_reply, verify_reply_requiring_message_authenticator};
use radius::avp;
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::Packet;

use crate::registry::{MemoryRegistry, NOW, address, nas, plan, plan_id, subscriber};
use crate::request::Request;

pub(crate) const STRICT: &str = "192.0.2.1";
pub(crate) const AUTO: &str = "192.0.2.2";
pub(crate) const OFF: &str = "192.0.2.3";
pub(crate) const IDENTIFIED: &str = "192.0.2.4";
pub(crate) const GENERIC: &str = "2001:db8::1";
/// One of many that share a prefix; Message-Authenticator is learned.
pub(crate) const REGION: &str = "198.51.100.9";
pub(crate) const STRANGER: &str = "203.0.113.1";

/// SHA-256-crypt of `password`, made with Python's crypt module.
const HASH: &str = "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.";

/// MD4 of `password` in UTF-16.
const NT: &str = "{NT}8846f7eaee8fb117ad06bdd830b7586c";

pub(crate) struct Script {
    pub(crate) engine: Engine,
    pub(crate) registry: MemoryRegistry,
    pub(crate) context: Context,
    pub(crate) log: Vec<AuthLogEntry>,
    pub(crate) effects: Vec<Effect>,
    start: Instant,
    elapsed: Duration,
    /// How far the wall clock was set on or back.
    clock_set_by: i64,
}

impl Script {
    /// Rejects are sent at once.
    pub(crate) fn new() -> Self {
        Self::with_reject_delay(Duration::ZERO)
    }

    pub(crate) fn with_reject_delay(reject_delay: Duration) -> Self {
        Self::with(reject_delay, GuardOptions::OFF)
    }

    /// Who fails too often is kept back.
    pub(crate) fn guarded(guard: GuardOptions) -> Self {
        Self::with(Duration::ZERO, guard)
    }

    fn with(reject_delay: Duration, guard: GuardOptions) -> Self {
        let context = Context {
            directory: Arc::new(Directory::new([1; 32])),
            sessions: Arc::new(SessionTable::new()),
            limits: Arc::new(LimitTable::new(Arc::default())),
            metrics: Arc::new(Metrics::new()),
            reject_delay,
            guard: Arc::new(Guard::new(guard, Instant::now())),
            conversations: Arc::default(),
        };
        let script = Self {
            engine: Engine::new(context.clone(), [7; 32], 0),
            registry: fixture(),
            context,
            log: Vec::new(),
            effects: Vec::new(),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            clock_set_by: 0,
        };
        script.reload();
        script
    }

    /// Brings the directory up to the registry.
    pub(crate) fn reload(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let load = self.context.directory.load(&self.registry);
        let loaded = runtime.expect("a runtime without drivers").block_on(load);
        loaded.expect("memory does not fail");
    }

    /// Tells the directory what changed.
    pub(crate) fn apply(&self, changes: &[Change]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let apply = self.context.directory.apply(&self.registry, changes);
        let applied = runtime.expect("a runtime without drivers").block_on(apply);
        applied.expect("memory does not fail");
    }

    pub(crate) fn moment(&self) -> Moment {
        let micros = i64::try_from(self.elapsed.as_micros()).expect("short scripts");
        Moment {
            instant: self.start + self.elapsed,
            timestamp: domain::time::Timestamp::from_micros(NOW.as_micros() + micros)
                .plus_seconds(self.clock_set_by),
        }
    }

    /// Sets the wall clock on or back; no time passes.
    pub(crate) fn set_clock_by(&mut self, seconds: i64) {
        self.clock_set_by += seconds;
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.elapsed += by;
        self.engine.handle_timeout(self.moment().instant);
    }

    pub(crate) fn send_octets(&mut self, source: &str, role: Role, octets: &[u8]) {
        self.send_late(source, role, octets, Duration::ZERO);
    }

    /// Sends what has lain in the kernel for some time.
    pub(crate) fn send_late(&mut self, source: &str, role: Role, octets: &[u8], waited: Duration) {
        let received = Received {
            listener: 0,
            role,
            peer: SocketAddr::new(address(source), 50_000),
            local: None,
            waited,
            octets,
        };
        self.engine.handle_datagram(&received, self.moment());
        self.take_effects();
    }

    pub(crate) fn send(&mut self, source: &str, request: &Request) {
        self.send_octets(source, request.role, &request.octets());
    }

    pub(crate) fn complete(&mut self, completion: Completion) {
        self.engine.handle_completion(completion, self.moment());
        self.take_effects();
    }

    /// The raw replies since the last look.
    pub(crate) fn outbox(&mut self) -> Vec<Outgoing> {
        self.engine.take_outbox()
    }

    /// Sends and shows the reply; empty is silence.
    pub(crate) fn ask(&mut self, source: &str, request: &Request) -> Vec<String> {
        self.send(source, request);
        self.shown(request)
    }

    /// The reply to `request` as text: the code, then an attribute a line.
    pub(crate) fn shown(&mut self, request: &Request) -> Vec<String> {
        let mut outbox = self.outbox();
        let Some(outgoing) = outbox.pop() else {
            return Vec::new();
        };
        assert!(outbox.is_empty(), "one request has one reply");
        show(request, &outgoing.octets)
    }

    /// The record and ticket of the only effect that waits.
    pub(crate) fn take_store(&mut self) -> (AccountingRecord, Ticket) {
        match self.effects.pop() {
            Some(Effect::Store { record, ticket }) => (record, ticket),
            other => panic!("expected a record to store, found {other:?}"),
        }
    }

    pub(crate) fn drops(&self, drop: Drop) -> u64 {
        self.context.metrics.drops(drop)
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            self.effects.push(effect);
        }
        let log = self.engine.log_mut();
        self.log.extend(log.entries().cloned());
        log.clear();
    }
}

/// Verifies a reply and shows it. Values that are drawn at random are left out.
pub(crate) fn show(request: &Request, octets: &[u8]) -> Vec<String> {
    let sent = request.octets();
    let sent = Packet::parse(&sent).expect("we wrote it");
    let reply = Packet::parse(octets).expect("the engine writes packets");
    let verify = match (request.code, reply.code()) {
        (Code::AccountingRequest, _) => verify_reply,
        _ => verify_reply_requiring_message_authenticator,
    };
    let verified = verify(
        &reply,
        request.identifier,
        sent.authenticator(),
        request.secret,
    );
    verified.expect("the engine signs its replies");
    let dictionary = Dictionary::builtin();
    let mut lines = vec![reply.code().to_string()];
    for attribute in reply.attributes() {
        lines.push(match attribute.kind {
            kind::MESSAGE_AUTHENTICATOR => "Message-Authenticator".to_owned(),
            kind::CLASS => "Class".to_owned(),
            _ => {
                let avps = avp::decode(&dictionary, [attribute], None);
                let shown = avps.iter().map(|avp| avp.show(&dictionary).to_string());
                shown.collect::<Vec<_>>().join(", ")
            }
        });
    }
    lines
}

#[track_caller]
pub(crate) fn check(script: &mut Script, source: &str, request: &Request, expected: &[&str]) {
    assert_eq!(script.ask(source, request), expected);
}

pub(crate) fn source_address(source: &str) -> IpAddr {
    address(source)
}

fn fixture() -> MemoryRegistry {
    let registry = MemoryRegistry::default();
    let with_policy = |message_authenticator| NasSettings {
        message_authenticator,
        ..NasSettings::default()
    };
    let identified = NasSettings {
        identifier: Some("bras-7".to_owned()),
        ..NasSettings::default()
    };
    let generic = NasSettings {
        vendor: Vendor::Generic,
        ..NasSettings::default()
    };
    let auto = with_policy(MessageAuthenticatorPolicy::Auto);
    *registry.nas.lock().expect("nobody panicked") = vec![
        nas(1, STRICT, NasSettings::default()),
        nas(2, AUTO, auto.clone()),
        nas(3, OFF, with_policy(MessageAuthenticatorPolicy::Off)),
        nas(4, IDENTIFIED, identified),
        nas(5, GENERIC, generic),
        nas(6, "198.51.100.0/24", auto),
    ];
    let solo = PlanTerms {
        session_limit: SessionLimit::new(1).ok(),
        session_timeout_seconds: TimeoutSeconds::new(3_600).ok(),
        ..PlanTerms::default()
    };
    *registry.plans.lock().expect("nobody panicked") = vec![
        plan(1, "25M/50M", PlanTerms::default()),
        plan(2, "10M/10M", solo),
    ];
    for subscriber in subscribers() {
        registry.put(subscriber);
    }
    registry
}

fn subscribers() -> Vec<Subscriber> {
    let hashed = |number, username, hash: &str| Subscriber {
        credential: domain::credential::Credential::Hashed(hash.parse().expect("a valid hash")),
        ..subscriber(number, username)
    };
    let addresses = StaticAddresses {
        ipv4: Some([10, 0, 0, 7].into()),
        ..StaticAddresses::default()
    };
    vec![
        subscriber(1, "ana"),
        Subscriber {
            status: SubscriberStatus::Disabled,
            ..subscriber(2, "disabled")
        },
        Subscriber {
            expires_at: Some(NOW),
            ..subscriber(3, "expired")
        },
        Subscriber {
            plan: plan_id(2),
            ..subscriber(4, "solo")
        },
        Subscriber {
            plan: plan_id(9),
            ..subscriber(5, "planless")
        },
        hashed(6, "hashed", HASH),
        hashed(7, "nt", NT),
        Subscriber {
            addresses,
            expires_at: Some(NOW.plus_seconds(90)),
            ..subscriber(8, "fixed")
        },
        subscriber(9, &"x".repeat(253)),
    ]
}
