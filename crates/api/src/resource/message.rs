//! What subscribers are told about their account: `/api/v1/messages`.

use axum::Json;
use axum::http::StatusCode;
use domain::message::{Language, MessageTemplate, StateMessage, default_template};
use domain::subscriber::state::AccessState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::choice;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// What subscribers in a state are told in a language.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MessageView {
    #[schema(schema_with = choice::access_state)]
    state: AccessState,
    language: String,
    /// With `{username}`, `{plan}`, `{expires_at}` and `{ends_at}`; braces are written twice.
    template: String,
    /// Whether it is what is told when nothing was set.
    is_default: bool,
}

/// What to tell.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    #[schema(min_length = 1, max_length = 247)]
    template: String,
}

impl From<StateMessage> for MessageView {
    fn from(message: StateMessage) -> Self {
        Self {
            state: message.state,
            language: message.language.to_string(),
            template: message.template.to_string(),
            is_default: false,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, set, clear))
}

/// List the messages
///
/// Those that were set, by state and language, and for the other states what is told without.
#[utoipa::path(
    get, path = "/messages", tag = "policy", operation_id = "message_list",
    params(ListParams), security(("token" = ["policy:read"])),
    responses((status = 200, description = "A page of messages", body = Listing<MessageView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<MessageView>, Problem> {
    let limit = params.limit()?;
    let after: Option<(String, String)> = params.after()?;
    let policy = caller.store().tenant_policy(caller.tenant).await?;
    let mut messages: Vec<MessageView> = policy.messages.into_iter().map(Into::into).collect();
    for state in AccessState::ALL {
        if !messages.iter().any(|message| message.state == state) {
            messages.push(usual(state, &policy.language));
        }
    }
    messages.sort_by_key(key);
    let is_behind =
        |message: &MessageView| after.as_ref().is_none_or(|after| *after < key(message));
    messages.retain(is_behind);
    Ok(Listing::cut(messages, limit, key).shown(params))
}

/// Show a message
#[utoipa::path(
    get, path = "/messages/{state}/{language}", tag = "policy", operation_id = "message_show",
    params(
        ("state" = String, Path, description = "How the account stands"),
        ("language" = String, Path, description = "A language tag: en, pt-br"),
    ),
    security(("token" = ["policy:read"])),
    responses((status = 200, description = "The message", body = MessageView)),
)]
async fn show(
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<MessageView>, Problem> {
    let (state, language) = read(&path)?;
    let policy = caller.store().tenant_policy(caller.tenant).await?;
    let found = policy
        .messages
        .into_iter()
        .find(|message| message.state == state && message.language == language);
    Ok(Json(match found {
        Some(message) => message.into(),
        None => usual(state, &language),
    }))
}

/// Set a message
#[utoipa::path(
    put, path = "/messages/{state}/{language}", tag = "policy", operation_id = "message_set",
    params(
        ("state" = String, Path, description = "How the account stands"),
        ("language" = String, Path, description = "A language tag: en, pt-br"),
    ),
    request_body = MessageBody, security(("token" = ["policy:write"])),
    responses((status = 200, description = "The message", body = MessageView)),
)]
async fn set(
    caller: Caller,
    Path(path): Path<(String, String)>,
    Body(body): Body<MessageBody>,
) -> Result<Json<MessageView>, Problem> {
    let (state, language) = read(&path)?;
    let mut fields = Fields::default();
    let template: Option<MessageTemplate> = fields.parse("template", &body.template);
    fields.check()?;
    let template = template.ok_or_else(Problem::internal)?;
    let store = caller.store();
    store
        .message_set(caller.tenant, state, &language, &template)
        .await?;
    Ok(Json(MessageView {
        state,
        language: language.to_string(),
        template: template.to_string(),
        is_default: false,
    }))
}

/// Go back to what is told without a message
#[utoipa::path(
    delete, path = "/messages/{state}/{language}", tag = "policy", operation_id = "message_clear",
    params(
        ("state" = String, Path, description = "How the account stands"),
        ("language" = String, Path, description = "A language tag: en, pt-br"),
    ),
    security(("token" = ["policy:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn clear(caller: Caller, Path(path): Path<(String, String)>) -> Result<StatusCode, Problem> {
    let (state, language) = read(&path)?;
    let store = caller.store();
    store.message_clear(caller.tenant, state, &language).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read((state, language): &(String, String)) -> Result<(AccessState, Language), Problem> {
    let absent = || Problem::not_found("message");
    let state = state.parse().map_err(|_| absent())?;
    Ok((state, language.parse().map_err(|_| absent())?))
}

fn usual(state: AccessState, language: &Language) -> MessageView {
    MessageView {
        state,
        language: language.to_string(),
        template: default_template(state).to_owned(),
        is_default: true,
    }
}

fn key(message: &MessageView) -> (String, String) {
    (message.state.as_str().to_owned(), message.language.clone())
}
