//! A subscriber as the interface shows it: without anything that it proves itself with.

use domain::id::{CustomerId, PlanId, SubscriberId};
use serde::Serialize;
use storage::subscriber::SubscriberSummary;
use utoipa::ToSchema;

/// A subscriber.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SubscriberView {
    #[schema(value_type = Uuid)]
    id: SubscriberId,
    username: String,
    /// What kind of credential is stored: cleartext, bcrypt, argon2, sha256-crypt, sha512-crypt, nt
    credential_kind: &'static str,
    #[schema(value_type = Uuid)]
    plan_id: PlanId,
    /// Name of the plan.
    plan: String,
    #[schema(value_type = Option<Uuid>)]
    customer_id: Option<CustomerId>,
    /// Number of the customer who pays for it.
    customer: Option<String>,
    /// What is stored of how the account stands: active, disabled, pending, suspended_walled,
    /// suspended_hard
    status: &'static str,
    #[schema(format = DateTime)]
    status_at: Option<String>,
    /// What the status and the time make of it now: also grace and expired
    state: &'static str,
    #[schema(format = DateTime)]
    starts_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = Ipv4)]
    ipv4: Option<String>,
    ipv6_prefix: Option<String>,
    ipv6_delegated: Option<String>,
    /// Instead of the plan's.
    session_limit: Option<u16>,
    session_policy: Option<&'static str>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<SubscriberSummary> for SubscriberView {
    fn from(subscriber: SubscriberSummary) -> Self {
        let text = |at: domain::time::Timestamp| at.to_string();
        let addresses = subscriber.addresses;
        Self {
            id: subscriber.id,
            username: subscriber.username.to_string(),
            credential_kind: subscriber.credential_kind.as_str(),
            plan_id: subscriber.plan_id,
            plan: subscriber.plan.to_string(),
            customer_id: subscriber.customer_id,
            customer: subscriber.customer,
            status: subscriber.status.as_str(),
            status_at: subscriber.status_at.map(text),
            state: subscriber.state.as_str(),
            starts_at: subscriber.starts_at.map(text),
            expires_at: subscriber.expires_at.map(text),
            ipv4: addresses.ipv4.map(|address| address.to_string()),
            ipv6_prefix: addresses.ipv6_prefix.map(|prefix| prefix.to_string()),
            ipv6_delegated: addresses.ipv6_delegated.map(|prefix| prefix.to_string()),
            session_limit: subscriber
                .sessions
                .session_limit
                .map(domain::plan::SessionLimit::as_sessions),
            session_policy: subscriber
                .sessions
                .session_policy
                .map(domain::session_policy::SessionPolicy::as_str),
            created_at: text(subscriber.created_at),
            updated_at: text(subscriber.updated_at),
        }
    }
}
