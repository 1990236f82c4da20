//! What is written down about a customer.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::customer::NoteText;
use domain::id::CustomerNoteId;
use serde::{Deserialize, Serialize};
use storage::customer::note::CustomerNote;
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::numbered;
use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// A note.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomerNoteView {
    #[schema(value_type = Uuid)]
    id: CustomerNoteId,
    text: String,
    /// Who wrote it.
    author: String,
    #[schema(format = DateTime)]
    at: String,
}

/// A note to be written.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomerNoteBody {
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
}

impl From<CustomerNote> for CustomerNoteView {
    fn from(note: CustomerNote) -> Self {
        Self {
            id: note.id,
            text: note.text,
            author: note.author,
            at: note.at.to_string(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(remove))
}

/// List the notes about a customer
///
/// The newest first.
#[utoipa::path(
    get, path = "/customers/{customer}/notes", tag = "customers",
    operation_id = "customer_note_list",
    params(("customer" = String, Path, description = "Id or number"), ListParams),
    security(("token" = ["customers:read"])),
    responses((status = 200, description = "A page of notes", body = Listing<CustomerNoteView>)),
)]
async fn list(
    caller: Caller,
    Path(customer): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Shown<CustomerNoteView>, Problem> {
    let number = numbered(&caller, &customer).await?;
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after()?;
    let store = caller.store();
    let notes = store
        .customer_note_list(caller.tenant, &number, &page)
        .await?;
    let views = notes.into_iter().map(CustomerNoteView::from).collect();
    let listing = Listing::cut(views, limit, |note: &CustomerNoteView| note.id);
    Ok(listing.shown(params))
}

/// Write something down about a customer
#[utoipa::path(
    post, path = "/customers/{customer}/notes", tag = "customers",
    operation_id = "customer_note_create",
    params(("customer" = String, Path, description = "Id or number")),
    request_body = NewCustomerNoteBody, security(("token" = ["customers:write"])),
    responses(
        (status = 201, description = "The note", body = CustomerNoteView),
        (status = 200, description = "What would be written", body = CustomerNoteView),
    ),
)]
async fn create(
    caller: Caller,
    Path(customer): Path<String>,
    Body(body): Body<NewCustomerNoteBody>,
) -> Result<Response, Problem> {
    let number = numbered(&caller, &customer).await?;
    let mut fields = Fields::default();
    let text: Option<NoteText> = fields.parse("text", &body.text);
    fields.check()?;
    let text = text.ok_or_else(Problem::internal)?;
    let author = caller.principal.actor.to_string();
    let (store, tenant) = (caller.store(), caller.tenant);
    let note = store
        .customer_note_insert(tenant, &number, &text, &author)
        .await?;
    let status = if caller.is_rehearsal {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(CustomerNoteView::from(note))).into_response())
}

/// Remove a note about a customer
#[utoipa::path(
    delete, path = "/customers/{customer}/notes/{note}", tag = "customers",
    operation_id = "customer_note_remove",
    params(
        ("customer" = String, Path, description = "Id or number"),
        ("note" = String, Path, description = "Id"),
    ),
    security(("token" = ["customers:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(
    caller: Caller,
    Path((customer, note)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let number = numbered(&caller, &customer).await?;
    let id: CustomerNoteId = note.parse().map_err(|_| Problem::not_found("note"))?;
    let store = caller.store();
    store
        .customer_note_delete(caller.tenant, &number, id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
