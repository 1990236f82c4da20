//! Who is online, and ending and changing that.

use domain::accounting::SessionEvent;
use domain::id::TenantId;
use serde_json::{Value as Json, json};
use testkit::database::Database;

use crate::examples::sessions::{Online, online, record};
use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    sessions_are_listed_by_what_is_asked_for,
    what_cannot_be_asked_together_is_told,
    pages_of_the_fastest_follow_each_other,
    a_session_is_kicked_and_its_command_shown,
    many_are_asked_only_when_they_are_meant,
);

/// Sessions `s1` and `s2` are open, and `s3` has ended. What is faster has the greater number.
async fn world(database: Database) -> World {
    let world = World::new(database).await;
    let Online { nas, .. } = online(&world.store).await;
    let mut records = Vec::new();
    for number in 1..=3_u8 {
        let name = format!("s{number}");
        let of = (number, name.as_str());
        records.push(record(nas, of, SessionEvent::Start, (0, 0)));
        let event = match number {
            3 => SessionEvent::Stop,
            _ => SessionEvent::Interim,
        };
        records.push(record(nas, of, event, (100, u64::from(number))));
    }
    for record in records {
        world.store.accounting_commit(&[record]).await.unwrap();
    }
    world
}

fn names(listing: &Json) -> Vec<&str> {
    let items = listing["items"].as_array().unwrap().iter();
    items
        .map(|item| item["session_id"].as_str().unwrap())
        .collect()
}

async fn sessions_are_listed_by_what_is_asked_for(database: Database) {
    let world = world(database).await;
    let rows = [
        ("", vec!["s2", "s1"]),
        ("state=closed", vec!["s3"]),
        ("state=all", vec!["s3", "s2", "s1"]),
        ("state=all&sort=id", vec!["s1", "s2", "s3"]),
        ("sort=-download_bps", vec!["s2", "s1"]),
        ("user=S1", vec!["s1"]),
        ("nas=of-session", vec!["s2", "s1"]),
        ("address=100.64.0.2", vec!["s2"]),
        ("mac=02005e000001", vec!["s1"]),
        ("state=closed&mac=02:00:5e:00:00:03", vec!["s3"]),
        ("plan=of-session", vec![]),
        ("stale=true", vec![]),
        ("started_at.lt=2027-01-15T08:00:00Z", vec![]),
        ("updated_at.gte=2027-01-15T08:01:40Z", vec!["s2", "s1"]),
        (
            "state=closed&stopped_at.gte=2027-01-15T08:00:00Z",
            vec!["s3"],
        ),
        ("state=closed&stopped_at.lt=2027-01-15T08:00:00Z", vec![]),
    ];
    for (query, expected) in rows {
        let path = format!("/api/v1/sessions?{query}");
        let found = world.send(Ask::get(&path)).await.expect(200);
        assert_eq!(names(&found.json), expected, "{query}");
    }
    world.database.clock().advance_seconds(1_100);
    let stale = world.send(Ask::get("/api/v1/sessions?stale=true")).await;
    assert_eq!(names(&stale.expect(200).json), ["s2", "s1"]);
    let shown = world
        .send(Ask::get("/api/v1/sessions/s2"))
        .await
        .expect(200);
    assert_eq!(shown.json["upload_bytes"], 2_000_000);
    assert_eq!(shown.json["upload_bps"], 160_000);
    assert_eq!(shown.json["nas"], "of-session");
    assert_eq!(shown.json["started_at"], "2027-01-15T08:00:00Z");
    let id = shown.json["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{id}");
    assert_eq!(
        world.send(Ask::get(&path)).await.expect(200).json,
        shown.json
    );
    world
        .send(Ask::get("/api/v1/sessions/s9"))
        .await
        .expect(404);
}

async fn what_cannot_be_asked_together_is_told(database: Database) {
    let world = world(database).await;
    let rows = [
        ("state=closed&plan=of-session", "plan"),
        ("state=all&sort=-upload_bps", "sort"),
        ("stopped_at.lt=2027-01-15T08:00:00Z", "stopped_at.lt"),
        (
            "state=closed&started_at.gte=2027-01-15T08:00:00Z",
            "started_at.gte",
        ),
        ("started_at.gte=soon", "started_at.gte"),
        ("mac=zz", "mac"),
        ("address=2001:db8::1", "address"),
        ("user=s1&subscriber=of-session", "subscriber"),
        ("nas=of-session&group=a", "group"),
    ];
    for (query, field) in rows {
        let path = format!("/api/v1/sessions?{query}");
        let told = world.send(Ask::get(&path)).await.expect(422);
        assert_eq!(told.json["errors"][0]["field"], field, "{query}");
    }
    for field in ["group", "plan", "subscriber"] {
        let path = format!("/api/v1/sessions?{field}=x");
        let told = world.send(Ask::get(&path)).await.expect(422);
        assert_eq!(told.json["errors"][0]["field"], field);
    }
    // A router that is gone may have left sessions.
    let gone = world.send(Ask::get("/api/v1/sessions?nas=x")).await;
    assert_eq!(gone.expect(200).json["items"], json!([]));
    for query in ["state=ended", "sort=name", "limit=0", "stale=maybe"] {
        let path = format!("/api/v1/sessions?{query}");
        world.send(Ask::get(&path)).await.expect(400);
    }
}

async fn pages_of_the_fastest_follow_each_other(database: Database) {
    let world = world(database).await;
    let mut path = "/api/v1/sessions?sort=-upload_bps&limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = world.send(Ask::get(&path)).await.expect(200).json;
        seen.extend(names(&page).into_iter().map(ToOwned::to_owned));
        let Some(token) = page["next_page_token"].as_str() else {
            break;
        };
        path = format!("/api/v1/sessions?sort=-upload_bps&limit=1&page_token={token}");
    }
    assert_eq!(seen, ["s2", "s1"]);
}

async fn a_session_is_kicked_and_its_command_shown(database: Database) {
    let world = world(database).await;
    let kick = |session: &str| {
        Ask::new(
            "POST".parse().unwrap(),
            &format!("/api/v1/sessions/{session}/kick"),
        )
    };
    let asked = world.send(kick("s1")).await.expect(202).json;
    assert_eq!(
        (&asked["desired"], &asked["state"]),
        (&json!("end"), &json!("asked"))
    );
    assert_eq!(
        (&asked["sent"], &asked["confirmed"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(asked["actor"], "API key owner");
    let path = format!("/api/v1/session-commands/{}", asked["id"].as_str().unwrap());
    assert_eq!(world.send(Ask::get(&path)).await.expect(200).json, asked);
    // It is asked already.
    assert_eq!(
        world.send(kick("s1")).await.expect(202).json["id"],
        asked["id"]
    );
    let told = world.send(kick("s3")).await.expect(409);
    assert_eq!(told.json["code"], "wrong_state");
    world.send(kick("s9")).await.expect(404);
    let rate = Ask::post(
        "/api/v1/sessions/s2/rate",
        json!({ "upload_bps": 512_000, "download_bps": 1_000_000 }),
    );
    let asked = world.send(rate).await.expect(202).json;
    assert_eq!(asked["desired"], "set_rate");
    let none = Ask::post(
        "/api/v1/sessions/s2/rate",
        json!({ "upload_bps": 0, "download_bps": 1 }),
    );
    let told = world.send(none).await.expect(422);
    assert_eq!(told.json["errors"][0]["field"], "upload_bps");
    for (query, count) in [
        ("", 2),
        ("user=s1", 1),
        ("state=failed", 0),
        ("nas=of-session", 2),
    ] {
        let path = format!("/api/v1/session-commands?{query}");
        let listed = world.send(Ask::get(&path)).await.expect(200).json;
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{query}");
    }
    let filter = storage::audit::AuditFilter {
        resource: Some("session_command".into()),
        ..Default::default()
    };
    let page = storage::page::Page::first(10);
    let lines = world
        .store
        .audit_list(TenantId::DEFAULT, &filter, &page)
        .await;
    let lines: Vec<_> = lines
        .unwrap()
        .into_iter()
        .map(|line| line.resource_name)
        .collect();
    assert_eq!(lines, ["s2", "s1"]);
}

async fn many_are_asked_only_when_they_are_meant(database: Database) {
    let world = world(database).await;
    let kick = |query: &str, body: Json| Ask::post(&format!("/api/v1/sessions:kick{query}"), body);
    let told = world.send(kick("", json!({}))).await.expect(422);
    assert_eq!(told.json["errors"][0]["field"], "all");
    world
        .send(kick("", json!({ "usr": "s1" })))
        .await
        .expect(422);
    let all = json!({ "all": true });
    let would = world
        .send(kick("?dry_run=true", all.clone()))
        .await
        .expect(200)
        .json;
    assert_eq!(would["matched"], 2);
    assert_eq!(would["commands"], json!([]));
    assert_eq!(would["user_names"], json!(["s2", "s1"]));
    let commands = "SELECT COUNT(*) FROM session_command";
    assert_eq!(world.database.number(commands).await, 0);
    let asked = world.send(kick("", all)).await.expect(202).json;
    assert_eq!(asked["commands"].as_array().unwrap().len(), 2);
    assert_eq!(world.database.number(commands).await, 2);
    let nobody = world
        .send(kick("", json!({ "mac": "02-00-00-00-00-ff" })))
        .await;
    assert_eq!(nobody.expect(202).json["matched"], 0);
    let body = json!({ "sessions": { "nas": "of-session" }, "rate": { "upload_bps": 1, "download_bps": 2 } });
    world
        .send(Ask::post("/api/v1/sessions:rate", body))
        .await
        .expect(202);
}
