//! Months of history on PostgreSQL: made ahead, filled with what is theirs, one node at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::accounting::{
    AccountingRecord, NasRestart, SessionEvent, SessionKey, SessionPlace, SessionRecord,
};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use sqlx::{AssertSqlSafe, Row};
use storage::accounting::RecordOutcome;
use storage::page::Page;
use storage::retention::{History, Pruned};
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, name, new_nas, username};

const START: Timestamp = TestClock::START;

/// The first column of a query, as text.
async fn column(database: &Database, sql: &str) -> Vec<String> {
    let postgres = database.postgres().expect("months are on PostgreSQL only");
    let mut connection = postgres.connect().await;
    let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    let rows = query.fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn months(database: &Database, table: &str) -> Vec<String> {
    column(
        database,
        &format!(
            "SELECT relname::TEXT FROM pg_inherits JOIN pg_class ON oid = inhrelid \
             WHERE inhparent = '{table}'::regclass ORDER BY 1"
        ),
    )
    .await
}

/// Sessions that ended at these times, one each.
async fn fill(database: &Database, ends: &[&str]) {
    for (number, end) in ends.iter().enumerate() {
        let end: Timestamp = end.parse().unwrap();
        let micros = end.as_micros();
        database
            .execute(&format!(
                "INSERT INTO session_closed (id, key, tenant, nas, username, started_at, \
                 updated_at, upload_bytes, download_bytes, session_seconds, acct_session_id, \
                 stopped_at) SELECT id, id, '{tenant}', id, 'ana', {micros}, {micros}, 1, 2, 3, \
                 '{number}', {micros} FROM (SELECT gen_random_uuid() AS id) AS new",
                tenant = TENANT.as_uuid(),
            ))
            .await;
    }
}

async fn list(store: &Store) -> Vec<SessionRow> {
    let filter = SessionFilter::default();
    let page = Page::first(1_000);
    store.session_list(TENANT, &filter, &page).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_made_ahead() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let report = store.partition_prepare().await.unwrap();
    assert_eq!(report.made.len(), 8);
    let expected = |months: &[&str]| -> Vec<String> {
        let months = months.iter().chain(&["default"]);
        months
            .map(|month| format!("session_closed_{month}"))
            .collect()
    };
    let made = ["2027_01", "2027_02", "2027_03", "2027_04"];
    assert_eq!(months(&database, "session_closed").await, expected(&made));
    let report = store.partition_prepare().await.unwrap();
    assert_eq!((report.made, report.is_postponed), (Vec::new(), false));
    // A month later one more is needed of each table.
    database.clock().advance_seconds(31 * 86_400);
    let report = store.partition_prepare().await.unwrap();
    assert_eq!(
        report.made,
        ["session_closed_2027_05", "usage_hourly_2027_05"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_month_covers_is_kept_and_moves_when_its_month_is_made() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let ends = [
        "1960-01-01", // No month is made for this.
        "1970-01-01",
        "2026-02-28T23:59:59.999999Z",
        "2026-03-01",
        "2027-01-15",
        "2028-01-15", // The clock is not there yet.
    ];
    fill(&database, &ends).await;
    let before = list(&store).await;
    assert_eq!(before.len(), ends.len());
    let report = store.partition_prepare().await.unwrap();
    assert_eq!(report.moved, 4);
    assert_eq!(list(&store).await, before);
    let counted = column(
        &database,
        "SELECT tableoid::regclass::TEXT || ' ' || COUNT(*) FROM session_closed \
         GROUP BY tableoid ORDER BY 1",
    );
    assert_eq!(
        counted.await,
        [
            "session_closed_1970_01 1",
            "session_closed_2026_02 1",
            "session_closed_2026_03 1",
            "session_closed_2027_01 1",
            "session_closed_default 2",
        ]
    );
}

/// The schema before partitions, as the migrations up to then make it, and rows in it.
#[tokio::test(flavor = "multi_thread")]
async fn history_from_before_partitions_survives() {
    let indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'session_closed' ORDER BY 1";
    let newest = Database::migrated(DatabaseKind::Postgres).await;
    let expected: Vec<String> = column(&newest, indexes)
        .await
        .iter()
        .map(|definition| definition.replace(" ON ONLY ", " ON "))
        .collect();
    assert!(3 < expected.len(), "{expected:?}");
    let database = Database::empty(DatabaseKind::Postgres).await;
    storage::migration::migrate_through(&database.open_options(), 7)
        .await
        .unwrap();
    let options = "ALTER TABLE usage_hourly SET (fillfactor = 70)";
    database.execute(options).await;
    fill(&database, &["2026-12-15", "2027-01-15", "2027-01-16"]).await;

    storage::migration::migrate(&database.open_options())
        .await
        .unwrap();
    let store = database.store().await;
    let before = list(&store).await;
    assert_eq!(before.len(), 3);
    assert_eq!(store.partition_prepare().await.unwrap().moved, 3);
    assert_eq!(list(&store).await, before);
    let found: Vec<String> = column(&database, indexes)
        .await
        .iter()
        .map(|definition| definition.replace(" ON ONLY ", " ON "))
        .collect();
    assert_eq!(found, expected);
    // Each partition has each index, and each is a part of one of the parent's.
    let parts = column(
        &database,
        "SELECT COUNT(*)::TEXT FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid \
         JOIN pg_class ON pg_class.oid = indrelid WHERE relname LIKE 'session_closed_%'",
    );
    let partitions = months(&database, "session_closed").await.len();
    let expected = (partitions * expected.len()).to_string();
    assert_eq!(parts.await, [expected]);
    let options = column(
        &database,
        "SELECT array_to_string(reloptions, ',') FROM pg_class WHERE relname = 'usage_hourly_2027_01'",
    );
    assert_eq!(options.await, ["fillfactor=70"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_make_months_at_once_do_not_clash() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    fill(&database, &["2026-05-01", "2026-06-01", "2026-07-01"]).await;
    let mut nodes = JoinSet::new();
    for _ in 0..4 {
        let store = database.store().await;
        nodes.spawn(async move { store.partition_prepare().await.unwrap() });
    }
    let reports = nodes.join_all().await;
    let mut made = BTreeMap::new();
    for name in reports.iter().flat_map(|report| &report.made) {
        *made.entry(name.clone()).or_insert(0) += 1;
    }
    // Whoever found another at it leaves the rest for the next time.
    let report = database.store().await.partition_prepare().await.unwrap();
    for name in report.made {
        *made.entry(name).or_insert(0) += 1;
    }
    assert_eq!(made.len(), 11);
    assert_eq!(months(&database, "session_closed").await.len(), 4 + 3 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_in_use_is_dropped_later() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    fill(&database, &["2026-05-01"]).await;
    store.partition_prepare().await.unwrap();
    let mut reader = database.postgres().unwrap().connect().await;
    let begin = "BEGIN; SELECT COUNT(*) FROM session_closed";
    sqlx::raw_sql(begin).execute(&mut reader).await.unwrap();
    let postponed = Pruned::Postponed {
        name: "session_closed_2026_05".to_owned(),
    };
    let mut prune = store.history_prune(History::Sessions, START);
    let patience = Duration::from_secs(10);
    let next = tokio::time::timeout(patience, prune.next()).await;
    assert_eq!(next.unwrap().unwrap(), Some(postponed));
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut reader)
        .await
        .unwrap();
    let mut prune = store.history_prune(History::Sessions, START);
    let dropped = Pruned::Partition {
        name: "session_closed_2026_05".to_owned(),
        rows: 1,
    };
    assert_eq!(prune.next().await.unwrap(), Some(dropped));
    assert_eq!(list(&store).await, []);
}

/// What accounting and lists ask for is found by indexes, in whichever months it is.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_reads_a_whole_month() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    fill_year(&database).await;
    let store = database.store().await;
    assert_eq!(store.partition_prepare().await.unwrap().moved, 36_000);
    database.execute("ANALYZE session_closed").await;
    store.close().await;
    let before = whole_reads(&database).await;

    let store = database.store().await;
    account(&store).await;
    let id = list(&store).await[0].id;
    let user = Some(username("user7"));
    let nas = Some(name("pop-1"));
    for (username, nas, expected) in [
        (None, None, 1_000),
        (user.clone(), None, 36),
        (None, nas.clone(), 1_000),
        (user, nas, 36),
    ] {
        let filter = SessionFilter {
            username,
            nas,
            ..SessionFilter::default()
        };
        for since in [None, Some(START.plus_seconds(-400 * 86_400))] {
            let filter = SessionFilter {
                since,
                ..filter.clone()
            };
            let page = Page::after(id, 1_000);
            let rows = store.session_list(TENANT, &filter, &page).await.unwrap();
            assert_eq!(rows.len(), expected, "{filter:?}");
        }
    }
    for id in ["s77", &id.to_string()] {
        assert!(store.session_find(TENANT, id).await.unwrap().is_some());
    }
    store.close().await;
    assert_eq!(whole_reads(&database).await, before);
}

/// 36,000 sessions of 1,000 users on one router, in the 12 months before the clock begins.
async fn fill_year(database: &Database) {
    let store = database.store().await;
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    store.close().await;
    let (tenant, nas, end) = (TENANT.as_uuid(), nas.id.as_uuid(), START.as_micros());
    database
        .execute(&format!(
            "INSERT INTO session_closed (id, key, tenant, nas, username, started_at, updated_at, \
             upload_bytes, download_bytes, session_seconds, acct_session_id, stopped_at) \
             SELECT (lpad(to_hex(at / 1000), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))\
             ::UUID, gen_random_uuid(), '{tenant}', '{nas}', 'user' || number % 1000, at, at, 1, 2, \
             3, 's' || number, at FROM (SELECT number, {end} - 365 * 86400000000 \
             + number * 876000000 AS at FROM generate_series(0::BIGINT, 35999) AS number) AS year"
        ))
        .await;
}

/// Sessions that begin, go on and end, also those that had ended, and a restart.
async fn account(store: &Store) {
    let router = store.nas_find(TENANT, &name("pop-1")).await.unwrap();
    let nas = router.expect("it was added").id;
    let record = |number: u8, event, seconds: i64| {
        AccountingRecord::Session(SessionRecord {
            event,
            tenant: TENANT,
            nas,
            key: SessionKey([number; 16]),
            auth: None,
            terms: None,
            subscriber: None,
            username: format!("user{number}").as_str().into(),
            at: START.plus_seconds(seconds),
            total: UsageAmount {
                upload_bytes: 1,
                download_bytes: 2,
                session_seconds: seconds.unsigned_abs(),
            },
            terminate_cause: None,
            place: SessionPlace {
                acct_session_id: format!("s{number}").as_str().into(),
                ..SessionPlace::default()
            },
        })
    };
    for (event, seconds) in [
        (SessionEvent::Start, 0),
        (SessionEvent::Interim, 60),
        (SessionEvent::Stop, 120),
        (SessionEvent::Stop, 180),
        (SessionEvent::Start, 7_200),
    ] {
        let batch: Vec<AccountingRecord> = (100..200)
            .map(|number| record(number, event, seconds))
            .collect();
        store.accounting_commit(&batch).await.unwrap();
    }
    let restart = AccountingRecord::NasRestart(NasRestart {
        tenant: TENANT,
        nas,
        at: START.plus_seconds(9_000),
        source: None,
    });
    let outcomes = store.accounting_commit(&[restart]).await.unwrap();
    assert_eq!(outcomes, [RecordOutcome::NasRestart { closed: 100 }]);
}

/// How often a month with sessions was read from its beginning to its end. A connection tells that
/// to the server when it ends.
async fn whole_reads(database: &Database) -> Vec<String> {
    let others = "SELECT pid::TEXT FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let deadline = Instant::now() + Duration::from_secs(30);
    while !column(database, others).await.is_empty() {
        assert!(Instant::now() < deadline, "connections do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    column(
        database,
        "SELECT relname || ' ' || seq_scan FROM pg_stat_user_tables \
         WHERE relname LIKE 'session_closed_2026_%' ORDER BY 1",
    )
    .await
}
