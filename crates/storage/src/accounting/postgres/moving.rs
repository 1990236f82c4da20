//! What routers, plans and tenants moved, as parameters of the write.

use sqlx::Row;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::query::Query;
use uuid::Uuid;

use super::LANES;
use crate::accounting::traffic::Traffic;
use crate::accounting::{Batch, Part};
use crate::column::stored_count;
use crate::error::StoreError;

/// Nodes that do not meet at a row.
const NODES: usize = 8;

const SELECT_PLANS: &str = "SELECT id, plan FROM subscriber WHERE id = ANY ($1::UUID[])";

/// Looks up the plans of subscribers whose sessions were not in the database.
pub(super) async fn load_plans(
    connection: &mut PgConnection,
    traffic: &mut Traffic,
) -> Result<(), StoreError> {
    let unplanned = traffic.unplanned();
    if unplanned.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = unplanned.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query(SELECT_PLANS)
        .bind(ids)
        .fetch_all(connection)
        .await?;
    let plans = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, sqlx::Error>>()?;
    traffic.take_plans(&plans);
    Ok(())
}

pub(super) fn bind_traffic<'q>(
    query: Query<'q, Postgres, PgArguments>,
    batch: &Batch,
    traffic: &Traffic,
) -> Query<'q, Postgres, PgArguments> {
    let part = part(batch);
    let (mut tenants, mut subjects, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers: [Vec<i64>; 5] = Default::default();
    for ((tenant, subject, object, starts_at), sum) in traffic.iter() {
        tenants.push(tenant.as_uuid());
        subjects.push(subject.as_str());
        objects.push(*object);
        let row = [
            starts_at.as_micros(),
            part,
            stored_count(sum.upload_bytes),
            stored_count(sum.download_bytes),
            stored_count(sum.session_seconds),
        ];
        for (column, number) in numbers.iter_mut().zip(row) {
            column.push(number);
        }
    }
    let query = query.bind(tenants).bind(subjects).bind(objects);
    numbers.into_iter().fold(query, Query::bind)
}

/// The part of a row that this writer adds to: the lanes of a node never meet, and nodes seldom do.
fn part(batch: &Batch) -> i64 {
    let node = batch.origin.map_or(0, |origin| origin.source.0[0]);
    let lane = batch.parts.iter().find_map(|part| match part {
        Part::Sessions(records) => records.first().map(|record| record.key.lane(LANES)),
        Part::Restart(_) => None,
    });
    let part = usize::from(node) % NODES * LANES + lane.unwrap_or(0);
    i64::try_from(part).unwrap_or(0)
}
