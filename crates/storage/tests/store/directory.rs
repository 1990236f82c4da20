//! What nodes load: how much it is, and loading it anew.

use domain::change::Change;
use storage::directory::DirectoryExtent;
use testkit::database::Database;

use crate::fixture::{TENANT, any_plan, new_nas, new_subscriber, username};

testkit::test_on_both_databases!(
    the_extent_counts_what_a_node_loads,
    a_reload_tells_every_reader_once,
    a_page_has_many_subscribers_in_order_and_whole,
);

async fn the_extent_counts_what_a_node_loads(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let nas = new_nas("pop-1", "10.0.0.1");
    store.nas_insert(nas).await.unwrap();
    for user in ["ana", "eva"] {
        let new = new_subscriber(user, plan);
        store.subscriber_insert(new).await.unwrap();
    }
    let expected = DirectoryExtent {
        subscribers: 2,
        plans: 1,
        nas: 1,
        open_sessions: 0,
    };
    assert_eq!(store.directory_extent().await.unwrap(), expected);
}

async fn a_reload_tells_every_reader_once(database: Database) {
    let store = database.store().await;
    let mut feeds = [
        store.change_feed().await.unwrap(),
        store.change_feed().await.unwrap(),
    ];
    store.rehearsal().directory_reload().await.unwrap();
    store.directory_reload().await.unwrap();
    for feed in &mut feeds {
        assert_eq!(feed.next().await.unwrap(), [Change::Everything]);
    }
    let plan = any_plan(&store).await;
    for feed in &mut feeds {
        assert_eq!(feed.next().await.unwrap(), [Change::Plan(plan)]);
    }
}

async fn a_page_has_many_subscribers_in_order_and_whole(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let rows = (0..5_000).map(|number| new_subscriber(&format!("user-{number:04}"), plan));
    let rows: Vec<_> = rows.collect();
    let import = store.subscriber_import(TENANT, rows.clone(), |_| {});
    import.await.unwrap();
    let page = store.directory_subscriber_page(None, 4_500).await.unwrap();
    assert_eq!(page.len(), 4_500);
    assert!(page.is_sorted_by_key(|one| one.id));
    for (one, row) in page.iter().zip(&rows) {
        assert_eq!(one.username, row.username);
        assert_eq!((&one.credential, one.plan), (&row.credential, row.plan));
        assert_eq!((one.tenant, one.status), (row.tenant, row.status));
        assert_eq!(one.addresses, row.addresses);
    }
    let last = page.last().map(|one| one.id);
    let page = store.directory_subscriber_page(last, 4_500).await.unwrap();
    assert_eq!(page.len(), 500);
    assert_eq!(page[499].username, username("user-4999"));
    let last = page.last().map(|one| one.id);
    let page = store.directory_subscriber_page(last, 4_500).await.unwrap();
    assert_eq!(page, []);
}
