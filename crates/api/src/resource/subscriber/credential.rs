//! What a subscriber proves themselves with: set, or made up and shown once, and never shown again.

use axum::Json;
use axum::http::StatusCode;
use domain::credential::{self, Credential, PasswordHash};
use domain::secret::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use services::subscriber_password;
use storage::subscriber::SubscriberPatch;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::named;
use crate::body::{Body, Fields};
use crate::caller::Caller;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// A password or its hash: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialBody {
    /// 1 to 128 octets. Works with every method.
    #[serde(default, deserialize_with = "hidden")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, write_only)]
    password: Option<Zeroizing<String>>,
    /// bcrypt, argon2, SHA-crypt or {NT}; CHAP cannot work with it.
    #[serde(default, deserialize_with = "hidden")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 512, write_only)]
    password_hash: Option<Zeroizing<String>>,
}

/// A password that was made up: the only time that it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct GeneratedView {
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

/// Text that is wiped when it is dropped.
fn hidden<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(Zeroizing::new))
}

fn shown<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl CredentialBody {
    /// The credential, or a note of what is wrong with it.
    pub(super) fn read(&self, fields: &mut Fields) -> Option<Credential> {
        match (&self.password, &self.password_hash) {
            (Some(password), None) => match credential::password(password) {
                Ok(credential) => Some(credential),
                Err(error) => {
                    fields.wrong("password", error.to_string());
                    None
                }
            },
            (None, Some(hash)) => {
                let hash: Option<PasswordHash> = fields.parse("password_hash", hash);
                hash.map(Credential::Hashed)
            }
            (None, None) | (Some(_), Some(_)) => {
                fields.wrong("password", "give either password or password_hash");
                None
            }
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(set))
        .routes(routes!(generate))
}

/// Set the credential of a subscriber
///
/// It is shown nowhere afterwards.
#[utoipa::path(
    put, path = "/subscribers/{subscriber}/credential", tag = "subscribers",
    operation_id = "subscriber_credential_set",
    params(("subscriber" = String, Path, description = "Id or user name")),
    request_body = CredentialBody, security(("token" = ["subscribers:write"])),
    responses((status = 204, description = "It is set")),
)]
async fn set(
    caller: Caller,
    Path(subscriber): Path<String>,
    Body(body): Body<CredentialBody>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let credential = body.read(&mut fields);
    fields.check()?;
    store(&caller, &subscriber, credential).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make up a password for a subscriber
///
/// It is in this answer and shown nowhere afterwards.
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/credential/generate", tag = "subscribers",
    operation_id = "subscriber_credential_generate",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The password", body = GeneratedView)),
)]
async fn generate(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Json<GeneratedView>, Problem> {
    let password = subscriber_password::generate();
    let credential = Credential::Cleartext(Secret::from(password.as_str()));
    store(&caller, &subscriber, Some(credential)).await?;
    Ok(Json(GeneratedView { password }))
}

async fn store(
    caller: &Caller,
    subscriber: &str,
    credential: Option<Credential>,
) -> Result<(), Problem> {
    let username = named(caller, subscriber).await?;
    let patch = SubscriberPatch {
        credential,
        ..SubscriberPatch::default()
    };
    let store = caller.store();
    store
        .subscriber_update(caller.tenant, &username, patch)
        .await?;
    Ok(())
}
