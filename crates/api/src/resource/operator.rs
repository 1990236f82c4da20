//! People who work with the program: `/api/v1/operators`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::OperatorId;
use domain::name::Name;
use domain::operator::OperatorStatus;
use domain::permission::{Role, Scopes};
use serde::{Deserialize, Serialize};
use services::operator::{self as people, Draft, WithPassword};
use storage::error::Resource;
use storage::operator::{OperatorPatch, OperatorSummary};
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sign_in::{SignInView, SignInsView};
use crate::body::{Body, Fields, Params, present};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::secret_text::SecretText;
use crate::state::Api;
use crate::tagged::Tagged;

/// Somebody who works with the program.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OperatorView {
    #[schema(value_type = Uuid)]
    id: OperatorId,
    name: String,
    /// `active` or `disabled`.
    #[schema(value_type = String)]
    status: OperatorStatus,
    #[schema(value_type = Option<String>)]
    role: Option<&'static str>,
    /// What is permitted beside what the role permits.
    scopes: Vec<String>,
    must_change_password: bool,
    has_second_factor: bool,
    #[schema(value_type = String, format = DateTime)]
    password_set_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    signed_in_at: Option<String>,
    signed_in_from: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// An operator with a password that was made for one sign-in; it is shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OperatorWithPasswordView {
    #[serde(flatten)]
    operator: OperatorView,
    /// `null` when a password was given, and in a rehearsal.
    #[schema(value_type = Option<String>)]
    one_time_password: Option<SecretText>,
}

/// An operator to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOperatorBody {
    /// People sign in with it, so it is unique in the whole installation.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// owner, admin, billing, support, installer or read_only.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false)]
    role: Option<Option<String>>,
    /// What is permitted beside what the role permits.
    #[serde(default)]
    #[schema(required = false, max_items = 64)]
    scopes: Vec<String>,
    /// One that lasts; without it one is made for the first sign-in.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Password, required = false, max_length = 256)]
    password: Option<Option<SecretText>>,
}

/// What to change of an operator.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorPatchBody {
    #[serde(default)]
    #[schema(required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    /// `active` or `disabled`.
    #[serde(default)]
    #[schema(required = false)]
    status: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false)]
    role: Option<Option<String>>,
    #[serde(default)]
    #[schema(required = false, max_items = 64)]
    scopes: Option<Vec<String>>,
}

/// A password for an operator.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetBody {
    /// One that lasts; without it one is made for the next sign-in.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Password, required = false, max_length = 256)]
    password: Option<Option<SecretText>>,
}

/// How many sessions ended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct EndedView {
    ended: u64,
}

impl From<OperatorSummary> for OperatorView {
    fn from(operator: OperatorSummary) -> Self {
        Self {
            id: operator.id,
            name: operator.name.to_string(),
            status: operator.status,
            role: operator.role.map(Role::as_str),
            scopes: operator
                .scopes
                .iter()
                .map(|scope| scope.to_string())
                .collect(),
            must_change_password: operator.must_change_password,
            has_second_factor: operator.has_second_factor,
            password_set_at: operator.password_set_at.to_string(),
            signed_in_at: operator.signed_in_at.map(|at| at.to_string()),
            signed_in_from: operator.signed_in_from,
            created_at: operator.created_at.to_string(),
            updated_at: operator.updated_at.to_string(),
        }
    }
}

impl OperatorWithPasswordView {
    /// In a rehearsal the password is nobody's.
    fn new(made: WithPassword, is_rehearsal: bool) -> Self {
        let one_time = made.one_time.filter(|_| !is_rehearsal);
        Self {
            operator: made.operator.into(),
            one_time_password: one_time.as_ref().map(SecretText::from),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(reset_password))
        .routes(routes!(reset_second_factor))
        .routes(routes!(list_sessions, end_sessions))
        .routes(routes!(end_session))
}

/// List the operators
///
/// By name.
#[utoipa::path(
    get, path = "/operators", tag = "operators", operation_id = "operator_list",
    params(ListParams), security(("token" = ["operators:read"])),
    responses((status = 200, description = "A page of operators", body = Listing<OperatorView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<OperatorView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let operators = caller.store().operator_list(caller.tenant, &page).await?;
    let views = operators.into_iter().map(OperatorView::from).collect();
    let listing = Listing::cut(views, limit, |operator: &OperatorView| {
        operator.name.clone()
    });
    Ok(listing.shown(params))
}

/// Make an operator
///
/// Who may do no more than who asks.
#[utoipa::path(
    post, path = "/operators", tag = "operators", operation_id = "operator_create",
    request_body = NewOperatorBody, security(("token" = ["operators:write"])),
    responses(
        (status = 201, description = "The operator", body = OperatorWithPasswordView),
        (status = 200, description = "What would be made", body = OperatorWithPasswordView),
    ),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewOperatorBody>,
) -> Result<Tagged<OperatorWithPasswordView>, Problem> {
    let mut fields = Fields::default();
    let name: Option<Name> = fields.parse("name", &body.name);
    let role = find_role(&mut fields, body.role.flatten().as_deref());
    let scopes = read_scopes(&mut fields, &body.scopes);
    fields.check()?;
    let draft = Draft {
        tenant: caller.tenant,
        name: name.ok_or_else(Problem::internal)?,
        role,
        scopes,
        password: body.password.flatten().map(|password| password.to_secret()),
    };
    let by = &caller.principal.scopes;
    let made = people::create(caller.store(), api.passwords(), by, draft).await?;
    let revision = made.operator.updated_at;
    let view = OperatorWithPasswordView::new(made, caller.is_rehearsal);
    Ok(Tagged::made(caller.is_rehearsal, revision, view))
}

/// Show an operator
#[utoipa::path(
    get, path = "/operators/{operator}", tag = "operators", operation_id = "operator_show",
    params(("operator" = String, Path, description = "Id or name")),
    security(("token" = ["operators:read"])),
    responses((status = 200, description = "The operator", body = OperatorView)),
)]
async fn show(
    caller: Caller,
    Path(operator): Path<String>,
) -> Result<Tagged<OperatorView>, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let operator = caller.store().operator_find(caller.tenant, &name).await?;
    let operator = operator.ok_or_else(|| Problem::not_found("operator"))?;
    Ok(Tagged::ok(operator.updated_at, operator.into()))
}

/// Change an operator
///
/// Who is disabled is signed out at once. The last active owner stays one.
#[utoipa::path(
    patch, path = "/operators/{operator}", tag = "operators", operation_id = "operator_change",
    params(("operator" = String, Path, description = "Id or name")),
    request_body = OperatorPatchBody, security(("token" = ["operators:write"])),
    responses((status = 200, description = "The operator", body = OperatorView)),
)]
async fn change(
    caller: Caller,
    Path(operator): Path<String>,
    Body(body): Body<OperatorPatchBody>,
) -> Result<Tagged<OperatorView>, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let mut fields = Fields::default();
    let new_name = body.name.as_ref().and_then(|raw| fields.parse("name", raw));
    let status = body
        .status
        .as_ref()
        .and_then(|raw| fields.parse("status", raw));
    let role = body
        .role
        .map(|role| find_role(&mut fields, role.as_deref()));
    let scopes = body.scopes.map(|scopes| read_scopes(&mut fields, &scopes));
    fields.check()?;
    let patch = OperatorPatch {
        name: new_name,
        status,
        role,
        scopes,
    };
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name);
    let operator = people::update(caller.store(), by, of, patch).await?;
    Ok(Tagged::ok(operator.updated_at, operator.into()))
}

/// Remove an operator
///
/// The audit log keeps what they did. The last active owner stays.
#[utoipa::path(
    delete, path = "/operators/{operator}", tag = "operators", operation_id = "operator_remove",
    params(("operator" = String, Path, description = "Id or name")),
    security(("token" = ["operators:write"])),
    responses((status = 204, description = "Gone")),
)]
async fn remove(caller: Caller, Path(operator): Path<String>) -> Result<StatusCode, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let by = &caller.principal.scopes;
    people::remove(caller.store(), by, (caller.tenant, &name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an operator another password
///
/// Signs them out everywhere.
#[utoipa::path(
    post, path = "/operators/{operator}/reset-password", tag = "operators",
    operation_id = "operator_password_reset",
    params(("operator" = String, Path, description = "Id or name")),
    request_body = PasswordResetBody, security(("token" = ["operators:write"])),
    responses((status = 200, description = "The operator", body = OperatorWithPasswordView)),
)]
async fn reset_password(
    State(api): State<Api>,
    caller: Caller,
    Path(operator): Path<String>,
    Body(body): Body<PasswordResetBody>,
) -> Result<Tagged<OperatorWithPasswordView>, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let password = body.password.flatten().map(|password| password.to_secret());
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name, password.as_ref());
    let made = people::reset_password(caller.store(), api.passwords(), by, of).await?;
    let revision = made.operator.updated_at;
    let view = OperatorWithPasswordView::new(made, caller.is_rehearsal);
    Ok(Tagged::ok(revision, view))
}

/// Take an operator's second factor away
///
/// For somebody who lost the device and the recovery codes. Signs them out everywhere.
#[utoipa::path(
    delete, path = "/operators/{operator}/second-factor", tag = "operators",
    operation_id = "operator_second_factor_reset",
    params(("operator" = String, Path, description = "Id or name")),
    security(("token" = ["operators:write"])),
    responses((status = 200, description = "The operator", body = OperatorView)),
)]
async fn reset_second_factor(
    caller: Caller,
    Path(operator): Path<String>,
) -> Result<Tagged<OperatorView>, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name);
    let operator = people::reset_second_factor(caller.store(), by, of).await?;
    Ok(Tagged::ok(operator.updated_at, operator.into()))
}

/// List an operator's sessions
#[utoipa::path(
    get, path = "/operators/{operator}/sign-ins", tag = "operators",
    operation_id = "operator_session_list",
    params(("operator" = String, Path, description = "Id or name")),
    security(("token" = ["operators:read"])),
    responses((status = 200, description = "All of them", body = SignInsView)),
)]
async fn list_sessions(
    caller: Caller,
    Path(operator): Path<String>,
) -> Result<Json<SignInsView>, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let store = caller.store();
    let sessions = store.operator_session_list(caller.tenant, &name).await?;
    let items = sessions.into_iter().map(SignInView::from).collect();
    Ok(Json(SignInsView { items }))
}

/// Sign an operator out everywhere
#[utoipa::path(
    delete, path = "/operators/{operator}/sign-ins", tag = "operators",
    operation_id = "operator_session_end_all",
    params(("operator" = String, Path, description = "Id or name")),
    security(("token" = ["operators:write"])),
    responses((status = 200, description = "How many there were", body = EndedView)),
)]
async fn end_sessions(
    caller: Caller,
    Path(operator): Path<String>,
) -> Result<Json<EndedView>, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name);
    let ended = people::end_sessions(caller.store(), by, of, None).await?;
    Ok(Json(EndedView { ended }))
}

/// End one of an operator's sessions
#[utoipa::path(
    delete, path = "/operators/{operator}/sign-ins/{session}", tag = "operators",
    operation_id = "operator_session_end",
    params(
        ("operator" = String, Path, description = "Id or name"),
        ("session" = Uuid, Path, description = "Id of the session"),
    ),
    security(("token" = ["operators:write"])),
    responses((status = 204, description = "It has ended")),
)]
async fn end_session(
    caller: Caller,
    Path((operator, session)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name: Name = caller.name_of(Resource::Operator, &operator).await?;
    let session = session.parse().map_err(|_| Problem::not_found("session"))?;
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name);
    people::end_sessions(caller.store(), by, of, Some(session)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A role, if one is given.
pub(super) fn find_role(fields: &mut Fields, raw: Option<&str>) -> Option<Role> {
    raw.and_then(|raw| fields.parse("role", raw))
}

/// Scopes, each of which is told that is none.
pub(super) fn read_scopes(fields: &mut Fields, raw: &[String]) -> Scopes {
    let parse = |(index, raw): (usize, &String)| fields.parse(&format!("scopes.{index}"), raw);
    raw.iter().enumerate().filter_map(parse).collect()
}
