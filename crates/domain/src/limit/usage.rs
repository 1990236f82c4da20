//! What a subscriber has used of the periods that quotas last for.

use super::{Allowed, Period, Span};
use crate::id::SubscriberId;
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// A period whose usage is counted; that of a session is known from the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeriodCounted {
    Day,
    Week,
    Month,
    Total,
    Hour,
    Last24Hours,
    Last7Days,
    Last30Days,
}

/// Every period that is counted.
pub const PERIODS_COUNTED: [PeriodCounted; 8] = [
    PeriodCounted::Hour,
    PeriodCounted::Day,
    PeriodCounted::Week,
    PeriodCounted::Month,
    PeriodCounted::Total,
    PeriodCounted::Last24Hours,
    PeriodCounted::Last7Days,
    PeriodCounted::Last30Days,
];

/// What was used in one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    pub span: Span,
    pub used: UsageAmount,
}

/// What is known of a subscriber for the limits: the first use, and a counter for each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LimitUsage {
    pub first_use: Option<Timestamp>,
    counters: [Option<Counter>; PERIODS_COUNTED.len()],
}

/// Where the usage of an accounting record is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meter {
    pub subscriber: SubscriberId,
    pub period: PeriodCounted,
    pub span: Span,
    /// What is used beyond this is taken from the top-ups, when there are any.
    pub allowed: Option<Allowed>,
}

/// What is stored for the limits of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitNews {
    pub subscriber: SubscriberId,
    pub fact: LimitFact,
}

/// One stored fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFact {
    FirstUse(Timestamp),
    Counted {
        period: PeriodCounted,
        counter: Counter,
    },
}

impl PeriodCounted {
    pub const fn period(self) -> Period {
        match self {
            Self::Hour => Period::Hour,
            Self::Day => Period::Day,
            Self::Week => Period::Week,
            Self::Month => Period::Month,
            Self::Total => Period::Total,
            Self::Last24Hours => Period::Last24Hours,
            Self::Last7Days => Period::Last7Days,
            Self::Last30Days => Period::Last30Days,
        }
    }

    const fn is_rolling(self) -> bool {
        self.period().rolling_hours().is_some()
    }

    pub const fn as_str(self) -> &'static str {
        self.period().as_str()
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::of(Period::find(name)?)
    }

    pub const fn of(period: Period) -> Option<Self> {
        match period {
            Period::Session => None,
            Period::Hour => Some(Self::Hour),
            Period::Day => Some(Self::Day),
            Period::Week => Some(Self::Week),
            Period::Month => Some(Self::Month),
            Period::Total => Some(Self::Total),
            Period::Last24Hours => Some(Self::Last24Hours),
            Period::Last7Days => Some(Self::Last7Days),
            Period::Last30Days => Some(Self::Last30Days),
        }
    }
}

impl LimitUsage {
    pub const fn counter(&self, period: PeriodCounted) -> Option<Counter> {
        self.counters[period as usize]
    }

    /// What was used in this very span; nothing when another one was counted last. Of a rolling
    /// window that has moved on it is what it had before, which is no less, until it is counted anew.
    pub fn used(&self, period: PeriodCounted, span: Span) -> UsageAmount {
        let counter = self.counter(period);
        let same = counter.filter(|counter| {
            let is_before =
                counter.span.starts_at <= span.starts_at && span.starts_at < counter.span.ends_at;
            counter.span == span || period.is_rolling() && is_before
        });
        same.map(|counter| counter.used).unwrap_or_default()
    }

    pub const fn set(&mut self, period: PeriodCounted, counter: Counter) {
        self.counters[period as usize] = Some(counter);
    }

    /// Takes over what was counted, however late and however often the news comes: of one span the
    /// most, of two spans the later one. Spans that overlap are those of a plan that was changed,
    /// and what is told last holds.
    pub fn learn(&mut self, period: PeriodCounted, counter: Counter) {
        let place = &mut self.counters[period as usize];
        match place {
            Some(known) if known.span == counter.span => known.used = known.used.max(counter.used),
            Some(known) if counter.span.ends_at <= known.span.starts_at => {}
            Some(known) if period.is_rolling() && counter.span.starts_at < known.span.starts_at => {
            }
            Some(_) | None => *place = Some(counter),
        }
    }

    /// Takes over a stored fact.
    pub fn learn_fact(&mut self, fact: LimitFact) {
        match fact {
            LimitFact::FirstUse(at) => {
                self.learn_first_use(at);
            }
            LimitFact::Counted { period, counter } => self.learn(period, counter),
        }
    }

    /// Takes over a first use; the earliest one stays. Says whether it was news.
    pub fn learn_first_use(&mut self, at: Timestamp) -> bool {
        let is_news = self.first_use.is_none_or(|known| at < known);
        if is_news {
            self.first_use = Some(at);
        }
        is_news
    }
}
