//! What is sold beyond the quotas of a plan: only what a quota limits, and for as long as is asked.

use domain::id::TenantId;
use domain::limit::{Limits, Period, TopUpMeasure};
use domain::name::Username;
use domain::time::Timestamp;
use storage::error::{Resource, StoreError};
use storage::store::Store;
use storage::top_up::{Granted, NewTopUp, TopUpSummary};

/// The longest that a top-up may be used: a hundred years.
pub const VALID_SECONDS_MAX: u64 = 36_500 * 86_400;

/// Octets of the number of a purchase.
pub const REFERENCE_OCTETS_MAX: usize = 64;

/// How long a top-up may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For as long as there is something left.
    UsedUp,
    Seconds(u64),
    /// For as long as the plan's quota runs.
    Period,
    At(Timestamp),
}

/// What is to be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// How much of what; each measure once.
    pub amounts: Vec<(TopUpMeasure, u64)>,
    pub until: Until,
    /// The number of the purchase: it is granted once, however often it is asked for.
    pub reference: Option<String>,
    /// Who grants it.
    pub actor: String,
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub top_ups: Vec<TopUpSummary>,
    /// It was granted before under the same reference, and nothing changed.
    pub is_old: bool,
}

/// Why nothing is granted.
#[derive(Debug, thiserror::Error)]
pub enum TopUpError {
    #[error("the plan has no such quota that a top-up could add to: see `lastmile plan show`")]
    NotLimited(TopUpMeasure),
    #[error("no quota of the plan that it adds to begins anew: write a duration (7d)")]
    NoPeriod,
    #[error("something else was granted under this reference: choose another")]
    OtherReference,
    #[error("64 top-ups are not used up yet: revoke some with `lastmile subscriber revoke-top-up`")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether it can be the number of a purchase.
pub fn is_reference(raw: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_graphic() || octet == b' ';
    (1..=REFERENCE_OCTETS_MAX).contains(&raw.len()) && raw.bytes().all(is_plain)
}

/// Grants a purchase to the subscriber of this name.
pub async fn grant(
    store: &Store,
    tenant: TenantId,
    username: &Username,
    order: Order,
    now: Timestamp,
) -> Result<Purchase, TopUpError> {
    let limits = limits(store, tenant, username).await?;
    let limits = limits.as_deref();
    let ends_at = ends_at(&order, limits, now)?;
    for (measure, _) in &order.amounts {
        if periods(limits, *measure).next().is_none() {
            return Err(TopUpError::NotLimited(*measure));
        }
    }
    let new = NewTopUp {
        amounts: order.amounts,
        ends_at,
        reference: order.reference,
        actor: order.actor,
    };
    match store.top_up_grant(tenant, username, &new).await? {
        Granted::Now(top_ups) => Ok(Purchase {
            top_ups,
            is_old: false,
        }),
        Granted::Before(top_ups) => Ok(Purchase {
            top_ups,
            is_old: true,
        }),
        Granted::Otherwise => Err(TopUpError::OtherReference),
        Granted::TooMany => Err(TopUpError::TooMany),
    }
}

/// The limits of the subscriber's plan.
async fn limits(
    store: &Store,
    tenant: TenantId,
    username: &Username,
) -> Result<Option<Box<Limits>>, StoreError> {
    let found = store.subscriber_find(tenant, username).await?;
    let found = found.ok_or_else(|| StoreError::NotFound {
        what: Resource::Subscriber,
        name: username.to_string(),
    })?;
    let plan = store.plan_find(tenant, &found.plan).await?;
    Ok(plan.and_then(|plan| plan.terms.limits))
}

fn ends_at(
    order: &Order,
    limits: Option<&Limits>,
    now: Timestamp,
) -> Result<Option<Timestamp>, TopUpError> {
    match order.until {
        Until::UsedUp => Ok(None),
        Until::At(at) => Ok(Some(at)),
        Until::Seconds(seconds) => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            Ok(Some(now.plus_seconds(seconds)))
        }
        Until::Period => {
            let ends = limits.into_iter().flat_map(|limits| {
                let of = |(measure, _): &(TopUpMeasure, u64)| periods(Some(limits), *measure);
                order.amounts.iter().flat_map(of).filter_map(|period| {
                    // A rolling window has no end of its own.
                    if let Some(hours) = period.rolling_hours() {
                        return Some(now.plus_seconds(hours * 3_600));
                    }
                    let span = limits.resets.span(period, &limits.zone, now)?;
                    (period != Period::Total).then_some(span.ends_at)
                })
            });
            ends.max().map(Some).ok_or(TopUpError::NoPeriod)
        }
    }
}

/// The periods of quotas that a top-up of this measure adds to.
fn periods(limits: Option<&Limits>, measure: TopUpMeasure) -> impl Iterator<Item = Period> {
    let quotas = limits.into_iter().flat_map(|limits| limits.quotas.iter());
    quotas
        .filter(move |quota| {
            quota.period != Period::Session && TopUpMeasure::of(quota.measure) == Some(measure)
        })
        .map(|quota| quota.period)
}
