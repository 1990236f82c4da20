//! The one call that shows a secret.

use domain::id::TenantId;
use domain::nas::{NasSettings, parse_source};
use domain::secret::Secret;
use serde_json::{Value as Json, json};
use storage::nas::NewNas;
use testkit::database::Database;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(a_secret_is_shown_for_a_reason_to_who_may);

const REVEAL: &str = "/api/v1/secrets/reveal";

async fn a_secret_is_shown_for_a_reason_to_who_may(database: Database) {
    let world = World::new(database).await;
    let nas = NewNas {
        tenant: TenantId::DEFAULT,
        name: "pop-1".parse().unwrap(),
        source: parse_source("10.0.0.1").unwrap(),
        secret: Secret::from("kookaburra-secret"),
        settings: NasSettings::default(),
    };
    world.store.nas_insert(nas).await.unwrap();
    let ask = |path: &str, reason: &str| {
        let body = json!({ "kind": "nas_secret", "id": "pop-1", "reason": reason });
        Ask::post(path, body)
    };
    let shown = world.send(ask(REVEAL, "a new router")).await.expect(200);
    assert_eq!(shown.json["secret"], "kookaburra-secret");
    assert_eq!(shown.headers["cache-control"], "no-store");
    world.send(ask(REVEAL, " ")).await.expect(422);
    let rehearsed = format!("{REVEAL}?dry_run=true");
    let rehearsed = world.send(ask(&rehearsed, "curiosity")).await.expect(200);
    assert_eq!(rehearsed.json["secret"], Json::Null);
    let absent = json!({ "kind": "subscriber_password", "id": "nobody", "reason": "why" });
    world.send(Ask::post(REVEAL, absent)).await.expect(404);
    let writer = world.key_for("writer", "nas:write").await;
    world.send(ask(REVEAL, "no").by(&writer)).await.expect(403);
    let log = Ask::get("/api/v1/audit?action=revealed");
    let log = world.send(log).await.expect(200);
    let lines = log.json["items"].as_array().unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["after"], json!({ "reason": "a new router" }));
    let stored = world.database.dump();
    assert!(
        !stored
            .windows(17)
            .any(|octets| octets == b"kookaburra-secret")
    );
}
