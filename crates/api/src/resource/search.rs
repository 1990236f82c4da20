//! Search over everything: `/api/v1/search`.

use axum::Json;
use domain::permission::{Access, Area, Scope};
use serde::{Deserialize, Serialize};
use storage::search::hit::{HITS_MAX, Hit, HitKind};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::body::Params;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

const LIMIT_DEFAULT: u32 = 20;

#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// Parts of words from three letters on, a telephone number in any form or its last digits, an
    /// address, or a device.
    #[param(min_length = 3, max_length = 100)]
    q: String,
    /// Finds that are wanted.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What was found, the best first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FoundView {
    items: Vec<HitView>,
}

/// Something that was found, and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct HitView {
    kind: HitKindView,
    id: Uuid,
    /// What people call it.
    label: String,
    matched: MatchView,
}

/// Where the text was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MatchView {
    /// name, number, company, email, phone, username, address or mac
    field: &'static str,
    value: String,
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HitKindView {
    Customer,
    Subscriber,
    Nas,
    Session,
}

impl From<Hit> for HitView {
    fn from(hit: Hit) -> Self {
        Self {
            kind: match hit.kind {
                HitKind::Customer => HitKindView::Customer,
                HitKind::Subscriber => HitKindView::Subscriber,
                HitKind::Nas => HitKindView::Nas,
                HitKind::Session => HitKindView::Session,
            },
            id: hit.id,
            label: hit.label,
            matched: MatchView {
                field: hit.field,
                value: hit.value,
            },
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(search))
}

/// Search for anything
///
/// Customers by name, company, number, e-mail and telephone; subscribers by user name, address and
/// device; routers by name and address; open sessions by address and device. Of these it finds the
/// kinds that the token may read.
#[utoipa::path(
    get, path = "/search", tag = "search", operation_id = "search",
    params(SearchParams), security(("token" = ["subscribers:read"])),
    responses(
        (status = 200, description = "What was found", body = FoundView),
        (status = 422, description = "The text is too short or too long", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn search(
    caller: Caller,
    Params(params): Params<SearchParams>,
) -> Result<Json<FoundView>, Problem> {
    let limit = match params.limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=100 => usize::try_from(limit).unwrap_or(HITS_MAX),
        _ => return Err(Problem::bad_request("limit is 1 to 100")),
    };
    let kinds = [
        (HitKind::Customer, Area::Customers),
        (HitKind::Subscriber, Area::Subscribers),
        (HitKind::Nas, Area::Nas),
        (HitKind::Session, Area::Sessions),
    ];
    let may_read = |area| {
        caller
            .principal
            .scopes
            .permit(Scope::To(area, Access::Read))
    };
    let kinds: Vec<HitKind> = kinds
        .into_iter()
        .filter(|(_, area)| may_read(*area))
        .map(|(kind, _)| kind)
        .collect();
    let store = caller.store();
    let hits = store
        .search(caller.tenant, &params.q, &kinds, limit)
        .await?;
    Ok(Json(FoundView {
        items: hits.into_iter().map(HitView::from).collect(),
    }))
}
