//! What dashboards show, and lists of sessions by whatever they are filtered.

use domain::accounting::{
    AccountingRecord, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord, SourceId,
};
use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::id::{NasId, PlanId, SubscriberId, TenantId};
use domain::session::SessionState;
use domain::subscriber::state::AccessState;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::guard::GuardFilter;
use storage::page::Page;
use storage::session::list::SessionOrder;
use storage::session::{SessionFilter, SessionRow};
use storage::statistic::gauge::{SessionsBy, SessionsOf};
use storage::statistic::traffic::{TrafficBy, TrafficOf};
use storage::statistic::{Range, Step};
use storage::store::Store;
use storage::subscriber::SubscriberPatch;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, new_nas, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    traffic_is_kept_by_router_plan_and_tenant,
    traffic_is_counted_once_however_often_it_comes,
    open_sessions_follow_the_plans_of_their_subscribers,
    sessions_are_found_by_device_address_plan_and_time,
    sessions_are_sorted_by_speed_and_volume_page_by_page,
    samples_tell_how_much_there_was,
    those_who_moved_most_are_found,
    one_of_many_has_its_turn,
    what_is_old_goes,
    accounts_that_end_soon_are_listed_in_their_order,
    a_tenant_sees_its_own_locks,
);

const START: Timestamp = TestClock::START;
const DAY: i64 = 86_400;

/// Two routers, two plans, and a subscriber on each.
struct Place {
    store: Store,
    nas: [NasId; 2],
    plans: [PlanId; 2],
    subscribers: [SubscriberId; 2],
}

const NAMES: [&str; 2] = ["ana", "eva"];

impl Place {
    async fn new(database: &Database) -> Self {
        let store = database.store().await;
        let mut nas = Vec::new();
        for (name, source) in [("pop-1", "10.0.0.1"), ("pop-2", "10.0.0.2")] {
            nas.push(store.nas_insert(new_nas(name, source)).await.unwrap().id);
        }
        let (mut plans, mut subscribers) = (Vec::new(), Vec::new());
        for (plan, user) in [("Home", NAMES[0]), ("Office", NAMES[1])] {
            let plan = store.plan_insert(new_plan(plan)).await.unwrap().id;
            let subscriber = new_subscriber(user, plan);
            plans.push(plan);
            subscribers.push(store.subscriber_insert(subscriber).await.unwrap().id);
        }
        Self {
            store,
            nas: nas.try_into().unwrap(),
            plans: plans.try_into().unwrap(),
            subscribers: subscribers.try_into().unwrap(),
        }
    }

    /// A record of the session of one of the two, at a router, `seconds` after the start.
    fn record(
        &self,
        (who, number): (usize, u8),
        event: SessionEvent,
        (seconds, megabytes): (i64, u64),
    ) -> AccountingRecord {
        AccountingRecord::Session(SessionRecord {
            event,
            tenant: TENANT,
            nas: self.nas[who],
            key: SessionKey([number; 16]),
            auth: None,
            terms: None,
            subscriber: Some(self.subscribers[who]),
            username: NAMES[who].into(),
            at: START.plus_seconds(seconds),
            total: UsageAmount {
                upload_bytes: megabytes * 1_000_000,
                download_bytes: 2 * megabytes * 1_000_000,
                session_seconds: seconds.unsigned_abs(),
            },
            terminate_cause: None,
            place: SessionPlace {
                acct_session_id: format!("8100{number:04}").into(),
                framed_ipv4: Some([100, 64, 0, number].into()),
                calling_station: Some(format!("02-00-5E-00-00-{number:02X}").into()),
                ..SessionPlace::default()
            },
        })
    }

    async fn hear(&self, records: &[AccountingRecord]) {
        self.store.accounting_commit(records).await.unwrap();
    }

    /// Uploaded megabytes in each hour of today.
    async fn hours(&self, of: TrafficOf) -> Vec<u64> {
        let range = today();
        let found = self.store.traffic_list(TENANT, of, Step::Hour, range).await;
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let found = found.unwrap().into_iter();
        found
            .map(|one| megabytes(one.amount.upload_bytes))
            .collect()
    }

    async fn listed(&self, filter: &SessionFilter) -> Vec<u8> {
        let page = Page::first(100);
        let rows = self
            .store
            .session_list(TENANT, filter, &page)
            .await
            .unwrap();
        rows.iter().map(number).collect()
    }
}

fn number(row: &SessionRow) -> u8 {
    row.session_id[4..].parse().unwrap()
}

fn today() -> Range {
    let from = START.day_start();
    Range {
        from,
        until: from.plus_seconds(2 * 86_400),
    }
}

async fn traffic_is_kept_by_router_plan_and_tenant(database: Database) {
    use SessionEvent::{Interim, Start, Stop};
    let place = Place::new(&database).await;
    place.hear(&[place.record((0, 1), Start, (0, 0))]).await;
    // In one batch: one session that is known, and one that nobody has heard of.
    let both = [
        place.record((0, 1), Interim, (600, 5)),
        place.record((1, 2), Stop, (700, 7)),
    ];
    place.hear(&both).await;
    place.hear(&[place.record((0, 1), Stop, (3_600, 9))]).await;
    assert_eq!(place.hours(TrafficOf::Tenant).await, [12, 4]);
    assert_eq!(place.hours(TrafficOf::Nas(place.nas[0])).await, [5, 4]);
    assert_eq!(place.hours(TrafficOf::Nas(place.nas[1])).await, [7]);
    assert_eq!(place.hours(TrafficOf::Plan(place.plans[0])).await, [5, 4]);
    assert_eq!(place.hours(TrafficOf::Plan(place.plans[1])).await, [7]);
    let store = &place.store;
    let days = store.traffic_list(TENANT, TrafficOf::Tenant, Step::Day, today());
    let days = days.await.unwrap();
    assert_eq!(days.len(), 1);
    assert_eq!(days[0].amount.download_bytes, 32_000_000);
    for (by, names) in [
        (TrafficBy::Plan, ["Home", "Office"]),
        (TrafficBy::Nas, ["pop-1", "pop-2"]),
    ] {
        let shares = store.traffic_shares(TENANT, by, today(), 10).await.unwrap();
        let found: Vec<_> = shares.iter().map(|share| share.name.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(shares[0].amount.upload_bytes, 9_000_000);
    }
    let other = TenantId::from_bytes([9; 16]);
    let shares = store.traffic_shares(other, TrafficBy::Nas, today(), 10);
    assert_eq!(shares.await.unwrap(), []);
}

async fn traffic_is_counted_once_however_often_it_comes(database: Database) {
    let place = Place::new(&database).await;
    let origin = Origin {
        source: SourceId([3; 16]),
        first: 1,
    };
    let records = [
        place.record((0, 1), SessionEvent::Start, (0, 0)),
        place.record((0, 1), SessionEvent::Interim, (600, 5)),
    ];
    for _ in 0..2 {
        let stored = place
            .store
            .accounting_commit_numbered(origin, &records, &[]);
        stored.await.unwrap();
    }
    assert_eq!(place.hours(TrafficOf::Tenant).await, [5]);
}

async fn open_sessions_follow_the_plans_of_their_subscribers(database: Database) {
    let place = Place::new(&database).await;
    let on = |plan| SessionFilter {
        state: Some(SessionState::Open),
        plan: Some(plan),
        ..SessionFilter::default()
    };
    let [home, office] = place.plans;
    for who in [0, 1] {
        let number = u8::try_from(who).unwrap() + 1;
        place
            .hear(&[place.record((who, number), SessionEvent::Start, (0, 0))])
            .await;
    }
    assert_eq!(place.listed(&on(home)).await, [1]);
    let patch = SubscriberPatch {
        plan: Some(office),
        ..SubscriberPatch::default()
    };
    let ana = username("ana");
    let moved = place.store.subscriber_update(TENANT, &ana, patch);
    moved.await.unwrap();
    assert_eq!(place.listed(&on(home)).await, [0_u8; 0]);
    assert_eq!(place.listed(&on(office)).await, [2, 1]);
    // What was missed because it was being written is found by the next look.
    database
        .execute("UPDATE session_open SET plan = NULL")
        .await;
    assert_eq!(place.listed(&on(office)).await, [0_u8; 0]);
    assert_eq!(place.store.session_plans_follow().await.unwrap(), 2);
    assert_eq!(place.listed(&on(office)).await, [2, 1]);
    assert_eq!(place.store.session_plans_follow().await.unwrap(), 0);
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn sessions_are_found_by_device_address_plan_and_time(database: Database) {
    use SessionEvent::{Start, Stop};
    let place = Place::new(&database).await;
    for number in 1..=4_u8 {
        let (who, begin) = (usize::from(number % 2), i64::from(number) * 1_000);
        let mut life = vec![place.record((who, number), Start, (begin, 0))];
        if number <= 2 {
            life.push(place.record((who, number), Stop, (begin + 500, 1)));
        }
        place.hear(&life).await;
    }
    let any = SessionFilter::default;
    let at = |seconds| Some(START.plus_seconds(seconds));
    let device = |texts: &[&str]| SessionFilter {
        calling_stations: texts.iter().map(|text| (*text).to_owned()).collect(),
        ..any()
    };
    let address = |number| SessionFilter {
        framed_ipv4: Some([100, 64, 0, number].into()),
        ..any()
    };
    let open = SessionFilter {
        state: Some(SessionState::Open),
        ..any()
    };
    let closed = SessionFilter {
        state: Some(SessionState::Closed),
        ..any()
    };
    let rows = [
        (device(&["02-00-5E-00-00-03", "020000000000"]), vec![3]),
        (
            device(&["02-00-5E-00-00-01", "02-00-5E-00-00-04"]),
            vec![4, 1],
        ),
        (device(&["02-00-5e-00-00-01"]), vec![]),
        (address(2), vec![2]),
        (address(4), vec![4]),
        (
            SessionFilter {
                routers: Some(vec![place.nas[1]]),
                ..any()
            },
            vec![3, 1],
        ),
        (
            SessionFilter {
                routers: Some(Vec::new()),
                ..any()
            },
            vec![],
        ),
        (
            SessionFilter {
                started_from: at(4_000),
                ..open.clone()
            },
            vec![4],
        ),
        (
            SessionFilter {
                started_until: at(4_000),
                ..open.clone()
            },
            vec![3],
        ),
        (
            SessionFilter {
                updated_from: at(3_500),
                updated_until: at(5_000),
                ..open
            },
            vec![4],
        ),
        (
            SessionFilter {
                stopped_from: at(2_000),
                ..closed.clone()
            },
            vec![2],
        ),
        (
            SessionFilter {
                stopped_until: at(2_000),
                ..closed
            },
            vec![1],
        ),
    ];
    for (filter, expected) in rows {
        assert_eq!(place.listed(&filter).await, expected, "{filter:?}");
    }
}

async fn sessions_are_sorted_by_speed_and_volume_page_by_page(database: Database) {
    use SessionEvent::{Interim, Start};
    let place = Place::new(&database).await;
    // Of 1 nothing is known yet, 2 and 4 are as fast, and 3 is slower and has moved more.
    for (number, volumes) in [
        (1, None),
        (2, Some((1, 7))),
        (3, Some((20, 23))),
        (4, Some((2, 8))),
    ] {
        let mut life = vec![place.record((0, number), Start, (0, 0))];
        if let Some((first, second)) = volumes {
            life.push(place.record((0, number), Interim, (100, first)));
            place.hear(&life).await;
            life = vec![place.record((0, number), Interim, (200, second))];
        }
        place.hear(&life).await;
    }
    let filter = SessionFilter {
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    let rows = [
        (SessionOrder::Newest, [4, 3, 2, 1]),
        (SessionOrder::Oldest, [1, 2, 3, 4]),
        (SessionOrder::UploadRate, [4, 2, 3, 1]),
        (SessionOrder::DownloadRate, [4, 2, 3, 1]),
        (SessionOrder::UploadVolume, [3, 4, 2, 1]),
        (SessionOrder::DownloadVolume, [3, 4, 2, 1]),
    ];
    for (order, expected) in rows {
        for limit in 1..=4 {
            let mut seen = Vec::new();
            let mut page = Page::first(limit);
            loop {
                let found = place.store.session_page(TENANT, &filter, order, &page);
                let found = found.await.unwrap();
                let Some(last) = found.last() else { break };
                page = Page::after(order.place(last), limit);
                seen.extend(found.iter().map(number));
            }
            assert_eq!(seen, expected, "{order:?}, {limit} in a page");
        }
    }
}

async fn samples_tell_how_much_there_was(database: Database) {
    use SessionEvent::{Start, Stop};
    let place = Place::new(&database).await;
    let store = &place.store;
    let eva = username("eva");
    let patch = SubscriberPatch {
        expires_at: Some(Some(START.plus_seconds(1_000))),
        ..SubscriberPatch::default()
    };
    let ends = store.subscriber_update(TENANT, &eva, patch);
    ends.await.unwrap();
    assert_eq!(store.subscriber_states(TENANT).await.unwrap(), []);
    place.hear(&[place.record((0, 1), Start, (0, 0))]).await;
    place.hear(&[place.record((1, 2), Start, (0, 0))]).await;
    store.gauge_sample().await.unwrap();
    assert_eq!(store.session_count(TENANT).await.unwrap(), 2);
    let shares = store
        .session_shares(TENANT, SessionsBy::Plan, 10)
        .await
        .unwrap();
    let open: Vec<_> = shares
        .iter()
        .map(|one| (one.name.as_deref(), one.open))
        .collect();
    assert_eq!(open.len(), 2);
    assert!(open.contains(&(Some("Home"), 1)) && open.contains(&(Some("Office"), 1)));
    place.hear(&[place.record((1, 2), Stop, (1_500, 1))]).await;
    database.clock().advance_seconds(1_500);
    store.gauge_sample().await.unwrap();
    let counts = async |of| {
        let found = store.session_counts(TENANT, of, Step::Hour, today()).await;
        let found = found.unwrap().into_iter();
        found
            .map(|step| (step.average, step.peak))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(SessionsOf::Tenant).await, [(1, 2)]);
    assert_eq!(counts(SessionsOf::Nas(place.nas[0])).await, [(1, 1)]);
    // Once it had one, and once none.
    assert_eq!(counts(SessionsOf::Plan(place.plans[1])).await, [(0, 1)]);
    let states = store.subscriber_states(TENANT).await.unwrap();
    assert_eq!(states.len(), AccessState::ALL.len());
    for count in states {
        let expected = match count.state {
            AccessState::Active | AccessState::Expired => 1,
            AccessState::Pending
            | AccessState::Grace
            | AccessState::SuspendedWalled
            | AccessState::SuspendedHard
            | AccessState::Disabled => 0,
        };
        assert_eq!(
            (count.count, count.at),
            (expected, START.plus_seconds(1_500)),
            "{count:?}"
        );
    }
}

async fn those_who_moved_most_are_found(database: Database) {
    use SessionEvent::Interim;
    let place = Place::new(&database).await;
    let store = &place.store;
    let life = [
        place.record((0, 1), Interim, (60, 5)),
        place.record((1, 2), Interim, (60, 7)),
        place.record((0, 1), Interim, (DAY, 9)),
        place.record((1, 2), Interim, (DAY, 8)),
    ];
    for record in &life {
        place.hear(std::slice::from_ref(record)).await;
    }
    let top = async |days: i64, limit| {
        let from = START.day_start();
        let until = from.plus_seconds(days * DAY);
        let found = store
            .usage_top(TENANT, Range { from, until }, limit)
            .await
            .unwrap();
        let megabytes = |amount: UsageAmount| amount.upload_bytes / 1_000_000;
        let found = found.into_iter();
        found
            .map(|one| (one.username, megabytes(one.amount)))
            .collect::<Vec<_>>()
    };
    assert_eq!(top(1, 10).await, []);
    for _ in 0..2 {
        store.usage_top_find(START).await.unwrap();
        store.usage_top_find(START.plus_seconds(DAY)).await.unwrap();
    }
    let named = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
        list.iter()
            .map(|(name, sum)| ((*name).to_owned(), *sum))
            .collect()
    };
    assert_eq!(top(1, 10).await, named(&[("eva", 7), ("ana", 5)]));
    assert_eq!(top(1, 1).await, named(&[("eva", 7)]));
    assert_eq!(top(2, 10).await, named(&[("ana", 9), ("eva", 8)]));
}

async fn one_of_many_has_its_turn(database: Database) {
    let (one, other) = (database.store().await, database.store().await);
    assert!(one.statistic_turn("gauges", 60).await.unwrap());
    assert!(!other.statistic_turn("gauges", 60).await.unwrap());
    assert!(other.statistic_turn("usage_top", 60).await.unwrap());
    database.clock().advance_seconds(60);
    assert!(other.statistic_turn("gauges", 60).await.unwrap());
    assert!(!one.statistic_turn("gauges", 60).await.unwrap());
}

async fn what_is_old_goes(database: Database) {
    let place = Place::new(&database).await;
    place
        .hear(&[place.record((0, 1), SessionEvent::Interim, (60, 5))])
        .await;
    place.store.gauge_sample().await.unwrap();
    place.store.usage_top_find(START).await.unwrap();
    let tables = ["traffic_hourly", "gauge_hourly", "usage_top"];
    let rows = async || {
        let mut rows = 0;
        for table in tables {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            rows += database.number(&sql).await;
        }
        rows
    };
    let before = rows().await;
    let removed = place
        .store
        .statistic_prune(START.day_start())
        .await
        .unwrap();
    assert_eq!((removed, rows().await), (0, before));
    let later = START.plus_seconds(3_600);
    let removed = place.store.statistic_prune(later).await.unwrap();
    assert_eq!((removed, rows().await), (before.unsigned_abs(), 0));
}

async fn accounts_that_end_soon_are_listed_in_their_order(database: Database) {
    let place = Place::new(&database).await;
    for (user, seconds) in [("ana", 2_000), ("eva", 1_000)] {
        let patch = SubscriberPatch {
            expires_at: Some(Some(START.plus_seconds(seconds))),
            ..SubscriberPatch::default()
        };
        let user = username(user);
        let changed = place.store.subscriber_update(TENANT, &user, patch);
        changed.await.unwrap();
    }
    let within = async |from: i64, until: i64, limit| {
        let range = Range {
            from: START.plus_seconds(from),
            until: START.plus_seconds(until),
        };
        let found = place.store.subscriber_expiring(TENANT, range, limit).await;
        let (count, listed) = found.unwrap();
        let names = listed
            .into_iter()
            .map(|one| one.username)
            .collect::<Vec<_>>();
        (count, names.join(" "))
    };
    assert_eq!(within(0, 3_000, 10).await, (2, "eva ana".to_owned()));
    assert_eq!(within(0, 3_000, 1).await, (2, "eva".to_owned()));
    assert_eq!(within(1_001, 2_001, 10).await, (1, "ana".to_owned()));
    assert_eq!(within(2_001, 3_000, 10).await, (0, String::new()));
}

async fn a_tenant_sees_its_own_locks(database: Database) {
    let place = Place::new(&database).await;
    let lock = |subject, name: &str| GuardLock {
        key: GuardKey {
            subject,
            name: name.to_owned(),
        },
        since: START,
        until: START.plus_seconds(600),
        strikes: 1,
    };
    let locks = [
        lock(GuardSubject::User, "ana"),
        lock(GuardSubject::User, "stranger"),
        lock(GuardSubject::Nas, "pop-1"),
        lock(GuardSubject::Station, "020000000001"),
    ];
    place.store.guard_exchange(&[], &locks).await.unwrap();
    let of = |tenant| GuardFilter {
        tenant: Some(tenant),
        ..GuardFilter::default()
    };
    let count = async |tenant| place.store.guard_list(&of(tenant)).await.unwrap().len();
    let other = TenantId::from_bytes([9; 16]);
    assert_eq!((count(TENANT).await, count(other).await), (4, 0));
    let id = match database.kind() {
        testkit::database::DatabaseKind::Sqlite => format!("X'{}'", "09".repeat(16)),
        testkit::database::DatabaseKind::Postgres => format!("'{}'", "09".repeat(16)),
    };
    let sql = format!(
        "INSERT INTO tenant (id, name, name_key, created_at) VALUES ({id}, 'other', 'other', 0); \
         UPDATE router SET tenant = {id} WHERE name = 'pop-1'"
    );
    database.execute(&sql).await;
    assert_eq!((count(TENANT).await, count(other).await), (3, 1));
    assert_eq!(place.store.guard_clear(&of(other)).await.unwrap(), 1);
    assert_eq!((count(TENANT).await, count(other).await), (3, 0));
}
