//! What a subscriber is told about how the account stands.

use domain::access::{Decision, Verdict};
use domain::message::{self, MessageFacts, MessageText};

use super::Engine;
use crate::directory::SubscriberEntry;

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
}
