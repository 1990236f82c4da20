//! How accounts stand, walled gardens, messages, groups of routers and bindings to them.

use domain::garden::GardenTerms;
use domain::message::default_template;
use domain::plan::TimeoutSeconds;
use domain::plan::access::{AfterExpiry, GraceDays};
use domain::realm::{Realm, RealmHandling, RealmName};
use domain::subscriber::binding::NasBinding;
use domain::subscriber::state::{AccessState, Cause, StateChange};
use domain::subscriber::{Subscriber, SubscriberStatus};
use storage::error::{Resource, StoreError, UniqueField};
use storage::garden::GardenPatch;
use storage::page::Page;
use storage::plan::{AccessPatch, PlanPatch};
use storage::store::Store;
use storage::subscriber::SubscriberPatch;
use storage::subscriber_binding::NewBinding;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, any_plan, having, name, new_nas, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    a_status_changes_as_its_state_allows,
    it_is_known_since_when_an_account_stands_so,
    a_list_of_a_state_has_who_is_in_it_now,
    a_garden_is_kept_changed_and_not_removed_while_it_is_used,
    messages_are_kept_by_state_and_language,
    groups_of_routers_reach_the_directory,
    bindings_are_replaced_and_reach_the_directory,
    a_plan_keeps_how_it_ends,
    a_realm_belongs_to_one_tenant,
);

async fn a_status_changes_as_its_state_allows(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let ana = new_subscriber("ana", plan);
    let ana = store.subscriber_insert(ana).await.unwrap().username;
    let change = async |change, by| {
        let changed = store.subscriber_transition(TENANT, &ana, change, by).await;
        changed.map(|changed| changed.state)
    };
    let operator = Cause::Operator;
    let walled = change(StateChange::SuspendWalled, Cause::Arrears).await;
    assert_eq!(walled.unwrap(), AccessState::SuspendedWalled);
    let refused = change(StateChange::Enable, operator).await;
    let is_expected = matches!(
        &refused,
        Err(StoreError::Transition { name, source }) if name == "ana" && source.from == AccessState::SuspendedWalled
    );
    assert!(is_expected, "{refused:?}");
    let restored = change(StateChange::Restore, Cause::Payment).await;
    assert_eq!(restored.unwrap(), AccessState::Active);
    let disabled = change(StateChange::Disable, operator).await;
    assert_eq!(disabled.unwrap(), AccessState::Disabled);
    change(StateChange::Restore, Cause::Payment)
        .await
        .unwrap_err();
    let loaded = store.directory_subscriber_page(None, 10).await.unwrap();
    let statuses: Vec<_> = loaded.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [SubscriberStatus::Disabled]);
}

async fn it_is_known_since_when_an_account_stands_so(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let ana = new_subscriber("ana", plan);
    let ana = store.subscriber_insert(ana).await.unwrap().username;
    let since = async || {
        let found = store.subscriber_find(TENANT, &ana).await.unwrap();
        found
            .unwrap()
            .status_at
            .unwrap()
            .seconds_since(TestClock::START)
    };
    assert_eq!(since().await, 0);
    database.clock().advance_seconds(60);
    let patch = SubscriberPatch {
        expires_at: Some(Some(TestClock::START)),
        ..SubscriberPatch::default()
    };
    store.subscriber_update(TENANT, &ana, patch).await.unwrap();
    assert_eq!(since().await, 0, "the expiry is no status");
    for (seconds, change) in [
        (60, StateChange::SuspendHard),
        (90, StateChange::SuspendHard),
    ] {
        store
            .subscriber_transition(TENANT, &ana, change, Cause::Operator)
            .await
            .unwrap();
        assert_eq!(since().await, 60, "{seconds}");
        database.clock().advance_seconds(30);
    }
    let rows = vec![new_subscriber("eva", plan)];
    store.subscriber_import(TENANT, rows, |_| {}).await.unwrap();
    let eva = store
        .subscriber_find(TENANT, &username("eva"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(eva.status_at, Some(eva.created_at));
}

async fn a_list_of_a_state_has_who_is_in_it_now(database: Database) {
    let store = database.store().await;
    let plain = any_plan(&store).await;
    let mut gracious = new_plan("Gracious");
    gracious.terms.access.grace_days = GraceDays::new(2).unwrap();
    let gracious = store.plan_insert(gracious).await.unwrap().id;
    let day = 86_400;
    for (user, plan, status, ends_in) in [
        ("a", plain, SubscriberStatus::Active, None),
        ("b", plain, SubscriberStatus::Active, Some(1)),
        ("c", plain, SubscriberStatus::Active, Some(0)),
        ("d", gracious, SubscriberStatus::Active, Some(-day)),
        ("e", gracious, SubscriberStatus::Active, Some(-2 * day)),
        ("f", plain, SubscriberStatus::Pending, Some(-1)),
        ("g", plain, SubscriberStatus::SuspendedWalled, None),
        ("h", plain, SubscriberStatus::SuspendedHard, Some(-1)),
        ("i", plain, SubscriberStatus::Disabled, None),
    ] {
        let mut new = new_subscriber(user, plan);
        new.status = status;
        new.expires_at = ends_in.map(|seconds| TestClock::START.plus_seconds(seconds));
        store.subscriber_insert(new).await.unwrap();
    }
    for (state, expected) in [
        (AccessState::Pending, vec!["f"]),
        (AccessState::Active, vec!["b", "a"]),
        (AccessState::Grace, vec!["d"]),
        (AccessState::SuspendedWalled, vec!["g"]),
        (AccessState::SuspendedHard, vec!["h"]),
        (AccessState::Expired, vec!["e", "c"]),
        (AccessState::Disabled, vec!["i"]),
    ] {
        let query = having(&[("state", state.as_str())]);
        let list = store.subscriber_list(TENANT, &query).await.unwrap().rows;
        let names: Vec<&str> = list.iter().map(|one| one.username.as_str()).collect();
        assert_eq!(names, expected, "{state}");
        assert!(list.iter().all(|one| one.state == state), "{list:?}");
    }
}

fn terms() -> GardenTerms {
    GardenTerms {
        pool: None,
        address_list: "unpaid".parse().ok(),
        rate: "512k/1M".parse().ok(),
        redirect: "https://pay.example.net".parse().ok(),
        session_timeout_seconds: TimeoutSeconds::new(300).unwrap(),
    }
}

async fn a_garden_is_kept_changed_and_not_removed_while_it_is_used(database: Database) {
    let store = database.store().await;
    let unpaid = name("Unpaid");
    let added = store.garden_insert(TENANT, unpaid.clone(), terms()).await;
    let added = added.unwrap();
    assert!(added.is_default, "the first one is");
    let second = store.garden_insert(TENANT, name("second"), terms()).await;
    assert!(!second.unwrap().is_default);
    assert_eq!(
        store.garden_find(TENANT, &name("UNPAID")).await.unwrap(),
        Some(added.clone())
    );
    store
        .garden_insert(TENANT, unpaid.clone(), terms())
        .await
        .unwrap_err();
    let open = GardenPatch {
        address_list: Some(None),
        ..GardenPatch::default()
    };
    let refused = store.garden_update(TENANT, &unpaid, open).await;
    assert!(matches!(refused, Err(StoreError::Garden(_))), "{refused:?}");
    let patch = GardenPatch {
        pool: Some("walled".parse().ok()),
        redirect: Some(None),
        ..GardenPatch::default()
    };
    let changed = store.garden_update(TENANT, &unpaid, patch).await.unwrap();
    assert_eq!(changed.terms.redirect, None);
    assert_eq!(changed.terms.address_list, added.terms.address_list);
    let policy = store.tenant_policy(TENANT).await.unwrap();
    let found = policy.find_garden(None).map(|garden| garden.terms.clone());
    assert_eq!(found, Some(changed.terms));
    let mut plan = new_plan("Home");
    plan.terms.access.garden = Some(added.id);
    store.plan_insert(plan).await.unwrap();
    let shown = store.plan_find(TENANT, &name("home")).await.unwrap();
    assert_eq!(shown.unwrap().garden_name, Some(unpaid.clone()));
    let refused = store.garden_delete(TENANT, &unpaid).await;
    assert!(
        matches!(refused, Err(StoreError::InUse { users: 1, .. })),
        "{refused:?}"
    );
    let patch = PlanPatch {
        access: AccessPatch {
            garden: Some(None),
            ..AccessPatch::default()
        },
        ..PlanPatch::default()
    };
    store
        .plan_update(TENANT, &name("home"), patch)
        .await
        .unwrap();
    store.garden_delete(TENANT, &unpaid).await.unwrap();
    let policy = store.tenant_policy(TENANT).await.unwrap();
    assert_eq!(policy.garden, None, "another one is not chosen by itself");
    store
        .garden_set_default(TENANT, Some(&name("second")))
        .await
        .unwrap();
    let list = store.garden_list(TENANT, &Page::first(10)).await.unwrap();
    let defaults: Vec<_> = list.iter().map(|garden| garden.is_default).collect();
    assert_eq!(defaults, [true]);
}

async fn messages_are_kept_by_state_and_language(database: Database) {
    let store = database.store().await;
    let (english, swahili) = ("en".parse().unwrap(), "sw".parse().unwrap());
    let expired = AccessState::Expired;
    let set = async |language, text: &str| {
        let template = text.parse().unwrap();
        let done = store
            .message_set(TENANT, expired, language, &template)
            .await;
        done.unwrap();
    };
    set(&english, "Over").await;
    set(&english, "It is over").await;
    set(&swahili, "Imeisha").await;
    let template = async || {
        let policy = store.tenant_policy(TENANT).await.unwrap();
        policy.template(expired).to_owned()
    };
    assert_eq!(template().await, "It is over");
    store.tenant_set_language(TENANT, &swahili).await.unwrap();
    assert_eq!(template().await, "Imeisha");
    store
        .message_clear(TENANT, expired, &swahili)
        .await
        .unwrap();
    assert_eq!(template().await, default_template(expired));
    let gone = store.message_clear(TENANT, expired, &swahili).await;
    let is_expected = matches!(
        &gone,
        Err(StoreError::NotFound { what: Resource::Message, name }) if name == "expired in sw"
    );
    assert!(is_expected, "{gone:?}");
}

async fn groups_of_routers_reach_the_directory(database: Database) {
    let store = database.store().await;
    for (nas, source) in [("pop-1", "10.0.0.1"), ("pop-2", "10.0.0.2")] {
        store.nas_insert(new_nas(nas, source)).await.unwrap();
    }
    let north = store.nas_group_insert(TENANT, name("North")).await.unwrap();
    let south = store.nas_group_insert(TENANT, name("South")).await.unwrap();
    let add = async |group: &str, nas: &str| {
        let changed = store.nas_group_add(TENANT, &name(group), &name(nas)).await;
        changed.map(|group| group.members)
    };
    add("north", "pop-2").await.unwrap();
    add("south", "pop-2").await.unwrap();
    // Twice is once.
    add("north", "pop-1").await.unwrap();
    assert_eq!(add("north", "pop-1").await.unwrap(), ["pop-1", "pop-2"]);
    add("north", "pop-3").await.unwrap_err();
    add("west", "pop-1").await.unwrap_err();
    let groups = async || {
        let mut all = store.directory_nas_all().await.unwrap();
        all.sort_by(|left, right| left.name.key().cmp(right.name.key()));
        let groups: Vec<_> = all.into_iter().map(|nas| nas.groups).collect();
        groups
    };
    assert_eq!(groups().await, [vec![north.id], vec![north.id, south.id]]);
    store
        .nas_group_take(TENANT, &name("north"), &name("pop-1"))
        .await
        .unwrap();
    store.nas_delete(TENANT, &name("pop-1")).await.unwrap();
    store
        .nas_group_delete(TENANT, &name("south"))
        .await
        .unwrap();
    assert_eq!(groups().await, [vec![north.id]]);
}

async fn loaded(store: &Store, user: &str) -> Subscriber {
    let page = store.directory_subscriber_page(None, 100).await.unwrap();
    let mut page = page.into_iter();
    page.find(|one| one.username.as_str() == user).unwrap()
}

async fn bindings_are_replaced_and_reach_the_directory(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    for user in ["ana", "ben"] {
        let new = new_subscriber(user, plan);
        store.subscriber_insert(new).await.unwrap();
    }
    let pop = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    store
        .nas_insert(new_nas("pop-2", "10.0.0.2"))
        .await
        .unwrap();
    let north = store.nas_group_insert(TENANT, name("North")).await.unwrap();
    let ana = username("ana");
    let bind = async |nas: &[&str], groups: &[&str]| {
        let names = |raw: &[&str]| raw.iter().map(|raw| name(raw)).collect();
        let binding = NewBinding {
            nas: names(nas),
            groups: names(groups),
        };
        store.subscriber_bind(TENANT, &ana, &binding).await
    };
    bind(&["pop-2"], &[]).await.unwrap();
    bind(&["pop-1", "pop-1"], &["north"]).await.unwrap();
    bind(&["pop-9"], &[]).await.unwrap_err();
    let expected = NasBinding {
        nas: vec![pop.id],
        groups: vec![north.id],
    };
    let known = loaded(&store, "ana").await;
    assert_eq!(known.bindings.nas.as_deref(), Some(&expected));
    let many = store.directory_subscribers(&[known.id]).await.unwrap();
    assert_eq!(many, [known]);
    assert_eq!(loaded(&store, "ben").await.bindings.nas, None);
    let refused = store.nas_group_delete(TENANT, &name("north")).await;
    assert!(
        matches!(refused, Err(StoreError::InUse { .. })),
        "{refused:?}"
    );
    // A router that is removed does not set anybody free.
    store.nas_delete(TENANT, &name("pop-1")).await.unwrap();
    let names = store.subscriber_binding_find(TENANT, &ana).await.unwrap();
    assert_eq!(
        (names.nas, names.groups),
        (vec!["pop-1".into()], vec!["North".into()])
    );
    assert!(loaded(&store, "ana").await.bindings.nas.is_some());
    bind(&[], &[]).await.unwrap();
    assert_eq!(loaded(&store, "ana").await.bindings.nas, None);
    let routers = vec!["pop-2"; NasBinding::ENTRIES_MAX + 1];
    let refused = bind(&routers, &[]).await;
    assert!(
        matches!(refused, Err(StoreError::TooMany { .. })),
        "{refused:?}"
    );
    bind(&["pop-2"], &["north"]).await.unwrap();
    store.subscriber_delete(TENANT, &ana).await.unwrap();
    store
        .nas_group_delete(TENANT, &name("north"))
        .await
        .unwrap();
}

async fn a_plan_keeps_how_it_ends(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let patch = PlanPatch {
        access: AccessPatch {
            grace_days: GraceDays::new(3),
            after_expiry: Some(AfterExpiry::Walled),
            device_limit: Some("2".parse().ok()),
            private_device_limit: Some("0".parse().ok()),
            ..AccessPatch::default()
        },
        ..PlanPatch::default()
    };
    let changed = store.plan_update(TENANT, &name("home 50"), patch).await;
    let access = changed.unwrap().terms.access;
    assert_eq!(access.grace_days.as_days(), 3);
    assert_eq!(access.after_expiry, AfterExpiry::Walled);
    let loaded = store.directory_plans(&[plan]).await.unwrap();
    assert_eq!(loaded[0].terms.access, access);
    // Grace is the plan's: it changes how subscribers stand.
    let mut ana = new_subscriber("ana", plan);
    ana.expires_at = Some(TestClock::START.plus_seconds(-60));
    store.subscriber_insert(ana).await.unwrap();
    let found = async || {
        let found = store.subscriber_find(TENANT, &username("ana")).await;
        found.unwrap().unwrap().state
    };
    assert_eq!(found().await, AccessState::Grace);
    let patch = PlanPatch {
        access: AccessPatch {
            grace_days: GraceDays::new(0),
            ..AccessPatch::default()
        },
        ..PlanPatch::default()
    };
    store
        .plan_update(TENANT, &name("home 50"), patch)
        .await
        .unwrap();
    assert_eq!(found().await, AccessState::Expired);
    let renewed = SubscriberPatch {
        expires_at: Some(Some(TestClock::START.plus_seconds(60))),
        ..SubscriberPatch::default()
    };
    let renewed = store
        .subscriber_update(TENANT, &username("ana"), renewed)
        .await;
    assert_eq!(renewed.unwrap().state, AccessState::Active);
}

async fn a_realm_belongs_to_one_tenant(database: Database) {
    let store = database.store().await;
    let name: RealmName = "isp.example".parse().unwrap();
    let insert = async |handling| store.realm_insert(TENANT, &name, handling).await;
    insert(RealmHandling::Keep).await.unwrap();
    let again = insert(RealmHandling::Strip).await;
    let is_expected = matches!(
        &again,
        Err(StoreError::Conflict {
            what: Resource::Realm,
            field: UniqueField::Name,
            ..
        })
    );
    assert!(is_expected, "{again:?}");
    let expected = Realm {
        tenant: TENANT,
        name: name.clone(),
        handling: RealmHandling::Keep,
    };
    let listed = store.realm_list(TENANT).await.unwrap();
    assert_eq!(listed.first(), Some(&expected));
    let policy = store.tenant_policy(TENANT).await.unwrap();
    assert_eq!(policy.realms, [expected]);
    store.realm_delete(TENANT, &name).await.unwrap();
    let gone = store.realm_delete(TENANT, &name).await;
    assert!(
        matches!(
            &gone,
            Err(StoreError::NotFound {
                what: Resource::Realm,
                ..
            })
        ),
        "{gone:?}"
    );
}
