//! What holds for every mutation: a rehearsal changes nothing, it is carried out once, and there is a
//! line in the audit log and an event for it.

use testkit::database::Database;

use crate::examples;
use crate::fixture::World;
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
    examples::furnish(&world).await;
    for example in examples::all() {
        let values = example.prepare(&world).await;
        let before = world.database.content(&BESIDE).await;
        let answer = world
            .send(example.ask(&values).with_query("dry_run=true"))
            .await;
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
    examples::furnish(&world).await;
    for example in examples::all() {
        let name = example.operation;
        let values = example.prepare(&world).await;
        let before = counts(&world).await;
        let first = world
            .send(example.ask(&values).with("idempotency-key", name))
            .await;
        assert!(first.status.is_success(), "{name}: {}", first.json);
        let done = counts(&world).await;
        assert!(before.0 < done.0, "{name} has no line in the audit log");
        assert!(before.1 < done.1, "{name} has no event");
        let again = world
            .send(example.ask(&values).with("idempotency-key", name))
            .await;
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

/// Lines of the audit log, and events.
async fn counts(world: &World) -> (i64, i64) {
    let lines = world.database.number("SELECT COUNT(*) FROM audit").await;
    let events = world.database.number("SELECT COUNT(*) FROM event").await;
    (lines, events)
}
