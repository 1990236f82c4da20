//! How many connections the system has descriptors for, so that the rest of the program keeps its own.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors that RADIUS, the database, the spool and the log have to themselves; half of them
/// when there are fewer than twice as many.
const RESERVED: u64 = 512;

/// Asks the system for as many as it gives, and says how many connections there may be of those
/// that are wanted.
pub(super) fn connections(wanted: usize) -> usize {
    // Where it is not said, the limit is not known.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let limit = match soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        true => hard,
        false => soft,
    };
    let possible = possible(limit);
    if possible < wanted {
        warn!(
            "There are descriptors for {possible} web connections only, not for {wanted} (http.connections_max): raise the limit of open files (LimitNOFILE, ulimit -n)"
        );
    }
    wanted.min(possible)
}

fn possible(limit: u64) -> usize {
    usize::try_from(limit - RESERVED.min(limit / 2)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_web_leaves_enough_for_the_rest() {
        assert_eq!(possible(65_536), 65_024);
        assert_eq!(possible(1_024), 512);
        assert_eq!(possible(256), 128);
        assert_eq!(possible(0), 0);
    }
}
