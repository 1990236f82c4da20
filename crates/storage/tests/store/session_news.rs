//! Sessions that have to end, and what nodes tell each other.

use std::time::Duration;

use domain::accounting::{
    AccountingRecord, NasRestart, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    TerminateCause,
};
use domain::id::{NasId, SubscriberId};
use domain::plan::{InterimInterval, SessionLimit};
use domain::session::SessionState;
use domain::session_news::{EndingReason, SessionEnding, SessionNews};
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::page::Page;
use storage::plan::PlanPatch;
use storage::session::{SessionFilter, SessionRow};
use storage::session_news::SessionNewsFeed;
use storage::store::Store;
use storage::subscriber::SubscriberPatch;
use testkit::database::{Database, DatabaseKind, TestClock};

use crate::fixture::{TENANT, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    what_has_to_end_is_listed_until_it_ends,
    a_later_session_under_the_key_does_not_have_to_end,
    silence_is_stored_as_the_end_and_amended,
    silent_sessions_are_listed,
    terms_of_sessions_come_back,
    nodes_hear_of_each_others_sessions,
);

const START: Timestamp = TestClock::START;
const PATIENCE: Duration = Duration::from_secs(30);

fn key(number: u8) -> SessionKey {
    SessionKey([number; 16])
}

fn subscriber(number: u8) -> SubscriberId {
    SubscriberId::new(START, [number; 10])
}

fn record(number: u8, event: SessionEvent, seconds: u64) -> SessionRecord {
    SessionRecord {
        event,
        tenant: TENANT,
        nas: NasId::new(START, [1; 10]),
        key: key(number),
        auth: None,
        terms: None,
        subscriber: Some(subscriber(number)),
        username: "ana".into(),
        at: START.plus_seconds(seconds.cast_signed()),
        total: UsageAmount {
            session_seconds: seconds,
            upload_bytes: seconds,
            download_bytes: 0,
        },
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: format!("8100000{number}").into(),
            ..SessionPlace::default()
        },
    }
}

async fn commit(store: &Store, records: impl IntoIterator<Item = SessionRecord>) {
    let records: Vec<_> = records.into_iter().map(AccountingRecord::Session).collect();
    store.accounting_commit(&records).await.unwrap();
}

fn ending(number: u8) -> SessionNews {
    SessionNews::Ending(SessionEnding {
        key: key(number),
        nas: NasId::new(START, [1; 10]),
        subscriber: subscriber(number),
        reason: EndingReason::Replaced,
    })
}

async fn list(store: &Store, filter: &SessionFilter) -> Vec<SessionRow> {
    let page = Page::first(100);
    store.session_list(TENANT, filter, &page).await.unwrap()
}

async fn is_replaced(store: &Store, number: u8) -> Option<bool> {
    let found = store.session_open_many(&[key(number)]).await.unwrap();
    found.first().map(|live| live.is_replaced)
}

async fn what_has_to_end_is_listed_until_it_ends(database: Database) {
    let store = database.store().await;
    commit(
        &store,
        [
            record(1, SessionEvent::Start, 0),
            record(2, SessionEvent::Start, 0),
        ],
    )
    .await;
    database.clock().advance_seconds(60);
    // Told twice, also in one go.
    for _ in 0..2 {
        store
            .session_news_append(&[ending(1), ending(1)])
            .await
            .unwrap();
    }
    assert_eq!(is_replaced(&store, 1).await, Some(true));
    assert_eq!(is_replaced(&store, 2).await, Some(false));
    assert_eq!(is_replaced(&store, 3).await, None);
    let loaded = store.session_open_list_all(None, 10).await.unwrap();
    let replaced: Vec<bool> = loaded.iter().map(|live| live.is_replaced).collect();
    assert_eq!(replaced, [true, false]);
    let endings: Vec<_> = list(&store, &SessionFilter::default()).await;
    let endings: Vec<_> = endings.iter().map(|row| row.ending.as_deref()).collect();
    assert_eq!(endings, [None, Some("replaced")]);
    let found = store.session_find(TENANT, "81000001").await.unwrap();
    assert_eq!(found.unwrap().ending.as_deref(), Some("replaced"));
    assert_eq!(store.session_ending_prune().await.unwrap(), 0);
    commit(&store, [record(1, SessionEvent::Stop, 90)]).await;
    assert_eq!(store.session_ending_prune().await.unwrap(), 1);
    let found = store.session_find(TENANT, "81000001").await.unwrap();
    assert_eq!(found.unwrap().ending, None);
}

async fn a_later_session_under_the_key_does_not_have_to_end(database: Database) {
    let store = database.store().await;
    commit(&store, [record(1, SessionEvent::Start, 0)]).await;
    store.session_news_append(&[ending(1)]).await.unwrap();
    commit(&store, [record(1, SessionEvent::Stop, 90)]).await;
    commit(&store, [record(1, SessionEvent::Start, 9_000)]).await;
    assert_eq!(is_replaced(&store, 1).await, Some(false));
}

async fn silence_is_stored_as_the_end_and_amended(database: Database) {
    let store = database.store().await;
    let cause = TerminateCause::Stale { seconds: 960 };
    let silence = SessionRecord {
        total: UsageAmount::default(),
        terminate_cause: Some(cause),
        ..record(1, SessionEvent::Silence, 300)
    };
    let life = [
        record(1, SessionEvent::Start, 0),
        record(1, SessionEvent::Interim, 300),
        silence.clone(),
        // Another node closes it as well.
        silence,
    ];
    commit(&store, life).await;
    let show = async || {
        let row = store
            .session_find(TENANT, "81000001")
            .await
            .unwrap()
            .unwrap();
        (
            row.state,
            row.stopped_at,
            row.terminate_cause,
            row.upload_bytes,
        )
    };
    let stopped = |seconds| Some(START.plus_seconds(seconds));
    let closed = SessionState::Closed;
    assert_eq!(show().await, (closed, stopped(300), Some(cause), 300));
    // It was only silent, and stays closed.
    commit(&store, [record(1, SessionEvent::Interim, 1_500)]).await;
    assert_eq!(show().await, (closed, stopped(1_500), Some(cause), 1_500));
    let stop = SessionRecord {
        terminate_cause: Some(TerminateCause::Reported(1)),
        ..record(1, SessionEvent::Stop, 2_000)
    };
    commit(&store, [stop]).await;
    let reported = Some(TerminateCause::Reported(1));
    assert_eq!(show().await, (closed, stopped(2_000), reported, 2_000));
    let usage = store
        .usage_list(
            TENANT,
            &username("ana"),
            storage::usage::UsageGrain::Day,
            START.plus_seconds(-86_400),
            START.plus_seconds(86_400),
            10,
        )
        .await
        .unwrap();
    let upload: u64 = usage.iter().map(|bucket| bucket.amount.upload_bytes).sum();
    assert_eq!(upload, 2_000);
}

async fn silent_sessions_are_listed(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("slow")).await.unwrap();
    let patch = PlanPatch {
        interim: InterimInterval::new(3_600).ok(),
        ..PlanPatch::default()
    };
    store.plan_update(TENANT, &plan.name, patch).await.unwrap();
    let bea = store
        .subscriber_insert(new_subscriber("bea", plan.id))
        .await
        .unwrap();
    let slow = SessionRecord {
        subscriber: Some(bea.id),
        username: "bea".into(),
        ..record(2, SessionEvent::Start, 0)
    };
    let silence = SessionRecord {
        terminate_cause: Some(TerminateCause::Stale { seconds: 960 }),
        ..record(3, SessionEvent::Silence, 0)
    };
    let stop = SessionRecord {
        terminate_cause: Some(TerminateCause::Reported(1)),
        ..record(4, SessionEvent::Stop, 10)
    };
    let records = [
        record(1, SessionEvent::Start, 0),
        slow,
        record(3, SessionEvent::Start, 0),
        silence,
        stop,
    ];
    commit(&store, records).await;
    let silent = async |seconds: i64, state: Option<SessionState>| -> Vec<String> {
        let filter = SessionFilter {
            state,
            silent_at: Some(START.plus_seconds(seconds)),
            ..SessionFilter::default()
        };
        let rows = list(&store, &filter).await;
        rows.iter().map(|row| row.session_id.to_string()).collect()
    };
    let open = Some(SessionState::Open);
    assert_eq!(silent(960, open).await, [""; 0]);
    assert_eq!(silent(961, open).await, ["81000001"]);
    assert_eq!(silent(3 * 3_600 + 61, open).await, ["81000002", "81000001"]);
    assert_eq!(silent(0, Some(SessionState::Closed)).await, ["81000003"]);
    assert_eq!(silent(961, None).await, ["81000003", "81000001"]);
}

async fn terms_of_sessions_come_back(database: Database) {
    let store = database.store().await;
    let mut new = new_plan("roam");
    new.terms.session_policy = SessionPolicy::ReplaceOldest;
    let plan = store.plan_insert(new).await.unwrap();
    let found = store.directory_plan_all().await.unwrap();
    assert_eq!(found[0].terms.session_policy, SessionPolicy::ReplaceOldest);
    let patch = PlanPatch {
        session_policy: Some(SessionPolicy::RejectNew),
        ..PlanPatch::default()
    };
    let changed = store.plan_update(TENANT, &plan.name, patch).await.unwrap();
    assert_eq!(changed.terms.session_policy, SessionPolicy::RejectNew);
    let terms = SessionTerms {
        session_limit: SessionLimit::new(3).ok(),
        session_policy: Some(SessionPolicy::ReplaceOldest),
    };
    let mut new = new_subscriber("ana", plan.id);
    new.sessions = terms;
    store.subscriber_insert(new).await.unwrap();
    let loaded = store.directory_subscriber_page(None, 10).await.unwrap();
    assert_eq!(loaded[0].sessions, terms);
    let patch = SubscriberPatch {
        session_limit: Some(None),
        session_policy: Some(None),
        ..SubscriberPatch::default()
    };
    let changed = store
        .subscriber_update(TENANT, &username("ana"), patch)
        .await
        .unwrap();
    assert_eq!(changed.sessions, SessionTerms::default());
}

/// Reads until something is told that is not [`SessionNews::Everything`].
async fn hear(feed: &mut SessionNewsFeed) -> Vec<SessionNews> {
    let reading = async {
        loop {
            let news = feed.next().await.unwrap();
            if news != [SessionNews::Everything] {
                return news;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("there is news")
}

async fn nodes_hear_of_each_others_sessions(database: Database) {
    let (here, there) = (database.store().await, database.store().await);
    let feeds = (here.session_news_feed(), there.session_news_feed());
    let (Some(mut first), Some(mut second)) = feeds else {
        assert_eq!(
            database.kind(),
            DatabaseKind::Sqlite,
            "only there is one node"
        );
        return;
    };
    // Each finds the other within a few seconds, and then loads everything once.
    let finding = async {
        tokio::join!(
            async {
                while !here.has_session_readers() {
                    first.next().await.unwrap();
                }
            },
            async {
                while !there.has_session_readers() {
                    second.next().await.unwrap();
                }
            },
        )
    };
    tokio::time::timeout(PATIENCE, finding)
        .await
        .expect("they are both there");
    first.open().await.unwrap();
    second.open().await.unwrap();
    commit(&here, [record(1, SessionEvent::Start, 0)]).await;
    let changed = |number| SessionNews::Changed {
        key: key(number),
        subscriber: subscriber(number),
    };
    assert_eq!(hear(&mut second).await, [changed(1)]);
    commit(&here, [record(1, SessionEvent::Interim, 300)]).await;
    let reserved = SessionNews::Reserved {
        subscriber: subscriber(2),
        nas: NasId::new(START, [1; 10]),
        device: Some("aabbcc000001".into()),
    };
    let told = [reserved.clone(), ending(1)];
    here.session_news_append(&told).await.unwrap();
    assert_eq!(hear(&mut second).await, told, "an interim is no news");
    commit(
        &here,
        [
            record(1, SessionEvent::Stop, 400),
            record(2, SessionEvent::Start, 0),
        ],
    )
    .await;
    let mut news = hear(&mut second).await;
    news.sort_by_key(|one| *one != changed(1));
    assert_eq!(news, [changed(1), changed(2)]);
    let restart = AccountingRecord::NasRestart(NasRestart {
        tenant: TENANT,
        nas: NasId::new(START, [1; 10]),
        source: None,
        at: START.plus_seconds(500),
    });
    there.accounting_commit(&[restart]).await.unwrap();
    // The first one has not listened until now: everything comes, but what it told itself only as
    // far as it looks at it again.
    let news = hear(&mut first).await;
    assert!(news.contains(&changed(2)), "{news:?}");
    assert!(!news.contains(&reserved), "{news:?}");
}
