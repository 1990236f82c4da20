//! Plays arbitrary requests of a router, signed properly or not at all: nothing panics, and every reply is right.
#![no_main]

#[path = "../../tests/support/registry.rs"]
#[expect(dead_code, reason = "the rest is for the tests")]
mod registry;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aaa::directory::Directory;
use aaa::engine::{Context, Effect, Engine, Moment, Received, Role};
use aaa::guard::{Guard, GuardOptions};
use aaa::inbox::Completion;
use aaa::limits::LimitTable;
use aaa::metrics::Metrics;
use aaa::session_table::SessionTable;
use domain::credential::Credential;
use domain::nas::{MessageAuthenticatorPolicy, NasSettings, Vendor};
use domain::plan::PlanTerms;
use domain::subscriber::Subscriber;
use libfuzzer_sys::fuzz_target;
use radius::attribute::kind;
use radius::authenticator::{verify_reply, verify_reply_requiring_message_authenticator};
use radius::code::Code;
use radius::packet::Packet;
use radius::writer::PacketWriter;

const SOURCES: [&str; 3] = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
const NT: &str = "{NT}8846f7eaee8fb117ad06bdd830b7586c";
const HASH: &str = "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.";

/// Longer than a router waits for an answer.
const LATE: Duration = Duration::from_secs(30);

static CONTEXT: LazyLock<Context> = LazyLock::new(context);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|input: (u8, bool, bool, [u8; 16], &[u8])| {
    let (choice, is_signed, is_done, authenticator, attributes) = input;
    let role = if choice & 1 == 0 {
        Role::Authentication
    } else {
        Role::Accounting
    };
    let code = match (role, choice & 2) {
        (_, 2) if choice & 4 != 0 => Code::StatusServer,
        (Role::Authentication, _) => Code::AccessRequest,
        (Role::Accounting, _) => Code::AccountingRequest,
    };
    let source = SOURCES[usize::from(choice >> 3) % SOURCES.len()];
    let now = Moment {
        instant: *START,
        timestamp: registry::NOW,
    };
    let mut engine = Engine::new(CONTEXT.clone(), [7; 32], 0);
    // It may be the answer to a question of EAP.
    let state = match choice & 64 {
        0 => Vec::new(),
        _ => begin_eap(&mut engine, source, now),
    };
    let attributes = &[attributes, &state].concat();
    let datagram = match is_signed {
        true => signed(code, &authenticator, attributes),
        false => raw(code, &authenticator, attributes),
    };
    let Some(datagram) = datagram else { return };
    let received = Received {
        listener: 0,
        role,
        peer: SocketAddr::new(registry::address(source), 50_000),
        local: None,
        waited: if choice & 128 == 0 {
            Duration::ZERO
        } else {
            LATE
        },
        octets: &datagram,
    };
    engine.handle_datagram(&received, now);
    // The same again: a retransmission.
    engine.handle_datagram(&received, now);
    complete(&mut engine, is_done, now);
    engine.handle_timeout(*START + Duration::from_secs(60));
    for reply in engine.take_outbox() {
        check(role, &datagram, &reply.octets);
    }
});

/// Says who a device is, and gives the State of the question, as an attribute.
fn begin_eap(engine: &mut Engine, source: &str, now: Moment) -> Vec<u8> {
    let identity = [1, 3, b'a', 79, 8, 2, 1, 0, 6, 1, b'a'];
    let hello = signed(Code::AccessRequest, &[1; 16], &identity).expect("it fits");
    let received = Received {
        listener: 0,
        role: Role::Authentication,
        peer: SocketAddr::new(registry::address(source), 50_000),
        local: None,
        waited: Duration::ZERO,
        octets: &hello,
    };
    engine.handle_datagram(&received, now);
    let reply = engine.take_outbox().pop().expect("whoever names a device is asked");
    let reply = Packet::parse(&reply.octets).expect("replies are packets");
    let state = reply.find(kind::STATE).expect("a question has a State");
    [&[kind::STATE, 18][..], state].concat()
}

fn complete(engine: &mut Engine, is_done: bool, now: Moment) {
    while let Some(effect) = engine.poll_effect() {
        match effect {
            Effect::Store { ticket, .. } if is_done => {
                engine.handle_completion(Completion::Stored(ticket), now);
            }
            Effect::Verify { ticket, .. } if is_done => {
                let is_right = true;
                engine.handle_completion(Completion::Verified { ticket, is_right }, now);
            }
            effect => engine.refuse(effect),
        }
    }
}

fn check(role: Role, request: &[u8], octets: &[u8]) {
    let request = Packet::parse(request).expect("nobody answers what is no packet");
    let reply = Packet::parse(octets).expect("replies are packets");
    let verify = match role {
        Role::Authentication => verify_reply_requiring_message_authenticator,
        Role::Accounting => verify_reply,
    };
    let verified = verify(
        &reply,
        request.identifier(),
        request.authenticator(),
        registry::SECRET,
    );
    assert_eq!(verified, Ok(()));
    let states = |packet: &Packet<'_>| {
        let all = packet.attributes();
        all.filter(|attribute| attribute.kind == kind::PROXY_STATE)
            .map(|attribute| attribute.value.to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&reply), states(&request), "Proxy-State comes back");
    // RFC 3579 §2.6.3: EAP says the same as RADIUS.
    let eap = reply.find(kind::EAP_MESSAGE).and_then(|eap| eap.first());
    let is_said_once = match reply.code() {
        Code::AccessChallenge => eap == Some(&1),
        Code::AccessAccept => eap.is_none_or(|code| *code == 3),
        Code::AccessReject => eap.is_none_or(|code| *code == 4),
        _ => eap.is_none(),
    };
    assert!(is_said_once, "{:?} with EAP code {eap:?}", reply.code());
}

/// A packet whose length fits.
fn raw(code: Code, authenticator: &[u8; 16], attributes: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(attributes.len() + 20).ok()?.to_be_bytes();
    let head = [code.as_u8(), 1, length[0], length[1]];
    Some([&head[..], authenticator, attributes].concat())
}

/// The same with right authenticators, when the attributes can be read at all.
fn signed(code: Code, authenticator: &[u8; 16], attributes: &[u8]) -> Option<Vec<u8>> {
    let raw = raw(code, authenticator, attributes)?;
    let Ok(packet) = Packet::parse(&raw) else {
        return Some(raw);
    };
    let mut octets = Vec::new();
    let mut writer = PacketWriter::new(&mut octets, code, 1);
    if code != Code::AccountingRequest {
        writer.push_message_authenticator().ok()?;
    }
    for attribute in packet.attributes() {
        if attribute.kind != kind::MESSAGE_AUTHENTICATOR {
            writer.push(attribute.kind, attribute.value).ok()?;
        }
    }
    if code == Code::AccountingRequest {
        writer.finish_accounting_request(registry::SECRET);
    } else {
        writer.finish_access_request(authenticator, registry::SECRET);
    }
    Some(octets)
}

fn context() -> Context {
    let known = registry::MemoryRegistry::default();
    let off = NasSettings {
        message_authenticator: MessageAuthenticatorPolicy::Off,
        ..NasSettings::default()
    };
    let generic = NasSettings {
        vendor: Vendor::Generic,
        ..off.clone()
    };
    let [first, second, third] = SOURCES;
    *known.nas.lock().expect("nobody panicked") = vec![
        registry::nas(1, first, NasSettings::default()),
        registry::nas(2, second, off),
        registry::nas(3, third, generic),
    ];
    let plan = registry::plan(1, "25M/50M", PlanTerms::default());
    known.plans.lock().expect("nobody panicked").push(plan);
    known.put(registry::subscriber(1, "a"));
    for (number, name, hash) in [(2, "n", NT), (3, "h", HASH)] {
        known.put(Subscriber {
            credential: Credential::Hashed(hash.parse().expect("a valid hash")),
            ..registry::subscriber(number, name)
        });
    }
    let directory = Directory::new([1; 32]);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let loaded = runtime
        .expect("a runtime without drivers")
        .block_on(directory.load(&known));
    loaded.expect("memory does not fail");
    Context {
        directory: Arc::new(directory),
        sessions: Arc::new(SessionTable::new()),
        limits: Arc::new(LimitTable::new(Arc::default())),
        metrics: Arc::new(Metrics::new()),
        reject_delay: Duration::from_secs(1),
        guard: Arc::new(Guard::new(GuardOptions::OFF, Instant::now())),
        conversations: Arc::default(),
    }
}
