//! What nodes load: how much it is, and loading it anew.

use domain::change::Change;
use domain::limit::LimitFact;
use domain::mac::Mac;
use domain::subscriber::Subscriber;
use storage::directory::DirectoryExtent;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, any_plan, new_nas, new_subscriber, username};

testkit::test_on_both_databases!(
    the_extent_counts_what_a_node_loads,
    a_reload_tells_every_reader_once,
    a_page_has_many_subscribers_in_order_and_whole,
    one_name_is_looked_up_with_all_that_belongs_to_it,
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

async fn one_name_is_looked_up_with_all_that_belongs_to_it(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut ids = Vec::new();
    for user in ["ana", "ana@isp", "eva"] {
        let new = new_subscriber(user, plan);
        ids.push(store.subscriber_insert(new).await.unwrap().id);
    }
    let names =
        |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let usernames = |found: &[Subscriber]| {
        let mut names: Vec<String> = found.iter().map(|one| one.username.to_string()).collect();
        names.sort_unstable();
        names
    };
    let asked = names(&["ana", "ana@isp", "nobody"]);
    let found = store.directory_subscribers_named(&asked).await.unwrap();
    assert_eq!(usernames(&found), ["ana", "ana@isp"]);
    let among = store.subscriber_names_among(TENANT, &asked).await.unwrap();
    assert_eq!(among, ["ana", "ana@isp"]);
    assert_eq!(store.directory_subscribers_named(&[]).await.unwrap(), []);

    let mac = Mac::from_bytes([2, 0, 0, 0, 0, 7]);
    for id in &ids[1..] {
        store
            .device_claim(*id, mac, "login at pop-1")
            .await
            .unwrap();
    }
    let owners = store.directory_device_owners(mac).await.unwrap();
    assert_eq!(usernames(&owners), ["ana@isp", "eva"]);
    assert_eq!(owners[0].bindings.devices.len(), 1);

    let at = TestClock::START;
    let uses = [(ids[0], at), (ids[2], at)];
    store.limit_note_first_use(&uses).await.unwrap();
    let rows = store.limit_list_of(&ids[..2]).await.unwrap();
    let facts: Vec<_> = rows
        .iter()
        .map(|row| (row.news.subscriber, row.news.fact))
        .collect();
    assert_eq!(facts, [(ids[0], LimitFact::FirstUse(at))]);
}
