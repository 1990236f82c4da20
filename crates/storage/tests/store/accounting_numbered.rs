//! Numbered accounting: whatever is repeated, and in whatever parts, is stored once.

use domain::accounting::{
    AccountingRecord, NasRestart, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    SourceId,
};
use domain::id::{AuthId, NasId};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::accounting::RecordOutcome;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;
use storage::usage::UsageGrain;
use testkit::database::{Database, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, username};

testkit::test_on_both_databases!(
    what_is_repeated_changes_nothing,
    a_repetition_that_overlaps_stores_the_rest,
    sources_do_not_know_each_other,
    two_commits_of_the_same_numbers_store_them_once,
    a_refused_batch_moves_no_mark,
    marks_of_silent_sources_are_forgotten,
);

const START: Timestamp = TestClock::START;

fn origin(source: u8, first: u64) -> Origin {
    Origin {
        source: SourceId([source; 16]),
        first,
    }
}

fn record(event: SessionEvent, auth: u8, at: i64, seconds: u64, octets: u64) -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        event,
        tenant: TENANT,
        nas: nas(),
        key: SessionKey([7; 16]),
        auth: Some(AuthId::new(START, [auth; 10])),
        terms: None,
        subscriber: None,
        username: "ana".into(),
        at: START.plus_seconds(at),
        total: UsageAmount {
            upload_bytes: octets,
            download_bytes: 0,
            session_seconds: seconds,
        },
        terminate_cause: None,
        place: SessionPlace::default(),
    })
}

fn restart(at: i64) -> AccountingRecord {
    AccountingRecord::NasRestart(NasRestart {
        tenant: TENANT,
        nas: nas(),
        source: None,
        at: START.plus_seconds(at),
    })
}

fn nas() -> NasId {
    NasId::new(START, [1; 10])
}

/// Three sessions under one key: the second supersedes the first, a restart ends the second. A
/// record of the first would raise the counters of the third.
fn history() -> Vec<AccountingRecord> {
    use SessionEvent::{Interim, Start};
    vec![
        record(Start, 1, 0, 0, 0),
        record(Interim, 1, 300, 300, 1_000),
        record(Start, 2, 400, 0, 0),
        record(Interim, 2, 460, 60, 50),
        restart(500),
        record(Start, 3, 600, 0, 0),
        record(Interim, 3, 630, 30, 7),
    ]
}

async fn sessions(store: &Store) -> Vec<SessionRow> {
    let filter = SessionFilter::default();
    let page = Page::first(100);
    store.session_list(TENANT, &filter, &page).await.unwrap()
}

async fn upload_used(store: &Store) -> u64 {
    let (user, to) = (username("ana"), START.plus_seconds(86_400));
    let from = Timestamp::default();
    let buckets = store
        .usage_list(TENANT, &user, UsageGrain::Day, from, to, 10)
        .await
        .unwrap();
    buckets.iter().map(|day| day.amount.upload_bytes).sum()
}

async fn what_is_repeated_changes_nothing(database: Database) {
    let store = database.store().await;
    let records = history();
    for (first, record) in (1..).zip(&records) {
        let record = std::slice::from_ref(record);
        let done = store.accounting_commit_numbered(origin(1, first), record, &[]);
        done.await.unwrap();
    }
    let stored = sessions(&store).await;
    assert_eq!(upload_used(&store).await, 1_057);
    // As it would be after a crash between the commit and the removal from the spool.
    for part in [0..7, 0..3, 3..7] {
        let first = part.start as u64 + 1;
        let repeated = &records[part];
        let done = store.accounting_commit_numbered(origin(1, first), repeated, &[]);
        let expected = vec![RecordOutcome::StoredBefore; repeated.len()];
        assert_eq!(done.await.unwrap().outcomes, expected);
    }
    assert_eq!(sessions(&store).await, stored);
    assert_eq!(upload_used(&store).await, 1_057);
}

async fn a_repetition_that_overlaps_stores_the_rest(database: Database) {
    let store = database.store().await;
    let records = history();
    let commit = |from: usize, to: usize| {
        store.accounting_commit_numbered(origin(1, from as u64 + 1), &records[from..to], &[])
    };
    commit(0, 4).await.unwrap();
    let outcomes = commit(2, 7).await.unwrap().outcomes;
    assert_eq!(outcomes[..2], [RecordOutcome::StoredBefore; 2]);
    assert_eq!(outcomes[2], RecordOutcome::NasRestart { closed: 1 });
    assert_eq!(outcomes.len(), 5);
    assert_eq!(upload_used(&store).await, 1_057);
    let outcomes = commit(0, 7).await.unwrap().outcomes;
    assert_eq!(outcomes, [RecordOutcome::StoredBefore; 7]);
    // Numbers may be missing: what was refused was never acknowledged.
    let late = [record(SessionEvent::Interim, 3, 640, 40, 8)];
    let done = store.accounting_commit_numbered(origin(1, 100), &late, &[]);
    done.await.unwrap();
    assert_eq!(upload_used(&store).await, 1_058);
}

async fn sources_do_not_know_each_other(database: Database) {
    let store = database.store().await;
    for source in 1..=3 {
        let records = [record(SessionEvent::Interim, 1, 60, 60, source.into())];
        let done = store.accounting_commit_numbered(origin(source, 1), &records, &[]);
        assert_ne!(done.await.unwrap().outcomes, [RecordOutcome::StoredBefore]);
    }
    assert_eq!(upload_used(&store).await, 3);
}

async fn two_commits_of_the_same_numbers_store_them_once(database: Database) {
    const BATCHES: u64 = 20;
    let mut writers = JoinSet::new();
    for _ in 0..2 {
        let store = database.store().await;
        writers.spawn(async move {
            for batch in 0..BATCHES {
                let records = history();
                let first = batch * records.len() as u64 + 1;
                let done = store.accounting_commit_numbered(origin(1, first), &records, &[]);
                done.await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let once = Database::migrated(database.kind()).await;
    let alone = once.store().await;
    for _ in 0..BATCHES {
        alone.accounting_commit(&history()).await.unwrap();
    }
    let store = database.store().await;
    assert_eq!(upload_used(&store).await, upload_used(&alone).await);
    let count = sessions(&store).await.len();
    assert_eq!(count, sessions(&alone).await.len());
}

async fn a_refused_batch_moves_no_mark(database: Database) {
    let store = database.store().await;
    database
        .execute("ALTER TABLE usage_hourly RENAME TO usage_gone")
        .await;
    let records = history();
    let failure = store.accounting_commit_numbered(origin(1, 1), &records, &[]);
    let failure = failure.await.expect_err("a table is missing");
    assert!(failure.is_outage(), "{failure}");
    database
        .execute("ALTER TABLE usage_gone RENAME TO usage_hourly")
        .await;
    let done = store.accounting_commit_numbered(origin(1, 1), &records, &[]);
    done.await.unwrap();
    assert_eq!(upload_used(&store).await, 1_057);
}

async fn marks_of_silent_sources_are_forgotten(database: Database) {
    let store = database.store().await;
    for source in 1..=2 {
        let records = [record(SessionEvent::Interim, 1, 60, 60, 1)];
        let done = store.accounting_commit_numbered(origin(source, 1), &records, &[]);
        done.await.unwrap();
        database.clock().advance_seconds(100);
    }
    let prune = |seconds| store.accounting_mark_prune(START.plus_seconds(seconds));
    assert_eq!(prune(0).await.unwrap(), 0);
    assert_eq!(prune(50).await.unwrap(), 1);
    assert_eq!(prune(1_000).await.unwrap(), 1);
}
