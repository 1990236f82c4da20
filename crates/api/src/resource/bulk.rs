//! The same thing done to many: `/api/v1/subscribers:bulk` and its like.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::name::Name;
use domain::operation::{OperationKind, RowResult};
use domain::subscriber::state::AccessState;
use serde::{Deserialize, Serialize};
use services::bulk::{self, AT_ONCE_MAX, ATOMIC_MAX, Change, SubscriberAction, Target};
use services::operation;
use services::subscriber_row::{Column, SubscriberRow};
use storage::listing::{ListCondition, ListQuery};
use storage::operation::NewOperation;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operation::{OperationView, RowResultView};
use crate::body::{Body, Fields, present};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Rows of one request.
const ROWS_MAX: usize = 20_000;

/// Rows of a rehearsal that are answered at once.
pub(super) const REHEARSED_AT_ONCE_MAX: usize = 1_000;

/// What is to be done to subscribers: rows, each with its own action, or one action for all that a
/// filter means.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberBulkBody {
    #[serde(default)]
    #[schema(max_items = 20000, required = false)]
    rows: Vec<SubscriberBulkRow>,
    #[serde(default)]
    filter: Option<SubscriberBulkFilter>,
    /// What is done to each that the filter means.
    #[serde(default)]
    #[schema(value_type = Option<BulkAction>)]
    action: Option<BulkAction>,
    /// With the action `change`: what they get.
    #[serde(default)]
    change: Option<SubscriberBulkChange>,
    /// All rows or none; 1,000 at most.
    #[serde(default)]
    is_atomic: bool,
}

/// What is done to a subscriber.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BulkAction {
    Create,
    Change,
    /// It is made, or changed if it is there.
    Put,
    Delete,
    Activate,
    SuspendWalled,
    SuspendHard,
    Restore,
    Disable,
    Enable,
}

/// One row. Fields that are absent stay as they are, and `null` empties one.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberBulkRow {
    action: BulkAction,
    #[schema(min_length = 1, max_length = 253)]
    username: String,
    #[serde(default)]
    #[schema(write_only)]
    password: Option<String>,
    #[serde(default)]
    #[schema(write_only)]
    password_hash: Option<String>,
    /// The name of a plan.
    #[serde(default)]
    plan: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    static_ipv4: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    ipv6_prefix: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    ipv6_delegated: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
    /// `active`, `pending`, `disabled`, `suspended_walled` or `suspended_hard`.
    #[serde(default)]
    status: Option<String>,
}

/// Which subscribers are meant; everything that is set must hold, and something must be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberBulkFilter {
    /// The name of a plan.
    #[serde(default)]
    plan: Option<String>,
    /// How the account stands now.
    #[serde(default)]
    state: Option<String>,
    /// Part of a word, from three letters on, of the user name or of what is known of the customer.
    #[serde(default)]
    q: Option<String>,
}

/// What all that a filter means get.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberBulkChange {
    /// The name of a plan.
    #[serde(default)]
    plan: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
}

/// Names of things to be removed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemovalBody {
    #[schema(min_items = 1, max_items = 20000)]
    remove: Vec<String>,
    /// All or none; 1,000 at most.
    #[serde(default)]
    is_atomic: bool,
}

/// What became of rows that were done at once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BulkView {
    /// Rows in all. More than there are results in the preview of a filter, which shows the first.
    total: u64,
    failed: u64,
    /// Nothing was changed.
    is_dry_run: bool,
    results: Vec<RowResultView>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(subscribers))
        .routes(routes!(nas))
        .routes(routes!(plans))
        .routes(routes!(customers))
}

/// Do the same to many subscribers
///
/// Up to 100 rows are done at once, each for itself, and answered with what became of each. More are
/// an operation, which is answered with 202 and done part by part. With `dry_run=true` everything is
/// checked and nothing changes; of a filter that means many, the first 1,000 are shown.
#[utoipa::path(
    post, path = "/subscribers:bulk", tag = "subscribers", operation_id = "subscriber_bulk",
    request_body = SubscriberBulkBody, security(("token" = ["subscribers:write"])),
    responses(
        (status = 200, description = "What became of each row", body = BulkView),
        (status = 202, description = "It is done part by part", body = OperationView),
    ),
)]
async fn subscribers(
    caller: Caller,
    Body(body): Body<SubscriberBulkBody>,
) -> Result<Response, Problem> {
    let is_atomic = body.is_atomic;
    let is_filtered = body.filter.is_some();
    let changes = match body.filter {
        Some(filter) if body.rows.is_empty() => {
            filtered(&caller, &filter, (body.action, body.change)).await?
        }
        Some(_) => {
            return Err(Problem::field(
                "filter",
                "there are rows too: send one of them",
            ));
        }
        None if body.action.is_some() || body.change.is_some() => {
            return Err(Problem::field(
                "action",
                "it goes with a filter: each row has its own",
            ));
        }
        None => body.rows.into_iter().map(target).collect(),
    };
    answer(
        &caller,
        (OperationKind::SubscriberBulk, is_atomic, is_filtered),
        changes,
    )
    .await
}

/// Remove many routers
///
/// By name. Up to 100 are removed at once, each for itself; more are an operation.
#[utoipa::path(
    post, path = "/nas:bulk", tag = "nas", operation_id = "nas_bulk",
    request_body = RemovalBody, security(("token" = ["nas:write"])),
    responses(
        (status = 200, description = "What became of each", body = BulkView),
        (status = 202, description = "It is done part by part", body = OperationView),
    ),
)]
async fn nas(caller: Caller, Body(body): Body<RemovalBody>) -> Result<Response, Problem> {
    let changes = body.remove.into_iter().map(Target::RemoveNas).collect();
    let how = (OperationKind::NasBulk, body.is_atomic, false);
    answer(&caller, how, changes).await
}

/// Remove many plans
///
/// By name; one that somebody is on stays. Up to 100 are removed at once, each for itself; more are
/// an operation.
#[utoipa::path(
    post, path = "/plans:bulk", tag = "plans", operation_id = "plan_bulk",
    request_body = RemovalBody, security(("token" = ["plans:write"])),
    responses(
        (status = 200, description = "What became of each", body = BulkView),
        (status = 202, description = "It is done part by part", body = OperationView),
    ),
)]
async fn plans(caller: Caller, Body(body): Body<RemovalBody>) -> Result<Response, Problem> {
    let changes = body.remove.into_iter().map(Target::RemovePlan).collect();
    let how = (OperationKind::PlanBulk, body.is_atomic, false);
    answer(&caller, how, changes).await
}

/// Remove many customers
///
/// By number; one who has subscribers stays. Up to 100 are removed at once, each for itself; more are
/// an operation.
#[utoipa::path(
    post, path = "/customers:bulk", tag = "customers", operation_id = "customer_bulk",
    request_body = RemovalBody, security(("token" = ["customers:write"])),
    responses(
        (status = 200, description = "What became of each", body = BulkView),
        (status = 202, description = "It is done part by part", body = OperationView),
    ),
)]
async fn customers(caller: Caller, Body(body): Body<RemovalBody>) -> Result<Response, Problem> {
    let changes = body.remove.into_iter();
    let changes = changes.map(Target::RemoveCustomer).collect();
    let how = (OperationKind::CustomerBulk, body.is_atomic, false);
    answer(&caller, how, changes).await
}

/// Does few rows at once, and makes an operation of many.
async fn answer(
    caller: &Caller,
    (kind, is_atomic, is_filtered): (OperationKind, bool, bool),
    targets: Vec<Target>,
) -> Result<Response, Problem> {
    check_count(targets.len(), (is_atomic, is_filtered))?;
    let total = targets.len();
    let mut changes: Vec<Change> = (1..)
        .zip(targets)
        .map(|(row, what)| Change { row, what })
        .collect();
    if caller.is_rehearsal && is_filtered {
        changes.truncate(REHEARSED_AT_ONCE_MAX);
    }
    let at_once_max = match caller.is_rehearsal {
        true => REHEARSED_AT_ONCE_MAX,
        false => AT_ONCE_MAX,
    };
    if changes.len() <= at_once_max {
        let results = at_once(caller, &changes, is_atomic).await?;
        return Ok(Json(BulkView::new(total, caller.is_rehearsal, results)).into_response());
    }
    let new = NewOperation {
        tenant: caller.tenant,
        kind,
        is_dry_run: caller.is_rehearsal,
        is_atomic,
    };
    let queued = operation::queue(caller.lasting_store(), new, changes).await?;
    Ok(OperationView::accepted(queued))
}

/// Does rows, and says what became of each.
pub(super) async fn at_once(
    caller: &Caller,
    changes: &[Change],
    is_atomic: bool,
) -> Result<Vec<RowResult>, Problem> {
    Ok(bulk::carry_out(caller.store(), caller.tenant, (changes, is_atomic)).await?)
}

fn check_count(count: usize, (is_atomic, is_filtered): (bool, bool)) -> Result<(), Problem> {
    if count == 0 && !is_filtered {
        return Err(Problem::field("rows", "there are none: send at least one"));
    }
    if ROWS_MAX < count && !is_filtered {
        return Err(Problem::field(
            "rows",
            format!("{count} are too many: send {ROWS_MAX} at most, or import a file"),
        ));
    }
    if is_atomic && ATOMIC_MAX < count {
        return Err(Problem::field(
            "is_atomic",
            format!("{count} rows are too many to hold together: {ATOMIC_MAX} at most"),
        ));
    }
    Ok(())
}

/// The rows that a filter means, each with the same action.
async fn filtered(
    caller: &Caller,
    filter: &SubscriberBulkFilter,
    (action, change): (Option<BulkAction>, Option<SubscriberBulkChange>),
) -> Result<Vec<Target>, Problem> {
    let action = match action {
        None => return Err(Problem::field("action", "a filter needs one")),
        Some(BulkAction::Create | BulkAction::Put) => {
            return Err(Problem::field(
                "action",
                "a filter means subscribers that are there: create them by rows",
            ));
        }
        Some(action) => action,
    };
    let is_change = matches!(action, BulkAction::Change);
    if is_change != change.is_some() {
        return Err(Problem::field(
            "change",
            "it goes with the action change, which needs it",
        ));
    }
    let found = bulk::select(caller.store(), caller.tenant, &filter.parsed(caller).await?).await?;
    let change = change.unwrap_or_default();
    let row = |username: String| {
        let mut row = SubscriberRow::default();
        row.set(Column::Username, Some(username));
        if let Some(plan) = &change.plan {
            row.set(Column::Plan, Some(plan.clone()));
        }
        if let Some(starts_at) = &change.starts_at {
            row.set(Column::StartsAt, starts_at.clone());
        }
        if let Some(expires_at) = &change.expires_at {
            row.set(Column::ExpiresAt, expires_at.clone());
        }
        Target::Subscriber(action.into(), row)
    };
    Ok(found
        .into_iter()
        .map(|name| row(name.to_string()))
        .collect())
}

fn target(row: SubscriberBulkRow) -> Target {
    let mut texts = SubscriberRow::default();
    let given = [
        (Column::Username, Some(Some(row.username))),
        (Column::Password, row.password.map(Some)),
        (Column::PasswordHash, row.password_hash.map(Some)),
        (Column::Plan, row.plan.map(Some)),
        (Column::StaticIpv4, row.static_ipv4),
        (Column::Ipv6Prefix, row.ipv6_prefix),
        (Column::Ipv6Delegated, row.ipv6_delegated),
        (Column::StartsAt, row.starts_at),
        (Column::ExpiresAt, row.expires_at),
        (Column::Status, row.status.map(Some)),
    ];
    for (column, text) in given {
        if let Some(text) = text {
            texts.set(column, text);
        }
    }
    Target::Subscriber(row.action.into(), texts)
}

impl SubscriberBulkFilter {
    async fn parsed(&self, caller: &Caller) -> Result<ListQuery, Problem> {
        if self.plan.is_none() && self.state.is_none() && self.q.is_none() {
            return Err(Problem::field(
                "filter",
                "it is empty and would mean everybody: set plan, state or q",
            ));
        }
        let mut fields = Fields::default();
        let name: Option<Name> = match &self.plan {
            Some(plan) => fields.parse("filter.plan", plan),
            None => None,
        };
        let state: Option<AccessState> = match &self.state {
            Some(state) => fields.parse("filter.state", state),
            None => None,
        };
        fields.check()?;
        if let Some(name) = &name
            && caller
                .store()
                .plan_find(caller.tenant, name)
                .await?
                .is_none()
        {
            let told = format!("there is no plan '{name}'");
            return Err(Problem::field("filter.plan", told));
        }
        let conditions = [
            ("plan", name.as_ref().map(Name::as_str)),
            ("state", state.map(AccessState::as_str)),
        ];
        let equal =
            |(field, value): (&str, Option<&str>)| Some(ListCondition::equal(field, value?));
        Ok(ListQuery {
            conditions: conditions.into_iter().filter_map(equal).collect(),
            search: self.q.clone(),
            ..ListQuery::first(1)
        })
    }
}

impl BulkView {
    pub(super) fn new(total: usize, is_dry_run: bool, results: Vec<RowResult>) -> Self {
        let failed = results.iter().filter(|result| result.is_failed()).count();
        Self {
            total: total as u64,
            failed: failed as u64,
            is_dry_run,
            results: results.into_iter().map(RowResultView::from).collect(),
        }
    }
}

impl From<BulkAction> for SubscriberAction {
    fn from(action: BulkAction) -> Self {
        match action {
            BulkAction::Create => Self::Create,
            BulkAction::Change => Self::Change,
            BulkAction::Put => Self::Put,
            BulkAction::Delete => Self::Delete,
            BulkAction::Activate => Self::Activate,
            BulkAction::SuspendWalled => Self::SuspendWalled,
            BulkAction::SuspendHard => Self::SuspendHard,
            BulkAction::Restore => Self::Restore,
            BulkAction::Disable => Self::Disable,
            BulkAction::Enable => Self::Enable,
        }
    }
}
