//! Guessers are kept back, and nobody else.

use super::*;

const OPTIONS: GuardOptions = GuardOptions {
    user_failures: 3,
    station_failures: 5,
    nas_failures: 8,
    lock_max: Duration::from_secs(60),
};

struct Play {
    guard: Guard,
    begun: Instant,
    seconds: u64,
    metrics: Metrics,
}

impl Play {
    fn new(options: GuardOptions) -> Self {
        let begun = Instant::now();
        Self {
            guard: Guard::new(options, begun),
            begun,
            seconds: 0,
            metrics: Metrics::new(),
        }
    }

    fn now(&self) -> Moment {
        Moment {
            instant: self.begun + Duration::from_secs(self.seconds),
            timestamp: Timestamp::from_seconds(1_000 + self.seconds.cast_signed()),
        }
    }

    fn with<T>(&self, user: u8, station: &str, act: impl FnOnce(&Self, &Attempt<'_>) -> T) -> T {
        let name = format!("user-{user}");
        let attempt = Attempt {
            user: Some(Claimed {
                id: SubscriberId::from_bytes([user; 16]),
                name: &name,
                version: 1,
            }),
            station: Some(Station::of(station)),
            nas: (NasId::from_bytes([1; 16]), "pop"),
        };
        act(self, &attempt)
    }

    fn fail(&self, user: u8, station: &str) {
        self.with(user, station, |play, attempt| {
            play.guard.fail(attempt, play.now(), &play.metrics);
        });
    }

    fn succeed(&self, user: u8, station: &str) {
        self.with(user, station, |play, attempt| play.guard.succeed(attempt));
    }

    fn lock(&self, user: u8, station: &str) -> Option<GuardSubject> {
        self.with(user, station, |play, attempt| {
            play.guard.find_lock(attempt, play.now().instant)
        })
    }
}

#[test]
fn who_fails_too_often_is_locked_for_longer_each_time() {
    let mut play = Play::new(GuardOptions {
        station_failures: 0,
        nas_failures: 0,
        ..OPTIONS
    });
    for _ in 0..3 {
        play.fail(1, "a");
        assert_eq!(play.lock(1, "a"), None);
    }
    for lock in [5, 10, 20, 40, 60, 60] {
        // What has faded in the meantime is made up for.
        while play.lock(1, "new").is_none() {
            play.fail(1, "a");
        }
        play.seconds += lock - 1;
        assert_eq!(play.lock(1, "new"), Some(GuardSubject::User), "{lock}");
        assert_eq!(play.lock(2, "new"), None);
        play.seconds += 1;
        assert_eq!(play.lock(1, "new"), None, "{lock}");
    }
    // After a long pause it begins anew.
    play.seconds += PARDON.as_secs();
    while play.lock(1, "new").is_none() {
        play.fail(1, "a");
    }
    play.seconds += 5;
    assert_eq!(play.lock(1, "new"), None);
}

#[test]
fn failures_fade() {
    let mut play = Play::new(OPTIONS);
    for _ in 0..50 {
        play.fail(1, "a");
        play.seconds += 101;
        assert_eq!(play.lock(1, "a"), None);
    }
}

#[test]
fn a_device_is_locked_whoever_it_claims_to_be() {
    let play = Play::new(OPTIONS);
    for user in 0..6 {
        play.fail(user, "AA-BB-CC-00-00-01");
    }
    let locked = play.lock(99, "aabb.cc00.0001");
    assert_eq!(locked, Some(GuardSubject::Station));
    assert_eq!(play.lock(99, "AA-BB-CC-00-00-02"), None);
}

#[test]
fn a_router_is_locked_for_a_short_time() {
    let mut play = Play::new(GuardOptions {
        lock_max: Duration::from_secs(3_600),
        ..OPTIONS
    });
    for number in 0..9 {
        play.fail(number, &format!("station-{number}"));
    }
    assert_eq!(play.lock(99, "new"), Some(GuardSubject::Nas));
    play.seconds += 5;
    assert_eq!(play.lock(99, "new"), None);
}

#[test]
fn a_familiar_device_is_never_locked_out() {
    let play = Play::new(OPTIONS);
    play.succeed(1, "home");
    for number in 0..20 {
        play.fail(1, &format!("guesser-{number}"));
    }
    assert!(play.lock(1, "guesser-0").is_some());
    assert_eq!(play.lock(1, "home"), None);
    // It is familiar with its own subscriber only.
    assert!(play.lock(2, "home").is_some());
}

#[test]
fn a_right_password_pardons_the_subscriber_and_the_device() {
    let play = Play::new(OPTIONS);
    for _ in 0..3 {
        play.fail(1, "a");
    }
    play.succeed(1, "a");
    for _ in 0..3 {
        play.fail(1, "b");
    }
    assert_eq!(play.lock(1, "c"), None);
}

#[test]
fn an_operator_lets_go() {
    let play = Play::new(OPTIONS);
    for _ in 0..4 {
        play.fail(1, "a");
    }
    let locks = play.guard.locks(play.now());
    let keys: Vec<_> = locks.into_iter().map(|lock| lock.key).collect();
    let expected = GuardKey {
        subject: GuardSubject::User,
        name: "user-1".into(),
    };
    assert_eq!(keys, std::slice::from_ref(&expected));
    play.guard.clear(&expected);
    assert_eq!(play.lock(1, "a"), None);
    assert_eq!(play.guard.locks(play.now()), []);
}

#[test]
fn a_subscriber_who_was_changed_while_locked_is_shown_once() {
    let play = Play::new(OPTIONS);
    let mut until = Vec::new();
    for version in 1..=2 {
        for _ in 0..4 {
            play.with(1, "a", |play, attempt| {
                let user = attempt.user.map(|user| Claimed { version, ..user });
                let attempt = Attempt {
                    user,
                    station: None,
                    ..*attempt
                };
                play.guard.fail(&attempt, play.now(), &play.metrics);
            });
        }
        until.push(play.guard.locks(play.now())[0].until);
    }
    assert_eq!(play.metrics.value(Count::GuardLocked), 2);
    let locks = play.guard.locks(play.now());
    assert_eq!(locks.len(), 1);
    assert_eq!(Some(locks[0].until), until.into_iter().max());
}

#[test]
fn memory_is_bounded() {
    let play = Play::new(GuardOptions {
        nas_failures: 0,
        ..OPTIONS
    });
    for number in 0..SUBJECTS_MAX + 100 {
        play.with(1, &format!("station-{number}"), |play, attempt| {
            let attempt = Attempt {
                user: None,
                ..*attempt
            };
            play.guard.fail(&attempt, play.now(), &play.metrics);
        });
    }
    assert_eq!(play.guard.subjects.len(), SUBJECTS_MAX);
    assert_eq!(play.metrics.value(Count::GuardForgotten), 100);
}

#[test]
fn a_guard_that_is_off_stops_nobody() {
    let play = Play::new(GuardOptions::OFF);
    for _ in 0..1_000 {
        play.fail(1, "a");
    }
    assert_eq!(play.lock(1, "a"), None);
}
