//! Groups of routers.

use serde_json::json;
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(a_group_is_made_shown_and_removed, pages_follow_each_other,);

async fn a_group_is_made_shown_and_removed(database: Database) {
    let world = World::new(database).await;
    let body = json!({ "name": "Hotspots" });
    let made = world
        .send(Ask::post("/api/v1/nas-groups", body.clone()))
        .await;
    let made = made.expect(201);
    let id = made.json["id"].as_str().unwrap().to_owned();
    for reference in [id.as_str(), "hotspots"] {
        let path = format!("/api/v1/nas-groups/{reference}");
        let shown = world.send(Ask::get(&path)).await.expect(200);
        assert_eq!(shown.json, made.json);
        assert_eq!(shown.headers["etag"], made.headers["etag"]);
    }
    let again = world
        .send(Ask::post("/api/v1/nas-groups", body))
        .await
        .expect(409);
    assert_eq!(again.json["code"], "conflict");
    assert_eq!(again.json["errors"][0]["field"], "name");
    let path = format!("/api/v1/nas-groups/{id}");
    world.send(Ask::delete(&path)).await.expect(204);
    world.send(Ask::get(&path)).await.expect(404);
    let nobody = Ask::put(&format!("{path}/members/pop-1"));
    world.send(nobody).await.expect(404);
}

async fn pages_follow_each_other(database: Database) {
    let world = World::new(database).await;
    for name in ["a", "b", "c"] {
        let body = json!({ "name": name });
        world
            .send(Ask::post("/api/v1/nas-groups", body))
            .await
            .expect(201);
    }
    let first = world
        .send(Ask::get("/api/v1/nas-groups?limit=2"))
        .await
        .expect(200);
    assert_eq!(first.json["items"].as_array().unwrap().len(), 2);
    let token = first.json["next_page_token"].as_str().unwrap();
    let path = format!("/api/v1/nas-groups?limit=2&fields=name&page_token={token}");
    let last = world.send(Ask::get(&path)).await.expect(200);
    assert_eq!(
        last.json,
        json!({ "items": [{ "name": "c" }], "next_page_token": null })
    );
    for (wrong, status) in [
        ("limit=0", 400),
        ("limit=x", 400),
        ("page_token=%21", 422),
        ("fields=secret", 422),
    ] {
        let path = format!("/api/v1/nas-groups?{wrong}");
        world.send(Ask::get(&path)).await.expect(status);
    }
}
