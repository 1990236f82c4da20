//! Files that are given out: `/api/v1/exports`.
//!
//! A file is written page by page while it is sent, so it needs no more memory than a page. What
//! goes wrong after the beginning cuts the answer off, so that nobody takes it for the whole.

use std::error::Error;
use std::ops::Range;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::time::Timestamp;
use futures_util::stream::{self, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use storage::audit::AuditFilter;
use storage::error::StoreError;
use storage::nas::NasFilter;
use storage::page::Page;
use storage::session::SessionFilter;
use storage::subscriber::SubscriberFilter;
use tracing::warn;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Params;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Columns of a file: each with the member of the entry that it shows.
type Columns = &'static [(&'static str, &'static str)];

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

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// Where a file is: at its beginning with the first page, behind a row, or at its end.
enum Place<Row, Key> {
    Beginning(Vec<Row>),
    Behind(Key),
    End,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(subscribers))
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
            async move {
                let filter = SubscriberFilter::default();
                store.subscriber_list(tenant, &filter, &page).await
            }
        },
        |row| row.username.clone(),
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

/// Answers with a file that is written page by page. What goes wrong with the first page is an error
/// like any other.
async fn file<Row, Key, Load, Loading>(
    (name, columns, format): (&'static str, Columns, Format),
    load: Load,
    key: fn(&Row) -> Key,
) -> Result<Response, Problem>
where
    Row: Serialize + Send + 'static,
    Key: Send + 'static,
    Load: Fn(Page<Key>) -> Loading + Send + 'static,
    Loading: Future<Output = Result<Vec<Row>, StoreError>> + Send + 'static,
{
    let limit = Page::<Key>::LIMIT_MAX;
    let first = load(Page::first(limit)).await?;
    let state = (Place::Beginning(first), load);
    let pieces = stream::try_unfold(state, move |(place, load)| async move {
        let (is_beginning, rows) = match place {
            Place::Beginning(rows) => (true, rows),
            Place::Behind(key) => (false, load(Page::after(key, limit)).await?),
            Place::End => return Ok::<_, StoreError>(None),
        };
        let next = match rows.last() {
            Some(last) if limit as usize <= rows.len() => Place::Behind(key(last)),
            Some(_) | None => Place::End,
        };
        let piece = match format {
            Format::Csv => csv_piece(columns, is_beginning, &rows),
            Format::JsonLines => json_piece(columns, &rows),
        };
        Ok(Some((piece, (next, load))))
    });
    let pieces = pieces.inspect_err(move |problem| {
        warn!(
            error = problem as &dyn Error,
            "The export of {name} was cut off"
        );
    });
    let (kind, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{ending}\""),
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn csv_piece<Row: Serialize>(columns: Columns, is_beginning: bool, rows: &[Row]) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory does not fail.
    if is_beginning {
        drop(writer.write_record(columns.iter().map(|(name, _)| name)));
    }
    for row in rows {
        let entry = serde_json::to_value(row).unwrap_or_default();
        let cells = columns.iter().map(|(_, member)| cell(entry.get(member)));
        drop(writer.write_record(cells));
    }
    Bytes::from(writer.into_inner().unwrap_or_default())
}

fn json_piece<Row: Serialize>(columns: Columns, rows: &[Row]) -> Bytes {
    let mut lines = String::new();
    for row in rows {
        let mut entry = serde_json::to_value(row).unwrap_or_default();
        let members = columns.iter().map(|(name, member)| {
            let value = entry.get_mut(*member).map(Json::take);
            ((*name).to_owned(), value.unwrap_or_default())
        });
        let line: Json = members.collect::<serde_json::Map<_, _>>().into();
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    Bytes::from(lines)
}

/// A value as a cell. What a spreadsheet would take for a formula gets an apostrophe before it, so
/// that no user name runs on somebody's machine.
fn cell(value: Option<&Json>) -> String {
    let text = match value {
        None | Some(Json::Null) => return String::new(),
        Some(Json::Bool(flag)) => return flag.to_string(),
        Some(Json::Number(number)) => return number.to_string(),
        Some(Json::String(text)) => text.clone(),
        Some(value @ (Json::Array(_) | Json::Object(_))) => value.to_string(),
    };
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text,
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (value, expected) in [
            (json!("=1+1"), "'=1+1"),
            (json!("+254700"), "'+254700"),
            (json!("-x"), "'-x"),
            (json!("@a"), "'@a"),
            (json!("\tx"), "'\tx"),
            (json!("ana"), "ana"),
            (json!(-5), "-5"),
            (json!(null), ""),
            (json!(["a"]), "[\"a\"]"),
        ] {
            assert_eq!(cell(Some(&value)), expected);
        }
    }

    #[test]
    fn a_file_begins_with_its_header_once() {
        let rows = [json!({ "name": "a,b", "source": "10.0.0.0/8" })];
        let columns: Columns = &[("name", "name"), ("from", "source"), ("gone", "gone")];
        let piece = csv_piece(columns, true, &rows);
        assert_eq!(piece, "name,from,gone\n\"a,b\",10.0.0.0/8,\n");
        let piece = csv_piece(columns, false, &rows);
        assert_eq!(piece, "\"a,b\",10.0.0.0/8,\n");
        let piece = json_piece(columns, &rows);
        let line = "{\"name\":\"a,b\",\"from\":\"10.0.0.0/8\",\"gone\":null}\n";
        assert_eq!(piece, line);
    }
}
