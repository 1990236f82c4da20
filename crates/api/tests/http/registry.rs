//! Routers, gardens, messages, realms and attribute rows.

use axum::http::Method;
use domain::id::TenantId;
use serde_json::{Value as Json, json};
use storage::audit::AuditFilter;
use storage::page::Page;
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    a_router_gets_a_secret_that_is_shown_once,
    routers_are_found_by_vendor_group_and_text,
    a_group_gets_another_name_and_other_routers,
    a_garden_is_the_default_until_another_one_is,
    messages_have_defaults_until_they_are_set,
    rows_are_replaced_as_a_whole_and_looked_at_first,
);

const NAS: &str = "/api/v1/nas";

fn patch(path: &str, body: Json) -> Ask {
    Ask::new(Method::PATCH, path).with_body(Some(body))
}

fn put(path: &str, body: Json) -> Ask {
    Ask::put(path).with_body(Some(body))
}

/// Everything that the audit log and events say.
async fn said(world: &World) -> String {
    let page = Page::first(1_000);
    let store = &world.store;
    let audit = store
        .audit_list(TenantId::DEFAULT, &AuditFilter::default(), &page)
        .await
        .unwrap();
    let events = store
        .event_list(TenantId::DEFAULT, &Page::first(1_000))
        .await
        .unwrap();
    format!("{audit:?} {events:?}")
}

async fn a_router_gets_a_secret_that_is_shown_once(database: Database) {
    let world = World::new(database).await;
    let body = json!({ "name": "pop-1", "address": "192.0.2.1", "coa_identity": "User-Name,Acct-Session-Id" });
    let path = format!("{NAS}?dry_run=true");
    let shown = world.send(Ask::post(&path, body.clone())).await.expect(200);
    assert_eq!(shown.json["secret"], Json::Null);
    let made = world.send(Ask::post(NAS, body)).await.expect(201);
    let secret = made.json["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 24);
    let shown = world.send(Ask::get("/api/v1/nas/pop-1")).await.expect(200);
    assert_eq!(shown.json.get("secret"), None);
    assert_eq!(shown.json["open_sessions"], 0);
    assert_eq!(shown.json["coa_identity"], "User-Name,Acct-Session-Id");
    let stored = &world.store.directory_nas_all().await.unwrap()[0];
    assert_eq!(stored.secret.expose(), secret.as_bytes());

    let path = "/api/v1/nas/pop-1/rotate-secret";
    let chosen = json!({ "secret": "chosen by somebody" });
    let rotated = world.send(Ask::post(path, chosen)).await.expect(200);
    assert_eq!(rotated.json["secret"], Json::Null);
    let stored = &world.store.directory_nas_all().await.unwrap()[0];
    assert_eq!(stored.secret.expose(), b"chosen by somebody");
    let empty = json!({ "secret": "" });
    world.send(Ask::post(path, empty)).await.expect(422);
    let said = said(&world).await;
    assert!(!said.contains(&secret) && !said.contains("chosen by somebody"));
    assert!(said.contains("\"secret\": String(\"changed\")"), "{said}");

    let wrong = json!({ "name": "a\u{1}b", "address": "0.0.0.0/0", "coa_port": 0 });
    let refused = world.send(Ask::post(NAS, wrong)).await.expect(422);
    assert_eq!(refused.json["errors"].as_array().unwrap().len(), 3);
    let taken = json!({ "name": "pop-2", "address": "192.0.2.1" });
    let refused = world.send(Ask::post(NAS, taken)).await.expect(409);
    assert_eq!(refused.json["errors"][0]["field"], "address");
}

async fn names(world: &World, query: &str) -> Vec<String> {
    let path = format!("{NAS}?{query}");
    let list = world.send(Ask::get(&path)).await.expect(200);
    let items = list.json["items"].as_array().unwrap();
    items
        .iter()
        .map(|nas| nas["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn three_routers(world: &World) {
    for (name, address, vendor) in [
        ("North-1", "192.0.2.1", "mikrotik"),
        ("north_2", "198.51.100.0/24", "cisco"),
        ("south", "2001:db8::1", "mikrotik"),
    ] {
        let body = json!({ "name": name, "address": address, "vendor": vendor });
        world.send(Ask::post(NAS, body)).await.expect(201);
    }
}

async fn routers_are_found_by_vendor_group_and_text(database: Database) {
    let world = World::new(database).await;
    three_routers(&world).await;
    let body = json!({ "name": "edge" });
    world
        .send(Ask::post("/api/v1/nas-groups", body))
        .await
        .expect(201);
    for nas in ["south", "north_2"] {
        let path = format!("/api/v1/nas-groups/edge/members/{nas}");
        world.send(Ask::put(&path)).await.expect(200);
    }
    assert_eq!(names(&world, "").await, ["North-1", "north_2", "south"]);
    assert_eq!(names(&world, "vendor=mikrotik").await, ["North-1", "south"]);
    assert_eq!(names(&world, "group=edge").await, ["north_2", "south"]);
    assert_eq!(names(&world, "group=edge&vendor=cisco").await, ["north_2"]);
    assert_eq!(names(&world, "q=NORTH").await, ["North-1", "north_2"]);
    assert_eq!(names(&world, "q=_").await, ["north_2"]);
    assert_eq!(names(&world, "q=2001:db8").await, ["south"]);
    assert_eq!(names(&world, "q=%25").await, [""; 0]);
    let list = world
        .send(Ask::get(&format!("{NAS}?q=south")))
        .await
        .expect(200);
    assert_eq!(list.json["items"][0]["groups"], json!(["edge"]));
    for (wrong, status) in [("vendor=huawei", 400), ("group=none", 404)] {
        let path = format!("{NAS}?{wrong}");
        world.send(Ask::get(&path)).await.expect(status);
    }
}

async fn a_group_gets_another_name_and_other_routers(database: Database) {
    let world = World::new(database).await;
    three_routers(&world).await;
    let body = json!({ "name": "edge" });
    let made = world
        .send(Ask::post("/api/v1/nas-groups", body))
        .await
        .expect(201);
    let path = format!("/api/v1/nas-groups/{}", made.json["id"].as_str().unwrap());
    let body = json!({ "name": "Core", "members": ["south", "NORTH-1", "south"] });
    let changed = world.send(patch(&path, body)).await.expect(200);
    assert_eq!(changed.json["name"], "Core");
    assert_eq!(changed.json["members"], json!(["North-1", "south"]));
    let body = json!({ "members": ["south"] });
    let changed = world.send(patch(&path, body)).await.expect(200);
    assert_eq!(
        (&changed.json["name"], &changed.json["members"]),
        (&json!("Core"), &json!(["south"]))
    );
    let body = json!({ "members": ["south", "nowhere"] });
    let refused = world.send(patch(&path, body)).await.expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "members.1");
    let nas = &world.store.directory_nas_all().await.unwrap();
    let in_groups: Vec<usize> = nas.iter().map(|nas| nas.groups.len()).collect();
    assert_eq!(in_groups.iter().sum::<usize>(), 1);
}

async fn a_garden_is_the_default_until_another_one_is(database: Database) {
    let world = World::new(database).await;
    let path = "/api/v1/gardens";
    let none = json!({ "name": "open" });
    let refused = world.send(Ask::post(path, none)).await.expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "address_list");
    for name in ["first", "second"] {
        let body = json!({ "name": name, "address_list": name });
        let made = world.send(Ask::post(path, body)).await.expect(201);
        assert_eq!(made.json["is_default"], name == "first");
    }
    let default = "/api/v1/policy/default-garden";
    let body = json!({ "garden": "second" });
    let set = world.send(put(default, body)).await.expect(200);
    assert_eq!(set.json, json!({ "garden": "second" }));
    let body = json!({ "pool": "walled", "address_list": null });
    let changed = world
        .send(patch("/api/v1/gardens/second", body))
        .await
        .expect(200);
    assert_eq!(changed.json["is_default"], true);
    let body = json!({ "pool": null });
    world
        .send(patch("/api/v1/gardens/second", body))
        .await
        .expect(422);
    let body = json!({ "garden": null });
    world.send(put(default, body)).await.expect(200);
    let shown = world.send(Ask::get(default)).await.expect(200);
    assert_eq!(shown.json, json!({ "garden": null }));
    let nowhere = json!({ "garden": "nowhere" });
    world.send(put(default, nowhere)).await.expect(422);
}

async fn messages_have_defaults_until_they_are_set(database: Database) {
    let world = World::new(database).await;
    let list = world.send(Ask::get("/api/v1/messages")).await.expect(200);
    assert_eq!(list.json["items"].as_array().unwrap().len(), 7);
    let path = "/api/v1/messages/expired/sw";
    let body = json!({ "template": "{plan} kimeisha" });
    world.send(put(path, body)).await.expect(200);
    let shown = world.send(Ask::get(path)).await.expect(200);
    assert_eq!(shown.json["template"], "{plan} kimeisha");
    assert_eq!(shown.json["is_default"], false);
    let wrong = json!({ "template": "{speed}" });
    world.send(put(path, wrong)).await.expect(422);
    world.send(Ask::delete(path)).await.expect(204);
    world.send(Ask::delete(path)).await.expect(404);
    let shown = world.send(Ask::get(path)).await.expect(200);
    assert_eq!(shown.json["is_default"], true);
    let nowhere = Ask::get("/api/v1/messages/asleep/en");
    world.send(nowhere).await.expect(404);
}

async fn rows_are_replaced_as_a_whole_and_looked_at_first(database: Database) {
    let world = World::new(database).await;
    let path = "/api/v1/radius/users/ana%2Fwest";
    let password =
        json!({ "attribute": "Cleartext-Password", "op": ":=", "value": "correct horse" });
    let body = json!({
        "check": [password], "reply": [{ "attribute": "Framed-MTU", "op": "=", "value": "1400" }],
        "groups": [{ "group": "gold", "priority": 2 }, { "group": "basic" }],
    });
    let stored = world.send(put(path, body.clone())).await.expect(200);
    assert_eq!(stored.json["check"][0]["value"], Json::Null);
    assert_eq!(stored.json["reply"][0]["value"], "1400");
    let again = world.send(put(path, body)).await.expect(200);
    assert_eq!(again.json["groups"].as_array().unwrap().len(), 2);
    assert_eq!(
        world.database.number("SELECT COUNT(*) FROM radcheck").await,
        1
    );

    // Rows have no ETag that an If-Match could name.
    let seen = Ask::delete(path).with("if-match", "\"1\"");
    world.send(seen).await.expect(412);
    let broken = json!({ "reply": [{ "attribute": "Framed-MTU", "op": "?", "value": "1400" }] });
    let refused = world.send(put(path, broken.clone())).await.expect(422);
    let error = &refused.json["errors"][0];
    assert_eq!(
        (&error["field"], &error["code"]),
        (&json!("reply.0"), &json!("bad_operator"))
    );
    let rows = json!({ "user": { "name": "ana", "rows": broken } });
    let looked = world
        .send(Ask::post("/api/v1/radius/lint", rows))
        .await
        .expect(200);
    assert_eq!(looked.json["findings"][0]["severity"], "error");
    let forced = format!("{path}?force=true");
    let stored = world.send(put(&forced, broken)).await.expect(200);
    assert_eq!(stored.json["findings"][0]["code"], "bad_operator");
    assert_eq!(stored.json["check"], json!([]));
    let nothing = json!({});
    world.send(put(path, nothing)).await.expect(422);

    let list = world
        .send(Ask::get("/api/v1/radius/users"))
        .await
        .expect(200);
    assert_eq!(
        list.json["items"],
        json!([{ "name": "ana/west", "check_rows": 0, "reply_rows": 1, "groups": [] }])
    );
    world.send(Ask::delete(path)).await.expect(204);
    world.send(Ask::delete(path)).await.expect(404);
    assert!(!said(&world).await.contains("correct horse"));
    let told = "SELECT COUNT(*) FROM change WHERE kind = 'row_user' AND name = 'ana/west'";
    assert!(0 < world.database.number(told).await);
}
