//! How much of something there was: open sessions, and subscribers in each state. It is looked at
//! once in a while, and the hour keeps how much it was on average, at most and last.

use std::collections::BTreeMap;

use domain::id::{NasId, PlanId, TenantId};
use domain::subscriber::SubscriberStatus;
use domain::subscriber::state::AccessState;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::{HOUR_MICROS, ROWS_MAX, Range, Step};
use crate::bulk::Insert;
use crate::column::{MICROS_PER_DAY, loaded_count, stored_count};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// Rows whose plans are brought up to date in one transaction.
const FOLLOWED_MAX: u32 = 500;

const SESSIONS: &str = "sessions";
const SESSIONS_OF_NAS: &str = "sessions_of_nas";
const SESSIONS_OF_PLAN: &str = "sessions_of_plan";
const SUBSCRIBERS: &str = "subscribers";

/// Which open sessions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionsOf {
    Tenant,
    Plan(PlanId),
    Nas(NasId),
}

/// By what open sessions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionsBy {
    Plan,
    Nas,
}

/// How many there were in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaugeStep {
    pub starts_at: Timestamp,
    pub average: u64,
    pub peak: u64,
}

/// How many open sessions a plan or a router has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCount {
    /// Absent for the sessions of those who are on no plan.
    pub id: Option<Uuid>,
    pub name: Option<String>,
    pub open: u64,
}

/// How many subscribers were in a state when it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCount {
    pub state: AccessState,
    pub count: u64,
    pub at: Timestamp,
}

/// What was looked at: a tenant, what it is of, and which one.
type Samples = BTreeMap<(Uuid, &'static str, String), u64>;

impl Store {
    /// Looks how many sessions are open and how accounts stand, in all tenants, and writes it down.
    pub async fn gauge_sample(&self) -> Result<(), StoreError> {
        let mut samples = Samples::new();
        let tenants = self.dialect().statement("SELECT id FROM tenant", []);
        for row in self.reader().query_all_raw(tenants).await? {
            let tenant: Uuid = row.try_get_by_index(0)?;
            samples.insert((tenant, SESSIONS, String::new()), 0);
            for state in AccessState::ALL {
                samples.insert((tenant, SUBSCRIBERS, state.as_str().to_owned()), 0);
            }
        }
        self.sample_sessions(&mut samples).await?;
        self.sample_subscribers(&mut samples).await?;
        let write = self.write().await?;
        store(&write, samples).await?;
        write.commit().await
    }

    /// Open sessions over time, oldest first: only steps in which somebody looked.
    pub async fn session_counts(
        &self,
        tenant: TenantId,
        of: SessionsOf,
        step: Step,
        range: Range,
    ) -> Result<Vec<GaugeStep>, StoreError> {
        let (subject, object) = match of {
            SessionsOf::Tenant => (SESSIONS, String::new()),
            SessionsOf::Plan(plan) => (SESSIONS_OF_PLAN, plan.to_string()),
            SessionsOf::Nas(nas) => (SESSIONS_OF_NAS, nas.to_string()),
        };
        let starts_at = step.of_hour("a.starts_at");
        // Nothing is written down of a router without sessions: how often it was looked is what the
        // tenant's own row says.
        let sql = format!(
            "SELECT {starts_at} AS step, \
             CAST(COALESCE(SUM(g.total), 0) AS BIGINT) / CAST(SUM(a.samples) AS BIGINT), \
             CAST(COALESCE(MAX(g.peak), 0) AS BIGINT) \
             FROM gauge_hourly a LEFT JOIN gauge_hourly g ON g.tenant = a.tenant \
             AND g.subject = $4 AND g.object = $5 AND g.starts_at = a.starts_at \
             WHERE a.tenant = $3 AND a.subject = '{SESSIONS}' AND a.object = '' \
             AND a.starts_at >= $1 AND a.starts_at < $2 \
             GROUP BY {starts_at} ORDER BY 1 LIMIT {ROWS_MAX}"
        );
        let whose: [Value; 3] = [tenant.as_uuid().into(), subject.into(), object.into()];
        let values = range.values().into_iter().chain(whose);
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            Ok(GaugeStep {
                starts_at: Timestamp::from_micros(row.try_get_by_index(0)?),
                average: loaded_count(row.try_get_by_index(1)?),
                peak: loaded_count(row.try_get_by_index(2)?),
            })
        };
        let steps = rows.iter().map(read).collect::<Result<_, DbErr>>();
        Ok(steps?)
    }

    /// How many sessions are open now.
    pub async fn session_count(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM session_open WHERE tenant = $1";
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        let row = self.reader().query_one_raw(statement).await?;
        let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(count.map_or(0, loaded_count))
    }

    /// How many sessions are open now, by plan or router, the most first.
    pub async fn session_shares(
        &self,
        tenant: TenantId,
        by: SessionsBy,
        limit: u32,
    ) -> Result<Vec<SessionCount>, StoreError> {
        let (column, names) = match by {
            SessionsBy::Plan => ("plan", "plan n ON n.id = c.object"),
            SessionsBy::Nas => ("nas", "nas_name n ON n.nas = c.object"),
        };
        let sql = format!(
            "SELECT c.object, n.name, c.open FROM (\
             SELECT {column} AS object, COUNT(*) AS open FROM session_open WHERE tenant = $1 \
             GROUP BY {column}) AS c LEFT JOIN {names} \
             ORDER BY c.open DESC, c.object LIMIT {}",
            limit.clamp(1, 1_000)
        );
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            Ok(SessionCount {
                id: row.try_get_by_index(0)?,
                name: row.try_get_by_index(1)?,
                open: loaded_count(row.try_get_by_index(2)?),
            })
        };
        let shares = rows.iter().map(read).collect::<Result<_, DbErr>>();
        Ok(shares?)
    }

    /// How many subscribers were in each state when somebody looked last; nothing before the first
    /// look.
    pub async fn subscriber_states(&self, tenant: TenantId) -> Result<Vec<StateCount>, StoreError> {
        let sql = "SELECT latest, latest_at FROM gauge_hourly WHERE tenant = $1 AND subject = $2 \
            AND object = $3 ORDER BY starts_at DESC LIMIT 1";
        let mut counts = Vec::with_capacity(AccessState::ALL.len());
        for state in AccessState::ALL {
            let values = [
                tenant.as_uuid().into(),
                SUBSCRIBERS.into(),
                state.as_str().into(),
            ];
            let statement = self.dialect().statement(sql, values);
            if let Some(row) = self.reader().query_one_raw(statement).await? {
                counts.push(StateCount {
                    state,
                    count: loaded_count(row.try_get_by_index(0)?),
                    at: Timestamp::from_micros(row.try_get_by_index(1)?),
                });
            }
        }
        Ok(counts)
    }

    /// Gives open sessions the plans of their subscribers, where they have another: a session may
    /// begin while its subscriber is moved. Says how many had.
    pub async fn session_plans_follow(&self) -> Result<u64, StoreError> {
        let select = format!(
            "SELECT s.id, u.plan FROM session_open s JOIN subscriber u ON u.id = s.subscriber \
             WHERE s.plan IS NULL OR s.plan <> u.plan LIMIT {FOLLOWED_MAX}"
        );
        let mut followed = 0;
        loop {
            let statement = self.dialect().statement(select.clone(), []);
            let rows = self.reader().query_all_raw(statement).await?;
            if rows.is_empty() {
                return Ok(followed);
            }
            let write = self.write().await?;
            for row in &rows {
                let id: Uuid = row.try_get_by_index(0)?;
                let plan: Uuid = row.try_get_by_index(1)?;
                let set = "UPDATE session_open SET plan = $2 WHERE id = $1";
                let statement = write.dialect().statement(set, [id.into(), plan.into()]);
                write.connection().execute_raw(statement).await?;
            }
            write.commit().await?;
            followed += rows.len() as u64;
            if rows.len() < FOLLOWED_MAX as usize {
                return Ok(followed);
            }
        }
    }

    async fn sample_sessions(&self, samples: &mut Samples) -> Result<(), StoreError> {
        for (column, subject) in [("nas", SESSIONS_OF_NAS), ("plan", SESSIONS_OF_PLAN)] {
            let sql = format!(
                "SELECT tenant, {column}, COUNT(*) FROM session_open GROUP BY tenant, {column}"
            );
            let statement = self.dialect().statement(sql, []);
            for row in self.reader().query_all_raw(statement).await? {
                let tenant: Uuid = row.try_get_by_index(0)?;
                let object: Option<Uuid> = row.try_get_by_index(1)?;
                let count = loaded_count(row.try_get_by_index(2)?);
                if column == "nas" {
                    *samples
                        .entry((tenant, SESSIONS, String::new()))
                        .or_default() += count;
                }
                if let Some(object) = object {
                    samples.insert((tenant, subject, object.to_string()), count);
                }
            }
        }
        Ok(())
    }

    async fn sample_subscribers(&self, samples: &mut Samples) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT u.tenant, u.status, COUNT(*), \
             COUNT(CASE WHEN u.expires_at <= $1 THEN 1 END), \
             COUNT(CASE WHEN u.expires_at + p.grace_days * {MICROS_PER_DAY} <= $1 THEN 1 END) \
             FROM subscriber u JOIN plan p ON p.id = u.plan GROUP BY u.tenant, u.status"
        );
        let values = [self.now().as_micros().into()];
        let statement = self.dialect().statement(sql, values);
        for row in self.reader().query_all_raw(statement).await? {
            let tenant: Uuid = row.try_get_by_index(0)?;
            let status: String = row.try_get_by_index(1)?;
            let count = |index| row.try_get_by_index(index).map(loaded_count);
            let (all, past, ended) = (count(2)?, count(3)?, count(4)?);
            let Ok(status) = status.parse::<SubscriberStatus>() else {
                continue;
            };
            let states: &[(AccessState, u64)] = match status {
                SubscriberStatus::Pending => &[(AccessState::Pending, all)],
                SubscriberStatus::SuspendedWalled => &[(AccessState::SuspendedWalled, all)],
                SubscriberStatus::SuspendedHard => &[(AccessState::SuspendedHard, all)],
                SubscriberStatus::Disabled => &[(AccessState::Disabled, all)],
                SubscriberStatus::Active => &[
                    (AccessState::Active, all.saturating_sub(past)),
                    (AccessState::Grace, past.saturating_sub(ended)),
                    (AccessState::Expired, ended),
                ],
            };
            for (state, count) in states {
                samples.insert((tenant, SUBSCRIBERS, state.as_str().to_owned()), *count);
            }
        }
        Ok(())
    }
}

async fn store(write: &Write, samples: Samples) -> Result<(), DbErr> {
    let greatest = Dialect::of(write.connection()).greatest();
    let on_conflict = format!(
        "ON CONFLICT (tenant, subject, object, starts_at) DO UPDATE SET \
         samples = gauge_hourly.samples + 1, total = gauge_hourly.total + excluded.total, \
         peak = {greatest}(gauge_hourly.peak, excluded.peak), latest = excluded.latest, \
         latest_at = excluded.latest_at"
    );
    let insert = Insert {
        table: "gauge_hourly",
        columns: &[
            "tenant",
            "subject",
            "object",
            "starts_at",
            "samples",
            "total",
            "peak",
            "latest",
            "latest_at",
        ],
        on_conflict: &on_conflict,
    };
    let at = write.at().as_micros();
    let hour = at.div_euclid(HOUR_MICROS) * HOUR_MICROS;
    let rows = samples
        .into_iter()
        .map(|((tenant, subject, object), count)| {
            let count = stored_count(count);
            [
                tenant.into(),
                subject.into(),
                object.into(),
                hour.into(),
                1_i64.into(),
                count.into(),
                count.into(),
                count.into(),
                at.into(),
            ]
        });
    insert.run(write.connection(), rows).await
}
