//! Events: `/api/v1/events`.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::event::Topics;
use storage::page::Page;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Params;
use crate::caller::Caller;
use crate::event::{EventParams, EventView, WantedParams, refusal, socket, stream};
use crate::listing::{ListParams, Listing, token};
use crate::problem::Problem;
use crate::state::Api;

/// Pages of the table that are looked at for one page of a list.
const PAGES_MAX: usize = 10;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(follow))
}

/// List what happened, or listen
///
/// In its order. With `Upgrade: websocket` the connection becomes a WebSocket that tells what happens,
/// from behind `since` on or from now on: one text message an event. The token comes as
/// `Authorization`, or from a browser as the protocol `bearer.TOKEN` beside `lastmile.events`. What
/// closes it: 4001 show a token again (it was revoked, or an hour is over), 4003 no pong for 75 s, 4008
/// too slow, 4010 what is behind `since` is not kept any more, 4011 the numbers began anew, 4012 there
/// is no event `since` yet, 1013 try again later. Go on with the `seq` of the last event as `since`.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "event_list",
    params(EventParams), security(("token" = ["events:read"])),
    responses(
        (status = 200, description = "A page of events", body = Listing<EventView>),
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 426, description = "This connection cannot become a WebSocket"),
    ),
)]
async fn list(
    caller: Caller,
    State(api): State<Api>,
    asked: Parts,
    Params(params): Params<EventParams>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (params, wanted) = params.split();
    let (topics, since) = (wanted.topics()?, wanted.since()?);
    if !asked.headers.contains_key(header::UPGRADE) {
        return page(&caller, params, since, &topics).await;
    }
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "no_websocket",
            "this connection cannot become a WebSocket: ask with HTTP/1.1 and version 13",
        )
    })?;
    let (store, tenant) = (caller.store(), caller.tenant);
    let listening = api.events().subscribe(store, tenant, &topics, since);
    let listening = listening.await;
    Ok(socket::respond(upgrade, listening, (api.clone(), asked)))
}

/// Listen as server-sent events
///
/// From behind `Last-Event-ID` or `since` on, or from now on. Each has the number of the event as its
/// `id`, its kind as `event`, and the whole event as `data`. An event `end` says why a stream ends.
#[utoipa::path(
    get, path = "/events/stream", tag = "events", operation_id = "event_stream",
    params(
        WantedParams,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last event that was seen"),
    ),
    security(("token" = ["events:read"])),
    responses(
        (status = 200, description = "A stream", content_type = "text/event-stream", body = String),
        (status = 410, description = "What is behind the number is not kept any more"),
    ),
)]
async fn follow(
    caller: Caller,
    State(api): State<Api>,
    asked: Parts,
    Params(wanted): Params<WantedParams>,
) -> Result<Response, Problem> {
    let topics = wanted.topics()?;
    let since = last_event_id(&asked.headers)?.or(wanted.since()?);
    let (store, tenant) = (caller.store(), caller.tenant);
    let reader = api.events().subscribe(store, tenant, &topics, since).await;
    Ok(stream::respond(
        reader.map_err(refusal)?,
        (api.clone(), asked),
    ))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.filter(|number| 0 <= *number);
    let refused = || Problem::field("Last-Event-ID", "it is the number of an event, from 0");
    number.map(Some).ok_or_else(refused)
}

/// One page of what is wanted. When little is wanted of much, a page may have fewer entries than there
/// are.
async fn page(
    caller: &Caller,
    params: ListParams,
    since: Option<i64>,
    topics: &Topics,
) -> Result<Response, Problem> {
    let limit = usize::try_from(params.limit()?).unwrap_or(usize::MAX);
    let mut position = params.after::<i64>()?.or(since).unwrap_or(0);
    let mut items: Vec<EventView> = Vec::new();
    let mut has_more = true;
    for _ in 0..PAGES_MAX {
        let page = Page::after(position, Page::<i64>::LIMIT_MAX);
        let events = caller.store().event_list(caller.tenant, &page).await?;
        has_more = events.len() == page.limit() as usize;
        for event in events {
            if items.len() == limit {
                has_more = true;
                break;
            }
            position = event.seq;
            if topics.matches(&event.kind) {
                items.push(event.into());
            }
        }
        if items.len() == limit || !has_more {
            break;
        }
    }
    let listing = Listing {
        items,
        next_page_token: has_more.then(|| token(&position)),
        total: None,
    };
    Ok(listing.shown(params).into_response())
}
