//! Events: as a list, and as a stream. The WebSocket needs a socket, and is tested with one.

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt as _;
use serde_json::json;
use testkit::database::Database;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tower::ServiceExt as _;

use crate::fixture::{Ask, World};

testkit::test_on_both_databases!(
    events_are_listed_in_their_order,
    a_stream_goes_on_behind_the_last_event,
    what_is_not_kept_is_gone,
);

const EVENTS: &str = "/api/v1/events";
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes groups, each of which is an event.
async fn happen(world: &World, names: &[&str]) {
    for name in names {
        let body = json!({ "name": name });
        let made = world.send(Ask::post("/api/v1/nas-groups", body)).await;
        made.expect(201);
    }
}

async fn events_are_listed_in_their_order(database: Database) {
    let world = World::new(database).await;
    happen(&world, &["a", "b", "c"]).await;
    let list = async |query: &str| {
        let answer = world.send(Ask::get(&format!("{EVENTS}?{query}"))).await;
        let json = answer.expect(200).json;
        let items = json["items"].as_array().unwrap().clone();
        let seqs: Vec<_> = items
            .iter()
            .map(|item| item["seq"].as_i64().unwrap())
            .collect();
        (seqs, json["next_page_token"].clone())
    };
    assert_eq!(list("").await, (vec![1, 2, 3, 4], json!(null)));
    assert_eq!(list("since=2").await.0, [3, 4]);
    assert_eq!(list("topics=nas_group.*").await.0, [2, 3, 4]);
    let (first, token) = list("topics=nas_group.*&limit=2").await;
    assert_eq!(first, [2, 3]);
    let next = format!(
        "topics=nas_group.*&limit=2&page_token={}",
        token.as_str().unwrap()
    );
    assert_eq!(list(&next).await.0, [4]);
    let answer = world
        .send(Ask::get(&format!("{EVENTS}?since=1&limit=1")))
        .await;
    let event = &answer.expect(200).json["items"][0];
    assert_eq!(
        (
            &event["type"],
            &event["data"]["name"],
            &event["data"]["actor"]
        ),
        (
            &json!("nas_group.created"),
            &json!("a"),
            &json!("API key owner")
        )
    );
    for (wrong, field) in [("topics=plans.*", "topics"), ("since=-1", "since")] {
        let refused = world.send(Ask::get(&format!("{EVENTS}?{wrong}"))).await;
        assert_eq!(refused.expect(422).json["errors"][0]["field"], field);
    }
    let upgrade = Ask::get(EVENTS).with("upgrade", "websocket");
    assert_eq!(
        world.send(upgrade).await.expect(426).json["code"],
        "no_websocket"
    );
}

/// What a stream says until it has said so much.
async fn read(world: &World, path: &str, last: Option<&str>, needle: &str) -> String {
    let mut request = Request::get(path).header("authorization", format!("Bearer {}", world.owner));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(needle) {
        let chunk = timeout(PATIENCE, body.next())
            .await
            .expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    text
}

async fn a_stream_goes_on_behind_the_last_event(database: Database) {
    let world = World::new(database).await;
    let mut tasks = JoinSet::new();
    let (hub, store) = (world.events.clone(), world.store.clone());
    tasks.spawn(async move { hub.run(&store).await });
    happen(&world, &["a", "b"]).await;
    let path = format!("{EVENTS}/stream?topics=nas_group.*");
    let text = read(&world, &path, Some("1"), "id: 3\n").await;
    assert!(
        text.contains("id: 2\nevent: nas_group.created\ndata: {\"seq\":2,"),
        "{text}"
    );
    assert!(!text.contains("id: 1\n"), "{text}");
    // What happens now is told too.
    let later = async {
        while world.events.reader_count() == 0 {
            tokio::task::yield_now().await;
        }
        happen(&world, &["c"]).await;
    };
    let (text, ()) = tokio::join!(read(&world, &path, None, "id: 4\n"), later);
    assert!(!text.contains("id: 3\n"), "{text}");
}

async fn what_is_not_kept_is_gone(database: Database) {
    let world = World::new(database).await;
    happen(&world, &["a", "b"]).await;
    world
        .database
        .execute("DELETE FROM event WHERE seq < 3")
        .await;
    let path = format!("{EVENTS}/stream");
    let gone = world
        .send(Ask::get(&path).with("last-event-id", "1"))
        .await
        .expect(410);
    assert_eq!(gone.json["code"], "events_gone");
    let detail = gone.json["detail"].as_str().unwrap();
    assert!(
        detail.contains("first one that is kept has the number 3"),
        "{detail}"
    );
    let ahead = world
        .send(Ask::get(&path).with("last-event-id", "4"))
        .await
        .expect(422);
    assert_eq!(ahead.json["errors"][0]["field"], "since");
}
