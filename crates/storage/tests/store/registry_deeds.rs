//! What was done to the registry, as the audit log and versions keep it; changes made later, once.

use domain::actor::Actor;
use domain::deed::Action;
use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::id::TenantId;
use domain::message::Language;
use domain::plan::SessionLimit;
use domain::plan::change::ChangeState;
use domain::realm::RealmHandling;
use domain::secret::Secret;
use domain::subscriber::state::AccessState;
use domain::tenant::RowObedience;
use storage::act::Act;
use storage::audit::{AuditEntry, AuditFilter};
use storage::error::{Resource, StoreError};
use storage::guard::GuardFilter;
use storage::nas::NasPatch;
use storage::page::Page;
use storage::plan::schedule::{NewPlanChange, PlanChange, PlanChangeFilter};
use storage::plan::{AccessPatch, PlanPatch};
use storage::rows::{AttributeRow, GroupRows, UserRows};
use storage::store::Store;
use testkit::database::{Database, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, name, new_nas, new_plan};

testkit::test_on_both_databases!(
    every_change_of_the_policy_has_its_line,
    a_secret_is_in_no_line,
    rows_of_a_name_are_replaced_and_hidden,
    old_versions_are_forgotten,
    a_version_with_a_garden_that_is_gone_is_refused,
    a_scheduled_change_is_made_once_by_several_nodes,
    what_cannot_be_made_has_failed_and_holds_up_nobody,
    a_change_that_is_cancelled_is_not_made,
    a_plan_has_so_many_changes_ahead_at_most,
);

async fn lines(store: &Store) -> Vec<AuditEntry> {
    let page = Page::first(1_000);
    let filter = AuditFilter::default();
    let mut lines = store.audit_list(TENANT, &filter, &page).await.unwrap();
    lines.reverse();
    lines
}

fn told(lines: &[AuditEntry]) -> Vec<String> {
    let told = lines.iter().map(|line| {
        let AuditEntry {
            resource,
            action,
            resource_name,
            ..
        } = line;
        format!("{resource}.{action} {resource_name}")
    });
    told.collect()
}

fn row(attribute: &str, value: &str) -> AttributeRow {
    AttributeRow {
        id: 1,
        attribute: attribute.to_owned(),
        op: ":=".to_owned(),
        value: value.to_owned(),
    }
}

fn user(name: &str, check: Vec<AttributeRow>) -> UserRows {
    UserRows {
        name: name.to_owned(),
        check,
        reply: Vec::new(),
        groups: Vec::new(),
    }
}

async fn every_change_of_the_policy_has_its_line(database: Database) {
    let store = database.store().await;
    let (english, expired) = (Language::default(), AccessState::Expired);
    let template = "{plan} is over".parse().unwrap();
    let again = "{plan} has ended".parse().unwrap();
    store
        .message_set(TENANT, expired, &english, &template)
        .await
        .unwrap();
    store
        .message_set(TENANT, expired, &english, &again)
        .await
        .unwrap();
    store
        .message_clear(TENANT, expired, &english)
        .await
        .unwrap();
    let swahili = "sw".parse().unwrap();
    store.tenant_set_language(TENANT, &swahili).await.unwrap();
    store
        .tenant_set_rows(TENANT, RowObedience::Strict)
        .await
        .unwrap();
    let zone = "Africa/Nairobi".parse().unwrap();
    store.tenant_set_zone(TENANT, &zone).await.unwrap();
    let realm = "isp.example".parse().unwrap();
    store
        .realm_insert(TENANT, &realm, RealmHandling::Keep)
        .await
        .unwrap();
    store.realm_delete(TENANT, &realm).await.unwrap();
    let lock = GuardLock {
        key: GuardKey {
            subject: GuardSubject::User,
            name: "ana".into(),
        },
        since: TestClock::START,
        until: TestClock::START.plus_seconds(60),
        strikes: 3,
    };
    store.guard_exchange(&[], &[lock]).await.unwrap();
    store.guard_clear(&GuardFilter::default()).await.unwrap();
    // There is nobody left to let go.
    store.guard_clear(&GuardFilter::default()).await.unwrap();
    store
        .row_import_users(&[user("ana", vec![row("A", "b")])])
        .await
        .unwrap();
    let group = GroupRows {
        name: "gold".to_owned(),
        check: Vec::new(),
        reply: vec![row("A", "b")],
    };
    store.row_import_groups(&[group]).await.unwrap();
    let lines = lines(&store).await;
    let tenant = &lines[3].resource_name;
    assert_eq!(
        told(&lines),
        [
            "message.created expired in en".to_owned(),
            "message.changed expired in en".to_owned(),
            "message.removed expired in en".to_owned(),
            format!("tenant.changed {tenant}"),
            format!("tenant.changed {tenant}"),
            format!("tenant.changed {tenant}"),
            "realm.created isp.example".to_owned(),
            "realm.removed isp.example".to_owned(),
            "guard_lock.removed all".to_owned(),
            "row_user.imported 1 names".to_owned(),
            "row_group.imported 1 names".to_owned(),
        ]
    );
    let (language, zone) = (
        lines[3].after.as_ref().unwrap(),
        lines[5].after.as_ref().unwrap(),
    );
    assert_eq!(
        (&language["language"], &zone["time_zone"]),
        (&"sw".into(), &"Africa/Nairobi".into())
    );
    assert_eq!(
        lines[1].before.as_ref().unwrap()["template"],
        "{plan} is over"
    );
}

async fn a_secret_is_in_no_line(database: Database) {
    let store = database.store().await;
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let patch = NasPatch {
        secret: Some(Secret::from("another secret")),
        ..NasPatch::default()
    };
    store
        .nas_update(TENANT, &name("pop-1"), patch)
        .await
        .unwrap();
    store.nas_delete(TENANT, &name("pop-1")).await.unwrap();
    let lines = lines(&store).await;
    assert_eq!(
        told(&lines),
        [
            "nas.created pop-1",
            "nas.changed pop-1",
            "nas.removed pop-1"
        ]
    );
    assert_eq!(lines[1].after.as_ref().unwrap()["secret"], "changed");
    let text = format!("{lines:?}");
    assert!(
        !text.contains("another secret") && !text.contains("nas-secret"),
        "{text}"
    );
}

async fn rows_of_a_name_are_replaced_and_hidden(database: Database) {
    let store = database.store().await;
    let is_secret = |attribute: &str| attribute.ends_with("Password");
    let first = user(
        "ana",
        vec![row("Cleartext-Password", "correct horse"), row("A", "b")],
    );
    store.row_user_replace(&first, &is_secret).await.unwrap();
    let second = user("ana", vec![row("A", "c")]);
    let stored = store.row_user_replace(&second, &is_secret).await.unwrap();
    assert_eq!(
        (stored.check.len(), stored.check[0].value.as_str()),
        (1, "c")
    );
    assert_eq!(store.row_users(&["ana"]).await.unwrap(), [stored]);
    store.row_user_delete("ana", &is_secret).await.unwrap();
    let absent = store.row_user_delete("ana", &is_secret).await;
    assert!(matches!(
        absent,
        Err(StoreError::NotFound {
            what: Resource::RowUser,
            ..
        })
    ));
    let lines = lines(&store).await;
    assert_eq!(
        told(&lines),
        [
            "row_user.created ana",
            "row_user.changed ana",
            "row_user.removed ana"
        ]
    );
    let seen = lines[0].after.as_ref().unwrap();
    assert_eq!(seen["check"][0], "Cleartext-Password := (hidden)");
    assert_eq!(seen["check"][1], "A := b");
}

async fn old_versions_are_forgotten(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("home")).await.unwrap();
    // As if it had been changed often.
    database
        .execute("UPDATE plan_version SET number = 1000")
        .await;
    for limit in [1, 2] {
        let patch = PlanPatch {
            session_limit: Some(SessionLimit::new(limit).ok()),
            ..PlanPatch::default()
        };
        store
            .plan_update(TENANT, &name("home"), patch)
            .await
            .unwrap();
    }
    let page = Page::first(10);
    let versions = store
        .plan_version_list(TENANT, plan.id, &page)
        .await
        .unwrap();
    let numbers: Vec<i64> = versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [1_002, 1_001, 1_000]);
    database
        .execute("UPDATE plan_version SET number = 2 WHERE number = 1000")
        .await;
    let patch = PlanPatch {
        session_limit: Some(None),
        ..PlanPatch::default()
    };
    store
        .plan_update(TENANT, &name("home"), patch)
        .await
        .unwrap();
    let versions = store
        .plan_version_list(TENANT, plan.id, &page)
        .await
        .unwrap();
    assert_eq!(versions.last().unwrap().number, 1_001);
    store.plan_delete(TENANT, &name("home")).await.unwrap();
    assert_eq!(
        database.number("SELECT COUNT(*) FROM plan_version").await,
        0
    );
}

async fn a_version_with_a_garden_that_is_gone_is_refused(database: Database) {
    let store = database.store().await;
    let terms = domain::garden::GardenTerms {
        pool: "walled".parse().ok(),
        address_list: None,
        rate: None,
        redirect: None,
        session_timeout_seconds: domain::plan::TimeoutSeconds::new(300).unwrap(),
    };
    let garden = store
        .garden_insert(TENANT, name("walled"), terms)
        .await
        .unwrap();
    let plan = store.plan_insert(new_plan("home")).await.unwrap();
    for garden in [Some(garden.id), None] {
        let patch = PlanPatch {
            access: AccessPatch {
                garden: Some(garden),
                ..AccessPatch::default()
            },
            ..PlanPatch::default()
        };
        store.plan_update(TENANT, &plan.name, patch).await.unwrap();
    }
    store.garden_delete(TENANT, &name("walled")).await.unwrap();
    let refused = store.plan_revert(TENANT, &plan.name, 2, None).await;
    assert!(matches!(
        refused,
        Err(StoreError::NotFound {
            what: Resource::Garden,
            ..
        })
    ));
    let page = Page::first(10);
    let versions = store
        .plan_version_list(TENANT, plan.id, &page)
        .await
        .unwrap();
    assert_eq!(versions.len(), 3);
}

fn later(seconds: i64, patch: PlanPatch) -> NewPlanChange {
    NewPlanChange {
        due_at: TestClock::START.plus_seconds(seconds),
        patch,
    }
}

fn limit(sessions: u16) -> PlanPatch {
    PlanPatch {
        session_limit: Some(SessionLimit::new(sessions).ok()),
        ..PlanPatch::default()
    }
}

async fn changes(store: &Store, state: ChangeState) -> Vec<PlanChange> {
    let filter = PlanChangeFilter {
        plan: None,
        state: Some(state),
    };
    let page = Page::first(100);
    store.plan_change_list(TENANT, filter, &page).await.unwrap()
}

/// Makes what is due, and says how many changes this node made.
async fn make_due(store: Store) -> usize {
    let mut made = 0;
    while let Some(change) = store.plan_change_run().await.unwrap() {
        assert_eq!(change.state, ChangeState::Applied);
        made += 1;
    }
    made
}

async fn a_scheduled_change_is_made_once_by_several_nodes(database: Database) {
    let (here, there) = (database.store().await, database.store().await);
    let plan = here.plan_insert(new_plan("home")).await.unwrap();
    let ana = here.acting(Act::of(Actor::command_line("ana")));
    for sessions in 1..=20 {
        let new = later(i64::from(sessions), limit(sessions));
        ana.plan_change_insert(TENANT, &plan.name, new)
            .await
            .unwrap();
    }
    assert_eq!(make_due(here.clone()).await, 0);
    // The program was off when their time came.
    database.clock().advance_seconds(3_600);
    let mut nodes = JoinSet::new();
    for store in [&here, &there] {
        nodes.spawn(make_due(store.clone()));
    }
    let made = nodes.join_all().await;
    // Who came second to one may have left others to the next look.
    let rest = make_due(here.clone()).await;
    assert_eq!(made.iter().sum::<usize>() + rest, 20);
    assert_eq!(changes(&here, ChangeState::Applied).await.len(), 20);
    let found = here.plan_find(TENANT, &plan.name).await.unwrap().unwrap();
    assert_eq!(found.terms.session_limit, SessionLimit::new(20).ok());
    let page = Page::first(100);
    let versions = here
        .plan_version_list(TENANT, plan.id, &page)
        .await
        .unwrap();
    assert_eq!(versions.len(), 21);
    let limits: Vec<_> = versions
        .iter()
        .rev()
        .skip(1)
        .map(|version| {
            let limit = version.plan.terms.session_limit;
            limit.map_or(0, SessionLimit::as_sessions)
        })
        .collect();
    assert_eq!(limits, (1..=20).collect::<Vec<_>>());
    let actor = &versions[0].actor;
    assert_eq!(
        actor.to_string(),
        "system schedule of command line, user ana"
    );
    let lines = lines(&here).await;
    let applied = lines
        .iter()
        .filter(|line| line.resource == "plan_change" && line.action == Action::Changed.as_str());
    assert_eq!(applied.count(), 20);
}

async fn what_cannot_be_made_has_failed_and_holds_up_nobody(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("home")).await.unwrap();
    let rename = PlanPatch {
        name: Some(name("taken")),
        ..limit(1)
    };
    for new in [later(1, rename), later(2, limit(2))] {
        store
            .plan_change_insert(TENANT, &plan.name, new)
            .await
            .unwrap();
    }
    store.plan_insert(new_plan("Taken")).await.unwrap();
    database.clock().advance_seconds(10);
    let failed = store.plan_change_run().await.unwrap().unwrap();
    assert_eq!(failed.state, ChangeState::Failed);
    assert!(
        failed
            .error
            .unwrap()
            .contains("another plan has the same name")
    );
    let made = store.plan_change_run().await.unwrap().unwrap();
    assert_eq!(made.state, ChangeState::Applied);
    assert!(store.plan_change_run().await.unwrap().is_none());
    let found = store.plan_find(TENANT, &plan.name).await.unwrap().unwrap();
    assert_eq!(found.terms.session_limit, SessionLimit::new(2).ok());
    assert_eq!(changes(&store, ChangeState::Failed).await[0].id, failed.id);
}

async fn a_change_that_is_cancelled_is_not_made(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("home")).await.unwrap();
    let change = store
        .plan_change_insert(TENANT, &plan.name, later(1, limit(1)))
        .await
        .unwrap();
    let other = TenantId::from_bytes([9; 16]);
    let absent = store.plan_change_cancel(other, change.id).await;
    assert!(matches!(absent, Err(StoreError::NotFound { .. })));
    let rehearsed = store
        .rehearsal()
        .plan_change_cancel(TENANT, change.id)
        .await;
    assert_eq!(rehearsed.unwrap().state, ChangeState::Cancelled);
    store.plan_change_cancel(TENANT, change.id).await.unwrap();
    let again = store.plan_change_cancel(TENANT, change.id).await;
    assert!(matches!(
        again,
        Err(StoreError::WrongState {
            state: "cancelled",
            ..
        })
    ));
    database.clock().advance_seconds(10);
    assert!(store.plan_change_run().await.unwrap().is_none());
    let found = store.plan_find(TENANT, &plan.name).await.unwrap().unwrap();
    assert_eq!(found.terms.session_limit, None);
}

async fn a_plan_has_so_many_changes_ahead_at_most(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("home")).await.unwrap();
    for _ in 0..storage::plan::schedule::PENDING_MAX {
        store
            .plan_change_insert(TENANT, &plan.name, later(1, limit(1)))
            .await
            .unwrap();
    }
    let one_more = store
        .plan_change_insert(TENANT, &plan.name, later(1, limit(1)))
        .await;
    assert!(matches!(one_more, Err(StoreError::TooMany { .. })));
    store.plan_delete(TENANT, &plan.name).await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM plan_change").await, 0);
}
