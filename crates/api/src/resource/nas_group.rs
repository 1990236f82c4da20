//! Groups of routers: `/api/v1/nas-groups`.

use axum::http::StatusCode;
use domain::id::NasGroupId;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use storage::nas_group::{NasGroupPatch, NasGroupSummary};
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, Params, given};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// Several routers under one name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NasGroupView {
    #[schema(value_type = Uuid)]
    id: NasGroupId,
    name: String,
    /// Names of its routers, in order.
    members: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A group to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNasGroupBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// What to change of a group.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NasGroupPatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    /// Ids or names of all its routers.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false, max_items = 2_000)]
    members: Option<Vec<String>>,
}

impl From<NasGroupSummary> for NasGroupView {
    fn from(group: NasGroupSummary) -> Self {
        Self {
            id: group.id,
            name: group.name.to_string(),
            members: group.members,
            created_at: group.created_at.to_string(),
            updated_at: group.updated_at.to_string(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(add_member, take_member))
}

/// List the groups
///
/// By name.
#[utoipa::path(
    get, path = "/nas-groups", tag = "nas-groups", operation_id = "nas_group_list",
    params(ListParams), security(("token" = ["nas:read"])),
    responses((status = 200, description = "A page of groups", body = Listing<NasGroupView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<NasGroupView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let groups = caller.store().nas_group_list(caller.tenant, &page).await?;
    let views = groups.into_iter().map(NasGroupView::from).collect();
    let listing = Listing::cut(views, limit, |group: &NasGroupView| group.name.clone());
    Ok(listing.shown(params))
}

/// Make a group
#[utoipa::path(
    post, path = "/nas-groups", tag = "nas-groups", operation_id = "nas_group_create",
    request_body = NewNasGroupBody, security(("token" = ["nas:write"])),
    responses(
        (status = 201, description = "The group", body = NasGroupView),
        (status = 200, description = "What would be made", body = NasGroupView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewNasGroupBody>,
) -> Result<Tagged<NasGroupView>, Problem> {
    let mut fields = Fields::default();
    let name = fields.parse("name", &body.name);
    fields.check()?;
    let name: Name = name.ok_or_else(Problem::internal)?;
    let group = caller.store().nas_group_insert(caller.tenant, name).await?;
    let revision = group.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, group.into()))
}

/// Show a group
#[utoipa::path(
    get, path = "/nas-groups/{group}", tag = "nas-groups", operation_id = "nas_group_show",
    params(("group" = String, Path, description = "Id or name")),
    security(("token" = ["nas:read"])),
    responses((status = 200, description = "The group", body = NasGroupView)),
)]
async fn show(caller: Caller, Path(group): Path<String>) -> Result<Tagged<NasGroupView>, Problem> {
    let name: Name = caller.name_of(Resource::NasGroup, &group).await?;
    let group = caller.store().nas_group_find(caller.tenant, &name).await?;
    let group = group.ok_or_else(|| Problem::not_found("NAS group"))?;
    Ok(Tagged::ok(group.updated_at, group.into()))
}

/// Change a group
///
/// `members` are in place of those that it has.
#[utoipa::path(
    patch, path = "/nas-groups/{group}", tag = "nas-groups", operation_id = "nas_group_update",
    params(("group" = String, Path, description = "Id or name")),
    request_body = NasGroupPatchBody, security(("token" = ["nas:write"])),
    responses((status = 200, description = "The group", body = NasGroupView)),
)]
async fn update(
    caller: Caller,
    Path(group): Path<String>,
    Body(body): Body<NasGroupPatchBody>,
) -> Result<Tagged<NasGroupView>, Problem> {
    let group = caller.name_of(Resource::NasGroup, &group).await?;
    let mut fields = Fields::default();
    let name = body.name.and_then(|name| fields.parse("name", &name));
    let members = match body.members {
        Some(members) => Some(routers(&caller, &mut fields, &members).await?),
        None => None,
    };
    fields.check()?;
    let patch = NasGroupPatch { name, members };
    let store = caller.store();
    let group = store.nas_group_update(caller.tenant, &group, patch).await?;
    Ok(Tagged::ok(group.updated_at, group.into()))
}

/// Remove a group
///
/// Refused while a subscriber is bound to it.
#[utoipa::path(
    delete, path = "/nas-groups/{group}", tag = "nas-groups", operation_id = "nas_group_remove",
    params(("group" = String, Path, description = "Id or name")),
    security(("token" = ["nas:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(group): Path<String>) -> Result<StatusCode, Problem> {
    let name = caller.name_of(Resource::NasGroup, &group).await?;
    caller
        .store()
        .nas_group_delete(caller.tenant, &name)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Put a router into a group
///
/// One that is in it stays.
#[utoipa::path(
    put, path = "/nas-groups/{group}/members/{nas}", tag = "nas-groups",
    operation_id = "nas_group_member_add",
    params(
        ("group" = String, Path, description = "Id or name"),
        ("nas" = String, Path, description = "Id or name of the router"),
    ),
    security(("token" = ["nas:write"])),
    responses((status = 200, description = "The group", body = NasGroupView)),
)]
async fn add_member(
    caller: Caller,
    Path((group, nas)): Path<(String, String)>,
) -> Result<Tagged<NasGroupView>, Problem> {
    let group = caller.name_of(Resource::NasGroup, &group).await?;
    let nas = caller.name_of(Resource::Nas, &nas).await?;
    let store = caller.store();
    let group = store.nas_group_add(caller.tenant, &group, &nas).await?;
    Ok(Tagged::ok(group.updated_at, group.into()))
}

/// Take a router out of a group
#[utoipa::path(
    delete, path = "/nas-groups/{group}/members/{nas}", tag = "nas-groups",
    operation_id = "nas_group_member_take",
    params(
        ("group" = String, Path, description = "Id or name"),
        ("nas" = String, Path, description = "Id or name of the router"),
    ),
    security(("token" = ["nas:write"])),
    responses((status = 200, description = "The group", body = NasGroupView)),
)]
async fn take_member(
    caller: Caller,
    Path((group, nas)): Path<(String, String)>,
) -> Result<Tagged<NasGroupView>, Problem> {
    let group = caller.name_of(Resource::NasGroup, &group).await?;
    let nas = caller.name_of(Resource::Nas, &nas).await?;
    let store = caller.store();
    let group = store.nas_group_take(caller.tenant, &group, &nas).await?;
    Ok(Tagged::ok(group.updated_at, group.into()))
}

/// The names of routers that are named by id or name.
async fn routers(
    caller: &Caller,
    fields: &mut Fields,
    raw: &[String],
) -> Result<Vec<Name>, Problem> {
    let mut names = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let name: Option<Name> = caller.find_name(Resource::Nas, raw).await?;
        let found = match name {
            Some(name) => caller.store().nas_find(caller.tenant, &name).await?,
            None => None,
        };
        match found {
            Some(nas) => names.push(nas.name),
            None => fields.wrong(
                &format!("members.{index}"),
                format!("there is no NAS '{raw}'"),
            ),
        }
    }
    Ok(names)
}
