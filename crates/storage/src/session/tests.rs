//! How SQLite finds sessions: always through an index, however many there are.

use std::sync::Arc;

use domain::session_match::SessionMatch;
use domain::time::Timestamp;

use super::*;
use crate::key_ring::KeyRing;
use crate::migration::migrate;
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
        let steps = place.plan(place.store.match_query(&wanted, 65)).await;
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
    let pages = [
        Page::first(100),
        Page::after(SessionId::new(NOW, [2; 10]), 100),
    ];
    for state in [SessionState::Open, SessionState::Closed] {
        for (username, router, index) in [
            (None, None, "INDEX"),
            (user.clone(), None, "by_username"),
            (None, Some(router), "by_nas"),
            (user.clone(), Some(router), "INDEX"),
        ] {
            for (since, page) in [None, Some(NOW)].into_iter().zip(&pages) {
                let filter = SessionFilter {
                    username: username.clone(),
                    since,
                    ..SessionFilter::default()
                };
                let tenant = TenantId::DEFAULT;
                let query = place.store.list_query(state, tenant, &filter, router, page);
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

#[tokio::test]
async fn the_plan_of_each_session_is_found_by_an_index() {
    let place = place().await;
    for router in [None, Some(NasId::new(NOW, [1; 10]))] {
        let filter = SessionFilter {
            plan: Some(PlanId::new(NOW, [3; 10])),
            ..SessionFilter::default()
        };
        let (state, tenant) = (SessionState::Open, TenantId::DEFAULT);
        let page = Page::first(100);
        let query = place
            .store
            .list_query(state, tenant, &filter, router, &page);
        let steps = place.plan(query).await;
        check(&steps, "SEARCH u USING", "SCAN s");
        let is_sorted = steps.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!is_sorted, "{steps:?}");
    }
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
