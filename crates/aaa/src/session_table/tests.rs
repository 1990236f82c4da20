//! Sessions come, go, are counted and make room.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::engine::Moment;
use crate::metrics::Metrics;

fn subscriber() -> SubscriberId {
    SubscriberId::new(Timestamp::from_seconds(1), [1; 10])
}

fn nas(random: u8) -> NasId {
    NasId::new(Timestamp::from_seconds(1), [random; 10])
}

fn session(key: u8, nas_random: u8, station: &str) -> OpenSession {
    OpenSession {
        key: SessionKey([key; 16]),
        nas: nas(nas_random),
        nas_address: Some([192, 0, 2, nas_random].into()),
        device: Some(Device::from_calling_station(station)),
        started_at: Timestamp::from_seconds(i64::from(key)),
        is_replaced: false,
    }
}

fn moment(seconds: u64) -> Moment {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Moment {
        instant: *BEGUN.get_or_init(Instant::now) + Duration::from_secs(seconds),
        timestamp: Timestamp::from_seconds(1_000 + seconds.cast_signed()),
    }
}

fn others(table: &SessionTable, station: Option<&str>) -> u32 {
    let device = station.map(Device::from_calling_station);
    let login = Login {
        subscriber: subscriber(),
        nas: nas(200),
        device,
    };
    table.admit(login, moment(0)).presence().other_sessions
}

#[test]
fn the_same_device_is_not_another_session() {
    let table = SessionTable::new();
    table.insert(subscriber(), session(1, 1, "AA:BB:CC:DD:EE:01"));
    assert_eq!(others(&table, Some("aa-bb-cc-dd-ee-01")), 0);
    assert_eq!(others(&table, Some("aa-bb-cc-dd-ee-02")), 1);
    assert_eq!(others(&table, None), 1);
}

#[test]
fn a_record_without_a_station_does_not_forget_the_device() {
    let table = SessionTable::new();
    table.insert(subscriber(), session(1, 1, "AA:BB:CC:DD:EE:01"));
    table.insert(
        subscriber(),
        OpenSession {
            device: None,
            ..session(1, 1, "")
        },
    );
    assert_eq!(others(&table, Some("AA:BB:CC:DD:EE:01")), 0);
    assert_eq!(table.len(), 1);
}

#[test]
fn sessions_come_and_go_once() {
    let table = SessionTable::new();
    table.insert(subscriber(), session(1, 1, "a"));
    table.insert(subscriber(), session(1, 1, "a"));
    table.insert(subscriber(), session(1, 1, "changed"));
    table.insert(subscriber(), session(2, 2, "b"));
    assert_eq!(table.len(), 2);
    table.remove(subscriber(), SessionKey([2; 16]));
    table.remove(subscriber(), SessionKey([2; 16]));
    assert_eq!((table.len(), others(&table, None)), (1, 1));
}

#[test]
fn a_nas_that_restarts_has_no_sessions() {
    let table = SessionTable::new();
    table.insert(subscriber(), session(1, 1, "a"));
    table.insert(subscriber(), session(2, 2, "b"));
    table.remove_nas(nas(1), None);
    assert_eq!((table.len(), others(&table, None)), (1, 1));
    table.remove_nas(nas(2), None);
    assert!(table.is_empty());
}

#[test]
fn a_router_of_a_prefix_that_restarts_leaves_the_others_alone() {
    let table = SessionTable::new();
    let neighbour = OpenSession {
        nas_address: Some([192, 0, 2, 99].into()),
        ..session(2, 1, "b")
    };
    table.insert(subscriber(), session(1, 1, "a"));
    table.insert(subscriber(), neighbour);
    table.remove_nas(nas(1), Some([192, 0, 2, 1].into()));
    assert_eq!((table.len(), others(&table, Some("b"))), (1, 0));
}

#[test]
fn what_ends_while_all_is_read_again_is_told() {
    let table = SessionTable::new();
    table.insert(subscriber(), session(1, 1, "a"));
    table.watch_departures();
    table.insert(subscriber(), session(2, 2, "b"));
    table.insert(subscriber(), session(3, 2, "c"));
    table.remove(subscriber(), SessionKey([2; 16]));
    table.remove_nas(nas(2), None);
    let gone = table.take_departures().expect("they are not too many");
    let key = |number| (SessionKey([number; 16]), subscriber());
    assert_eq!(gone, [key(2), key(3)]);
}

fn login(device: &str) -> Login {
    Login {
        subscriber: subscriber(),
        nas: nas(1),
        device: Some(Device::from_calling_station(device)),
    }
}

fn nameless(nas_random: u8) -> Login {
    Login {
        nas: nas(nas_random),
        device: None,
        ..login("")
    }
}

/// Counts the others, and comes in if `limit` leaves room.
fn enter(table: &SessionTable, login: Login, limit: u32, seconds: u64) -> bool {
    let admission = table.admit(login, moment(seconds));
    let is_in = admission.presence().other_sessions < limit;
    if is_in {
        admission.accept(0, &Metrics::new());
    }
    is_in
}

/// A session that begins so many seconds after the first moment.
fn begun(key: u8, station: &str, seconds: u64) -> OpenSession {
    OpenSession {
        started_at: moment(seconds).timestamp,
        ..session(key, 1, station)
    }
}

#[test]
fn who_was_let_in_is_counted_until_the_session_is_heard_of() {
    let table = SessionTable::new();
    assert!(enter(&table, login("a"), 1, 0));
    assert!(!enter(&table, login("b"), 1, 1));
    assert!(
        enter(&table, login("a"), 1, 2),
        "the same device tries again"
    );
    table.insert(subscriber(), begun(1, "a", 3));
    assert!(!enter(&table, login("b"), 1, 4));
    table.remove(subscriber(), SessionKey([1; 16]));
    assert!(
        enter(&table, login("b"), 1, 5),
        "the place went with the session"
    );
}

#[test]
fn a_place_is_not_held_for_ever() {
    let table = SessionTable::new();
    assert!(enter(&table, login("a"), 1, 0));
    let last = RESERVED_FOR.as_secs() - 1;
    assert!(!enter(&table, login("b"), 1, last));
    assert!(enter(&table, login("b"), 1, last + 1));
}

#[test]
fn an_older_session_of_the_device_leaves_its_place_alone() {
    let table = SessionTable::new();
    table.insert(subscriber(), begun(1, "a", 0));
    assert!(enter(&table, login("a"), 1, 100));
    // An interim of the old one, and its end.
    table.insert(subscriber(), begun(1, "a", 0));
    table.remove(subscriber(), SessionKey([1; 16]));
    assert!(!enter(&table, login("b"), 1, 101));
}

#[test]
fn a_session_of_which_only_the_end_is_heard_frees_its_place() {
    let table = SessionTable::new();
    assert!(enter(&table, login("a"), 1, 100));
    table.release(subscriber(), &begun(1, "a", 50));
    assert!(!enter(&table, login("b"), 1, 101), "that was an older one");
    table.release(subscriber(), &begun(2, "a", 101));
    assert!(enter(&table, login("b"), 1, 102));
}

#[test]
fn a_session_of_unknown_beginning_stays_the_one_it_is() {
    let table = SessionTable::new();
    table.insert(subscriber(), begun(1, "a", 0));
    table.replace(subscriber(), |_| true);
    assert!(enter(&table, login("a"), 1, 100));
    table.insert_begun(subscriber(), begun(1, "a", 101));
    // The place is held for another one, and the session is replaced, whenever it is heard of.
    assert_eq!(others(&table, Some("b")), 1);
}

#[test]
fn a_router_that_names_no_devices_may_try_again() {
    let table = SessionTable::new();
    assert!(enter(&table, nameless(1), 1, 0));
    assert!(enter(&table, nameless(1), 1, 1));
    assert!(!enter(&table, nameless(2), 1, 2));
    assert!(!enter(&table, login("a"), 1, 3));
}

#[test]
fn subscribers_do_not_stand_in_each_others_way() {
    let table = SessionTable::new();
    for random in 0..=255 {
        let login = Login {
            subscriber: SubscriberId::new(Timestamp::from_seconds(2), [random; 10]),
            ..login("a")
        };
        assert!(enter(&table, login, 1, 0));
    }
}

#[test]
fn the_oldest_session_makes_room_and_counts_no_more() {
    let table = SessionTable::new();
    table.insert(subscriber(), begun(2, "younger", 20));
    table.insert(subscriber(), begun(1, "older", 10));
    let admission = table.admit(login("new"), moment(30));
    assert_eq!(admission.presence().other_sessions, 2);
    admission.accept(1, &Metrics::new());
    let is_replaced = |key: u8| {
        let mut found = None;
        let look = table.try_for_each(|_, session| {
            if session.key == SessionKey([key; 16]) {
                found = Some(session.is_replaced);
            }
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = look;
        found
    };
    assert_eq!((is_replaced(1), is_replaced(2)), (Some(true), Some(false)));
    assert_eq!(table.announcements().waiting(), 1);
    // It is replaced for good, however often it is heard of, and told once.
    table.insert(subscriber(), begun(1, "older", 10));
    assert_eq!(is_replaced(1), Some(true));
    assert_eq!(others(&table, Some("fourth")), 2);
    assert_eq!(table.announcements().waiting(), 1);
}

#[test]
fn a_device_that_was_replaced_before_it_began_ends_when_it_begins() {
    let table = SessionTable::new();
    assert!(enter(&table, login("a"), 1, 0));
    let admission = table.admit(login("b"), moment(1));
    assert_eq!(admission.presence().other_sessions, 1);
    admission.accept(1, &Metrics::new());
    assert_eq!(
        table.announcements().waiting(),
        0,
        "there is no session yet"
    );
    table.insert(subscriber(), begun(1, "a", 2));
    assert_eq!(table.announcements().waiting(), 1);
    table.insert(subscriber(), begun(2, "b", 2));
    assert_eq!(others(&table, Some("c")), 1);
}

#[test]
fn two_logins_at_the_same_moment_are_not_both_let_in() {
    for _ in 0..50 {
        let table = SessionTable::new();
        let let_in = std::thread::scope(|scope| {
            let threads = ["a", "b", "c", "d"].map(|device| {
                let table = &table;
                scope.spawn(move || enter(table, login(device), 1, 0))
            });
            let outcomes = threads.map(|thread| thread.join().expect("nobody panics"));
            outcomes.into_iter().filter(|is_in| *is_in).count()
        });
        assert_eq!(let_in, 1);
    }
}

/// What may happen to one subscriber with a limit of 2.
#[derive(Clone, Copy, Debug)]
enum Event {
    Login { device: u8 },
    Start { device: u8 },
    Stop { device: u8 },
    Pass { seconds: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let device = 0..5_u8;
    prop_oneof![
        4 => device.clone().prop_map(|device| Event::Login { device }),
        3 => device.clone().prop_map(|device| Event::Start { device }),
        2 => device.prop_map(|device| Event::Stop { device }),
        1 => (0..40_u64).prop_map(|seconds| Event::Pass { seconds }),
    ]
}

proptest! {
    /// A device comes in, begins only if it was let in, and ends. However that goes, no more than
    /// the limit are in, and when all have ended and time has passed, nothing is held.
    #[test]
    fn no_place_is_given_twice_or_lost(events in prop::collection::vec(event(), 0..120)) {
        let table = SessionTable::new();
        let (mut seconds, mut key) = (0_u64, 0_u8);
        let mut held = std::collections::BTreeMap::<u8, u64>::new();
        let mut open = std::collections::BTreeMap::<u8, u8>::new();
        for event in events {
            held.retain(|_, until| seconds < *until);
            match event {
                Event::Login { device } => {
                    let others: std::collections::BTreeSet<u8> =
                        held.keys().chain(open.keys()).copied().filter(|one| *one != device).collect();
                    let is_in = enter(&table, login(&device.to_string()), 2, seconds);
                    prop_assert_eq!(is_in, others.len() < 2);
                    if is_in {
                        held.insert(device, seconds + RESERVED_FOR.as_secs());
                    }
                }
                Event::Start { device } => {
                    if !open.contains_key(&device) && held.remove(&device).is_some() {
                        key = key.wrapping_add(1);
                        open.insert(device, key);
                        table.insert(subscriber(), begun(key, &device.to_string(), seconds));
                    }
                }
                Event::Stop { device } => {
                    if let Some(key) = open.remove(&device) {
                        table.remove(subscriber(), SessionKey([key; 16]));
                    }
                }
                Event::Pass { seconds: passed } => seconds += passed,
            }
        }
        for (_, key) in open {
            table.remove(subscriber(), SessionKey([key; 16]));
        }
        let later = seconds + RESERVED_FOR.as_secs();
        prop_assert_eq!(table.admit(login("new"), moment(later)).presence().other_sessions, 0);
        prop_assert!(table.is_empty());
    }
}
