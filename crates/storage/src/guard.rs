//! Who is kept from guessing passwords: shown by the nodes, and let go by who removes the row.

use std::collections::HashSet;

use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::{Serialize, Serializer};
use serde_json::json;
use uuid::Uuid;

use crate::bulk::Insert;
use crate::column::stored_text;
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::query::Query;
use crate::store::Store;

/// Locks that one list shows.
pub const LISTED_MAX: u32 = 1_000;

const LOCK: Insert<'static> = Insert {
    table: "guard_lock",
    columns: &["node", "subject", "name", "since", "until", "strikes"],
    on_conflict: "ON CONFLICT (node, subject, name) DO UPDATE SET since = excluded.since, \
        until = excluded.until, strikes = excluded.strikes",
};

/// Which locks are meant; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct GuardFilter {
    /// Only locks of what this tenant has and no other does; those of strangers and of devices are
    /// the default tenant's. All when it is absent.
    pub tenant: Option<TenantId>,
    pub subject: Option<GuardSubject>,
    pub name: Option<String>,
}

/// A lock as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuardRow {
    #[serde(serialize_with = "as_text")]
    pub subject: GuardSubject,
    pub name: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// How often it was locked without a longer pause between.
    pub strikes: u64,
}

fn as_text<S: Serializer>(subject: &GuardSubject, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(subject)
}

impl Store {
    /// Shows the locks of this node in place of those that it has shown, and says which of these
    /// were let go since.
    pub async fn guard_exchange(
        &self,
        shown: &[GuardKey],
        locks: &[GuardLock],
    ) -> Result<Vec<GuardKey>, StoreError> {
        let write = self.write().await?;
        let node: Value = self.node().into();
        let select = "SELECT subject, name FROM guard_lock WHERE node = $1";
        let statement = write.dialect().statement(select, [node.clone()]);
        let rows = write.connection().query_all_raw(statement).await?;
        let stored = rows.iter().map(stored_key);
        let stored: HashSet<(String, String)> = stored.collect::<Result<_, DbErr>>()?;
        let is_gone = |key: &&GuardKey| {
            let stored_as = (key.subject.as_str().to_owned(), stored_text(&key.name));
            !stored.contains(&stored_as)
        };
        let gone: Vec<GuardKey> = shown.iter().filter(is_gone).cloned().collect();
        let delete = "DELETE FROM guard_lock WHERE node = $1";
        let statement = write.dialect().statement(delete, [node.clone()]);
        write.connection().execute_raw(statement).await?;
        let kept = locks.iter().filter(|lock| !gone.contains(&lock.key));
        let rows: Vec<[Value; 6]> = kept
            .map(|lock| {
                [
                    node.clone(),
                    lock.key.subject.as_str().into(),
                    stored_text(&lock.key.name).into(),
                    lock.since.as_micros().into(),
                    lock.until.as_micros().into(),
                    i64::from(lock.strikes).into(),
                ]
            })
            .collect();
        LOCK.run(write.connection(), rows).await?;
        write.commit().await?;
        Ok(gone)
    }

    /// Locks of all nodes that have not ended, the one that lasts longest first, at most a thousand.
    pub async fn guard_list(&self, filter: &GuardFilter) -> Result<Vec<GuardRow>, StoreError> {
        let select = "SELECT subject, name, MIN(since) AS since, MAX(until) AS until, \
            MAX(strikes) AS strikes FROM guard_lock";
        let mut query = Query::new(self.dialect(), select);
        query.and("until > ?", [self.now().as_micros().into()]);
        add_conditions(&mut query, filter);
        query.end(&format!(
            "GROUP BY subject, name ORDER BY 4 DESC, 1, 2 LIMIT {LISTED_MAX}"
        ));
        let rows = query.all(self.reader()).await?;
        let rows: Result<Vec<Option<GuardRow>>, DbErr> = rows.iter().map(read_row).collect();
        Ok(rows?.into_iter().flatten().collect())
    }

    /// Lets go who is locked, on every node, and says how many locks there were.
    pub async fn guard_clear(&self, filter: &GuardFilter) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let mut query = Query::new(self.dialect(), "DELETE FROM guard_lock");
        add_conditions(&mut query, filter);
        let rows = query.execute(write.connection()).await?;
        if 0 < rows {
            write.record(clear_deed(filter, rows));
        }
        write.commit().await?;
        Ok(rows)
    }

    /// Removes locks that ended before an instant, of nodes that are gone.
    pub async fn guard_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let mut query = Query::new(self.dialect(), "DELETE FROM guard_lock");
        query.and("until < ?", [before.as_micros().into()]);
        let rows = query.execute(write.connection()).await?;
        write.commit().await?;
        Ok(rows)
    }
}

/// Who was let go. Locks are not of a tenant, and the first one keeps the record.
fn clear_deed(filter: &GuardFilter, locks: u64) -> Deed {
    let subject = filter.subject.map(GuardSubject::as_str);
    let name = filter.name.as_deref();
    let cleared = json!({ "subject": subject, "name": name, "locks": locks });
    let what = (TenantId::DEFAULT, Resource::GuardLock);
    let named = (Uuid::nil(), name.unwrap_or("all"));
    Deed::removed(what, named, &cleared).by_name()
}

fn add_conditions(query: &mut Query, filter: &GuardFilter) {
    if let Some(subject) = filter.subject {
        query.and("subject = ?", [subject.as_str().into()]);
    }
    if let Some(name) = &filter.name {
        query.and("name = ?", [stored_text(name).into()]);
    }
    if let Some(tenant) = filter.tenant {
        add_tenant(query, tenant);
    }
}

/// A lock bears a name and no tenant: it is of those who have somebody or something of that name.
fn add_tenant(query: &mut Query, tenant: TenantId) {
    let named = "EXISTS (SELECT 1 FROM subscriber u WHERE u.tenant = t.id \
        AND guard_lock.subject = 'user' AND u.username = guard_lock.name) \
        OR EXISTS (SELECT 1 FROM router r WHERE r.tenant = t.id \
        AND guard_lock.subject = 'nas' AND r.name = guard_lock.name)";
    let of_others = format!("NOT EXISTS (SELECT 1 FROM tenant t WHERE t.id <> ? AND ({named}))");
    let tenant_id: Value = tenant.as_uuid().into();
    query.and(&of_others, [tenant_id.clone()]);
    if tenant != TenantId::DEFAULT {
        let own = format!("EXISTS (SELECT 1 FROM tenant t WHERE t.id = ? AND ({named}))");
        query.and(&own, [tenant_id]);
    }
}

fn stored_key(row: &QueryResult) -> Result<(String, String), DbErr> {
    Ok((row.try_get("", "subject")?, row.try_get("", "name")?))
}

/// A row; none when a later version of the program wrote it.
fn read_row(row: &QueryResult) -> Result<Option<GuardRow>, DbErr> {
    let subject: String = row.try_get("", "subject")?;
    let Some(subject) = GuardSubject::from_stored(&subject) else {
        return Ok(None);
    };
    let strikes: i64 = row.try_get("", "strikes")?;
    Ok(Some(GuardRow {
        subject,
        name: row.try_get("", "name")?,
        since: Timestamp::from_micros(row.try_get("", "since")?),
        until: Timestamp::from_micros(row.try_get("", "until")?),
        strikes: strikes.unsigned_abs(),
    }))
}
