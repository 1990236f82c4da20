//! Limits of plans in the database, and what subscribers have used of them.

use domain::accounting::{
    AccountingRecord, NasRestart, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    SourceId,
};
use domain::id::{NasId, SubscriberId, TenantId};
use domain::limit::{
    AtLimit, Counter, LimitFact, LimitNews, Limits, Meter, PeriodCounted, Span, Validity,
    ValidityStart, Zone,
};
use domain::plan::PlanTerms;
use domain::terms::TermsMark;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::error::StoreError;
use storage::limit::LimitQuestion;
use storage::plan::limits::LimitsPatch;
use storage::plan::{NewPlan, PlanPatch};
use storage::store::Store;
use storage::usage::UsageGrain;
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, any_plan, name, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    limits_of_a_plan_survive,
    a_plan_at_the_limit_of_others_stays,
    without_quotas_nothing_is_left_of_what_they_led_to,
    a_tenant_has_a_time_zone,
    a_damaged_tenant_keeps_nobody_out,
    usage_is_counted_once_in_each_period,
    a_period_that_nobody_counted_begins_with_its_hours,
    a_rolling_window_is_counted_anew_each_hour,
    a_later_period_is_not_disturbed_by_the_one_before,
    a_walled_session_begins_counters_and_adds_nothing,
    counters_of_another_who_had_the_name_do_not_count,
    nodes_that_double_and_reorder_count_once,
    counters_that_cannot_grow_do_not_hold_up_a_batch,
    the_first_use_never_moves_later,
    who_is_removed_is_forgotten,
);

const START: Timestamp = TestClock::START;
const HOUR: i64 = 3_600;

/// The terms of a session that is in a walled garden.
const WALLED: [u8; TermsMark::OCTETS] = {
    let mut octets = [0; TermsMark::OCTETS];
    octets[0] = 1;
    octets
};

fn limits() -> Limits {
    Limits {
        quotas: "50G/month,time:2h/day,upload:1Ti/total".parse().unwrap(),
        windows: "Wk0800-1800,Sa".parse().ok(),
        validity: Validity::new(30 * 86_400, ValidityStart::FirstUse).ok(),
        resets: "15 sun 06:30".parse().unwrap(),
        at_limit: AtLimit::Throttle("1M/1M".parse().unwrap()),
        ..Limits::default()
    }
}

fn limited(raw_name: &str, limits: Limits) -> NewPlan {
    NewPlan {
        terms: PlanTerms {
            limits: Some(Box::new(limits)),
            ..PlanTerms::default()
        },
        ..new_plan(raw_name)
    }
}

async fn limits_of_a_plan_survive(database: Database) {
    let store = database.store().await;
    store.plan_insert(limited("Fair", limits())).await.unwrap();
    let found = store.plan_find(TENANT, &name("fair")).await.unwrap();
    assert_eq!(found.unwrap().terms.limits.as_deref(), Some(&limits()));
    let patch = PlanPatch {
        limits: LimitsPatch {
            quotas: Some(Some("1G/day".parse().unwrap())),
            windows: Some(None),
            validity: Some(None),
            resets: Some("00:00".parse().unwrap()),
            at_limit: Some(AtLimit::Block),
        },
        ..PlanPatch::default()
    };
    let fair = name("fair");
    let update = store.plan_update(TENANT, &fair, patch);
    let expected = Limits {
        quotas: "1G/day".parse().unwrap(),
        ..Limits::default()
    };
    assert_eq!(
        update.await.unwrap().terms.limits.as_deref(),
        Some(&expected)
    );
    let none = PlanPatch {
        limits: LimitsPatch {
            quotas: Some(None),
            ..LimitsPatch::default()
        },
        ..PlanPatch::default()
    };
    let update = store.plan_update(TENANT, &fair, none);
    assert_eq!(update.await.unwrap().terms.limits, None);
}

async fn a_plan_at_the_limit_of_others_stays(database: Database) {
    let store = database.store().await;
    let small = store.plan_insert(new_plan("Small")).await.unwrap();
    let moves = Limits {
        at_limit: AtLimit::Plan(small.id),
        ..limits()
    };
    store.plan_insert(limited("Fair", moves)).await.unwrap();
    let found = store
        .plan_find(TENANT, &name("fair"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.plan_at_limit, Some(name("Small")));
    let refused = store.plan_delete(TENANT, &name("small")).await;
    let is_used = matches!(refused, Err(StoreError::AppliesAtLimit { plans: 1, .. }));
    assert!(is_used, "{refused:?}");
    store.plan_delete(TENANT, &name("fair")).await.unwrap();
    store.plan_delete(TENANT, &name("small")).await.unwrap();
    let gone = Limits {
        at_limit: AtLimit::Plan(small.id),
        ..limits()
    };
    let refused = store.plan_insert(limited("Fair", gone)).await;
    let is_missing = matches!(refused, Err(StoreError::NotFound { .. }));
    assert!(is_missing, "{refused:?}");
}

async fn a_tenant_has_a_time_zone(database: Database) {
    let store = database.store().await;
    store.plan_insert(limited("Fair", limits())).await.unwrap();
    let tenant = store.tenant_find(TENANT).await.unwrap().unwrap();
    assert_eq!(
        (tenant.name.as_str(), tenant.time_zone.as_str()),
        ("default", "UTC")
    );
    let kolkata = "Asia/Kolkata".parse().unwrap();
    let set = store.tenant_set_zone(TENANT, &kolkata).await.unwrap();
    assert_eq!(set.time_zone, kolkata);
    let plans = store.directory_plan_all().await.unwrap();
    let zone = plans[0]
        .terms
        .limits
        .as_ref()
        .map(|limits| limits.zone.clone());
    assert_eq!(zone, Some(kolkata));
}

async fn without_quotas_nothing_is_left_of_what_they_led_to(database: Database) {
    let store = database.store().await;
    let small = store.plan_insert(new_plan("Small")).await.unwrap();
    let moves = Limits {
        at_limit: AtLimit::Plan(small.id),
        ..limits()
    };
    store.plan_insert(limited("Fair", moves)).await.unwrap();
    let none = PlanPatch {
        limits: LimitsPatch {
            quotas: Some(None),
            ..LimitsPatch::default()
        },
        ..PlanPatch::default()
    };
    let fair = name("fair");
    let expected = Limits {
        windows: limits().windows,
        validity: limits().validity,
        ..Limits::default()
    };
    let updated = store.plan_update(TENANT, &fair, none).await.unwrap();
    assert_eq!(updated.plan_at_limit, None);
    assert_eq!(updated.terms.limits.as_deref(), Some(&expected));
    store.plan_delete(TENANT, &name("small")).await.unwrap();
    // Quotas that come later begin with nothing either.
    let some = PlanPatch {
        limits: LimitsPatch {
            quotas: Some(Some("1G/day".parse().unwrap())),
            ..LimitsPatch::default()
        },
        ..PlanPatch::default()
    };
    let updated = store.plan_update(TENANT, &fair, some).await.unwrap();
    let expected = Limits {
        quotas: "1G/day".parse().unwrap(),
        ..expected
    };
    assert_eq!(updated.terms.limits.as_deref(), Some(&expected));
}

/// A zone that only another version of the time zone database knows, and a language that is none.
async fn a_damaged_tenant_keeps_nobody_out(database: Database) {
    let store = database.store().await;
    store.plan_insert(limited("Fair", limits())).await.unwrap();
    let other = TenantId::new(START, [3; 10]);
    let id = match database.kind() {
        DatabaseKind::Sqlite => format!("X'{}'", other.as_uuid().simple()),
        DatabaseKind::Postgres => format!("'{other}'"),
    };
    let sql = format!(
        "INSERT INTO tenant (id, name, name_key, created_at) VALUES ({id}, 'other', 'other', 0); \
         UPDATE tenant SET time_zone = 'Europe/Atlantis', language = '?' WHERE name = 'default'; \
         UPDATE tenant SET language = 'sw' WHERE name = 'other'"
    );
    database.execute(&sql).await;
    let plans = store.directory_plan_all().await.unwrap();
    let zone = plans[0].terms.limits.as_ref().map(|limits| &limits.zone);
    assert_eq!(zone, Some(&Zone::default()));
    let found = store.plan_find(TENANT, &name("fair")).await.unwrap();
    assert!(found.is_some());
    let policies = store.tenant_policy_all().await.unwrap();
    let languages: Vec<_> = policies
        .iter()
        .map(|policy| (policy.tenant, policy.language.as_str()))
        .collect();
    assert_eq!(languages, [(TENANT, "en"), (other, "sw")]);
    let shown = store.tenant_find(TENANT).await.unwrap().unwrap();
    assert_eq!(shown.time_zone, Zone::default());
    let zone = "Asia/Kolkata".parse().unwrap();
    store.tenant_set_zone(TENANT, &zone).await.unwrap();
}

fn subscriber() -> SubscriberId {
    SubscriberId::new(START.plus_seconds(-86_400), [9; 10])
}

fn interim(session: u8, seconds: i64, octets: u64) -> AccountingRecord {
    let session_seconds = seconds.unsigned_abs();
    AccountingRecord::Session(SessionRecord {
        event: SessionEvent::Interim,
        tenant: TENANT,
        nas: NasId::new(START, [session % 3; 10]),
        key: SessionKey([session; 16]),
        auth: None,
        terms: None,
        subscriber: Some(subscriber()),
        username: "ana".into(),
        at: START.plus_seconds(seconds),
        total: UsageAmount {
            upload_bytes: octets,
            download_bytes: 2 * octets,
            session_seconds,
        },
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: format!("{session}").into(),
            ..SessionPlace::default()
        },
    })
}

/// A span of so many hours after the start.
fn hours(from: i64, to: i64) -> Span {
    Span {
        starts_at: START.plus_seconds(from * HOUR),
        ends_at: START.plus_seconds(to * HOUR),
    }
}

fn meter(period: PeriodCounted, span: Span) -> Meter {
    Meter {
        subscriber: subscriber(),
        period,
        span,
        allowed: None,
    }
}

fn origin(source: u8, first: u64) -> Origin {
    Origin {
        source: SourceId([source; 16]),
        first,
    }
}

fn counted(period: PeriodCounted, span: Span, upload: u64, seconds: u64) -> LimitNews {
    LimitNews {
        subscriber: subscriber(),
        fact: LimitFact::Counted {
            period,
            counter: Counter {
                span,
                used: UsageAmount {
                    upload_bytes: upload,
                    download_bytes: 2 * upload,
                    session_seconds: seconds,
                },
            },
        },
    }
}

async fn stored(store: &Store) -> Vec<LimitNews> {
    let rows = store.limit_list_all(None, 1_000).await.unwrap();
    let mut since = store.limit_list_since(START, 1_000).await.unwrap();
    since.sort_by_key(|row| rows.iter().position(|other| other == row));
    assert_eq!(since, rows);
    rows.into_iter().map(|row| row.news).collect()
}

/// The test clock starts at a full hour.
async fn usage_is_counted_once_in_each_period(database: Database) {
    let store = database.store().await;
    let (day, total) = (PeriodCounted::Day, PeriodCounted::Total);
    let today = hours(0, 24);
    let restart = AccountingRecord::NasRestart(NasRestart {
        tenant: TENANT,
        nas: NasId::new(START, [7; 10]),
        source: None,
        at: START,
    });
    let records = [interim(1, 60, 100), restart, interim(1, 120, 5_000_000_000)];
    let meters = [
        (0, meter(day, today)),
        (0, meter(total, Span::EVER)),
        (2, meter(day, today)),
        (2, meter(total, Span::EVER)),
    ];
    for _ in 0..2 {
        let commit = store.accounting_commit_numbered(origin(1, 1), &records, &meters);
        commit.await.unwrap();
    }
    let first = [
        counted(day, today, 5_000_000_000, 120),
        counted(total, Span::EVER, 5_000_000_000, 120),
    ];
    assert_eq!(stored(&store).await, first);
    // A meter for one record only, and one that says nothing new.
    let records = [interim(1, 180, 6_000_000_000), interim(1, 150, 1)];
    let meters = [(0, meter(day, today)), (1, meter(day, today))];
    let commit = store.accounting_commit_numbered(origin(1, 4), &records, &meters);
    let news = commit.await.unwrap().counted;
    assert_eq!(news, [counted(day, today, 6_000_000_000, 180)]);
    assert_eq!(stored(&store).await, [news[0], first[1]]);
    // The next day begins with nothing.
    let tomorrow = hours(24, 48);
    let records = [interim(1, 24 * HOUR + 60, 6_000_000_007)];
    let meters = [(0, meter(day, tomorrow))];
    let commit = store.accounting_commit_numbered(origin(1, 6), &records, &meters);
    // Of the time that is reported only what lies in it.
    assert_eq!(
        commit.await.unwrap().counted,
        [counted(day, tomorrow, 7, 60)]
    );
}

async fn a_period_that_nobody_counted_begins_with_its_hours(database: Database) {
    let store = database.store().await;
    let before = [interim(1, 60, 100), interim(1, HOUR + 60, 300)];
    store.accounting_commit(&before).await.unwrap();
    let week = PeriodCounted::Week;
    let span = hours(0, 168);
    let question = LimitQuestion {
        tenant: TENANT,
        username: "ana".into(),
        meter: meter(week, span),
    };
    let seconds = HOUR.unsigned_abs() + 60;
    let sums = store.limit_sums(&[question]).await.unwrap();
    assert_eq!(sums, [counted(week, span, 300, seconds)]);
    let records = [interim(1, HOUR + 120, 1_000)];
    let meters = [(0, meter(week, span))];
    let commit = store.accounting_commit_numbered(origin(1, 1), &records, &meters);
    let expected = counted(week, span, 1_000, seconds + 60);
    assert_eq!(commit.await.unwrap().counted, [expected]);
    // The plan's weeks begin an hour later from now on.
    let moved = hours(1, 169);
    let records = [interim(1, HOUR + 180, 1_001)];
    let meters = [(0, meter(week, moved))];
    let commit = store.accounting_commit_numbered(origin(1, 2), &records, &meters);
    let expected = counted(week, moved, 901, seconds + 120 - 60);
    assert_eq!(commit.await.unwrap().counted, [expected]);
}

/// When the window moves on, the hour that it leaves behind counts no more.
async fn a_rolling_window_is_counted_anew_each_hour(database: Database) {
    let store = database.store().await;
    let last = PeriodCounted::Last24Hours;
    let windows = [hours(0, 25), hours(1, 26)];
    let commits = [
        (interim(1, 60, 100), windows[0], (100, 60)),
        (interim(1, HOUR + 60, 300), windows[0], (300, HOUR + 60)),
        (
            interim(1, 25 * HOUR + 60, 450),
            windows[1],
            (350, 25 * HOUR),
        ),
    ];
    for (number, (record, window, (bytes, seconds))) in (1..).zip(commits) {
        let meters = [(0, meter(last, window))];
        let records = [record];
        let commit = store.accounting_commit_numbered(origin(1, number), &records, &meters);
        let expected = counted(last, window, bytes, seconds.unsigned_abs());
        assert_eq!(commit.await.unwrap().counted, [expected]);
    }
}

async fn a_later_period_is_not_disturbed_by_the_one_before(database: Database) {
    let store = database.store().await;
    let day = PeriodCounted::Day;
    let (today, tomorrow) = (hours(0, 24), hours(24, 48));
    let records = [interim(1, 24 * HOUR + 60, 100)];
    let meters = [(0, meter(day, tomorrow))];
    let commit = store.accounting_commit_numbered(origin(1, 1), &records, &meters);
    let expected = commit.await.unwrap().counted;
    // A node whose clock is behind.
    let records = [interim(2, 24 * HOUR - 1, 5)];
    let meters = [(0, meter(day, today))];
    let commit = store.accounting_commit_numbered(origin(2, 1), &records, &meters);
    assert_eq!(commit.await.unwrap().counted, []);
    assert_eq!(stored(&store).await, expected);
}

/// What is used in a walled garden is in the hours, and in no counter, whenever that begins.
async fn a_walled_session_begins_counters_and_adds_nothing(database: Database) {
    let store = database.store().await;
    let day = PeriodCounted::Day;
    let today = hours(0, 24);
    let walled = |seconds, octets| {
        let AccountingRecord::Session(record) = interim(1, seconds, octets) else {
            panic!("it is of a session");
        };
        AccountingRecord::Session(SessionRecord {
            terms: TermsMark::from_octets(&WALLED),
            ..record
        })
    };
    let records = [walled(60, 100), walled(120, 700), interim(2, 180, 5)];
    let meters = [0, 1, 2].map(|record| (record, meter(day, today)));
    for (first, part) in [(1, 0..2), (3, 2..3)] {
        let meters: Vec<_> = part
            .clone()
            .map(|place| (place - part.start, meters[place].1))
            .collect();
        let records = &records[part];
        let commit = store.accounting_commit_numbered(origin(1, first), records, &meters);
        commit.await.unwrap();
    }
    assert_eq!(stored(&store).await, [counted(day, today, 5, 180)]);
    let (from, to) = (START, START.plus_seconds(HOUR));
    let name = username("ana");
    let usage = store.usage_list(TENANT, &name, UsageGrain::Hour, from, to, 10);
    assert_eq!(usage.await.unwrap()[0].amount.upload_bytes, 705);
}

async fn counters_of_another_who_had_the_name_do_not_count(database: Database) {
    let store = database.store().await;
    store
        .accounting_commit(&[interim(1, 60, 100)])
        .await
        .unwrap();
    let total = PeriodCounted::Total;
    let successor = SubscriberId::new(START.plus_seconds(120), [1; 10]);
    let question = LimitQuestion {
        tenant: TENANT,
        username: "ana".into(),
        meter: Meter {
            subscriber: successor,
            ..meter(total, Span::EVER)
        },
    };
    let sums = store.limit_sums(&[question]).await.unwrap();
    let LimitFact::Counted { counter, .. } = sums[0].fact else {
        panic!("{sums:?}");
    };
    assert_eq!(counter.used, UsageAmount::default());
}

/// Several nodes store the same reports of the same sessions, each in an order of its own and some
/// twice, and the counters are what the hours are.
async fn nodes_that_double_and_reorder_count_once(database: Database) {
    const NODES: u8 = 4;
    const ROUNDS: i64 = 12;
    let (week, total) = (PeriodCounted::Week, PeriodCounted::Total);
    let span = hours(0, 168);
    let mut nodes = JoinSet::new();
    for node in 0..NODES {
        let store = database.store().await;
        nodes.spawn(async move {
            for round in 0..ROUNDS {
                // Some reports get lost on the way to each node, and the last one to none.
                let round = if node % 2 == 0 {
                    round
                } else {
                    ROUNDS - 1 - round
                };
                let is_lost = round != ROUNDS - 1 && (round + i64::from(node)) % 3 == 0;
                let mut batch: Vec<_> = (0..6)
                    .filter(|_| !is_lost)
                    .map(|session| {
                        interim(
                            session,
                            (round + 1) * 600,
                            (round.unsigned_abs() + 1) * 1_000,
                        )
                    })
                    .collect();
                batch.extend_from_within(..batch.len() / 2);
                let meters: Vec<_> = (0..batch.len())
                    .flat_map(|index| {
                        [
                            (index, meter(week, span)),
                            (index, meter(total, Span::EVER)),
                        ]
                    })
                    .collect();
                let first = 1 + round.unsigned_abs() * 1_000;
                let commit =
                    store.accounting_commit_numbered(origin(10 + node, first), &batch, &meters);
                commit.await.unwrap();
            }
        });
    }
    while let Some(node) = nodes.join_next().await {
        node.unwrap();
    }
    let store = database.store().await;
    let until = START.plus_seconds(48 * HOUR);
    let buckets = store
        .usage_list(
            TENANT,
            &username("ana"),
            UsageGrain::Hour,
            START,
            until,
            1_000,
        )
        .await
        .unwrap();
    let sum = buckets.iter().fold(UsageAmount::default(), |sum, bucket| {
        sum.plus(bucket.amount)
    });
    assert_eq!(sum.upload_bytes, 6 * 12_000);
    let expected = [
        counted(total, Span::EVER, sum.upload_bytes, sum.session_seconds),
        counted(week, span, sum.upload_bytes, sum.session_seconds),
    ];
    assert_eq!(stored(&store).await, expected);
}

async fn counters_that_cannot_grow_do_not_hold_up_a_batch(database: Database) {
    let store = database.store().await;
    let total = PeriodCounted::Total;
    let meters = [(0, meter(total, Span::EVER))];
    for session in 1..=3 {
        let records = [interim(session, 60, u64::MAX / 2)];
        let first = session.into();
        let commit = store.accounting_commit_numbered(origin(1, first), &records, &meters);
        commit.await.unwrap();
    }
    let LimitFact::Counted { counter, .. } = stored(&store).await[0].fact else {
        panic!("it is a counter");
    };
    assert_eq!(counter.used.upload_bytes, i64::MAX.unsigned_abs());
    assert_eq!(counter.used.session_seconds, 180);
    let question = LimitQuestion {
        tenant: TENANT,
        username: "ana".into(),
        meter: meter(total, Span::EVER),
    };
    store.limit_sums(&[question]).await.unwrap();
}

async fn the_first_use_never_moves_later(database: Database) {
    let mut nodes = JoinSet::new();
    for node in 0..8_i64 {
        let store = database.store().await;
        nodes.spawn(async move {
            for round in 0..4 {
                let at = START.plus_seconds(1 + (node * 3 + round * 7) % 11);
                let uses = [(subscriber(), at), (subscriber(), at.plus_seconds(5))];
                store.limit_note_first_use(&uses).await.unwrap();
            }
        });
    }
    while let Some(node) = nodes.join_next().await {
        node.unwrap();
    }
    let store = database.store().await;
    let expected = LimitNews {
        subscriber: subscriber(),
        fact: LimitFact::FirstUse(START.plus_seconds(1)),
    };
    assert_eq!(stored(&store).await, [expected]);
}

async fn who_is_removed_is_forgotten(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let ana = store
        .subscriber_insert(new_subscriber("ana", plan))
        .await
        .unwrap();
    let ben = store
        .subscriber_insert(new_subscriber("ben", plan))
        .await
        .unwrap();
    let uses = [(ana.id, START), (ben.id, START)];
    store.limit_note_first_use(&uses).await.unwrap();
    store
        .subscriber_delete(TENANT, &username("ana"))
        .await
        .unwrap();
    let left: Vec<_> = stored(&store)
        .await
        .iter()
        .map(|news| news.subscriber)
        .collect();
    assert_eq!(left, [ben.id]);
}
