//! The clock that the caller lends to the store.

use std::sync::Arc;

use domain::time::Timestamp;

/// Tells the time; the program passes the system's, tests pass their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
