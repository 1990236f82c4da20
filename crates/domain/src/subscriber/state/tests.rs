//! Every state with every change by everyone.

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: i64 = 86_400;

use AccessState as S;
use SubscriberStatus as To;

/// What a change leads to from each state, in the order of [`AccessState::ALL`].
#[track_caller]
fn check(change: StateChange, by: Cause, expected: [Option<SubscriberStatus>; 7]) {
    for (from, expected) in AccessState::ALL.into_iter().zip(expected) {
        let actual = from.after(change, by);
        assert_eq!(actual.ok(), expected, "{change} from {from} by {by:?}");
        if let Err(error) = actual {
            assert_eq!((error.from, error.change), (from, change));
            assert!(!error.remedy.is_empty());
        }
    }
}

#[test]
fn an_operator_goes_every_way_that_there_is() {
    let active = Some(To::Active);
    let walled = Some(To::SuspendedWalled);
    let hard = Some(To::SuspendedHard);
    let by = Cause::Operator;
    // Pending, active, grace, suspended_walled, suspended_hard, expired, disabled.
    let rows = [
        (
            StateChange::Activate,
            [active, active, None, None, None, None, None],
        ),
        (
            StateChange::Enable,
            [None, active, None, None, None, None, active],
        ),
        (
            StateChange::Restore,
            [None, active, None, active, active, None, None],
        ),
        (
            StateChange::SuspendWalled,
            [None, walled, walled, walled, walled, walled, None],
        ),
        (
            StateChange::SuspendHard,
            [None, hard, hard, hard, hard, hard, None],
        ),
        (StateChange::Disable, [Some(To::Disabled); 7]),
    ];
    for (change, expected) in rows {
        check(change, by, expected);
    }
}

#[test]
fn a_payment_opens_and_never_what_a_person_disabled() {
    let active = Some(To::Active);
    let by = Cause::Payment;
    let restored = [None, active, None, active, active, None, None];
    check(
        StateChange::Activate,
        by,
        [active, active, None, None, None, None, None],
    );
    check(StateChange::Restore, by, restored);
    for change in [
        StateChange::Enable,
        StateChange::Disable,
        StateChange::SuspendHard,
        StateChange::SuspendWalled,
    ] {
        check(change, by, [None; 7]);
    }
}

#[test]
fn arrears_close_and_never_loosen() {
    let walled = Some(To::SuspendedWalled);
    let hard = Some(To::SuspendedHard);
    let by = Cause::Arrears;
    check(
        StateChange::SuspendWalled,
        by,
        [None, walled, walled, walled, None, walled, None],
    );
    check(
        StateChange::SuspendHard,
        by,
        [None, hard, hard, hard, hard, hard, None],
    );
    for change in [
        StateChange::Activate,
        StateChange::Enable,
        StateChange::Restore,
        StateChange::Disable,
    ] {
        check(change, by, [None; 7]);
    }
}

#[track_caller]
fn check_at(status: SubscriberStatus, ends_in: Option<i64>, grace_days: u16, expected: S) {
    let expires_at = ends_in.map(|seconds| NOW.plus_seconds(seconds));
    let grace = GraceDays::new(grace_days).expect("in range");
    let actual = AccessState::at(status, expires_at, grace, NOW);
    assert_eq!(
        actual, expected,
        "{status}, {ends_in:?} s, {grace_days} days"
    );
}

#[test]
fn time_takes_an_active_account_through_grace_to_its_end() {
    check_at(To::Active, None, 0, S::Active);
    check_at(To::Active, Some(1), 0, S::Active);
    check_at(To::Active, Some(0), 0, S::Expired);
    check_at(To::Active, Some(0), 3, S::Grace);
    check_at(To::Active, Some(1 - 3 * DAY), 3, S::Grace);
    check_at(To::Active, Some(-3 * DAY), 3, S::Expired);
}

#[test]
fn time_changes_nothing_that_somebody_set() {
    for (status, state) in [
        (To::Pending, S::Pending),
        (To::SuspendedWalled, S::SuspendedWalled),
        (To::SuspendedHard, S::SuspendedHard),
        (To::Disabled, S::Disabled),
    ] {
        check_at(status, Some(-1), 3, state);
        check_at(status, Some(1), 0, state);
    }
}

#[test]
fn words_are_read_back() {
    for state in AccessState::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
    for status in SubscriberStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    let error = "gone".parse::<SubscriberStatus>().expect_err("no such");
    assert_eq!(
        error.to_string(),
        "'gone' is not one of: active, disabled, pending, suspended_walled, suspended_hard"
    );
}

#[test]
fn an_impossible_change_names_the_way() {
    let error = S::Expired
        .after(StateChange::Restore, Cause::Operator)
        .expect_err("time has ended it");
    assert_eq!(
        error.to_string(),
        "to restore is not possible from the state expired: give it a later expiry"
    );
}
