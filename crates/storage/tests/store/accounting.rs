//! Accounting through the database: every order of records converges, in one batch or in many.

use std::collections::HashMap;
use std::net::IpAddr;

use domain::accounting::{
    AccountingRecord, NasRestart, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    TerminateCause,
};
use domain::id::{AuthId, NasId, SessionId};
use domain::session::{ClosedSession, SessionOutcome, SessionSlot, SessionState};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use storage::accounting::RecordOutcome;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;
use storage::usage::UsageGrain;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, username};

testkit::test_on_both_databases!(
    tables_of_records_converge,
    a_restart_ends_what_began_before_it,
    a_restart_of_one_router_of_a_prefix_ends_its_sessions_only,
    a_batch_of_one_user_adds_up,
    usage_falls_into_hours_and_days,
    hostile_counters_and_names_do_not_hold_up_a_batch,
    random_batches_end_as_the_fold_in_memory,
    sessions_of_one_key_keep_their_order_when_the_clock_stands,
    an_empty_batch_is_nothing,
);

const START: Timestamp = TestClock::START;

fn nas(number: u8) -> NasId {
    NasId::new(START, [number; 10])
}

fn record(event: SessionEvent, seconds: u64, octets: u64) -> SessionRecord {
    SessionRecord {
        event,
        tenant: TENANT,
        nas: nas(1),
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
            SessionEvent::Stop => Some(TerminateCause::Reported(1)),
            SessionEvent::Silence => Some(TerminateCause::Stale { seconds: 960 }),
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

fn later(record: SessionRecord, seconds: i64) -> SessionRecord {
    SessionRecord {
        at: record.at.plus_seconds(seconds),
        ..record
    }
}

fn with_auth(record: SessionRecord, auth: u8) -> SessionRecord {
    SessionRecord {
        auth: Some(AuthId::new(START, [auth; 10])),
        ..record
    }
}

/// What one table of records must end as: the upload of the open session, of the closed ones from
/// the newest, and the upload counted as usage.
struct Case {
    name: &'static str,
    records: Vec<SessionRecord>,
    open: Option<u64>,
    closed: Vec<u64>,
    usage: u64,
}

fn case(
    name: &'static str,
    records: impl Into<Vec<SessionRecord>>,
    open: Option<u64>,
    closed: impl Into<Vec<u64>>,
    usage: u64,
) -> Case {
    Case {
        name,
        records: records.into(),
        open,
        closed: closed.into(),
        usage,
    }
}

fn cases_of_one_session() -> Vec<Case> {
    vec![
        case(
            "whole life",
            [start(), interim(300, 100), stop(700, 300)],
            None,
            [300],
            300,
        ),
        case("open", [start(), interim(300, 100)], Some(100), [], 100),
        case("missing start", [interim(300, 100)], Some(100), [], 100),
        case("stop alone", [stop(700, 300)], None, [300], 300),
        case(
            "duplicates",
            [start(), start(), stop(700, 300), stop(700, 300)],
            None,
            [300],
            300,
        ),
        case(
            "reordered",
            [stop(700, 300), interim(300, 100), start()],
            None,
            [300],
            300,
        ),
        case(
            "interim after stop",
            [start(), stop(700, 300), interim(700, 320)],
            None,
            [320],
            320,
        ),
        case(
            "older interim",
            [interim(600, 250), interim(300, 100)],
            Some(250),
            [],
            250,
        ),
        case(
            "replayed start",
            [start(), stop(700, 300), start()],
            None,
            [300],
            300,
        ),
    ]
}

fn cases_of_several_sessions() -> Vec<Case> {
    let reused = |seconds| later(stop(30, 40), seconds);
    vec![
        case(
            "another class supersedes",
            [
                with_auth(start(), 1),
                with_auth(interim(300, 100), 1),
                later(with_auth(start(), 2), 400),
            ],
            Some(0),
            [100],
            100,
        ),
        case(
            "reused id after the end",
            [start(), stop(700, 300), reused(2_000)],
            None,
            [40, 300],
            340,
        ),
        case(
            "superseded twice",
            [
                with_auth(start(), 1),
                later(with_auth(start(), 2), 400),
                later(with_auth(start(), 3), 800),
                later(with_auth(stop(10, 5), 3), 810),
            ],
            None,
            [5, 0, 0],
            5,
        ),
    ]
}

async fn tables_of_records_converge(database: Database) {
    let store = database.store().await;
    let cases = cases_of_one_session()
        .into_iter()
        .chain(cases_of_several_sessions());
    for (number, case) in (0..).zip(cases) {
        // Once in one batch, and once with a batch for each record.
        for batch_len in [case.records.len(), 1] {
            let user = format!("user-{number}-{batch_len}");
            let key = SessionKey([number * 2 + u8::from(batch_len == 1); 16]);
            let records: Vec<AccountingRecord> = case
                .records
                .iter()
                .map(|record| {
                    AccountingRecord::Session(SessionRecord {
                        key,
                        username: user.as_str().into(),
                        ..record.clone()
                    })
                })
                .collect();
            for batch in records.chunks(batch_len) {
                store.accounting_commit(batch).await.unwrap();
            }
            let rows = sessions_of(&store, &user).await;
            let upload = |state| -> Vec<u64> {
                let of_state = rows.iter().filter(|row| row.state == state);
                of_state.map(|row| row.upload_bytes).collect()
            };
            let name = (case.name, batch_len);
            let open = Vec::from_iter(case.open);
            assert_eq!(upload(SessionState::Open), open, "{name:?}");
            assert_eq!(upload(SessionState::Closed), case.closed, "{name:?}");
            assert_eq!(upload_used(&store, &user).await, case.usage, "{name:?}");
        }
    }
}

async fn sessions_of(store: &Store, user: &str) -> Vec<SessionRow> {
    let filter = SessionFilter {
        username: Some(username(user)),
        ..SessionFilter::default()
    };
    store
        .session_list(TENANT, &filter, &Page::first(100))
        .await
        .unwrap()
}

async fn upload_used(store: &Store, user: &str) -> u64 {
    let (from, to) = (Timestamp::default(), Timestamp::from_micros(i64::MAX));
    let mut sums = [0; 2];
    for (grain, sum) in [UsageGrain::Hour, UsageGrain::Day]
        .into_iter()
        .zip(&mut sums)
    {
        let buckets = store
            .usage_list(TENANT, &username(user), grain, from, to, 1_000)
            .await
            .unwrap();
        *sum = buckets
            .iter()
            .map(|bucket| bucket.amount.upload_bytes)
            .sum();
    }
    assert_eq!(sums[0], sums[1], "hours and days agree");
    sums[0]
}

fn on_nas(number: u8, key: u8, record: SessionRecord) -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        nas: nas(number),
        key: SessionKey([key; 16]),
        ..record
    })
}

fn restart(number: u8, seconds: i64) -> AccountingRecord {
    AccountingRecord::NasRestart(NasRestart {
        tenant: TENANT,
        nas: nas(number),
        source: None,
        at: START.plus_seconds(seconds),
    })
}

fn closed_count(outcome: &RecordOutcome) -> Option<u64> {
    match outcome {
        RecordOutcome::NasRestart { closed } => Some(*closed),
        RecordOutcome::Session { .. } | RecordOutcome::StoredBefore => None,
    }
}

async fn a_restart_ends_what_began_before_it(database: Database) {
    let store = database.store().await;
    let stored = [on_nas(1, 1, start()), on_nas(2, 2, start())];
    store.accounting_commit(&stored).await.unwrap();
    let outcomes = store
        .accounting_commit(&[
            on_nas(1, 3, interim(100, 10)),
            restart(1, 200),
            // Late news of an ended session amend it, and a session after the restart is new.
            on_nas(1, 3, stop(150, 15)),
            on_nas(1, 4, later(start(), 300)),
            restart(1, 200),
            restart(3, 200),
        ])
        .await
        .unwrap();
    let closed: Vec<u64> = outcomes.iter().filter_map(closed_count).collect();
    assert_eq!(closed, [2, 0, 0]);
    let expected = RecordOutcome::Session {
        outcome: SessionOutcome::Amended,
        is_open: false,
    };
    assert_eq!(outcomes[2], expected);
    let rows = sessions_of(&store, "ana").await;
    let open: Vec<NasId> = rows
        .iter()
        .filter(|row| row.state == SessionState::Open)
        .map(|row| row.nas_id)
        .collect();
    assert_eq!(open, [nas(1), nas(2)]);
    let causes: Vec<_> = rows
        .iter()
        .filter(|row| row.state == SessionState::Closed)
        .map(|row| (row.terminate_cause, row.upload_bytes))
        .collect();
    let reported = Some(TerminateCause::Reported(1));
    let rebooted = Some(TerminateCause::NasReboot);
    assert_eq!(causes, [(reported, 15), (rebooted, 0)]);
    assert_eq!(upload_used(&store, "ana").await, 15);
}

async fn a_restart_of_one_router_of_a_prefix_ends_its_sessions_only(database: Database) {
    let store = database.store().await;
    let address = |last| IpAddr::from([10, 0, 0, last]);
    let from = |key, last| {
        let mut record = start();
        record.place.nas_address = Some(address(last));
        on_nas(1, key, record)
    };
    let restart = AccountingRecord::NasRestart(NasRestart {
        tenant: TENANT,
        nas: nas(1),
        source: Some(address(2)),
        at: START.plus_seconds(200),
    });
    let records = [from(1, 1), from(2, 2), restart];
    let outcomes = store.accounting_commit(&records).await.unwrap();
    let closed: Vec<u64> = outcomes.iter().filter_map(closed_count).collect();
    assert_eq!(closed, [1]);
    let open = store.session_open_list_all(None, 10).await.unwrap();
    let addresses: Vec<_> = open
        .iter()
        .map(|open| open.session.place.nas_address)
        .collect();
    assert_eq!(addresses, [Some(address(1))]);
}

async fn a_batch_of_one_user_adds_up(database: Database) {
    let store = database.store().await;
    let records: Vec<AccountingRecord> = (0..1_024_u16)
        .map(|number| {
            let mut key = [0; 16];
            key[..2].copy_from_slice(&number.to_be_bytes());
            AccountingRecord::Session(SessionRecord {
                key: SessionKey(key),
                ..interim(60, u64::from(number))
            })
        })
        .collect();
    let outcomes = store.accounting_commit(&records).await.unwrap();
    let opened = RecordOutcome::Session {
        outcome: SessionOutcome::Opened,
        is_open: true,
    };
    assert!(outcomes.iter().all(|outcome| *outcome == opened));
    assert_eq!(upload_used(&store, "ana").await, 1_023 * 1_024 / 2);
    let mut loaded = 0;
    let mut after = None;
    loop {
        let page = store.session_open_list_all(after, 300).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.session.id);
        loaded += page.len();
    }
    assert_eq!(loaded, 1_024);
}

async fn usage_falls_into_hours_and_days(database: Database) {
    let store = database.store().await;
    // The session begins at 08:00 UTC and goes on past midnight.
    for (hours, octets) in [(0, 5), (1, 15), (16, 100), (17, 101)] {
        let record = interim(hours * 3_600 + 1, octets);
        let record = AccountingRecord::Session(record);
        store.accounting_commit(&[record]).await.unwrap();
    }
    let list = async |grain, from: i64, to: i64| -> Vec<(i64, u64)> {
        let (from, to) = (START.plus_seconds(from), START.plus_seconds(to));
        let buckets = store
            .usage_list(TENANT, &username("ana"), grain, from, to, 10)
            .await
            .unwrap();
        let row = |bucket: &domain::usage::UsageBucket| {
            let hours = bucket.starts_at.seconds_since(START) / 3_600;
            (hours, bucket.amount.upload_bytes)
        };
        buckets.iter().map(row).collect()
    };
    let hours = list(UsageGrain::Hour, 0, 86_400).await;
    assert_eq!(hours, [(17, 1), (16, 85), (1, 10), (0, 5)]);
    let first = list(UsageGrain::Hour, 0, 3_600).await;
    assert_eq!(first, [(0, 5)]);
    let days = list(UsageGrain::Day, -86_400, 86_400).await;
    assert_eq!(days, [(16, 86), (-8, 15)]);
}

async fn hostile_counters_and_names_do_not_hold_up_a_batch(database: Database) {
    let store = database.store().await;
    let mut hostile = interim(60, 0);
    hostile.total = UsageAmount {
        upload_bytes: u64::MAX,
        download_bytes: u64::MAX,
        session_seconds: u64::MAX,
    };
    hostile.username = "a\0b".into();
    hostile.place.acct_session_id = "\0".into();
    hostile.place.calling_station = Some("\0\u{1f600}".into());
    hostile.at = Timestamp::from_micros(i64::MAX);
    for key in 0..3 {
        let records = [
            on_nas(1, key, hostile.clone()),
            on_nas(1, 9, interim(60, 1)),
        ];
        for _ in 0..2 {
            store.accounting_commit(&records).await.unwrap();
        }
    }
    let page = Page::first(10);
    let filter = SessionFilter::default();
    let rows = store.session_list(TENANT, &filter, &page).await.unwrap();
    assert_eq!(rows.len(), 4);
    let most = rows.iter().map(|row| row.upload_bytes).max();
    assert_eq!(most, Some(i64::MAX.unsigned_abs()));
    assert_eq!(upload_used(&store, "ana").await, 1);
}

async fn sessions_of_one_key_keep_their_order_when_the_clock_stands(database: Database) {
    // Each store draws its ids by itself, as nodes with clocks that disagree do.
    for turn in 0..6 {
        let store = database.store().await;
        database.clock().advance_seconds(-1);
        let record = AccountingRecord::Session(later(stop(30, 10 + turn), 1_000 * (turn as i64)));
        let again = record.clone();
        store.accounting_commit(&[record]).await.unwrap();
        let outcomes = store.accounting_commit(&[again]).await.unwrap();
        let stale = RecordOutcome::Session {
            outcome: SessionOutcome::Stale,
            is_open: false,
        };
        assert_eq!(outcomes, [stale]);
    }
    let store = database.store().await;
    let uploads: Vec<u64> = sessions_of(&store, "ana")
        .await
        .iter()
        .map(|row| row.upload_bytes)
        .collect();
    assert_eq!(uploads, [15, 14, 13, 12, 11, 10]);
}

async fn an_empty_batch_is_nothing(database: Database) {
    let store = database.store().await;
    assert_eq!(store.accounting_commit(&[]).await.unwrap(), []);
}

/// The fold that the store must equal: a slot for each key, restarts applied to all of a router.
#[derive(Default)]
struct Fold {
    slots: HashMap<SessionKey, SessionSlot>,
    ended: Vec<ClosedSession>,
    upload: u64,
    last_id: u128,
}

impl Fold {
    fn apply(&mut self, record: &AccountingRecord) -> RecordOutcome {
        match record {
            AccountingRecord::Session(record) => {
                self.last_id += 1;
                let id = SessionId::from_uuid(uuid::Uuid::from_u128(self.last_id));
                let slot = self.slots.entry(record.key).or_default();
                let before = slot.closed.clone();
                let applied = slot.apply(record, id);
                self.upload += applied.usage.upload_bytes;
                let outcome = RecordOutcome::Session {
                    outcome: applied.outcome,
                    is_open: slot.open.is_some(),
                };
                let ended = superseding(before, slot.closed.as_ref());
                self.ended.extend(ended);
                if let Some(superseded) = applied.superseded
                    && slot.closed.as_ref().map(|one| one.session.id) != Some(superseded.session.id)
                {
                    self.ended.push(*superseded);
                }
                outcome
            }
            AccountingRecord::NasRestart(restart) => {
                let mut closed = 0;
                let mut slots: Vec<_> = self.slots.iter_mut().collect();
                slots.sort_by_key(|(key, _)| **key);
                for (_, slot) in slots {
                    let Some(open) = slot.open.take() else {
                        continue;
                    };
                    if open.nas != restart.nas || restart.at < open.started_at {
                        slot.open = Some(open);
                        continue;
                    }
                    closed += 1;
                    self.ended.extend(slot.closed.take());
                    slot.closed = Some(ClosedSession::by_nas_restart(open, restart.at));
                }
                RecordOutcome::NasRestart { closed }
            }
        }
    }

    /// Every session at the end: state, times, counters and cause, without ids.
    fn sessions(&self) -> Vec<String> {
        let slots = self.slots.values();
        let open = slots.clone().filter_map(|slot| slot.open.as_ref());
        let closed = slots.filter_map(|slot| slot.closed.as_ref());
        let mut all: Vec<String> = open
            .map(|one| shown(one.started_at, None, one.total, None))
            .chain(self.ended.iter().chain(closed).map(|one| {
                let session = &one.session;
                let stopped_at = Some(one.stopped_at);
                shown(session.started_at, stopped_at, session.total, one.cause)
            }))
            .collect();
        all.sort();
        all
    }
}

/// The session that was closed before, when another one took its place.
fn superseding(
    before: Option<ClosedSession>,
    after: Option<&ClosedSession>,
) -> Option<ClosedSession> {
    let before = before?;
    let is_same = after.is_some_and(|after| after.session.id == before.session.id);
    (!is_same).then_some(before)
}

pub(crate) fn shown(
    started_at: Timestamp,
    stopped_at: Option<Timestamp>,
    total: UsageAmount,
    cause: Option<TerminateCause>,
) -> String {
    format!("{started_at} {stopped_at:?} {total:?} {cause:?}")
}

pub(crate) fn any_record() -> impl Strategy<Value = AccountingRecord> {
    let session = (0..3_u8, 0..3_u8, 0..20_u64, 0..50_u64, 0..4_u8, 0..6_i64).prop_map(
        |(event, key, minutes, octets, auth, hours)| {
            let event = [
                SessionEvent::Start,
                SessionEvent::Interim,
                SessionEvent::Stop,
            ][usize::from(event)];
            let minutes = if event == SessionEvent::Start {
                0
            } else {
                minutes
            };
            let record = later(record(event, minutes * 60, octets), hours * 1_700);
            let record = match auth {
                0 | 1 => record,
                auth => with_auth(record, auth),
            };
            on_nas(key % 2, key, record)
        },
    );
    let restart = (0..2_u8, 0..12_000_i64).prop_map(|(nas, at)| restart(nas, at));
    prop_oneof![12 => session, 1 => restart]
}

async fn random_batches_end_as_the_fold_in_memory(database: Database) {
    let store = database.store().await;
    let mut runner = TestRunner::deterministic();
    for turn in 0..24 {
        let tree = prop::collection::vec(any_record(), 1..40)
            .new_tree(&mut runner)
            .unwrap();
        let user = format!("user-{turn}");
        let records: Vec<AccountingRecord> = tree
            .current()
            .into_iter()
            .map(|record| renamed(record, &user, turn))
            .collect();
        let mut fold = Fold::default();
        let expected: Vec<RecordOutcome> =
            records.iter().map(|record| fold.apply(record)).collect();
        let mut outcomes = Vec::new();
        for batch in records.chunks(1 + turn % 9) {
            outcomes.extend(store.accounting_commit(batch).await.unwrap());
        }
        assert_eq!(outcomes, expected, "{records:#?}");
        let mut rows: Vec<String> = sessions_of(&store, &user)
            .await
            .iter()
            .map(|row| {
                let total = UsageAmount {
                    upload_bytes: row.upload_bytes,
                    download_bytes: row.download_bytes,
                    session_seconds: row.session_seconds,
                };
                shown(row.started_at, row.stopped_at, total, row.terminate_cause)
            })
            .collect();
        rows.sort();
        assert_eq!(rows, fold.sessions(), "{records:#?}");
        assert_eq!(upload_used(&store, &user).await, fold.upload);
    }
}

/// The same record of another user, router and session in each turn.
fn renamed(record: AccountingRecord, user: &str, turn: usize) -> AccountingRecord {
    let turn = u8::try_from(turn).unwrap();
    let nas_of = |id: NasId| NasId::new(START, [id.as_bytes()[15].wrapping_add(turn * 2 + 64); 10]);
    match record {
        AccountingRecord::Session(record) => {
            let mut key = record.key;
            key.0[0] = turn;
            AccountingRecord::Session(SessionRecord {
                key,
                nas: nas_of(record.nas),
                username: user.into(),
                ..record
            })
        }
        AccountingRecord::NasRestart(restart) => AccountingRecord::NasRestart(NasRestart {
            nas: nas_of(restart.nas),
            ..restart
        }),
    }
}
