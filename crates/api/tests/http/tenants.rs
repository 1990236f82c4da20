//! Tenants: what the provider of the installation may do, and what nobody else notices.

use serde_json::{Value as Json, json};
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    the_house_acts_for_another_tenant,
    others_notice_nothing_of_each_other,
    a_tenant_that_is_disabled_is_out_at_once,
    an_answer_is_not_given_again_to_another_tenant,
);

const TENANTS: &str = "/api/v1/tenants";
const GROUPS: &str = "/api/v1/nas-groups";
const ACT_FOR: &str = "lastmile-tenant";

/// A tenant with a token of its owner.
async fn tenant(world: &World, name: &str) -> (String, String) {
    let body = json!({ "name": name, "time_zone": "Africa/Nairobi" });
    let made = world.send(Ask::post(TENANTS, body)).await.expect(201);
    let id = made.json["id"].as_str().unwrap().to_owned();
    let body = json!({ "name": format!("owner of {name}"), "role": "owner" });
    let token = Ask::post("/api/v1/tokens", body).with(ACT_FOR, name);
    let token = world.send(token).await.expect(201);
    (id, token.json["token"].as_str().unwrap().to_owned())
}

async fn the_house_acts_for_another_tenant(database: Database) {
    let world = World::new(database).await;
    let (id, _) = tenant(&world, "Hills").await;
    for reference in ["hills", &id] {
        let shown = world
            .send(Ask::get(&format!("{TENANTS}/{reference}")))
            .await
            .expect(200);
        assert_eq!(shown.json["time_zone"], "Africa/Nairobi");
    }
    let body = json!({ "name": "a" });
    world
        .send(Ask::post(GROUPS, body).with(ACT_FOR, &id))
        .await
        .expect(201);
    let theirs = world
        .send(Ask::get(GROUPS).with(ACT_FOR, "hills"))
        .await
        .expect(200);
    assert_eq!(theirs.json["items"].as_array().unwrap().len(), 1);
    let ours = world.send(Ask::get(GROUPS)).await.expect(200);
    assert_eq!(ours.json["items"], json!([]));
    let absent = world
        .send(Ask::get(GROUPS).with(ACT_FOR, "valley"))
        .await
        .expect(404);
    assert_eq!(absent.json["detail"], "there is no such tenant");
    // It is in the log of the tenant, under the name of who did it.
    let log = world
        .send(Ask::get("/api/v1/audit").with(ACT_FOR, "hills"))
        .await
        .expect(200);
    assert_eq!(log.json["items"][0]["resource"], "nas_group");
    assert_eq!(log.json["items"][0]["actor"]["name"], "owner");
    world
        .send(Ask::patch(
            &format!("{TENANTS}/hills"),
            json!({ "name": "Peaks" }),
        ))
        .await
        .expect(200);
    world
        .send(Ask::post(TENANTS, json!({ "name": "peaks" })))
        .await
        .expect(409);
    let listed = world.send(Ask::get(TENANTS)).await.expect(200);
    let names: Vec<&Json> = listed.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| &tenant["name"])
        .collect();
    assert_eq!(names, ["default", "Peaks"]);
}

async fn others_notice_nothing_of_each_other(database: Database) {
    let world = World::new(database).await;
    let (hills_id, hills) = tenant(&world, "hills").await;
    let (valley_id, _) = tenant(&world, "valley").await;
    let made = world
        .send(Ask::post(GROUPS, json!({ "name": "of-house" })))
        .await
        .expect(201);
    let by = |ask: Ask| ask.by(&hills);
    let without_id = |mut json: Json| {
        json["request_id"] = Json::Null;
        json
    };
    // What belongs to others looks like what there is not.
    let of_house = format!("{GROUPS}/{}", made.json["id"].as_str().unwrap());
    let nothing = format!("{GROUPS}/0193f7a0-0000-7000-8000-00000000abcd");
    let theirs = world.send(by(Ask::get(&of_house))).await.expect(404);
    let absent = world.send(by(Ask::get(&nothing))).await.expect(404);
    assert_eq!(without_id(theirs.json), without_id(absent.json));
    for name in ["valley", &valley_id, "default", "nowhere", ""] {
        let asked = world
            .send(by(Ask::get(GROUPS).with(ACT_FOR, name)))
            .await
            .expect(404);
        assert_eq!(asked.json["detail"], "there is no such tenant", "{name}");
    }
    // One's own name changes nothing.
    world
        .send(by(Ask::get(GROUPS).with(ACT_FOR, "hills")))
        .await
        .expect(200);
    let listed = world.send(by(Ask::get(TENANTS))).await.expect(200);
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed.json["items"][0]["id"], hills_id);
    let valley = format!("{TENANTS}/valley");
    world.send(by(Ask::get(&valley))).await.expect(404);
    world
        .send(by(Ask::patch(&valley, json!({ "is_disabled": true }))))
        .await
        .expect(404);
    world
        .send(by(Ask::post(TENANTS, json!({ "name": "more" }))))
        .await
        .expect(403);
    // Nobody of the house but its owners acts for others.
    let admin = world.key_of(domain::permission::Role::Admin).await;
    let refused = Ask::get(GROUPS).with(ACT_FOR, "hills").by(&admin);
    world.send(refused).await.expect(404);
}

async fn a_tenant_that_is_disabled_is_out_at_once(database: Database) {
    let world = World::new(database).await;
    let (_, hills) = tenant(&world, "hills").await;
    let path = format!("{TENANTS}/hills");
    world.send(Ask::get(GROUPS).by(&hills)).await.expect(200);
    let disabled = world
        .send(Ask::patch(&path, json!({ "is_disabled": true })))
        .await
        .expect(200);
    assert_ne!(disabled.json["disabled_at"], Json::Null);
    world.send(Ask::get(GROUPS).by(&hills)).await.expect(401);
    world
        .send(Ask::patch(&path, json!({ "is_disabled": false })))
        .await
        .expect(200);
    world.send(Ask::get(GROUPS).by(&hills)).await.expect(200);
    let house = Ask::patch(
        &format!("{TENANTS}/default"),
        json!({ "is_disabled": true }),
    );
    let refused = world.send(house).await.expect(409);
    assert_eq!(refused.json["code"], "house_tenant");
}

async fn an_answer_is_not_given_again_to_another_tenant(database: Database) {
    let world = World::new(database).await;
    tenant(&world, "hills").await;
    let ask = || Ask::post(GROUPS, json!({ "name": "a" })).with("idempotency-key", "one");
    let ours = world.send(ask()).await.expect(201);
    let theirs = world.send(ask().with(ACT_FOR, "hills")).await.expect(201);
    assert_ne!(ours.json["id"], theirs.json["id"]);
    assert!(!theirs.headers.contains_key("idempotent-replayed"));
}
