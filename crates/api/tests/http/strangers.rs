//! One tenant never reads or acts on another: what is somebody else's looks like what is not there.

use std::collections::HashMap;

use serde_json::Value as Json;
use testkit::database::Database;

use crate::examples::{self, Example};
use crate::fixture::{Answer, Ask, World};
use crate::operations::{self, Operation};

testkit::test_on_both_databases!(what_is_of_another_tenant_looks_like_what_is_absent);

/// Names nothing.
const ABSENT: &str = "0193f7a0-0000-7000-8000-00000000abcd";

/// Operations whose path names nothing that a tenant has, or the session of a browser, which no example
/// makes: the room `sign_in` tries those.
const COMMON_TO_ALL: [&str; 5] = [
    "session_end",
    "operator_session_end",
    "message_show",
    "message_set",
    "message_clear",
];

/// What examples have made, once each.
#[derive(Default)]
struct Prepared(HashMap<&'static str, Vec<(String, Json)>>);

impl Prepared {
    async fn values(&mut self, world: &World, example: &Example) -> Vec<(String, Json)> {
        if let Some(values) = self.0.get(example.operation) {
            return values.clone();
        }
        let values = example.prepare(world).await;
        self.0.insert(example.operation, values.clone());
        values
    }
}

async fn what_is_of_another_tenant_looks_like_what_is_absent(database: Database) {
    let world = World::new(database).await;
    let stranger = world.stranger().await;
    examples::furnish(&world).await;
    let mut examples = examples::all();
    examples.extend(examples::looks());
    let mut prepared = Prepared::default();
    for operation in operations::all() {
        let is_named = !operation.parameters().is_empty();
        if !is_named || COMMON_TO_ALL.contains(&operation.id.as_str()) {
            continue;
        }
        let example = find_example(&examples, &operation);
        let values = prepared.values(&world, example).await;
        let path = example.path_of(&operation, &values);
        let absent = example.path_without(&operation, &values, ABSENT);
        let body = if example.operation == operation.id {
            example.ask(&values)
        } else {
            Ask::new(operation.method.clone(), &path)
        };
        let theirs = world.send(body.clone().by(&stranger)).await;
        let nobodys = world.send(body.with_path(&absent).by(&stranger)).await;
        assert_eq!(theirs.status, 404, "{}: {}", operation.id, theirs.json);
        assert_eq!(told(theirs), told(nobodys), "{}", operation.id);
    }
    for example in examples.iter().filter(|example| example.has_reference()) {
        let values = prepared.values(&world, example).await;
        let answer = world.send(example.ask(&values).by(&stranger)).await;
        assert!(
            answer.status.is_client_error(),
            "{} took what is another tenant's: {}",
            example.operation,
            answer.json
        );
    }
}

/// The example of an operation, or one that names things of the same kinds.
#[track_caller]
fn find_example<'e>(examples: &'e [Example], operation: &Operation) -> &'e Example {
    let names = operation.parameters();
    let fits = |example: &&Example| {
        let own = operations::named(example.operation);
        let first = |path: &str| path.split('{').next().map(ToOwned::to_owned);
        first(&own.path) == first(&operation.path)
            && names
                .iter()
                .all(|name| example.path.iter().any(|(known, _)| known == name))
    };
    let own = examples
        .iter()
        .find(|example| example.operation == operation.id);
    own.or_else(|| examples.iter().find(fits))
        .unwrap_or_else(|| panic!("no example names what {} needs: {names:?}", operation.id))
}

/// An answer without what is another at each request.
fn told(answer: Answer) -> Json {
    let mut json = answer.json;
    if let Some(json) = json.as_object_mut() {
        json.remove("request_id");
    }
    json
}
