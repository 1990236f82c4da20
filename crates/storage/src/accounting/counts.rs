//! Usage that is counted for the limits of subscribers, beside that of the hours.

use std::collections::BTreeMap;

use compact_str::CompactString;
use domain::accounting::SessionRecord;
use domain::id::{SubscriberId, TenantId};
use domain::limit::{Allowed, Beyond, Counter, LimitFact, LimitNews, Meter, PeriodCounted, Span};
use domain::usage::UsageAmount;

use crate::column::{fitting_text, stored_count};
use crate::top_up::Payer;

/// What to add to the counters, in the order of their primary key, so that writers take their locks
/// in the same order.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<(SubscriberId, PeriodCounted), Count>);

/// What to add to one of them.
#[derive(Clone, Debug)]
pub(super) struct Count {
    pub(super) tenant: TenantId,
    pub(super) username: CompactString,
    pub(super) span: Span,
    used: UsageAmount,
    allowed: Option<Allowed>,
}

/// What a counter has before something is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Known(UsageAmount),
    /// Nobody has counted this span: the hours say what was used.
    Unknown,
    /// A later span is counted already, so this one is of no interest any more.
    Passed,
}

impl Counts {
    /// Adds what a record says to a counter. Nobody is online in a span for longer than it lasts
    /// so far: what a report brings over from the span before is cut off its time.
    pub(super) fn add(&mut self, meter: &Meter, record: &SessionRecord, amount: UsageAmount) {
        let begun = record.at.seconds_since(meter.span.starts_at).max(0);
        let amount = UsageAmount {
            session_seconds: amount.session_seconds.min(begun.unsigned_abs()),
            ..amount
        };
        let count = self
            .0
            .entry((meter.subscriber, meter.period))
            .or_insert_with(|| Count {
                tenant: record.tenant,
                username: fitting_text(&record.username).into(),
                span: meter.span,
                used: UsageAmount::default(),
                allowed: None,
            });
        count.span = meter.span;
        count.allowed = meter.allowed;
        count.used = count.used.plus(amount);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SubscriberId, PeriodCounted, &Count)> {
        self.0
            .iter()
            .map(|((subscriber, period), count)| (*subscriber, *period, count))
    }
}

impl Count {
    /// What a stored counter is for this one.
    pub(super) fn base(&self, stored: Option<Counter>) -> Base {
        match stored {
            Some(stored) if stored.span == self.span => Base::Known(stored.used),
            Some(stored) if self.span.ends_at <= stored.span.starts_at => Base::Passed,
            // Another period, or the same one of a plan that was changed.
            Some(_) | None => Base::Unknown,
        }
    }

    /// The counter after the addition, as a row holds it.
    pub(super) fn onto(&self, base: UsageAmount) -> Counter {
        let sum = base.plus(self.used);
        let bounded = |count| stored_count(count).unsigned_abs();
        Counter {
            span: self.span,
            used: UsageAmount {
                upload_bytes: bounded(sum.upload_bytes),
                download_bytes: bounded(sum.download_bytes),
                session_seconds: bounded(sum.session_seconds),
            },
        }
    }
}

/// What goes beyond quotas, and whose top-ups pay for it, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeMap<SubscriberId, (Payer, Beyond)>);

impl Due {
    /// Notes what adding to a counter went beyond.
    pub(super) fn add(
        &mut self,
        subscriber: SubscriberId,
        count: &Count,
        base: UsageAmount,
        counter: Counter,
    ) {
        let Some(allowed) = count.allowed else { return };
        let beyond = allowed.beyond(base, counter.used);
        if beyond.is_nothing() {
            return;
        }
        let payer = Payer {
            tenant: count.tenant,
            subscriber,
        };
        let due = self.0.entry(subscriber).or_insert((payer, beyond));
        due.1 = due.1.or(beyond);
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = (Payer, Beyond)> {
        self.0.into_values()
    }
}

pub(super) const fn news(
    subscriber: SubscriberId,
    period: PeriodCounted,
    counter: Counter,
) -> LimitNews {
    LimitNews {
        subscriber,
        fact: LimitFact::Counted { period, counter },
    }
}
