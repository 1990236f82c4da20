//! Who gets a processor first when there are too few: the threads that answer routers.
//!
//! They are started by the main thread and keep its priority. Those of the runtime, on which the
//! database is written and the web is served, step back, and what they start inherits that.

/// Steps of niceness: beside a busy worker such a thread gets a tenth of a processor, and all of
/// one that is free.
const STEPS: i32 = 10;

/// Lets the calling thread step back behind those that did not.
pub fn step_back() {
    // Nothing depends on it: where it is refused, all threads are equal.
    let before = rustix::process::getpriority_process(None).unwrap_or(0);
    let _ = rustix::process::setpriority_process(None, before + STEPS);
}
