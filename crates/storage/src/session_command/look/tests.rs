//! How the databases find what to look at: through the indexes for what is open.

use testkit::database::{Database, DatabaseKind};

use super::*;
use crate::key_ring::KeyRing;
use crate::store::StoreOptions;

#[tokio::test]
async fn only_open_commands_are_looked_at() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    let clock = std::sync::Arc::new(|| Timestamp::from_seconds(1_800_000_000));
    let ring = database.data_dir().join("keyring");
    let store = Store::open(StoreOptions {
        url: "sqlite:".to_owned(),
        data_dir: database.data_dir().to_owned(),
        keys: KeyRing::load_or_create(&ring, clock()).unwrap(),
        clock,
    })
    .await
    .unwrap();
    for (look, index) in [
        (
            Look::Recent,
            "session_command_open (state=? AND acknowledged_at>?)",
        ),
        (Look::All, "session_command_open"),
    ] {
        let query = store.look_query(look, store.now()).explained();
        let rows = query.all(store.reader()).await.unwrap();
        let steps = rows.iter().map(|row| row.try_get("", "detail").unwrap());
        let steps: Vec<String> = steps.collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        let session = "SEARCH s USING INDEX sqlite_autoindex_session_open_1";
        assert!(steps.iter().any(|step| step.contains(session)), "{steps:?}");
    }
}
