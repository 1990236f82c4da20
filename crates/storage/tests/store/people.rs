//! Operators, their sessions, second factors and attempts to sign in.

use std::net::IpAddr;

use domain::id::{OperatorId, TenantId};
use domain::name::Name;
use domain::operator::OperatorStatus;
use domain::permission::{Role, Scopes};
use domain::secret::Secret;
use storage::error::{Resource, StoreError, UniqueField};
use storage::operator::attempt::Begun;
use storage::operator::second_factor::ProvenCode;
use storage::operator::session::{NewSession, Proof};
use storage::operator::{NewOperator, OperatorPatch, OperatorSummary, PasswordHash};
use storage::page::Page;
use storage::store::Store;
use storage::tenant::{NewTenant, TenantPatch};
use testkit::database::Database;

use crate::fixture::{TENANT, name};

testkit::test_on_both_databases!(
    operators_are_found_as_they_were_stored,
    a_name_is_unique_among_all_tenants,
    the_last_owner_stays,
    two_owners_cannot_disable_each_other,
    a_session_ends_when_it_is_idle_and_when_it_is_old,
    who_is_disabled_is_signed_out,
    another_password_ends_the_other_sessions,
    only_so_many_sessions_are_kept,
    attempts_are_counted_before_they_are_looked_at,
    attempts_at_once_are_counted_one_by_one,
    others_do_not_lock_an_operator_out_of_a_known_address,
    a_good_attempt_is_no_failure,
    codes_work_once,
    sessions_and_attempts_that_are_over_are_forgotten,
    secrets_are_sealed,
);

const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$kookaburra$hash";
const HOUR: i64 = 3_600;

fn new(raw_name: &str, role: Role) -> NewOperator {
    NewOperator {
        tenant: TENANT,
        name: name(raw_name),
        role: Some(role),
        scopes: Scopes::default(),
        password: PasswordHash {
            phc: Secret::from(PHC),
            is_one_time: false,
        },
    }
}

async fn owner(store: &Store, raw_name: &str) -> OperatorSummary {
    let made = store.operator_insert(new(raw_name, Role::Owner)).await;
    made.unwrap()
}

fn address(raw: &str) -> Option<IpAddr> {
    Some(raw.parse().unwrap())
}

async fn begin(store: &Store, raw_name: &str, from: &str) -> Begun {
    let name = name(raw_name);
    let candidate = store.operator_candidate(&name).await.unwrap();
    let begun = store.operator_attempt_begin(&name, candidate.as_ref(), address(from));
    begun.await.unwrap()
}

async fn sign_in(store: &Store, operator: OperatorId, token: u8, begun: &Begun) {
    let new = NewSession {
        operator,
        hash: [token; 32],
        address: "192.0.2.7".into(),
        agent: "a browser".into(),
        proof: Proof::Password,
    };
    store.operator_sign_in(new, begun).await.unwrap();
}

async fn is_signed_in(store: &Store, token: u8) -> bool {
    let found = store.operator_session_find(&[token; 32]).await.unwrap();
    found.is_some()
}

async fn operators_are_found_as_they_were_stored(database: Database) {
    let store = database.store().await;
    assert!(!store.operator_is_any().await.unwrap());
    let ana = owner(&store, "Ana").await;
    assert!(store.operator_is_any().await.unwrap());
    assert_eq!(
        store.operator_find(TENANT, &name("ana")).await.unwrap(),
        Some(ana.clone())
    );
    let ben = store
        .operator_insert(new("ben", Role::Support))
        .await
        .unwrap();
    let page: Page<Name> = Page::first(10);
    let listed = store.operator_list(TENANT, &page).await.unwrap();
    assert_eq!(listed, [ana, ben]);
    let patch = OperatorPatch {
        name: Some(name("Benno")),
        role: Some(None),
        scopes: Some("sessions:read".parse().unwrap()),
        ..OperatorPatch::default()
    };
    let changed = store.operator_update(TENANT, &name("ben"), patch).await;
    let changed = changed.unwrap();
    assert_eq!(
        (
            changed.name.as_str(),
            changed.role,
            changed.permitted().to_string()
        ),
        ("Benno", None, "sessions:read".to_owned())
    );
    store.operator_delete(TENANT, &name("benno")).await.unwrap();
    let gone = store.operator_delete(TENANT, &name("benno")).await;
    let is_gone = matches!(
        gone,
        Err(StoreError::NotFound {
            what: Resource::Operator,
            ..
        })
    );
    assert!(is_gone, "{gone:?}");
}

async fn a_name_is_unique_among_all_tenants(database: Database) {
    let store = database.store().await;
    owner(&store, "ana").await;
    let hills = NewTenant {
        name: name("hills"),
        time_zone: Default::default(),
    };
    let hills = store.tenant_insert(&hills).await.unwrap();
    let again = NewOperator {
        tenant: hills.id,
        ..new("ANA", Role::Owner)
    };
    let refused = store.operator_insert(again).await;
    let is_taken = matches!(
        refused,
        Err(StoreError::Conflict {
            field: UniqueField::Name,
            ..
        })
    );
    assert!(is_taken, "{refused:?}");
    // Nobody of another tenant is found by a name.
    let found = store.operator_find(hills.id, &name("ana")).await.unwrap();
    assert_eq!(found, None);
}

async fn the_last_owner_stays(database: Database) {
    let store = database.store().await;
    owner(&store, "ana").await;
    store
        .operator_insert(new("ben", Role::Admin))
        .await
        .unwrap();
    let is_last = |outcome: Result<(), StoreError>| {
        assert!(
            matches!(outcome, Err(StoreError::LastOwner { .. })),
            "{outcome:?}"
        );
    };
    let set = async |patch: OperatorPatch| {
        let changed = store.operator_update(TENANT, &name("ana"), patch).await;
        changed.map(drop)
    };
    let disabled = OperatorPatch {
        status: Some(OperatorStatus::Disabled),
        ..OperatorPatch::default()
    };
    let demoted = OperatorPatch {
        role: Some(Some(Role::Admin)),
        ..OperatorPatch::default()
    };
    is_last(set(disabled.clone()).await);
    is_last(set(demoted).await);
    is_last(store.operator_delete(TENANT, &name("ana")).await);
    owner(&store, "cay").await;
    set(disabled).await.unwrap();
    is_last(store.operator_delete(TENANT, &name("cay")).await);
    store.operator_delete(TENANT, &name("ana")).await.unwrap();
}

async fn two_owners_cannot_disable_each_other(database: Database) {
    let (one, other) = (database.store().await, database.store().await);
    owner(&one, "ana").await;
    owner(&one, "ben").await;
    let disabled = || OperatorPatch {
        status: Some(OperatorStatus::Disabled),
        ..OperatorPatch::default()
    };
    let (ana, ben) = (name("ana"), name("ben"));
    let outcomes = tokio::join!(
        one.operator_update(TENANT, &ana, disabled()),
        other.operator_update(TENANT, &ben, disabled()),
    );
    let done = [outcomes.0.is_ok(), outcomes.1.is_ok()];
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
}

async fn a_session_ends_when_it_is_idle_and_when_it_is_old(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    let begun = begin(&store, "ana", "192.0.2.7").await;
    sign_in(&store, ana.id, 1, &begun).await;
    let found = store
        .operator_session_find(&[1; 32])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.operator.signed_in_from.as_deref(), Some("192.0.2.7"));
    // Used every eleven hours it goes on, for a week.
    for _ in 0..15 {
        database.clock().advance_seconds(11 * HOUR);
        let found = store.operator_session_find(&[1; 32]).await.unwrap();
        let session = found.unwrap().session;
        store.operator_session_seen(&session).await.unwrap();
    }
    database.clock().advance_seconds(3 * HOUR);
    assert!(!is_signed_in(&store, 1).await);
    let begun = begin(&store, "ana", "192.0.2.7").await;
    sign_in(&store, ana.id, 2, &begun).await;
    database.clock().advance_seconds(12 * HOUR);
    assert!(!is_signed_in(&store, 2).await);
    let listed = store.operator_session_list(TENANT, &name("ana")).await;
    assert_eq!(listed.unwrap(), []);
}

async fn who_is_disabled_is_signed_out(database: Database) {
    let store = database.store().await;
    owner(&store, "ana").await;
    let hills = NewTenant {
        name: name("hills"),
        time_zone: Default::default(),
    };
    let hills = store.tenant_insert(&hills).await.unwrap();
    let ben = NewOperator {
        tenant: hills.id,
        ..new("ben", Role::Support)
    };
    let ben = store.operator_insert(ben).await.unwrap();
    let begun = begin(&store, "ben", "192.0.2.7").await;
    sign_in(&store, ben.id, 1, &begun).await;
    assert!(is_signed_in(&store, 1).await);
    // A tenant that is disabled shuts its operators out, and lets them in again.
    let set = async |is_disabled: bool| {
        let patch = TenantPatch {
            is_disabled: Some(is_disabled),
            ..TenantPatch::default()
        };
        store.tenant_update(hills.id, &patch).await.unwrap();
    };
    set(true).await;
    assert!(!is_signed_in(&store, 1).await);
    assert!(
        store
            .operator_candidate(&name("ben"))
            .await
            .unwrap()
            .is_none()
    );
    set(false).await;
    assert!(is_signed_in(&store, 1).await);
    // Who is disabled has lost the session for good.
    for status in [OperatorStatus::Disabled, OperatorStatus::Active] {
        let patch = OperatorPatch {
            status: Some(status),
            ..OperatorPatch::default()
        };
        store
            .operator_update(hills.id, &name("ben"), patch)
            .await
            .unwrap();
        assert!(!is_signed_in(&store, 1).await);
    }
    let house = TenantPatch {
        is_disabled: Some(true),
        ..TenantPatch::default()
    };
    let refused = store.tenant_update(TenantId::DEFAULT, &house).await;
    assert!(
        matches!(refused, Err(StoreError::HouseTenant)),
        "{refused:?}"
    );
}

async fn another_password_ends_the_other_sessions(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    for token in [1, 2] {
        let begun = begin(&store, "ana", "192.0.2.7").await;
        sign_in(&store, ana.id, token, &begun).await;
    }
    let kept = store
        .operator_session_find(&[2; 32])
        .await
        .unwrap()
        .unwrap();
    let password = PasswordHash {
        phc: Secret::from("$argon2id$another"),
        is_one_time: true,
    };
    database.clock().advance_seconds(1);
    let changed = store
        .operator_set_password(TENANT, &name("ana"), &password, Some(kept.session.id))
        .await
        .unwrap();
    assert!(changed.must_change_password && ana.password_set_at < changed.password_set_at);
    assert!(!is_signed_in(&store, 1).await);
    assert!(is_signed_in(&store, 2).await);
    let candidate = store
        .operator_candidate(&name("ana"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(candidate.password, password.phc);
}

async fn only_so_many_sessions_are_kept(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    for token in 0..25 {
        let begun = begin(&store, "ana", "192.0.2.7").await;
        sign_in(&store, ana.id, token, &begun).await;
        database.clock().advance_seconds(1);
    }
    assert!(!is_signed_in(&store, 4).await);
    assert!(is_signed_in(&store, 5).await);
    let listed = store
        .operator_session_list(TENANT, &name("ana"))
        .await
        .unwrap();
    assert_eq!(listed.len(), 20);
    let ended = store
        .operator_session_end(TENANT, &name("ana"), Some(listed[0].id))
        .await;
    assert_eq!(ended.unwrap(), 1);
    assert!(!is_signed_in(&store, 24).await);
    let ended = store.operator_session_end(TENANT, &name("ana"), None).await;
    assert_eq!(ended.unwrap(), 19);
}

async fn attempts_are_counted_before_they_are_looked_at(database: Database) {
    let store = database.store().await;
    owner(&store, "ana").await;
    for raw_name in ["ana", "nobody"] {
        for attempt in 0..5 {
            let begun = begin(&store, raw_name, &format!("192.0.2.{attempt}")).await;
            assert!(!begun.is_refused, "{raw_name} {attempt}");
        }
        assert!(begin(&store, raw_name, "192.0.2.9").await.is_refused);
    }
    database.clock().advance_seconds(30);
    assert!(!begin(&store, "ana", "192.0.2.9").await.is_refused);
    assert!(begin(&store, "ana", "192.0.2.9").await.is_refused);
    database.clock().advance_seconds(59);
    assert!(begin(&store, "ana", "192.0.2.9").await.is_refused);
    database.clock().advance_seconds(1);
    assert!(!begin(&store, "ana", "192.0.2.9").await.is_refused);
    // One address tries many names.
    for attempt in 0..20 {
        let begun = begin(&store, &format!("somebody-{attempt}"), "198.51.100.7").await;
        assert!(!begun.is_refused, "{attempt}");
    }
    assert!(
        begin(&store, "somebody-else", "198.51.100.7")
            .await
            .is_refused
    );
    assert!(
        !begin(&store, "somebody-else", "198.51.100.8")
            .await
            .is_refused
    );
}

async fn attempts_at_once_are_counted_one_by_one(database: Database) {
    let store = database.store().await;
    owner(&store, "ana").await;
    let mut attempts = tokio::task::JoinSet::new();
    for attempt in 0..12 {
        let store = store.clone();
        attempts.spawn(async move { begin(&store, "ana", &format!("192.0.2.{attempt}")).await });
    }
    let begun = attempts.join_all().await;
    let looked_at = begun.iter().filter(|begun| !begun.is_refused).count();
    assert_eq!(looked_at, 5);
}

async fn others_do_not_lock_an_operator_out_of_a_known_address(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    let begun = begin(&store, "ana", "192.0.2.7").await;
    sign_in(&store, ana.id, 1, &begun).await;
    for _ in 0..6 {
        begin(&store, "ana", "203.0.113.1").await;
    }
    assert!(begin(&store, "ana", "203.0.113.2").await.is_refused);
    assert!(!begin(&store, "ana", "192.0.2.7").await.is_refused);
}

async fn a_good_attempt_is_no_failure(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    for token in 0..30 {
        let begun = begin(&store, "ana", "192.0.2.7").await;
        assert!(!begun.is_refused, "{token}");
        sign_in(&store, ana.id, token, &begun).await;
    }
    // What proves nothing takes itself back, and nothing else.
    for _ in 0..4 {
        begin(&store, "ana", "192.0.2.8").await;
    }
    for _ in 0..3 {
        let begun = begin(&store, "ana", "192.0.2.8").await;
        store.operator_attempt_withdraw(&begun).await.unwrap();
    }
    assert!(!begin(&store, "ana", "192.0.2.8").await.is_refused);
    assert!(begin(&store, "ana", "192.0.2.8").await.is_refused);
}

async fn codes_work_once(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    let ana_name = name("ana");
    let secret = Secret::from("12345678901234567890");
    let confirm = async || {
        let hashes = [[1; 32], [2; 32]];
        store
            .operator_totp_confirm(TENANT, &ana_name, 7, &hashes)
            .await
    };
    let early = confirm().await;
    assert!(
        matches!(early, Err(StoreError::SecondFactor { .. })),
        "{early:?}"
    );
    store
        .operator_totp_propose(TENANT, &ana_name, &secret)
        .await
        .unwrap();
    let candidate = store.operator_candidate(&ana_name).await.unwrap().unwrap();
    assert_eq!(candidate.totp_secret, None, "it is not confirmed");
    assert!(confirm().await.unwrap().has_second_factor);
    let candidate = store.operator_candidate(&ana_name).await.unwrap().unwrap();
    assert_eq!(candidate.totp_secret, Some(secret.clone()));
    let again = store
        .operator_totp_propose(TENANT, &ana_name, &secret)
        .await;
    assert!(
        matches!(again, Err(StoreError::SecondFactor { .. })),
        "{again:?}"
    );
    let uses = async |code| store.operator_code_use(ana.id, code).await.unwrap();
    assert!(!uses(ProvenCode::Totp { step: 7 }).await, "it confirmed");
    assert!(uses(ProvenCode::Totp { step: 8 }).await);
    assert!(!uses(ProvenCode::Totp { step: 8 }).await);
    assert!(!uses(ProvenCode::Totp { step: 7 }).await);
    assert!(uses(ProvenCode::Recovery { hash: [1; 32] }).await);
    assert!(!uses(ProvenCode::Recovery { hash: [1; 32] }).await);
    assert!(!uses(ProvenCode::Recovery { hash: [3; 32] }).await);
    assert_eq!(store.operator_recovery_left(ana.id).await.unwrap(), 1);
    let renewed = store.operator_recovery_replace(TENANT, &ana_name, &[[4; 32]]);
    renewed.await.unwrap();
    assert!(!uses(ProvenCode::Recovery { hash: [2; 32] }).await);
    let cleared = store
        .operator_totp_clear(TENANT, &ana_name, None)
        .await
        .unwrap();
    assert!(!cleared.has_second_factor);
    assert_eq!(store.operator_recovery_left(ana.id).await.unwrap(), 0);
}

async fn sessions_and_attempts_that_are_over_are_forgotten(database: Database) {
    let store = database.store().await;
    let ana = owner(&store, "ana").await;
    let begun = begin(&store, "ana", "192.0.2.7").await;
    sign_in(&store, ana.id, 1, &begun).await;
    begin(&store, "nobody", "192.0.2.8").await;
    assert_eq!(store.operator_session_forget(100).await.unwrap(), 0);
    assert_eq!(store.operator_attempt_forget(100).await.unwrap(), 0);
    database.clock().advance_seconds(13 * HOUR);
    assert_eq!(store.operator_session_forget(100).await.unwrap(), 1);
    let forgotten = store.operator_attempt_forget(100).await.unwrap();
    assert!(2 <= forgotten, "{forgotten}");
    let left = database
        .number("SELECT COUNT(*) FROM sign_in_attempt")
        .await;
    assert_eq!(left, 0);
}

async fn secrets_are_sealed(database: Database) {
    let store = database.store().await;
    owner(&store, "ana").await;
    let secret = Secret::from("kookaburra-totp-secret");
    store
        .operator_totp_propose(TENANT, &name("ana"), &secret)
        .await
        .unwrap();
    let candidate = store.operator_candidate(&name("ana")).await.unwrap();
    assert!(!format!("{candidate:?}").contains("kookaburra"));
    let stored = database.dump();
    assert!(!stored.windows(10).any(|octets| octets == b"kookaburra"));
}
