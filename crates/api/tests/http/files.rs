//! Files that are taken in and given out.

use serde_json::{Value as Json, json};
use services::operation::worker;
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::examples;
use crate::fixture::{Ask, World};
use crate::work::over;

testkit::test_on_both_databases!(
    a_file_is_imported_row_by_row,
    an_import_changes_who_is_there_when_asked_to,
    a_rehearsal_of_a_file_says_what_would_be,
    files_that_cannot_be_read_are_refused,
    an_import_is_carried_out_once_under_its_key,
    exports_are_whole_and_without_formulas,
);

const IMPORT: &str = "/api/v1/imports/subscribers";
const CSV: &str = "text/csv";
const LINES: &str = "application/x-ndjson";

async fn furnished(database: Database) -> (World, JoinSet<()>) {
    let world = World::new(database).await;
    examples::work::furnish(&world.store).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(world.store.clone()));
    (world, tasks)
}

async fn count(world: &World) -> i64 {
    world
        .database
        .number("SELECT COUNT(*) FROM subscriber")
        .await
}

async fn problems(world: &World, operation: &Json) -> Vec<(u64, String)> {
    let id = operation["id"].as_str().unwrap();
    let path = format!("/api/v1/operations/{id}/results?failed=true");
    let failed = world.send(Ask::get(&path)).await.expect(200);
    let items = failed.json["items"].as_array().unwrap().clone();
    let told = |item: &Json| {
        let field = item["problem"]["field"].as_str().unwrap_or_default();
        (item["row"].as_u64().unwrap(), field.to_owned())
    };
    items.iter().map(told).collect()
}

async fn a_file_is_imported_row_by_row(database: Database) {
    let (world, _tasks) = furnished(database).await;
    let mut text = "Kunde;Kennwort;Tarif\n".to_owned();
    for number in 0..250 {
        text.push_str(&format!("user{number};\"pass;word\";of-bulk\n"));
    }
    text.push_str("user3;x;of-bulk\nuser300;x;gold\nuser301;;of-bulk\nshort\n");
    let path = format!("{IMPORT}?columns=Kunde=username,Kennwort=password,Tarif=plan");
    let accepted = world.send(Ask::file(&path, CSV, &text)).await.expect(202);
    let done = over(&world, &accepted).await;
    assert_eq!(done["state"], "succeeded");
    assert_eq!((&done["total"], &done["failed"]), (&json!(254), &json!(4)));
    assert_eq!(count(&world).await, 250);
    let expected = [
        (252, "username".to_owned()),
        (253, "plan".to_owned()),
        (254, "password".to_owned()),
        (255, String::new()),
    ];
    assert_eq!(problems(&world, &done).await, expected);
}

async fn an_import_changes_who_is_there_when_asked_to(database: Database) {
    let (world, _tasks) = furnished(database).await;
    let text = "username,password,plan\nana,a,of-bulk\n";
    let first = world.send(Ask::file(IMPORT, CSV, text)).await.expect(202);
    over(&world, &first).await;
    let text = "{\"username\":\"ana\",\"static_ipv4\":\"100.64.0.9\",\"status\":\"disabled\"}\n\
        {\"username\":\"ben\",\"password\":\"b\",\"plan\":\"of-bulk\"}\n\
        {\"username\":\"cay\"}\n";
    let put = format!("{IMPORT}?mode=put");
    let accepted = world.send(Ask::file(&put, LINES, text)).await.expect(202);
    let done = over(&world, &accepted).await;
    assert_eq!(problems(&world, &done).await, [(3, "plan".to_owned())]);
    let changed = "SELECT COUNT(*) FROM subscriber WHERE username = 'ana' \
        AND ipv4 = '100.64.0.9' AND status = 'disabled'";
    assert_eq!(world.database.number(changed).await, 1);
    assert_eq!(count(&world).await, 2);
}

async fn a_rehearsal_of_a_file_says_what_would_be(database: Database) {
    let (world, _tasks) = furnished(database).await;
    let text = "username,password,plan\nana,a,of-bulk\nana,a,of-bulk\n";
    let path = format!("{IMPORT}?dry_run=true");
    let answer = world.send(Ask::file(&path, CSV, text)).await.expect(200);
    assert_eq!(answer.json["is_dry_run"], true);
    assert_eq!(answer.json["results"][0]["outcome"], "created");
    assert_eq!(answer.json["results"][1]["problem"]["code"], "taken");
    let mut text = "username,password,plan\n".to_owned();
    for number in 0..1_100 {
        text.push_str(&format!("user{number},x,of-bulk\n"));
    }
    let accepted = world.send(Ask::file(&path, CSV, &text)).await.expect(202);
    let done = over(&world, &accepted).await;
    assert_eq!((&done["done"], &done["failed"]), (&json!(1_100), &json!(0)));
    assert_eq!(count(&world).await, 0);
}

async fn files_that_cannot_be_read_are_refused(database: Database) {
    let (world, _tasks) = furnished(database).await;
    for (kind, text, status) in [
        (CSV, "ana,a,of-bulk\n", 422),
        (CSV, "", 422),
        (CSV, "username,password,mac\n", 422),
        (CSV, "username,plan\n", 422),
        ("application/json", "{}", 415),
    ] {
        let answer = world.send(Ask::file(IMPORT, kind, text)).await;
        let answer = answer.expect(status);
        assert!(!answer.text.contains("ana"), "{}", answer.text);
    }
    for (query, status) in [
        ("mode=burn", 400),
        ("columns=Kunde", 422),
        ("columns=Kunde=mac", 422),
    ] {
        let path = format!("{IMPORT}?{query}");
        world.send(Ask::file(&path, CSV, "")).await.expect(status);
    }
    let made = world
        .database
        .number("SELECT COUNT(*) FROM operation")
        .await;
    assert_eq!(made, 0);
    let empty = world
        .send(Ask::file(IMPORT, CSV, "username,password,plan\n"))
        .await
        .expect(202);
    assert_eq!(over(&world, &empty).await["state"], "succeeded");
}

async fn an_import_is_carried_out_once_under_its_key(database: Database) {
    let (world, _tasks) = furnished(database).await;
    let text = "username,password,plan\nana,a,of-bulk\n";
    let ask = || Ask::file(IMPORT, CSV, text).with("idempotency-key", "one");
    let first = world.send(ask()).await.expect(202);
    let again = world.send(ask()).await.expect(202);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.json["id"], first.json["id"]);
    assert_eq!(again.headers["location"], first.headers["location"]);
    over(&world, &first).await;
    let made = world
        .database
        .number("SELECT COUNT(*) FROM operation")
        .await;
    assert_eq!(made, 1);
}

async fn exports_are_whole_and_without_formulas(database: Database) {
    let (world, _tasks) = furnished(database).await;
    let mut text = "username,password,plan,static_ipv4\n=cmd,x,of-bulk,100.64.0.1\n".to_owned();
    for number in 0..1_203 {
        text.push_str(&format!("user{number:04},kookaburra,of-bulk,\n"));
    }
    let accepted = world.send(Ask::file(IMPORT, CSV, &text)).await.expect(202);
    assert_eq!(over(&world, &accepted).await["failed"], 0);
    let export = "/api/v1/exports/subscribers";
    let csv = world.send(Ask::get(export)).await.expect(200);
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 1 + 1_204);
    assert!(lines[0].starts_with("id,username,credential_kind,plan,status"));
    assert!(
        lines[1].contains(",'=cmd,cleartext,of-bulk,active,"),
        "{}",
        lines[1]
    );
    assert!(!csv.text.contains("kookaburra"));
    let jsonl = world
        .send(Ask::get(&format!("{export}?format=jsonl")))
        .await
        .expect(200);
    let last: Json = serde_json::from_str(jsonl.text.lines().last().unwrap()).unwrap();
    assert_eq!(last["username"], "user1202");
    assert_eq!(jsonl.text.lines().count(), 1_204);
    for what in ["customers", "plans", "nas", "sessions", "usage", "audit"] {
        let path = format!("/api/v1/exports/{what}");
        let csv = world.send(Ask::get(&path)).await.expect(200);
        assert!(csv.text.contains(','), "{what} has no header");
        let path = format!("{path}?format=xml");
        world.send(Ask::get(&path)).await.expect(400);
    }
    for wrong in ["sessions?from=soon", "usage?to=never"] {
        let path = format!("/api/v1/exports/{wrong}");
        world.send(Ask::get(&path)).await.expect(400);
    }
}
