//! Looking at rows before they are stored: `/api/v1/radius/lint`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use services::rows::examine_user;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::group::RowGroupBody;
use super::user::RowUserBody;
use super::{FindingView, findings, permit};
use crate::body::Body;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Rows of a user or of a group.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LintBody {
    User(NamedUser),
    Group(NamedGroup),
}

/// A user with all rows.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NamedUser {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    rows: RowUserBody,
}

/// A group with all rows.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NamedGroup {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    rows: RowGroupBody,
}

/// What is found about rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LintView {
    findings: Vec<FindingView>,
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(lint))
}

/// Look at rows
///
/// Says which of them mean something else than their author probably thinks. Nothing is stored.
#[utoipa::path(
    post, path = "/radius/lint", tag = "rows", operation_id = "row_lint",
    request_body = LintBody, security(("token" = ["rows:read"])),
    responses((status = 200, description = "What is found", body = LintView)),
)]
async fn lint(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<LintBody>,
) -> Result<Json<LintView>, Problem> {
    permit(&caller, "table of rows")?;
    let found = match body {
        LintBody::User(user) => {
            let rows = user.rows.resolve(user.name)?;
            examine_user(caller.store(), api.rows(), &rows).await?
        }
        LintBody::Group(group) => api.rows().group(&group.rows.resolve(group.name)?),
    };
    Ok(Json(LintView {
        findings: findings(found),
    }))
}
