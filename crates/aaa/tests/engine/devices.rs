//! New devices: the answer waits until they are bound.

use aaa::duplicate::Ticket;
use aaa::engine::Effect;
use aaa::inbox::Completion;
use aaa::metrics::Drop;
use domain::access::{Claim, Method, RejectReason};
use domain::auth_log::AuthOutcome;
use domain::credential::Credential;
use domain::mac::Mac;
use domain::plan::access::{DeviceLimit, PlanAccess};
use domain::plan::{PlanTerms, SessionLimit};
use domain::secret::Secret;
use domain::subscriber::Subscriber;
use domain::subscriber::binding::Bindings;
use radius::attribute::kind;

use crate::eap::{hello, question};
use crate::ms_chap::v2;
use crate::registry::{PASSWORD, plan, plan_id, subscriber};
use crate::request::Request;
use crate::script::{STRICT, Script, check};

const DENIED: &str = "Reply-Message = \"Access denied\"";
const DENIED_FULL: &[&str] = &[
    "Access-Reject",
    "Message-Authenticator",
    "Reply-Message = \"You are already logged in\"",
];
const TOO_MANY: &str = "Reply-Message = \"Your account is used on too many devices\"";

fn bound_to(devices: &[&str]) -> Subscriber {
    let devices = devices.iter().map(|raw| mac(raw)).collect();
    Subscriber {
        plan: plan_id(3),
        bindings: Bindings {
            devices,
            ..Bindings::default()
        },
        ..subscriber(40, "dev")
    }
}

fn mac(raw: &str) -> Mac {
    raw.parse().expect("a valid address")
}

/// A subscriber whose plan binds one device.
fn script(devices: &[&str]) -> Script {
    let script = Script::new();
    let one = PlanTerms {
        access: PlanAccess {
            device_limit: DeviceLimit::new(1),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    };
    let mut plans = script.registry.plans.lock().expect("nobody panicked");
    plans.push(plan(3, "25M/50M", one));
    drop(plans);
    script.registry.put(bound_to(devices));
    script.reload();
    script
}

fn login(identifier: u8, station: &str) -> Request {
    Request::access("dev")
        .identifier(identifier)
        .with(kind::CALLING_STATION_ID, station.as_bytes())
        .pap(PASSWORD)
}

/// The ticket of the only claim that waits, after a look at what is claimed.
#[track_caller]
fn take_claim(script: &mut Script, device: &str) -> Ticket {
    match script.effects.pop() {
        Some(Effect::Claim {
            subscriber,
            mac: claimed,
            ticket,
            ..
        }) => {
            assert_eq!(subscriber, bound_to(&[]).id);
            assert_eq!(claimed, mac(device));
            ticket
        }
        other => panic!("expected a device to bind, found {other:?}"),
    }
}

fn code(shown: &[String]) -> Option<&str> {
    shown.first().map(String::as_str)
}

#[test]
fn a_known_device_waits_for_nothing_in_whatever_notation() {
    let mut script = script(&["00:00:5e:00:53:01"]);
    for (identifier, station) in [(1, "00-00-5E-00-53-01"), (2, "0000.5e00.5301")] {
        let shown = script.ask(STRICT, &login(identifier, station));
        assert_eq!(code(&shown), Some("Access-Accept"));
    }
    assert!(script.effects.is_empty());
    let other = login(3, "00:00:5e:00:53:02");
    let refused = ["Access-Reject", "Message-Authenticator", TOO_MANY];
    check(&mut script, STRICT, &other, &refused);
    assert!(script.effects.is_empty(), "there is nothing to claim");
}

#[test]
fn a_new_device_is_answered_when_it_is_bound() {
    let mut script = script(&[]);
    let request = login(1, "00:00:5e:00:53:01");
    check(&mut script, STRICT, &request, &[]);
    let ticket = take_claim(&mut script, "00:00:5e:00:53:01");
    // The router asks again meanwhile.
    check(&mut script, STRICT, &request, &[]);
    assert_eq!(script.drops(Drop::DuplicateInProgress), 1);
    let claim = Claim::Bound;
    script.complete(Completion::Claimed { ticket, claim });
    let shown = script.shown(&request);
    assert_eq!(code(&shown), Some("Access-Accept"));
    let trace = script
        .log
        .last()
        .map(|entry| entry.trace.as_str().to_owned());
    assert_eq!(trace.as_deref(), Some("f vpap a n B1 u g"));
}

#[test]
fn ms_chap_proves_the_server_after_the_claim_too() {
    let mut script = script(&[]);
    let request = v2("dev", PASSWORD).with(kind::CALLING_STATION_ID, b"00:00:5e:00:53:01");
    check(&mut script, STRICT, &request, &[]);
    let ticket = take_claim(&mut script, "00:00:5e:00:53:01");
    let claim = Claim::Bound;
    script.complete(Completion::Claimed { ticket, claim });
    let shown = script.shown(&request);
    assert!(
        shown
            .iter()
            .any(|line| line.starts_with("MS-CHAP2-Success")),
        "{shown:?}"
    );
}

#[test]
fn eap_goes_on_where_it_waited_for_the_claim() {
    let mut script = script(&[]);
    let at_home = |request: Request| request.with(kind::CALLING_STATION_ID, b"00:00:5e:00:53:01");
    let asked = question(&mut script, &at_home(hello("dev")));
    let request = at_home(asked.right("dev"));
    check(&mut script, STRICT, &request, &[]);
    // There was no room in the queue, so the router asks again.
    let refused = script.effects.pop().expect("a device is to be bound");
    script.engine.refuse(refused);
    check(&mut script, STRICT, &request, &[]);
    let ticket = take_claim(&mut script, "00:00:5e:00:53:01");
    let claim = Claim::Bound;
    script.complete(Completion::Claimed { ticket, claim });
    let shown = script.shown(&request);
    assert_eq!(code(&shown), Some("Access-Accept"));
    assert_eq!(shown[2], "EAP-Message = 0x030a0004");
    let last = script.log.last().expect("it is logged");
    assert_eq!(last.method, Method::EapMd5);
}

#[test]
fn a_claim_that_came_too_late_or_was_not_stored_is_refused() {
    for (claim, message) in [(Claim::NoRoom, TOO_MANY), (Claim::NotStored, DENIED)] {
        let mut script = script(&[]);
        let request = login(1, "00:00:5e:00:53:01");
        check(&mut script, STRICT, &request, &[]);
        let ticket = take_claim(&mut script, "00:00:5e:00:53:01");
        script.complete(Completion::Claimed { ticket, claim });
        let shown = script.shown(&request);
        let expected = ["Access-Reject", "Message-Authenticator", message];
        assert_eq!(shown, expected, "{claim:?}");
    }
}

#[test]
fn a_claim_without_room_in_the_queue_is_dropped_and_asked_again() {
    let mut script = script(&[]);
    let request = login(1, "00:00:5e:00:53:01");
    check(&mut script, STRICT, &request, &[]);
    let effect = script.effects.pop().expect("a claim waits");
    script.engine.refuse(effect);
    assert_eq!(script.drops(Drop::ClaimsFull), 1);
    check(&mut script, STRICT, &request, &[]);
    take_claim(&mut script, "00:00:5e:00:53:01");
}

#[test]
fn a_password_that_changed_during_the_claim_counts() {
    let mut script = script(&[]);
    let request = login(1, "00:00:5e:00:53:01");
    check(&mut script, STRICT, &request, &[]);
    let ticket = take_claim(&mut script, "00:00:5e:00:53:01");
    script.registry.put(Subscriber {
        credential: Credential::Cleartext(Secret::from("another")),
        ..bound_to(&[])
    });
    script.reload();
    let claim = Claim::Bound;
    script.complete(Completion::Claimed { ticket, claim });
    check(
        &mut script,
        STRICT,
        &login(2, "x"),
        &["Access-Reject", "Message-Authenticator", DENIED],
    );
    assert_eq!(script.drops(Drop::CredentialChanged), 1);
}

#[test]
fn a_login_without_a_device_is_refused_where_devices_are_bound() {
    let mut script = script(&[]);
    let refused = ["Access-Reject", "Message-Authenticator", DENIED];
    check(&mut script, STRICT, &login(1, "192.0.2.99"), &refused);
    assert!(script.effects.is_empty());
}

#[test]
fn a_login_takes_its_place_when_its_device_is_bound() {
    let mut script = script(&[]);
    let terms = PlanTerms {
        session_limit: SessionLimit::new(1).ok(),
        access: PlanAccess {
            device_limit: DeviceLimit::new(5),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    };
    let mut plans = script.registry.plans.lock().expect("nobody panicked");
    plans.retain(|known| known.id != plan_id(3));
    plans.push(plan(3, "25M/50M", terms));
    drop(plans);
    script.reload();
    let (first, second) = ("00:00:5e:00:53:01", "00:00:5e:00:53:02");
    check(&mut script, STRICT, &login(1, first), &[]);
    let early = take_claim(&mut script, first);
    // One that waits holds no place, and may be refused in the end.
    check(&mut script, STRICT, &login(2, second), &[]);
    let late = take_claim(&mut script, second);
    let not_stored = Claim::NotStored;
    let refused = Completion::Claimed {
        ticket: early,
        claim: not_stored,
    };
    script.complete(refused);
    assert_eq!(code(&script.shown(&login(1, first))), Some("Access-Reject"));
    let claim = Claim::Bound;
    script.complete(Completion::Claimed {
        ticket: late,
        claim,
    });
    assert_eq!(
        code(&script.shown(&login(2, second))),
        Some("Access-Accept")
    );
    // The place is taken now.
    check(&mut script, STRICT, &login(3, first), DENIED_FULL);
    let full = RejectReason::SessionLimit { open: 1, limit: 1 };
    let last = script.log.last().map(|entry| entry.outcome);
    assert_eq!(last, Some(AuthOutcome::Rejected(full)));
    assert!(script.effects.is_empty(), "nothing is claimed in vain");
}
