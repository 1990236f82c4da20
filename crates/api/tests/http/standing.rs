//! What was used, decided and counted, and how it all stands.

use domain::access::RejectReason;
use domain::accounting::{AccountingRecord, SessionEvent};
use domain::auth_log::AuthOutcome;
use domain::id::{AuthId, NasId, TenantId};
use domain::time::Timestamp;
use serde_json::{Value as Json, json};
use testkit::database::{Database, TestClock};

use crate::examples;
use crate::examples::sessions::{DECISION, Online, decision, online, record};
use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    usage_says_what_was_used_and_what_is_left,
    the_log_is_filtered_and_paged,
    dashboards_say_how_much_there_is,
    the_program_explains_for_the_tenant_that_asks,
    locks_are_shown_and_cleared,
    settings_are_shown_and_set,
    the_installation_is_shown_to_its_provider_alone,
);

const START: Timestamp = TestClock::START;

async fn get(world: &World, path: &str) -> Json {
    let path = format!("/api/v1/{path}");
    world.send(Ask::get(&path)).await.expect(200).json
}

async fn router(world: &World) -> NasId {
    let name = "of-session".parse().unwrap();
    let nas = world.store.nas_find(TenantId::DEFAULT, &name).await;
    nas.unwrap().unwrap().id
}

/// A subscriber who has moved 15 megabytes in an hour and 6 in the next.
async fn used(database: Database) -> World {
    let world = World::new(database).await;
    let Online { nas, subscriber } = online(&world.store).await;
    for (seconds, megabytes) in [(0, 0), (600, 5), (3_700, 7)] {
        let of = (1, "of-session");
        let event = SessionEvent::Interim;
        let AccountingRecord::Session(mut said) = record(nas, of, event, (seconds, megabytes))
        else {
            panic!("a session was reported");
        };
        said.subscriber = Some(subscriber);
        let said = [AccountingRecord::Session(said)];
        world.store.accounting_commit(&said).await.unwrap();
    }
    world.database.clock().advance_seconds(4_000);
    world
}

async fn usage_says_what_was_used_and_what_is_left(database: Database) {
    let world = used(database).await;
    let hours = get(&world, "subscribers/of-session/usage?step=hour").await;
    let bucket = |starts_at: &str, up: u64, seconds: u64| {
        json!({
            "starts_at": starts_at, "upload_bytes": up, "download_bytes": 2 * up,
            "session_seconds": seconds,
        })
    };
    assert_eq!(
        hours["buckets"],
        json!([
            bucket("2027-01-15T08:00:00Z", 5_000_000, 600),
            bucket("2027-01-15T09:00:00Z", 2_000_000, 3_100),
        ])
    );
    assert_eq!(hours["total"]["download_bytes"], 14_000_000);
    let days = get(&world, "subscribers/of-session/usage").await;
    assert_eq!(
        days["buckets"],
        json!([bucket("2027-01-15T00:00:00Z", 7_000_000, 3_700)])
    );
    assert_eq!(days["time_zone"], "UTC");
    let quota = &days["quotas"][0];
    assert_eq!(
        (&quota["measure"], &quota["period"]),
        (&json!("traffic"), &json!("month"))
    );
    assert_eq!(quota["used"], 21_000_000);
    assert_eq!(quota["left"], 10_000_000_000_u64 - 21_000_000);
    assert_eq!(quota["resets_at"], "2027-02-01T00:00:00Z");
    let zone = "Asia/Tokyo".parse().unwrap();
    world
        .store
        .tenant_set_zone(TenantId::DEFAULT, &zone)
        .await
        .unwrap();
    let days = get(&world, "subscribers/of-session/usage?zone=tenant").await;
    assert_eq!(days["time_zone"], "Asia/Tokyo");
    assert_eq!(
        days["buckets"],
        json!([bucket("2027-01-14T15:00:00Z", 7_000_000, 3_700)])
    );
    let wrong = "/api/v1/subscribers/of-session/usage?from=2027-01-16T00:00:00Z";
    let told = world.send(Ask::get(wrong)).await.expect(422);
    assert_eq!(told.json["errors"][0]["field"], "until");
    world
        .send(Ask::get("/api/v1/subscribers/nobody/usage"))
        .await
        .expect(404);
}

async fn the_log_is_filtered_and_paged(database: Database) {
    let world = World::new(database).await;
    examples::furnish(&world).await;
    let nas = router(&world).await;
    let id = AuthId::new(START.plus_seconds(1), [7; 10]);
    let unknown = AuthOutcome::Rejected(RejectReason::UnknownUser);
    let entry = decision(nas, id, unknown);
    world.store.auth_log_append(&[&entry], &[]).await.unwrap();
    let rows = [
        ("", 2),
        ("user=OF-session", 1),
        ("outcome=rejected", 1),
        ("outcome=accepted", 1),
        ("reason=unknown_user", 1),
        ("reason=expired", 0),
        ("mac=02005e000001", 2),
        ("mac=02005e000002", 0),
        ("nas=of-session", 2),
        ("at.gte=2027-01-15T08:00:01Z", 0),
        ("at.lte=2027-01-15T08:00:00Z", 2),
    ];
    for (query, count) in rows {
        let found = get(&world, &format!("auth-log?{query}")).await;
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{query}");
    }
    let first = get(&world, "auth-log?limit=1").await;
    assert_eq!(first["items"][0]["reason"], "unknown_user");
    let token = first["next_page_token"].as_str().unwrap();
    let second = get(&world, &format!("auth-log?limit=1&page_token={token}")).await;
    assert_eq!(second["items"][0]["outcome"], "accepted");
    let shown = get(&world, &format!("auth-log/{DECISION}")).await;
    assert_eq!(shown, second["items"][0]);
    let absent = format!("/api/v1/auth-log/{}", TenantId::DEFAULT);
    world.send(Ask::get(&absent)).await.expect(404);
    let both = Ask::get("/api/v1/auth-log?outcome=accepted&reason=expired");
    world.send(both).await.expect(422);
}

async fn dashboards_say_how_much_there_is(database: Database) {
    let world = used(database).await;
    let nas = router(&world).await;
    let entry = decision(nas, AuthId::new(START, [7; 10]), AuthOutcome::Accepted);
    world.store.auth_log_append(&[&entry], &[]).await.unwrap();
    world.store.gauge_sample().await.unwrap();
    world.store.usage_top_find(START).await.unwrap();
    for of in ["", "&plan=of-session", "&nas=of-session"] {
        let traffic = get(&world, &format!("statistics/traffic?step=hour{of}")).await;
        assert_eq!(traffic["buckets"].as_array().unwrap().len(), 2, "{of}");
        assert_eq!(traffic["total"]["upload_bytes"], 7_000_000, "{of}");
        let sessions = get(&world, &format!("statistics/sessions?step=hour{of}")).await;
        assert_eq!(sessions["open_now"], 1, "{of}");
        let steps = json!([{ "starts_at": "2027-01-15T09:00:00Z", "average": 1, "peak": 1 }]);
        assert_eq!(sessions["steps"], steps, "{of}");
    }
    for by in ["plan", "nas"] {
        let shares = get(&world, &format!("statistics/traffic/shares?by={by}")).await;
        assert_eq!(shares["shares"][0]["name"], "of-session");
        assert_eq!(shares["shares"][0]["upload_bytes"], 7_000_000);
        let shares = get(&world, &format!("statistics/sessions/shares?by={by}")).await;
        assert_eq!(shares["shares"][0]["name"], "of-session");
        assert_eq!(shares["shares"][0]["open"], 1);
    }
    for at in ["", "&nas=of-session"] {
        let logins = get(&world, &format!("statistics/authentications?step=hour{at}")).await;
        assert_eq!(
            (&logins["accepted"], &logins["rejected"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(logins["steps"][0]["outcome"], "accepted");
    }
    let top = get(&world, "statistics/top-users").await;
    let user = json!({
        "user_name": "of-session", "upload_bytes": 7_000_000, "download_bytes": 14_000_000,
        "session_seconds": 3_700,
    });
    assert_eq!(top["users"], json!([user]));
    assert_eq!(top["until"], "2027-01-16T00:00:00Z");
    let states = get(&world, "statistics/subscribers").await;
    assert_eq!(
        (&states["total"], &states["at"]),
        (&json!(1), &json!("2027-01-15T09:06:40Z"))
    );
    assert_eq!(
        get(&world, "statistics/expiring").await,
        json!({ "count": 0, "subscribers": [] })
    );
    for wrong in [
        "traffic?plan=of-session&nas=of-session",
        "traffic?from=2020-01-01T00:00:00Z",
        "top-users?from=2020-01-01T00:00:00Z",
        "top-users?limit=101",
        "expiring?days=32",
        "traffic/shares?by=nas&from=2026-10-01T00:00:00Z",
        "sessions/shares?by=nas&limit=0",
        "sessions?plan=nothing",
        "authentications?nas=nothing",
    ] {
        let path = format!("/api/v1/statistics/{wrong}");
        world.send(Ask::get(&path)).await.expect(422);
    }
}

async fn the_program_explains_for_the_tenant_that_asks(database: Database) {
    let world = World::new(database).await;
    let why = get(&world, "why?user=ana&at=2027-01-14T08:00:00Z").await;
    assert_eq!(
        (&why["known"], &why["at"]),
        (&json!("subscriber"), &json!("2027-01-14T08:00:00Z"))
    );
    assert_eq!(why["causes"][0]["weight"], "refuses");
    let stranger = world.stranger().await;
    let theirs = world
        .send(Ask::get("/api/v1/why?user=ana").by(&stranger))
        .await;
    assert_eq!(theirs.expect(200).json["known"], "nobody");
    let busy = world
        .send(Ask::get("/api/v1/why?user=busy"))
        .await
        .expect(503);
    assert_eq!(busy.json["code"], "busy");
    world.send(Ask::get("/api/v1/why")).await.expect(400);
    world.send(Ask::get("/api/v1/why?user=")).await.expect(422);
    let explain = |body: Json| Ask::post("/api/v1/explain", body);
    let body =
        json!({ "user_name": "ana", "nas": "pop-1", "password": "x", "attributes": ["a=b"] });
    let told = world.send(explain(body)).await.expect(200).json;
    assert_eq!(
        (&told["outcome"], &told["password"]),
        (&json!("accepted"), &json!("compared"))
    );
    assert_eq!(told["trace"], json!(["a=b"]));
    let unknown = world
        .send(explain(json!({ "user_name": "ana", "nas": "192.0.2.9" })))
        .await;
    assert_eq!(unknown.expect(422).json["errors"][0]["field"], "nas");
    let many = vec!["a=b"; 65];
    let body = json!({ "user_name": "ana", "nas": "pop-1", "attributes": many });
    assert_eq!(
        world.send(explain(body)).await.expect(422).json["errors"][0]["field"],
        "attributes"
    );
}

async fn locks_are_shown_and_cleared(database: Database) {
    let world = World::new(database).await;
    examples::furnish(&world).await;
    let locks = get(&world, "locks?subject=user").await;
    assert_eq!(locks["items"][0]["name"], "of-lock");
    assert_eq!(get(&world, "locks?subject=nas").await["items"], json!([]));
    let stranger = world.stranger().await;
    let theirs = world.send(Ask::get("/api/v1/locks").by(&stranger)).await;
    assert_eq!(theirs.expect(200).json["items"], json!([]));
    let clear = || Ask::post("/api/v1/locks:clear", json!({}));
    let cleared = world.send(clear().by(&stranger)).await.expect(200);
    assert_eq!(cleared.json["cleared"], 0);
    assert_eq!(world.send(clear()).await.expect(200).json["cleared"], 1);
    assert_eq!(get(&world, "locks").await["items"], json!([]));
}

async fn settings_are_shown_and_set(database: Database) {
    let world = World::new(database).await;
    let before = get(&world, "settings").await;
    assert_eq!(before["time_zone"], "UTC");
    let put = |path: &str, body: Json| {
        Ask::put(&format!("/api/v1/settings/{path}")).with_body(Some(body))
    };
    let rows = [
        (
            "time-zone",
            json!({ "time_zone": "Africa/Nairobi" }),
            "time_zone",
            json!("Africa/Nairobi"),
        ),
        (
            "language",
            json!({ "language": "sw" }),
            "language",
            json!("sw"),
        ),
        (
            "default-garden",
            json!({ "garden": null }),
            "default_garden",
            json!(null),
        ),
    ];
    for (path, body, field, expected) in rows {
        let set = world.send(put(path, body)).await.expect(200).json;
        assert_eq!(set[field], expected);
        assert_eq!(get(&world, "settings").await, set);
    }
    let rows = [
        ("time-zone", json!({ "time_zone": "Middle/Earth" }), 422),
        ("language", json!({ "language": "!" }), 422),
        ("default-garden", json!({ "garden": "Eden" }), 422),
        ("time-zone", json!({}), 422),
    ];
    for (path, body, status) in rows {
        world.send(put(path, body)).await.expect(status);
    }
}

async fn the_installation_is_shown_to_its_provider_alone(database: Database) {
    let world = World::new(database).await;
    let health = get(&world, "health").await;
    assert_eq!(
        (&health["ready"], &health["disk_problem"]),
        (&json!(false), &json!("full"))
    );
    assert_eq!(health["node"]["access_accepts"], 3);
    let values = get(&world, "configuration").await;
    assert_eq!(values["items"][0]["key"], "http.listen");
    online(&world.store).await;
    let extent = get(&world, "directory").await;
    assert_eq!(
        (&extent["subscribers"], &extent["nas"]),
        (&json!(1), &json!(1))
    );
    let reload = || Ask::new("POST".parse().unwrap(), "/api/v1/directory:reload");
    assert_eq!(world.send(reload()).await.expect(202).json, extent);
    let stranger = world.stranger().await;
    world.send(reload().by(&stranger)).await.expect(403);
    for path in ["health", "configuration", "directory"] {
        let ask = Ask::get(&format!("/api/v1/{path}")).by(&stranger);
        world.send(ask).await.expect(403);
    }
}
