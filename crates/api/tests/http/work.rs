//! What is done to many, what takes its time, and what is done again and again.

use serde_json::{Value as Json, json};
use services::operation::worker;
use testkit::database::Database;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use crate::examples::work;
use crate::fixture::{Answer, Ask, World};

testkit::test_on_both_databases!(
    few_rows_are_answered_at_once,
    many_rows_are_an_operation_with_results,
    a_filter_is_shown_before_it_is_obeyed,
    requests_that_mean_nothing_are_refused_with_the_field,
    schedules_are_shown_run_and_paused,
    jobs_and_reconcilers_are_shown,
);

const BULK: &str = "/api/v1/subscribers:bulk";
const PATIENCE: Duration = Duration::from_secs(60);

async fn furnished(database: Database) -> World {
    let world = World::new(database).await;
    work::furnish(&world.store).await;
    world
}

/// The operation, once it is over.
pub(crate) async fn over(world: &World, accepted: &Answer) -> Json {
    let path = accepted.headers["location"].to_str().unwrap().to_owned();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = world.send(Ask::get(&path)).await.expect(200).json;
        if !shown["finished_at"].is_null() {
            return shown;
        }
        assert!(Instant::now() < deadline, "{shown}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn outcomes(results: &Json) -> Vec<(&str, Option<&str>)> {
    let results = results.as_array().unwrap();
    let told = results.iter().map(|result| {
        let outcome = result["outcome"].as_str().unwrap();
        (outcome, result["problem"]["code"].as_str())
    });
    told.collect()
}

async fn few_rows_are_answered_at_once(database: Database) {
    let world = furnished(database).await;
    let rows = json!({ "rows": [
        { "action": "create", "username": "ana", "password": "a", "plan": "of-bulk" },
        { "action": "create", "username": "ana", "password": "a", "plan": "of-bulk" },
        { "action": "put", "username": "ben", "password": "b", "plan": "of-bulk",
          "static_ipv4": "100.64.0.7", "expires_at": null },
        { "action": "suspend_walled", "username": "zoe" },
    ] });
    let expected = [
        ("created", None),
        ("failed", Some("taken")),
        ("created", None),
        ("failed", Some("not_found")),
    ];
    for (query, is_dry_run) in [("?dry_run=true", true), ("", false)] {
        let ask = Ask::post(&format!("{BULK}{query}"), rows.clone());
        let answer = world.send(ask).await.expect(200).json;
        assert_eq!(outcomes(&answer["results"]), expected);
        assert_eq!(
            (&answer["total"], &answer["failed"]),
            (&json!(4), &json!(2))
        );
        assert_eq!(answer["is_dry_run"], is_dry_run);
        assert!(!answer.to_string().contains("\"a\""), "{answer}");
    }
    let together = json!({ "is_atomic": true, "rows": [
        { "action": "delete", "username": "ana" },
        { "action": "delete", "username": "zoe" },
    ] });
    let answer = world.send(Ask::post(BULK, together)).await.expect(200);
    let expected = [("undone", None), ("failed", Some("not_found"))];
    assert_eq!(outcomes(&answer.json["results"]), expected);
    let left = world
        .database
        .number("SELECT COUNT(*) FROM subscriber")
        .await;
    assert_eq!(left, 2);
}

async fn many_rows_are_an_operation_with_results(database: Database) {
    let world = furnished(database).await;
    let mut body = work::many();
    body["rows"][7]["plan"] = "gold".into();
    let accepted = world.send(Ask::post(BULK, body)).await.expect(202);
    assert_eq!(accepted.json["state"], "queued");
    assert_eq!(accepted.json["actor"]["kind"], "api_key");
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(world.store.clone()));
    let done = over(&world, &accepted).await;
    assert_eq!(done["state"], "succeeded");
    assert_eq!((&done["done"], &done["failed"]), (&json!(101), &json!(1)));
    let path = format!("/api/v1/operations/{}", done["id"].as_str().unwrap());
    let failed = world
        .send(Ask::get(&format!("{path}/results?failed=true")))
        .await
        .expect(200);
    assert_eq!(failed.json["items"][0]["row"], 8);
    assert_eq!(failed.json["items"][0]["problem"]["field"], "plan");
    let first = world
        .send(Ask::get(&format!("{path}/results?limit=2")))
        .await
        .expect(200);
    let token = first.json["next_page_token"].as_str().unwrap();
    let next = world
        .send(Ask::get(&format!(
            "{path}/results?limit=2&page_token={token}"
        )))
        .await
        .expect(200);
    assert_eq!(next.json["items"][0]["row"], 3);
    let listed = world
        .send(Ask::get("/api/v1/operations?state=succeeded&fields=id"))
        .await
        .expect(200);
    assert_eq!(listed.json["items"][0]["id"], done["id"]);
    world
        .send(Ask::get("/api/v1/operations?state=gone"))
        .await
        .expect(400);
    let cancel = Ask::new(axum::http::Method::POST, &format!("{path}/cancel"));
    let refused = world.send(cancel).await.expect(409);
    assert_eq!(refused.json["code"], "wrong_state");
}

async fn a_filter_is_shown_before_it_is_obeyed(database: Database) {
    let world = furnished(database).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(world.store.clone()));
    let made = world.send(Ask::post(BULK, work::many())).await.expect(202);
    over(&world, &made).await;
    let body = json!({
        "filter": { "plan": "of-bulk", "state": "active" },
        "action": "change", "change": { "plan": "of-plan-bulk" },
    });
    let preview = Ask::post(&format!("{BULK}?dry_run=true"), body.clone());
    let preview = world.send(preview).await.expect(200).json;
    assert_eq!(preview["total"], 101);
    assert_eq!(preview["results"][0]["outcome"], "changed");
    let moved = "SELECT COUNT(*) FROM subscriber s JOIN plan p ON p.id = s.plan \
        WHERE p.name = 'of-plan-bulk'";
    assert_eq!(world.database.number(moved).await, 0);
    let accepted = world.send(Ask::post(BULK, body)).await.expect(202);
    assert_eq!(over(&world, &accepted).await["failed"], 0);
    assert_eq!(world.database.number(moved).await, 101);
    let one = json!({ "filter": { "q": "bulk-100" }, "action": "suspend_hard" });
    let answer = world.send(Ask::post(BULK, one)).await.expect(200);
    assert_eq!(outcomes(&answer.json["results"]), [("changed", None)]);
}

async fn requests_that_mean_nothing_are_refused_with_the_field(database: Database) {
    let world = furnished(database).await;
    let row = json!({ "action": "delete", "username": "ana" });
    for (body, field) in [
        (json!({}), "rows"),
        (json!({ "rows": [row], "action": "delete" }), "action"),
        (json!({ "filter": {}, "action": "delete" }), "filter"),
        (json!({ "filter": { "q": "a" } }), "action"),
        (
            json!({ "filter": { "q": "a" }, "action": "create" }),
            "action",
        ),
        (
            json!({ "filter": { "q": "a" }, "action": "change" }),
            "change",
        ),
        (
            json!({ "filter": { "plan": "gold" }, "action": "delete" }),
            "filter.plan",
        ),
        (
            json!({ "rows": [row], "filter": { "q": "a" }, "action": "delete" }),
            "filter",
        ),
        (
            json!({ "rows": vec![row.clone(); 1_001], "is_atomic": true }),
            "is_atomic",
        ),
        (
            json!({ "rows": [{ "action": "burn", "username": "a" }] }),
            "rows[0].action",
        ),
    ] {
        let answer = world.send(Ask::post(BULK, body)).await.expect(422);
        assert_eq!(answer.json["errors"][0]["field"], field, "{}", answer.json);
    }
}

async fn schedules_are_shown_run_and_paused(database: Database) {
    let world = furnished(database).await;
    let post = |path: &str| Ask::new(axum::http::Method::POST, path);
    let listed = world.send(Ask::get("/api/v1/schedules")).await.expect(200);
    assert_eq!(listed.json["items"][0]["name"], "sweep");
    let path = "/api/v1/schedules/sweep";
    let paused = world.send(post(&format!("{path}/pause"))).await.expect(200);
    assert_eq!(paused.json["is_paused"], true);
    let asked = world.send(post(&format!("{path}/run"))).await.expect(200);
    assert!(asked.json["asked_at"].is_string());
    let run = world.store.schedule_begin("sweep").await.unwrap().unwrap();
    world.store.schedule_end(&run, Ok("swept")).await.unwrap();
    let runs = world
        .send(Ask::get(&format!("{path}/runs")))
        .await
        .expect(200);
    assert_eq!(runs.json["items"][0]["trigger"], "asked");
    assert_eq!(runs.json["items"][0]["report"], "swept");
    let resumed = world
        .send(post(&format!("{path}/resume")))
        .await
        .expect(200);
    assert_eq!(resumed.json["last_run"]["state"], Json::Null);
    let shown = world.send(Ask::get(path)).await.expect(200);
    assert_eq!(shown.json["last_run"]["state"], "succeeded");
    for wrong in ["dust", "sw%00"] {
        let path = format!("/api/v1/schedules/{wrong}");
        world.send(Ask::get(&path)).await.expect(404);
        world.send(post(&format!("{path}/run"))).await.expect(404);
    }
}

async fn jobs_and_reconcilers_are_shown(database: Database) {
    let world = furnished(database).await;
    let post = |path: &str| Ask::new(axum::http::Method::POST, path);
    let made = world.send(Ask::post(BULK, work::many())).await.expect(202);
    let id = made.json["id"].as_str().unwrap();
    let jobs = world
        .send(Ask::get("/api/v1/jobs?kind=operation&state=ready"))
        .await
        .expect(200);
    assert_eq!(jobs.json["items"][0]["id"], id);
    let path = format!("/api/v1/jobs/{id}");
    world.send(Ask::get(&path)).await.expect(200);
    world.send(post(&format!("{path}/retry"))).await.expect(200);
    world.send(Ask::delete(&path)).await.expect(204);
    world.send(Ask::delete(&path)).await.expect(404);
    let ended = world
        .send(Ask::get(&format!("/api/v1/operations/{id}")))
        .await;
    assert_eq!(ended.expect(200).json["state"], "cancelled");
    let told = world
        .send(Ask::get("/api/v1/reconcilers"))
        .await
        .expect(200);
    assert_eq!(told.json["items"][0]["drift"], 1);
    let asked = world
        .send(post("/api/v1/reconcilers/floor/run"))
        .await
        .expect(200);
    assert!(asked.json["items"][0]["asked_at"].is_string());
    world
        .send(post("/api/v1/reconcilers/moon/run"))
        .await
        .expect(404);
}
