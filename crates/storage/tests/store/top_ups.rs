//! Top-ups: granted once, used once, and told to nodes.

use domain::accounting::{
    AccountingRecord, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord, SourceId,
};
use domain::id::{NasId, SubscriberId};
use domain::limit::{Allowed, Meter, Period, PeriodCounted, Quotas, Span, TopUp, TopUpMeasure};
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::store::Store;
use storage::top_up::{Granted, NewTopUp, TOP_UPS_MAX};
use testkit::database::{Database, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, any_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    a_purchase_is_granted_once,
    a_revoked_top_up_is_of_no_use,
    a_subscriber_has_so_many_and_no_more,
    what_goes_beyond_a_quota_is_taken_once,
    nodes_take_from_one_top_up_together,
);

const START: Timestamp = TestClock::START;

async fn ana(store: &Store) -> SubscriberId {
    let plan = any_plan(store).await;
    let ana = store.subscriber_insert(new_subscriber("ana", plan)).await;
    ana.unwrap().id
}

fn data(amount: u64, reference: Option<&str>) -> NewTopUp {
    NewTopUp {
        amounts: vec![(TopUpMeasure::Data, amount)],
        ends_at: None,
        reference: reference.map(str::to_owned),
        actor: "a test".to_owned(),
    }
}

async fn grant(store: &Store, new: &NewTopUp) -> Granted {
    let name = username("ana");
    let granted = store.top_up_grant(TENANT, &name, new);
    granted.await.unwrap()
}

/// What a node loads.
async fn loaded(store: &Store, id: SubscriberId) -> Vec<TopUp> {
    let mut found = store.directory_subscribers(&[id]).await.unwrap();
    let page = store.directory_subscriber_page(None, 10).await.unwrap();
    assert_eq!(page, found);
    let ana: Subscriber = found.remove(0);
    ana.top_ups().to_vec()
}

async fn a_purchase_is_granted_once(database: Database) {
    let store = database.store().await;
    let id = ana(&store).await;
    let mut new = data(5, Some("invoice 7"));
    new.amounts.push((TopUpMeasure::Time, 60));
    let Granted::Now(first) = grant(&store, &new).await else {
        panic!("it is new");
    };
    assert_eq!(grant(&store, &new).await, Granted::Before(first.clone()));
    assert_eq!(
        grant(&store, &data(5, Some("invoice 7"))).await,
        Granted::Otherwise
    );
    // Without a reference each is another one.
    for _ in 0..2 {
        assert!(matches!(
            grant(&store, &data(1, None)).await,
            Granted::Now(_)
        ));
    }
    let amounts: Vec<u64> = loaded(&store, id)
        .await
        .iter()
        .map(|one| one.amount)
        .collect();
    assert_eq!(amounts.iter().sum::<u64>(), 67, "{amounts:?}");
    let listed = store.top_up_list(TENANT, &username("ana")).await.unwrap();
    assert_eq!(listed.len(), 4);
    assert!(listed.contains(&first[0]));
    assert_eq!(listed[0].actor, "a test");
}

async fn a_revoked_top_up_is_of_no_use(database: Database) {
    let store = database.store().await;
    let id = ana(&store).await;
    let Granted::Now(granted) = grant(&store, &data(5, None)).await else {
        panic!("it is new");
    };
    let top_up = granted[0].top_up.id;
    let name = username("ana");
    let mut revoked = Vec::new();
    for actor in ["one", "another"] {
        let revoke = store.top_up_revoke(TENANT, &name, top_up, actor);
        revoked.push(revoke.await.unwrap());
    }
    assert_eq!(revoked[0], revoked[1], "the first one stays");
    assert_eq!(revoked[0].revoked_by.as_deref(), Some("one"));
    assert_eq!(loaded(&store, id).await, []);
}

async fn a_subscriber_has_so_many_and_no_more(database: Database) {
    let store = database.store().await;
    ana(&store).await;
    for _ in 0..TOP_UPS_MAX {
        assert!(matches!(
            grant(&store, &data(1, None)).await,
            Granted::Now(_)
        ));
    }
    assert_eq!(grant(&store, &data(1, None)).await, Granted::TooMany);
}

fn interim(id: SubscriberId, session: u8, seconds: i64, octets: u64) -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        event: SessionEvent::Interim,
        tenant: TENANT,
        nas: NasId::new(START, [1; 10]),
        key: SessionKey([session; 16]),
        auth: None,
        terms: None,
        subscriber: Some(id),
        username: "ana".into(),
        at: START.plus_seconds(seconds),
        total: UsageAmount {
            upload_bytes: octets,
            download_bytes: 0,
            session_seconds: seconds.unsigned_abs(),
        },
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: format!("{session}").into(),
            ..SessionPlace::default()
        },
    })
}

fn meters(id: SubscriberId, quotas: &Quotas) -> [(usize, Meter); 2] {
    let day = Span {
        starts_at: START,
        ends_at: START.plus_seconds(86_400),
    };
    [
        (PeriodCounted::Day, day),
        (PeriodCounted::Total, Span::EVER),
    ]
    .map(|(period, span)| {
        let allowed = Some(Allowed::of(quotas, period.period()));
        let meter = Meter {
            subscriber: id,
            period,
            span,
            allowed,
        };
        (0, meter)
    })
}

const fn origin(source: u8, first: u64) -> Origin {
    Origin {
        source: SourceId([source; 16]),
        first,
    }
}

async fn what_goes_beyond_a_quota_is_taken_once(database: Database) {
    let store = database.store().await;
    let id = ana(&store).await;
    let quotas: Quotas = "100/day,150/total,time:50/total".parse().unwrap();
    assert!(quotas.has(Period::Day));
    let meters = meters(id, &quotas);
    let mut new = data(40, None);
    new.amounts.push((TopUpMeasure::Time, 30));
    grant(&store, &new).await;
    let mut later = data(1_000, None);
    later.ends_at = Some(START.plus_seconds(3_600));
    grant(&store, &later).await;
    // Beyond the day by 20, the total by nothing, the time by 10; then by 60 and by 10.
    let reports = [(60, 120), (70, 180), (70, 180), (65, 130)];
    for (number, (seconds, octets)) in (1..).zip(reports) {
        let records = [interim(id, 1, seconds, octets)];
        for _ in 0..2 {
            let commit = store.accounting_commit_numbered(origin(1, number), &records, &meters);
            commit.await.unwrap();
        }
    }
    let used: Vec<_> = loaded(&store, id)
        .await
        .iter()
        .map(|one| (one.measure, one.amount, one.used))
        .collect();
    let mut used = used;
    used.sort_by_key(|(_, amount, _)| *amount);
    let expected = [
        (TopUpMeasure::Time, 30, 20),
        (TopUpMeasure::Data, 40, 0),
        // It ends first.
        (TopUpMeasure::Data, 1_000, 80),
    ];
    assert_eq!(used, expected);
}

/// Reports of several sessions, committed by several nodes at once, each twice.
async fn nodes_take_from_one_top_up_together(database: Database) {
    const NODES: u8 = 4;
    let store = database.store().await;
    let id = ana(&store).await;
    grant(&store, &data(1_000_000, None)).await;
    let quotas: Quotas = "100/day".parse().unwrap();
    let mut nodes = JoinSet::new();
    for node in 0..NODES {
        let store = database.store().await;
        let quotas = quotas.clone();
        nodes.spawn(async move {
            for round in 1..=20_u64 {
                let record = interim(id, node, 60 + round.cast_signed(), round * 10);
                for _ in 0..2 {
                    let meters = meters(id, &quotas);
                    let records = [record.clone()];
                    let origin = origin(node, round);
                    store
                        .accounting_commit_numbered(origin, &records, &meters)
                        .await
                        .unwrap();
                }
            }
        });
    }
    nodes.join_all().await;
    let left = loaded(&store, id).await;
    assert_eq!(left[0].used, u64::from(NODES) * 200 - 100);
}
