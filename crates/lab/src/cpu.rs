//! The processor time of a thread: whether the lab itself was the limit of what it measured.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// The processor time that this thread has used, in the kernel too; zero if the kernel does not tell.
pub(crate) fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
        return Duration::ZERO;
    };
    let used = usage.user_time() + usage.system_time();
    u64::try_from(used.num_microseconds()).map_or(Duration::ZERO, Duration::from_micros)
}
