//! Subscribers: made, changed through their states, with devices, bindings and top-ups.

use serde_json::{Value as Json, json};
use testkit::database::Database;

use crate::fixture::{Ask, DEVICE, PLAN, World};

testkit::test_on_both_databases!(
    a_subscriber_is_made_shown_changed_and_removed,
    what_is_wrong_with_a_subscriber_is_told_field_by_field,
    an_account_goes_through_its_states,
    a_credential_is_never_shown,
    devices_and_bindings_are_shown_and_changed,
    top_ups_are_granted_once_and_revoked,
    subscribers_are_narrowed_by_what_the_time_makes_of_them,
);

const SUBSCRIBERS: &str = "/api/v1/subscribers";

fn body(username: &str) -> Json {
    json!({ "username": username, "credential": { "password": "kookaburra" }, "plan": PLAN })
}

async fn a_subscriber_is_made_shown_changed_and_removed(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    let mut new = body("Ana@Example.net");
    new["ipv4"] = "100.64.0.7".into();
    new["ipv6_delegated"] = "2001:db8:7000::/56".into();
    new["expires_at"] = "2030-01-01".into();
    new["session_policy"] = "replace_oldest".into();
    let made = world.send(Ask::post(SUBSCRIBERS, new)).await.expect(201);
    assert_eq!(made.json["username"], "ana@example.net");
    assert_eq!(made.json["plan"], PLAN);
    assert_eq!(made.json["state"], "active");
    assert_eq!(made.json["expires_at"], "2030-01-01T00:00:00Z");
    assert_eq!(made.json["credential_kind"], "cleartext");
    assert!(!made.json.to_string().contains("kookaburra"));
    let again = world
        .send(Ask::post(SUBSCRIBERS, body("ana@example.net")))
        .await
        .expect(409);
    assert_eq!(again.json["errors"][0]["field"], "username");
    let id = made.json["id"].as_str().unwrap();
    let path = format!("{SUBSCRIBERS}/{id}");
    for path in [path.clone(), format!("{SUBSCRIBERS}/ANA@example.net")] {
        let shown = world.send(Ask::get(&path)).await.expect(200);
        assert_eq!(shown.json, made.json);
    }
    let patch = json!({ "ipv4": null, "session_limit": 3, "expires_at": "2027-01-01" });
    let tag = made.headers["etag"].to_str().unwrap();
    let stale = Ask::patch(&path, patch.clone()).with("if-match", "\"1\"");
    world.send(stale).await.expect(412);
    let fresh = Ask::patch(&path, patch).with("if-match", tag);
    let changed = world.send(fresh).await.expect(200);
    assert_eq!(changed.json["ipv4"], json!(null));
    assert_eq!(changed.json["session_limit"], 3);
    assert_eq!(changed.json["state"], "expired");
    assert_eq!(changed.json["ipv6_delegated"], "2001:db8:7000::/56");
    world.send(Ask::delete(&path)).await.expect(204);
    world.send(Ask::get(&path)).await.expect(404);
}

async fn what_is_wrong_with_a_subscriber_is_told_field_by_field(database: Database) {
    let world = World::new(database).await;
    let wrong = json!({
        "username": "two words",
        "credential": { "password": "a", "password_hash": "b" },
        "plan": "no such plan",
        "customer": "C-99",
        "ipv4": "127.0.0.1",
        "ipv6_prefix": "2001:db8::1/64",
        "starts_at": "soon",
        "session_limit": 0,
        "session_policy": "none",
    });
    let refused = world.send(Ask::post(SUBSCRIBERS, wrong)).await.expect(422);
    let errors = refused.json["errors"].as_array().unwrap();
    let mut fields: Vec<&str> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    let expected = [
        "customer",
        "ipv4",
        "ipv6_prefix",
        "password",
        "plan",
        "session_limit",
        "session_policy",
        "starts_at",
        "username",
    ];
    assert_eq!(fields, expected);
}

async fn an_account_goes_through_its_states(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    let mut new = body("ana");
    new["status"] = "pending".into();
    world.send(Ask::post(SUBSCRIBERS, new)).await.expect(201);
    for (change, body, state) in [
        ("activate", json!(null), "active"),
        ("suspend", json!({ "manner": "walled" }), "suspended_walled"),
        ("suspend", json!({ "manner": "hard" }), "suspended_hard"),
        ("restore", json!(null), "active"),
        ("disable", json!(null), "disabled"),
        ("enable", json!(null), "active"),
    ] {
        let path = format!("{SUBSCRIBERS}/ana/{change}");
        let changed = world.send(Ask::post(&path, body)).await.expect(200);
        assert_eq!(changed.json["state"], state, "{change}");
    }
    world
        .send(Ask::post(
            &format!("{SUBSCRIBERS}/ana/disable"),
            json!(null),
        ))
        .await
        .expect(200);
    let path = format!("{SUBSCRIBERS}/ana/restore");
    let refused = world.send(Ask::post(&path, json!(null))).await.expect(409);
    assert_eq!(refused.json["code"], "wrong_state");
}

async fn a_credential_is_never_shown(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    world
        .send(Ask::post(SUBSCRIBERS, body("ana")))
        .await
        .expect(201);
    let path = format!("{SUBSCRIBERS}/ana/credential");
    let hash = json!({ "password_hash": "{NT}8846F7EAEE8FB117AD06BDD830B7586C" });
    world
        .send(Ask::put(&path).with_body(Some(hash)))
        .await
        .expect(204);
    let shown = world
        .send(Ask::get(&format!("{SUBSCRIBERS}/ana")))
        .await
        .expect(200);
    assert_eq!(shown.json["credential_kind"], "nt");
    let empty = json!({});
    world
        .send(Ask::put(&path).with_body(Some(empty)))
        .await
        .expect(422);
    let path = format!("{path}/generate");
    let made = world.send(Ask::post(&path, json!(null))).await.expect(200);
    let password = made.json["password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 12);
    let shown = world
        .send(Ask::get(&format!("{SUBSCRIBERS}/ana")))
        .await
        .expect(200);
    assert_eq!(shown.json["credential_kind"], "cleartext");
    assert!(!shown.json.to_string().contains(&password));
    let dump = String::from_utf8_lossy(&world.database.dump()).into_owned();
    assert!(!dump.contains(&password), "it is stored in clear");
}

async fn devices_and_bindings_are_shown_and_changed(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    let devices = format!("{SUBSCRIBERS}/with-devices/devices");
    let shown = world.send(Ask::get(&devices)).await.expect(200);
    assert_eq!(shown.json["items"][1]["mac"], DEVICE);
    assert_eq!(shown.json["items"][1]["is_private"], true);
    let one = format!("{devices}/AA-BB-CC-DD-EE-0F");
    world.send(Ask::delete(&one)).await.expect(204);
    world.send(Ask::delete(&one)).await.expect(404);
    let shown = world.send(Ask::get(&devices)).await.expect(200);
    assert_eq!(shown.json["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown.json["events"][0]["kind"], "forgotten");
    assert_eq!(shown.json["events"][0]["actor"], "API key owner");
    world
        .send(Ask::post("/api/v1/nas-groups", json!({ "name": "North" })))
        .await
        .expect(201);
    let binding = format!("{SUBSCRIBERS}/with-devices/binding");
    let north = json!({ "nas_groups": ["north"] });
    let bound = world
        .send(Ask::put(&binding).with_body(Some(north)))
        .await
        .expect(200);
    assert_eq!(bound.json, json!({ "nas": [], "nas_groups": ["North"] }));
    let wrong = json!({ "nas": ["pop-9"] });
    let refused = world
        .send(Ask::put(&binding).with_body(Some(wrong)))
        .await
        .expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "nas");
    let shown = world.send(Ask::get(&binding)).await.expect(200);
    assert_eq!(shown.json, bound.json);
    world
        .send(Ask::get(&format!("{SUBSCRIBERS}/nobody/binding")))
        .await
        .expect(404);
}

async fn top_ups_are_granted_once_and_revoked(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    world
        .send(Ask::post(SUBSCRIBERS, body("ana")))
        .await
        .expect(201);
    let path = format!("{SUBSCRIBERS}/ana/top-ups");
    let order = json!({ "data_bytes": 1_000, "reference": "INV-1", "valid": { "seconds": 60 } });
    let granted = world
        .send(Ask::post(&path, order.clone()))
        .await
        .expect(200);
    assert_eq!(granted.json["items"][0]["left"], 1_000);
    assert_eq!(granted.json["items"][0]["granted_by"], "API key owner");
    let again = world.send(Ask::post(&path, order)).await.expect(200);
    assert_eq!(again.json, granted.json);
    let other = json!({ "data_bytes": 2_000, "reference": "INV-1" });
    let refused = world.send(Ask::post(&path, other)).await.expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "reference");
    for (wrong, field) in [
        (json!({}), "data_bytes"),
        (json!({ "data_bytes": 0 }), "data_bytes"),
        (
            json!({ "time_seconds": 1, "valid": { "seconds": 0 } }),
            "valid.seconds",
        ),
        (
            json!({ "time_seconds": 1, "valid": { "until": "soon" } }),
            "valid.until",
        ),
        (json!({ "time_seconds": 1, "reference": "é" }), "reference"),
    ] {
        let refused = world.send(Ask::post(&path, wrong)).await.expect(422);
        assert_eq!(refused.json["errors"][0]["field"], field);
    }
    let id = granted.json["items"][0]["id"].as_str().unwrap();
    let revoke = format!("{path}/{id}/revoke");
    let revoked = world
        .send(Ask::post(&revoke, json!(null)))
        .await
        .expect(200);
    assert_eq!(revoked.json["left"], 0);
    assert_eq!(revoked.json["revoked_by"], "API key owner");
    let listed = world.send(Ask::get(&path)).await.expect(200);
    assert_eq!(listed.json["items"], json!([revoked.json]));
}

async fn subscribers_are_narrowed_by_what_the_time_makes_of_them(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    for (name, expires_at) in [
        ("ana", "2026-01-01"),
        ("ben", "2030-01-01"),
        ("cay", "2029-01-01"),
    ] {
        let mut new = body(name);
        new["expires_at"] = expires_at.into();
        world.send(Ask::post(SUBSCRIBERS, new)).await.expect(201);
    }
    for (query, expected) in [
        ("state=expired", vec!["ana"]),
        ("state=active", vec!["cay", "ben", "with-devices"]),
        (
            "state=active&sort=-expires_at",
            vec!["with-devices", "ben", "cay"],
        ),
        ("expires_at.is_null=true", vec!["with-devices"]),
        ("expires_at.lt=2029-06-01", vec!["ana", "cay"]),
        (
            "plan=fixture&status=active",
            vec!["ana", "ben", "cay", "with-devices"],
        ),
        ("q=devices&state=active", vec!["with-devices"]),
    ] {
        let path = format!("{SUBSCRIBERS}?fields=username&{query}");
        let page = world.send(Ask::get(&path)).await.expect(200);
        let items = page.json["items"].as_array().unwrap();
        let names: Vec<&str> = items
            .iter()
            .map(|item| item["username"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{query}");
    }
    let wrong = format!("{SUBSCRIBERS}?state=active&sort=username");
    let refused = world.send(Ask::get(&wrong)).await.expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "sort");
    let told = refused.json["detail"].as_str().unwrap();
    assert!(told.contains("sort it by expires_at"), "{told}");
}
