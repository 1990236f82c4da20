//! How long somebody who signed in stays signed in.

use crate::time::Timestamp;

/// A session that is not used for this long is over.
pub const IDLE_SECONDS: i64 = 12 * 3_600;

/// A session is over after this time, however much it is used.
pub const AGE_SECONDS_MAX: i64 = 7 * 24 * 3_600;

/// Sessions that an operator has at once; one more ends the one that was not used for longest.
pub const SESSIONS_MAX: u32 = 20;

/// When a session ends that is not used again.
pub fn ends_at(created: Timestamp, seen: Timestamp) -> Timestamp {
    created
        .plus_seconds(AGE_SECONDS_MAX)
        .min(seen.plus_seconds(IDLE_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    #[track_caller]
    fn check(seen_after: i64, ends_after: i64) {
        let created = Timestamp::from_seconds(1_000);
        let ends = ends_at(created, created.plus_seconds(seen_after * HOUR));
        assert_eq!(ends, created.plus_seconds(ends_after * HOUR));
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_after_a_week() {
        check(0, 12);
        check(100, 112);
        check(160, 168);
        check(167, 168);
    }
}
