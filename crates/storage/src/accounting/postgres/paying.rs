//! What goes beyond a quota is taken from the subscriber's top-ups.

use domain::id::Id;
use domain::limit::{Beyond, TopUp, TopUpMeasure, consume};
use domain::time::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::column::{loaded_count, stored_count};
use crate::error::StoreError;
use crate::top_up::{Payer, live_at};

const SET: &str = "UPDATE top_up SET used = $1 WHERE id = $2";
const TELL: &str = "INSERT INTO change (tenant, kind, key, at) VALUES ($1, 'subscriber', $2, $3)";

pub(super) async fn pay(
    connection: &mut PgConnection,
    payer: Payer,
    beyond: Beyond,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT id, measure, amount, used, ends_at FROM top_up \
         WHERE subscriber = $1 AND {} ORDER BY id FOR UPDATE",
        live_at(at)
    );
    let select = sqlx::query(AssertSqlSafe(sql)).bind(payer.subscriber.as_uuid());
    let rows = select.fetch_all(&mut *connection).await?;
    let top_ups = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // One that cannot be read is worth nothing, and holds up no accounting.
    let mut top_ups: Vec<_> = top_ups.into_iter().flatten().collect();
    let changed = consume(&mut top_ups, beyond, at);
    for place in &changed {
        let TopUp { id, used, .. } = top_ups[*place];
        let set = sqlx::query(SET).bind(stored_count(used)).bind(id.as_uuid());
        set.execute(&mut *connection).await?;
    }
    if !changed.is_empty() {
        let tell = sqlx::query(TELL)
            .bind(payer.tenant.as_uuid())
            .bind(payer.subscriber.as_uuid())
            .bind(at.as_micros());
        tell.execute(&mut *connection).await?;
    }
    Ok(())
}

fn read(row: &PgRow) -> Result<Option<TopUp>, StoreError> {
    let id: Uuid = row.try_get(0)?;
    let measure: &str = row.try_get(1)?;
    let ends_at: Option<i64> = row.try_get(4)?;
    let (amount, used) = (row.try_get(2)?, row.try_get(3)?);
    Ok(TopUpMeasure::find(measure).map(|measure| TopUp {
        id: Id::from_uuid(id),
        measure,
        amount: loaded_count(amount),
        used: loaded_count(used),
        ends_at: ends_at.map(Timestamp::from_micros),
    }))
}
