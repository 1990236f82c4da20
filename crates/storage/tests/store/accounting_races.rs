//! Several nodes that commit accounting at the same time: nothing is lost, nothing counted twice.

use domain::accounting::{AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord};
use domain::id::NasId;
use domain::session::SessionState;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::page::Page;
use storage::session::SessionFilter;
use storage::usage::UsageGrain;
use testkit::database::{Database, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, username};

testkit::test_on_both_databases!(
    nodes_that_handle_the_same_sessions_converge,
    nodes_that_serve_the_same_users_add_up,
);

const NODES: u8 = 4;
const ROUNDS: u64 = 12;
const SESSIONS: u8 = 20;

fn interim(nas: u8, session: u8, round: u64) -> AccountingRecord {
    let seconds = (round + 1) * 60;
    AccountingRecord::Session(SessionRecord {
        event: SessionEvent::Interim,
        tenant: TENANT,
        nas: NasId::new(TestClock::START, [nas; 10]),
        key: SessionKey([session; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: format!("user-{}", session % 5).into(),
        at: TestClock::START.plus_seconds(seconds.cast_signed()),
        total: UsageAmount {
            upload_bytes: (round + 1) * 1_000,
            download_bytes: 0,
            session_seconds: seconds,
        },
        terminate_cause: None,
        place: SessionPlace::default(),
    })
}

/// Every node sends `record(node, round, session)` in its own order.
async fn run(
    database: &Database,
    record: impl Fn(u8, u64, u8) -> AccountingRecord + Copy + Send + 'static,
) {
    let mut nodes = JoinSet::new();
    for node in 0..NODES {
        let store = database.store().await;
        nodes.spawn(async move {
            for round in 0..ROUNDS {
                let mut batch: Vec<AccountingRecord> = (0..SESSIONS)
                    .map(|session| record(node, round, session))
                    .collect();
                if node % 2 == 1 {
                    batch.reverse();
                }
                store.accounting_commit(&batch).await.unwrap();
            }
        });
    }
    nodes.join_all().await;
}

async fn upload_used(database: &Database) -> u64 {
    let store = database.store().await;
    let (from, to) = (Timestamp::default(), TestClock::START.plus_seconds(86_400));
    let mut sum = 0;
    for user in 0..5 {
        let user = username(&format!("user-{user}"));
        let buckets = store
            .usage_list(TENANT, &user, UsageGrain::Day, from, to, 10)
            .await
            .unwrap();
        sum += buckets
            .iter()
            .map(|bucket| bucket.amount.upload_bytes)
            .sum::<u64>();
    }
    sum
}

async fn nodes_that_handle_the_same_sessions_converge(database: Database) {
    // The sessions of a router may come through every node, in any order.
    run(&database, |node, round, session| {
        interim(session % 3, session, (round + u64::from(node)) % ROUNDS)
    })
    .await;
    let store = database.store().await;
    let filter = SessionFilter {
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    let rows = store
        .session_list(TENANT, &filter, &Page::first(100))
        .await
        .unwrap();
    assert_eq!(rows.len(), usize::from(SESSIONS));
    assert!(rows.iter().all(|row| row.upload_bytes == ROUNDS * 1_000));
    let expected = u64::from(SESSIONS) * ROUNDS * 1_000;
    assert_eq!(upload_used(&database).await, expected);
}

async fn nodes_that_serve_the_same_users_add_up(database: Database) {
    run(&database, |node, round, session| {
        interim(node, node * SESSIONS + session, round)
    })
    .await;
    let expected = u64::from(NODES) * u64::from(SESSIONS) * ROUNDS * 1_000;
    assert_eq!(upload_used(&database).await, expected);
}
