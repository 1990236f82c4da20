//! What is counted together, and that nothing is counted twice or not at all.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A login by number: what of it is alike decides what is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Login {
    user: u8,
    is_known: bool,
    nas: u8,
    method: Method,
    outcome: u8,
    station: Option<u8>,
}

const ANA: Login = Login {
    user: 1,
    is_known: true,
    nas: 1,
    method: Method::Pap,
    outcome: 0,
    station: Some(1),
};

fn outcome(login: Login, number: u32) -> AuthOutcome {
    match login.outcome {
        0 => AuthOutcome::Accepted,
        1 => AuthOutcome::Rejected(RejectReason::WrongPassword {
            method: login.method,
        }),
        // The values differ each time, the kind does not.
        _ => AuthOutcome::Rejected(RejectReason::SessionLimit {
            open: number,
            limit: 1,
        }),
    }
}

fn note(fold: &mut Fold, login: Login, number: u32) {
    let at = Timestamp::from_micros(START.as_micros() + i64::from(number));
    let name = format!("user{}", login.user);
    let station = login.station.map(|station| format!("station{station}"));
    let mut trace = Trace::new();
    trace.push(domain::access::TraceStep::SubscriberFound);
    fold.note(&Conclusion {
        id: auth_id(number),
        at,
        tenant: TenantId::DEFAULT,
        nas: NasId::new(START, [login.nas; 10]),
        subscriber: login
            .is_known
            .then(|| SubscriberId::new(START, [login.user; 10])),
        user_name: name.as_bytes(),
        method: login.method,
        outcome: outcome(login, number),
        trace: &trace,
        calling_station: station.as_deref(),
        called_station: None,
    });
}

fn auth_id(number: u32) -> AuthId {
    AuthId::from_bytes(u128::from(number).to_be_bytes())
}

/// Notes all logins and gives (number of the first decision, count) of each entry.
fn folded(fold: &mut Fold, logins: &[Login]) -> Vec<(u128, u64)> {
    for (number, login) in (0..).zip(logins) {
        note(fold, *login, number);
    }
    fold.settle();
    fold.entries()
        .map(|entry| (entry.id.as_uuid().as_u128(), entry.count))
        .collect()
}

#[test]
fn few_decisions_have_an_entry_each() {
    let mut fold = Fold::with_limits(3, 100);
    assert_eq!(folded(&mut fold, &[ANA; 3]), [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn many_decisions_that_are_alike_share_an_entry() {
    let mut fold = Fold::with_limits(1, 100);
    assert_eq!(folded(&mut fold, &[ANA; 9]), [(0, 1), (1, 8)]);
    let shared = fold.entries().nth(1).expect("there are two");
    assert_eq!(shared.at.as_micros() - START.as_micros(), 1);
    assert_eq!(shared.last_at.as_micros() - START.as_micros(), 8);
    assert_eq!(shared.username.as_deref(), Some("user1"));
    assert_eq!(shared.trace.as_str(), "f");
}

#[test]
fn what_differs_has_entries_of_its_own() {
    let others = [
        Login { user: 2, ..ANA },
        Login {
            is_known: false,
            ..ANA
        },
        Login { nas: 2, ..ANA },
        Login {
            method: Method::Chap,
            ..ANA
        },
        Login { outcome: 1, ..ANA },
        Login { outcome: 2, ..ANA },
    ];
    for other in others {
        let mut fold = Fold::with_limits(0, 100);
        let logins = [ANA, other, other, ANA];
        assert_eq!(folded(&mut fold, &logins), [(0, 2), (1, 2)], "{other:?}");
    }
}

#[test]
fn without_room_users_share_an_entry_for_others() {
    let mut fold = Fold::with_limits(0, 2);
    let logins: Vec<Login> = (0..6).map(|user| Login { user, ..ANA }).collect();
    assert_eq!(folded(&mut fold, &logins), [(0, 1), (1, 1), (2, 4)]);
    let shared = fold.entries().nth(2).expect("there are three");
    assert_eq!(shared.username, None);
    assert_eq!(shared.subscriber, None);
    assert_eq!(shared.calling_station, None);
    assert_eq!(shared.last_at.as_micros() - START.as_micros(), 5);
    assert_eq!(fold.decisions(), 6);
}

#[test]
fn what_not_even_others_have_room_for_is_counted() {
    let mut fold = Fold::with_limits(0, 1);
    let decisions = u32::try_from(OTHERS_MAX).expect("a few") + 3;
    for number in 0..decisions {
        let [_, _, high, low] = number.to_be_bytes();
        let mut id = [0; 10];
        id[8..].copy_from_slice(&[high, low]);
        fold.note(&Conclusion {
            id: auth_id(number),
            at: START,
            tenant: TenantId::DEFAULT,
            nas: NasId::new(START, id),
            subscriber: None,
            user_name: b"ana",
            method: Method::Pap,
            outcome: AuthOutcome::Accepted,
            trace: &Trace::new(),
            calling_station: None,
            called_station: None,
        });
    }
    fold.settle();
    assert_eq!(fold.lost(), 2);
    assert_eq!(fold.decisions(), u64::from(decisions));
}

#[test]
fn a_fold_that_was_cleared_is_as_new() {
    let mut fold = Fold::with_limits(1, 2);
    let logins: Vec<Login> = (0..6).map(|user| Login { user, ..ANA }).collect();
    let first = folded(&mut fold, &logins);
    fold.clear();
    assert!(fold.is_empty());
    assert_eq!(fold.entries().count(), 0);
    assert_eq!(folded(&mut fold, &logins), first);
}

/// A user may come from several devices.
fn is_alike(left: Login, right: Login) -> bool {
    Login {
        station: None,
        ..left
    } == Login {
        station: None,
        ..right
    }
}

fn login() -> impl Strategy<Value = Login> {
    let method = prop_oneof![Just(Method::Pap), Just(Method::Chap)];
    let station = proptest::option::of(0..2_u8);
    (0..6_u8, any::<bool>(), 0..2_u8, method, 0..3_u8, station).prop_map(
        |(user, is_known, nas, method, outcome, station)| Login {
            user,
            is_known,
            nas,
            method,
            outcome,
            station,
        },
    )
}

proptest! {
    #[test]
    fn counts_add_up_and_first_decisions_keep_their_order(
        logins in vec(login(), 0..400),
        single_max in 0..20_usize,
        entries_max in 1..200_usize,
    ) {
        let mut fold = Fold::with_limits(single_max, entries_max);
        let entries = folded(&mut fold, &logins);
        let sum: u64 = entries.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(sum, logins.len() as u64);
        prop_assert_eq!(fold.lost(), 0);
        let own = entries.len() - fold.others.len();
        prop_assert!(own <= entries_max);
        prop_assert!(entries[..own].is_sorted());
        // With enough room every login is counted where one like it was.
        let single = single_max.min(entries_max).min(logins.len());
        if fold.others.is_empty() {
            for login in &logins[single..] {
                let is_alike = |other: &&Login| is_alike(**other, *login);
                let alike = logins[single..].iter().filter(is_alike).count();
                let first = logins[single..].iter().position(|other| is_alike(&other));
                let first = single + first.expect("it is one of them");
                prop_assert!(entries.contains(&(first as u128, alike as u64)));
            }
        }
    }
}
