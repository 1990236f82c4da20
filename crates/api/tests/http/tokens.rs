//! Tokens: their networks, their end, their rotation, and what they give away.

use domain::permission::Role;
use serde_json::{Value as Json, json};
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    a_token_is_made_shown_once_changed_and_revoked,
    an_old_token_holds_beside_a_new_one_for_a_while,
    a_token_is_good_where_and_until_when_it_says,
    nobody_gives_away_what_they_do_not_have,
    a_token_without_a_purpose_is_refused,
);

const TOKENS: &str = "/api/v1/tokens";
const GROUPS: &str = "/api/v1/nas-groups";

async fn made(world: &World, body: Json) -> String {
    let made = world.send(Ask::post(TOKENS, body)).await.expect(201);
    made.json["token"].as_str().unwrap().to_owned()
}

async fn a_token_is_made_shown_once_changed_and_revoked(database: Database) {
    let world = World::new(database).await;
    let token = made(&world, json!({ "name": "panel", "scopes": ["nas:read"] })).await;
    world.send(Ask::get(GROUPS).by(&token)).await.expect(200);
    let path = format!("{TOKENS}/panel");
    let shown = world.send(Ask::get(&path)).await.expect(200);
    assert!(!shown.json.to_string().contains(&token));
    assert!(token.starts_with(shown.json["hint"].as_str().unwrap()));
    assert_ne!(shown.json["used_at"], Json::Null);
    let listed = world.send(Ask::get(TOKENS)).await.expect(200);
    assert!(!listed.json.to_string().contains(&token));
    let patch = json!({ "name": "portal", "scopes": ["plans:read"] });
    world.send(Ask::patch(&path, patch)).await.expect(200);
    world.send(Ask::get(GROUPS).by(&token)).await.expect(403);
    world
        .send(Ask::delete(&format!("{TOKENS}/portal")))
        .await
        .expect(204);
    world.send(Ask::get(GROUPS).by(&token)).await.expect(401);
    let path = format!("{TOKENS}?dry_run=true");
    let body = json!({ "name": "dry", "scopes": ["nas:read"] });
    let rehearsed = world.send(Ask::post(&path, body)).await.expect(200);
    assert_eq!(rehearsed.json["token"], Json::Null);
}

async fn an_old_token_holds_beside_a_new_one_for_a_while(database: Database) {
    let world = World::new(database).await;
    let old = made(&world, json!({ "name": "panel", "scopes": ["nas:read"] })).await;
    let rotate = async |seconds: u32| {
        let body = json!({ "overlap_seconds": seconds });
        let ask = Ask::post(&format!("{TOKENS}/panel/rotate"), body);
        let answer = world.send(ask).await.expect(200);
        answer.json["token"].as_str().unwrap().to_owned()
    };
    let status = async |token: &str| world.status_as_is(Ask::get(GROUPS).by(token)).await;
    let new = rotate(60).await;
    assert_eq!((status(&old).await, status(&new).await), (200, 200));
    world.database.clock().advance_seconds(61);
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    let newest = rotate(0).await;
    assert_eq!((status(&new).await, status(&newest).await), (401, 200));
    let body = json!({ "overlap_seconds": 2_592_001 });
    let path = format!("{TOKENS}/panel/rotate");
    world.send(Ask::post(&path, body)).await.expect(422);
}

async fn a_token_is_good_where_and_until_when_it_says(database: Database) {
    let world = World::new(database).await;
    let body = json!({
        "name": "panel",
        "scopes": ["nas:read"],
        "networks": ["192.0.2.7", "2001:db8::/32"],
        "expires_at": "2027-01-16T08:00:00Z",
    });
    let token = made(&world, body).await;
    let from = async |address: &str| {
        let ask = Ask::get(GROUPS).by(&token).from(address);
        world.status_as_is(ask).await
    };
    assert_eq!(from("192.0.2.7").await, 200);
    assert_eq!(from("2001:db8:7::1").await, 200);
    assert_eq!(from("192.0.2.8").await, 403);
    assert_eq!(world.status_as_is(Ask::get(GROUPS).by(&token)).await, 403);
    world.database.clock().advance_seconds(24 * 3_600);
    assert_eq!(from("192.0.2.7").await, 401);
    let wrong = json!({
        "name": "late",
        "scopes": ["nas:read"],
        "networks": ["10.0.0.0/33"],
        "expires_at": "2027-01-01T00:00:00Z",
    });
    let wrong = world.send(Ask::post(TOKENS, wrong)).await.expect(422);
    let fields: Vec<&str> = wrong.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["networks.0", "expires_at"]);
}

async fn nobody_gives_away_what_they_do_not_have(database: Database) {
    let world = World::new(database).await;
    let keeper = world.key_for("keeper", "keys:write nas:read").await;
    let by = |body: Json| Ask::post(TOKENS, body).by(&keeper);
    let same = json!({ "name": "same", "scopes": ["nas:read"] });
    world.send(by(same)).await.expect(201);
    for more in ["nas:write", "secrets:reveal", "plans:read"] {
        let more = json!({ "name": "more", "scopes": [more] });
        world.send(by(more)).await.expect(403);
    }
    let role = json!({ "name": "more", "role": "read_only" });
    world.send(by(role)).await.expect(403);
    let raise = json!({ "scopes": ["nas:write"] });
    let raise = Ask::patch(&format!("{TOKENS}/same"), raise).by(&keeper);
    world.send(raise).await.expect(403);
    // The text of a stronger one is not to be had either.
    let rotate = Ask::post(&format!("{TOKENS}/owner/rotate"), json!({})).by(&keeper);
    world.send(rotate).await.expect(403);
    let admin = world.key_of(Role::Admin).await;
    let rotate = Ask::post(&format!("{TOKENS}/same/rotate"), json!({})).by(&admin);
    world.send(rotate).await.expect(200);
}

async fn a_token_without_a_purpose_is_refused(database: Database) {
    let world = World::new(database).await;
    let none = world
        .send(Ask::post(TOKENS, json!({ "name": "none" })))
        .await
        .expect(422);
    assert_eq!(none.json["errors"][0]["field"], "scopes");
}
