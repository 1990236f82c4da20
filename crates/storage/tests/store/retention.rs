//! Old history is removed, and only that.

use domain::access::{Method, Trace};
use domain::accounting::{AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord};
use domain::auth_log::shorthand::TraceText;
use domain::auth_log::{AuthLogEntry, AuthOutcome};
use domain::id::{AuthId, NasId};
use domain::time::Timestamp;
use domain::usage::{UsageAmount, UsageBucket};
use storage::auth_log::list::AuthLogFilter;
use storage::page::Page;
use storage::retention::{History, Pruned};
use storage::session::SessionFilter;
use storage::store::Store;
use storage::usage::UsageGrain;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, username};

testkit::test_on_both_databases!(
    only_what_is_older_is_removed,
    usage_by_the_day_outlives_the_hours,
    much_is_removed_in_pieces,
    a_rehearsal_removes_nothing,
);

const START: Timestamp = TestClock::START;
const DAY: i64 = 86_400;

/// A session that begins now and lasts, under a key of its own. The clock is where it ends.
async fn session(store: &Store, clock: &TestClock, number: u32, seconds: i64) {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let record = |event, at, session_seconds: i64| {
        AccountingRecord::Session(SessionRecord {
            event,
            tenant: TENANT,
            nas: NasId::new(START, [1; 10]),
            key: SessionKey(key),
            auth: None,
            terms: None,
            subscriber: None,
            username: "ana".into(),
            at,
            total: UsageAmount {
                upload_bytes: 1,
                download_bytes: 2,
                session_seconds: session_seconds.unsigned_abs(),
            },
            terminate_cause: None,
            place: SessionPlace {
                acct_session_id: number.to_string().as_str().into(),
                ..SessionPlace::default()
            },
        })
    };
    let start = record(SessionEvent::Start, clock.now(), 0);
    store.accounting_commit(&[start]).await.unwrap();
    clock.advance_seconds(seconds);
    let stop = record(SessionEvent::Stop, clock.now(), seconds);
    store.accounting_commit(&[stop]).await.unwrap();
}

async fn sessions_left(store: &Store) -> Vec<String> {
    let rows = store
        .session_list(TENANT, &SessionFilter::default(), &Page::first(1_000))
        .await
        .unwrap();
    rows.iter().map(|row| row.session_id.to_string()).collect()
}

/// Removes everything from before an instant and says how many rows and which partitions.
async fn prune(store: &Store, history: History, before: Timestamp) -> (u64, Vec<String>) {
    let overdue = store.history_overdue(history, before).await.unwrap();
    let mut prune = store.history_prune(history, before);
    let (mut rows, mut partitions) = (0, Vec::new());
    while let Some(pruned) = prune.next().await.unwrap() {
        match pruned {
            Pruned::Rows(count) => rows += count,
            Pruned::Partition { name, rows: count } => {
                rows += count;
                partitions.push(name);
            }
            Pruned::Postponed { name } => panic!("{name} is in use"),
        }
    }
    assert_eq!((overdue.rows, &overdue.partitions), (rows, &partitions));
    let overdue = store.history_overdue(history, before).await.unwrap();
    assert_eq!(overdue.rows, 0);
    (rows, partitions)
}

/// The clock begins on 2027-01-15. On PostgreSQL a month goes as a whole, when all of it is old.
async fn only_what_is_older_is_removed(database: Database) {
    let (store, clock) = (database.store().await, database.clock());
    store.partition_prepare().await.unwrap();
    // 1 ends on January 15, 2 lasts into March, 3 ends on March 17.
    session(&store, clock, 1, 60).await;
    session(&store, clock, 2, 60 * DAY).await;
    session(&store, clock, 3, DAY).await;
    let is_partitioned = database.postgres().is_some();
    for (before, expected_rows, expected_month) in [
        ("2027-01-14", 0, None),
        ("2027-01-31", u64::from(!is_partitioned), None),
        (
            "2027-02-01",
            u64::from(is_partitioned),
            Some("session_closed_2027_01"),
        ),
        ("2027-03-16T08:01:00Z", 0, Some("session_closed_2027_02")),
    ] {
        let before = before.parse().unwrap();
        let (rows, partitions) = prune(&store, History::Sessions, before).await;
        let expected: Vec<&str> = expected_month
            .into_iter()
            .filter(|_| is_partitioned)
            .collect();
        assert_eq!(
            (rows, partitions),
            (expected_rows, to_owned(&expected)),
            "{before}"
        );
    }
    assert_eq!(sessions_left(&store).await, ["3", "2"]);
    // Old rows that no month covers go row by row, on either database.
    database
        .execute("UPDATE session_closed SET stopped_at = -1 WHERE acct_session_id = '2'")
        .await;
    let before = "2027-02-01".parse().unwrap();
    assert_eq!(prune(&store, History::Sessions, before).await.0, 1);
    assert_eq!(sessions_left(&store).await, ["3"]);
}

fn to_owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn usage_by_the_day_outlives_the_hours(database: Database) {
    let (store, clock) = (database.store().await, database.clock());
    session(&store, clock, 1, 3_600).await;
    clock.advance_seconds(2 * DAY);
    session(&store, clock, 2, 3_600).await;
    clock.advance_seconds(-3_600);
    session(&store, clock, 3, 60).await;
    let days = usage(&store, UsageGrain::Day).await;
    assert_eq!(days.len(), 2);
    // Between the two hours of the second day.
    let before = START.plus_seconds(2 * DAY + 5_400);
    for rows in [3, 0] {
        assert_eq!(prune(&store, History::UsageHourly, before).await.0, rows);
        assert_eq!(usage(&store, UsageGrain::Day).await, days);
    }
    assert_eq!(usage(&store, UsageGrain::Hour).await.len(), 1);
    // The months go as a whole on PostgreSQL, and it makes no difference.
    store.partition_prepare().await.unwrap();
    let before = START.plus_seconds(40 * DAY);
    assert_eq!(prune(&store, History::UsageHourly, before).await.0, 1);
    assert_eq!(usage(&store, UsageGrain::Day).await, days);
    assert_eq!(usage(&store, UsageGrain::Hour).await, []);
}

async fn usage(store: &Store, grain: UsageGrain) -> Vec<UsageBucket> {
    let (user, end) = (username("ana"), START.plus_seconds(365 * DAY));
    let list = store.usage_list(TENANT, &user, grain, Timestamp::default(), end, 100);
    list.await.unwrap()
}

fn entry(number: i64) -> AuthLogEntry {
    let at = START.plus_seconds(number);
    AuthLogEntry {
        id: AuthId::new(at, [0; 10]),
        at,
        tenant: TENANT,
        nas: NasId::new(START, [1; 10]),
        subscriber: None,
        username: Some("ana".into()),
        method: Method::Pap,
        outcome: AuthOutcome::Accepted,
        trace: TraceText::of(&Trace::default()),
        calling_station: None,
        called_station: None,
        count: 1,
        last_at: at,
    }
}

/// More than one transaction removes, of each kind, and of each something that stays.
async fn much_is_removed_in_pieces(database: Database) {
    let store = database.store().await;
    let entries: Vec<AuthLogEntry> = (0..6_000).map(entry).collect();
    let entries: Vec<&AuthLogEntry> = entries.iter().collect();
    store.auth_log_append(&entries, &[]).await.unwrap();
    fill(&database).await;
    let before = START.plus_seconds(5_999);
    // Nothing here is an event; those have tests of their own.
    let kept = History::ALL
        .into_iter()
        .filter(|history| *history != History::Events);
    for history in kept {
        let (rows, partitions) = prune(&store, history, before).await;
        assert_eq!(rows, 5_999, "{history:?}");
        assert_eq!(partitions, Vec::<String>::new());
        let extents = store.history_extent(history).await.unwrap();
        let oldest = extents.iter().filter_map(|extent| extent.oldest_at).min();
        assert_eq!(oldest, Some(before), "{history:?}");
        let size: u64 = extents.iter().map(|extent| extent.size_bytes).sum();
        assert!(0 < size);
    }
    let filter = AuthLogFilter::default();
    let page = Page::first(10);
    let left = store.auth_log_list(TENANT, &filter, &page).await.unwrap();
    assert_eq!(left.len(), 1);
}

/// 6,000 sessions that end a second after another, and as many hours of 1,200 users.
async fn fill(database: &Database) {
    let (start, series, id, nil) = match database.postgres() {
        Some(_) => (
            START.as_micros(),
            "SELECT value FROM generate_series(0::BIGINT, 5999) AS value",
            "lpad(to_hex((1800000000 + value)::BIGINT * 1000), 12, '0') || '7000800000000000' \
             || lpad(to_hex(value), 4, '0')",
            "'00000000-0000-7000-8000-000000000001'::UUID",
        ),
        None => (
            START.as_micros(),
            "WITH RECURSIVE number (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM number \
             WHERE value < 5999) SELECT value FROM number",
            "unhex(printf('%012x70008000000000%06x', (1800000000 + value) * 1000, value))",
            "X'00000000000070008000000000000001'",
        ),
    };
    let id = match database.postgres() {
        Some(_) => format!("({id})::UUID"),
        None => id.to_owned(),
    };
    database
        .execute(&format!(
            "INSERT INTO session_closed (id, key, tenant, nas, username, started_at, updated_at, \
             upload_bytes, download_bytes, session_seconds, acct_session_id, stopped_at) \
             SELECT {id}, {id}, {nil}, {nil}, 'ana', {start}, {start}, 0, 0, 0, 'x', \
             {start} + value * 1000000 FROM ({series}) AS numbers"
        ))
        .await;
    database
        .execute(&format!(
            "INSERT INTO usage_hourly SELECT {nil}, 'user' || CAST(value % 1200 AS TEXT), \
             {start} + value * 1000000, 0, 0, 0 FROM ({series}) AS numbers"
        ))
        .await;
}

async fn a_rehearsal_removes_nothing(database: Database) {
    let (store, clock) = (database.store().await, database.clock());
    session(&store, clock, 1, 60).await;
    let mut prune = store
        .rehearsal()
        .history_prune(History::Sessions, START.plus_seconds(DAY));
    assert_eq!(prune.next().await.unwrap(), Some(Pruned::Rows(1)));
    assert_eq!(sessions_left(&store).await, ["1"]);
}
