//! Look-ups while the directory is changed and loaded anew: nobody is missing, nobody is half done.

#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "support/registry.rs"]
mod registry;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use aaa::directory::{Directory, SubscriberEntry};
use domain::change::Change;
use domain::credential::Credential;
use domain::id::{SubscriberId, TenantId};
use domain::plan::PlanTerms;
use domain::secret::Secret;
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use tokio::runtime::Runtime;

use crate::registry::{MemoryRegistry, NOW, plan, subscriber};

const SUBSCRIBERS: u32 = 20_000;
const READERS: u32 = 2;
/// What a look-up may take at most: a scheduler's whim, and no wait for who writes.
const LOOK_UP_MAX: Duration = Duration::from_millis(500);

#[test]
fn look_ups_never_miss_while_changes_are_applied() {
    let world = World::new();
    let changes: Vec<_> = (0..SUBSCRIBERS)
        .map(|number| Change::Subscriber(id(number)))
        .collect();
    world.read_while(|world| {
        for number in 1..=2 {
            world.renew(number);
            for batch in changes.chunks(1_024) {
                world.apply(batch);
            }
        }
    });
    world.assert_all_are(2);
}

#[test]
fn look_ups_never_miss_while_everything_is_loaded_anew() {
    let world = World::new();
    world.read_while(|world| {
        for number in 1..=3 {
            world.renew(number);
            world.apply(&[Change::Everything]);
            world.apply(&[Change::Everything]);
        }
    });
    world.assert_all_are(3);
}

#[test]
fn changes_that_come_at_once_are_all_applied() {
    let world = World::new();
    let all = 0..SUBSCRIBERS;
    let twice: Vec<_> = all.clone().chain(all).map(id).collect();
    let changes: Vec<_> = twice.into_iter().map(Change::Subscriber).collect();
    world.renew(1);
    world.apply(&changes);
    world.assert_all_are(1);
    world
        .registry
        .subscribers
        .lock()
        .expect("nobody panicked")
        .clear();
    world.apply(&changes);
    assert_eq!(world.directory.subscriber_count(), 0);
}

#[test]
fn everybody_is_visited_once() {
    let world = World::new();
    let mut visited = Vec::new();
    let all = world.directory.try_for_each_subscriber(|one| {
        visited.push(one.clone());
        Ok::<(), ()>(())
    });
    assert_eq!(all, Ok(()));
    visited.sort_by_key(|one| one.id);
    let known = world.registry.subscribers.lock().expect("nobody panicked");
    assert!(visited == *known, "as many and the same");
    let mut visits = 0;
    let ended = world.directory.try_for_each_subscriber(|_| {
        visits += 1;
        Err("enough")
    });
    assert_eq!((ended, visits), (Err("enough"), 1));
}

/// Octets of a subscriber in memory are paid for a million times.
#[test]
fn a_subscriber_takes_no_more_than_248_octets() {
    assert!(size_of::<SubscriberEntry>() <= 248);
}

/// A directory and what it is loaded from.
struct World {
    runtime: Runtime,
    registry: MemoryRegistry,
    directory: Directory,
}

impl World {
    fn new() -> Self {
        let world = Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime without drivers"),
            registry: MemoryRegistry::default(),
            directory: Directory::new([1; 32]),
        };
        *world.registry.plans.lock().expect("nobody panicked") =
            vec![plan(1, "25M/50M", PlanTerms::default())];
        world.renew(0);
        world.apply(&[Change::Everything]);
        world
    }

    /// Gives every subscriber the password and the expiry of a version.
    fn renew(&self, version: usize) {
        let all = (0..SUBSCRIBERS).map(|number| of_version(number, version));
        *self.registry.subscribers.lock().expect("nobody panicked") = all.collect();
    }

    fn apply(&self, changes: &[Change]) {
        let apply = self.directory.apply(&self.registry, changes);
        let applied = self.runtime.block_on(apply).expect("memory does not fail");
        assert_eq!(applied, changes.len());
    }

    /// Looks everybody up, again and again, while something is done.
    fn read_while(&self, work: impl FnOnce(&Self)) {
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|reader| {
                    let (directory, is_done) = (&self.directory, &is_done);
                    scope.spawn(move || read_until(directory, reader, is_done))
                })
                .collect();
            work(self);
            is_done.store(true, Relaxed);
            for reader in readers {
                let slowest = reader.join().expect("no look-up fails");
                assert!(slowest < LOOK_UP_MAX, "a look-up took {slowest:?}");
            }
        });
    }

    fn assert_all_are(&self, version: usize) {
        assert_eq!(self.directory.subscriber_count(), SUBSCRIBERS as usize);
        for number in 0..SUBSCRIBERS {
            assert_eq!(find(&self.directory, number), version);
        }
    }
}

/// Gives the longest that a look-up took.
fn read_until(directory: &Directory, reader: u32, is_done: &AtomicBool) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut number = reader;
    while !is_done.load(Relaxed) {
        number = number.wrapping_mul(2_654_435_761).wrapping_add(1);
        let begun = Instant::now();
        find(directory, number % SUBSCRIBERS);
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

/// The version in which a subscriber is found, the same in all that was changed together.
fn find(directory: &Directory, number: u32) -> usize {
    let found = directory.find_subscriber(TenantId::DEFAULT, &user_name(number));
    let found = found.expect("everybody is there all the time");
    let version = found.subscriber.expires_at.expect("everybody has one");
    let version = usize::try_from(version.as_seconds()).expect("it is small");
    assert!(found.subscriber == of_version(number, version));
    assert!(found.plan.load().is_some());
    version
}

fn of_version(number: u32, version: usize) -> Subscriber {
    let seconds = i64::try_from(version).expect("it is small");
    Subscriber {
        id: id(number),
        credential: Credential::Cleartext(Secret::new(format!("secret-{number}-{version}"))),
        expires_at: Some(Timestamp::from_seconds(seconds)),
        ..subscriber(1, &user_name(number))
    }
}

fn id(number: u32) -> SubscriberId {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&number.to_be_bytes());
    SubscriberId::new(NOW, random)
}

fn user_name(number: u32) -> String {
    format!("user{number:05}")
}
