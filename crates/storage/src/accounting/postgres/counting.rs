//! The counters of limits: loaded and locked, added to, and written back.

use domain::id::{Id, SubscriberId};
use domain::limit::{Counter, LimitNews, PeriodCounted, Span};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::paying;
use crate::accounting::counts::{Base, Count, Counts, Due, news};
use crate::column::{loaded_count, stored_count};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::limit;

/// Locks that keep two writers from beginning the same counter.
const STRIPES: u8 = 128;
/// Names our family among the advisory locks with two keys.
const STRIPE_FAMILY: i32 = 0x6c69_6d74;

const SELECT: &str = "SELECT l.subscriber, l.kind, l.starts_at, l.ends_at, l.upload_bytes, \
    l.download_bytes, l.session_seconds \
    FROM unnest($1::UUID[], $2::TEXT[]) AS n (subscriber, kind) \
    JOIN limit_state l ON l.subscriber = n.subscriber AND l.kind = n.kind \
    ORDER BY l.subscriber, l.kind FOR UPDATE OF l";

const SET: &str = "INSERT INTO limit_state (subscriber, kind, starts_at, ends_at, upload_bytes, \
    download_bytes, session_seconds, updated_at) \
    SELECT *, $8::BIGINT FROM unnest($1::UUID[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[], \
    $5::BIGINT[], $6::BIGINT[], $7::BIGINT[]) \
    ON CONFLICT (subscriber, kind) DO UPDATE SET starts_at = excluded.starts_at, \
    ends_at = excluded.ends_at, upload_bytes = excluded.upload_bytes, \
    download_bytes = excluded.download_bytes, session_seconds = excluded.session_seconds, \
    updated_at = excluded.updated_at";

/// One counter that is added to.
struct Place<'a> {
    subscriber: SubscriberId,
    period: PeriodCounted,
    count: &'a Count,
    stored: Option<Counter>,
}

/// Adds to the counters, and says what they are then. The hours must not have been added to yet,
/// because a counter may begin with them.
pub(super) async fn count(
    connection: &mut PgConnection,
    counts: &Counts,
    at: Timestamp,
) -> Result<Vec<LimitNews>, StoreError> {
    let mut places: Vec<_> = counts
        .iter()
        .map(|(subscriber, period, count)| Place {
            subscriber,
            period,
            count,
            stored: None,
        })
        .collect();
    load(connection, &mut places).await?;
    lock_missing(connection, &places).await?;
    if places.iter().any(|place| place.stored.is_none()) {
        // Somebody else may have begun one in the meantime.
        load(connection, &mut places).await?;
    }
    let base = |place: &Place<'_>| place.count.base(place.stored);
    let unknown = places.iter().filter(|place| base(place) == Base::Unknown);
    let mut sums = sums(connection, unknown).await?.into_iter();
    let mut counted = Vec::with_capacity(places.len());
    let mut due = Due::default();
    for place in &places {
        let base = match base(place) {
            Base::Known(used) => Some(used),
            Base::Passed => None,
            Base::Unknown => sums.next(),
        };
        if let Some(base) = base {
            let counter = place.count.onto(base);
            due.add(place.subscriber, place.count, base, counter);
            counted.push((place, counter));
        }
    }
    write(connection, &counted, at).await?;
    for (payer, beyond) in due.into_all() {
        paying::pay(connection, payer, beyond, at).await?;
    }
    let news = counted
        .into_iter()
        .map(|(place, counter)| news(place.subscriber, place.period, counter));
    Ok(news.collect())
}

/// Loads the counters that are there, and keeps other writers from them.
async fn load(connection: &mut PgConnection, places: &mut [Place<'_>]) -> Result<(), StoreError> {
    let (subscribers, kinds) = keys(places.iter().filter(|place| place.stored.is_none()));
    let rows = sqlx::query(SELECT).bind(subscribers).bind(kinds);
    for row in rows.fetch_all(connection).await? {
        let subscriber = Id::from_uuid(row.try_get(0)?);
        let Some(period) = PeriodCounted::find(row.try_get(1)?) else {
            continue;
        };
        // They are in the order of their keys.
        let key = |place: &Place<'_>| (place.subscriber, place.period);
        if let Ok(found) = places.binary_search_by_key(&(subscriber, period), key) {
            places[found].stored = Some(counter(&row)?);
        }
    }
    Ok(())
}

/// Waits for others that begin the same counters.
async fn lock_missing(
    connection: &mut PgConnection,
    places: &[Place<'_>],
) -> Result<(), StoreError> {
    let missing = places.iter().filter(|place| place.stored.is_none());
    // The last octet of an id is random.
    let stripe = |place: &Place<'_>| place.subscriber.as_bytes()[15] % STRIPES;
    let stripes: std::collections::BTreeSet<_> = missing.map(stripe).collect();
    if stripes.is_empty() {
        return Ok(());
    }
    let locks = stripes
        .iter()
        .map(|stripe| format!("pg_advisory_xact_lock({STRIPE_FAMILY}, {stripe})"));
    let sql = format!("SELECT {}", locks.collect::<Vec<_>>().join(", "));
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// What the hours say about periods that nobody has counted, in their order. At midnight these are
/// those of a whole batch, so one statement asks for all of them.
async fn sums<'a>(
    connection: &mut PgConnection,
    places: impl Iterator<Item = &'a Place<'a>>,
) -> Result<Vec<UsageAmount>, StoreError> {
    let (mut tenants, mut usernames, mut since) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        tenants.push(place.count.tenant.as_uuid());
        usernames.push(place.count.username.to_string());
        since.push(limit::counted_from(place.subscriber, place.count.span).as_micros());
    }
    if tenants.is_empty() {
        return Ok(Vec::new());
    }
    let sum = limit::sums_sql(Dialect::Postgres, ["n.tenant", "n.username", "n.since"]);
    let sql = format!(
        "SELECT used.* FROM unnest($1::UUID[], $2::TEXT[], $3::BIGINT[]) \
         WITH ORDINALITY AS n (tenant, username, since, number) \
         CROSS JOIN LATERAL ({sum}) AS used (upload, download, seconds) ORDER BY n.number"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(tenants)
        .bind(usernames)
        .bind(since)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| amount(row, 0)).collect()
}

async fn write(
    connection: &mut PgConnection,
    counted: &[(&Place<'_>, Counter)],
    at: Timestamp,
) -> Result<(), StoreError> {
    let (subscribers, kinds) = keys(counted.iter().map(|(place, _)| *place));
    let number = |of: fn(&Counter) -> i64| -> Vec<i64> {
        counted.iter().map(|(_, counter)| of(counter)).collect()
    };
    sqlx::query(SET)
        .bind(subscribers)
        .bind(kinds)
        .bind(number(|counter| counter.span.starts_at.as_micros()))
        .bind(number(|counter| counter.span.ends_at.as_micros()))
        .bind(number(|counter| stored_count(counter.used.upload_bytes)))
        .bind(number(|counter| stored_count(counter.used.download_bytes)))
        .bind(number(|counter| stored_count(counter.used.session_seconds)))
        .bind(at.as_micros())
        .execute(connection)
        .await?;
    Ok(())
}

fn keys<'a>(places: impl Iterator<Item = &'a Place<'a>>) -> (Vec<Uuid>, Vec<String>) {
    places
        .map(|place| (place.subscriber.as_uuid(), place.period.as_str().to_owned()))
        .unzip()
}

fn counter(row: &PgRow) -> Result<Counter, StoreError> {
    Ok(Counter {
        span: Span {
            starts_at: Timestamp::from_micros(row.try_get(2)?),
            ends_at: Timestamp::from_micros(row.try_get(3)?),
        },
        used: amount(row, 4)?,
    })
}

fn amount(row: &PgRow, first: usize) -> Result<UsageAmount, StoreError> {
    Ok(UsageAmount {
        upload_bytes: loaded_count(row.try_get(first)?),
        download_bytes: loaded_count(row.try_get(first + 1)?),
        session_seconds: loaded_count(row.try_get(first + 2)?),
    })
}
