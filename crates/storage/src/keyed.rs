//! Rows that a tenant has under a key of its own: found, paged and locked in one way.

use domain::id::TenantId;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, ModelTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Value,
};

use crate::error::{Resource, StoreError, find_conflict};
use crate::write::Write;

/// An entity whose rows are unique by tenant and key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed<E: EntityTrait> {
    pub(crate) what: Resource,
    pub(crate) tenant: E::Column,
    pub(crate) key: E::Column,
    /// Changes with every change of the row.
    pub(crate) updated: E::Column,
}

impl<E: EntityTrait> Keyed<E> {
    /// The row with this key.
    pub(crate) fn one(&self, tenant: TenantId, key: &str) -> Select<E> {
        E::find()
            .filter(self.tenant.eq(tenant.as_uuid()))
            .filter(self.key.eq(key))
    }

    /// Rows in the order of their keys.
    pub(crate) fn page(&self, tenant: TenantId, after: Option<&str>, limit: u32) -> Select<E> {
        let select = E::find()
            .filter(self.tenant.eq(tenant.as_uuid()))
            .order_by_asc(self.key)
            .limit(u64::from(limit));
        match after {
            Some(after) => select.filter(self.key.gt(after)),
            None => select,
        }
    }

    /// The row that is to be changed or removed. It is kept from other writers until the
    /// transaction ends, which on SQLite it is anyway.
    pub(crate) async fn lock(
        &self,
        write: &Write,
        tenant: TenantId,
        key: &str,
    ) -> Result<E::Model, StoreError> {
        let select = self.one(tenant, key).lock_exclusive();
        let row = select.one(write.connection()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: self.what,
            name: key.to_owned(),
        })?;
        if let Value::BigInt(Some(updated)) = row.get(self.updated) {
            write.check_revision(self.what, key, updated)?;
        }
        Ok(row)
    }

    /// Why a row was not stored: a value that another one has, or the error as it is.
    pub(crate) fn refusal(&self, error: DbErr, name: &str) -> StoreError {
        match find_conflict(&error) {
            Some(field) => StoreError::Conflict {
                what: self.what,
                name: name.to_owned(),
                field,
            },
            None => error.into(),
        }
    }
}
