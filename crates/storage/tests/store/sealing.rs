//! Secrets are not in the database in a form that can be read, and do not open elsewhere.

use domain::credential::Credential;
use domain::secret::Secret;
use testkit::database::Database;

use crate::fixture::{any_plan, new_nas, new_subscriber};

const PLANTED: [&str; 3] = [
    "planted-nas-secret",
    "planted-password",
    "{NT}0123456789abcdef0123456789abcdef",
];

testkit::test_on_both_databases!(
    planted_secrets_are_nowhere_in_the_database,
    a_sealed_value_does_not_open_in_another_row,
);

async fn planted_secrets_are_nowhere_in_the_database(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut nas = new_nas("pop-1", "10.0.0.1");
    nas.secret = Secret::from(PLANTED[0]);
    store.nas_insert(nas).await.unwrap();
    let mut ana = new_subscriber("ana", plan);
    ana.credential = Credential::Cleartext(Secret::from(PLANTED[1]));
    store.subscriber_insert(ana).await.unwrap();
    let mut eva = new_subscriber("eva", plan);
    eva.credential = Credential::Hashed(PLANTED[2].parse().unwrap());
    store
        .subscriber_import(crate::fixture::TENANT, vec![eva], |_| {})
        .await
        .unwrap();

    let stored = database.dump();
    assert!(
        contains(&stored, b"pop-1"),
        "the search finds what is there"
    );
    for planted in PLANTED {
        assert!(!contains(&stored, planted.as_bytes()), "{planted}");
    }
    let shown = format!("{store:?} {:?}", database.store_options());
    assert!(!shown.contains("unchecked"), "{shown}");
    let nas = store.directory_nas_all().await.unwrap();
    assert_eq!(nas[0].secret.expose(), PLANTED[0].as_bytes());
}

async fn a_sealed_value_does_not_open_in_another_row(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    for user in ["ana", "eva"] {
        let new = new_subscriber(user, plan);
        store.subscriber_insert(new).await.unwrap();
    }
    database
        .execute(
            "UPDATE subscriber SET credential = \
             (SELECT credential FROM subscriber WHERE username = 'ana') WHERE username = 'eva'",
        )
        .await;
    let readable = store.directory_subscriber_page(None, 10).await.unwrap();
    assert_eq!(readable.len(), 1);
    assert_eq!(readable[0].username.as_str(), "ana");
}

fn contains(stored: &[u8], wanted: &[u8]) -> bool {
    stored
        .windows(wanted.len())
        .any(|window| window.eq_ignore_ascii_case(wanted))
}
