//! Sessions that ended elsewhere: closed ones, and the usage of their days, each once.

use std::collections::{BTreeMap, HashSet};

use domain::accounting::TerminateCause;
use domain::id::{NasId, TenantId};
use domain::name::Name;
use domain::session::ClosedSession;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use sea_orm::{DbErr, QueryResult, Value};
use uuid::Uuid;

use crate::bulk::{Insert, select_in};
use crate::column::{find_stored_text, stored_count, stored_text};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::nas::remember_name;
use crate::store::Store;

const DAY_SECONDS: i64 = 86_400;
/// Days over which the usage of one session is spread; what lasted longer is counted on the last.
const DAYS_MAX: i64 = 400;

const CLOSED: Insert<'static> = Insert {
    table: "session_closed",
    columns: &[
        "id",
        "key",
        "tenant",
        "nas",
        "auth",
        "subscriber",
        "username",
        "started_at",
        "updated_at",
        "upload_bytes",
        "download_bytes",
        "session_seconds",
        "acct_session_id",
        "nas_address",
        "nas_port",
        "framed_ipv4",
        "framed_ipv6_prefix",
        "delegated_ipv6_prefix",
        "calling_station",
        "called_station",
        "stopped_at",
        "cause",
    ],
    on_conflict: "",
};

/// Days of usage by tenant and user.
type Days = BTreeMap<(Uuid, String, i64), UsageAmount>;

impl Store {
    /// Stores closed sessions that are not stored yet, with the usage of their days, all or none.
    /// `names` are what routers are called that the registry does not have. Gives how many were
    /// new.
    pub async fn session_import(
        &self,
        sessions: &[ClosedSession],
        names: &[(NasId, Name)],
    ) -> Result<usize, StoreError> {
        let write = self.write().await?;
        let connection = write.connection();
        let ids: Vec<Value> = sessions.iter().map(|one| id(one).into()).collect();
        let head = "SELECT id FROM session_closed WHERE id IN";
        let known = select_in(connection, head, &ids, "").await?;
        let read = |row: &QueryResult| row.try_get_by_index::<Uuid>(0);
        let mut known = known
            .iter()
            .map(read)
            .collect::<Result<HashSet<_>, DbErr>>()?;
        let new: Vec<_> = sessions
            .iter()
            .filter(|one| known.insert(id(one)))
            .collect();
        CLOSED
            .run(connection, new.iter().map(|one| values(one)))
            .await?;
        let mut days = Days::new();
        for session in &new {
            add_days(session, &mut days);
        }
        let on_conflict = on_conflict(write.dialect());
        let usage = Insert {
            table: "usage_daily",
            columns: &[
                "tenant",
                "username",
                "starts_at",
                "upload_bytes",
                "download_bytes",
                "session_seconds",
            ],
            on_conflict: &on_conflict,
        };
        let rows = days.into_iter().map(|((tenant, username, day), used)| {
            [
                tenant.into(),
                username.into(),
                day.into(),
                stored_count(used.upload_bytes).into(),
                stored_count(used.download_bytes).into(),
                stored_count(used.session_seconds).into(),
            ]
        });
        usage.run(connection, rows).await?;
        for (nas, name) in names {
            remember_name(&write, *nas, TenantId::DEFAULT, name).await?;
        }
        let count = new.len();
        write.commit().await?;
        Ok(count)
    }
}

fn id(session: &ClosedSession) -> Uuid {
    session.session.id.as_uuid()
}

fn on_conflict(dialect: Dialect) -> String {
    let counters = ["upload_bytes", "download_bytes", "session_seconds"];
    let sums = counters.map(|counter| dialect.sum_assignment("usage_daily", counter));
    format!(
        "ON CONFLICT (tenant, username, starts_at) DO UPDATE SET {}",
        sums.join(", ")
    )
}

fn values(closed: &ClosedSession) -> [Value; 22] {
    let session = &closed.session;
    let place = &session.place;
    [
        session.id.as_uuid().into(),
        Uuid::from_bytes(session.key.0).into(),
        session.tenant.as_uuid().into(),
        session.nas.as_uuid().into(),
        session.auth.map(|auth| auth.as_uuid()).into(),
        session.subscriber.map(|id| id.as_uuid()).into(),
        stored_text(&session.username).into(),
        session.started_at.as_micros().into(),
        session.updated_at.as_micros().into(),
        stored_count(session.total.upload_bytes).into(),
        stored_count(session.total.download_bytes).into(),
        stored_count(session.total.session_seconds).into(),
        stored_text(&place.acct_session_id).into(),
        place.nas_address.map(|address| address.to_string()).into(),
        find_stored_text(place.nas_port.as_deref()).into(),
        place.framed_ipv4.map(|address| address.to_string()).into(),
        place.framed_ipv6_prefix.map(|net| net.to_string()).into(),
        place
            .delegated_ipv6_prefix
            .map(|net| net.to_string())
            .into(),
        find_stored_text(place.calling_station.as_deref()).into(),
        find_stored_text(place.called_station.as_deref()).into(),
        closed.stopped_at.as_micros().into(),
        closed.cause.map(TerminateCause::to_stored).into(),
    ]
}

/// Spreads what a session used over its days (UTC), as if it had used it evenly. What does not
/// divide is on the last day, so that the sum is what was reported.
fn add_days(closed: &ClosedSession, days: &mut Days) {
    let session = &closed.session;
    let owner = session.tenant.as_uuid();
    let begun = session.started_at.min(closed.stopped_at);
    let last = closed.stopped_at.day_start();
    let first = begun
        .day_start()
        .max(last.plus_seconds(-DAY_SECONDS * (DAYS_MAX - 1)));
    let whole = closed
        .stopped_at
        .seconds_since(begun.max(first))
        .max(1)
        .unsigned_abs();
    let mut left = session.total;
    let mut day = first;
    while day < last {
        let from = begun.max(day);
        let next = day.plus_seconds(DAY_SECONDS);
        let share = next.seconds_since(from).unsigned_abs();
        let used = UsageAmount {
            upload_bytes: part(session.total.upload_bytes, share, whole),
            download_bytes: part(session.total.download_bytes, share, whole),
            session_seconds: part(session.total.session_seconds, share, whole),
        };
        add(days, (owner, &session.username, day), used);
        left = left.since(used);
        day = next;
    }
    add(days, (owner, &session.username, last), left);
}

fn part(amount: u64, share: u64, whole: u64) -> u64 {
    let product = u128::from(amount) * u128::from(share) / u128::from(whole);
    u64::try_from(product).unwrap_or(u64::MAX)
}

fn add(days: &mut Days, (owner, username, day): (Uuid, &str, Timestamp), used: UsageAmount) {
    if used.is_zero() {
        return;
    }
    let key = (owner, stored_text(username), day.as_micros());
    let sum = days.entry(key).or_default();
    *sum = sum.plus(used);
}

#[cfg(test)]
mod tests {
    use domain::accounting::{SessionKey, SessionPlace};
    use domain::id::{NasId, SessionId};
    use domain::session::Session;

    use super::*;

    fn session(started: i64, stopped: i64, bytes: u64) -> ClosedSession {
        ClosedSession {
            session: Session {
                terms: None,
                id: SessionId::from_bytes([1; 16]),
                key: SessionKey([1; 16]),
                tenant: TenantId::DEFAULT,
                nas: NasId::from_bytes([2; 16]),
                auth: None,
                subscriber: None,
                username: "ana".to_owned(),
                started_at: Timestamp::from_seconds(started),
                updated_at: Timestamp::from_seconds(stopped),
                total: UsageAmount {
                    upload_bytes: bytes,
                    download_bytes: 0,
                    session_seconds: 0,
                },
                place: SessionPlace::default(),
            },
            stopped_at: Timestamp::from_seconds(stopped),
            cause: None,
        }
    }

    #[track_caller]
    fn check(started: i64, stopped: i64, bytes: u64, expected: &[(i64, u64)]) {
        let mut days = Days::new();
        add_days(&session(started, stopped, bytes), &mut days);
        let found: Vec<(i64, u64)> = days
            .iter()
            .map(|((_, _, day), used)| (day / 1_000_000 / DAY_SECONDS, used.upload_bytes))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn usage_is_spread_over_the_days_and_nothing_is_lost() {
        let day = DAY_SECONDS;
        check(10 * day, 10 * day + 60, 7, &[(10, 7)]);
        check(
            10 * day + day / 2,
            12 * day + day / 2,
            1_000,
            &[(10, 250), (11, 500), (12, 250)],
        );
        check(
            10 * day + day / 2,
            12 * day,
            10,
            &[(10, 3), (11, 6), (12, 1)],
        );
        // More than a router counts in 32 bits.
        check(10 * day, 10 * day + 1, u64::MAX, &[(10, u64::MAX)]);
        check(5 * day, 4 * day, 9, &[(4, 9)]);
    }

    #[test]
    fn a_session_of_years_is_spread_over_so_many_days() {
        let mut days = Days::new();
        add_days(&session(0, 2_000 * DAY_SECONDS + 1, 1 << 40), &mut days);
        assert!(days.len() <= 400);
        assert_eq!(
            days.values().map(|used| used.upload_bytes).sum::<u64>(),
            1 << 40
        );
    }
}
