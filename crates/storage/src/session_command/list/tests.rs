//! How SQLite finds commands to list: in their order, by an index.

use std::sync::Arc;

use domain::time::Timestamp;
use testkit::database::{Database, DatabaseKind};

use super::*;
use crate::key_ring::KeyRing;
use crate::store::StoreOptions;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

#[tokio::test]
async fn a_list_of_commands_is_found_in_its_order_by_an_index() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    let ring = database.data_dir().join("keyring");
    let store = Store::open(StoreOptions {
        url: "sqlite:".to_owned(),
        data_dir: database.data_dir().to_owned(),
        keys: KeyRing::load_or_create(&ring, NOW).unwrap(),
        clock: Arc::new(|| NOW),
    })
    .await
    .unwrap();
    let router = NasId::new(NOW, [1; 10]);
    let username: Username = "ana".parse().unwrap();
    for (username, router, state) in [
        (None, None, None),
        (Some(username), None, None),
        (None, Some(router), None),
        (None, None, Some(CommandState::Failed)),
    ] {
        let filter = SessionCommandFilter {
            username,
            nas: None,
            state,
        };
        let page = Page::after(SessionCommandId::new(NOW, [2; 10]), 100);
        let query = store.command_query(TenantId::DEFAULT, &filter, router, &page);
        let rows = query.explained().all(store.reader()).await.unwrap();
        let steps = rows.iter().map(|row| row.try_get("", "detail").unwrap());
        let steps: Vec<String> = steps.collect();
        let is_found = |step: &String| step.starts_with("SEARCH c USING INDEX");
        assert!(steps.iter().any(is_found), "{steps:?}");
        let is_sorted = |step: &String| step.contains("TEMP B-TREE");
        assert!(!steps.iter().any(is_sorted), "{steps:?}");
    }
}
