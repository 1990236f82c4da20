//! Things that are asked for by id are found by the name that they have now.

use domain::id::TenantId;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::error::{Resource, StoreError};
use crate::store::Store;

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
            Resource::Session
            | Resource::RowUser
            | Resource::RowGroup
            | Resource::Tenant
            | Resource::Device
            | Resource::Message
            | Resource::Realm
            | Resource::TopUp
            | Resource::PlanVersion
            | Resource::PlanChange
            | Resource::GuardLock
            | Resource::OperatorSession
            | Resource::Operation
            | Resource::Job
            | Resource::Schedule
            | Resource::Reconciler
            | Resource::Delivery => return Ok(None),
        };
        let sql = format!("SELECT {column} FROM {table} WHERE id = $1 AND tenant = $2");
        let values = [id.into(), tenant.as_uuid().into()];
        let statement = self.dialect().statement(sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }
}
