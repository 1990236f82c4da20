//! The rows of groups: `/api/v1/radius/groups`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::TenantId;
use serde::{Deserialize, Serialize};
use services::port::{RowFinding, RowReader};
use services::rows::replace_group;
use storage::rows::GroupRows;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    FindingView, ForceParams, RowBody, RowView, check_name, findings, permit, rows, views,
};
use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

const WHAT: &str = "group with rows";

/// Which groups have rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowGroupEntry {
    name: String,
    check_rows: usize,
    reply_rows: usize,
}

/// All rows of a group, and what is found about them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowGroupView {
    name: String,
    check: Vec<RowView>,
    reply: Vec<RowView>,
    findings: Vec<FindingView>,
}

/// All rows of a group; there is one at least.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowGroupBody {
    #[serde(default)]
    #[schema(max_items = 500)]
    check: Vec<RowBody>,
    #[serde(default)]
    #[schema(max_items = 500)]
    reply: Vec<RowBody>,
}

impl From<GroupRows> for RowGroupEntry {
    fn from(group: GroupRows) -> Self {
        Self {
            name: group.name,
            check_rows: group.check.len(),
            reply_rows: group.reply.len(),
        }
    }
}

impl RowGroupView {
    fn new(group: GroupRows, found: Vec<RowFinding>, reader: &dyn RowReader) -> Self {
        Self {
            name: group.name,
            check: views(group.check, reader),
            reply: views(group.reply, reader),
            findings: findings(found),
        }
    }
}

impl RowGroupBody {
    pub(super) fn resolve(self, name: String) -> Result<GroupRows, Problem> {
        let mut fields = Fields::default();
        check_name(&mut fields, &name);
        if self.check.is_empty() && self.reply.is_empty() {
            fields.wrong("check", "there is no row: remove the group instead");
        }
        let group = GroupRows {
            name,
            check: rows(&mut fields, "check", self.check),
            reply: rows(&mut fields, "reply", self.reply),
        };
        fields.check()?;
        Ok(group)
    }
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, replace, remove))
}

/// List the groups that have rows
///
/// By name, in the order of octets.
#[utoipa::path(
    get, path = "/radius/groups", tag = "rows", operation_id = "row_group_list",
    params(ListParams), security(("token" = ["rows:read"])),
    responses((status = 200, description = "A page of groups", body = Listing<RowGroupEntry>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<RowGroupEntry>, Problem> {
    let limit = params.limit()?;
    let after: Option<String> = params.after()?;
    let groups = match caller.tenant == TenantId::DEFAULT {
        true => {
            let store = caller.store();
            store.row_group_page(after.as_deref(), limit + 1).await?
        }
        false => Vec::new(),
    };
    let entries = groups.into_iter().map(RowGroupEntry::from).collect();
    let listing = Listing::cut(entries, limit, |group: &RowGroupEntry| group.name.clone());
    Ok(listing.shown(params))
}

/// Show the rows of a group
///
/// Without secrets, and with what is found about them.
#[utoipa::path(
    get, path = "/radius/groups/{name}", tag = "rows", operation_id = "row_group_show",
    params(("name" = String, Path, description = "As it is in the tables")),
    security(("token" = ["rows:read"])),
    responses((status = 200, description = "The rows", body = RowGroupView)),
)]
async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<RowGroupView>, Problem> {
    permit(&caller, WHAT)?;
    let found = caller.store().row_groups(&[&name]).await?;
    let group = found.into_iter().next();
    let group = group.ok_or_else(|| Problem::not_found(WHAT))?;
    let findings = api.rows().group(&group);
    Ok(Json(RowGroupView::new(group, findings, api.rows())))
}

/// Replace the rows of a group
///
/// All of them, in this order. Rows with errors are refused, unless `force=true`.
#[utoipa::path(
    put, path = "/radius/groups/{name}", tag = "rows", operation_id = "row_group_replace",
    params(("name" = String, Path, description = "As it is in the tables"), ForceParams),
    request_body = RowGroupBody, security(("token" = ["rows:write"])),
    responses((status = 200, description = "The rows", body = RowGroupView)),
)]
async fn replace(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Params(force): Params<ForceParams>,
    Body(body): Body<RowGroupBody>,
) -> Result<Json<RowGroupView>, Problem> {
    permit(&caller, WHAT)?;
    let group = body.resolve(name)?;
    let stored = replace_group(caller.store(), api.rows(), &group, force.scrutiny()).await?;
    Ok(Json(RowGroupView::new(
        stored.rows,
        stored.findings,
        api.rows(),
    )))
}

/// Remove the rows of a group
///
/// Who is a member stays one.
#[utoipa::path(
    delete, path = "/radius/groups/{name}", tag = "rows", operation_id = "row_group_remove",
    params(("name" = String, Path, description = "As it is in the tables")),
    security(("token" = ["rows:write"])),
    responses((status = 204, description = "They are gone")),
)]
async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    permit(&caller, WHAT)?;
    let is_secret = |attribute: &str| api.rows().is_secret(attribute);
    caller.store().row_group_delete(&name, &is_secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
