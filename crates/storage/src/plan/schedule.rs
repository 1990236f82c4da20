//! Changes of plans that are to be made later: kept, made when their time comes, and shown.

use domain::actor::Actor;
use domain::id::{Id, PlanChangeId, PlanId, TenantId};
use domain::name::Name;
use domain::plan::change::{ChangeNote, ChangeState};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, EntityTrait, QueryResult, QuerySelect, Value};
use serde::Serialize;
use serde_json::Value as Json;

use super::version::read_actor;
use super::{KEYED, PlanPatch, stored_patch};
use crate::column::Row;
use crate::deed::{Deed, seen};
use crate::dialect::Dialect;
use crate::entity::plan;
use crate::error::{Resource, StoreError};
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;
use crate::write::Write;

/// Changes of one plan that may be pending.
pub const PENDING_MAX: usize = 100;

const SELECT: &str = "SELECT c.*, p.name AS plan_name FROM plan_change c \
    JOIN plan p ON p.id = c.plan";

/// A change of a plan that is to be made at an instant.
#[derive(Clone, Debug)]
pub struct NewPlanChange {
    pub due_at: Timestamp,
    /// With the note about it.
    pub patch: PlanPatch,
}

/// Which changes to list; everything that is set must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanChangeFilter {
    pub plan: Option<PlanId>,
    pub state: Option<ChangeState>,
}

/// A change as lists show it.
#[derive(Clone, Debug)]
pub struct PlanChange {
    pub id: PlanChangeId,
    pub plan: PlanId,
    pub plan_name: Name,
    pub due_at: Timestamp,
    /// With the note about it.
    pub patch: PlanPatch,
    pub state: ChangeState,
    /// Who wants it.
    pub actor: Actor,
    /// The version that it made; none when the plan was so already.
    pub version: Option<i64>,
    /// Why the plan could not be changed so.
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it was made, failed or was cancelled.
    pub settled_at: Option<Timestamp>,
    tenant: TenantId,
}

/// What the audit log shows of a change.
#[derive(Serialize)]
struct PlanChangeSeen<'a> {
    plan: &'a Name,
    due_at: Timestamp,
    patch: Json,
    note: Option<&'a ChangeNote>,
    wanted_by: String,
    state: ChangeState,
    version: Option<i64>,
    error: Option<&'a str>,
}

impl Store {
    /// Keeps a change of the plan of this name until its time comes.
    pub async fn plan_change_insert(
        &self,
        tenant: TenantId,
        name: &Name,
        new: NewPlanChange,
    ) -> Result<PlanChange, StoreError> {
        let mut write = self.write().await?;
        let plan = KEYED.lock(&write, tenant, name.key()).await?;
        let sql = "SELECT COUNT(*) FROM plan_change WHERE plan = $1 AND state = 'pending'";
        let statement = write.dialect().statement(sql, [plan.id.into()]);
        let row = write.connection().query_one_raw(statement).await?;
        let pending: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        let count = usize::try_from(pending).unwrap_or(usize::MAX) + 1;
        if PENDING_MAX < count {
            return Err(StoreError::TooMany {
                what: "scheduled changes",
                name: name.to_string(),
                count,
                max: PENDING_MAX,
            });
        }
        let at = write.at();
        let change = PlanChange {
            id: self.new_id(),
            plan: Id::from_uuid(plan.id),
            plan_name: name.clone(),
            due_at: new.due_at,
            patch: new.patch,
            state: ChangeState::Pending,
            actor: write.actor(),
            version: None,
            error: None,
            created_at: at,
            updated_at: at,
            settled_at: None,
            tenant,
        };
        insert(&write, &change).await?;
        let named = (change.id.as_uuid(), name.as_str());
        let what = (tenant, Resource::PlanChange);
        write.record(Deed::created(what, named, &change.seen()));
        write.commit().await?;
        Ok(change)
    }

    /// Changes of plans that are to be made or were, the latest that was asked for first; a page
    /// ends before the change `page.after`.
    pub async fn plan_change_list(
        &self,
        tenant: TenantId,
        filter: PlanChangeFilter,
        page: &Page<PlanChangeId>,
    ) -> Result<Vec<PlanChange>, StoreError> {
        let mut query = Query::new(self.dialect(), SELECT);
        query.and("c.tenant = ?", [tenant.as_uuid().into()]);
        if let Some(plan) = filter.plan {
            query.and("c.plan = ?", [plan.as_uuid().into()]);
        }
        if let Some(state) = filter.state {
            query.and("c.state = ?", [state.as_str().into()]);
        }
        if let Some(before) = page.after {
            query.and("c.id < ?", [before.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY c.id DESC LIMIT {}", page.limit()));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read).collect()
    }

    /// The change with this id.
    pub async fn plan_change_find(
        &self,
        tenant: TenantId,
        id: PlanChangeId,
    ) -> Result<Option<PlanChange>, StoreError> {
        let sql = format!("{SELECT} WHERE c.id = $1 AND c.tenant = $2");
        let values = [id.as_uuid().into(), tenant.as_uuid().into()];
        let statement = self.dialect().statement(sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// Sees to it that a change is not made whose time has not come.
    pub async fn plan_change_cancel(
        &self,
        tenant: TenantId,
        id: PlanChangeId,
    ) -> Result<PlanChange, StoreError> {
        let mut write = self.write().await?;
        let condition = "c.id = $1 AND c.tenant = $2";
        let values = [id.as_uuid().into(), tenant.as_uuid().into()];
        let found = lock(&write, condition, values).await?;
        let change = found.ok_or_else(|| StoreError::NotFound {
            what: Resource::PlanChange,
            name: id.to_string(),
        })?;
        let updated_at = change.updated_at.as_micros();
        write.check_revision(Resource::PlanChange, &id.to_string(), updated_at)?;
        if change.state != ChangeState::Pending {
            return Err(StoreError::WrongState {
                what: Resource::PlanChange,
                name: id.to_string(),
                state: change.state.as_str(),
                remedy: "only one that is pending can be cancelled",
            });
        }
        let settled = PlanChange {
            state: ChangeState::Cancelled,
            ..change.clone()
        };
        let settled = settle(&mut write, &change, settled).await?;
        write.commit().await?;
        Ok(settled)
    }

    /// Makes the change that is due first, in one transaction with the note that it was made, so
    /// that of several nodes one makes it. What cannot be made is noted as failed.
    ///
    /// Nothing is given when nothing is due.
    pub async fn plan_change_run(&self) -> Result<Option<PlanChange>, StoreError> {
        if !self.is_change_due().await? {
            return Ok(None);
        }
        let mut write = self.write().await?;
        let Some(due) = find_due(&write).await? else {
            return Ok(None);
        };
        // The plan before its change, as everywhere, so that no two transactions wait for each other.
        let select = plan::Entity::find_by_id(due.plan.as_uuid()).lock_exclusive();
        let plan = select.one(write.connection()).await?;
        let condition = "c.id = $1 AND c.state = 'pending'";
        let change = lock(&write, condition, [due.id.as_uuid().into()]).await?;
        let (Some(plan), Some(change)) = (plan, change) else {
            return Ok(None);
        };
        write.act_as(change.maker());
        let patch = change.patch.clone();
        let problem = match self.plan_apply(&mut write, plan, patch).await {
            Ok((_, version)) => {
                let made = PlanChange {
                    state: ChangeState::Applied,
                    version,
                    ..change.clone()
                };
                let made = settle(&mut write, &change, made).await?;
                write.commit().await?;
                return Ok(Some(made));
            }
            // It is due again, and will be made when the database can.
            Err(problem) if problem.is_outage() || problem.is_lost_race() => return Err(problem),
            Err(problem) => problem,
        };
        drop(write);
        self.plan_change_fail(change, &problem).await
    }

    /// Notes that a change could not be made, unless it was settled meanwhile.
    async fn plan_change_fail(
        &self,
        change: PlanChange,
        problem: &StoreError,
    ) -> Result<Option<PlanChange>, StoreError> {
        let mut write = self.write().await?;
        write.act_as(change.maker());
        let condition = "c.id = $1 AND c.state = 'pending'";
        let found = lock(&write, condition, [change.id.as_uuid().into()]).await?;
        let Some(change) = found else {
            return Ok(None);
        };
        let failed = PlanChange {
            state: ChangeState::Failed,
            error: Some(problem.to_string()),
            ..change.clone()
        };
        let failed = settle(&mut write, &change, failed).await?;
        write.commit().await?;
        Ok(Some(failed))
    }

    /// Asked by readers, so that waiting keeps nobody from writing.
    async fn is_change_due(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM plan_change WHERE state = 'pending' AND due_at <= $1 LIMIT 1";
        let values = [self.now().as_micros().into()];
        let statement = self.dialect().statement(sql, values);
        Ok(self.reader().query_one_raw(statement).await?.is_some())
    }
}

impl PlanChange {
    /// On whose behalf it is made.
    fn maker(&self) -> Actor {
        Actor::system(&format!("schedule of {}", self.actor))
    }

    fn seen(&self) -> Json {
        seen(&PlanChangeSeen {
            plan: &self.plan_name,
            due_at: self.due_at,
            patch: serde_json::from_str(&stored_patch::write(&self.patch)).unwrap_or_default(),
            note: self.patch.note.as_ref(),
            wanted_by: self.actor.to_string(),
            state: self.state,
            version: self.version,
            error: self.error.as_deref(),
        })
    }
}

async fn insert(write: &Write, change: &PlanChange) -> Result<(), StoreError> {
    let sql = "INSERT INTO plan_change (id, tenant, plan, due_at, patch, note, state, actor_kind, \
        actor_id, actor_name, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
    let note = change.patch.note.as_ref();
    let values = [
        change.id.as_uuid().into(),
        change.tenant.as_uuid().into(),
        change.plan.as_uuid().into(),
        change.due_at.as_micros().into(),
        stored_patch::write(&change.patch).into(),
        note.map(|note| note.as_str().to_owned()).into(),
        change.state.as_str().into(),
        change.actor.kind.as_str().into(),
        change.actor.id.into(),
        change.actor.name.clone().into(),
        change.created_at.as_micros().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

/// The change whose time came first.
async fn find_due(write: &Write) -> Result<Option<PlanChange>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE c.state = 'pending' AND c.due_at <= $1 ORDER BY c.due_at, c.id LIMIT 1"
    );
    let values = [write.at().as_micros().into()];
    let statement = write.dialect().statement(sql, values);
    let row = write.connection().query_one_raw(statement).await?;
    row.as_ref().map(read).transpose()
}

/// The change of which the condition holds, kept from others until the transaction ends.
async fn lock<const COUNT: usize>(
    write: &Write,
    condition: &str,
    values: [Value; COUNT],
) -> Result<Option<PlanChange>, StoreError> {
    let lock = match write.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE OF c",
    };
    let sql = format!("{SELECT} WHERE {condition}{lock}");
    let statement = write.dialect().statement(sql, values);
    let row = write.connection().query_one_raw(statement).await?;
    row.as_ref().map(read).transpose()
}

/// Writes what became of a change.
async fn settle(
    write: &mut Write,
    before: &PlanChange,
    settled: PlanChange,
) -> Result<PlanChange, StoreError> {
    let at = write.at();
    let settled = PlanChange {
        updated_at: at,
        settled_at: Some(at),
        ..settled
    };
    let sql = "UPDATE plan_change SET state = $2, version = $3, error = $4, updated_at = $5, \
        settled_at = $5 WHERE id = $1";
    let values = [
        settled.id.as_uuid().into(),
        settled.state.as_str().into(),
        settled.version.into(),
        settled.error.clone().into(),
        at.as_micros().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    let named = (settled.id.as_uuid(), settled.plan_name.as_str());
    let what = (settled.tenant, Resource::PlanChange);
    write.record(Deed::changed(what, named, &before.seen(), &settled.seen()));
    Ok(settled)
}

fn read(result: &QueryResult) -> Result<PlanChange, StoreError> {
    let row = Row::new("plan_change", result)?;
    let name = row.name();
    let patch: String = row.raw("patch")?;
    let patch = stored_patch::read(&patch).map_err(|_| name.corrupt("patch"))?;
    let settled_at: Option<i64> = row.raw("settled_at")?;
    Ok(PlanChange {
        id: row.id(),
        plan: row.id_of("plan")?,
        plan_name: name.parse("plan_name", &row.raw::<String>("plan_name")?)?,
        due_at: row.time("due_at")?,
        patch: PlanPatch {
            note: row.find_parsed("note")?,
            ..patch
        },
        state: name.parse("state", &row.raw::<String>("state")?)?,
        actor: read_actor(result, name)?,
        version: row.raw("version")?,
        error: row.raw("error")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        settled_at: settled_at.map(Timestamp::from_micros),
        tenant: row.id_of("tenant")?,
    })
}
