//! Whom a change of a plan touches, as it goes over the wire.

use domain::nas::Vendor;
use domain::session_command::EndReason;
use domain::terms::Effect;
use serde::Serialize;
use services::plan::{PlanImpact, SessionImpact};
use utoipa::ToSchema;

use crate::choice;

/// Fields that nobody is disturbed for: they hold for those who come.
const FOR_THOSE_WHO_COME: [&str; 5] = [
    "interim_seconds",
    "session_limit",
    "session_policy",
    "device_limit",
    "private_device_limit",
];

/// Whom a change touches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PlanImpactView {
    /// The fields that become others.
    changed: Vec<String>,
    /// Those of them that open sessions are not told of; they hold from the next session on.
    at_next_session: Vec<String>,
    /// Who is on the plan.
    subscribers: u64,
    /// Names of the plans at whose limit this one applies.
    at_limit_of: Vec<String>,
    /// What becomes of the sessions that they have open now.
    sessions: Vec<SessionImpactView>,
}

/// What becomes of the open sessions at routers of one vendor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SessionImpactView {
    /// `null` for routers that are not registered any more.
    #[schema(schema_with = choice::find_vendor)]
    vendor: Option<Vendor>,
    sessions: u64,
    /// Of those who are within their limits.
    effect: SessionEffect,
    /// What they are told anew, or what cannot be changed in them.
    terms: Vec<&'static str>,
    /// Of those whose quota is used up.
    effect_at_limit: SessionEffect,
}

/// What becomes of an open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionEffect {
    Nothing,
    /// It goes on, and its router is told of the change (CoA).
    Change,
    /// It is ended, because its router cannot change it, and the next one has the new terms.
    End,
}

impl PlanImpactView {
    pub(super) fn new(impact: PlanImpact, changed: Vec<String>) -> Self {
        let at_next_session = changed
            .iter()
            .filter(|field| FOR_THOSE_WHO_COME.contains(&field.as_str()));
        Self {
            at_next_session: at_next_session.cloned().collect(),
            changed,
            subscribers: impact.subscribers,
            at_limit_of: impact.at_limit_of,
            sessions: impact.sessions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<SessionImpact> for SessionImpactView {
    fn from(impact: SessionImpact) -> Self {
        let terms = match impact.effect {
            Effect::Change(terms) => terms.iter().map(|term| term.as_str()).collect(),
            Effect::End(EndReason::TermsChanged(term)) => vec![term.as_str()],
            Effect::End(_) | Effect::Nothing => Vec::new(),
        };
        Self {
            vendor: impact.vendor,
            sessions: impact.sessions,
            effect: impact.effect.into(),
            terms,
            effect_at_limit: impact.effect_at_limit.into(),
        }
    }
}

impl From<Effect> for SessionEffect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Nothing => Self::Nothing,
            Effect::Change(_) => Self::Change,
            Effect::End(_) => Self::End,
        }
    }
}
