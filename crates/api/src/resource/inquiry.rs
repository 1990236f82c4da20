//! Why somebody cannot get on, and what a router would be answered: `/api/v1/why`,
//! `/api/v1/explain`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::secret::Secret;
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json_};
use services::inquiry::{InquiryError, Login, NasReference, Why};
use storage::error::Resource;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth_log::{AuthDecisionView, OutcomeView};
use super::session::SessionView;
use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Attributes that one question has.
const ATTRIBUTES_MAX: usize = 64;

/// The longest password that fits into a request (RFC 2865 §5.2).
const PASSWORD_LEN_MAX: usize = 128;

/// The longest user name (RFC 7542 §2.2).
const USER_LEN_MAX: usize = 253;

/// What speaks against it that somebody gets on, the likeliest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct WhyView {
    user_name: String,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    time_zone: String,
    /// `subscriber`, `rows` for a user of FreeRADIUS' tables, or `nobody`.
    known: String,
    subscriber: Option<WhySubscriberView>,
    /// What would be decided about a login like the last one; `null` about the past.
    verdict: Option<WhyVerdictView>,
    causes: Vec<CauseView>,
    /// The last logins, newest first.
    decisions: Vec<AuthDecisionView>,
    sessions: Vec<SessionView>,
}

/// How the account stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct WhySubscriberView {
    username: String,
    plan: String,
    state: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    status_since: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

/// What would be decided.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct WhyVerdictView {
    nas: String,
    #[schema(inline)]
    outcome: OutcomeView,
    reason: Option<String>,
    explanation: String,
    /// The terms, by name; `null` ones are not set.
    grants: Option<Map<String, Json_>>,
}

/// Something that explains, and what would help.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct CauseView {
    code: String,
    weight: String,
    sentence: String,
    remedy: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
    nas: Option<String>,
}

/// A login that is only tried out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExplainBody {
    /// As the router would send it.
    #[schema(min_length = 1, max_length = 253)]
    user_name: String,
    /// The router that would ask, by its name or by the address of its packets.
    #[schema(min_length = 1, max_length = 64)]
    nas: String,
    /// Attributes of the request, each as `NAME=VALUE`.
    #[serde(default)]
    #[schema(max_items = 64)]
    attributes: Vec<String>,
    /// A password that is to be compared; without one it is taken as given.
    #[schema(max_length = 128)]
    password: Option<String>,
    /// When the router would ask, with what is stored now; now without it.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<String>,
}

/// What would be answered, and why.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct ExplanationView {
    user_name: String,
    nas: String,
    nas_address: String,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    #[schema(inline)]
    outcome: OutcomeView,
    reason: Option<String>,
    explanation: String,
    /// `compared` or `taken_as_given`.
    password: String,
    trace: Vec<String>,
    grants: Option<Map<String, Json_>>,
    terms: Vec<String>,
    /// The address of a device that would be bound.
    binds_device: Option<String>,
    request: Vec<AttributeView>,
    reply: ReplyView,
}

/// An attribute, in words; a secret is not shown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct AttributeView {
    name: String,
    value: String,
}

/// The reply as it would be sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct ReplyView {
    code: String,
    attributes: Vec<AttributeView>,
}

#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WhyParams {
    /// The user name, as the person types it.
    #[param(min_length = 1, max_length = 253)]
    user: String,
    /// The moment that is asked about; now without it.
    #[param(value_type = Option<String>, format = DateTime)]
    at: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(why))
        .routes(routes!(explain))
}

/// Say why somebody cannot get on
#[utoipa::path(
    get, path = "/why", tag = "logs", operation_id = "why",
    params(WhyParams), security(("token" = ["logs:read"])),
    responses((status = 200, description = "Causes, and what they are drawn from", body = WhyView)),
)]
async fn why(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<WhyParams>,
) -> Result<Json<WhyView>, Problem> {
    let mut fields = Fields::default();
    check_user(&mut fields, "user", &params.user);
    let at = find_time(&mut fields, params.at.as_deref());
    fields.check()?;
    let asked = Why {
        tenant: caller.tenant,
        user_name: params.user,
        at,
    };
    read(api.program().why(asked).await)
}

/// Say what a router would be answered
///
/// Nothing is sent and nothing is changed.
#[utoipa::path(
    post, path = "/explain", tag = "logs", operation_id = "explain",
    request_body = ExplainBody, security(("token" = ["logs:read"])),
    responses((status = 200, description = "The answer, and how it came about", body = ExplanationView)),
)]
async fn explain(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<ExplainBody>,
) -> Result<Json<ExplanationView>, Problem> {
    let mut fields = Fields::default();
    check_user(&mut fields, "user_name", &body.user_name);
    if ATTRIBUTES_MAX < body.attributes.len() {
        fields.wrong("attributes", format!("{ATTRIBUTES_MAX} are the most"));
    }
    if body
        .password
        .as_ref()
        .is_some_and(|text| PASSWORD_LEN_MAX < text.len())
    {
        fields.wrong(
            "password",
            format!("it has {PASSWORD_LEN_MAX} octets at most"),
        );
    }
    let at = find_time(&mut fields, body.at.as_deref());
    fields.check()?;
    let login = Login {
        tenant: caller.tenant,
        user_name: body.user_name,
        nas: match body.nas.parse() {
            Ok(address) => NasReference::Address(address),
            Err(_) => NasReference::Name(caller.name_of(Resource::Nas, &body.nas).await?),
        },
        attributes: body.attributes,
        password: body.password.map(|text| Secret::new(text.as_bytes())),
        at,
    };
    read(api.program().explain(login).await)
}

fn check_user(fields: &mut Fields, field: &str, name: &str) {
    if name.is_empty() || USER_LEN_MAX < name.len() {
        fields.wrong(field, format!("a user name has 1 to {USER_LEN_MAX} octets"));
    }
}

fn find_time(fields: &mut Fields, raw: Option<&str>) -> Option<Timestamp> {
    raw.and_then(|raw| fields.parse("at", raw))
}

/// What the program says, as the document describes it.
fn read<T: DeserializeOwned>(answer: Result<Json_, InquiryError>) -> Result<Json<T>, Problem> {
    let told = answer?;
    serde_json::from_value(told).map(Json).map_err(|error| {
        tracing::error!(%error, "The program explains otherwise than the document says");
        Problem::internal()
    })
}

impl From<InquiryError> for Problem {
    fn from(error: InquiryError) -> Self {
        match error {
            InquiryError::Store(error) => error.into(),
            InquiryError::Invalid { field, detail } => Self::field(field, detail),
            InquiryError::Busy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string())
            }
            InquiryError::NoDatabase => Self::no_database(),
            InquiryError::Failed => Self::internal(),
        }
    }
}
