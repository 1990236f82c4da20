//! Who may do what: every operation, every role, and somebody of another tenant.

use domain::permission::{Role, Scope, Scopes};
use testkit::database::Database;

use crate::fixture::{Ask, World};
use crate::operations::{self, Operation};

testkit::test_on_both_databases!(every_operation_asks_for_its_scope_and_for_nothing_else);

/// Names nothing.
const ABSENT: &str = "0193f7a0-0000-7000-8000-00000000abcd";

#[test]
fn every_operation_has_a_name_of_its_own_and_says_who_may() {
    let operations = operations::all();
    let mut names: Vec<&str> = operations
        .iter()
        .map(|operation| operation.id.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), operations.len());
    for operation in &operations {
        let scopes = operation.security.as_deref().unwrap_or_default();
        assert!(scopes.len() <= 1, "{}", operation.id);
        for scope in scopes {
            let scope: Scope = scope.parse().expect(&operation.id);
            let is_read = scope.to_string().ends_with(":read");
            let looks = !operation.is_mutation();
            assert!(!looks || is_read, "{}: to look needs no more", operation.id);
        }
    }
}

async fn every_operation_asks_for_its_scope_and_for_nothing_else(database: Database) {
    let world = World::new(database).await;
    let mut roles = Vec::new();
    for role in Role::ALL {
        roles.push((role, world.key_of(role).await));
    }
    for operation in operations::all() {
        let path = operation.path_with(|_| ABSENT.to_owned());
        let ask = || Ask::new(operation.method.clone(), &path);
        let Some(scopes) = &operation.security else {
            continue;
        };
        let name = &operation.id;
        assert_eq!(
            world.status_as_is(ask()).await,
            401,
            "{name} without a token"
        );
        for (role, token) in &roles {
            let may = scopes.iter().all(|scope| {
                let scope: Scope = scope.parse().unwrap();
                role.scopes().permit(scope)
            });
            let status = world.status_as_is(ask().by(token)).await;
            assert_eq!(status != 403, may, "{name} as {role}: {status}");
            assert_ne!(status, 401, "{name} as {role}");
        }
        let Some(scope) = scopes.first() else {
            continue;
        };
        let scope: Scope = scope.parse().unwrap();
        let only = world.key_with(name, [scope].into_iter().collect()).await;
        assert_ne!(
            world.status_as_is(ask().by(&only)).await,
            403,
            "{name} with {scope}"
        );
        let others = all_but(scope, &operation);
        let others = world.key_with(&format!("{name}-not"), others).await;
        assert_eq!(
            world.status_as_is(ask().by(&others)).await,
            403,
            "{name} without {scope}"
        );
    }
}

/// Every scope that does not permit this one.
fn all_but(scope: Scope, operation: &Operation) -> Scopes {
    let others: Scopes = Scope::all()
        .filter(|other| ![*other].into_iter().collect::<Scopes>().permit(scope))
        .collect();
    assert!(!others.permit(scope), "{}", operation.id);
    others
}
