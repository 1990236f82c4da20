//! Top-ups: what subscribers have bought beyond the quotas of their plans, what is used of it, and who
//! granted and revoked it.
//!
//! The journal takes from them what goes beyond a quota, in the transaction that counts it.

use domain::change::Change;
use domain::id::{Id, SubscriberId, TenantId, TopUpId};
use domain::limit::{TopUp, TopUpMeasure};
use domain::name::Username;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use crate::column::{RowName, loaded_count, stored_count};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::store::Store;
use crate::subscriber;
use crate::write::Write;

/// Top-ups of one subscriber that are not used up.
pub const TOP_UPS_MAX: usize = 64;

/// Top-ups that a list shows, the newest.
const LISTED_MAX: i64 = 1_000;

pub(crate) const COLUMNS: &str = "subscriber, id, measure, amount, used, ends_at";

/// A purchase to be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopUp {
    /// How much of what; each measure once.
    pub amounts: Vec<(TopUpMeasure, u64)>,
    pub ends_at: Option<Timestamp>,
    /// The number of the purchase: it is granted once, however often it is asked for.
    pub reference: Option<String>,
    /// Who grants it.
    pub actor: String,
}

/// A top-up as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopUpSummary {
    #[serde(flatten)]
    pub top_up: TopUp,
    pub reference: Option<String>,
    pub actor: String,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub revoked_by: Option<String>,
}

/// What became of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    Now(Vec<TopUpSummary>),
    /// It was granted before, and nothing changed.
    Before(Vec<TopUpSummary>),
    /// There was something else under the reference.
    Otherwise,
    /// Too many are not used up.
    TooMany,
}

impl Store {
    /// Grants a purchase to the subscriber of this name.
    pub async fn top_up_grant(
        &self,
        tenant: TenantId,
        username: &Username,
        new: &NewTopUp,
    ) -> Result<Granted, StoreError> {
        let mut write = self.write().await?;
        // Whoever grants to the same subscriber waits here.
        let row = subscriber::KEYED
            .lock(&write, tenant, username.as_str())
            .await?;
        if let Some(reference) = &new.reference {
            let known = of_reference(&write, row.id, reference).await?;
            if !known.is_empty() {
                return Ok(if is_same(&known, new) {
                    Granted::Before(known)
                } else {
                    Granted::Otherwise
                });
            }
        }
        if TOP_UPS_MAX < live_count(&write, row.id).await? + new.amounts.len() {
            return Ok(Granted::TooMany);
        }
        let mut granted = Vec::with_capacity(new.amounts.len());
        for (measure, amount) in &new.amounts {
            let summary = TopUpSummary {
                top_up: TopUp {
                    id: self.new_id(),
                    measure: *measure,
                    amount: *amount,
                    used: 0,
                    ends_at: new.ends_at,
                },
                reference: new.reference.clone(),
                actor: new.actor.clone(),
                created_at: write.at(),
                revoked_at: None,
                revoked_by: None,
            };
            insert(&write, tenant, row.id, &summary).await?;
            granted.push(summary);
        }
        let kind = (tenant, Resource::TopUp);
        for one in &granted {
            let named = (one.top_up.id.as_uuid(), username.as_str());
            write.record(Deed::created(kind, named, one));
        }
        write.note(tenant, Change::Subscriber(Id::from_uuid(row.id)));
        write.commit().await?;
        Ok(Granted::Now(granted))
    }

    /// The top-ups of the subscriber of this name, the newest first, at most 1,000.
    pub async fn top_up_list(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<Vec<TopUpSummary>, StoreError> {
        let select = subscriber::KEYED.one(tenant, username.as_str());
        let row = select.one(self.reader()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: Resource::Subscriber,
            name: username.to_string(),
        })?;
        let sql = format!("{SUMMARIES} ORDER BY id DESC LIMIT {LISTED_MAX}");
        let statement = self.dialect().statement(sql, [row.id.into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(summary).collect()
    }

    /// Takes back what is left of a top-up. One that is revoked already stays as it is.
    pub async fn top_up_revoke(
        &self,
        tenant: TenantId,
        username: &Username,
        id: TopUpId,
        actor: &str,
    ) -> Result<TopUpSummary, StoreError> {
        let mut write = self.write().await?;
        let row = subscriber::KEYED
            .lock(&write, tenant, username.as_str())
            .await?;
        let before = one(&write, row.id, id).await?;
        let sql = "UPDATE top_up SET revoked_at = $3, revoked_by = $4 \
            WHERE subscriber = $1 AND id = $2 AND revoked_at IS NULL";
        let values = [
            row.id.into(),
            id.as_uuid().into(),
            write.at().as_micros().into(),
            actor.into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let revoked = one(&write, row.id, id).await?;
        if before != revoked {
            let kind = (tenant, Resource::TopUp);
            let named = (id.as_uuid(), username.as_str());
            write.record(Deed::changed(kind, named, &before, &revoked));
        }
        write.note(tenant, Change::Subscriber(Id::from_uuid(row.id)));
        write.commit().await?;
        Ok(revoked)
    }
}

const SUMMARIES: &str = "SELECT subscriber, id, measure, amount, used, ends_at, reference, actor, \
    created_at, revoked_at, revoked_by FROM top_up WHERE subscriber = $1";

/// What top-ups have that are neither used up, nor over, nor revoked.
pub(crate) fn live_at(now: Timestamp) -> String {
    let now = now.as_micros();
    format!("revoked_at IS NULL AND used < amount AND (ends_at IS NULL OR ends_at > {now})")
}

/// A row with [`COLUMNS`].
pub(crate) fn read(row: &QueryResult) -> Result<(Uuid, TopUp), StoreError> {
    let id: Uuid = row.try_get("", "id")?;
    let measure: String = row.try_get("", "measure")?;
    let ends_at: Option<i64> = row.try_get("", "ends_at")?;
    let count = |column: &str| row.try_get("", column).map(loaded_count);
    let name = RowName {
        table: "top_up",
        id,
    };
    let top_up = TopUp {
        id: Id::from_uuid(id),
        measure: TopUpMeasure::find(&measure).ok_or_else(|| name.corrupt("measure"))?,
        amount: count("amount")?,
        used: count("used")?,
        ends_at: ends_at.map(Timestamp::from_micros),
    };
    Ok((row.try_get("", "subscriber")?, top_up))
}

fn summary(row: &QueryResult) -> Result<TopUpSummary, StoreError> {
    let (_, top_up) = read(row)?;
    let created_at: i64 = row.try_get("", "created_at")?;
    let revoked_at: Option<i64> = row.try_get("", "revoked_at")?;
    Ok(TopUpSummary {
        top_up,
        reference: row.try_get("", "reference")?,
        actor: row.try_get("", "actor")?,
        created_at: Timestamp::from_micros(created_at),
        revoked_at: revoked_at.map(Timestamp::from_micros),
        revoked_by: row.try_get("", "revoked_by")?,
    })
}

/// The top-up of a subscriber with this id.
async fn one(write: &Write, subscriber: Uuid, id: TopUpId) -> Result<TopUpSummary, StoreError> {
    let sql = format!("{SUMMARIES} AND id = $2");
    let values = [subscriber.into(), id.as_uuid().into()];
    let statement = write.dialect().statement(sql, values);
    let found = write.connection().query_one_raw(statement).await?;
    let found = found.ok_or_else(|| StoreError::NotFound {
        what: Resource::TopUp,
        name: id.to_string(),
    })?;
    summary(&found)
}

async fn of_reference(
    write: &Write,
    subscriber: Uuid,
    reference: &str,
) -> Result<Vec<TopUpSummary>, StoreError> {
    let sql = format!("{SUMMARIES} AND reference = $2 ORDER BY id");
    let values = [subscriber.into(), reference.into()];
    let statement = write.dialect().statement(sql, values);
    let rows = write.connection().query_all_raw(statement).await?;
    rows.iter().map(summary).collect()
}

/// Whether a purchase is what was granted before. When it ends may have been said from now on.
fn is_same(known: &[TopUpSummary], new: &NewTopUp) -> bool {
    let mut amounts: Vec<_> = known
        .iter()
        .map(|one| (one.top_up.measure, one.top_up.amount))
        .collect();
    amounts.retain(|amount| !new.amounts.contains(amount));
    amounts.is_empty() && known.len() == new.amounts.len()
}

async fn live_count(write: &Write, subscriber: Uuid) -> Result<usize, DbErr> {
    let sql = format!(
        "SELECT COUNT(*) AS live FROM top_up WHERE subscriber = $1 AND {}",
        live_at(write.at())
    );
    let statement = write.dialect().statement(sql, [subscriber.into()]);
    let row = write.connection().query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a count".into()))?;
    let count: i64 = row.try_get("", "live")?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

async fn insert(
    write: &Write,
    tenant: TenantId,
    subscriber: Uuid,
    summary: &TopUpSummary,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO top_up (id, tenant, subscriber, measure, amount, used, ends_at, \
        reference, actor, created_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)";
    let TopUp {
        id,
        measure,
        amount,
        ends_at,
        used: _,
    } = summary.top_up;
    let values = [
        id.as_uuid().into(),
        tenant.as_uuid().into(),
        subscriber.into(),
        measure.as_str().into(),
        stored_count(amount).into(),
        ends_at.map(Timestamp::as_micros).into(),
        summary.reference.clone().into(),
        summary.actor.as_str().into(),
        write.at().as_micros().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await.map(drop)
}

/// Whose top-ups the journal takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payer {
    pub(crate) tenant: TenantId,
    pub(crate) subscriber: SubscriberId,
}
