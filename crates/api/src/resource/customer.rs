//! Customers: `/api/v1/customers`.

use axum::http::StatusCode;
use domain::customer::CustomerNumber;
use storage::customer::list;
use storage::error::Resource;
use storage::listing::Filter;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{CustomerPatchBody, NewCustomerBody};
use self::view::CustomerView;
use crate::body::Body;
use crate::caller::Caller;
use crate::listing::asked::{Asked, Narrowable};
use crate::listing::{Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

mod body;
mod note;
mod view;

/// Lists of customers.
pub(crate) enum Customers {}

impl Narrowable for Customers {
    const SEARCHED: &'static str = "Only those whose name, company, number, e-mail or telephone has \
        this: any part of a word from three letters on. The first 1000 matches are looked at, and \
        can be narrowed and sorted in any way.";

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
        .merge(note::routes())
}

/// List the customers
///
/// Narrowed by its fields, with operators behind a dot: `state=lead&created_at.gte=2027-01-01`.
#[utoipa::path(
    get, path = "/customers", tag = "customers", operation_id = "customer_list",
    params(Asked<Customers>), security(("token" = ["customers:read"])),
    responses(
        (status = 200, description = "A page of customers", body = Listing<CustomerView>),
        (status = 422, description = "The list cannot be narrowed or sorted so", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn list_all(caller: Caller, asked: Asked<Customers>) -> Result<Shown<CustomerView>, Problem> {
    let (store, tenant) = (caller.store(), caller.tenant);
    let page = store.customer_list(tenant, &asked.query).await?;
    let total = match asked.has_total {
        true => Some(store.customer_total(tenant, &asked.query).await?),
        false => None,
    };
    Ok(Listing::of(page, total).with_fields(asked.fields))
}

/// Add a customer
#[utoipa::path(
    post, path = "/customers", tag = "customers", operation_id = "customer_create",
    request_body = NewCustomerBody, security(("token" = ["customers:write"])),
    responses(
        (status = 201, description = "The customer", body = CustomerView),
        (status = 200, description = "What would be made", body = CustomerView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewCustomerBody>,
) -> Result<Tagged<CustomerView>, Problem> {
    let new = body.read(caller.tenant)?;
    let made = caller.store().customer_insert(new).await?;
    let revision = made.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, made.into()))
}

/// Show a customer
#[utoipa::path(
    get, path = "/customers/{customer}", tag = "customers", operation_id = "customer_show",
    params(("customer" = String, Path, description = "Id or number")),
    security(("token" = ["customers:read"])),
    responses((status = 200, description = "The customer", body = CustomerView)),
)]
async fn show(
    caller: Caller,
    Path(customer): Path<String>,
) -> Result<Tagged<CustomerView>, Problem> {
    let number = numbered(&caller, &customer).await?;
    let found = caller.store().customer_find(caller.tenant, &number).await?;
    let found = found.ok_or_else(|| Problem::not_found("customer"))?;
    Ok(Tagged::ok(found.updated_at, found.into()))
}

/// Change a customer
///
/// Lists and fields are replaced as a whole.
#[utoipa::path(
    patch, path = "/customers/{customer}", tag = "customers", operation_id = "customer_change",
    params(("customer" = String, Path, description = "Id or number")),
    request_body = CustomerPatchBody, security(("token" = ["customers:write"])),
    responses((status = 200, description = "The customer", body = CustomerView)),
)]
async fn change(
    caller: Caller,
    Path(customer): Path<String>,
    Body(body): Body<CustomerPatchBody>,
) -> Result<Tagged<CustomerView>, Problem> {
    let number = numbered(&caller, &customer).await?;
    let patch = body.read()?;
    let store = caller.store();
    let changed = store.customer_update(caller.tenant, &number, patch).await?;
    Ok(Tagged::ok(changed.updated_at, changed.into()))
}

/// Remove a customer
///
/// With all notes. Refused as long as there are subscribers of theirs.
#[utoipa::path(
    delete, path = "/customers/{customer}", tag = "customers", operation_id = "customer_remove",
    params(("customer" = String, Path, description = "Id or number")),
    security(("token" = ["customers:write"])),
    responses((status = 204, description = "They are gone")),
)]
async fn remove(caller: Caller, Path(customer): Path<String>) -> Result<StatusCode, Problem> {
    let number = numbered(&caller, &customer).await?;
    caller
        .store()
        .customer_delete(caller.tenant, &number)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The number of the customer whom a path names.
async fn numbered(caller: &Caller, raw: &str) -> Result<CustomerNumber, Problem> {
    caller.name_of(Resource::Customer, raw).await
}
