//! What bodies say about subscribers, read field by field.

use std::net::Ipv4Addr;

use domain::customer::CustomerNumber;
use domain::id::{CustomerId, PlanId};
use domain::name::Name;
use domain::plan::SessionLimit;
use domain::session_policy::SessionPolicy;
use domain::subscriber::address::{parse_ipv6_prefix, parse_static_ipv4};
use domain::time::Timestamp;
use ipnet::Ipv6Net;
use storage::error::Resource;
use uuid::Uuid;

use crate::body::Fields;
use crate::caller::Caller;
use crate::problem::Problem;

pub(super) fn time(fields: &mut Fields, field: &str, raw: Option<&str>) -> Option<Timestamp> {
    fields.parse(field, raw?)
}

pub(super) fn ipv4(fields: &mut Fields, raw: Option<&str>) -> Option<Ipv4Addr> {
    checked(fields, "ipv4", parse_static_ipv4(raw?))
}

pub(super) fn ipv6(fields: &mut Fields, field: &str, raw: Option<&str>) -> Option<Ipv6Net> {
    checked(fields, field, parse_ipv6_prefix(raw?))
}

pub(super) fn session_limit(fields: &mut Fields, raw: Option<u16>) -> Option<SessionLimit> {
    checked(fields, "session_limit", SessionLimit::new(raw?))
}

pub(super) fn session_policy(fields: &mut Fields, raw: Option<&str>) -> Option<SessionPolicy> {
    fields.parse("session_policy", raw?)
}

/// The plan that a field names by its id or name.
pub(super) async fn plan_id(
    caller: &Caller,
    fields: &mut Fields,
    raw: &str,
) -> Result<Option<PlanId>, Problem> {
    let (store, tenant) = (caller.store(), caller.tenant);
    let known = match Uuid::try_parse(raw) {
        Ok(id) => store.name_of(tenant, Resource::Plan, id).await?,
        Err(_) => None,
    };
    let name: Option<Name> = known.as_deref().unwrap_or(raw).parse().ok();
    let plan = match name {
        Some(name) => store.plan_find(tenant, &name).await?,
        None => None,
    };
    if plan.is_none() {
        fields.wrong("plan", "there is no such plan");
    }
    Ok(plan.map(|plan| plan.id))
}

/// The customer whom a field names by their id or number.
pub(super) async fn customer_id(
    caller: &Caller,
    fields: &mut Fields,
    raw: &str,
) -> Result<Option<CustomerId>, Problem> {
    let (store, tenant) = (caller.store(), caller.tenant);
    let known = match Uuid::try_parse(raw) {
        Ok(id) => store.name_of(tenant, Resource::Customer, id).await?,
        Err(_) => None,
    };
    let number: Option<CustomerNumber> = known.as_deref().unwrap_or(raw).parse().ok();
    let customer = match number {
        Some(number) => store.customer_find(tenant, &number).await?,
        None => None,
    };
    if customer.is_none() {
        fields.wrong("customer", "there is no such customer");
    }
    Ok(customer.map(|customer| customer.id))
}

fn checked<T, E: std::fmt::Display>(
    fields: &mut Fields,
    field: &str,
    read: Result<T, E>,
) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            fields.wrong(field, error.to_string());
            None
        }
    }
}
