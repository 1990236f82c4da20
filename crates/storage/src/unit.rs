//! Units: several store methods in one transaction, each of which can fail by itself.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::error::StoreError;
use crate::store::Store;
use crate::write::Whole;

/// A transaction with parts. What a method of its store changes is undone when that method fails,
/// and everything is undone when the unit is dropped without [`Unit::commit`]. Methods that read
/// see what was there before it began.
pub struct Unit {
    store: Store,
    whole: Arc<Whole>,
}

impl Store {
    /// Begins a transaction with parts. Of a rehearsal it is undone in the end.
    pub async fn unit(&self) -> Result<Unit, StoreError> {
        let write = self.write().await?;
        let whole = Arc::new(Mutex::new(Some(write)));
        Ok(Unit {
            store: self.within(Arc::clone(&whole)),
            whole,
        })
    }
}

impl Unit {
    /// The store whose methods are parts of this transaction.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Makes all of it durable, with its changes, deeds and events.
    pub async fn commit(self) -> Result<(), StoreError> {
        let write = self.whole.lock().await.take();
        match write {
            Some(write) => write.commit().await,
            None => Ok(()),
        }
    }
}
