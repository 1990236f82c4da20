//! A database with a plan, and what the tests do to it.

use std::future::Future;
use std::time::Duration;

use domain::id::TenantId;
use domain::operation::{OperationKind, RowOutcome, RowResult};
use domain::plan::PlanTerms;
use services::bulk::{self, Change, SubscriberAction, Target};
use services::subscriber_row::{Column, SubscriberRow};
use storage::operation::{NewOperation, Operation};
use storage::plan::NewPlan;
use storage::store::Store;
use testkit::database::Database;
use tokio::time::{Instant, sleep};

pub(crate) const TENANT: TenantId = TenantId::DEFAULT;

const PATIENCE: Duration = Duration::from_secs(60);

/// A store of a database with the plan `home`.
pub(crate) async fn furnished(database: &Database) -> Store {
    let store = database.store().await;
    let plan = NewPlan {
        tenant: TENANT,
        name: "home".parse().unwrap(),
        terms: PlanTerms::default(),
    };
    store.plan_insert(plan).await.unwrap();
    store
}

pub(crate) const fn operation(kind: OperationKind) -> NewOperation {
    NewOperation {
        tenant: TENANT,
        kind,
        is_dry_run: false,
        is_atomic: false,
    }
}

/// A row with these columns.
pub(crate) fn row(action: SubscriberAction, texts: &[(Column, &str)]) -> Target {
    let mut row = SubscriberRow::default();
    for (column, text) in texts {
        row.set(*column, Some((*text).to_owned()));
    }
    Target::Subscriber(action, row)
}

/// A new subscriber on the plan `home`.
pub(crate) fn create(username: &str) -> Target {
    row(
        SubscriberAction::Create,
        &[
            (Column::Username, username),
            (Column::Password, "kookaburra"),
            (Column::Plan, "home"),
        ],
    )
}

pub(crate) fn numbered(targets: impl IntoIterator<Item = Target>) -> Vec<Change> {
    let changes = (1..).zip(targets);
    changes.map(|(row, what)| Change { row, what }).collect()
}

/// Does rows at once.
pub(crate) async fn at_once(
    store: &Store,
    is_atomic: bool,
    targets: impl IntoIterator<Item = Target>,
) -> Vec<RowResult> {
    let changes = numbered(targets);
    bulk::carry_out(store, TENANT, (&changes, is_atomic))
        .await
        .unwrap()
}

/// What became of rows, and why.
pub(crate) fn told(results: &[RowResult]) -> Vec<(&str, RowOutcome, Option<&str>)> {
    results
        .iter()
        .map(|result| {
            let code = result.problem.as_ref().map(|problem| problem.code.as_str());
            (result.name.as_str(), result.outcome, code)
        })
        .collect()
}

/// Looks again and again until something is so.
pub(crate) async fn until<T, F, L>(what: &str, mut look: F) -> T
where
    F: FnMut() -> L,
    L: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// The operation, once it is over.
pub(crate) async fn over(store: &Store, operation: &Operation) -> Operation {
    until("the operation is over", async || {
        let found = store.operation_find(TENANT, operation.id).await.unwrap();
        found.filter(|operation| operation.state.is_over())
    })
    .await
}

pub(crate) async fn subscribers(database: &Database) -> i64 {
    database.number("SELECT COUNT(*) FROM subscriber").await
}
