//! What a subscriber is told about how the account stands.

use domain::access::{Decision, RejectReason, Verdict};
use domain::message::{self, MessageFacts, MessageText};

use super::Engine;
use crate::directory::SubscriberEntry;
use crate::request::AccessFacts;
use crate::row_table::TENANT;

impl Engine {
    /// The message of the tenant for the state that decided, or that the subscriber is in. Most
    /// logins have none.
    pub(super) fn state_message(
        &self,
        entry: Option<&SubscriberEntry>,
        decision: &Decision<'_>,
    ) -> Option<MessageText> {
        let state = match &decision.verdict {
            Verdict::Accept(grants) => grants.notice?,
            Verdict::Reject(reason) => reason.state()?,
        };
        let entry = entry?;
        let subscriber = &entry.subscriber;
        let policies = self.context.directory.policies();
        let plan = entry.plan.load();
        let plan = plan.as_ref();
        let grace = plan.map(|plan| plan.terms.access.grace_days);
        let facts = MessageFacts {
            username: subscriber.username.as_str(),
            plan: plan.map_or("", |plan| plan.name.as_str()),
            expires_at: subscriber.expires_at,
            ends_at: subscriber
                .expires_at
                .zip(grace)
                .map(|(at, grace)| grace.after(at)),
        };
        let template = policies.template(subscriber.tenant, state);
        Some(message::render(template, &facts))
    }

    /// The same for somebody whom the tables of FreeRADIUS know: they name no plan.
    pub(super) fn row_message(
        &self,
        facts: &AccessFacts<'_>,
        reason: RejectReason,
    ) -> Option<MessageText> {
        let state = reason.state()?;
        let expires_at = if let RejectReason::Expired { at } = reason {
            Some(at)
        } else {
            None
        };
        let user_name = facts.user_name.unwrap_or_default();
        let facts = MessageFacts {
            username: std::str::from_utf8(user_name).unwrap_or_default(),
            plan: "",
            expires_at,
            ends_at: expires_at,
        };
        let policies = self.context.directory.policies();
        Some(message::render(policies.template(TENANT, state), &facts))
    }
}
