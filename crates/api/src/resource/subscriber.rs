//! Subscribers: `/api/v1/subscribers`.

use axum::http::StatusCode;
use domain::credential::Credential;
use domain::id::{CustomerId, PlanId};
use domain::name::Username;
use domain::session_policy::SessionTerms;
use domain::subscriber::{StaticAddresses, SubscriberStatus};
use domain::time::Timestamp;
use serde::Deserialize;
use storage::error::Resource;
use storage::listing::Filter;
use storage::subscriber::{NewSubscriber, SubscriberPatch, list};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::credential::CredentialBody;
use self::fact::{customer_id, ipv4, ipv6, plan_id, session_limit, session_policy, time};
use self::view::SubscriberView;
use crate::body::{Body, Fields, present};
use crate::caller::Caller;
use crate::listing::asked::{Asked, Narrowable};
use crate::listing::{Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

mod binding;
mod credential;
mod device;
mod fact;
mod state;
mod top_up;
mod view;

/// A subscriber to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSubscriberBody {
    /// What they log in with; letter case does not matter.
    #[schema(min_length = 1, max_length = 253)]
    username: String,
    credential: CredentialBody,
    /// Id or name of the plan.
    #[schema(min_length = 1)]
    plan: String,
    /// Id or number of the customer who pays for it.
    #[serde(default)]
    #[schema(min_length = 1)]
    customer: Option<String>,
    /// Whether they may log in at once.
    #[serde(default)]
    status: NewStatus,
    /// Nothing is granted before.
    #[serde(default)]
    #[schema(format = DateTime)]
    starts_at: Option<String>,
    #[serde(default)]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[serde(default)]
    #[schema(format = Ipv4)]
    ipv4: Option<String>,
    /// For the link: 2001:db8:7::/64
    #[serde(default)]
    ipv6_prefix: Option<String>,
    /// For their router: 2001:db8:7000::/56
    #[serde(default)]
    ipv6_delegated: Option<String>,
    /// Sessions at once, instead of what the plan says.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    session_limit: Option<u16>,
    /// What happens to one more: reject_new or replace_oldest.
    #[serde(default)]
    session_policy: Option<String>,
}

/// How a subscriber begins.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NewStatus {
    #[default]
    Active,
    /// Not activated yet.
    Pending,
    Disabled,
}

/// What to change of a subscriber: what is absent stays as it is, `null` empties it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberPatchBody {
    /// Id or name of the plan.
    #[serde(default)]
    #[schema(min_length = 1)]
    plan: Option<String>,
    /// Id or number of the customer who pays for it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1)]
    customer: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Ipv4)]
    ipv4: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    ipv6_prefix: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    ipv6_delegated: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    session_limit: Option<Option<u16>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    session_policy: Option<Option<String>>,
}

/// Lists of subscribers.
pub(crate) enum Subscribers {}

impl Narrowable for Subscribers {
    const SEARCHED: &'static str = "Only those whose user name has this, or whose customer's name, \
        company, number, e-mail or telephone: any part of a word from three letters on. The first \
        1000 matches are looked at, and can be narrowed and sorted in any way.";

    fn filters() -> Vec<Filter> {
        list::filters()
    }

    fn sorts() -> Vec<&'static str> {
        list::sorts()
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_all, create))
        .routes(routes!(show, change, remove))
        .merge(state::routes())
        .merge(credential::routes())
        .merge(device::routes())
        .merge(binding::routes())
        .merge(top_up::routes())
}

/// List the subscribers
///
/// Narrowed by its fields, with operators behind a dot: `status=active&expires_at.lt=2027-01-01`. By
/// `state`, which depends on the time, they come by expiry.
#[utoipa::path(
    get, path = "/subscribers", tag = "subscribers", operation_id = "subscriber_list",
    params(Asked<Subscribers>), security(("token" = ["subscribers:read"])),
    responses(
        (status = 200, description = "A page of subscribers", body = Listing<SubscriberView>),
        (status = 422, description = "The list cannot be narrowed or sorted so", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn list_all(
    caller: Caller,
    asked: Asked<Subscribers>,
) -> Result<Shown<SubscriberView>, Problem> {
    let (store, tenant) = (caller.store(), caller.tenant);
    let page = store.subscriber_list(tenant, &asked.query).await?;
    let total = match asked.has_total {
        true => Some(store.subscriber_total(tenant, &asked.query).await?),
        false => None,
    };
    Ok(Listing::of(page, total).with_fields(asked.fields))
}

/// Add a subscriber
#[utoipa::path(
    post, path = "/subscribers", tag = "subscribers", operation_id = "subscriber_create",
    request_body = NewSubscriberBody, security(("token" = ["subscribers:write"])),
    responses(
        (status = 201, description = "The subscriber", body = SubscriberView),
        (status = 200, description = "What would be made", body = SubscriberView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewSubscriberBody>,
) -> Result<Tagged<SubscriberView>, Problem> {
    let mut fields = Fields::default();
    let username: Option<Username> = fields.parse("username", &body.username);
    let credential = body.credential.read(&mut fields);
    let plan = plan_id(&caller, &mut fields, &body.plan).await?;
    let customer = match &body.customer {
        Some(raw) => customer_id(&caller, &mut fields, raw).await?,
        None => None,
    };
    let rest = body.rest(&mut fields);
    fields.check()?;
    let (Some(username), Some(credential), Some(plan)) = (username, credential, plan) else {
        return Err(Problem::internal());
    };
    let new = body.joined(&caller, (username, credential), (plan, customer), rest);
    let made = caller.store().subscriber_insert(new).await?;
    let revision = made.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, made.into()))
}

/// What of a new subscriber is checked by itself.
struct Rest {
    starts_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    addresses: StaticAddresses,
    sessions: SessionTerms,
}

impl NewSubscriberBody {
    fn rest(&self, fields: &mut Fields) -> Rest {
        Rest {
            starts_at: time(fields, "starts_at", self.starts_at.as_deref()),
            expires_at: time(fields, "expires_at", self.expires_at.as_deref()),
            addresses: StaticAddresses {
                ipv4: ipv4(fields, self.ipv4.as_deref()),
                ipv6_prefix: ipv6(fields, "ipv6_prefix", self.ipv6_prefix.as_deref()),
                ipv6_delegated: ipv6(fields, "ipv6_delegated", self.ipv6_delegated.as_deref()),
            },
            sessions: SessionTerms {
                session_limit: session_limit(fields, self.session_limit),
                session_policy: session_policy(fields, self.session_policy.as_deref()),
            },
        }
    }

    fn joined(
        &self,
        caller: &Caller,
        (username, credential): (Username, Credential),
        (plan, customer): (PlanId, Option<CustomerId>),
        rest: Rest,
    ) -> NewSubscriber {
        NewSubscriber {
            tenant: caller.tenant,
            username,
            credential,
            plan,
            status: match self.status {
                NewStatus::Active => SubscriberStatus::Active,
                NewStatus::Pending => SubscriberStatus::Pending,
                NewStatus::Disabled => SubscriberStatus::Disabled,
            },
            starts_at: rest.starts_at,
            expires_at: rest.expires_at,
            addresses: rest.addresses,
            sessions: rest.sessions,
            customer,
        }
    }
}

/// Show a subscriber
#[utoipa::path(
    get, path = "/subscribers/{subscriber}", tag = "subscribers",
    operation_id = "subscriber_show",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:read"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn show(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Tagged<SubscriberView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let found = caller
        .store()
        .subscriber_find(caller.tenant, &username)
        .await?;
    let found = found.ok_or_else(|| Problem::not_found("subscriber"))?;
    Ok(Tagged::ok(found.updated_at, found.into()))
}

/// Change a subscriber
///
/// What is open of their sessions follows by itself. How the account stands is changed by its own
/// operations, and so is the credential.
#[utoipa::path(
    patch, path = "/subscribers/{subscriber}", tag = "subscribers",
    operation_id = "subscriber_change",
    params(("subscriber" = String, Path, description = "Id or user name")),
    request_body = SubscriberPatchBody, security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn change(
    caller: Caller,
    Path(subscriber): Path<String>,
    Body(body): Body<SubscriberPatchBody>,
) -> Result<Tagged<SubscriberView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let mut fields = Fields::default();
    let plan = match &body.plan {
        Some(raw) => plan_id(&caller, &mut fields, raw).await?,
        None => None,
    };
    let customer = match &body.customer {
        Some(Some(raw)) => Some(customer_id(&caller, &mut fields, raw).await?),
        Some(None) => Some(None),
        None => None,
    };
    let patch = body.patch(&mut fields, plan, customer);
    fields.check()?;
    let store = caller.store();
    let changed = store
        .subscriber_update(caller.tenant, &username, patch)
        .await?;
    Ok(Tagged::ok(changed.updated_at, changed.into()))
}

impl SubscriberPatchBody {
    fn patch(
        self,
        fields: &mut Fields,
        plan: Option<PlanId>,
        customer: Option<Option<CustomerId>>,
    ) -> SubscriberPatch {
        let starts_at = self.starts_at;
        SubscriberPatch {
            credential: None,
            plan,
            customer,
            starts_at: starts_at.map(|raw| time(fields, "starts_at", raw.as_deref())),
            expires_at: self
                .expires_at
                .map(|raw| time(fields, "expires_at", raw.as_deref())),
            ipv4: self.ipv4.map(|raw| ipv4(fields, raw.as_deref())),
            ipv6_prefix: self
                .ipv6_prefix
                .map(|raw| ipv6(fields, "ipv6_prefix", raw.as_deref())),
            ipv6_delegated: self
                .ipv6_delegated
                .map(|raw| ipv6(fields, "ipv6_delegated", raw.as_deref())),
            session_limit: self.session_limit.map(|raw| session_limit(fields, raw)),
            session_policy: self
                .session_policy
                .map(|raw| session_policy(fields, raw.as_deref())),
        }
    }
}

/// Remove a subscriber
///
/// Sessions and usage stay.
#[utoipa::path(
    delete, path = "/subscribers/{subscriber}", tag = "subscribers",
    operation_id = "subscriber_remove",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(subscriber): Path<String>) -> Result<StatusCode, Problem> {
    let username = named(&caller, &subscriber).await?;
    caller
        .store()
        .subscriber_delete(caller.tenant, &username)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user name of the subscriber that a path names.
async fn named(caller: &Caller, raw: &str) -> Result<Username, Problem> {
    caller.name_of(Resource::Subscriber, raw).await
}
