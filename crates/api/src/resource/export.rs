//! Files that are given out: `/api/v1/exports`.
//!
//! A file is written page by page while it is sent, so it needs no more memory than a page. What
//! goes wrong after the beginning cuts the answer off, so that nobody takes it for the whole.

use std::ops::Range;

use axum::response::Response;
use domain::time::Timestamp;
use serde::Deserialize;
use storage::audit::AuditFilter;
use storage::nas::NasFilter;
use storage::session::SessionFilter;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Params;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;
use file::{Columns, Format, file};

mod file;

const SUBSCRIBERS: Columns = &[
    ("id", "id"),
    ("username", "username"),
    ("credential_kind", "credential_kind"),
    ("plan", "plan"),
    ("status", "status"),
    ("state", "state"),
    ("starts_at", "starts_at"),
    ("expires_at", "expires_at"),
    // As imports name them.
    ("static_ipv4", "ipv4"),
    ("ipv6_prefix", "ipv6_prefix"),
    ("ipv6_delegated", "ipv6_delegated"),
    ("session_limit", "session_limit"),
    ("session_policy", "session_policy"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

const CUSTOMERS: Columns = &[
    ("id", "id"),
    ("number", "number"),
    ("name", "name"),
    ("company", "company"),
    ("state", "state"),
    ("emails", "emails"),
    ("phones", "phones"),
    ("addresses", "addresses"),
    ("fields", "fields"),
    ("tags", "tags"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

const PLANS: Columns = &[
    ("id", "id"),
    ("name", "name"),
    ("rate", "rate"),
    ("session_timeout_seconds", "session_timeout_seconds"),
    ("idle_timeout_seconds", "idle_timeout_seconds"),
    ("pool", "pool"),
    ("session_limit", "session_limit"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

const NAS: Columns = &[
    ("id", "id"),
    ("name", "name"),
    ("source", "source"),
    ("vendor", "vendor"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

const SESSIONS: Columns = &[
    ("id", "id"),
    ("user_name", "user_name"),
    ("nas", "nas"),
    ("nas_id", "nas_id"),
    ("session_id", "session_id"),
    ("state", "state"),
    ("started_at", "started_at"),
    ("updated_at", "updated_at"),
    ("stopped_at", "stopped_at"),
    ("upload_bytes", "upload_bytes"),
    ("download_bytes", "download_bytes"),
    ("session_seconds", "session_seconds"),
    ("terminate_cause", "terminate_cause"),
    ("framed_ipv4", "framed_ipv4"),
    ("framed_ipv6_prefix", "framed_ipv6_prefix"),
    ("delegated_ipv6_prefix", "delegated_ipv6_prefix"),
    ("calling_station", "calling_station"),
    ("called_station", "called_station"),
    ("nas_port", "nas_port"),
];

const USAGE: Columns = &[
    ("username", "username"),
    ("starts_at", "starts_at"),
    ("upload_bytes", "upload_bytes"),
    ("download_bytes", "download_bytes"),
    ("session_seconds", "session_seconds"),
];

const AUDIT: Columns = &[
    ("seq", "seq"),
    ("at", "at"),
    ("actor", "actor"),
    ("request_id", "request"),
    ("action", "action"),
    ("resource", "resource"),
    ("resource_id", "resource_id"),
    ("resource_name", "resource_name"),
    ("before", "before"),
    ("after", "after"),
];

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportParams {
    /// `csv` or `jsonl`.
    #[serde(default)]
    #[param(default = "csv", pattern = "^(csv|jsonl)$")]
    format: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SpanParams {
    /// Only what begins then or later.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Only what begins before.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SinceParams {
    /// Only what was still going on then or later.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(subscribers))
        .routes(routes!(customers))
        .routes(routes!(plans))
        .routes(routes!(nas))
        .routes(routes!(sessions))
        .routes(routes!(usage))
        .routes(routes!(audit))
}

/// Export subscribers
///
/// By user name, without passwords. A text that a spreadsheet would take for a formula has an
/// apostrophe before it.
#[utoipa::path(
    get, path = "/exports/subscribers", tag = "exports", operation_id = "subscriber_export",
    params(ExportParams), security(("token" = ["subscribers:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn subscribers(
    caller: Caller,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    file(
        ("subscribers", SUBSCRIBERS, params.format()?),
        move |page| {
            let store = store.clone();
            async move { store.subscriber_page(tenant, &page).await }
        },
        |row| row.username.clone(),
    )
    .await
}

/// Export customers
///
/// By number.
#[utoipa::path(
    get, path = "/exports/customers", tag = "exports", operation_id = "customer_export",
    params(ExportParams), security(("token" = ["customers:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn customers(
    caller: Caller,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    file(
        ("customers", CUSTOMERS, params.format()?),
        move |page| {
            let store = store.clone();
            async move { store.customer_page(tenant, &page).await }
        },
        |row| row.number.clone(),
    )
    .await
}

/// Export plans
#[utoipa::path(
    get, path = "/exports/plans", tag = "exports", operation_id = "plan_export",
    params(ExportParams), security(("token" = ["plans:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn plans(caller: Caller, Params(params): Params<ExportParams>) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    file(
        ("plans", PLANS, params.format()?),
        move |page| {
            let store = store.clone();
            async move { store.plan_list(tenant, &page).await }
        },
        |row| row.name.clone(),
    )
    .await
}

/// Export routers
///
/// Without their secrets.
#[utoipa::path(
    get, path = "/exports/nas", tag = "exports", operation_id = "nas_export",
    params(ExportParams), security(("token" = ["nas:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn nas(caller: Caller, Params(params): Params<ExportParams>) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    file(
        ("nas", NAS, params.format()?),
        move |page| {
            let store = store.clone();
            async move { store.nas_list(tenant, &NasFilter::default(), &page).await }
        },
        |row| row.name.clone(),
    )
    .await
}

/// Export sessions
///
/// The newest first, open and closed ones.
#[utoipa::path(
    get, path = "/exports/sessions", tag = "exports", operation_id = "session_export",
    params(ExportParams, SinceParams), security(("token" = ["sessions:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn sessions(
    caller: Caller,
    Params(params): Params<ExportParams>,
    Params(since): Params<SinceParams>,
) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    let filter = SessionFilter {
        since: instant("from", since.from.as_deref())?,
        ..SessionFilter::default()
    };
    file(
        ("sessions", SESSIONS, params.format()?),
        move |page| {
            let (store, filter) = (store.clone(), filter.clone());
            async move { store.session_list(tenant, &filter, &page).await }
        },
        |row| row.id,
    )
    .await
}

/// Export usage by the hour
///
/// By user and hour, as long as hours are kept.
#[utoipa::path(
    get, path = "/exports/usage", tag = "exports", operation_id = "usage_export",
    params(ExportParams, SpanParams), security(("token" = ["usage:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn usage(
    caller: Caller,
    Params(params): Params<ExportParams>,
    Params(span): Params<SpanParams>,
) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    let span = span.parsed()?;
    file(
        ("usage", USAGE, params.format()?),
        move |page| {
            let store = store.clone();
            let span = span.clone();
            async move { store.usage_hours(tenant, &span, &page).await }
        },
        |row| (row.username.clone(), row.starts_at),
    )
    .await
}

/// Export the audit log
///
/// The newest line first.
#[utoipa::path(
    get, path = "/exports/audit", tag = "exports", operation_id = "audit_export",
    params(ExportParams), security(("token" = ["audit:read"])),
    responses((status = 200, description = "The file",
        content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
async fn audit(caller: Caller, Params(params): Params<ExportParams>) -> Result<Response, Problem> {
    let (store, tenant) = (caller.store().clone(), caller.tenant);
    file(
        ("audit", AUDIT, params.format()?),
        move |page| {
            let store = store.clone();
            async move {
                let filter = AuditFilter::default();
                store.audit_list(tenant, &filter, &page).await
            }
        },
        |row| row.seq,
    )
    .await
}

fn instant(field: &str, raw: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let wrong = |error| Problem::bad_request(format!("{field}: {error}"));
    raw.map(|raw| raw.parse().map_err(wrong)).transpose()
}

impl ExportParams {
    fn format(&self) -> Result<Format, Problem> {
        match self.format.as_deref() {
            None | Some("csv") => Ok(Format::Csv),
            Some("jsonl") => Ok(Format::JsonLines),
            Some(_) => Err(Problem::bad_request("format is csv or jsonl")),
        }
    }
}

impl SpanParams {
    fn parsed(&self) -> Result<Range<Timestamp>, Problem> {
        let start = instant("from", self.from.as_deref())?;
        let end = instant("to", self.to.as_deref())?;
        Ok(Range {
            start: start.unwrap_or_default(),
            end: end.unwrap_or(Timestamp::from_micros(i64::MAX)),
        })
    }
}
