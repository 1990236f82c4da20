//! What is stored of a subscriber, as far as it explains something.

use domain::access::{RejectReason, TraceStep};
use domain::auth_log::AuthOutcome;
use domain::auth_log::shorthand::Logged;
use domain::limit::{AtLimit, Limits, Measure, Period, Span};
use domain::subscriber::Subscriber;
use domain::why::usage::reached_at;
use domain::why::{Account, CrossedQuota};
use storage::error::StoreError;
use storage::subscriber::SubscriberSummary;
use storage::usage::UsageGrain;

use super::Desk;
use crate::dry_run::Rehearsed;

/// A year of hours.
const HOURS_MAX: u32 = 8_784;

impl Desk<'_> {
    pub(super) async fn account(
        &self,
        summary: &SubscriberSummary,
        subscriber: &Subscriber,
        rehearsed: Option<&Rehearsed>,
    ) -> Result<Account, StoreError> {
        let plans = &self.stage.circle().plans;
        let find = |id| plans.iter().find(|plan| plan.id == id);
        let plan = find(subscriber.plan);
        let limits = plan.and_then(|plan| plan.terms.limits.as_deref());
        let at_limit = limits.map(|limits| limits.at_limit).unwrap_or_default();
        let other = match at_limit {
            AtLimit::Plan(id) => find(id),
            AtLimit::Block | AtLimit::Throttle(_) => None,
        };
        let crossed = rehearsed.and_then(find_crossed);
        Ok(Account {
            username: summary.username.to_string(),
            plan: summary.plan.as_str().to_owned(),
            at_limit,
            plan_at_limit: other.map(|plan| plan.name.as_str().to_owned()),
            status_since: summary.status_at,
            crossed: match (limits, crossed) {
                (Some(limits), Some(crossed)) => self.crossed(subscriber, limits, crossed).await?,
                (Some(_) | None, _) => None,
            },
        })
    }

    /// The quota that is used up, and the hour in which it was reached.
    async fn crossed(
        &self,
        subscriber: &Subscriber,
        limits: &Limits,
        (measure, period): (Measure, Period),
    ) -> Result<Option<CrossedQuota>, StoreError> {
        let mut quotas = limits.quotas.iter();
        let quota = quotas.find(|quota| (quota.measure, quota.period) == (measure, period));
        let span = limits.resets.span(period, &limits.zone, self.at);
        let (Some(quota), Some(span)) = (quota, span) else {
            return Ok(None);
        };
        // Another one may have had the name before.
        let starts_at = span.starts_at.max(subscriber.id.made_at());
        let span = Span { starts_at, ..span };
        let (tenant, name) = (subscriber.tenant, &subscriber.username);
        let (from, to) = (starts_at.hour_start(), self.at.plus_seconds(1));
        let grain = UsageGrain::Hour;
        let hours = self
            .store
            .usage_list(tenant, name, grain, from, to, HOURS_MAX);
        let mut hours = hours.await?;
        hours.reverse();
        Ok(Some(CrossedQuota {
            quota,
            reached_at: reached_at(&hours, span, measure, quota.amount()),
        }))
    }
}

/// The quota that is used up, if one is.
fn find_crossed(rehearsed: &Rehearsed) -> Option<(Measure, Period)> {
    let entry = &rehearsed.answer.entry;
    if let AuthOutcome::Rejected(RejectReason::QuotaUsedUp(crossing)) = entry.outcome {
        return Some((crossing.measure, crossing.period));
    }
    entry.trace.steps(None).iter().find_map(|step| match step {
        Logged::Known(
            TraceStep::Throttled {
                measure, period, ..
            }
            | TraceStep::MovedToPlan {
                measure, period, ..
            },
        ) => Some((*measure, *period)),
        Logged::Known(_) | Logged::Unknown(_) => None,
    })
}
