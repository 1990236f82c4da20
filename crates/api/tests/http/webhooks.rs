//! Webhooks.

use serde_json::json;
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    a_secret_is_shown_once,
    endpoints_and_topics_are_checked,
    a_test_is_sent_and_kept,
    a_delivery_is_sent_again,
);

const HOOKS: &str = "/api/v1/webhooks";

fn body() -> serde_json::Value {
    json!({ "name": "Panel", "url": "https://panel.example/hook", "topics": "plan.*" })
}

async fn a_secret_is_shown_once(database: Database) {
    let world = World::new(database).await;
    let made = world.send(Ask::post(HOOKS, body())).await.expect(201);
    let secret = made.json["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    // The key of the owner came before it, and is not told.
    assert_eq!(made.json["position"], 1);
    let shown = world
        .send(Ask::get("/api/v1/webhooks/panel"))
        .await
        .expect(200);
    assert!(!shown.json.to_string().contains("whsec_"));
    let rotate = Ask::post("/api/v1/webhooks/panel/rotate", json!({}));
    let rotated = world.send(rotate).await.expect(200);
    assert_ne!(rotated.json["secret"], secret.as_str());
    assert!(rotated.json["old_secret_until"].is_string());
    for table in ["event", "audit", "webhook"] {
        let content = world.database.content(&[]).await;
        assert!(!format!("{content:?}").contains("whsec_"), "{table}");
    }
}

async fn endpoints_and_topics_are_checked(database: Database) {
    let world = World::new(database).await;
    for (field, value) in [
        ("url", "http://panel.example/"),
        ("url", "https://127.0.0.1/"),
        ("url", "https://[::ffff:10.0.0.1]/"),
        ("url", "panel.example"),
        ("topics", "plans.*"),
        ("topics", "plan"),
        ("name", ""),
    ] {
        let mut wrong = body();
        wrong[field] = value.into();
        let refused = world.send(Ask::post(HOOKS, wrong)).await.expect(422);
        assert_eq!(refused.json["errors"][0]["field"], field, "{value}");
    }
    world.send(Ask::post(HOOKS, body())).await.expect(201);
    let path = format!("{HOOKS}/panel");
    for wrong in [
        json!({ "state": "disabled" }),
        json!({ "position": -1 }),
        json!({ "secret": "whsec_x" }),
    ] {
        let ask = Ask::new("PATCH".parse().unwrap(), &path).with_body(Some(wrong));
        world.send(ask).await.expect(422);
    }
    let good = json!({ "state": "paused", "description": null, "topics": "*" });
    let ask = Ask::new("PATCH".parse().unwrap(), &path).with_body(Some(good));
    let changed = world.send(ask).await.expect(200);
    assert_eq!(
        (&changed.json["state"], &changed.json["topics"]),
        (&json!("paused"), &json!("*"))
    );
}

async fn a_test_is_sent_and_kept(database: Database) {
    let world = World::new(database).await;
    world.send(Ask::post(HOOKS, body())).await.expect(201);
    let rehearsed = Ask::post(&format!("{HOOKS}/panel/test?dry_run=true"), json!({}));
    let rehearsed = world.send(rehearsed).await.expect(200);
    assert_eq!(rehearsed.json["number"], 0);
    assert!(world.endpoint.0.lock().unwrap().is_empty());
    let sent = Ask::post(&format!("{HOOKS}/panel/test"), json!({}));
    let sent = world.send(sent).await.expect(200);
    assert_eq!(
        (&sent.json["status"], &sent.json["problem"]),
        (&json!(204), &json!(null))
    );
    let requests = world.endpoint.0.lock().unwrap().clone();
    let [request] = requests.as_slice() else {
        panic!("one message: {requests:?}");
    };
    let message: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(message["type"], "webhook.test");
    assert!(request.headers[2].1.starts_with("v1,"));
    let kept = world
        .send(Ask::get(&format!("{HOOKS}/panel/deliveries")))
        .await;
    assert_eq!(kept.expect(200).json["items"], json!([sent.json]));
}

async fn a_delivery_is_sent_again(database: Database) {
    let world = World::new(database).await;
    world.send(Ask::post(HOOKS, body())).await.expect(201);
    let path = |number| format!("{HOOKS}/panel/deliveries/{number}/redeliver");
    world
        .send(Ask::post(&path("1"), json!({})))
        .await
        .expect(404);
    world
        .send(Ask::post(&path("x"), json!({})))
        .await
        .expect(404);
    let delivery = storage::webhook::delivery::NewDelivery {
        at: world.database.clock().now(),
        event: Some(1),
        kind: "api_key.created".into(),
        attempt: 3,
        status: Some(500),
        problem: Some("the endpoint answered 500".into()),
        duration_ms: 4,
    };
    let tenant = domain::id::TenantId::DEFAULT;
    let name = "panel".parse().unwrap();
    let kept = world
        .store
        .webhook_attempted(tenant, &name, &delivery)
        .await;
    assert_eq!(kept.unwrap().number, 1);
    let again = world
        .send(Ask::post(&path("1"), json!({})))
        .await
        .expect(200);
    assert_eq!(
        (&again.json["event"], &again.json["number"]),
        (&json!(1), &json!(2))
    );
    let requests = world.endpoint.0.lock().unwrap().clone();
    let message: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(
        (&message["seq"], &message["type"]),
        (&json!(1), &json!("api_key.created"))
    );
    world.database.execute("DELETE FROM event").await;
    let gone = world
        .send(Ask::post(&path("1"), json!({})))
        .await
        .expect(410);
    assert_eq!(gone.json["code"], "events_gone");
}
