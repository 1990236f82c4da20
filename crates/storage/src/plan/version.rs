//! Versions of plans: how each change left a plan, and going back to one of them.

use domain::actor::Actor;
use domain::id::{PlanId, TenantId};
use domain::name::Name;
use domain::plan::change::ChangeNote;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult as _, QueryResult};
use uuid::Uuid;

use super::{KEYED, PlanPatch, PlanSummary};
use crate::column::RowName;
use crate::entity::plan::Model;
use crate::error::{Resource, StoreError};
use crate::page::Page;
use crate::store::Store;
use crate::write::Write;

/// Versions of one plan that are kept; the oldest are forgotten first.
const KEPT_MAX: i64 = 1_000;

/// The columns that a plan and its versions share.
const TERMS: &str = "tenant, name, rate, session_timeout_seconds, idle_timeout_seconds, \
    interim_seconds, pool, session_limit, session_policy, quotas, windows, validity_seconds, \
    validity_start, resets, at_limit_rate, at_limit_plan, grace_days, after_expiry, garden, \
    device_limit, private_device_limit";

/// A version as a plan is read, and what made it.
const COLUMNS: &str = "plan AS id, name AS name_key, at AS created_at, at AS updated_at, number, \
    actor_kind, actor_id, actor_name, note";

/// A plan as one change left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanVersion {
    /// From 1, without gaps; the oldest may be forgotten.
    pub number: i64,
    pub actor: Actor,
    pub note: Option<ChangeNote>,
    pub at: Timestamp,
    pub plan: PlanSummary,
    /// As the version before left it, if that is kept.
    pub before: Option<PlanSummary>,
}

impl Store {
    /// The versions of a plan, the newest first; a page ends before the version `page.after`.
    pub async fn plan_version_list(
        &self,
        tenant: TenantId,
        plan: PlanId,
        page: &Page<i64>,
    ) -> Result<Vec<PlanVersion>, StoreError> {
        let end = page.after.unwrap_or(i64::MAX);
        // One more, which shows what the last one changed.
        let sql = format!(
            "SELECT {TERMS}, {COLUMNS} FROM plan_version WHERE plan = $1 AND tenant = $2 \
            AND number < $3 ORDER BY number DESC LIMIT {}",
            page.limit() + 1
        );
        let values = [plan.as_uuid().into(), tenant.as_uuid().into(), end.into()];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let models = rows.iter().map(|row| Model::from_query_result(row, ""));
        let models: Vec<Model> = models.collect::<Result<_, DbErr>>()?;
        let plans = self.summaries(self.reader(), tenant, &models).await?;
        let mut older = plans.iter().skip(1);
        let mut versions = Vec::with_capacity(rows.len());
        for (row, plan) in rows.iter().zip(&plans).take(page.limit() as usize) {
            versions.push(version(row, plan.clone(), older.next().cloned())?);
        }
        Ok(versions)
    }

    /// Gives the plan of this name the terms that it had in a version, under the name that it has
    /// now.
    pub async fn plan_revert(
        &self,
        tenant: TenantId,
        name: &Name,
        number: i64,
        note: Option<ChangeNote>,
    ) -> Result<PlanSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let absent = || StoreError::NotFound {
            what: Resource::PlanVersion,
            name: format!("{number} of {name}"),
        };
        let version = find(&write, model.id, number).await?.ok_or_else(absent)?;
        let terms = self.summary_of(&write, tenant, &version).await?.terms;
        let note = note.or_else(|| format!("Back to version {number}").parse().ok());
        let patch = PlanPatch {
            note,
            ..PlanPatch::of(&terms)
        };
        let (plan, _) = self.plan_apply(&mut write, model, patch).await?;
        write.commit().await?;
        Ok(plan)
    }
}

/// Writes how a plan is now, as its next version, and gives its number.
pub(super) async fn add(
    write: &Write,
    plan: Uuid,
    note: Option<&ChangeNote>,
) -> Result<i64, DbErr> {
    let actor = write.actor();
    let sql = format!(
        "INSERT INTO plan_version (plan, number, at, actor_kind, actor_id, actor_name, note, \
        {TERMS}) SELECT id, (SELECT COALESCE(MAX(v.number), 0) + 1 FROM plan_version v \
        WHERE v.plan = plan.id), $2, $3, $4, $5, $6, {TERMS} FROM plan WHERE id = $1 \
        RETURNING number"
    );
    let values = [
        plan.into(),
        write.at().as_micros().into(),
        actor.kind.as_str().into(),
        actor.id.into(),
        actor.name.into(),
        note.map(|note| note.as_str().to_owned()).into(),
    ];
    let statement = write.dialect().statement(sql, values);
    let row = write.connection().query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("plan".to_owned()))?;
    let number: i64 = row.try_get_by_index(0)?;
    let sql = "DELETE FROM plan_version WHERE plan = $1 AND number <= $2";
    let values = [plan.into(), (number - KEPT_MAX).into()];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(number)
}

async fn find(write: &Write, plan: Uuid, number: i64) -> Result<Option<Model>, DbErr> {
    let sql =
        format!("SELECT {TERMS}, {COLUMNS} FROM plan_version WHERE plan = $1 AND number = $2");
    let statement = write.dialect().statement(sql, [plan.into(), number.into()]);
    let row = write.connection().query_one_raw(statement).await?;
    row.map(|row| Model::from_query_result(&row, ""))
        .transpose()
}

fn version(
    row: &QueryResult,
    plan: PlanSummary,
    before: Option<PlanSummary>,
) -> Result<PlanVersion, StoreError> {
    let name = RowName {
        table: "plan_version",
        id: plan.id.as_uuid(),
    };
    let note: Option<String> = row.try_get("", "note")?;
    Ok(PlanVersion {
        number: row.try_get("", "number")?,
        actor: read_actor(row, name)?,
        note: name.find_parsed("note", note.as_deref())?,
        at: plan.updated_at,
        plan,
        before,
    })
}

/// Who did it, of a row that keeps it in three columns.
pub(super) fn read_actor(row: &QueryResult, name: RowName) -> Result<Actor, StoreError> {
    let kind: String = row.try_get("", "actor_kind")?;
    Ok(Actor {
        kind: name.parse("actor_kind", &kind)?,
        id: row.try_get("", "actor_id")?,
        name: row.try_get("", "actor_name")?,
    })
}
