//! How the installation stands: `/api/v1/health`, `/api/v1/directory`, `/api/v1/configuration`.
//! It is of the provider who runs it, the default tenant.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::TenantId;
use serde::Serialize;
use services::port::{ConfiguredValue, Health, NodeHealth, WorkerHealth};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// How the process that answers is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct HealthView {
    /// Whether it can do all of its work.
    ready: bool,
    version: &'static str,
    /// What is wrong with the database; `null` when it is well.
    database_problem: Option<String>,
    /// What is wrong with the disk of the data directory.
    disk_problem: Option<String>,
    /// `null` when this process answers no routers.
    node: Option<NodeView>,
    /// `null` when another process carries out session commands.
    worker: Option<WorkerView>,
}

/// How the part is doing that answers routers, with counts since its start.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct NodeView {
    /// What logins are answered from: `database`, or `snapshot` while it was away since the start.
    directory: &'static str,
    subscribers: u64,
    sessions: u64,
    /// Where accounting goes: `direct`, `spooling` to local disk, or `refused`.
    accounting: &'static str,
    accounting_problem: Option<String>,
    /// Records on local disk that wait for the database.
    spooled_records: u64,
    access_accepts: u64,
    access_rejects: u64,
    accounting_responses: u64,
}

/// Session commands since the start of the process.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct WorkerView {
    confirmed: u64,
    acknowledged: u64,
    failed: u64,
    /// Turns that failed for want of the database.
    failures: u64,
}

/// What a server loads from the database, of every tenant.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct DirectoryView {
    subscribers: u64,
    plans: u64,
    nas: u64,
    row_users: u64,
    row_groups: u64,
    row_nas: u64,
    open_sessions: u64,
}

/// The configuration in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ConfigurationView {
    items: Vec<ConfiguredView>,
}

/// One configured value; a secret in it is hidden.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ConfiguredView {
    key: &'static str,
    value: String,
    /// Where it comes from.
    source: String,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(directory))
        .routes(routes!(reload))
        .routes(routes!(configuration))
}

/// Show how the process is doing that answers
#[utoipa::path(
    get, path = "/health", tag = "system", operation_id = "health",
    security(("token" = ["settings:read"])),
    responses((status = 200, description = "How it is doing", body = HealthView)),
)]
async fn health(State(api): State<Api>, caller: Caller) -> Result<Json<HealthView>, Problem> {
    check_house(&caller)?;
    Ok(Json(api.program().health().await.into()))
}

/// Count what a server loads from the database
#[utoipa::path(
    get, path = "/directory", tag = "system", operation_id = "directory_show",
    security(("token" = ["settings:read"])),
    responses((status = 200, description = "Counts", body = DirectoryView)),
)]
async fn directory(caller: Caller) -> Result<Json<DirectoryView>, Problem> {
    check_house(&caller)?;
    Ok(Json(extent(&caller).await?))
}

/// Have every server load everything anew
///
/// Servers follow every change by themselves, so this is for a database that was changed by other
/// means than this program.
#[utoipa::path(
    post, path = "/directory:reload", tag = "system", operation_id = "directory_reload",
    security(("token" = ["settings:write"])),
    responses(
        (status = 202, description = "They will; with what there is to load", body = DirectoryView),
        (status = 200, description = "What there would be to load", body = DirectoryView),
    ),
)]
async fn reload(caller: Caller) -> Result<(StatusCode, Json<DirectoryView>), Problem> {
    check_house(&caller)?;
    caller.store().directory_reload().await?;
    let status = match caller.is_rehearsal {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    Ok((status, Json(extent(&caller).await?)))
}

/// Show the configuration of the process that answers
///
/// It is read from its file, its environment and its flags, and cannot be changed here.
#[utoipa::path(
    get, path = "/configuration", tag = "system", operation_id = "configuration_show",
    security(("token" = ["settings:read"])),
    responses((status = 200, description = "Every value", body = ConfigurationView)),
)]
async fn configuration(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<ConfigurationView>, Problem> {
    check_house(&caller)?;
    let values = api.program().settings().into_iter();
    Ok(Json(ConfigurationView {
        items: values.map(ConfiguredView::from).collect(),
    }))
}

/// The installation is nobody else's business.
fn check_house(caller: &Caller) -> Result<(), Problem> {
    if caller.tenant == TenantId::DEFAULT {
        return Ok(());
    }
    Err(Problem::forbidden(
        "this is of the provider who runs the installation",
    ))
}

async fn extent(caller: &Caller) -> Result<DirectoryView, Problem> {
    let store = caller.store();
    let extent = store.directory_extent().await?;
    let rows = store.row_extent().await?;
    Ok(DirectoryView {
        subscribers: extent.subscribers,
        plans: extent.plans,
        nas: extent.nas,
        row_users: rows.users,
        row_groups: rows.groups,
        row_nas: rows.nas,
        open_sessions: extent.open_sessions,
    })
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        Self {
            ready: health.is_ready,
            version: health.version,
            database_problem: health.database,
            disk_problem: health.disk,
            node: health.node.map(NodeView::from),
            worker: health.worker.map(WorkerView::from),
        }
    }
}

impl From<NodeHealth> for NodeView {
    fn from(node: NodeHealth) -> Self {
        Self {
            directory: node.directory,
            subscribers: node.subscribers,
            sessions: node.sessions,
            accounting: node.accounting,
            accounting_problem: node.accounting_problem,
            spooled_records: node.spooled_records,
            access_accepts: node.access_accepts,
            access_rejects: node.access_rejects,
            accounting_responses: node.accounting_responses,
        }
    }
}

impl From<WorkerHealth> for WorkerView {
    fn from(worker: WorkerHealth) -> Self {
        Self {
            confirmed: worker.confirmed,
            acknowledged: worker.acknowledged,
            failed: worker.failed,
            failures: worker.failures,
        }
    }
}

impl From<ConfiguredValue> for ConfiguredView {
    fn from(value: ConfiguredValue) -> Self {
        Self {
            key: value.key,
            value: value.value,
            source: value.source,
        }
    }
}
