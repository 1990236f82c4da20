//! What holds for every request: who may, once only, only if unchanged, and only as a rehearsal.

use domain::id::TenantId;
use serde_json::json;
use storage::page::Page;
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    nobody_without_a_good_token_gets_in,
    a_scope_permits_what_it_names_and_no_more,
    the_same_key_is_carried_out_once,
    a_rehearsal_changes_nothing,
    a_change_of_what_was_changed_meanwhile_is_refused,
    every_change_has_its_line_and_its_event,
);

const GROUPS: &str = "/api/v1/nas-groups";

async fn nobody_without_a_good_token_gets_in(database: Database) {
    let world = World::new(database).await;
    let none = world.send_as_is(Ask::get(GROUPS)).await.expect(401);
    assert_eq!(none.json["code"], "unauthenticated");
    assert_eq!(none.headers["www-authenticate"], "Bearer");
    assert_eq!(
        none.json["request_id"],
        none.headers["x-request-id"].to_str().unwrap()
    );
    world
        .send(Ask::get(GROUPS).by("lm_wrong"))
        .await
        .expect(401);
    world
        .send_as_is(Ask::get("/api/openapi.json"))
        .await
        .expect(200);
    world.send_as_is(Ask::get("/api/docs/")).await.expect(200);
}

async fn a_scope_permits_what_it_names_and_no_more(database: Database) {
    let world = World::new(database).await;
    let reader = world.key_for("reader", "nas:read").await;
    let other = world.key_for("other", "plans:write").await;
    let ask = || Ask::post(GROUPS, json!({ "name": "a" }));
    world.send(Ask::get(GROUPS).by(&reader)).await.expect(200);
    let refused = world.send(ask().by(&reader)).await.expect(403);
    assert_eq!(refused.json["detail"], "this needs the scope nas:write");
    world.send(Ask::get(GROUPS).by(&other)).await.expect(403);
}

async fn the_same_key_is_carried_out_once(database: Database) {
    let world = World::new(database).await;
    let ask =
        |name: &str| Ask::post(GROUPS, json!({ "name": name })).with("idempotency-key", "order-1");
    let first = world.send(ask("a")).await.expect(201);
    let again = world.send(ask("a")).await.expect(201);
    assert_eq!(
        (&again.json, &again.headers["etag"]),
        (&first.json, &first.headers["etag"])
    );
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = world.send(ask("b")).await.expect(422);
    assert_eq!(other.json["code"], "idempotency_key_reused");
    let refused = world.send(ask("a").with("x-request-id", "x")).await;
    assert_eq!(refused.status, 201);
    // What was refused may be tried again under its key.
    let wrong = Ask::post(GROUPS, json!({ "name": "a" })).with("idempotency-key", "order-2");
    world.send(wrong).await.expect(409);
    let right = Ask::post(GROUPS, json!({ "name": "c" })).with("idempotency-key", "order-2");
    world.send(right).await.expect(201);
    // A day later the answer is forgotten.
    world.database.clock().advance_seconds(24 * 3_600 + 1);
    world.send(ask("a")).await.expect(409);
}

async fn a_rehearsal_changes_nothing(database: Database) {
    let world = World::new(database).await;
    let path = format!("{GROUPS}?dry_run=true");
    let shown = world
        .send(Ask::post(&path, json!({ "name": "a" })))
        .await
        .expect(200);
    assert_eq!(shown.json["name"], "a");
    let groups = world.send(Ask::get(GROUPS)).await.expect(200);
    assert_eq!(groups.json["items"], json!([]));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM event").await, 1);
    let path = format!("{GROUPS}?dry_run=maybe");
    world
        .send(Ask::post(&path, json!({ "name": "a" })))
        .await
        .expect(400);
}

async fn a_change_of_what_was_changed_meanwhile_is_refused(database: Database) {
    let world = World::new(database).await;
    let made = world
        .send(Ask::post(GROUPS, json!({ "name": "a" })))
        .await
        .expect(201);
    let tag = made.headers["etag"].to_str().unwrap().to_owned();
    let path = format!("{GROUPS}/a");
    let stale = world
        .send(Ask::delete(&path).with("if-match", "\"17\""))
        .await
        .expect(412);
    assert_eq!(stale.json["code"], "stale");
    world
        .send(Ask::delete(&path).with("if-match", &tag))
        .await
        .expect(204);
}

async fn every_change_has_its_line_and_its_event(database: Database) {
    let world = World::new(database).await;
    let id = "0193f7a0-0000-7000-8000-000000000001";
    let ask = Ask::post(GROUPS, json!({ "name": "a" })).with("x-request-id", id);
    world.send(ask).await.expect(201);
    world
        .send(Ask::delete(&format!("{GROUPS}/a")))
        .await
        .expect(204);
    let filter = storage::audit::AuditFilter {
        resource: Some("nas_group".into()),
        ..Default::default()
    };
    let lines = world
        .store
        .audit_list(TenantId::DEFAULT, &filter, &Page::first(10))
        .await;
    let lines = lines.unwrap();
    let deeds: Vec<_> = lines
        .iter()
        .map(|line| (line.action.as_str(), &line.resource_name))
        .collect();
    let name = "a".to_owned();
    assert_eq!(deeds, [("removed", &name), ("created", &name)]);
    assert_eq!(
        lines[1].request.map(|id| id.to_string()).as_deref(),
        Some(id)
    );
    assert_eq!(lines[1].actor.to_string(), "API key owner");
    let verified = world.store.audit_verify(TenantId::DEFAULT).await.unwrap();
    assert_eq!((verified.lines, verified.broken_at), (3, None));
    let events = world
        .store
        .event_list(TenantId::DEFAULT, &Page::first(10))
        .await
        .unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| (event.seq, event.kind.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            (1, "api_key.created"),
            (2, "nas_group.created"),
            (3, "nas_group.removed")
        ]
    );
}
