//! Things that are asked for by id are found by the name that they have now.

use domain::id::TenantId;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::column::stored_text;
use crate::error::{Resource, StoreError};
use crate::listing::{ListCondition, ListError, ListFailure, Operator};
use crate::store::Store;

/// Where things of one kind are known by a name of their own.
pub(crate) struct Names {
    what: Resource,
    table: &'static str,
    key: &'static str,
    fold: fn(&str) -> String,
}

pub(crate) const PLANS: Names = Names {
    what: Resource::Plan,
    table: "plan",
    key: "name_key",
    fold: str::to_lowercase,
};

pub(crate) const CUSTOMERS: Names = Names {
    what: Resource::Customer,
    table: "customer",
    key: "number",
    fold: str::to_ascii_uppercase,
};

impl Store {
    /// The name of a thing with this id, if the tenant has it and it has a name of its own.
    pub async fn name_of(
        &self,
        tenant: TenantId,
        what: Resource,
        id: Uuid,
    ) -> Result<Option<String>, StoreError> {
        let (table, column) = match what {
            Resource::Nas => ("router", "name"),
            Resource::NasGroup => ("nas_group", "name"),
            Resource::Plan => ("plan", "name"),
            Resource::Garden => ("garden", "name"),
            Resource::ApiKey => ("api_key", "name"),
            Resource::Operator => ("operator", "name"),
            Resource::Webhook => ("webhook", "name"),
            Resource::Subscriber => ("subscriber", "username"),
            Resource::Customer => ("customer", "number"),
            Resource::Session
            | Resource::RowUser
            | Resource::RowGroup
            | Resource::Tenant
            | Resource::Device
            | Resource::Message
            | Resource::Realm
            | Resource::TopUp
            | Resource::CustomerNote
            | Resource::PlanVersion
            | Resource::PlanChange
            | Resource::GuardLock
            | Resource::OperatorSession
            | Resource::Operation
            | Resource::Job
            | Resource::Schedule
            | Resource::Reconciler
            | Resource::Delivery
            | Resource::Directory
            | Resource::SessionCommand => return Ok(None),
        };
        let sql = format!("SELECT {column} FROM {table} WHERE id = $1 AND tenant = $2");
        let values = [id.into(), tenant.as_uuid().into()];
        let statement = self.dialect().statement(sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    /// Writes ids in the place of names that a condition compares with. What the tenant does not
    /// have is refused, whether it is named by its name or its id.
    pub(crate) async fn name_ids(
        &self,
        tenant: TenantId,
        names: &Names,
        condition: &mut ListCondition,
    ) -> Result<(), ListFailure> {
        let count = if condition.operator == Operator::In {
            usize::MAX
        } else {
            1
        };
        let mut ids = Vec::new();
        for raw in condition.value.splitn(count, ',') {
            let found = self.id_named(tenant, names, raw).await?;
            let id = found.ok_or_else(|| {
                let shown: String = raw.chars().take(64).collect();
                ListError::Value {
                    field: condition.parameter(),
                    reason: format!("there is no {} '{shown}'", names.what),
                }
            })?;
            ids.push(id.to_string());
        }
        condition.value = ids.join(",");
        Ok(())
    }

    /// The id of a thing by its id or the key of its name.
    async fn id_named(
        &self,
        tenant: TenantId,
        names: &Names,
        raw: &str,
    ) -> Result<Option<Uuid>, StoreError> {
        let (column, value) = match Uuid::try_parse(raw) {
            Ok(id) => ("id", id.into()),
            Err(_) => (names.key, stored_text(&(names.fold)(raw)).into()),
        };
        let table = names.table;
        let sql = format!("SELECT id FROM {table} WHERE tenant = $1 AND {column} = $2");
        let values = [tenant.as_uuid().into(), value];
        let statement = self.dialect().statement(sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }
}
