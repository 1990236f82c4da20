//! What holds for every mutation: a rehearsal changes nothing, it is carried out once, and there is a
//! line in the audit log and an event for it.

use serde_json::Value as Json;
use testkit::database::Database;

use crate::examples::{self, Example};
use crate::fixture::{Answer, Ask, World};
use crate::operations;

testkit::test_on_both_databases!(
    a_rehearsal_of_any_mutation_changes_nothing,
    any_mutation_is_carried_out_once_with_its_line_and_event,
);

/// What requests leave behind whatever they are.
const BESIDE: [&str; 2] = ["idempotency", "api_key"];

#[test]
fn every_mutation_has_an_example() {
    let examples = examples::all();
    let mutations = operations::all()
        .into_iter()
        .filter(operations::Operation::is_mutation);
    let missing: Vec<String> = mutations
        .map(|operation| operation.id)
        .filter(|id| {
            let has_example = examples.iter().any(|example| example.operation == id);
            !has_example && !examples::EXEMPT.iter().any(|(exempt, _)| exempt == id)
        })
        .collect();
    assert!(
        missing.is_empty(),
        "no example in examples.rs: {missing:#?}"
    );
}

async fn a_rehearsal_of_any_mutation_changes_nothing(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    for example in examples::all() {
        let values = prepare(&world, &example).await;
        let before = world.database.content(&BESIDE).await;
        let answer = send(&world, &example, &values, "?dry_run=true", None).await;
        assert!(
            answer.status.is_success(),
            "{}: {}",
            example.operation,
            answer.json
        );
        let after = world.database.content(&BESIDE).await;
        assert_eq!(before, after, "{} was rehearsed", example.operation);
    }
}

async fn any_mutation_is_carried_out_once_with_its_line_and_event(database: Database) {
    let world = World::new(database).await;
    world.populate().await;
    for example in examples::all() {
        let name = example.operation;
        let values = prepare(&world, &example).await;
        let before = counts(&world).await;
        let first = send(&world, &example, &values, "", Some(name)).await;
        assert!(first.status.is_success(), "{name}: {}", first.json);
        let done = counts(&world).await;
        assert!(before.0 < done.0, "{name} has no line in the audit log");
        assert!(before.1 < done.1, "{name} has no event");
        let again = send(&world, &example, &values, "", Some(name)).await;
        assert_eq!(again.headers["idempotent-replayed"], "true", "{name}");
        assert_eq!(
            (again.status, again.json),
            (first.status, first.json),
            "{name}"
        );
        assert_eq!(counts(&world).await, done, "{name} was carried out twice");
    }
    let verified = world
        .store
        .audit_verify(domain::id::TenantId::DEFAULT)
        .await
        .unwrap();
    assert_eq!(verified.broken_at, None);
}

/// Sends what has to be there before, and gives what its answers are called.
async fn prepare(world: &World, example: &Example) -> Vec<(String, Json)> {
    let mut values: Vec<(String, Json)> = Vec::new();
    for (name, step) in &example.before {
        let path = filled(&step.path, &values);
        let ask = Ask::new(step.method.parse().unwrap(), &path).with_body(step.body.clone());
        let answer = world.send(ask).await;
        assert!(
            answer.status.is_success(),
            "{} before {}: {}",
            step.path,
            example.operation,
            answer.json
        );
        values.push(((*name).to_owned(), answer.json));
    }
    values
}

async fn send(
    world: &World,
    example: &Example,
    values: &[(String, Json)],
    query: &str,
    key: Option<&str>,
) -> Answer {
    let operation = operations::all()
        .into_iter()
        .find(|known| known.id == example.operation);
    let operation = operation.unwrap_or_else(|| panic!("{} is no operation", example.operation));
    let path = operation.path_with(|name| {
        let found = example.path.iter().find(|(known, _)| *known == name);
        let (_, value) = found.unwrap_or_else(|| panic!("{} in {}", name, example.operation));
        filled(value, values)
    });
    let body = example.body.clone().map(|body| {
        let text = filled(&body.to_string(), values);
        serde_json::from_str(&text).unwrap()
    });
    let mut ask = Ask::new(operation.method, &format!("{path}{query}")).with_body(body);
    if let Some(key) = key {
        ask = ask.with("idempotency-key", key);
    }
    world.send(ask).await
}

/// `<name.member>` stands for a member of the answer that is called so, `<name.items.0.id>` for one
/// that lies deeper.
fn filled(text: &str, values: &[(String, Json)]) -> String {
    let mut text = text.to_owned();
    for (name, answer) in values {
        for (path, value) in leaves(answer) {
            text = text.replace(&format!("<{name}{path}>"), &value);
        }
    }
    text
}

/// The values of an answer, each with the way to it.
fn leaves(answer: &Json) -> Vec<(String, String)> {
    let deeper = |key: String, value: &Json| {
        let below = leaves(value).into_iter();
        let below = below.map(move |(path, value)| (format!(".{key}{path}"), value));
        below.collect::<Vec<_>>()
    };
    match answer {
        Json::Object(members) => members
            .iter()
            .flat_map(|(name, value)| deeper(name.clone(), value))
            .collect(),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, value)| deeper(index.to_string(), value))
            .collect(),
        Json::String(text) => vec![(String::new(), text.clone())],
        Json::Null | Json::Bool(_) | Json::Number(_) => vec![(String::new(), answer.to_string())],
    }
}

/// Lines of the audit log, and events.
async fn counts(world: &World) -> (i64, i64) {
    let lines = world.database.number("SELECT COUNT(*) FROM audit").await;
    let events = world.database.number("SELECT COUNT(*) FROM event").await;
    (lines, events)
}
