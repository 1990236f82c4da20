//! Guessers are kept back, whatever they send, and the subscriber comes in.

use std::time::Duration;

use aaa::engine::Effect;
use aaa::guard::GuardOptions;
use aaa::metrics::Count;
use aaa::session_table::{Device, OpenSession};
use domain::access::RejectReason;
use domain::accounting::SessionKey;
use domain::auth_log::AuthOutcome;
use domain::credential::Credential;
use domain::guard::GuardSubject;
use domain::id::{NasId, SubscriberId};
use domain::secret::Secret;
use domain::subscriber::Subscriber;
use radius::attribute::kind;

use crate::registry::{NOW, PASSWORD, subscriber};
use crate::request::Request;
use crate::script::{STRICT, Script};

const OPTIONS: GuardOptions = GuardOptions {
    user_failures: 3,
    station_failures: 6,
    nas_failures: 0,
    lock_max: Duration::from_secs(60),
};

const LOCK: Duration = Duration::from_secs(5);

const GUESSER: &str = "02-00-00-00-00-01";
const HOME: &str = "02-00-00-00-00-02";

struct Play {
    script: Script,
    identifier: u8,
}

impl Play {
    fn new() -> Self {
        Self {
            script: Script::guarded(OPTIONS),
            identifier: 0,
        }
    }

    /// The code of the answer; empty when there is none yet.
    fn ask(&mut self, user: &str, password: &str, station: &str) -> String {
        self.identifier += 1;
        let request = Request::access(user)
            .identifier(self.identifier)
            .pap(password)
            .with(kind::CALLING_STATION_ID, station.as_bytes());
        let lines = self.script.ask(STRICT, &request);
        lines.first().cloned().unwrap_or_default()
    }

    fn guess(&mut self, times: u8) {
        for number in 0..times {
            let answer = self.ask("ana", &format!("guess-{number}"), GUESSER);
            assert_eq!(answer, "Access-Reject");
        }
    }

    fn last_reason(&self) -> Option<RejectReason> {
        match self.script.log.last()?.outcome {
            AuthOutcome::Rejected(reason) => Some(reason),
            AuthOutcome::Accepted => None,
        }
    }
}

fn kept_back(subject: GuardSubject) -> Option<RejectReason> {
    Some(RejectReason::TooManyAttempts { subject })
}

#[test]
fn the_right_guess_is_refused_after_too_many_wrong_ones() {
    let mut play = Play::new();
    play.guess(4);
    assert_eq!(play.ask("ana", PASSWORD, GUESSER), "Access-Reject");
    assert_eq!(play.last_reason(), kept_back(GuardSubject::User));
    let metrics = &play.script.context.metrics;
    assert_eq!(metrics.value(Count::GuardLocked), 1);
    assert_eq!(metrics.value(Count::GuardRefused), 1);
    // Others are not concerned, and it ends.
    assert_eq!(play.ask("nt", "password", HOME), "Access-Accept");
    play.script.advance(LOCK);
    assert_eq!(play.ask("ana", PASSWORD, GUESSER), "Access-Accept");
}

#[test]
fn what_is_refused_does_not_prolong_the_lock() {
    let mut play = Play::new();
    play.guess(4);
    for _ in 0..4 {
        play.script.advance(Duration::from_secs(1));
        play.guess(5);
    }
    play.script.advance(Duration::from_secs(1));
    assert_eq!(play.ask("ana", PASSWORD, GUESSER), "Access-Accept");
}

#[test]
fn a_device_that_was_accepted_before_is_not_locked_out() {
    let mut play = Play::new();
    assert_eq!(play.ask("ana", PASSWORD, HOME), "Access-Accept");
    play.guess(4);
    assert_eq!(play.ask("ana", PASSWORD, HOME), "Access-Accept");
    // That pardons the subscriber, and the guesser begins anew.
    play.guess(3);
    assert_ne!(play.last_reason(), kept_back(GuardSubject::User));
}

#[test]
fn a_device_that_is_online_is_not_locked_out() {
    let mut play = Play::new();
    let session = OpenSession {
        key: SessionKey([1; 16]),
        nas: NasId::new(NOW, [1; 10]),
        nas_address: None,
        device: Some(Device::from_calling_station(HOME)),
        started_at: NOW,
        is_replaced: false,
        username: "".into(),
        auth: None,
        terms: None,
    };
    let ana = SubscriberId::new(NOW, [1; 10]);
    play.script.context.sessions.insert(ana, session);
    play.guess(4);
    assert_eq!(
        play.ask("ana", PASSWORD, "02-00-00-00-00-03"),
        "Access-Reject"
    );
    assert_eq!(play.ask("ana", PASSWORD, HOME), "Access-Accept");
}

#[test]
fn a_subscriber_who_is_changed_begins_anew() {
    let mut play = Play::new();
    play.guess(4);
    assert_eq!(play.ask("ana", "new-password", HOME), "Access-Reject");
    play.script.registry.put(Subscriber {
        credential: Credential::Cleartext(Secret::from("new-password")),
        ..subscriber(1, "ana")
    });
    play.script.reload();
    assert_eq!(play.ask("ana", "new-password", HOME), "Access-Accept");
}

#[test]
fn a_slow_hash_is_not_compared_for_who_is_locked() {
    let mut play = Play::new();
    for number in 0..8 {
        play.ask(&format!("nobody-{number}"), "guess", GUESSER);
    }
    assert_eq!(play.ask("hashed", "password", GUESSER), "Access-Reject");
    assert_eq!(play.last_reason(), kept_back(GuardSubject::Station));
    assert!(play.script.effects.is_empty());
    assert_eq!(play.ask("hashed", "password", HOME), "");
    assert!(matches!(
        play.script.effects.pop(),
        Some(Effect::Verify { .. })
    ));
}
