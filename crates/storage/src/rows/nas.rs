//! The routers of FreeRADIUS' table beside those of our registry.

use std::collections::{HashMap, HashSet};

use domain::nas::{Nas, show_source};
use domain::row_nas::RowNas;
use domain::secret::Secret;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use tracing::{error, warn};
use uuid::Uuid;

use crate::bulk::select_in;
use crate::error::StoreError;
use crate::nas::remember_name;
use crate::store::Store;

impl Store {
    /// Every row of FreeRADIUS' table of routers, in the order of their ids. A row that cannot be
    /// read is left out and logged.
    pub async fn row_nas_all(&self) -> Result<Vec<RowNas>, StoreError> {
        const SQL: &str = "SELECT CAST(id AS BIGINT) AS id, nasname, shortname, type, secret \
            FROM nas ORDER BY id";
        let statement = self.dialect().statement(SQL, []);
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            let read = read(row);
            read.inspect_err(|damage| error!("Left a row of nas out of the directory: {damage}"))
                .ok()
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The routers of FreeRADIUS' table whose addresses are not in `own`, of the same address the
    /// first. Those that are none for us are logged.
    pub(crate) async fn row_nas_beside(&self, own: &[Nas]) -> Result<Vec<Nas>, StoreError> {
        let mut known: HashSet<_> = own.iter().map(|nas| nas.source).collect();
        let mut beside = Vec::new();
        for row in self.row_nas_all().await? {
            let nas = match row.to_nas() {
                Ok(nas) => nas,
                Err(problem) => {
                    let source = std::error::Error::source(&problem).map(ToString::to_string);
                    error!(
                        row = row.id,
                        source, "Left out of the directory: row {} of nas: {problem}", row.id
                    );
                    continue;
                }
            };
            if !known.insert(nas.source) {
                let source = show_source(nas.source);
                warn!(
                    row = row.id,
                    "Row {} of nas is not used: {source} belongs to another router", row.id
                );
                continue;
            }
            beside.push(nas);
        }
        if let Err(problem) = self.row_nas_name(&beside).await {
            warn!("The names of routers from the table nas are not shown: {problem}");
        }
        Ok(beside)
    }

    /// Keeps the names of routers for the sessions that they have.
    async fn row_nas_name(&self, all: &[Nas]) -> Result<(), StoreError> {
        let ids: Vec<Value> = all.iter().map(|nas| nas.id.as_uuid().into()).collect();
        let head = "SELECT nas, name FROM nas_name WHERE nas IN";
        let mut known: HashMap<Uuid, String> = HashMap::new();
        for row in &select_in(self.reader(), head, &ids, "").await? {
            known.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        }
        let is_new = |nas: &&Nas| {
            let known = known.get(&nas.id.as_uuid());
            known.is_none_or(|name| name != nas.name.as_str())
        };
        let new: Vec<&Nas> = all.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let write = self.write().await?;
        for nas in new {
            remember_name(&write, nas.id, nas.tenant, &nas.name).await?;
            write.forget_knocks(nas.source).await?;
        }
        write.commit().await
    }
}

fn read(row: &QueryResult) -> Result<RowNas, DbErr> {
    let secret: String = row.try_get("", "secret")?;
    Ok(RowNas {
        id: row.try_get("", "id")?,
        nasname: row.try_get("", "nasname")?,
        shortname: row.try_get("", "shortname")?,
        kind: row.try_get("", "type")?,
        secret: Secret::from(secret.as_str()),
    })
}
