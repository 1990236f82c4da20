//! The audit log over the interface.

use serde_json::{Value as Json, json};
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    what_was_done_is_listed_and_found,
    a_line_that_was_altered_is_told,
);

const AUDIT: &str = "/api/v1/audit";

async fn what_was_done_is_listed_and_found(database: Database) {
    let world = World::new(database).await;
    let body = json!({ "name": "panel", "scopes": ["nas:read"] });
    let made = world
        .send(Ask::post("/api/v1/tokens", body))
        .await
        .expect(201);
    let id = made.json["id"].as_str().unwrap();
    let patch = json!({ "scopes": ["plans:read"] });
    world
        .send(Ask::patch("/api/v1/tokens/panel", patch))
        .await
        .expect(200);
    let list = async |query: &str| {
        let listed = world
            .send(Ask::get(&format!("{AUDIT}?{query}")))
            .await
            .expect(200);
        listed.json["items"].as_array().unwrap().clone()
    };
    let of_panel = list(&format!("resource=api_key&resource_id={id}")).await;
    let actions: Vec<&Json> = of_panel.iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["changed", "created"]);
    assert_eq!(of_panel[0]["before"]["scopes"], json!(["nas:read"]));
    assert_eq!(of_panel[0]["after"]["scopes"], json!(["plans:read"]));
    assert_eq!(of_panel[0]["actor"]["kind"], "api_key");
    let actor = of_panel[0]["actor"]["id"].as_str().unwrap();
    assert_eq!(list(&format!("actor={actor}")).await.len(), 2);
    assert_eq!(list("actor=system").await.len(), 1);
    assert_eq!(list("action=changed").await.len(), 1);
    assert_eq!(list("at.lt=2027-01-15T08:00:00Z").await.len(), 0);
    assert_eq!(list("at.gte=2027-01-15T08:00:00Z").await.len(), 3);
    let first = world
        .send(Ask::get(&format!("{AUDIT}?limit=2")))
        .await
        .expect(200);
    let token = first.json["next_page_token"].as_str().unwrap();
    let rest = list(&format!("limit=2&page_token={token}")).await;
    assert_eq!(rest.len(), 1);
    for wrong in ["actor=root", "action=burnt", "at.lt=soon", "resource=%00"] {
        world
            .send(Ask::get(&format!("{AUDIT}?{wrong}")))
            .await
            .expect(422);
    }
}

async fn a_line_that_was_altered_is_told(database: Database) {
    let world = World::new(database).await;
    let verify = || Ask::get("/api/v1/audit/verify");
    let good = world.send(verify()).await.expect(200);
    assert_eq!(good.json, json!({ "lines": 1, "broken_at": null }));
    let sql = "UPDATE audit SET resource_name = 'another'";
    world.database.execute(sql).await;
    let broken = world.send(verify()).await.expect(200);
    assert_eq!(broken.json, json!({ "lines": 0, "broken_at": 1 }));
}
