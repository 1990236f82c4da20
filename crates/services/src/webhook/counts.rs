//! What the sender of webhooks counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Since the start of the program.
#[derive(Debug, Default)]
pub struct WebhookCounts {
    delivered: AtomicU64,
    failed: AtomicU64,
    disabled: AtomicU64,
}

impl WebhookCounts {
    /// Messages that their endpoints took.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Attempts that came to nothing.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Webhooks that were given up.
    pub fn disabled(&self) -> u64 {
        self.disabled.load(Relaxed)
    }

    pub(super) fn add_attempt(&self, is_success: bool) {
        let count = if is_success {
            &self.delivered
        } else {
            &self.failed
        };
        count.fetch_add(1, Relaxed);
    }

    pub(super) fn add_disabled(&self) {
        self.disabled.fetch_add(1, Relaxed);
    }
}
