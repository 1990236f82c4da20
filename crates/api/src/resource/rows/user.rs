//! The rows of users: `/api/v1/radius/users`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::TenantId;
use serde::{Deserialize, Serialize};
use services::port::{RowFinding, RowReader};
use services::rows::{examine_user, replace_user};
use storage::rows::UserRows;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    FindingView, ForceParams, MembershipView, RowBody, RowView, check_name, findings, memberships,
    permit, rows, views,
};
use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

const WHAT: &str = "user with rows";

/// Who has rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowUserEntry {
    name: String,
    check_rows: usize,
    reply_rows: usize,
    /// In the order in which they are asked.
    groups: Vec<String>,
}

/// All rows of a user, and what is found about them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowUserView {
    name: String,
    check: Vec<RowView>,
    reply: Vec<RowView>,
    groups: Vec<MembershipView>,
    findings: Vec<FindingView>,
}

/// All rows of a user; there is one at least.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowUserBody {
    #[serde(default)]
    #[schema(max_items = 500)]
    check: Vec<RowBody>,
    #[serde(default)]
    #[schema(max_items = 500)]
    reply: Vec<RowBody>,
    #[serde(default)]
    #[schema(max_items = 500)]
    groups: Vec<MembershipView>,
}

impl From<UserRows> for RowUserEntry {
    fn from(user: UserRows) -> Self {
        let mut groups = user.groups;
        groups.sort_by_key(|row| (row.priority, row.id));
        Self {
            name: user.name,
            check_rows: user.check.len(),
            reply_rows: user.reply.len(),
            groups: groups.into_iter().map(|row| row.group).collect(),
        }
    }
}

impl RowUserView {
    fn new(user: UserRows, found: Vec<RowFinding>, reader: &dyn RowReader) -> Self {
        let groups = user.groups.into_iter().map(|row| MembershipView {
            group: row.group,
            priority: i32::try_from(row.priority).unwrap_or(i32::MAX),
        });
        Self {
            name: user.name,
            check: views(user.check, reader),
            reply: views(user.reply, reader),
            groups: groups.collect(),
            findings: findings(found),
        }
    }
}

impl RowUserBody {
    pub(super) fn resolve(self, name: String) -> Result<UserRows, Problem> {
        let mut fields = Fields::default();
        check_name(&mut fields, &name);
        if self.check.is_empty() && self.reply.is_empty() && self.groups.is_empty() {
            fields.wrong("check", "there is no row: remove the user instead");
        }
        let user = UserRows {
            name,
            check: rows(&mut fields, "check", self.check),
            reply: rows(&mut fields, "reply", self.reply),
            groups: memberships(&mut fields, self.groups),
        };
        fields.check()?;
        Ok(user)
    }
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, replace, remove))
}

/// List who has rows
///
/// By name, in the order of octets.
#[utoipa::path(
    get, path = "/radius/users", tag = "rows", operation_id = "row_user_list",
    params(ListParams), security(("token" = ["rows:read"])),
    responses((status = 200, description = "A page of users", body = Listing<RowUserEntry>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<RowUserEntry>, Problem> {
    let limit = params.limit()?;
    let after: Option<String> = params.after()?;
    let users = match caller.tenant == TenantId::DEFAULT {
        true => {
            let store = caller.store();
            store.row_user_page(after.as_deref(), limit + 1).await?
        }
        false => Vec::new(),
    };
    let entries = users.into_iter().map(RowUserEntry::from).collect();
    let listing = Listing::cut(entries, limit, |user: &RowUserEntry| user.name.clone());
    Ok(listing.shown(params))
}

/// Show the rows of a user
///
/// Without secrets, and with what is found about them.
#[utoipa::path(
    get, path = "/radius/users/{name}", tag = "rows", operation_id = "row_user_show",
    params(("name" = String, Path, description = "As it is in the tables")),
    security(("token" = ["rows:read"])),
    responses((status = 200, description = "The rows", body = RowUserView)),
)]
async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<RowUserView>, Problem> {
    permit(&caller, WHAT)?;
    let found = caller.store().row_users(&[&name]).await?;
    let user = found.into_iter().next();
    let user = user.ok_or_else(|| Problem::not_found(WHAT))?;
    let findings = examine_user(caller.store(), api.rows(), &user).await?;
    Ok(Json(RowUserView::new(user, findings, api.rows())))
}

/// Replace the rows of a user
///
/// All of them, in this order. Rows with errors are refused, unless `force=true`.
#[utoipa::path(
    put, path = "/radius/users/{name}", tag = "rows", operation_id = "row_user_replace",
    params(("name" = String, Path, description = "As it is in the tables"), ForceParams),
    request_body = RowUserBody, security(("token" = ["rows:write"])),
    responses((status = 200, description = "The rows", body = RowUserView)),
)]
async fn replace(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Params(force): Params<ForceParams>,
    Body(body): Body<RowUserBody>,
) -> Result<Json<RowUserView>, Problem> {
    permit(&caller, WHAT)?;
    let user = body.resolve(name)?;
    let stored = replace_user(caller.store(), api.rows(), &user, force.scrutiny()).await?;
    Ok(Json(RowUserView::new(
        stored.rows,
        stored.findings,
        api.rows(),
    )))
}

/// Remove the rows of a user
#[utoipa::path(
    delete, path = "/radius/users/{name}", tag = "rows", operation_id = "row_user_remove",
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
    caller.store().row_user_delete(&name, &is_secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
