//! Routers, plans and subscribers: made, listed, changed and removed.

use domain::credential::{Credential, HashScheme};
use domain::id::PlanId;
use domain::name::Name;
use domain::nas::{MacAuthentication, MessageAuthenticatorPolicy, OctetView, Vendor, parse_source};
use domain::plan::{InterimInterval, SessionLimit, TimeoutSeconds};
use domain::secret::Secret;
use domain::subscriber::state::AccessState;
use domain::time::Timestamp;
use storage::error::{Resource, StoreError, UniqueField};
use storage::listing::ListQuery;
use storage::nas::{NasFilter, NasPatch};
use storage::page::Page;
use storage::plan::PlanPatch;
use storage::subscriber::{CredentialKind, SubscriberPatch};
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, any_plan, name, new_nas, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    nas_is_found_as_it_was_stored,
    nas_patch_changes_what_it_names_and_nothing_else,
    nas_names_and_sources_are_unique,
    nas_that_is_absent_is_named_in_the_error,
    plan_is_found_as_it_was_stored,
    plan_patch_changes_what_it_names_and_nothing_else,
    plan_in_use_is_not_deleted,
    subscriber_is_found_as_it_was_stored,
    subscriber_patch_changes_what_it_names_and_nothing_else,
    subscriber_names_and_addresses_are_unique,
    subscriber_needs_a_plan_that_exists,
    lists_page_in_the_order_of_their_keys,
    directory_has_what_the_registry_has,
    directory_leaves_out_what_it_cannot_read,
    rehearsal_checks_and_answers_and_changes_nothing,
    operators_who_change_and_remove_at_once_are_told_the_truth,
);

async fn nas_is_found_as_it_was_stored(database: Database) {
    let store = database.store().await;
    let nas = store
        .nas_insert(new_nas("POP-1", "10.0.0.1"))
        .await
        .unwrap();
    let found = store.nas_find(TENANT, &name("pop-1")).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.id, nas.id);
    assert_eq!(found.name.as_str(), "POP-1");
    assert_eq!(found.source, nas.source);
    assert_eq!(found.settings, nas.settings);
    assert_eq!(found.created_at, TestClock::START);
    let all = store.directory_nas_all().await.unwrap();
    assert_eq!((all.len(), all[0].id), (1, nas.id));
    assert_eq!(all[0].secret, Secret::from("nas-secret"));
}

async fn nas_patch_changes_what_it_names_and_nothing_else(database: Database) {
    let store = database.store().await;
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    database.clock().advance_seconds(60);
    let patch = NasPatch {
        secret: Some(Secret::from("another")),
        identifier: Some(Some("core-1".into())),
        octet_view: Some(OctetView::Client),
        ..NasPatch::default()
    };
    let changed = store.nas_update(TENANT, &nas.name, patch).await.unwrap();
    assert_eq!(changed.created_at, TestClock::START);
    assert_eq!(changed.updated_at, TestClock::START.plus_seconds(60));
    assert_eq!(changed.settings.identifier.as_deref(), Some("core-1"));
    assert_eq!(changed.settings.vendor, Vendor::Mikrotik);

    let patch = NasPatch {
        name: Some(name("Pop-2")),
        source: Some(parse_source("2001:db8::/48").unwrap()),
        vendor: Some(Vendor::Cisco),
        identifier: Some(None),
        message_authenticator: Some(MessageAuthenticatorPolicy::Off),
        mac_authentication: Some(MacAuthentication::On),
        coa_port: Some(1_700),
        coa_identity: Some("Acct-Session-Id".parse().ok()),
        ..NasPatch::default()
    };
    let changed = store.nas_update(TENANT, &nas.name, patch).await.unwrap();
    assert_eq!(changed.name.as_str(), "Pop-2");
    assert_eq!(changed.settings.identifier, None);
    assert_eq!(changed.settings.octet_view, OctetView::Client);
    assert_eq!(changed.settings.mac_authentication, MacAuthentication::On);
    let identity = changed.settings.coa_identity.as_ref();
    assert_eq!(
        identity.map(ToString::to_string).as_deref(),
        Some("Acct-Session-Id")
    );
    let stored = &store.directory_nas_all().await.unwrap()[0];
    assert_eq!(stored.secret.expose(), b"another");
    assert_eq!(stored.settings, changed.settings);
    assert_eq!(stored.source.to_string(), "2001:db8::/48");
    let patch = NasPatch {
        coa_identity: Some(None),
        ..NasPatch::default()
    };
    let changed = store
        .nas_update(TENANT, &name("Pop-2"), patch)
        .await
        .unwrap();
    assert_eq!(changed.settings.coa_identity, None);
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(
    result: Result<T, StoreError>,
    expected: (Resource, UniqueField),
) {
    match result {
        Err(StoreError::Conflict { what, field, .. }) => assert_eq!((what, field), expected),
        other => panic!("expected a conflict of {expected:?}, got {other:?}"),
    }
}

async fn nas_names_and_sources_are_unique(database: Database) {
    let store = database.store().await;
    store
        .nas_insert(new_nas("pop-1", "10.0.0.0/24"))
        .await
        .unwrap();
    store
        .nas_insert(new_nas("pop-2", "10.0.0.1"))
        .await
        .unwrap();
    let result = store.nas_insert(new_nas("POP-1", "10.0.0.3")).await;
    assert_conflict(result, (Resource::Nas, UniqueField::Name));
    let result = store.nas_insert(new_nas("pop-3", "10.0.0.1")).await;
    assert_conflict(result, (Resource::Nas, UniqueField::Source));
    let patch = NasPatch {
        name: Some(name("pop-1")),
        ..NasPatch::default()
    };
    let result = store.nas_update(TENANT, &name("pop-2"), patch).await;
    assert_conflict(result, (Resource::Nas, UniqueField::Name));
}

async fn nas_that_is_absent_is_named_in_the_error(database: Database) {
    let store = database.store().await;
    let absent = name("pop-9");
    let error = store.nas_delete(TENANT, &absent).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no NAS 'pop-9'");
    let updated = store.nas_update(TENANT, &absent, NasPatch::default()).await;
    assert!(matches!(updated, Err(StoreError::NotFound { .. })));
    assert_eq!(store.nas_find(TENANT, &absent).await.unwrap(), None);
}

async fn plan_is_found_as_it_was_stored(database: Database) {
    let store = database.store().await;
    let mut new = new_plan("Home 50");
    new.terms.rate = Some("25M/50M 50M/100M 20M/40M 10/10 5 1M/2M".parse().unwrap());
    new.terms.session_timeout_seconds = Some(TimeoutSeconds::new(3_600).unwrap());
    new.terms.idle_timeout_seconds = Some(TimeoutSeconds::new(600).unwrap());
    new.terms.interim = InterimInterval::new(120).unwrap();
    new.terms.pool = Some("customers".parse().unwrap());
    new.terms.session_limit = Some(SessionLimit::new(2).unwrap());
    let plan = store.plan_insert(new).await.unwrap();
    let found = store.plan_find(TENANT, &plan.name).await.unwrap().unwrap();
    assert_eq!(found.terms, plan.terms);
    let all = store.directory_plan_all().await.unwrap();
    assert_eq!((all.len(), all[0].id), (1, plan.id));
    assert_eq!(all[0].terms, plan.terms);
}

async fn plan_patch_changes_what_it_names_and_nothing_else(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("Home 50")).await.unwrap();
    let patch = PlanPatch {
        rate: Some(None),
        pool: Some(Some("customers".parse().unwrap())),
        ..PlanPatch::default()
    };
    let changed = store.plan_update(TENANT, &plan.name, patch).await.unwrap();
    assert_eq!(changed.terms.rate, None);
    let patch = PlanPatch {
        name: Some(name("Home 100")),
        rate: Some(Some("50M/100M".parse().unwrap())),
        session_limit: Some(Some(SessionLimit::new(3).unwrap())),
        ..PlanPatch::default()
    };
    let changed = store.plan_update(TENANT, &plan.name, patch).await.unwrap();
    assert_eq!(changed.name.as_str(), "Home 100");
    assert_eq!(changed.terms.pool, Some("customers".parse().unwrap()));
    let stored = &store.directory_plans(&[plan.id]).await.unwrap()[0];
    assert_eq!(stored.terms, changed.terms);
}

async fn plan_in_use_is_not_deleted(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    for user in ["ana", "eva"] {
        let new = new_subscriber(user, plan);
        store.subscriber_insert(new).await.unwrap();
    }
    let error = store
        .plan_delete(TENANT, &name("home 50"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "plan 'home 50' is still used, subscribers: 2; move them first"
    );
    for user in ["ana", "eva"] {
        store
            .subscriber_delete(TENANT, &username(user))
            .await
            .unwrap();
    }
    store.plan_delete(TENANT, &name("home 50")).await.unwrap();
    assert_eq!(store.directory_plans(&[plan]).await.unwrap(), []);
}

async fn subscriber_is_found_as_it_was_stored(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut new = new_subscriber("ana@example.net", plan);
    let credential = new.credential.clone();
    new.expires_at = Some(Timestamp::from_seconds(1_900_000_000));
    new.addresses.ipv4 = Some([100, 64, 0, 9].into());
    new.addresses.ipv6_prefix = Some("2001:db8:1::/64".parse().unwrap());
    new.addresses.ipv6_delegated = Some("2001:db8:8000::/56".parse().unwrap());
    let ana = store.subscriber_insert(new).await.unwrap();
    let mut hashed = new_subscriber("eva", plan);
    hashed.credential = Credential::Hashed("{NT}8846F7EAEE8FB117AD06BDD830B7586C".parse().unwrap());
    let hash = hashed.credential.clone();
    let eva = store.subscriber_insert(hashed).await.unwrap();

    let found = store
        .subscriber_find(TENANT, &ana.username)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.addresses, ana.addresses);
    assert_eq!(found.expires_at, ana.expires_at);
    assert_eq!(found.plan.as_str(), "Home 50");
    assert_eq!(found.credential_kind, CredentialKind::Cleartext);
    let found = store.subscriber_find(TENANT, &eva.username).await.unwrap();
    assert_eq!(
        found.unwrap().credential_kind,
        CredentialKind::Hashed(HashScheme::Nt)
    );
    let stored = store.directory_subscriber_page(None, 10).await.unwrap();
    let credentials: Vec<_> = stored.iter().map(|one| (one.id, &one.credential)).collect();
    assert_eq!(credentials, [(ana.id, &credential), (eva.id, &hash)]);
    assert_eq!(stored[0].addresses, ana.addresses);
    assert_eq!(stored[0].expires_at, ana.expires_at);
    assert_eq!(stored[0].plan, plan);
}

async fn subscriber_patch_changes_what_it_names_and_nothing_else(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let other = store.plan_insert(new_plan("Home 100")).await.unwrap().id;
    let mut new = new_subscriber("ana", plan);
    new.addresses.ipv4 = Some([100, 64, 0, 9].into());
    let ana = store.subscriber_insert(new).await.unwrap();
    let patch = SubscriberPatch {
        plan: Some(other),
        expires_at: Some(Some(TestClock::START)),
        ..SubscriberPatch::default()
    };
    let changed = store
        .subscriber_update(TENANT, &ana.username, patch)
        .await
        .unwrap();
    assert_eq!(changed.plan.as_str(), "Home 100");
    assert_eq!(changed.state, AccessState::Expired);
    assert_eq!(changed.addresses, ana.addresses);
    let patch = SubscriberPatch {
        credential: Some(Credential::Cleartext(Secret::from("new"))),
        expires_at: Some(None),
        ipv4: Some(None),
        ipv6_prefix: Some(Some("2001:db8::1/64".parse().unwrap())),
        ..SubscriberPatch::default()
    };
    let changed = store
        .subscriber_update(TENANT, &ana.username, patch)
        .await
        .unwrap();
    assert_eq!(changed.expires_at, None);
    assert_eq!(changed.addresses.ipv4, None);
    let stored = &store.directory_subscribers(&[ana.id]).await.unwrap()[0];
    assert_eq!(
        stored.credential,
        Credential::Cleartext(Secret::from("new"))
    );
    assert_eq!(
        stored.addresses.ipv6_prefix,
        Some("2001:db8::/64".parse().unwrap())
    );
}

async fn subscriber_names_and_addresses_are_unique(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut ana = new_subscriber("ana", plan);
    ana.addresses.ipv4 = Some([100, 64, 0, 9].into());
    ana.addresses.ipv6_prefix = Some("2001:db8:1::/64".parse().unwrap());
    ana.addresses.ipv6_delegated = Some("2001:db8:8000::/56".parse().unwrap());
    let addresses = ana.addresses;
    store.subscriber_insert(ana).await.unwrap();
    let result = store.subscriber_insert(new_subscriber("ANA", plan)).await;
    assert_conflict(result, (Resource::Subscriber, UniqueField::Username));

    let mut eva = new_subscriber("eva", plan);
    eva.addresses.ipv4 = addresses.ipv4;
    let result = store.subscriber_insert(eva).await;
    assert_conflict(result, (Resource::Subscriber, UniqueField::Ipv4));
    let mut eva = new_subscriber("eva", plan);
    eva.addresses.ipv6_prefix = addresses.ipv6_prefix;
    let result = store.subscriber_insert(eva).await;
    assert_conflict(result, (Resource::Subscriber, UniqueField::Ipv6Prefix));
    let mut eva = new_subscriber("eva", plan);
    eva.addresses.ipv6_delegated = addresses.ipv6_delegated;
    let result = store.subscriber_insert(eva).await;
    assert_conflict(result, (Resource::Subscriber, UniqueField::Ipv6Delegated));
}

async fn subscriber_needs_a_plan_that_exists(database: Database) {
    let store = database.store().await;
    let absent = PlanId::new(TestClock::START, [9; 10]);
    let result = store.subscriber_insert(new_subscriber("ana", absent)).await;
    let is_expected = matches!(
        &result,
        Err(StoreError::NotFound { what: Resource::Plan, name }) if *name == absent.to_string()
    );
    assert!(is_expected, "{result:?}");
}

async fn lists_page_in_the_order_of_their_keys(database: Database) {
    // A server that sorts by language would put "b" before "B" and ignore the hyphen.
    const NAMES: [&str; 6] = ["a-c", "ab", "B", "c", "É", "é2"];
    let store = database.store().await;
    let plan = any_plan(&store).await;
    for (index, raw) in NAMES.into_iter().enumerate() {
        let nas = new_nas(raw, &format!("10.0.0.{}", index + 1));
        store.nas_insert(nas).await.unwrap();
    }
    for raw in ["ab", "a-c", "a.b", "_", "~"] {
        let new = new_subscriber(raw, plan);
        store.subscriber_insert(new).await.unwrap();
    }
    let mut nas = Vec::new();
    let mut page: Page<Name> = Page::first(2);
    loop {
        let list = store
            .nas_list(TENANT, &NasFilter::default(), &page)
            .await
            .unwrap();
        let Some(last) = list.last() else { break };
        page = Page::after(last.name.clone(), 2);
        nas.extend(list.iter().map(|nas| nas.name.to_string()));
    }
    assert_eq!(nas, NAMES);
    let mut users = Vec::new();
    let mut query = ListQuery::first(2);
    loop {
        let list = store.subscriber_list(TENANT, &query).await.unwrap();
        users.extend(list.rows.iter().map(|one| one.username.to_string()));
        query.after = list.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(users, ["_", "a-c", "a.b", "ab", "~"]);
    let plans = store.plan_list(TENANT, &Page::first(5)).await.unwrap();
    assert_eq!(plans.len(), 1);
}

async fn directory_has_what_the_registry_has(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut ids = Vec::new();
    for number in 0..7 {
        let new = new_subscriber(&format!("user-{number}"), plan);
        ids.push(store.subscriber_insert(new).await.unwrap().id);
    }
    let mut seen = Vec::new();
    while let page = store
        .directory_subscriber_page(seen.last().copied(), 3)
        .await
        .unwrap()
        && !page.is_empty()
    {
        seen.extend(page.iter().map(|one| one.id));
    }
    assert_eq!(seen, ids);
    store
        .subscriber_delete(TENANT, &username("user-3"))
        .await
        .unwrap();
    let left = store.directory_subscribers(&ids).await.unwrap();
    assert_eq!(left.len(), 6);
    assert!(left.iter().all(|one| one.id != ids[3]));
}

async fn rehearsal_checks_and_answers_and_changes_nothing(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let ana = store.subscriber_insert(new_subscriber("ana", plan)).await;
    let ana = ana.unwrap();
    let mut feed = store.change_feed().await.unwrap();
    let rehearsal = store.rehearsal();

    let patch = PlanPatch {
        name: Some(name("Home 60")),
        ..PlanPatch::default()
    };
    let changed = rehearsal.plan_update(TENANT, &name("Home 50"), patch).await;
    assert_eq!(changed.unwrap().name.as_str(), "Home 60");
    let removed = rehearsal.plan_delete(TENANT, &name("Home 50")).await;
    assert!(matches!(removed, Err(StoreError::InUse { users: 1, .. })));
    rehearsal
        .subscriber_delete(TENANT, &ana.username)
        .await
        .unwrap();
    let again = rehearsal
        .subscriber_insert(new_subscriber("ana", plan))
        .await;
    assert_conflict(again, (Resource::Subscriber, UniqueField::Username));
    rehearsal
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();

    let plans = store.plan_list(TENANT, &Page::first(5)).await.unwrap();
    assert_eq!(plans[0].name.as_str(), "Home 50");
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 1);
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let changes = feed.next().await.unwrap();
    assert_eq!(changes, [domain::change::Change::Nas(nas.id)]);
}

async fn operators_who_change_and_remove_at_once_are_told_the_truth(database: Database) {
    for turn in 0..10 {
        let first = database.store().await;
        let second = database.store().await;
        let plan = first.plan_insert(new_plan("Home 50")).await.unwrap();
        let patch = PlanPatch {
            rate: Some(None),
            ..PlanPatch::default()
        };
        let (changed, removed, removed_too) = tokio::join!(
            first.plan_update(TENANT, &plan.name, patch),
            second.plan_delete(TENANT, &plan.name),
            first.plan_delete(TENANT, &plan.name),
        );
        assert_ne!(removed.is_ok(), removed_too.is_ok(), "turn {turn}");
        for refused in [changed.err(), removed.err(), removed_too.err()] {
            assert!(
                matches!(refused, None | Some(StoreError::NotFound { .. })),
                "turn {turn}: {refused:?}"
            );
        }
    }
}

async fn directory_leaves_out_what_it_cannot_read(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut ids = Vec::new();
    for user in ["ana", "eva", "ida"] {
        let new = new_subscriber(user, plan);
        ids.push(store.subscriber_insert(new).await.unwrap().id);
    }
    database
        .execute("UPDATE subscriber SET status = 'gone' WHERE username IN ('ana', 'eva')")
        .await;
    let page = store.directory_subscriber_page(None, 2).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].id, ids[2]);
    let found = store.subscriber_find(TENANT, &username("ana")).await;
    assert!(matches!(
        found,
        Err(StoreError::Corrupt {
            table: "subscriber",
            column: "status",
            ..
        })
    ));
}
