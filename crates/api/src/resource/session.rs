//! Sessions, open and closed: `/api/v1/sessions`.

use axum::Json;
use axum::extract::State;
use domain::id::{PlanId, SessionId};
use domain::mac::Mac;
use domain::name::Name;
use domain::session::SessionState;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use storage::page::Page;
use storage::session::list::{SessionOrder, SessionPlace};
use storage::session::{SessionFilter, SessionRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::body::{Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

pub(crate) mod command;

/// A session. Volumes are octets and rates bit/s, as the subscriber sees them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SessionView {
    id: Uuid,
    user_name: String,
    /// Name of the router, or its id when nothing else is known of it.
    nas: String,
    nas_id: Uuid,
    /// Acct-Session-Id (RFC 2866 §5.5).
    session_id: String,
    state: SessionStateView,
    /// Why it has to end, while it is open.
    ending: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    started_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    stopped_at: Option<String>,
    upload_bytes: u64,
    download_bytes: u64,
    session_seconds: u64,
    /// Between the last two reports; of an open session that has reported twice.
    upload_bps: Option<u64>,
    download_bps: Option<u64>,
    terminate_cause: Option<String>,
    framed_ipv4: Option<String>,
    framed_ipv6_prefix: Option<String>,
    delegated_ipv6_prefix: Option<String>,
    calling_station: Option<String>,
    called_station: Option<String>,
    nas_port: Option<String>,
    /// The login that it began with.
    auth_id: Option<Uuid>,
}

/// Whether a session is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStateView {
    Open,
    Closed,
}

/// Which sessions are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateParam {
    #[default]
    Open,
    Closed,
    All,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
enum SortParam {
    /// Newest first.
    #[default]
    #[serde(rename = "-id")]
    Newest,
    #[serde(rename = "id")]
    Oldest,
    #[serde(rename = "-upload_bps")]
    UploadRate,
    #[serde(rename = "-download_bps")]
    DownloadRate,
    #[serde(rename = "-upload_bytes")]
    UploadVolume,
    #[serde(rename = "-download_bytes")]
    DownloadVolume,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ListFilter {
    #[param(inline)]
    #[serde(default)]
    state: StateParam,
    /// Orders other than by id are for open sessions.
    #[param(inline)]
    #[serde(default)]
    sort: SortParam,
    /// Only of this user name.
    user: Option<String>,
    /// Only of this subscriber, by id or name.
    subscriber: Option<String>,
    /// Only on this router, by id or name.
    nas: Option<String>,
    /// Only on routers of this group, by id or name.
    group: Option<String>,
    /// Only open ones of subscribers who are on this plan now, by id or name.
    plan: Option<String>,
    /// Only with this IPv4 address.
    #[param(value_type = Option<String>, format = Ipv4)]
    address: Option<String>,
    /// Only of this device, in any notation.
    mac: Option<String>,
    /// Only of which nothing was heard for too long: open ones are about to be closed, closed ones
    /// were closed for it.
    #[serde(default)]
    stale: bool,
    /// Only that still went on at or after this time.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Of open sessions.
    #[serde(rename = "started_at.gte")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_from: Option<String>,
    #[serde(rename = "started_at.lt")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_until: Option<String>,
    /// Of open sessions.
    #[serde(rename = "updated_at.gte")]
    #[param(value_type = Option<String>, format = DateTime)]
    updated_from: Option<String>,
    #[serde(rename = "updated_at.lt")]
    #[param(value_type = Option<String>, format = DateTime)]
    updated_until: Option<String>,
    /// Of closed sessions.
    #[serde(rename = "stopped_at.gte")]
    #[param(value_type = Option<String>, format = DateTime)]
    stopped_from: Option<String>,
    #[serde(rename = "stopped_at.lt")]
    #[param(value_type = Option<String>, format = DateTime)]
    stopped_until: Option<String>,
}

/// By what sessions are meant, in a query and in the body of what is asked of many.
#[derive(Clone, Debug, Default)]
struct Meant<'a> {
    user: Option<&'a str>,
    subscriber: Option<&'a str>,
    nas: Option<&'a str>,
    group: Option<&'a str>,
    plan: Option<&'a str>,
    address: Option<&'a str>,
    mac: Option<&'a str>,
    is_stale: bool,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .merge(command::routes())
}

/// List sessions
///
/// Open ones, newest first, unless something else is asked for.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", operation_id = "session_list",
    params(ListParams, ListFilter), security(("token" = ["sessions:read"])),
    responses((status = 200, description = "A page of sessions", body = Listing<SessionView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(asked): Params<ListFilter>,
) -> Result<Shown<SessionView>, Problem> {
    let filter = asked.filter(&caller, api.now()).await?;
    let order = asked.sort.order();
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params
        .after::<(i64, Uuid)>()?
        .map(|(measure, id)| SessionPlace {
            measure,
            id: SessionId::from_uuid(id),
        });
    let store = caller.store();
    let rows = store
        .session_page(caller.tenant, &filter, order, &page)
        .await?;
    let rows = Listing::cut(rows, limit, |row: &SessionRow| {
        let place = order.place(row);
        (place.measure, place.id.as_uuid())
    });
    let listing = Listing {
        items: rows.items.into_iter().map(SessionView::from).collect(),
        next_page_token: rows.next_page_token,
        total: None,
    };
    Ok(listing.shown(params))
}

/// Show a session
#[utoipa::path(
    get, path = "/sessions/{session}", tag = "sessions", operation_id = "session_show",
    params(("session" = String, Path, description = "Id, or Acct-Session-Id: then the newest that has it")),
    security(("token" = ["sessions:read"])),
    responses((status = 200, description = "The session", body = SessionView)),
)]
async fn show(caller: Caller, Path(session): Path<String>) -> Result<Json<SessionView>, Problem> {
    Ok(Json(find(&caller, &session).await?.into()))
}

async fn find(caller: &Caller, session: &str) -> Result<SessionRow, Problem> {
    let found = caller.store().session_find(caller.tenant, session).await?;
    found.ok_or_else(|| Problem::not_found("session"))
}

impl ListFilter {
    async fn filter(&self, caller: &Caller, now: Timestamp) -> Result<SessionFilter, Problem> {
        let mut fields = Fields::default();
        self.check_combinations(&mut fields);
        let mut at = |field: &str, raw: &Option<String>| {
            raw.as_deref()
                .and_then(|raw| fields.parse::<Timestamp>(field, raw))
        };
        let times = SessionFilter {
            since: at("since", &self.since),
            started_from: at("started_at.gte", &self.started_from),
            started_until: at("started_at.lt", &self.started_until),
            updated_from: at("updated_at.gte", &self.updated_from),
            updated_until: at("updated_at.lt", &self.updated_until),
            stopped_from: at("stopped_at.gte", &self.stopped_from),
            stopped_until: at("stopped_at.lt", &self.stopped_until),
            ..SessionFilter::default()
        };
        fields.check()?;
        let meant = Meant {
            user: self.user.as_deref(),
            subscriber: self.subscriber.as_deref(),
            nas: self.nas.as_deref(),
            group: self.group.as_deref(),
            plan: self.plan.as_deref(),
            address: self.address.as_deref(),
            mac: self.mac.as_deref(),
            is_stale: self.stale,
        };
        let mut filter = meant.filter(caller, times, now).await?;
        filter.state = match self.state {
            StateParam::Open => Some(SessionState::Open),
            StateParam::Closed => Some(SessionState::Closed),
            StateParam::All => None,
        };
        Ok(filter)
    }

    /// What has no index for all sessions is asked of those that have one.
    fn check_combinations(&self, fields: &mut Fields) {
        let open = "this is asked of open sessions alone: leave state out";
        let closed = "this is asked of closed sessions alone: add state=closed";
        let is_open = self.state == StateParam::Open;
        let for_open = [
            ("plan", self.plan.is_some()),
            ("started_at.gte", self.started_from.is_some()),
            ("started_at.lt", self.started_until.is_some()),
            ("updated_at.gte", self.updated_from.is_some()),
            ("updated_at.lt", self.updated_until.is_some()),
            ("sort", self.sort.is_by_number()),
        ];
        for (field, _) in for_open.iter().filter(|(_, is_set)| *is_set && !is_open) {
            fields.wrong(field, open);
        }
        let is_closed = self.state == StateParam::Closed;
        let for_closed = [
            ("stopped_at.gte", self.stopped_from.is_some()),
            ("stopped_at.lt", self.stopped_until.is_some()),
        ];
        for (field, _) in for_closed
            .iter()
            .filter(|(_, is_set)| *is_set && !is_closed)
        {
            fields.wrong(field, closed);
        }
    }
}

impl SortParam {
    const fn order(self) -> SessionOrder {
        match self {
            Self::Newest => SessionOrder::Newest,
            Self::Oldest => SessionOrder::Oldest,
            Self::UploadRate => SessionOrder::UploadRate,
            Self::DownloadRate => SessionOrder::DownloadRate,
            Self::UploadVolume => SessionOrder::UploadVolume,
            Self::DownloadVolume => SessionOrder::DownloadVolume,
        }
    }

    const fn is_by_number(self) -> bool {
        match self {
            Self::Newest | Self::Oldest => false,
            Self::UploadRate | Self::DownloadRate | Self::UploadVolume | Self::DownloadVolume => {
                true
            }
        }
    }
}

impl Meant<'_> {
    /// Whether nothing is left out.
    const fn is_everything(&self) -> bool {
        self.user.is_none()
            && self.subscriber.is_none()
            && self.nas.is_none()
            && self.group.is_none()
            && self.plan.is_none()
            && self.address.is_none()
            && self.mac.is_none()
            && !self.is_stale
    }

    /// The sessions that are meant, with names found. What is named and is not there is told.
    async fn filter(
        &self,
        caller: &Caller,
        times: SessionFilter,
        now: Timestamp,
    ) -> Result<SessionFilter, Problem> {
        let mut fields = Fields::default();
        let mut filter = SessionFilter {
            username: self.user.and_then(|raw| fields.parse("user", raw)),
            framed_ipv4: self.address.and_then(|raw| fields.parse("address", raw)),
            silent_at: self.is_stale.then_some(now),
            ..times
        };
        if let Some(mac) = self.mac.and_then(|raw| fields.parse::<Mac>("mac", raw)) {
            filter.calling_stations = notations(mac);
        }
        if self.subscriber.is_some() && self.user.is_some() {
            fields.wrong("subscriber", "user says this already: give one of them");
        }
        if self.nas.is_some() && self.group.is_some() {
            fields.wrong("group", "nas says which router: give one of them");
        }
        fields.check()?;
        if let Some(raw) = self.subscriber {
            let name = caller.name_of(Resource::Subscriber, raw).await;
            let name = name.map_err(|problem| problem.named_by("subscriber"))?;
            let found = caller.store().subscriber_find(caller.tenant, &name).await?;
            let absent = || Problem::not_found("subscriber").named_by("subscriber");
            filter.username = Some(found.ok_or_else(absent)?.username);
        }
        if let Some(raw) = self.nas {
            let name = caller.name_of(Resource::Nas, raw).await;
            // A router that is gone may have left sessions.
            filter.nas = Some(name.map_err(|problem| problem.named_by("nas"))?);
        }
        if let Some(raw) = self.group {
            let name = caller.name_of::<Name>(Resource::NasGroup, raw).await;
            let name = name.map_err(|problem| problem.named_by("group"))?;
            let members = caller.store().nas_group_ids(caller.tenant, &name).await?;
            let absent = || Problem::not_found("NAS group").named_by("group");
            filter.routers = Some(members.ok_or_else(absent)?);
        }
        if let Some(raw) = self.plan {
            filter.plan = Some(find_plan(caller, raw).await?);
        }
        Ok(filter)
    }
}

/// The plan that the parameter `plan` names by its id or its name.
pub(crate) async fn find_plan(caller: &Caller, raw: &str) -> Result<PlanId, Problem> {
    let name = caller.name_of::<Name>(Resource::Plan, raw).await;
    let name = name.map_err(|problem| problem.named_by("plan"))?;
    let plan = caller.store().plan_find(caller.tenant, &name).await?;
    let absent = || Problem::not_found("plan").named_by("plan");
    Ok(plan.ok_or_else(absent)?.id)
}

/// A device as routers write it into Calling-Station-Id.
pub(crate) fn notations(mac: Mac) -> Vec<String> {
    let digits: String = mac.as_bytes().map(|octet| format!("{octet:02x}")).concat();
    let cut = |length: usize, separator: &str| {
        let parts: Vec<&str> = (0..digits.len())
            .step_by(length)
            .map(|at| &digits[at..at + length])
            .collect();
        parts.join(separator)
    };
    let lower = [cut(2, ":"), cut(2, "-"), cut(4, "."), cut(12, "")];
    let upper = lower.iter().map(|text| text.to_ascii_uppercase());
    let upper: Vec<String> = upper.collect();
    lower.into_iter().chain(upper).collect()
}

impl From<SessionRow> for SessionView {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id.as_uuid(),
            user_name: row.user_name,
            nas: row.nas,
            nas_id: row.nas_id.as_uuid(),
            session_id: row.session_id.to_string(),
            state: match row.state {
                SessionState::Open => SessionStateView::Open,
                SessionState::Closed => SessionStateView::Closed,
            },
            ending: row.ending,
            started_at: row.started_at.to_string(),
            updated_at: row.updated_at.to_string(),
            stopped_at: row.stopped_at.map(|at| at.to_string()),
            upload_bytes: row.upload_bytes,
            download_bytes: row.download_bytes,
            session_seconds: row.session_seconds,
            upload_bps: row.upload_bps,
            download_bps: row.download_bps,
            terminate_cause: row.terminate_cause.map(|cause| cause.to_string()),
            framed_ipv4: row.framed_ipv4.map(|address| address.to_string()),
            framed_ipv6_prefix: row.framed_ipv6_prefix.map(|prefix| prefix.to_string()),
            delegated_ipv6_prefix: row.delegated_ipv6_prefix.map(|prefix| prefix.to_string()),
            calling_station: row.calling_station.map(|text| text.to_string()),
            called_station: row.called_station.map(|text| text.to_string()),
            nas_port: row.nas_port.map(|text| text.to_string()),
            auth_id: row.auth_id.map(|id| id.as_uuid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_looked_for_in_every_notation() {
        let mac: Mac = "02-00-5e-00-00-0a".parse().expect("it is a MAC address");
        let found = notations(mac);
        for text in [
            "02:00:5e:00:00:0a",
            "02-00-5E-00-00-0A",
            "0200.5e00.000a",
            "02005E00000A",
        ] {
            assert!(found.iter().any(|one| one == text), "{text}");
        }
    }
}
