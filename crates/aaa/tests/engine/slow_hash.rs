//! Passwords behind a slow hash: compared elsewhere, remembered here.

use aaa::directory::SubscriberEntry;
use aaa::duplicate::Ticket;
use aaa::engine::Effect;
use aaa::inbox::Completion;
use aaa::metrics::Drop;
use aaa::verifier::{self, Question};
use domain::credential::Credential;
use domain::secret::Secret;
use domain::subscriber::{Subscriber, SubscriberStatus};
use std::sync::Arc;

use crate::registry::subscriber;
use crate::request::Request;
use crate::script::{STRICT, Script, check};

const DENIED: [&str; 3] = [
    "Access-Reject",
    "Message-Authenticator",
    "Reply-Message = \"Access denied\"",
];

fn login(identifier: u8, password: &str) -> Request {
    let request = Request::access("hashed").identifier(identifier);
    request.pap(password)
}

fn take_verify(script: &mut Script) -> (Arc<SubscriberEntry>, Secret, Ticket) {
    match script.effects.pop() {
        Some(Effect::Verify {
            question: Question::Subscriber { entry, password },
            ticket,
        }) => (entry, password, ticket),
        other => panic!("expected a password to compare, found {other:?}"),
    }
}

/// Does what the verifier's threads do.
fn verify(script: &mut Script) {
    let (entry, password, ticket) = take_verify(script);
    let Credential::Hashed(hash) = &entry.subscriber.credential else {
        panic!("only hashes are slow");
    };
    let is_right = verifier::matches(hash, password.expose());
    if is_right {
        entry.remember_verified(password.expose());
    }
    script.complete(Completion::Verified { ticket, is_right });
}

fn code(shown: &[String]) -> Option<&str> {
    shown.first().map(String::as_str)
}

#[test]
fn the_reply_waits_for_the_comparison_and_the_next_does_not() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    verify(&mut script);
    let shown = script.shown(&login(1, "password"));
    assert_eq!(code(&shown), Some("Access-Accept"));
    let shown = script.ask(STRICT, &login(2, "password"));
    assert_eq!(code(&shown), Some("Access-Accept"));
    assert!(script.effects.is_empty());
}

#[test]
fn what_was_verified_outlives_a_reload_but_not_another_password() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    verify(&mut script);
    script.outbox();
    script.reload();
    let shown = script.ask(STRICT, &login(2, "password"));
    assert_eq!(code(&shown), Some("Access-Accept"));
    check(&mut script, STRICT, &login(3, "passwort"), &[]);
    assert_eq!(script.effects.len(), 1);
}

#[test]
fn a_wrong_password_is_refused_after_the_comparison() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "passwort"), &[]);
    verify(&mut script);
    assert_eq!(script.shown(&login(1, "passwort")), DENIED);
    check(&mut script, STRICT, &login(2, "passwort"), &[]);
    assert_eq!(script.effects.len(), 1);
}

#[test]
fn when_the_queue_is_full_the_retransmission_is_tried_again() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    check(&mut script, STRICT, &login(1, "password"), &[]);
    assert_eq!(script.drops(Drop::DuplicateInProgress), 1);
    let refused = script.effects.pop().expect("it was asked for");
    script.engine.refuse(refused);
    assert_eq!(script.drops(Drop::VerifierFull), 1);
    assert!(script.outbox().is_empty());
    check(&mut script, STRICT, &login(1, "password"), &[]);
    verify(&mut script);
    let shown = script.shown(&login(1, "password"));
    assert_eq!(code(&shown), Some("Access-Accept"));
}

#[test]
fn a_subscriber_disabled_during_the_comparison_stays_out() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    change(&script, |known| Subscriber {
        status: SubscriberStatus::Disabled,
        ..known
    });
    verify(&mut script);
    let refused = [
        "Access-Reject",
        "Message-Authenticator",
        "Reply-Message = \"Your account is disabled\"",
    ];
    assert_eq!(script.shown(&login(1, "password")), refused);
}

#[test]
fn a_password_changed_during_the_comparison_decides_the_retransmission() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    change(&script, |known| Subscriber {
        credential: subscriber(6, "hashed").credential,
        ..known
    });
    verify(&mut script);
    assert!(script.outbox().is_empty());
    assert_eq!(script.drops(Drop::CredentialChanged), 1);
    check(&mut script, STRICT, &login(1, "password"), &DENIED);
}

#[test]
fn a_subscriber_deleted_during_the_comparison_is_unknown() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    script
        .registry
        .subscribers
        .lock()
        .expect("nobody panicked")
        .clear();
    script.reload();
    verify(&mut script);
    assert_eq!(script.shown(&login(1, "password")), DENIED);
}

#[test]
fn a_completion_that_nobody_waits_for_does_nothing() {
    let mut script = Script::new();
    check(&mut script, STRICT, &login(1, "password"), &[]);
    let (_, _, ticket) = take_verify(&mut script);
    let newer = Request::access("ana")
        .identifier(1)
        .authenticator(9)
        .pap("wrong");
    assert!(!script.ask(STRICT, &newer).is_empty());
    let is_right = true;
    script.complete(Completion::Verified { ticket, is_right });
    script.complete(Completion::Verified { ticket, is_right });
    assert!(script.outbox().is_empty());
}

fn change(script: &Script, change: impl FnOnce(Subscriber) -> Subscriber) {
    let known = {
        let all = script.registry.subscribers.lock().expect("nobody panicked");
        let known = all.iter().find(|known| known.username.as_str() == "hashed");
        known.expect("it is in the fixture").clone()
    };
    script.registry.put(change(known));
    script.reload();
}
