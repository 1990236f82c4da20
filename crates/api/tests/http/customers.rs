//! Customers, their notes, their services, and search.

use serde_json::json;
use testkit::database::Database;

use crate::fixture::{Ask, PLAN, World};

testkit::test_on_both_databases!(
    a_customer_is_made_shown_changed_and_removed,
    what_is_wrong_with_a_customer_is_told_field_by_field,
    customers_are_listed_narrowed_sorted_and_counted,
    a_search_finds_what_the_token_may_read,
);

const CUSTOMERS: &str = "/api/v1/customers";

async fn a_customer_is_made_shown_changed_and_removed(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    let body = json!({
        "name": "José Kamau",
        "company": "Kamau Ltd",
        "emails": ["jose@example.net"],
        "phones": ["+254 712 345 678", "0203 555 019"],
        "addresses": [{ "city": "Nairobi", "country": "ke" }],
        "fields": { "meter": "7", "rent": 12.5, "is_paper": true },
        "tags": ["VIP"],
    });
    let made = world.send(Ask::post(CUSTOMERS, body)).await.expect(201);
    assert_eq!(made.json["number"], "1001");
    assert_eq!(made.json["state"], "active");
    assert_eq!(made.json["tags"], json!(["vip"]));
    assert_eq!(
        made.json["phones"],
        json!([
            { "number": "+254 712 345 678", "e164": "+254712345678" },
            { "number": "0203 555 019", "e164": null },
        ])
    );
    assert_eq!(made.json["addresses"][0]["country"], "KE");
    assert_eq!(
        made.json["fields"],
        json!({ "is_paper": true, "meter": "7", "rent": 12.5 })
    );
    let id = made.json["id"].as_str().unwrap().to_owned();
    for reference in [id.as_str(), "1001"] {
        let path = format!("{CUSTOMERS}/{reference}");
        let shown = world.send(Ask::get(&path)).await.expect(200);
        assert_eq!(shown.json, made.json);
        assert_eq!(shown.headers["etag"], made.headers["etag"]);
    }
    let path = format!("{CUSTOMERS}/{id}");
    let patch = json!({ "company": null, "state": "closed", "tags": [] });
    let changed = world.send(Ask::patch(&path, patch)).await.expect(200);
    assert_eq!(changed.json["company"], json!(null));
    assert_eq!(changed.json["state"], "closed");
    assert_eq!(changed.json["name"], "José Kamau");
    let notes = format!("{path}/notes");
    world
        .send(Ask::post(&notes, json!({ "text": "called" })))
        .await
        .expect(201);
    let listed = world.send(Ask::get(&notes)).await.expect(200);
    assert_eq!(listed.json["items"][0]["author"], "API key owner");
    let service = json!({
        "username": "ana", "credential": { "password": "x" }, "plan": PLAN, "customer": "1001",
    });
    let service = world
        .send(Ask::post("/api/v1/subscribers", service))
        .await
        .expect(201);
    assert_eq!(service.json["customer"], "1001");
    let refused = world.send(Ask::delete(&path)).await.expect(409);
    assert_eq!(refused.json["code"], "in_use");
    let free = json!({ "customer": null });
    world
        .send(Ask::patch("/api/v1/subscribers/ana", free))
        .await
        .expect(200);
    world.send(Ask::delete(&path)).await.expect(204);
    world.send(Ask::get(&path)).await.expect(404);
}

async fn what_is_wrong_with_a_customer_is_told_field_by_field(database: Database) {
    let world = World::new(database).await;
    let body = json!({
        "name": "",
        "emails": ["ana@example.net", "ana"],
        "phones": ["call me"],
        "addresses": [{ "label": "home" }],
        "fields": { "2nd": true },
        "tags": ["two words"],
        "state": "gone",
    });
    let refused = world.send(Ask::post(CUSTOMERS, body)).await.expect(422);
    let errors = refused.json["errors"].as_array().unwrap();
    let mut fields: Vec<&str> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    let expected = [
        "addresses.0",
        "emails.1",
        "fields",
        "name",
        "phones.0",
        "state",
        "tags.0",
    ];
    assert_eq!(fields, expected);
    let many = json!({ "name": "Ana", "tags": vec!["a"; 17] });
    world.send(Ask::post(CUSTOMERS, many)).await.expect(422);
    let taken = json!({ "name": "Ana", "number": "C-1" });
    world
        .send(Ask::post(CUSTOMERS, taken.clone()))
        .await
        .expect(201);
    let again = world.send(Ask::post(CUSTOMERS, taken)).await.expect(409);
    assert_eq!(again.json["errors"][0]["field"], "number");
}

async fn customers_are_listed_narrowed_sorted_and_counted(database: Database) {
    let world = World::new(database).await;
    for (name, state) in [
        ("Ana", "lead"),
        ("Ben", "active"),
        ("Cay", "lead"),
        ("Dan", "closed"),
    ] {
        let body = json!({ "name": name, "state": state });
        world.send(Ask::post(CUSTOMERS, body)).await.expect(201);
    }
    for (query, expected) in [
        ("sort=-name", vec!["Dan", "Cay", "Ben", "Ana"]),
        ("state=lead&sort=created_at", vec!["Ana", "Cay"]),
        ("state.in=active,closed", vec!["Ben", "Dan"]),
        ("state.ne=lead&sort=-name", vec!["Dan", "Ben"]),
        ("name.prefix=c", vec!["Cay"]),
        ("q=ben", vec!["Ben"]),
        ("number=1003", vec!["Cay"]),
        ("created_at.lt=2020-01-01", vec![]),
    ] {
        let path = format!("{CUSTOMERS}?fields=name&{query}");
        let page = world.send(Ask::get(&path)).await.expect(200);
        let items = page.json["items"].as_array().unwrap();
        let names: Vec<&str> = items
            .iter()
            .map(|item| item["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{query}");
    }
    let first = format!("{CUSTOMERS}?limit=3&total=true");
    let first = world.send(Ask::get(&first)).await.expect(200);
    assert_eq!(first.json["total"], json!({ "count": 4, "is_more": false }));
    let token = first.json["next_page_token"].as_str().unwrap();
    let rest = format!("{CUSTOMERS}?limit=3&page_token={token}");
    let rest = world.send(Ask::get(&rest)).await.expect(200);
    assert_eq!(rest.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest.json["next_page_token"], json!(null));
    assert!(rest.json.get("total").is_none());
    let other = format!("{CUSTOMERS}?sort=-name&page_token={token}");
    world.send(Ask::get(&other)).await.expect(400);
    for (wrong, field) in [
        ("colour=red", "colour"),
        ("state=gone", "state"),
        ("state.lt=lead", "state.lt"),
        ("name.like=a", "name.like"),
        ("created_at.lt=soon", "created_at.lt"),
        ("sort=password", "sort"),
        ("tag=vip&sort=number", "sort"),
        ("q=ab", "q"),
    ] {
        let path = format!("{CUSTOMERS}?{wrong}");
        let refused = world.send(Ask::get(&path)).await.expect(422);
        assert_eq!(refused.json["errors"][0]["field"], field, "{wrong}");
    }
}

async fn a_search_finds_what_the_token_may_read(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    let body = json!({ "name": "Ana Devices", "phones": ["+254712345678"] });
    world.send(Ask::post(CUSTOMERS, body)).await.expect(201);
    let found = world
        .send(Ask::get("/api/v1/search?q=devices"))
        .await
        .expect(200);
    let items = found.json["items"].as_array().unwrap();
    let kinds: Vec<&str> = items
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["customer", "subscriber"]);
    assert_eq!(
        items[0]["matched"],
        json!({ "field": "name", "value": "Ana Devices" })
    );
    let found = world
        .send(Ask::get("/api/v1/search?q=0712345678&limit=1"))
        .await
        .expect(200);
    assert_eq!(found.json["items"][0]["matched"]["field"], "phone");
    let narrow = world.key_for("narrow", "subscribers:read").await;
    let ask = Ask::get("/api/v1/search?q=devices").by(&narrow);
    let found = world.send(ask).await.expect(200);
    let items = found.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["kind"], "subscriber");
    world
        .send(Ask::get("/api/v1/search?q=ab"))
        .await
        .expect(422);
    world
        .send(Ask::get("/api/v1/search?q=abc&limit=0"))
        .await
        .expect(400);
}
