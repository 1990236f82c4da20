//! Webhooks: `/api/v1/webhooks`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::event::Topics;
use domain::id::WebhookId;
use domain::name::Name;
use domain::time::Timestamp;
use domain::webhook::{WebhookState, WebhookUrl};
use serde::{Deserialize, Serialize};
use services::webhook::{Reach, Trial, TryError, check_url, make_secret};
use storage::error::{Resource, StoreError};
use storage::page::Page;
use storage::webhook::delivery::DeliveryRow;
use storage::webhook::{NewWebhook, WebhookPatch, WebhookSummary};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, Params, present};
use crate::caller::Caller;
use crate::event::parse_topics;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// Characters of a description.
const DESCRIPTION_CHARS_MAX: usize = 500;

/// Where events are sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WebhookView {
    #[schema(value_type = Uuid)]
    id: WebhookId,
    name: String,
    url: String,
    /// Separated by commas.
    topics: String,
    description: Option<String>,
    /// `disabled` by the program, when it failed for about a day or the endpoint answered 410.
    #[schema(pattern = "^(active|paused|disabled)$")]
    state: String,
    /// Why it was disabled.
    reason: Option<String>,
    /// How long messages are signed with the secret before the last rotation too.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_until: Option<String>,
    /// The last event that is delivered, or not wanted.
    #[schema(minimum = 0)]
    position: i64,
    /// How often the next one was tried.
    attempts: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A webhook with its secret, which is shown now and never again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FreshWebhookView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// `whsec_` and the base64 of the key.
    secret: String,
}

/// One attempt to deliver an event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its number among those of the webhook; 0 when nothing was sent.
    #[schema(minimum = 0)]
    number: i64,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// The event; `null` for a test.
    #[schema(minimum = 1)]
    event: Option<i64>,
    /// Its kind.
    #[serde(rename = "type")]
    kind: String,
    attempt: u32,
    /// What the endpoint answered; `null` when it did not.
    #[schema(minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// Why it does not count as delivered; `null` when it does.
    problem: Option<String>,
    duration_ms: u64,
}

/// A webhook to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhookBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// `https://`, and of no private network unless the server permits it.
    #[schema(max_length = 2048)]
    url: String,
    /// `*`, or up to 32 topics separated by commas; everything when absent.
    #[serde(default)]
    topics: Option<String>,
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// What to change of a webhook; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookPatchBody {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
    #[serde(default)]
    #[schema(max_length = 2048)]
    url: Option<String>,
    #[serde(default)]
    topics: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    description: Option<Option<String>>,
    /// `active`, which goes on where it stopped and at once, or `paused`.
    #[serde(default)]
    #[schema(pattern = "^(active|paused)$")]
    state: Option<String>,
    /// Go on behind this event, whatever came before.
    #[serde(default)]
    #[schema(minimum = 0)]
    position: Option<i64>,
}

impl From<WebhookSummary> for WebhookView {
    fn from(webhook: WebhookSummary) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: webhook.id,
            name: webhook.name.to_string(),
            url: webhook.url.to_string(),
            topics: webhook.topics.to_string(),
            description: webhook.description,
            state: webhook.state.to_string(),
            reason: webhook.reason,
            old_secret_until: text(webhook.old_secret_until),
            position: webhook.position,
            attempts: webhook.attempts,
            delivered_at: text(webhook.delivered_at),
            failing_since: text(webhook.failing_since),
            created_at: webhook.created_at.to_string(),
            updated_at: webhook.updated_at.to_string(),
        }
    }
}

impl From<DeliveryRow> for DeliveryView {
    fn from(delivery: DeliveryRow) -> Self {
        Self {
            number: delivery.number,
            at: delivery.at.to_string(),
            event: delivery.event,
            kind: delivery.kind,
            attempt: delivery.attempt,
            status: delivery.status,
            problem: delivery.problem,
            duration_ms: delivery.duration_ms,
        }
    }
}

impl From<TryError> for Problem {
    fn from(error: TryError) -> Self {
        let told = error.to_string();
        match error {
            TryError::Gone => Self::new(StatusCode::GONE, "events_gone", told),
            TryError::Store(error) => error.into(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
        .routes(routes!(test))
        .routes(routes!(deliveries))
        .routes(routes!(redeliver))
}

/// List the webhooks
///
/// By name.
#[utoipa::path(
    get, path = "/webhooks", tag = "webhooks", operation_id = "webhook_list",
    params(ListParams), security(("token" = ["webhooks:read"])),
    responses((status = 200, description = "A page of webhooks", body = Listing<WebhookView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<WebhookView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let webhooks = caller.store().webhook_list(caller.tenant, &page).await?;
    let views = webhooks.into_iter().map(WebhookView::from).collect();
    let listing = Listing::cut(views, limit, |webhook: &WebhookView| webhook.name.clone());
    Ok(listing.shown(params))
}

/// Make a webhook
///
/// It is sent what happens from now on, signed with a secret that this answer shows.
#[utoipa::path(
    post, path = "/webhooks", tag = "webhooks", operation_id = "webhook_create",
    request_body = NewWebhookBody, security(("token" = ["webhooks:write"])),
    responses(
        (status = 201, description = "The webhook with its secret", body = FreshWebhookView),
        (status = 200, description = "What would be made", body = FreshWebhookView),
    ),
)]
async fn create(
    caller: Caller,
    State(api): State<Api>,
    Body(body): Body<NewWebhookBody>,
) -> Result<Tagged<FreshWebhookView>, Problem> {
    let mut fields = Fields::default();
    let name = fields.parse("name", &body.name);
    let url = url(&mut fields, &body.url, api.reach());
    let topics = match &body.topics {
        Some(raw) => topics(&mut fields, raw),
        None => Some(Topics::everything()),
    };
    check_description(&mut fields, body.description.as_deref());
    fields.check()?;
    let (Some(name), Some(url), Some(topics)) = (name, url, topics) else {
        return Err(Problem::internal());
    };
    let secret = make_secret();
    let new = NewWebhook {
        tenant: caller.tenant,
        name,
        url,
        topics,
        description: body.description,
        secret: secret.clone(),
    };
    let webhook = caller.store().webhook_insert(new).await?;
    let revision = webhook.updated_at;
    let view = fresh(webhook, secret.expose());
    Ok(Tagged::made(caller.is_rehearsal, revision, view))
}

/// Show a webhook
#[utoipa::path(
    get, path = "/webhooks/{webhook}", tag = "webhooks", operation_id = "webhook_show",
    params(("webhook" = String, Path, description = "Id or name")),
    security(("token" = ["webhooks:read"])),
    responses((status = 200, description = "The webhook", body = WebhookView)),
)]
async fn show(caller: Caller, Path(webhook): Path<String>) -> Result<Tagged<WebhookView>, Problem> {
    let webhook = find(&caller, &webhook).await?;
    Ok(Tagged::ok(webhook.updated_at, webhook.into()))
}

/// Change a webhook
#[utoipa::path(
    patch, path = "/webhooks/{webhook}", tag = "webhooks", operation_id = "webhook_change",
    params(("webhook" = String, Path, description = "Id or name")),
    request_body = WebhookPatchBody, security(("token" = ["webhooks:write"])),
    responses((status = 200, description = "The webhook", body = WebhookView)),
)]
async fn change(
    caller: Caller,
    State(api): State<Api>,
    Path(webhook): Path<String>,
    Body(body): Body<WebhookPatchBody>,
) -> Result<Tagged<WebhookView>, Problem> {
    let mut fields = Fields::default();
    let name = body.name.as_deref();
    let new_name = name.and_then(|raw| fields.parse::<Name>("name", raw));
    let new_url = body.url.as_deref();
    let new_url = new_url.and_then(|raw| url(&mut fields, raw, api.reach()));
    let new_topics = body.topics.as_deref();
    let new_topics = new_topics.and_then(|raw| topics(&mut fields, raw));
    let state = body.state.as_deref();
    let state = state.and_then(|raw| state_of(&mut fields, raw));
    check_description(
        &mut fields,
        body.description.as_ref().and_then(Option::as_deref),
    );
    if body.position.is_some_and(|position| position < 0) {
        fields.wrong("position", "a position is the number of an event, from 0");
    }
    fields.check()?;
    let patch = WebhookPatch {
        name: new_name,
        url: new_url,
        topics: new_topics,
        description: body.description,
        state,
        position: body.position,
    };
    let name = caller.name_of(Resource::Webhook, &webhook).await?;
    let store = caller.store();
    let webhook = store.webhook_update(caller.tenant, &name, patch).await?;
    Ok(Tagged::ok(webhook.updated_at, webhook.into()))
}

/// Remove a webhook
#[utoipa::path(
    delete, path = "/webhooks/{webhook}", tag = "webhooks", operation_id = "webhook_remove",
    params(("webhook" = String, Path, description = "Id or name")),
    security(("token" = ["webhooks:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(webhook): Path<String>) -> Result<StatusCode, Problem> {
    let name = caller.name_of(Resource::Webhook, &webhook).await?;
    caller.store().webhook_delete(caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook a new secret
///
/// For 24 hours messages are signed with both, so that nobody misses one while the other side changes.
#[utoipa::path(
    post, path = "/webhooks/{webhook}/rotate", tag = "webhooks", operation_id = "webhook_rotate",
    params(("webhook" = String, Path, description = "Id or name")),
    security(("token" = ["webhooks:write"])),
    responses((status = 200, description = "The webhook with its secret", body = FreshWebhookView)),
)]
async fn rotate(
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Tagged<FreshWebhookView>, Problem> {
    let name = caller.name_of(Resource::Webhook, &webhook).await?;
    let secret = make_secret();
    let store = caller.store();
    let webhook = store.webhook_rotate(caller.tenant, &name, &secret).await?;
    Ok(Tagged::ok(
        webhook.updated_at,
        fresh(webhook, secret.expose()),
    ))
}

/// Send a test message
///
/// Of the type `webhook.test`, once and now. The answer says what the endpoint made of it.
#[utoipa::path(
    post, path = "/webhooks/{webhook}/test", tag = "webhooks", operation_id = "webhook_test",
    params(("webhook" = String, Path, description = "Id or name")),
    security(("token" = ["webhooks:write"])),
    responses((status = 200, description = "What came of it", body = DeliveryView)),
)]
async fn test(
    caller: Caller,
    State(api): State<Api>,
    Path(webhook): Path<String>,
) -> Result<Json<DeliveryView>, Problem> {
    let webhook = find(&caller, &webhook).await?;
    if caller.is_rehearsal {
        return Ok(Json(unsent(&api, None, "webhook.test".to_owned())));
    }
    let delivery = trial(&caller, &api).test(&webhook).await?;
    Ok(Json(delivery.into()))
}

/// List the deliveries of a webhook
///
/// The newest first; the last 1,000 are kept, for 30 days.
#[utoipa::path(
    get, path = "/webhooks/{webhook}/deliveries", tag = "webhooks",
    operation_id = "webhook_delivery_list",
    params(("webhook" = String, Path, description = "Id or name"), ListParams),
    security(("token" = ["webhooks:read"])),
    responses((status = 200, description = "A page of deliveries", body = Listing<DeliveryView>)),
)]
async fn deliveries(
    caller: Caller,
    Path(webhook): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Shown<DeliveryView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<i64>()?;
    let webhook = find(&caller, &webhook).await?;
    let rows = caller
        .store()
        .webhook_delivery_list(webhook.id, &page)
        .await?;
    let views = rows.into_iter().map(DeliveryView::from).collect();
    let listing = Listing::cut(views, limit, |delivery: &DeliveryView| delivery.number);
    Ok(listing.shown(params))
}

/// Send the event of a delivery again
///
/// Once and now, beside what is being sent. The answer says what the endpoint made of it.
#[utoipa::path(
    post, path = "/webhooks/{webhook}/deliveries/{number}/redeliver", tag = "webhooks",
    operation_id = "webhook_redeliver",
    params(
        ("webhook" = String, Path, description = "Id or name"),
        ("number" = i64, Path, description = "Number of the delivery"),
    ),
    security(("token" = ["webhooks:write"])),
    responses(
        (status = 200, description = "What came of it", body = DeliveryView),
        (status = 410, description = "The event is not kept any more"),
    ),
)]
async fn redeliver(
    caller: Caller,
    State(api): State<Api>,
    Path((webhook, number)): Path<(String, String)>,
) -> Result<Json<DeliveryView>, Problem> {
    let absent = || Problem::not_found(&Resource::Delivery.to_string());
    let number: i64 = number.parse().map_err(|_| absent())?;
    let webhook = find(&caller, &webhook).await?;
    if caller.is_rehearsal {
        let page = Page::after(number.saturating_add(1), 1);
        let rows = caller
            .store()
            .webhook_delivery_list(webhook.id, &page)
            .await?;
        let row = rows.into_iter().find(|row| row.number == number);
        let row = row.ok_or_else(absent)?;
        return Ok(Json(unsent(&api, row.event, row.kind)));
    }
    let delivery = trial(&caller, &api).redeliver(&webhook, number).await?;
    Ok(Json(delivery.into()))
}

async fn find(caller: &Caller, raw: &str) -> Result<WebhookSummary, Problem> {
    let name: Name = caller.name_of(Resource::Webhook, raw).await?;
    let found = caller.store().webhook_find(caller.tenant, &name).await?;
    let absent = || StoreError::NotFound {
        what: Resource::Webhook,
        name: raw.to_owned(),
    };
    Ok(found.ok_or_else(absent)?)
}

fn trial<'a>(caller: &'a Caller, api: &'a Api) -> Trial<'a> {
    Trial {
        store: caller.store(),
        client: api.webhooks(),
        tenant: caller.tenant,
        now: api.now(),
    }
}

/// What a rehearsal shows: nothing is sent.
fn unsent(api: &Api, event: Option<i64>, kind: String) -> DeliveryView {
    DeliveryView {
        number: 0,
        at: api.now().to_string(),
        event,
        kind,
        attempt: 1,
        status: None,
        problem: Some("nothing was sent: this is a rehearsal".to_owned()),
        duration_ms: 0,
    }
}

fn fresh(webhook: WebhookSummary, secret: &[u8]) -> FreshWebhookView {
    FreshWebhookView {
        webhook: webhook.into(),
        secret: String::from_utf8_lossy(secret).into_owned(),
    }
}

fn url(fields: &mut Fields, raw: &str, reach: Reach) -> Option<WebhookUrl> {
    let url: WebhookUrl = fields.parse("url", raw)?;
    match check_url(&url, reach) {
        Ok(()) => Some(url),
        Err(refusal) => {
            fields.wrong("url", refusal.to_string());
            None
        }
    }
}

fn topics(fields: &mut Fields, raw: &str) -> Option<Topics> {
    let parsed = parse_topics(raw).map_err(|detail| fields.wrong("topics", detail));
    parsed.ok()
}

/// Only the program disables a webhook.
fn state_of(fields: &mut Fields, raw: &str) -> Option<WebhookState> {
    match raw.parse() {
        Ok(state @ (WebhookState::Active | WebhookState::Paused)) => Some(state),
        Ok(WebhookState::Disabled) | Err(_) => {
            fields.wrong("state", "a webhook is set to active or paused");
            None
        }
    }
}

fn check_description(fields: &mut Fields, description: Option<&str>) {
    let is_too_long = |text: &str| DESCRIPTION_CHARS_MAX < text.chars().count();
    if description.is_some_and(|text| is_too_long(text) || text.contains('\0')) {
        let detail = format!("a description has at most {DESCRIPTION_CHARS_MAX} characters");
        fields.wrong("description", detail);
    }
}
