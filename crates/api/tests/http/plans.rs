//! Plans: their terms as integers, their versions, whom a change touches, and changes made later.

use domain::accounting::{AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord};
use domain::id::{Id, TenantId};
use domain::usage::UsageAmount;
use serde_json::{Value as Json, json};
use services::plan_schedule::make_due;
use storage::subscriber::NewSubscriber;
use testkit::database::{Database, TestClock};
use uuid::Uuid;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    a_plan_is_shown_as_it_was_made,
    what_cannot_be_is_told_field_by_field,
    each_change_is_a_version_and_can_be_undone,
    a_rehearsal_says_whom_a_change_touches,
    a_change_is_made_when_its_time_comes,
);

const PLANS: &str = "/api/v1/plans";

fn patch(path: &str, body: Json) -> Ask {
    Ask::new(axum::http::Method::PATCH, path).with_body(Some(body))
}

async fn a_plan_is_shown_as_it_was_made(database: Database) {
    let world = World::new(database).await;
    let base = world
        .send(Ask::post(PLANS, json!({ "name": "slow" })))
        .await
        .expect(201);
    assert_eq!(base.json["rate"], Json::Null);
    let body = json!({
        "name": "home-25",
        "rate": {
            "upload_bps": 25_000_000, "download_bps": 50_000_000,
            "burst": {
                "upload_bps": 30_000_000, "download_bps": 60_000_000,
                "upload_threshold_bps": 20_000_000, "download_threshold_bps": 40_000_000,
                "upload_seconds": 10, "download_seconds": 12,
            },
            "priority": 3,
            "minimum": { "upload_bps": 1_000_000, "download_bps": 2_000_000 },
        },
        "session_timeout_seconds": 86_400,
        "idle_timeout_seconds": 600,
        "interim_seconds": 120,
        "pool": "gold",
        "session_limit": 2,
        "session_policy": "replace_oldest",
        "quotas": [
            { "measure": "traffic", "period": "month", "amount": 50_000_000_000_u64 },
            { "measure": "time", "period": "24h", "amount": 7_200 },
        ],
        "windows": "Wk0800-1800",
        "validity": { "seconds": 2_592_000, "from": "first_use" },
        "resets": "15 mon 06:00",
        "at_limit": { "action": "plan", "plan": "slow" },
        "grace_days": 3,
        "after_expiry": "walled",
        "device_limit": 2,
        "private_device_limit": 0,
    });
    let made = world.send(Ask::post(PLANS, body.clone())).await.expect(201);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made.json[field], value, "{field}");
    }
    let shown = world
        .send(Ask::get("/api/v1/plans/HOME-25"))
        .await
        .expect(200);
    assert_eq!(shown.json, made.json);
    let emptied = json!({
        "rate": null, "session_timeout_seconds": null, "pool": null, "quotas": [], "windows": null,
        "validity": null,
    });
    let changed = world
        .send(patch("/api/v1/plans/home-25", emptied))
        .await
        .expect(200);
    for field in [
        "rate",
        "session_timeout_seconds",
        "pool",
        "windows",
        "validity",
        "at_limit",
    ] {
        assert_eq!(changed.json[field], Json::Null, "{field}");
    }
    assert_eq!(changed.json["quotas"], json!([]));
    assert_eq!(changed.json["session_limit"], 2);
}

async fn what_cannot_be_is_told_field_by_field(database: Database) {
    let world = World::new(database).await;
    let body = json!({
        "name": " ",
        "rate": { "upload_bps": 10, "download_bps": 10, "priority": 9 },
        "interim_seconds": 5,
        "quotas": [{ "measure": "traffic", "period": "day", "amount": 0 }],
        "windows": "never",
        "garden": "nowhere",
        "at_limit": { "action": "plan", "plan": "nothing" },
    });
    let refused = world.send(Ask::post(PLANS, body)).await.expect(422);
    let errors = refused.json["errors"].as_array().unwrap();
    let mut fields: Vec<&str> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "at_limit.plan",
            "garden",
            "interim_seconds",
            "name",
            "quotas",
            "rate",
            "windows"
        ]
    );
    let no_quota = json!({ "name": "a", "at_limit": { "action": "block" } });
    let refused = world.send(Ask::post(PLANS, no_quota)).await.expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "at_limit");
    let null = json!({ "name": "a", "interim_seconds": null });
    world.send(Ask::post(PLANS, null)).await.expect(422);
    let unknown = json!({ "name": "a", "speed": 1 });
    world.send(Ask::post(PLANS, unknown)).await.expect(422);
}

async fn each_change_is_a_version_and_can_be_undone(database: Database) {
    let world = World::new(database).await;
    let rate = |bps: u64| json!({ "upload_bps": bps, "download_bps": bps });
    let body = json!({ "name": "home", "rate": rate(1_000_000) });
    world.send(Ask::post(PLANS, body)).await.expect(201);
    let home = "/api/v1/plans/home";
    let body = json!({ "rate": rate(2_000_000), "note": "twice as fast" });
    world.send(patch(home, body.clone())).await.expect(200);
    // The same again changes nothing, and makes no version.
    world.send(patch(home, body)).await.expect(200);
    let path = format!("{home}/revert");
    let absent = Ask::post(&path, json!({ "version": 9 }));
    world.send(absent).await.expect(404);
    let back = world
        .send(Ask::post(&path, json!({ "version": 1 })))
        .await
        .expect(200);
    assert_eq!(back.json["rate"]["upload_bps"], 1_000_000);
    let path = format!("{home}/versions");
    let versions = world.send(Ask::get(&path)).await.expect(200);
    let versions = versions.json["items"].as_array().unwrap();
    let seen: Vec<Json> = versions
        .iter()
        .map(|one| json!([one["number"], one["note"], one["changed"], one["actor"]]))
        .collect();
    assert_eq!(
        seen,
        [
            json!([3, "Back to version 1", ["rate"], "API key owner"]),
            json!([2, "twice as fast", ["rate"], "API key owner"]),
            json!([1, null, [], "API key owner"]),
        ]
    );
    assert_eq!(versions[1]["before"]["rate"]["upload_bps"], 1_000_000);
    assert_eq!(versions[1]["after"]["rate"]["upload_bps"], 2_000_000);
    let first = world
        .send(Ask::get(&format!("{path}?limit=2")))
        .await
        .expect(200);
    let token = first.json["next_page_token"].as_str().unwrap();
    let rest = world
        .send(Ask::get(&format!("{path}?limit=2&page_token={token}")))
        .await
        .expect(200);
    assert_eq!(rest.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest.json["next_page_token"], Json::Null);
}

/// Somebody on a plan who is online at a router.
async fn online(world: &World, (name, nas): (&str, &Json), plan: &Json) {
    let plan: Uuid = plan["id"].as_str().unwrap().parse().unwrap();
    let new = NewSubscriber {
        tenant: TenantId::DEFAULT,
        username: name.parse().unwrap(),
        credential: domain::credential::Credential::Cleartext("correct horse".into()),
        plan: Id::from_uuid(plan),
        status: domain::subscriber::SubscriberStatus::Active,
        starts_at: None,
        expires_at: None,
        addresses: Default::default(),
        sessions: Default::default(),
    };
    let subscriber = world.store.subscriber_insert(new).await.unwrap();
    let nas: Uuid = nas["id"].as_str().unwrap().parse().unwrap();
    let start = AccountingRecord::Session(SessionRecord {
        event: SessionEvent::Start,
        tenant: TenantId::DEFAULT,
        nas: Id::from_uuid(nas),
        key: SessionKey(*subscriber.id.as_bytes()),
        auth: None,
        terms: None,
        subscriber: Some(subscriber.id),
        username: name.into(),
        at: TestClock::START,
        total: UsageAmount::default(),
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: name.into(),
            user_name: None,
            nas_address: None,
            nas_port: None,
            framed_ipv4: None,
            framed_ipv6_prefix: None,
            delegated_ipv6_prefix: None,
            calling_station: None,
            called_station: None,
        },
    });
    world.store.accounting_commit(&[start]).await.unwrap();
}

async fn a_rehearsal_says_whom_a_change_touches(database: Database) {
    let world = World::new(database).await;
    let body =
        json!({ "name": "home", "rate": { "upload_bps": 1_000_000, "download_bps": 1_000_000 } });
    let plan = world.send(Ask::post(PLANS, body)).await.expect(201).json;
    for (name, address, vendor) in [
        ("mt", "192.0.2.1", "mikrotik"),
        ("cs", "192.0.2.2", "cisco"),
    ] {
        let body = json!({ "name": name, "address": address, "vendor": vendor });
        let nas = world
            .send(Ask::post("/api/v1/nas", body))
            .await
            .expect(201)
            .json;
        online(&world, (&format!("user-{name}"), &nas), &plan).await;
    }
    let body = json!({
        "rate": { "upload_bps": 2_000_000, "download_bps": 1_000_000 }, "session_limit": 1,
    });
    let path = format!("{PLANS}/home?dry_run=true");
    let shown = world.send(patch(&path, body.clone())).await.expect(200);
    assert_eq!(
        shown.json["impact"],
        json!({
            "changed": ["rate", "session_limit"],
            "at_next_session": ["session_limit"],
            "subscribers": 2,
            "at_limit_of": [],
            "sessions": [
                {
                    "vendor": "cisco", "sessions": 1, "effect": "end", "terms": ["rate"],
                    "effect_at_limit": "nothing",
                },
                {
                    "vendor": "mikrotik", "sessions": 1, "effect": "change", "terms": ["rate"],
                    "effect_at_limit": "nothing",
                },
            ],
        })
    );
    let done = world
        .send(patch(&format!("{PLANS}/home"), body))
        .await
        .expect(200);
    assert_eq!(done.json.get("impact"), None);
}

async fn a_change_is_made_when_its_time_comes(database: Database) {
    let world = World::new(database).await;
    world
        .send(Ask::post(PLANS, json!({ "name": "home" })))
        .await
        .expect(201);
    let path = format!("{PLANS}/home/scheduled-changes");
    let soon = TestClock::START.plus_seconds(60).to_string();
    let past = json!({ "at": TestClock::START.to_string(), "patch": {} });
    let refused = world.send(Ask::post(&path, past)).await.expect(422);
    assert_eq!(refused.json["errors"][0]["field"], "at");
    let nowhere = json!({ "at": soon, "patch": { "garden": "nowhere" } });
    world.send(Ask::post(&path, nowhere)).await.expect(422);
    let body = json!({
        "at": soon, "patch": { "session_limit": 3, "pool": null }, "note": "as agreed",
    });
    let made = world.send(Ask::post(&path, body.clone())).await.expect(201);
    assert_eq!(made.json["state"], "pending");
    assert_eq!(
        made.json["patch"],
        json!({ "session_limit": 3, "pool": null })
    );
    assert_eq!(made.json["actor"], "API key owner");
    let other = world.send(Ask::post(&path, body)).await.expect(201);
    let gone = format!("{path}/{}", other.json["id"].as_str().unwrap());
    let cancelled = world.send(Ask::delete(&gone)).await.expect(200);
    assert_eq!(cancelled.json["state"], "cancelled");
    let again = world.send(Ask::delete(&gone)).await.expect(409);
    assert_eq!(again.json["code"], "wrong_state");

    assert_eq!(make_due(&world.store).await.unwrap(), 0);
    world.database.clock().advance_seconds(61);
    assert_eq!(make_due(&world.store).await.unwrap(), 1);
    let plan = world.send(Ask::get("/api/v1/plans/home")).await.expect(200);
    assert_eq!(plan.json["session_limit"], 3);
    let list = world
        .send(Ask::get("/api/v1/scheduled-plan-changes?state=applied"))
        .await
        .expect(200);
    let applied = &list.json["items"][0];
    assert_eq!(
        (&applied["id"], &applied["version"]),
        (&made.json["id"], &json!(2))
    );
    world
        .send(Ask::get("/api/v1/scheduled-plan-changes?state=lost"))
        .await
        .expect(400);
    let versions = world
        .send(Ask::get("/api/v1/plans/home/versions"))
        .await
        .expect(200);
    let newest = &versions.json["items"][0];
    assert_eq!(newest["note"], "as agreed");
    assert_eq!(newest["actor"], "system schedule of API key owner");
}
