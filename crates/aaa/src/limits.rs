//! What subscribers have used of the limits of their plans and rows, in memory: read without locks, brought up by
//! what the journal has committed and by what other nodes have stored.
//!
//! Counters are never added to here. The database adds in the journal's transaction and says what
//! a counter is then, and the greatest of what was heard holds; so nothing is counted twice,
//! whatever comes twice, late or out of order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::accounting::{AccountingRecord, SessionEvent, SessionRecord};
use domain::id::{SubscriberId, TenantId};
use domain::limit::{
    self, Allowed, LimitFact, LimitNews, LimitUsage, Limits, Meter, PERIODS_COUNTED, Period,
    PeriodCounted, Resets, Standing, TopUp, ValidityStart, Zone,
};
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use foldhash::fast::RandomState;
use papaya::HashMap;

use crate::directory::{Directory, SubscriberEntry};
use crate::metrics::{Count, Metrics};
use crate::port::{Committed, LimitQuestion, Stored};
use crate::rights::notices::Notices;
use crate::row_limits::RowAccount;

mod crossing;
mod keeper;
mod wishes;

pub use crossing::{Consequence, LimitCrossed};
pub(crate) use keeper::LimitKeeper;

use crossing::Crossings;
use wishes::Wishes;

/// Facts that are taken over before a login that wants to note one has its turn.
const LEARNT_IN_A_TURN: usize = 256;

/// How far the beginning of a session may be off that is computed from its length.
const BEGIN_SLACK_SECONDS: i64 = 5;

/// Who uses something up, and under which name accounting has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) id: SubscriberId,
    pub(crate) tenant: TenantId,
    pub(crate) username: &'a str,
}

/// Whose limits are weighed when usage is reported.
struct Account<'a> {
    id: SubscriberId,
    purchased_at: Timestamp,
    top_ups: &'a [TopUp],
}

impl<'a> From<&'a Subscriber> for Owner<'a> {
    fn from(subscriber: &'a Subscriber) -> Self {
        Self {
            id: subscriber.id,
            tenant: subscriber.tenant,
            username: subscriber.username.as_str(),
        }
    }
}

/// The usage of subscribers whose plans have limits, and of users whose rows have.
#[derive(Debug)]
pub struct LimitTable {
    usage: HashMap<SubscriberId, LimitUsage, RandomState>,
    /// Held by who writes: what is written rests on what was read.
    turn: Mutex<()>,
    crossings: Crossings,
    /// What the database is to be asked and told.
    wishes: Wishes,
    metrics: Arc<Metrics>,
    notices: Notices,
}

impl LimitTable {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            usage: HashMap::with_hasher(RandomState::default()),
            turn: Mutex::default(),
            crossings: Crossings::default(),
            wishes: Wishes::default(),
            metrics,
            notices: Notices::default(),
        }
    }

    /// What is known of a subscriber; nothing until something was heard.
    pub fn usage(&self, subscriber: SubscriberId) -> LimitUsage {
        let usage = self.usage.pin();
        usage.get(&subscriber).copied().unwrap_or_default()
    }

    /// The same for a login. A period that nobody has counted yet is asked for; usually it has only
    /// just begun.
    pub(crate) fn usage_at_login(
        &self,
        owner: &Owner<'_>,
        limits: &Limits,
        now: Timestamp,
    ) -> LimitUsage {
        let usage = self.usage(owner.id);
        for meter in meters(owner.id, limits, now) {
            let counter = usage.counter(meter.period);
            if counter.is_some_and(|counter| counter.span == meter.span) {
                continue;
            }
            let question = LimitQuestion {
                tenant: owner.tenant,
                username: owner.username.into(),
                meter,
            };
            if !self.wishes.ask(question) {
                self.metrics.count(Count::LimitWishLost);
            }
        }
        usage
    }

    /// The questions that wait for the database.
    pub(crate) fn take_questions(&self) -> Vec<LimitQuestion> {
        self.wishes.take().questions
    }

    /// Notes that the subscriber was let in: validity may begin with the first time.
    pub(crate) fn note_use(&self, subscriber: SubscriberId, limits: &Limits, at: Timestamp) {
        let begins_now = limits
            .validity
            .is_some_and(|validity| validity.start == ValidityStart::FirstUse);
        if begins_now {
            self.note_first_use(subscriber, at);
        }
    }

    fn note_first_use(&self, subscriber: SubscriberId, at: Timestamp) {
        let known = self.usage(subscriber).first_use;
        if known.is_some_and(|known| known <= at) {
            return;
        }
        // Learnt only when it is going to be stored: if not, the next use is the first one.
        if self.wishes.note_first_use(subscriber, at) {
            self.learn(&[LimitNews {
                subscriber,
                fact: LimitFact::FirstUse(at),
            }]);
        } else {
            self.metrics.count(Count::LimitWishLost);
        }
    }

    /// Takes over what is stored.
    pub fn learn(&self, news: &[LimitNews]) {
        let table = self.usage.pin();
        for some in news.chunks(LEARNT_IN_A_TURN) {
            let _turn = self.turn();
            for LimitNews { subscriber, fact } in some {
                let known = table.get(subscriber).copied().unwrap_or_default();
                let mut usage = known;
                usage.learn_fact(*fact);
                if usage != known {
                    table.insert(*subscriber, usage);
                }
            }
        }
    }

    /// Where the usage of records is to be counted: in the periods of this moment. What happened
    /// in an earlier period decides nothing any more.
    pub(crate) fn meters(
        &self,
        directory: &Directory,
        records: &[AccountingRecord],
        now: Timestamp,
    ) -> Vec<(usize, Meter)> {
        let mut all = Vec::new();
        if !directory.has_limits() {
            return all;
        }
        for (index, record) in records.iter().enumerate() {
            let AccountingRecord::Session(record) = record else {
                continue;
            };
            let mut add = |meter: Meter| {
                if meter.span.contains(record.at) {
                    all.push((index, meter));
                }
            };
            if let Some(entry) = find_entry(directory, record) {
                let has_top_ups = !entry.subscriber.top_ups().is_empty();
                with_limits(&entry, |limits| {
                    for meter in meters(entry.subscriber.id, limits, now) {
                        let period = meter.period.period();
                        add(Meter {
                            allowed: has_top_ups.then(|| Allowed::of(&limits.quotas, period)),
                            ..meter
                        });
                    }
                });
            } else if let Some(account) = RowAccount::find(directory, record) {
                let zone = directory.policies().time_zone(record.tenant);
                let spans = account
                    .periods()
                    .filter_map(|period| meter(account.id, period, Resets::FREERADIUS, &zone, now));
                spans.for_each(add);
            }
        }
        all
    }

    /// Looks whose limits are reached, now that records are stored and what they were counted for
    /// is known.
    pub(crate) fn follow(
        &self,
        directory: &Directory,
        records: &[AccountingRecord],
        committed: &Committed,
        now: Timestamp,
    ) {
        let Committed { stored, counted } = committed;
        self.learn(counted);
        if !directory.has_limits() {
            return;
        }
        for (record, stored) in records.iter().zip(stored) {
            let record = match record {
                AccountingRecord::Session(record) => record,
                AccountingRecord::NasRestart(restart) => {
                    // Those of its other routers are noted again with their next report.
                    self.crossings.end_nas(restart.nas);
                    continue;
                }
            };
            let has_ended = matches!(stored, Stored::Session { is_open: false, .. });
            if let Some(subscriber) = record.subscriber.filter(|_| has_ended) {
                self.crossings.end(subscriber, record.key);
            }
            if record.terms.is_some_and(|terms| terms.is_walled()) {
                // It is not on the terms of the plan.
                continue;
            }
            if let Some(entry) = find_entry(directory, record) {
                let id = entry.subscriber.id;
                with_limits(&entry, |limits| {
                    self.note_use(id, limits, record.at);
                    if has_ended {
                        return;
                    }
                    let account = Account {
                        id,
                        purchased_at: entry.subscriber.purchased_at(),
                        top_ups: entry.subscriber.top_ups(),
                    };
                    self.weigh(&account, limits, record, now);
                });
            } else if let Some(account) = RowAccount::find(directory, record) {
                if account.counts_from_first_use() {
                    self.note_first_use(account.id, record.started_at());
                }
                if has_ended {
                    continue;
                }
                if let Some(limits) = account.limits(directory, record, now) {
                    let account = Account {
                        id: account.id,
                        purchased_at: account.id.counted_since(),
                        top_ups: &[],
                    };
                    self.weigh(&account, &limits, record, now);
                }
            }
        }
    }

    fn weigh(
        &self,
        account: &Account<'_>,
        limits: &Limits,
        record: &SessionRecord,
        now: Timestamp,
    ) {
        let subscriber = account.id;
        let usage = self.usage(subscriber);
        let standing = Standing {
            usage: &usage,
            purchased_at: account.purchased_at,
            session: record.total,
            top_ups: account.top_ups,
        };
        let consequence = match limit::evaluate(limits, &standing, now) {
            Err(refusal) => Consequence::End(refusal),
            Ok(allowance) => match allowance.crossing {
                Some(crossing) => {
                    let since = self.crossings.since(subscriber, crossing, now);
                    if since <= began_at(record).plus_seconds(BEGIN_SLACK_SECONDS) {
                        // It began on the terms that apply at the limit.
                        return self.crossings.end(subscriber, record.key);
                    }
                    Consequence::Change {
                        crossing,
                        to: limits.at_limit,
                    }
                }
                None => {
                    if self.crossings.clear(subscriber, record.key) {
                        self.notices.look_at(subscriber);
                    }
                    return;
                }
            },
        };
        if record.event == SessionEvent::Stop {
            return self.crossings.end(subscriber, record.key);
        }
        let is_news = self.crossings.note(
            &self.metrics,
            LimitCrossed {
                tenant: record.tenant,
                subscriber,
                username: record.username.clone(),
                nas: record.nas,
                session: record.key,
                at: now,
                consequence,
            },
        );
        if is_news {
            self.notices.look_at(subscriber);
        }
    }

    /// Waits for sessions that go on beyond a limit, each once. One listens.
    pub async fn crossed(&self) -> Vec<LimitCrossed> {
        self.crossings.next().await
    }

    /// Whose sessions have to be looked at, because of what was used.
    pub(crate) const fn notices(&self) -> &Notices {
        &self.notices
    }

    pub fn len(&self) -> usize {
        self.usage.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everybody who is not kept.
    fn keep(&self, is_kept: impl Fn(SubscriberId) -> bool) {
        let _turn = self.turn();
        self.usage
            .pin()
            .retain(|subscriber, _| is_kept(*subscriber));
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // Whoever panicked left whole entries behind.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the session of a record began, by its own account.
fn began_at(record: &SessionRecord) -> Timestamp {
    let seconds = i64::try_from(record.total.session_seconds).unwrap_or(i64::MAX);
    record.at.plus_seconds(seconds.saturating_neg())
}

/// The periods of this moment that a subscriber's quotas last for.
fn meters(
    subscriber: SubscriberId,
    limits: &Limits,
    now: Timestamp,
) -> impl Iterator<Item = Meter> {
    let periods = PERIODS_COUNTED.into_iter().map(PeriodCounted::period);
    let periods = periods.filter(|period| limits.quotas.has(*period));
    periods.filter_map(move |period| meter(subscriber, period, limits.resets, &limits.zone, now))
}

/// Where the usage of a period is counted; nowhere when it is that of a session.
fn meter(
    subscriber: SubscriberId,
    period: Period,
    resets: Resets,
    zone: &Zone,
    now: Timestamp,
) -> Option<Meter> {
    Some(Meter {
        subscriber,
        period: PeriodCounted::of(period)?,
        span: resets.span(period, zone, now)?,
        allowed: None,
    })
}

/// The subscriber whom a record is of.
fn find_entry(directory: &Directory, record: &SessionRecord) -> Option<Arc<SubscriberEntry>> {
    let entry = directory.find_subscriber(record.tenant, &record.username)?;
    (record.subscriber == Some(entry.subscriber.id)).then_some(entry)
}

fn with_limits(entry: &SubscriberEntry, look: impl FnOnce(&Limits)) {
    let plan = entry.plan.load();
    if let Some(limits) = plan
        .as_deref()
        .and_then(|plan| plan.terms.limits.as_deref())
    {
        look(limits);
    }
}
