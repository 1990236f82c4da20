//! What cannot be done at the moment, and why, for those who look at the node.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::port::PortError;

/// One kind of work: whether it failed last, and with what.
#[derive(Debug, Default)]
pub struct Trouble {
    /// So that work that goes well takes no lock.
    is_there: AtomicBool,
    why: Mutex<Option<String>>,
}

impl Trouble {
    /// It failed.
    pub(crate) fn begin(&self, problem: &PortError) {
        *self.lock() = Some(problem.to_string());
        self.is_there.store(true, Relaxed);
    }

    /// It works.
    pub(crate) fn end(&self) {
        if self.is_there.swap(false, Relaxed) {
            *self.lock() = None;
        }
    }

    /// Why it does not work, in one line; `None` while it does.
    pub fn find(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failure_is_told_with_its_cause_until_the_work_goes_well() {
        let trouble = Trouble::default();
        assert_eq!(trouble.find(), None);
        trouble.begin(&PortError::outage("storing accounting", "it is away"));
        trouble.begin(&PortError::outage("storing accounting", "it is full"));
        assert_eq!(
            trouble.find().as_deref(),
            Some("storing accounting: it is full")
        );
        trouble.end();
        assert_eq!(trouble.find(), None);
    }
}
