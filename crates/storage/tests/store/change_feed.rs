//! The change feed: what is committed is delivered, and nothing is skipped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domain::change::Change;
use domain::id::{NasId, SubscriberId};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use storage::change_feed::ChangeFeed;
use storage::nas::NasPatch;
use storage::plan::PlanPatch;
use storage::store::Store;
use storage::subscriber::SubscriberPatch;
use testkit::database::{Database, DatabaseKind};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{TENANT, name, new_nas, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    every_write_of_the_registry_is_a_change,
    what_is_refused_is_no_change,
    changes_of_another_process_arrive_in_time,
    waiting_may_be_given_up_at_any_time,
    a_reader_behind_the_pruned_part_loads_everything,
    more_changes_than_can_be_told_apart_are_everything,
    no_change_of_many_writers_is_lost,
);

/// More than any change takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn next(feed: &mut ChangeFeed) -> Vec<Change> {
    tokio::time::timeout(PATIENCE, feed.next())
        .await
        .expect("a change arrives")
        .expect("the feed works")
}

async fn is_silent(feed: &mut ChangeFeed) -> bool {
    let patience = Duration::from_millis(50);
    tokio::time::timeout(patience, feed.next()).await.is_err()
}

async fn every_write_of_the_registry_is_a_change(database: Database) {
    let store = database.store().await;
    store
        .nas_insert(new_nas("before", "10.9.0.1"))
        .await
        .unwrap();
    let mut feed = store.change_feed().await.unwrap();
    assert!(is_silent(&mut feed).await, "a feed begins at the end");

    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    assert_eq!(next(&mut feed).await, [Change::Nas(nas.id)]);
    let plan = store.plan_insert(new_plan("Home 50")).await.unwrap();
    assert_eq!(next(&mut feed).await, [Change::Plan(plan.id)]);
    let ana = store
        .subscriber_insert(new_subscriber("ana", plan.id))
        .await;
    let ana = ana.unwrap();
    assert_eq!(next(&mut feed).await, [Change::Subscriber(ana.id)]);

    store
        .nas_update(TENANT, &nas.name, NasPatch::default())
        .await
        .unwrap();
    assert_eq!(next(&mut feed).await, [Change::Nas(nas.id)]);
    store
        .plan_update(TENANT, &plan.name, PlanPatch::default())
        .await
        .unwrap();
    assert_eq!(next(&mut feed).await, [Change::Plan(plan.id)]);
    store
        .subscriber_update(TENANT, &ana.username, SubscriberPatch::default())
        .await
        .unwrap();
    store
        .subscriber_delete(TENANT, &ana.username)
        .await
        .unwrap();
    assert_eq!(
        next(&mut feed).await,
        [Change::Subscriber(ana.id)],
        "two changes of one row are one"
    );
    store.plan_delete(TENANT, &plan.name).await.unwrap();
    assert_eq!(next(&mut feed).await, [Change::Plan(plan.id)]);
    store.nas_delete(TENANT, &nas.name).await.unwrap();
    assert_eq!(next(&mut feed).await, [Change::Nas(nas.id)]);
    assert!(is_silent(&mut feed).await);
}

async fn what_is_refused_is_no_change(database: Database) {
    let store = database.store().await;
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let mut feed = store.change_feed().await.unwrap();
    let refused = store.nas_insert(new_nas("pop-1", "10.0.0.2")).await;
    assert!(refused.is_err());
    let absent = name("absent");
    assert!(store.nas_delete(TENANT, &absent).await.is_err());
    assert!(is_silent(&mut feed).await);
}

async fn changes_of_another_process_arrive_in_time(database: Database) {
    let reader = database.store().await;
    let writer = database.store().await;
    let mut feed = reader.change_feed().await.unwrap();
    let mut delays = Vec::new();
    for number in 1..=9 {
        let nas = new_nas(&format!("pop-{number}"), &format!("10.0.0.{number}"));
        let nas = writer.nas_insert(nas).await.unwrap();
        let committed = Instant::now();
        assert_eq!(next(&mut feed).await, [Change::Nas(nas.id)]);
        delays.push(committed.elapsed());
    }
    delays.sort();
    // The median, so that a busy machine is not taken for a slow feed.
    let limit = match database.kind() {
        DatabaseKind::Sqlite => Duration::from_secs(1),
        DatabaseKind::Postgres => Duration::from_millis(100),
    };
    assert!(delays[4] < limit, "{delays:?}");
}

async fn waiting_may_be_given_up_at_any_time(database: Database) {
    let reader = database.store().await;
    let writer = database.store().await;
    let mut feed = reader.change_feed().await.unwrap();
    let mut delivered = BTreeSet::new();
    let mut expected = BTreeSet::new();
    for number in 1..=40 {
        let nas = new_nas(&format!("pop-{number}"), &format!("10.0.0.{number}"));
        expected.insert(writer.nas_insert(nas).await.unwrap().id);
        let patience = Duration::from_micros(number * 100);
        if let Ok(changes) = tokio::time::timeout(patience, feed.next()).await {
            delivered.extend(changes.unwrap().into_iter().filter_map(nas_of));
        }
    }
    while delivered.len() < expected.len() {
        delivered.extend(next(&mut feed).await.into_iter().filter_map(nas_of));
    }
    assert_eq!(delivered, expected);
}

fn nas_of(change: Change) -> Option<NasId> {
    match change {
        Change::Nas(id) => Some(id),
        Change::Plan(_)
        | Change::Subscriber(_)
        | Change::Tenant(_)
        | Change::Everything
        | Change::RowUser(_)
        | Change::RowGroup(_)
        | Change::RowNas => None,
    }
}

async fn a_reader_behind_the_pruned_part_loads_everything(database: Database) {
    let store = database.store().await;
    let mut behind = store.change_feed().await.unwrap();
    let mut current = store.change_feed().await.unwrap();
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    next(&mut current).await;
    database.clock().advance_seconds(60);
    let second = store
        .nas_insert(new_nas("pop-2", "10.0.0.2"))
        .await
        .unwrap();
    let before = database.clock().now();
    assert_eq!(store.change_prune(before).await.unwrap(), 1);
    assert_eq!(store.change_prune(before).await.unwrap(), 0);
    assert_eq!(next(&mut behind).await, [Change::Everything]);
    let kind = database.kind();
    assert_told(&mut current, Change::Nas(second.id), kind).await;

    database.clock().advance_seconds(60);
    store.change_prune(database.clock().now()).await.unwrap();
    let third = store
        .nas_insert(new_nas("pop-3", "10.0.0.3"))
        .await
        .unwrap();
    let mut fresh = store.change_feed().await.unwrap();
    for feed in [&mut behind, &mut current] {
        assert_told(feed, Change::Nas(third.id), kind).await;
    }
    assert!(is_silent(&mut fresh).await);
}

/// The next change is this one. A PostgreSQL server that runs transactions of other databases may
/// make a reader unsure of what was pruned; then it is told everything.
async fn assert_told(feed: &mut ChangeFeed, expected: Change, kind: DatabaseKind) {
    let changes = next(feed).await;
    let is_unsure = kind == DatabaseKind::Postgres && changes == [Change::Everything];
    assert!(is_unsure || changes == [expected], "{changes:?}");
}

async fn more_changes_than_can_be_told_apart_are_everything(database: Database) {
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let sql = match database.kind() {
        DatabaseKind::Sqlite => {
            "WITH RECURSIVE number (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 140000) \
             INSERT INTO change (tenant, kind, key, at) \
             SELECT randomblob(16), 'subscriber', randomblob(16), n FROM number"
        }
        DatabaseKind::Postgres => {
            "INSERT INTO change (tenant, kind, key, at) \
             SELECT gen_random_uuid(), 'subscriber', gen_random_uuid(), n \
             FROM generate_series(1, 140000) AS n"
        }
    };
    database.execute(sql).await;
    assert_eq!(next(&mut feed).await, [Change::Everything]);
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    loop {
        // What the feed had not read when it gave up comes as changes or as everything again.
        let changes = next(&mut feed).await;
        if changes.contains(&Change::Nas(nas.id)) {
            break;
        }
    }
}

async fn no_change_of_many_writers_is_lost(database: Database) {
    const WRITERS: u32 = 4;
    const EACH: u32 = 25;
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("Home 50")).await.unwrap().id;
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let store = database.store().await;
        let mut feed = store.change_feed().await.unwrap();
        readers.spawn(async move {
            let mut delivered = BTreeSet::new();
            while delivered.len() < (WRITERS * EACH) as usize {
                delivered.extend(next(&mut feed).await.into_iter().filter_map(subscriber_of));
            }
            delivered
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store: Store = database.store().await;
        writers.spawn(async move {
            let mut ids = Vec::new();
            for number in 0..EACH {
                let new = new_subscriber(&format!("user-{writer}-{number}"), plan);
                ids.push(store.subscriber_insert(new).await.unwrap().id);
            }
            ids
        });
    }
    let expected: BTreeSet<SubscriberId> = writers.join_all().await.into_iter().flatten().collect();
    for delivered in readers.join_all().await {
        assert_eq!(delivered, expected);
    }
    assert!(
        store
            .subscriber_find(TENANT, &username("user-0-0"))
            .await
            .unwrap()
            .is_some()
    );
}

fn subscriber_of(change: Change) -> Option<SubscriberId> {
    match change {
        Change::Subscriber(id) => Some(id),
        Change::Nas(_)
        | Change::Plan(_)
        | Change::Tenant(_)
        | Change::Everything
        | Change::RowUser(_)
        | Change::RowGroup(_)
        | Change::RowNas => None,
    }
}

/// A change as a transaction of the test writes it.
async fn insert_change(connection: &mut PgConnection, key: Uuid) -> i64 {
    let sql = "INSERT INTO change (tenant, kind, key, at) \
               VALUES ($1, 'nas', $1, 0) RETURNING seq";
    let query = sqlx::query(sql).bind(key);
    query.fetch_one(connection).await.unwrap().get(0)
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// The reader that this feed is not: it takes what is above the greatest number it has seen.
async fn naive_read(connection: &mut PgConnection, last: &mut i64) -> Vec<Uuid> {
    let query = sqlx::query("SELECT seq, key FROM change WHERE seq > $1 ORDER BY seq").bind(*last);
    let rows = query.fetch_all(connection).await.unwrap();
    *last = rows.last().map_or(*last, |row| row.get(0));
    rows.iter().map(|row| row.get(1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_slow_transactions_are_neither_skipped_nor_waited_for() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let postgres = database.postgres().unwrap();
    let (mut slow, mut quick) = (postgres.connect().await, postgres.connect().await);
    let mut naive = postgres.connect().await;
    let mut last = 0;
    let mut naive_seen = BTreeSet::new();
    let keys: Vec<Uuid> = (1..=6).map(Uuid::from_u128).collect();
    let change = |key: Uuid| Change::Nas(NasId::from_uuid(key));

    execute(&mut slow, "BEGIN").await;
    let slow_seq = insert_change(&mut slow, keys[0]).await;
    for &key in &keys[1..=3] {
        let seq = insert_change(&mut quick, key).await;
        assert!(slow_seq < seq);
        assert_eq!(next(&mut feed).await, [change(key)]);
        naive_seen.extend(naive_read(&mut naive, &mut last).await);
    }
    insert_change(&mut slow, keys[4]).await;
    execute(&mut slow, "COMMIT").await;
    assert_eq!(next(&mut feed).await, [change(keys[0]), change(keys[4])]);
    insert_change(&mut quick, keys[5]).await;
    assert_eq!(next(&mut feed).await, [change(keys[5])]);
    naive_seen.extend(naive_read(&mut naive, &mut last).await);
    assert!(!naive_seen.contains(&keys[0]), "a naive reader skips it");
    assert!(is_silent(&mut feed).await);
}

/// Transactions of this connection: a few changes each, some held open for long, some undone.
async fn write_at_random(mut connection: PgConnection, writer: u128) -> BTreeSet<Uuid> {
    let mut committed = BTreeSet::new();
    for turn in 0..30_u128 {
        let keys: Vec<Uuid> = (0..=turn % 3)
            .map(|number| Uuid::from_u128((writer << 64) + (turn << 8) + number))
            .collect();
        execute(&mut connection, "BEGIN").await;
        for key in &keys {
            // Every writer waits for another time, so that they overlap in every way.
            let wait = (writer * 7 + turn * 13) % 23;
            execute(
                &mut connection,
                &format!("SELECT pg_sleep({wait} * 0.0007)"),
            )
            .await;
            insert_change(&mut connection, *key).await;
        }
        if (writer + turn).is_multiple_of(5) {
            execute(&mut connection, "ROLLBACK").await;
        } else {
            execute(&mut connection, "COMMIT").await;
            committed.extend(keys);
        }
    }
    connection.close().await.unwrap();
    committed
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_hunt_for_a_lost_change_finds_none() {
    const END: Uuid = Uuid::from_u128(u128::MAX);
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let postgres = database.postgres().unwrap();
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let store = database.store().await;
        let mut feed = store.change_feed().await.unwrap();
        readers.spawn(async move {
            let mut delivered = Vec::new();
            let end = NasId::from_uuid(END);
            while !delivered.contains(&end) {
                delivered.extend(next(&mut feed).await.into_iter().filter_map(nas_of));
            }
            delivered
        });
    }
    // One transaction is open from the first write to the last.
    let mut longest = postgres.connect().await;
    execute(&mut longest, "BEGIN").await;
    let first = Uuid::from_u128(1);
    insert_change(&mut longest, first).await;
    let mut writers = JoinSet::new();
    for writer in 1..=8 {
        writers.spawn(write_at_random(postgres.connect().await, writer));
    }
    let mut committed: BTreeSet<Uuid> = writers.join_all().await.into_iter().flatten().collect();
    execute(&mut longest, "COMMIT").await;
    committed.insert(first);
    insert_change(&mut longest, END).await;
    committed.insert(END);
    for delivered in readers.join_all().await {
        let distinct: BTreeSet<Uuid> = delivered.iter().map(|id| id.as_uuid()).collect();
        assert_eq!(distinct, committed);
        assert_eq!(delivered.len(), committed.len(), "each is delivered once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_feed_goes_on_after_its_connections_were_cut() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let mut other = database.postgres().unwrap().connect().await;
    for turn in 1..=3 {
        execute(
            &mut other,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
        let key = Uuid::from_u128(turn);
        insert_change(&mut other, key).await;
        let expected = Change::Nas(NasId::from_uuid(key));
        // A few calls may fail while connections are found to be dead.
        let mut delivered = false;
        for _ in 0..30 {
            let result = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap();
            if result.is_ok_and(|changes| changes == [expected.clone()]) {
                delivered = true;
                break;
            }
        }
        assert!(delivered, "turn {turn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_pruning_beside_a_long_transaction_does_not_repeat_everything() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let mut long = database.postgres().unwrap().connect().await;
    execute(&mut long, "BEGIN").await;
    let key = Uuid::from_u128(1);
    insert_change(&mut long, key).await;
    let mut feed = store.change_feed().await.unwrap();
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    next(&mut feed).await;
    database.clock().advance_seconds(60);
    store.change_prune(database.clock().now()).await.unwrap();
    let second = store
        .nas_insert(new_nas("pop-2", "10.0.0.2"))
        .await
        .unwrap();
    // What was pruned may have been news, as far as this reader can tell.
    assert_eq!(next(&mut feed).await, [Change::Everything]);
    let changes = [second.id];
    execute(&mut long, "COMMIT").await;
    assert_eq!(
        next(&mut feed).await,
        [Change::Nas(NasId::from_uuid(key))],
        "not everything again, and not {changes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_entries_of_a_restored_backup_are_no_news() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    // A backup brings the numbers of the server that it was made on.
    database
        .execute(
            "INSERT INTO change (tenant, kind, key, at, xid) \
             VALUES (gen_random_uuid(), 'nas', gen_random_uuid(), 0, '9000000000000000000'); \
             UPDATE change_floor SET position = 8000000000000000000",
        )
        .await;
    let store = database.store().await;
    let mut behind = store.change_feed().await.unwrap();
    let mut current = store.change_feed().await.unwrap();
    assert!(is_silent(&mut current).await);
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    assert_eq!(next(&mut current).await, [Change::Nas(nas.id)]);
    assert!(is_silent(&mut current).await);
    database.clock().advance_seconds(60);
    store.change_prune(database.clock().now()).await.unwrap();
    assert_eq!(next(&mut behind).await, [Change::Everything]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_feed_on_another_server_begins_with_everything() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let mut other = database.postgres().unwrap().connect().await;
    // New connections find a server that says it was started at another time.
    execute(
        &mut other,
        "CREATE SCHEMA elsewhere; \
         CREATE FUNCTION elsewhere.pg_postmaster_start_time() RETURNS TIMESTAMPTZ \
             LANGUAGE sql AS 'SELECT to_timestamp(0)'; \
         DO $$ BEGIN EXECUTE format(\
             'ALTER DATABASE %I SET search_path = elsewhere, pg_catalog, public', \
             current_database()); END $$; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    let deadline = Instant::now() + PATIENCE;
    let changes = loop {
        // Calls may fail while connections are found to be dead.
        let result = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap();
        match result {
            Ok(changes) => break changes,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(changes, [Change::Everything]);
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    assert_eq!(next(&mut feed).await, [Change::Nas(nas.id)]);
}
