//! Hands out everything that the directory holds, for a copy of it.

use std::sync::Arc;

use domain::subscriber::Subscriber;

use super::{Directory, KnownPlan};

impl Directory {
    /// The plans of this moment.
    pub fn plan_list(&self) -> Vec<Arc<KnownPlan>> {
        let plans = self.plans.pin();
        plans
            .values()
            .filter_map(|cell| cell.load().clone())
            .collect()
    }

    /// Visits every subscriber that is known from the beginning to the end, in no order. Answers
    /// and changes go on beside it.
    pub fn try_for_each_subscriber<E>(
        &self,
        visit: impl FnMut(&Subscriber) -> Result<(), E>,
    ) -> Result<(), E> {
        self.subscribers.try_for_each(visit)
    }
}
