//! What subscribers have used, and what is left to them.

use std::collections::BTreeMap;

use domain::id::{SubscriberId, TenantId};
use domain::limit::{
    LimitUsage, Limits, Measure, Meter, Period, PeriodCounted, Resets, Span, TopUpMeasure, Zone,
};
use domain::name::Username;
use domain::time::Timestamp;
use domain::usage::UsageBucket;
use storage::error::StoreError;
use storage::limit::LimitQuestion;
use storage::store::Store;
use storage::subscriber::SubscriberSummary;
use storage::usage::UsageGrain;

/// Hours that days of a zone are made of: a little more than a year.
const HOURS_MAX: u32 = 24 * 400;

/// A quota of the subscriber's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaLeft {
    pub measure: Measure,
    pub period: Period,
    /// Bytes, or seconds; so are the others.
    pub amount: u64,
    pub used: u64,
    pub left: u64,
    /// When it begins anew; never for what counts as long as the subscriber exists.
    pub resets_at: Option<Timestamp>,
}

/// What is left of what was bought beyond the quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUpLeft {
    pub measure: TopUpMeasure,
    /// Bytes, or seconds.
    pub left: u64,
    pub ends_at: Option<Timestamp>,
}

/// The quotas of a subscriber's plan, and what is left of them. A quota of each session alone is not
/// among them.
pub async fn quotas_left(
    store: &Store,
    tenant: TenantId,
    subscriber: &SubscriberSummary,
    now: Timestamp,
) -> Result<Vec<QuotaLeft>, StoreError> {
    let plans = store.directory_plans(&[subscriber.plan_id]).await?;
    let plan = plans.into_iter().find(|plan| plan.tenant == tenant);
    let Some(limits) = plan.and_then(|plan| plan.terms.limits) else {
        return Ok(Vec::new());
    };
    let usage = limit_usage(store, tenant, subscriber, &limits, now).await?;
    let mut left = Vec::new();
    for quota in limits.quotas.iter() {
        let Some((counted, span)) = find_span(&limits, quota.period, now) else {
            continue;
        };
        let used = quota.measure.of(usage.used(counted, span));
        left.push(QuotaLeft {
            measure: quota.measure,
            period: quota.period,
            amount: quota.amount(),
            used,
            left: quota.amount().saturating_sub(used),
            resets_at: (span != Span::EVER).then_some(span.ends_at),
        });
    }
    Ok(left)
}

/// What was bought beyond the quotas and is not used up.
pub async fn top_ups_left(
    store: &Store,
    tenant: TenantId,
    username: &Username,
    now: Timestamp,
) -> Result<Vec<TopUpLeft>, StoreError> {
    let top_ups = store.top_up_list(tenant, username).await?;
    let is_live = |ends_at: Option<Timestamp>| ends_at.is_none_or(|end| now < end);
    let live = top_ups.into_iter().filter(|one| {
        let top_up = one.top_up;
        one.revoked_at.is_none() && top_up.used < top_up.amount && is_live(top_up.ends_at)
    });
    Ok(live
        .map(|one| TopUpLeft {
            measure: one.top_up.measure,
            left: one.top_up.amount - one.top_up.used,
            ends_at: one.top_up.ends_at,
        })
        .collect())
}

/// What a user moved on the days of a zone, newest first. It reaches back as far as hours are kept,
/// and an hour in which a day begins belongs to the day before.
pub async fn days_of_zone(
    store: &Store,
    (tenant, username): (TenantId, &Username),
    zone: &Zone,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<UsageBucket>, StoreError> {
    let hours = store.usage_list(tenant, username, UsageGrain::Hour, from, until, HOURS_MAX);
    let mut days: BTreeMap<Timestamp, UsageBucket> = BTreeMap::new();
    for hour in hours.await? {
        let span = Resets::default().span(Period::Day, zone, hour.starts_at);
        let starts_at = span.map_or(hour.starts_at, |span| span.starts_at);
        let day = days.entry(starts_at).or_insert_with(|| UsageBucket {
            starts_at,
            amount: Default::default(),
        });
        day.amount = day.amount.plus(hour.amount);
    }
    Ok(days.into_values().rev().collect())
}

/// What is counted, and what the hours say of what is not counted yet.
async fn limit_usage(
    store: &Store,
    tenant: TenantId,
    subscriber: &SubscriberSummary,
    limits: &Limits,
    now: Timestamp,
) -> Result<LimitUsage, StoreError> {
    let mut usage = LimitUsage::default();
    for row in store.limit_list_of(&[subscriber.id]).await? {
        usage.learn_fact(row.news.fact);
    }
    let mut questions = Vec::new();
    for quota in limits.quotas.iter() {
        let Some((counted, span)) = find_span(limits, quota.period, now) else {
            continue;
        };
        let counter = usage.counter(counted);
        let is_counted = counter.is_some_and(|counter| counter.span.contains(span.starts_at));
        if !is_counted {
            questions.push(question(tenant, subscriber, (counted, span)));
        }
    }
    for news in store.limit_sums(&questions).await? {
        usage.learn_fact(news.fact);
    }
    Ok(usage)
}

fn question(
    tenant: TenantId,
    subscriber: &SubscriberSummary,
    (period, span): (PeriodCounted, Span),
) -> LimitQuestion {
    let id: SubscriberId = subscriber.id;
    LimitQuestion {
        tenant,
        username: subscriber.username.to_string(),
        meter: Meter {
            subscriber: id,
            period,
            span,
            allowed: None,
        },
    }
}

fn find_span(limits: &Limits, period: Period, now: Timestamp) -> Option<(PeriodCounted, Span)> {
    let counted = PeriodCounted::of(period)?;
    let span = limits.resets.span(period, &limits.zone, now)?;
    Some((counted, span))
}
