//! The store of a server, which may come later than the server itself.

use std::sync::{Arc, Mutex, PoisonError};

use storage::store::Store;
use tokio::sync::SetOnce;

/// A place for the store; cheap to clone. It is filled once.
#[derive(Clone, Debug, Default)]
pub struct LateStore {
    store: Arc<SetOnce<Store>>,
    trouble: Arc<Mutex<String>>,
}

impl LateStore {
    /// A place without a store, because of what is told as its trouble.
    pub fn absent(trouble: String) -> Self {
        let place = Self::default();
        place.set_trouble(trouble);
        place
    }

    /// A place that has its store already.
    pub fn present(store: Store) -> Self {
        let place = Self::default();
        place.fill(store);
        place
    }

    /// Puts the store in its place, unless there is one.
    pub fn fill(&self, store: Store) {
        // Whoever was first opened the same database.
        let _ = self.store.set(store);
    }

    /// Says why there is no store.
    pub fn set_trouble(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Why there was no store when it was last tried.
    pub fn trouble(&self) -> String {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    pub fn find(&self) -> Option<&Store> {
        self.store.get()
    }

    /// Waits for the store.
    pub async fn wait(&self) -> &Store {
        self.store.wait().await
    }

    /// Closes the store, if it has come.
    pub async fn close(&self) {
        if let Some(store) = self.find() {
            store.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_without_a_store_says_why() {
        let place = LateStore::absent("nobody answers".into());
        let same = place.clone();
        assert!(same.find().is_none());
        place.set_trouble("it starts up".into());
        assert_eq!(same.trouble(), "it starts up");
    }
}
