//! Accounting records in every order, doubled, lost or late: all must converge to the same row.

use domain::accounting::{SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause};
use domain::id::{AuthId, NasId, SessionId, TenantId};
use domain::session::{ClosedSession, SessionOutcome, SessionSlot};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SILENT: Option<TerminateCause> = Some(TerminateCause::Stale { seconds: 960 });
const USER_REQUEST: Option<TerminateCause> = Some(TerminateCause::Reported(1));

fn record(event: SessionEvent, seconds: u64, octets: u64) -> SessionRecord {
    SessionRecord {
        event,
        tenant: TenantId::DEFAULT,
        nas: NasId::new(START, [1; 10]),
        key: SessionKey([7; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: "ana".into(),
        at: START.plus_seconds(seconds.cast_signed()),
        total: UsageAmount {
            upload_bytes: octets,
            download_bytes: octets * 2,
            session_seconds: seconds,
        },
        terminate_cause: match event {
            SessionEvent::Stop => USER_REQUEST,
            SessionEvent::Silence => SILENT,
            SessionEvent::Start | SessionEvent::Interim => None,
        },
        place: SessionPlace {
            acct_session_id: "81000001".into(),
            ..SessionPlace::default()
        },
    }
}

fn start() -> SessionRecord {
    record(SessionEvent::Start, 0, 0)
}

fn interim(seconds: u64, octets: u64) -> SessionRecord {
    record(SessionEvent::Interim, seconds, octets)
}

fn stop(seconds: u64, octets: u64) -> SessionRecord {
    record(SessionEvent::Stop, seconds, octets)
}

fn with_auth(record: SessionRecord, auth: u8) -> SessionRecord {
    SessionRecord {
        auth: Some(AuthId::new(START, [auth; 10])),
        ..record
    }
}

fn later(record: SessionRecord, seconds: i64) -> SessionRecord {
    SessionRecord {
        at: record.at.plus_seconds(seconds),
        ..record
    }
}

fn run(records: &[SessionRecord]) -> (SessionSlot, Vec<SessionOutcome>, UsageAmount) {
    let mut slot = SessionSlot::default();
    let mut usage = UsageAmount::default();
    let mut outcomes = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let random = [u8::try_from(index).expect("tables are short"); 10];
        let applied = slot.apply(record, SessionId::new(START, random));
        usage = usage.plus(applied.usage);
        outcomes.push(applied.outcome);
    }
    (slot, outcomes, usage)
}

/// The expected end: (open upload, closed upload), and the upload counted as usage.
#[track_caller]
fn check(
    records: &[SessionRecord],
    expected_outcomes: &[SessionOutcome],
    expected: (Option<u64>, Option<u64>),
    expected_usage: u64,
) {
    let (slot, outcomes, usage) = run(records);
    let open = slot.open.as_ref().map(|open| open.total.upload_bytes);
    let closed = slot
        .closed
        .as_ref()
        .map(|closed| closed.session.total.upload_bytes);
    assert_eq!(outcomes, expected_outcomes);
    assert_eq!((open, closed), expected);
    assert_eq!(usage.upload_bytes, expected_usage);
}

use SessionOutcome::{Amended, Closed, Opened, Stale, Superseded, Updated};

#[test]
fn a_whole_life_opens_updates_and_closes() {
    check(
        &[
            start(),
            interim(300, 100),
            interim(600, 250),
            stop(700, 300),
        ],
        &[Opened, Updated, Updated, Closed],
        (None, Some(300)),
        300,
    );
}

#[test]
fn a_duplicate_start_changes_nothing() {
    check(&[start(), start()], &[Opened, Stale], (Some(0), None), 0);
}

#[test]
fn a_missing_start_is_computed_from_the_uptime() {
    let (slot, outcomes, _) = run(&[interim(300, 100)]);
    assert_eq!(outcomes, [Opened]);
    assert_eq!(slot.open.map(|open| open.started_at), Some(START));
}

#[test]
fn a_start_after_its_interim_does_not_lower_counters() {
    check(
        &[interim(300, 100), start()],
        &[Opened, Stale],
        (Some(100), None),
        100,
    );
}

#[test]
fn an_older_interim_does_not_lower_counters() {
    check(
        &[start(), interim(600, 250), interim(300, 100)],
        &[Opened, Updated, Stale],
        (Some(250), None),
        250,
    );
}

#[test]
fn a_stop_without_start_is_a_whole_session() {
    let (slot, outcomes, usage) = run(&[stop(700, 300)]);
    assert_eq!(outcomes, [Closed]);
    assert_eq!(usage.upload_bytes, 300);
    let closed = slot.closed.expect("a stop closes");
    assert_eq!(closed.session.started_at, START);
    assert_eq!(closed.stopped_at, START.plus_seconds(700));
    assert_eq!(closed.cause, USER_REQUEST);
}

#[test]
fn an_interim_after_the_stop_never_reopens() {
    check(
        &[start(), stop(700, 300), interim(600, 250)],
        &[Opened, Closed, Stale],
        (None, Some(300)),
        300,
    );
}

#[test]
fn a_late_record_with_more_amends_the_closed_row() {
    check(
        &[start(), stop(700, 300), stop(700, 310)],
        &[Opened, Closed, Amended],
        (None, Some(310)),
        310,
    );
}

#[test]
fn a_duplicate_stop_changes_nothing() {
    check(
        &[start(), stop(700, 300), stop(700, 300)],
        &[Opened, Closed, Stale],
        (None, Some(300)),
        300,
    );
}

#[test]
fn a_replayed_start_never_reopens() {
    check(
        &[start(), stop(700, 300), start(), later(start(), 1_500)],
        &[Opened, Closed, Stale, Stale],
        (None, Some(300)),
        300,
    );
}

#[test]
fn a_start_long_after_the_stop_is_another_session() {
    check(
        &[start(), stop(700, 300), later(start(), 86_400)],
        &[Opened, Closed, Opened],
        (Some(0), Some(300)),
        300,
    );
}

#[test]
fn another_class_under_the_same_id_is_another_session() {
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(300, 100), 1),
            with_auth(later(start(), 400), 2),
            later(with_auth(stop(60, 5), 2), 400),
        ],
        &[Opened, Updated, Superseded, Closed],
        (None, Some(5)),
        105,
    );
    check(
        &[
            with_auth(start(), 1),
            with_auth(stop(300, 100), 1),
            with_auth(later(start(), 310), 2),
        ],
        &[Opened, Closed, Opened],
        (Some(0), Some(100)),
        100,
    );
}

#[test]
fn a_new_class_within_a_session_is_a_reauthentication() {
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(300, 100), 2),
            with_auth(interim(600, 200), 2),
        ],
        &[Opened, Updated, Updated],
        (Some(200), None),
        200,
    );
}

#[test]
fn an_uptime_that_began_later_is_another_session() {
    check(
        &[start(), interim(600, 250), later(interim(100, 10), 1_000)],
        &[Opened, Updated, Superseded],
        (Some(10), Some(250)),
        260,
    );
    check(
        &[start(), stop(600, 250), later(interim(100, 10), 1_000)],
        &[Opened, Closed, Opened],
        (Some(10), Some(250)),
        260,
    );
}

#[test]
fn a_stop_of_another_session_closes_both() {
    let (slot, outcomes, usage) = run(&[start(), interim(600, 250), later(stop(100, 10), 1_000)]);
    assert_eq!(outcomes, [Opened, Updated, Superseded]);
    assert!(slot.open.is_none());
    assert_eq!(
        slot.closed.map(|closed| closed.session.total.upload_bytes),
        Some(10)
    );
    assert_eq!(usage.upload_bytes, 260);
}

#[test]
fn a_stop_after_a_nas_restart_gives_the_true_end() {
    let (slot, _, _) = run(&[start(), interim(300, 100)]);
    let open = slot.open.expect("it is open");
    let mut slot = SessionSlot {
        open: None,
        closed: Some(ClosedSession::by_nas_restart(open, START.plus_seconds(900))),
    };
    let applied = slot.apply(&stop(700, 300), SessionId::new(START, [9; 10]));
    assert_eq!(applied.outcome, Amended);
    assert_eq!(applied.usage.upload_bytes, 200);
    let closed = slot.closed.expect("it stays closed");
    assert_eq!(closed.stopped_at, START.plus_seconds(700));
    assert_eq!(closed.cause, USER_REQUEST);
}

#[test]
fn a_stop_without_session_time_lasts_until_its_end() {
    let mut last = stop(700, 300);
    last.total.session_seconds = 0;
    let (slot, _, usage) = run(&[start(), last]);
    assert_eq!(usage.session_seconds, 700);
    assert_eq!(
        slot.closed.map(|closed| closed.session.started_at),
        Some(START)
    );
}

#[test]
fn volumes_beyond_four_gigabytes_are_exact() {
    let big = 5_000_000_000_u64;
    check(
        &[start(), interim(300, big), stop(600, 2 * big)],
        &[Opened, Updated, Closed],
        (None, Some(2 * big)),
        2 * big,
    );
}

#[test]
fn a_reauthenticated_session_is_counted_once() {
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(300, 100), 1),
            with_auth(interim(600, 200), 2),
            with_auth(interim(300, 100), 1),
            with_auth(start(), 1),
            with_auth(stop(700, 300), 2),
            with_auth(start(), 1),
        ],
        &[Opened, Updated, Updated, Stale, Stale, Closed, Stale],
        (None, Some(300)),
        300,
    );
}

#[test]
fn a_record_repeated_under_a_new_identifier_adds_nothing() {
    check(
        &[
            start(),
            later(start(), 3),
            interim(300, 100),
            later(interim(300, 100), 6),
            stop(700, 300),
            later(stop(700, 300), 9),
        ],
        &[Opened, Stale, Updated, Updated, Closed, Stale],
        (None, Some(300)),
        300,
    );
}

/// A router that restarts in silence, counts its ids from the beginning and returns no Class.
#[test]
fn a_reused_id_after_a_silent_restart_loses_nothing() {
    check(
        &[
            start(),
            interim(600, 250),
            later(start(), 1_000),
            later(interim(60, 5), 1_000),
            later(stop(120, 9), 1_000),
        ],
        &[Opened, Updated, Stale, Superseded, Closed],
        (None, Some(9)),
        259,
    );
}

#[test]
fn a_silent_restart_shows_by_its_class() {
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(600, 250), 1),
            with_auth(later(start(), 620), 2),
            with_auth(later(interim(300, 7), 620), 2),
        ],
        &[Opened, Updated, Superseded, Updated],
        (Some(7), Some(250)),
        257,
    );
}

#[test]
fn a_lost_stop_and_a_lost_start_lose_nothing_else() {
    // The next session begins 20 s after the last Interim of the one before.
    check(
        &[start(), interim(600, 250), later(interim(300, 40), 620)],
        &[Opened, Updated, Superseded],
        (Some(40), Some(250)),
        290,
    );
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(60, 250), 1),
            with_auth(later(interim(300, 40), 130), 2),
        ],
        &[Opened, Updated, Superseded],
        (Some(40), Some(250)),
        290,
    );
}

#[test]
fn an_id_reused_minutes_after_the_stop_loses_nothing() {
    // Without Class, the Start may be a late copy; the next record tells.
    check(
        &[
            start(),
            stop(600, 250),
            later(start(), 620),
            later(interim(300, 40), 620),
            later(stop(700, 90), 620),
        ],
        &[Opened, Closed, Stale, Opened, Closed],
        (None, Some(90)),
        340,
    );
}

#[test]
fn the_same_class_never_begins_another_session_by_its_start() {
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(300, 100), 1),
            with_auth(later(start(), 7_200), 1),
            with_auth(interim(7_500, 200), 1),
        ],
        &[Opened, Updated, Stale, Updated],
        (Some(200), None),
        200,
    );
}

#[test]
fn a_start_long_after_a_silent_session_is_another_session() {
    check(
        &[start(), interim(300, 100), later(start(), 7_200)],
        &[Opened, Updated, Superseded],
        (Some(0), Some(100)),
        100,
    );
}

#[test]
fn a_start_after_a_nas_restart_is_another_session() {
    let (slot, _, _) = run(&[start(), interim(300, 100)]);
    let open = slot.open.expect("it is open");
    let mut slot = SessionSlot {
        open: None,
        closed: Some(ClosedSession::by_nas_restart(open, START.plus_seconds(900))),
    };
    let mut apply = |record| slot.apply(&record, SessionId::new(START, [9; 10])).outcome;
    assert_eq!(apply(later(start(), 800)), Stale);
    assert_eq!(apply(later(start(), 930)), Opened);
}

#[test]
fn a_late_record_of_the_session_before_does_not_touch_the_next() {
    let next = |record| with_auth(later(record, 900), 2);
    check(
        &[
            with_auth(start(), 1),
            with_auth(interim(300, 100), 1),
            next(start()),
            with_auth(stop(700, 300), 1),
            next(interim(300, 20)),
            with_auth(stop(700, 300), 1),
            next(stop(600, 30)),
            with_auth(stop(700, 300), 1),
        ],
        &[
            Opened, Updated, Superseded, Stale, Updated, Stale, Closed, Stale,
        ],
        (None, Some(30)),
        130,
    );
}

#[test]
fn counters_that_fall_within_a_session_count_again_only_beyond_what_is_known() {
    check(
        &[
            start(),
            interim(300, 100),
            interim(600, 20),
            interim(900, 50),
            stop(1_000, 120),
        ],
        &[Opened, Updated, Updated, Updated, Closed],
        (None, Some(120)),
        120,
    );
}

#[test]
fn the_true_end_after_a_nas_restart_has_its_time() {
    let (slot, _, _) = run(&[start()]);
    let open = slot.open.expect("it is open");
    let mut slot = SessionSlot {
        open: None,
        closed: Some(ClosedSession::by_nas_restart(open, START.plus_seconds(900))),
    };
    let mut last = stop(700, 300);
    last.total.session_seconds = 0;
    let applied = slot.apply(&last, SessionId::new(START, [9; 10]));
    assert_eq!(applied.usage.session_seconds, 700);
}

proptest! {
    /// One session's packets, each at least once, in any order and number.
    #[test]
    fn any_order_and_number_converges(
        order in prop::collection::vec(0_usize..5, 0..20),
        tail in Just([0_usize, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let packets = [start(), interim(300, 100), interim(600, 250), interim(650, 250), stop(700, 300)];
        let records: Vec<_> = order.iter().chain(&tail).map(|&index| packets[index].clone()).collect();
        let (slot, _, usage) = run(&records);
        prop_assert!(slot.open.is_none());
        let closed = slot.closed.expect("the stop is among the packets");
        prop_assert_eq!(closed.session.started_at, START);
        prop_assert_eq!(closed.stopped_at, START.plus_seconds(700));
        prop_assert_eq!(closed.cause, USER_REQUEST);
        prop_assert_eq!(closed.session.total, stop(700, 300).total);
        prop_assert_eq!(usage, stop(700, 300).total);
    }

    /// Two sessions under one id: some packets lost, any of the others repeated later.
    #[test]
    fn two_sessions_under_one_id_are_each_counted_once(
        lost in prop::collection::vec(any::<bool>(), 7),
        repeats in prop::collection::vec((0_usize..7, 0_usize..7), 0..20),
    ) {
        let second = |record| with_auth(later(record, 720), 2);
        let packets = [
            with_auth(start(), 1),
            with_auth(interim(300, 100), 1),
            with_auth(interim(600, 250), 1),
            with_auth(stop(700, 300), 1),
            second(start()),
            second(interim(300, 50)),
            second(stop(400, 80)),
        ];
        let is_sent = |index: usize| !lost[index];
        let mut records = Vec::new();
        for now in (0..packets.len()).filter(|&index| is_sent(index)) {
            let again = repeats.iter().filter(|(at, of)| *at == now && *of <= now && is_sent(*of));
            records.push(packets[now].clone());
            records.extend(again.map(|(_, of)| packets[*of].clone()));
        }
        let total = |indexes: std::ops::Range<usize>| {
            let totals = indexes.filter(|&index| is_sent(index)).map(|index| packets[index].total);
            totals.fold(UsageAmount::default(), UsageAmount::max)
        };
        let (_, _, usage) = run(&records);
        prop_assert_eq!(usage, total(0..4).plus(total(4..7)));
    }
}

#[test]
fn a_clock_that_is_set_on_or_back_ends_no_session() {
    const HOUR: i64 = 3_600;
    const YEAR: i64 = 365 * 24 * HOUR;
    for jump in [HOUR, -HOUR, YEAR, -YEAR] {
        for is_set_again in [false, true] {
            let last = if is_set_again { 0 } else { jump };
            let records = [
                start(),
                interim(300, 100),
                later(interim(600, 250), jump),
                later(interim(900, 400), jump),
                later(interim(1_200, 500), last),
                later(stop(1_500, 600), last),
            ];
            for auth in [None, Some(1)] {
                let records = records.clone().map(|record| match auth {
                    Some(auth) => with_auth(record, auth),
                    None => record,
                });
                let (slot, outcomes, usage) = run(&records);
                let expected = [Opened, Updated, Updated, Updated, Updated, Closed];
                assert_eq!(outcomes, expected, "{jump} s, {is_set_again}, {auth:?}");
                assert_eq!(slot.open, None);
                assert_eq!(usage.upload_bytes, 600);
                assert_eq!(usage.session_seconds, 1_500);
            }
        }
    }
}

/// Nothing was heard of the session since `seconds` after its start.
fn silence(seconds: u64) -> SessionRecord {
    SessionRecord {
        total: UsageAmount::default(),
        ..record(SessionEvent::Silence, seconds, 0)
    }
}

#[track_caller]
fn check_end(records: &[SessionRecord], stopped: i64, cause: Option<TerminateCause>) {
    let (slot, _, _) = run(records);
    let closed = slot.closed.expect("the session has ended");
    assert_eq!(closed.stopped_at, START.plus_seconds(stopped));
    assert_eq!(closed.cause, cause);
}

#[test]
fn a_silent_session_ends_where_it_was_last_heard_of() {
    let life = [start(), interim(300, 100), silence(300)];
    check(&life, &[Opened, Updated, Closed], (None, Some(100)), 100);
    check_end(&life, 300, SILENT);
    let life = [start(), silence(0)];
    check(&life, &[Opened, Closed], (None, Some(0)), 0);
    check_end(&life, 0, SILENT);
}

#[test]
fn silence_says_nothing_of_a_session_that_was_heard_of_since() {
    let life = [start(), interim(300, 100), interim(600, 250), silence(300)];
    check(
        &life,
        &[Opened, Updated, Updated, Stale],
        (Some(250), None),
        250,
    );
    // Nor of one that has ended, that another node closed, or that nobody knows.
    let life = [start(), stop(700, 300), silence(300)];
    check(&life, &[Opened, Closed, Stale], (None, Some(300)), 300);
    check_end(&life, 700, USER_REQUEST);
    let life = [start(), silence(0), silence(0)];
    check(&life, &[Opened, Closed, Stale], (None, Some(0)), 0);
    check(&[silence(0)], &[Stale], (None, None), 0);
}

#[test]
fn a_session_that_was_only_silent_is_amended_and_counted_once() {
    let life = [
        start(),
        interim(300, 100),
        silence(300),
        interim(1_500, 400),
        interim(1_800, 450),
        stop(2_000, 500),
    ];
    let outcomes = [Opened, Updated, Closed, Amended, Amended, Amended];
    check(&life, &outcomes, (None, Some(500)), 500);
    check_end(&life[..5], 1_800, SILENT);
    check_end(&life, 2_000, USER_REQUEST);
    let (_, _, usage) = run(&life);
    assert_eq!(usage.session_seconds, 2_000);
}

#[test]
fn the_next_session_of_a_silent_one_is_another() {
    let next = with_auth(later(start(), 1_200), 2);
    let life = [
        with_auth(start(), 1),
        with_auth(interim(300, 100), 1),
        silence(300),
        next,
    ];
    check(
        &life,
        &[Opened, Updated, Closed, Opened],
        (Some(0), Some(100)),
        100,
    );
}
