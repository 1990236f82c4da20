//! The audit log: whoever alters it in the database is found out, and nodes keep one chain.

use domain::actor::{Actor, ActorKind};
use domain::deed::Action;
use domain::secret::Secret;
use storage::act::Act;
use storage::audit::{AuditFilter, Verified};
use storage::error::{Resource, StoreError};
use storage::nas::NasPatch;
use storage::page::Page;
use storage::secret::SecretOf;
use storage::store::Store;
use testkit::database::{Database, DatabaseKind, TestClock};

use crate::fixture::{TENANT, any_plan, name, new_nas, new_subscriber, username};

testkit::test_on_both_databases!(
    a_log_as_it_was_written_is_whole,
    a_line_that_was_altered_is_found,
    a_line_that_was_removed_is_found,
    a_line_that_was_inserted_is_found,
    a_log_that_was_cut_off_is_found,
    nodes_that_write_at_once_keep_one_chain,
    lines_are_found_by_what_they_say,
    a_secret_is_shown_with_a_line_that_does_not_hold_it,
);

const LINES: i64 = 6;

async fn write_lines(store: &Store) {
    for index in 0..LINES {
        let group = name(&format!("group-{index}"));
        store.nas_group_insert(TENANT, group).await.unwrap();
    }
}

/// The first line that is broken after this SQL.
async fn broken_after(database: &Database, sql: &str) -> Verified {
    let store = database.store().await;
    write_lines(&store).await;
    database.execute(sql).await;
    store.audit_verify(TENANT).await.unwrap()
}

#[track_caller]
fn check(verified: Verified, line: i64) {
    assert_eq!((verified.lines, verified.broken_at), (line - 1, Some(line)));
}

async fn a_log_as_it_was_written_is_whole(database: Database) {
    let verified = broken_after(&database, "SELECT 1").await;
    assert_eq!((verified.lines, verified.broken_at), (LINES, None));
}

async fn a_line_that_was_altered_is_found(database: Database) {
    let store = database.store().await;
    write_lines(&store).await;
    // From the end on, so that the first broken line is always the one that was altered last.
    for (line, column, value) in [
        (5, "resource_name", "'another'"),
        (4, "after", "NULL"),
        (3, "actor_name", "'nobody'"),
        (2, "at", "at + 1"),
        (1, "action", "'removed'"),
    ] {
        let sql = format!("UPDATE audit SET {column} = {value} WHERE seq = {line}");
        database.execute(&sql).await;
        check(store.audit_verify(TENANT).await.unwrap(), line);
    }
}

async fn a_line_that_was_removed_is_found(database: Database) {
    let sql = "DELETE FROM audit WHERE seq = 3";
    check(broken_after(&database, sql).await, 3);
}

async fn a_line_that_was_inserted_is_found(database: Database) {
    let sql = "UPDATE audit SET seq = seq + 100 WHERE 3 <= seq; \
        UPDATE audit SET seq = seq - 99 WHERE 100 < seq; \
        INSERT INTO audit (tenant, seq, at, actor_kind, actor_name, action, resource, \
        resource_name, hash) SELECT tenant, 3, at, actor_kind, actor_name, action, resource, \
        resource_name, hash FROM audit WHERE seq = 2; \
        UPDATE tenant_log SET audit_seq = audit_seq + 1";
    check(broken_after(&database, sql).await, 3);
}

async fn a_log_that_was_cut_off_is_found(database: Database) {
    let sql = "DELETE FROM audit WHERE 4 < seq";
    check(broken_after(&database, sql).await, 5);
    // Also when what counts the lines says so.
    let verified = {
        let sql = "UPDATE tenant_log SET audit_seq = 4";
        database.execute(sql).await;
        database.store().await.audit_verify(TENANT).await.unwrap()
    };
    assert!(verified.broken_at.is_some(), "{verified:?}");
}

async fn nodes_that_write_at_once_keep_one_chain(database: Database) {
    let mut nodes = tokio::task::JoinSet::new();
    for node in 0..3 {
        let store = database.store().await;
        nodes.spawn(async move {
            for index in 0..10 {
                let group = name(&format!("group-{node}-{index}"));
                store.nas_group_insert(TENANT, group).await.unwrap();
            }
        });
    }
    nodes.join_all().await;
    let store = database.store().await;
    let verified = store.audit_verify(TENANT).await.unwrap();
    assert_eq!((verified.lines, verified.broken_at), (30, None));
    let events = store.event_list(TENANT, &Page::first(100)).await.unwrap();
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
}

async fn lines_are_found_by_what_they_say(database: Database) {
    let store = database.store().await;
    write_lines(&store).await;
    database.clock().advance_seconds(60);
    let id = "0193f7a0-0000-7000-8000-00000000000a".parse().unwrap();
    let ana = Actor {
        kind: ActorKind::Operator,
        id: Some(id),
        name: "ana".into(),
    };
    let hers = store.acting(Act::of(ana));
    hers.nas_group_delete(TENANT, &name("group-0"))
        .await
        .unwrap();
    let found = async |filter: AuditFilter| {
        let lines = store.audit_list(TENANT, &filter, &Page::first(100)).await;
        let lines = lines.unwrap();
        lines.iter().map(|line| line.seq).collect::<Vec<_>>()
    };
    let all = AuditFilter::default();
    assert_eq!(found(all.clone()).await, [7, 6, 5, 4, 3, 2, 1]);
    let by_ana = AuditFilter {
        actor_id: Some(id),
        ..all.clone()
    };
    assert_eq!(found(by_ana).await, [7]);
    let kind = Some(ActorKind::Operator);
    assert_eq!(
        found(AuditFilter {
            actor_kind: kind,
            ..all.clone()
        })
        .await,
        [7]
    );
    let action = Some(Action::Removed);
    assert_eq!(
        found(AuditFilter {
            action,
            ..all.clone()
        })
        .await,
        [7]
    );
    let resource = Some("plan".to_owned());
    assert_eq!(
        found(AuditFilter {
            resource,
            ..all.clone()
        })
        .await,
        [0_i64; 0]
    );
    let since = Some(TestClock::START.plus_seconds(1));
    assert_eq!(
        found(AuditFilter {
            since,
            ..all.clone()
        })
        .await,
        [7]
    );
    let until = since;
    assert_eq!(
        found(AuditFilter { until, ..all }).await,
        [6, 5, 4, 3, 2, 1]
    );
}

/// With few rows PostgreSQL rightly scans, so this is asked of SQLite, which refuses a query that the
/// named index does not serve.
#[tokio::test]
async fn filters_scan_no_table() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    for (condition, index) in [
        ("action = 'removed'", "audit_by_action"),
        ("actor_kind = 'system'", "audit_by_actor_kind"),
        ("actor_id = X'00'", "audit_by_actor"),
        (
            "resource = 'plan' AND resource_id = X'00'",
            "audit_by_resource",
        ),
    ] {
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT seq FROM audit INDEXED BY {index} \
            WHERE tenant = X'00' AND {condition} ORDER BY seq DESC LIMIT 10)"
        );
        assert_eq!(database.number(&sql).await, 0, "{condition}");
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_secret_is_shown_with_a_line_that_does_not_hold_it(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    store
        .subscriber_insert(new_subscriber("ana", plan))
        .await
        .unwrap();
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let patch = NasPatch {
        secret: Some(Secret::from("kookaburra-secret")),
        ..NasPatch::default()
    };
    store
        .nas_update(TENANT, &name("pop-1"), patch)
        .await
        .unwrap();
    let of_nas = SecretOf::Nas(name("pop-1"));
    let shown = store
        .secret_reveal(TENANT, &of_nas, "a new router")
        .await
        .unwrap();
    assert_eq!(shown.secret, Some(Secret::from("kookaburra-secret")));
    let of_ana = SecretOf::Subscriber(username("ana"));
    let shown = store
        .secret_reveal(TENANT, &of_ana, "she forgot it")
        .await
        .unwrap();
    assert_eq!(shown.secret, Some(Secret::from("correct horse")));
    // A rehearsal leaves no line, so it shows nothing.
    let rehearsal = store.rehearsal();
    let shown = rehearsal
        .secret_reveal(TENANT, &of_ana, "curiosity")
        .await
        .unwrap();
    assert_eq!(shown.secret, None);
    let of_nobody = SecretOf::Nas(name("pop-2"));
    let absent = store.secret_reveal(TENANT, &of_nobody, "why").await;
    let is_absent = matches!(
        absent,
        Err(StoreError::NotFound {
            what: Resource::Nas,
            ..
        })
    );
    assert!(is_absent, "{absent:?}");
    let filter = AuditFilter {
        action: Some(Action::Revealed),
        ..AuditFilter::default()
    };
    let lines = store
        .audit_list(TENANT, &filter, &Page::first(10))
        .await
        .unwrap();
    let reasons: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.resource.as_str(),
                line.after.as_ref().unwrap()["reason"].as_str(),
            )
        })
        .collect();
    let expected = [
        ("subscriber", Some("she forgot it")),
        ("nas", Some("a new router")),
    ];
    assert_eq!(reasons, expected);
    let stored = database.dump();
    assert!(
        !stored
            .windows(17)
            .any(|octets| octets == b"kookaburra-secret")
    );
}
