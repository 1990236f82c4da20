//! Operators, and that nobody takes hold of more than they may do.

use serde_json::{Value as Json, json};
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    an_operator_is_made_shown_changed_and_removed,
    nobody_reaches_beyond_what_they_may_do,
    the_last_owner_stays,
    what_is_wrong_is_told_by_field,
);

const OPERATORS: &str = "/api/v1/operators";

async fn an_operator_is_made_shown_changed_and_removed(database: Database) {
    let world = World::new(database).await;
    let body = json!({ "name": "Ana Paz", "role": "support", "scopes": ["plans:write"] });
    let made = world
        .send(Ask::post(OPERATORS, body.clone()))
        .await
        .expect(201);
    let one_time = made.json["one_time_password"].as_str().unwrap();
    assert_eq!(one_time.len(), 23);
    assert_eq!(made.json["must_change_password"], true);
    let id = made.json["id"].as_str().unwrap().to_owned();
    for reference in [&id, "ana%20paz"] {
        let shown = world
            .send(Ask::get(&format!("{OPERATORS}/{reference}")))
            .await
            .expect(200);
        assert_eq!(shown.json["name"], "Ana Paz");
        assert_eq!(shown.json.get("one_time_password"), None);
    }
    world.send(Ask::post(OPERATORS, body)).await.expect(409);
    let patch = json!({ "role": null, "name": "ana" });
    let changed = world
        .send(Ask::patch(&format!("{OPERATORS}/{id}"), patch))
        .await
        .expect(200);
    assert_eq!(
        (&changed.json["role"], &changed.json["name"]),
        (&Json::Null, &json!("ana"))
    );
    let tag = made.headers["etag"].to_str().unwrap();
    world.database.clock().advance_seconds(1);
    let patch = json!({ "role": "billing" });
    world
        .send(Ask::patch(&format!("{OPERATORS}/ana"), patch))
        .await
        .expect(200);
    let stale = Ask::delete(&format!("{OPERATORS}/ana")).with("if-match", tag);
    world.send(stale).await.expect(412);
    let reset = Ask::post(&format!("{OPERATORS}/ana/reset-password"), json!({}));
    let reset = world.send(reset).await.expect(200);
    assert_ne!(reset.json["one_time_password"], one_time);
    let rehearsed = format!("{OPERATORS}/ana/reset-password?dry_run=true");
    let rehearsed = world
        .send(Ask::post(&rehearsed, json!({})))
        .await
        .expect(200);
    assert_eq!(rehearsed.json["one_time_password"], Json::Null);
    let listed = world.send(Ask::get(OPERATORS)).await.expect(200);
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 1);
    world
        .send(Ask::delete(&format!("{OPERATORS}/ana")))
        .await
        .expect(204);
    world
        .send(Ask::get(&format!("{OPERATORS}/{id}")))
        .await
        .expect(404);
}

async fn nobody_reaches_beyond_what_they_may_do(database: Database) {
    let world = World::new(database).await;
    for (name, role) in [("boss", "owner"), ("ana", "support")] {
        let body = json!({ "name": name, "role": role });
        world.send(Ask::post(OPERATORS, body)).await.expect(201);
    }
    let admin = world.key_of(domain::permission::Role::Admin).await;
    let by = |ask: Ask| ask.by(&admin);
    let operator = |path: &str| format!("{OPERATORS}/{path}");
    let owner = json!({ "name": "eve", "role": "owner" });
    let refused = world
        .send(by(Ask::post(OPERATORS, owner)))
        .await
        .expect(403);
    assert!(
        refused.json["detail"]
            .as_str()
            .unwrap()
            .contains("tenants:write")
    );
    let scope = json!({ "name": "eve", "scopes": ["tenants:write"] });
    world
        .send(by(Ask::post(OPERATORS, scope)))
        .await
        .expect(403);
    let raise = json!({ "role": "owner" });
    world
        .send(by(Ask::patch(&operator("ana"), raise)))
        .await
        .expect(403);
    let lower = json!({ "role": "support" });
    world
        .send(by(Ask::patch(&operator("boss"), lower)))
        .await
        .expect(403);
    let reset = Ask::post(&operator("boss/reset-password"), json!({}));
    world.send(by(reset)).await.expect(403);
    for path in ["boss", "boss/second-factor", "boss/sign-ins"] {
        world
            .send(by(Ask::delete(&operator(path))))
            .await
            .expect(403);
    }
    // What is within reach goes through.
    let billing = json!({ "role": "billing" });
    world
        .send(by(Ask::patch(&operator("ana"), billing)))
        .await
        .expect(200);
}

async fn the_last_owner_stays(database: Database) {
    let world = World::new(database).await;
    let body = json!({ "name": "boss", "role": "owner" });
    world.send(Ask::post(OPERATORS, body)).await.expect(201);
    let path = format!("{OPERATORS}/boss");
    let refused = world.send(Ask::delete(&path)).await.expect(409);
    assert_eq!(refused.json["code"], "last_owner");
    let disabled = json!({ "status": "disabled" });
    world.send(Ask::patch(&path, disabled)).await.expect(409);
}

async fn what_is_wrong_is_told_by_field(database: Database) {
    let world = World::new(database).await;
    let body = json!({ "name": " ana", "role": "boss", "scopes": ["plans:read", "plans:burn"] });
    let wrong = world.send(Ask::post(OPERATORS, body)).await.expect(422);
    let fields: Vec<&str> = wrong.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["name", "role", "scopes.1"]);
    let weak = json!({ "name": "ana", "role": "support", "password": "password123" });
    let weak = world.send(Ask::post(OPERATORS, weak)).await.expect(422);
    assert_eq!(weak.json["errors"][0]["field"], "password");
}
