//! How SQLite finds sessions: always through an index, however many there are.

use std::sync::Arc;

use domain::session_match::SessionMatch;
use domain::time::Timestamp;

use super::list::{SessionOrder, SessionPlace, Wanted};
use super::*;
use crate::key_ring::KeyRing;
use crate::migration::migrate;
use crate::page::Page;
use crate::query::Query;
use crate::session_match::NAMED_BY_ACCOUNT;
use crate::store::StoreOptions;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Place {
    _directory: tempfile::TempDir,
    store: Store,
}

async fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let keys = KeyRing::load_or_create(&directory.path().join("keyring"), NOW).unwrap();
    let options = StoreOptions {
        url: "sqlite:".to_owned(),
        data_dir: directory.path().to_owned(),
        clock: Arc::new(|| NOW),
        keys,
    };
    migrate(&options.database()).await.unwrap();
    Place {
        _directory: directory,
        store: Store::open(options).await.unwrap(),
    }
}

/// Whoever asks about one user or one session does not read all that are open.
#[tokio::test]
async fn a_name_or_a_session_id_is_matched_by_its_index() {
    let place = place().await;
    let name = SessionMatch {
        username: Some("02:00:5e:00:00:07".into()),
        ..SessionMatch::default()
    };
    let id = SessionMatch {
        acct_session_id: Some("81000007".into()),
        ..SessionMatch::default()
    };
    for (wanted, index) in [(name, "username"), (id, "acct_session_id")] {
        let steps = place
            .plan(place.store.match_query(&wanted, NAMED_BY_ACCOUNT, 65))
            .await;
        let search = format!("SEARCH s USING INDEX session_open_by_{index}");
        assert!(steps.iter().any(|step| step.contains(&search)), "{steps:?}");
    }
}

impl Place {
    /// The steps of the plan.
    async fn plan(&self, query: Query) -> Vec<String> {
        let rows = query.explained().all(self.store.reader()).await.unwrap();
        let steps = rows.iter().map(|row| row.try_get("", "detail").unwrap());
        let steps: Vec<String> = steps.collect();
        assert!(!steps.is_empty());
        steps
    }
}

/// The plan uses an index, and does not go over a whole table.
#[track_caller]
fn check(steps: &[String], index: &str, whole: &str) {
    assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
    assert!(steps.iter().all(|step| step != whole), "{steps:?}");
}

#[tokio::test]
async fn a_list_is_found_in_its_order_by_an_index() {
    let place = place().await;
    let username: Username = "ana".parse().unwrap();
    let router = NasId::new(NOW, [1; 10]);
    let user = Some(username);
    let last = SessionPlace {
        measure: 0,
        id: SessionId::new(NOW, [2; 10]),
    };
    for state in [SessionState::Open, SessionState::Closed] {
        for (username, router, index) in [
            (None, None, "INDEX"),
            (user.clone(), None, "by_username"),
            (None, Some(router), "by_nas"),
            (user.clone(), Some(router), "INDEX"),
        ] {
            for (since, after) in [(None, None), (Some(NOW), Some(last))] {
                let filter = SessionFilter {
                    username: username.clone(),
                    since,
                    ..SessionFilter::default()
                };
                let tenant = TenantId::DEFAULT;
                let page = after.map_or_else(|| Page::first(100), |at| Page::after(at, 100));
                let query = place.store.list_query(Wanted {
                    state,
                    tenant,
                    filter: &filter,
                    router,
                    order: SessionOrder::Newest,
                    page: &page,
                });
                let steps = place.plan(query).await;
                check(&steps, index, "SCAN s");
                // The sessions of one user are few, and come day by day.
                let is_by_day = state == SessionState::Closed && username.is_some();
                let is_sorted = steps.iter().any(|step| step.contains("TEMP B-TREE"));
                assert_eq!(is_sorted, is_by_day, "{steps:?}");
            }
        }
    }
}

/// Filters that few sessions pass are found by an index, and the order too unless few are left to
/// be sorted.
#[tokio::test]
async fn a_sparse_filter_has_an_index() {
    let place = place().await;
    let plan = SessionFilter {
        plan: Some(PlanId::new(NOW, [3; 10])),
        ..SessionFilter::default()
    };
    let device = SessionFilter {
        calling_stations: vec!["AA-BB".to_owned(), "aa:bb".to_owned()],
        ..SessionFilter::default()
    };
    let address = SessionFilter {
        framed_ipv4: Some([10, 0, 0, 7].into()),
        ..SessionFilter::default()
    };
    let stale = SessionFilter {
        silent_at: Some(NOW),
        ..SessionFilter::default()
    };
    let rows = [
        (SessionState::Open, &plan, "session_open_by_plan"),
        (
            SessionState::Open,
            &device,
            "session_open_by_calling_station",
        ),
        (SessionState::Open, &address, "session_open_by_framed_ipv4"),
        (
            SessionState::Closed,
            &device,
            "session_closed_by_calling_station",
        ),
        (
            SessionState::Closed,
            &address,
            "session_closed_by_framed_ipv4",
        ),
        (SessionState::Closed, &stale, "session_closed_stale"),
    ];
    for (state, filter, index) in rows {
        let page = Page::first(100);
        let query = place.store.list_query(Wanted {
            state,
            tenant: TenantId::DEFAULT,
            filter,
            router: None,
            order: SessionOrder::Newest,
            page: &page,
        });
        check(&place.plan(query).await, index, "SCAN s");
    }
}

/// Of sessions that were heard of lately nobody looks the plan up.
#[tokio::test]
async fn open_silent_sessions_are_told_by_their_times_first() {
    let place = place().await;
    let filter = SessionFilter {
        silent_at: Some(NOW),
        ..SessionFilter::default()
    };
    let page = Page::first(100);
    let query = place.store.list_query(Wanted {
        state: SessionState::Open,
        tenant: TenantId::DEFAULT,
        filter: &filter,
        router: None,
        order: SessionOrder::Newest,
        page: &page,
    });
    let steps = place.plan(query).await;
    check(&steps, "session_open_by_tenant", "SCAN s");
    assert!(
        steps.iter().any(|step| step.starts_with("SCALAR SUBQUERY")),
        "{steps:?}"
    );
}

#[tokio::test]
async fn a_session_is_found_by_an_index() {
    let place = place().await;
    for state in [SessionState::Open, SessionState::Closed] {
        let table = table(state);
        for (condition, value, index) in [
            ("id = ?", NasId::new(NOW, [1; 10]).as_uuid().into(), "id=?)"),
            (
                "acct_session_id = ?",
                "81a00001".into(),
                "_by_acct_session_id",
            ),
        ] {
            let tenant = TenantId::DEFAULT;
            let query = place.store.find_query(state, tenant, condition, value);
            let steps = place.plan(query).await;
            check(&steps, index, &format!("SCAN {table}"));
        }
    }
}
