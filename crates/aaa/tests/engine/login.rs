//! PAP and CHAP logins and every reason to refuse one.

use domain::access::RejectReason;
use domain::accounting::SessionKey;
use domain::auth_log::AuthOutcome;
use domain::id::{NasId, SubscriberId};
use domain::plan::{PlanTerms, SessionLimit};
use domain::session_policy::SessionPolicy;
use radius::attribute::kind;
use radius::password::chap;

use aaa::session_table::{Device, OpenSession, RESERVED_FOR};

use crate::registry::{NOW, PASSWORD, plan};
use crate::request::Request;
use crate::script::{GENERIC, IDENTIFIED, STRICT, Script, check};

const ACCEPT: [&str; 5] = [
    "Access-Accept",
    "Message-Authenticator",
    "Acct-Interim-Interval = 300",
    "Mikrotik-Rate-Limit = \"25M/50M\"",
    "Class",
];

const DENIED: [&str; 3] = [
    "Access-Reject",
    "Message-Authenticator",
    "Reply-Message = \"Access denied\"",
];

fn pap(user_name: &str) -> Request {
    Request::access(user_name).pap(PASSWORD)
}

fn chap_with_challenge(challenge: &[u8], password: &str) -> Request {
    let response = chap::respond(9, challenge, password.as_bytes());
    Request::access("ana")
        .with(kind::CHAP_PASSWORD, &response)
        .with(kind::CHAP_CHALLENGE, challenge)
}

#[track_caller]
fn check_reject(request: &Request, message: &str, reason: RejectReason) {
    check_reject_from(STRICT, request, message, reason);
}

#[track_caller]
fn check_reject_from(source: &str, request: &Request, message: &str, reason: RejectReason) {
    let mut script = Script::new();
    let message = format!("Reply-Message = \"{message}\"");
    check(
        &mut script,
        source,
        request,
        &["Access-Reject", "Message-Authenticator", &message],
    );
    let outcomes: Vec<_> = script.log.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [AuthOutcome::Rejected(reason)]);
}

#[test]
fn the_right_password_is_accepted_with_the_terms_of_the_plan() {
    check(&mut Script::new(), STRICT, &pap("ana"), &ACCEPT);
    check(&mut Script::new(), STRICT, &pap("ANA"), &ACCEPT);
    let explicit = chap_with_challenge(b"challenge of any length", PASSWORD);
    check(&mut Script::new(), STRICT, &explicit, &ACCEPT);
}

#[test]
fn without_a_chap_challenge_the_authenticator_is_the_challenge() {
    let request = Request::access("ana");
    let response = chap::respond(9, &request.authenticator, PASSWORD.as_bytes());
    let request = request.with(kind::CHAP_PASSWORD, &response);
    check(&mut Script::new(), STRICT, &request, &ACCEPT);
}

#[test]
fn an_ipv6_nas_is_answered_in_its_own_dialect() {
    check(
        &mut Script::new(),
        GENERIC,
        &pap("ana"),
        &[
            "Access-Accept",
            "Message-Authenticator",
            "Acct-Interim-Interval = 300",
            "Class",
        ],
    );
}

#[test]
fn a_static_address_and_the_expiry_are_granted() {
    check(
        &mut Script::new(),
        STRICT,
        &pap("fixed"),
        &[
            "Access-Accept",
            "Message-Authenticator",
            "Framed-IP-Address = 10.0.0.7",
            "Session-Timeout = 90",
            "Acct-Interim-Interval = 300",
            "Mikrotik-Rate-Limit = \"25M/50M\"",
            "Class",
        ],
    );
}

#[test]
fn proxy_state_comes_back_whole_and_in_order() {
    let mut expected = DENIED.to_vec();
    expected.extend([
        "Proxy-State = 0x02",
        "Proxy-State = 0x01",
        "Proxy-State = 0x02",
    ]);
    let with_states = |request: Request| {
        let states = [[2], [1], [2]];
        states.iter().fold(request, |request, state| {
            request.with(kind::PROXY_STATE, state)
        })
    };
    let wrong = with_states(Request::access("ana").pap("wrong"));
    check(&mut Script::new(), STRICT, &wrong, &expected);
    let mut expected = ACCEPT.to_vec();
    expected.extend([
        "Proxy-State = 0x02",
        "Proxy-State = 0x01",
        "Proxy-State = 0x02",
    ]);
    check(
        &mut Script::new(),
        STRICT,
        &with_states(pap("ana")),
        &expected,
    );
}

#[test]
fn who_cannot_prove_it_is_refused() {
    use domain::access::Method::{Chap, Pap};
    use domain::credential::HashScheme::Sha256Crypt;
    let denied = "Access denied";
    let wrong = |method| RejectReason::WrongPassword { method };
    let malformed = |method| RejectReason::MalformedCredential { method };
    let wrong_pap = Request::access("ana").pap("kookaburr");
    check_reject(&wrong_pap, denied, wrong(Pap));
    let longer = Request::access("ana").pap("kookaburraa");
    check_reject(&longer, denied, wrong(Pap));
    let wrong_chap = chap_with_challenge(b"challenge", "wrong");
    check_reject(&wrong_chap, denied, wrong(Chap));
    let nobody = pap("nobody");
    check_reject(&nobody, denied, RejectReason::UnknownUser);
    let none = Request::access("ana");
    check_reject(&none, denied, RejectReason::NoCredential);
    let odd = Request::access("ana").with(kind::USER_PASSWORD, &[1; 15]);
    check_reject(&odd, denied, malformed(Pap));
    let short = Request::access("ana").with(kind::CHAP_PASSWORD, &[1; 16]);
    check_reject(&short, denied, malformed(Chap));
    let both = pap("ana").with(kind::CHAP_PASSWORD, &[1; 17]);
    check_reject(&both, denied, malformed(Pap));
    let hashed = Request::access("hashed").with(kind::CHAP_PASSWORD, &[1; 17]);
    let reason = RejectReason::MethodNeedsCleartext {
        method: Chap,
        stored: Sha256Crypt,
    };
    check_reject(&hashed, denied, reason);
}

#[test]
fn who_may_not_come_in_is_told_why() {
    let disabled = pap("disabled");
    check_reject(
        &disabled,
        "Your account is disabled",
        RejectReason::Disabled,
    );
    let reason = RejectReason::Expired { at: NOW };
    check_reject(&pap("expired"), "Your account has expired", reason);
    check_reject(&pap("planless"), "Access denied", RejectReason::PlanMissing);
}

#[test]
fn names_of_any_octets_are_refused_and_logged_printably() {
    let mut script = Script::new();
    let names = [&[0xff, 0, b'a'][..], b"an a", b"", &[0xfe; 253]];
    for (name, identifier) in names.into_iter().zip(1..) {
        let request = Request::access(name).pap(PASSWORD);
        check(
            &mut script,
            STRICT,
            &request.identifier(identifier),
            &DENIED,
        );
    }
    let logged: Vec<_> = script
        .log
        .iter()
        .filter_map(|entry| entry.username.as_deref())
        .collect();
    let replaced = "\u{fffd}".repeat(84);
    assert_eq!(logged, ["\u{fffd}\u{fffd}a", "an a", "", &replaced]);
}

#[test]
fn the_longest_name_is_a_name() {
    check(&mut Script::new(), STRICT, &pap(&"X".repeat(253)), &ACCEPT);
}

#[test]
fn a_nas_must_name_itself_when_its_name_is_registered() {
    let named = |name: &[u8]| pap("ana").with(kind::NAS_IDENTIFIER, name);
    check(&mut Script::new(), IDENTIFIED, &named(b"bras-7"), &ACCEPT);
    let differs = RejectReason::NasIdentifierDiffers;
    check_reject_from(IDENTIFIED, &named(b"bras-8"), "Access denied", differs);
    check_reject_from(IDENTIFIED, &pap("ana"), "Access denied", differs);
}

#[test]
fn the_session_limit_counts_other_devices_only() {
    let mut script = Script::new();
    let session = OpenSession {
        key: SessionKey([1; 16]),
        nas: NasId::new(NOW, [1; 10]),
        nas_address: None,
        device: Some(Device::from_calling_station("AA:BB:CC:00:00:01")),
        started_at: NOW,
        is_replaced: false,
        username: "".into(),
        auth: None,
        terms: None,
    };
    let solo = SubscriberId::new(NOW, [4; 10]);
    script.context.sessions.insert(solo, session);
    let from = |station: &str, identifier| {
        pap("solo")
            .with(kind::CALLING_STATION_ID, station.as_bytes())
            .identifier(identifier)
    };
    let refused = [
        "Access-Reject",
        "Message-Authenticator",
        "Reply-Message = \"You are already logged in\"",
    ];
    check(&mut script, STRICT, &from("AA-BB-CC-00-00-02", 1), &refused);
    check(&mut script, STRICT, &pap("solo").identifier(2), &refused);
    let accept = [
        "Access-Accept",
        "Message-Authenticator",
        "Session-Timeout = 3600",
        "Acct-Interim-Interval = 300",
        "Port-Limit = 1",
        "Mikrotik-Rate-Limit = \"10M/10M\"",
        "Class",
    ];
    check(&mut script, STRICT, &from("aabb.cc00.0001", 3), &accept);
    script.context.sessions.remove(solo, SessionKey([1; 16]));
    // The place of the device that was let in is held for a while.
    script.advance(RESERVED_FOR);
    check(&mut script, STRICT, &from("AA-BB-CC-00-00-02", 4), &accept);
}

/// A login of the subscriber `solo`, who may have one session.
fn solo_from(station: &str, identifier: u8) -> Request {
    pap("solo")
        .with(kind::CALLING_STATION_ID, station.as_bytes())
        .identifier(identifier)
}

const SOLO_ACCEPT: [&str; 7] = [
    "Access-Accept",
    "Message-Authenticator",
    "Session-Timeout = 3600",
    "Acct-Interim-Interval = 300",
    "Port-Limit = 1",
    "Mikrotik-Rate-Limit = \"10M/10M\"",
    "Class",
];

const SOLO_REJECT: [&str; 3] = [
    "Access-Reject",
    "Message-Authenticator",
    "Reply-Message = \"You are already logged in\"",
];

#[test]
fn who_was_let_in_is_counted_before_the_session_begins() {
    let mut script = Script::new();
    let (first, second) = ("AA-BB-CC-00-00-01", "AA-BB-CC-00-00-02");
    check(&mut script, STRICT, &solo_from(first, 1), &SOLO_ACCEPT);
    check(&mut script, STRICT, &solo_from(second, 2), &SOLO_REJECT);
    check(&mut script, STRICT, &solo_from(first, 3), &SOLO_ACCEPT);
    script.advance(RESERVED_FOR);
    check(&mut script, STRICT, &solo_from(second, 4), &SOLO_ACCEPT);
}

#[test]
fn the_oldest_session_makes_room_for_another_device() {
    let mut script = Script::new();
    let replacing = PlanTerms {
        session_limit: SessionLimit::new(1).ok(),
        session_policy: SessionPolicy::ReplaceOldest,
        ..PlanTerms::default()
    };
    let plans = vec![plan(2, "10M/10M", replacing)];
    *script.registry.plans.lock().expect("nobody panicked") = plans;
    script.reload();
    let solo = SubscriberId::new(NOW, [4; 10]);
    let open = |key, station| OpenSession {
        key: SessionKey([key; 16]),
        nas: NasId::new(NOW, [1; 10]),
        nas_address: None,
        device: Some(Device::from_calling_station(station)),
        started_at: NOW,
        is_replaced: false,
        username: "".into(),
        auth: None,
        terms: None,
    };
    let sessions = script.context.sessions.clone();
    sessions.insert(solo, open(1, "AA:BB:CC:00:00:01"));
    let request = solo_from("AA-BB-CC-00-00-02", 1);
    assert_eq!(script.ask(STRICT, &request)[0], "Access-Accept");
    let steps = script.log[0].trace.steps(None);
    let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
    let expected =
        "1 other sessions are open, 1 are allowed, and this one takes the place of the oldest";
    assert!(steps.iter().any(|step| step == expected), "{steps:?}");
    assert_eq!(sessions.announcements().waiting(), 1);
    sessions.insert(solo, open(2, "AA:BB:CC:00:00:02"));
    // The first one is still open, and does not count.
    let request = solo_from("AA-BB-CC-00-00-02", 2);
    assert_eq!(script.ask(STRICT, &request)[0], "Access-Accept");
    assert_eq!(sessions.announcements().waiting(), 1);
    assert_eq!(sessions.len(), 2);
}

#[test]
fn the_log_tells_who_asked_and_which_rules_decided() {
    let mut script = Script::new();
    let request = pap("Ana")
        .with(kind::CALLING_STATION_ID, b"AA:BB:CC:00:00:01")
        .with(kind::CALLED_STATION_ID, b"pppoe-1");
    check(&mut script, STRICT, &request, &ACCEPT);
    let entry = script.log.first().expect("one decision is one entry");
    assert_eq!(entry.username.as_deref(), Some("Ana"));
    assert_eq!(entry.calling_station.as_deref(), Some("AA:BB:CC:00:00:01"));
    assert_eq!(entry.called_station.as_deref(), Some("pppoe-1"));
    assert_eq!(entry.outcome, AuthOutcome::Accepted);
    let steps = entry.trace.steps(None);
    let trace: Vec<_> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        trace,
        [
            "the subscriber exists",
            "the pap password is right",
            "the subscriber is active",
            "no expiry is set",
            "the plan has no session limit",
            "granted",
        ]
    );
}
