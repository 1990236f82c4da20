//! Write transactions: the only way to change the database.

use domain::change::Change;
use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use std::sync::Arc;
use tokio::sync::Notify;

use crate::bulk::Insert;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

/// How often a transaction is tried that loses against another one.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

const CHANGES: Insert<'static> = Insert {
    table: "change",
    columns: &["tenant", "kind", "key", "at"],
    on_conflict: "",
};

/// An open write transaction. Dropped without [`Write::commit`] it changes nothing.
pub(crate) struct Write {
    transaction: DatabaseTransaction,
    changes: Vec<(TenantId, Change)>,
    at: Timestamp,
    wake: Arc<Notify>,
}

impl Store {
    /// Begins a write transaction; on SQLite with `BEGIN IMMEDIATE`, so that it never fails later
    /// because another writer came first.
    pub(crate) async fn write(&self) -> Result<Write, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Write {
            transaction: self.writer().begin_with_options(options).await?,
            changes: Vec::new(),
            at: self.now(),
            wake: self.wake(),
        })
    }
}

impl Write {
    /// Adds an entry to the change feed, in this transaction.
    pub(crate) fn note(&mut self, tenant: TenantId, change: Change) {
        self.changes.push((tenant, change));
    }

    /// Writes the noted changes and makes everything durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let has_changes = !self.changes.is_empty();
        let rows = self.changes.iter().map(|(tenant, change)| {
            let (kind, key) = change.to_parts();
            [
                tenant.as_uuid().into(),
                kind.into(),
                key.into(),
                self.at.as_micros().into(),
            ]
        });
        CHANGES.run(&self.transaction, rows).await?;
        self.transaction.commit().await?;
        if has_changes {
            self.wake.notify_waiters();
        }
        Ok(())
    }

    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(&self.transaction)
    }

    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }
}
