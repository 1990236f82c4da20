//! Schedules: what the program does again and again, and what becomes of runs that it missed.

use std::str::FromStr;

use serde::Serialize;

use crate::time::Timestamp;

/// What becomes of runs that were due while the program was off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// They are noted, and the next one comes at its time.
    Skip,
    /// One run makes up for all of them, at once.
    RunOnce,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its time had come.
    Timer,
    /// It makes up for runs that were missed.
    Missed,
    /// Somebody asked for it.
    Asked,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    Succeeded,
    Failed,
    /// Whoever ran it was gone before it ended.
    Lost,
    /// It was due while the program was off.
    Skipped,
}

/// A text that names no policy, trigger or state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no such name")]
pub struct ScheduleTextError(&'static str);

/// When a schedule is due, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timetable {
    pub every_seconds: u32,
    pub missed: MissedPolicy,
    pub is_paused: bool,
    pub next_at: Timestamp,
    /// Somebody wants a run now.
    pub is_asked: bool,
}

/// What is to be done about a schedule at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    NotYet,
    Run(Trigger),
    /// The runs up to now are not made up for.
    Skip,
}

impl Timetable {
    /// What is to be done now. A run is missed when the one after it is due as well.
    pub fn due(&self, now: Timestamp) -> Due {
        if self.is_asked {
            return Due::Run(Trigger::Asked);
        }
        if self.is_paused || now < self.next_at {
            return Due::NotYet;
        }
        let late_seconds = now.seconds_since(self.next_at);
        match (i64::from(self.every_seconds) <= late_seconds, self.missed) {
            (false, _) => Due::Run(Trigger::Timer),
            (true, MissedPolicy::RunOnce) => Due::Run(Trigger::Missed),
            (true, MissedPolicy::Skip) => Due::Skip,
        }
    }

    /// The next time after an instant, so that the times stay in step with the first one.
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let every = i64::from(self.every_seconds.max(1));
        let late_seconds = now.seconds_since(self.next_at);
        match late_seconds < 0 {
            true => self.next_at,
            false => self
                .next_at
                .plus_seconds((late_seconds / every + 1) * every),
        }
    }
}

impl MissedPolicy {
    const ALL: [Self; 2] = [Self::Skip, Self::RunOnce];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::RunOnce => "run_once",
        }
    }
}

impl Trigger {
    const ALL: [Self; 3] = [Self::Timer, Self::Missed, Self::Asked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Missed => "missed",
            Self::Asked => "asked",
        }
    }
}

impl RunState {
    const ALL: [Self; 5] = [
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Lost,
        Self::Skipped,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Skipped => "skipped",
        }
    }
}

impl FromStr for MissedPolicy {
    type Err = ScheduleTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|policy| policy.as_str() == raw);
        found.ok_or(ScheduleTextError("a policy for missed runs"))
    }
}

impl FromStr for Trigger {
    type Err = ScheduleTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|trigger| trigger.as_str() == raw);
        found.ok_or(ScheduleTextError("a trigger of runs"))
    }
}

impl FromStr for RunState {
    type Err = ScheduleTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == raw);
        found.ok_or(ScheduleTextError("a state of runs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const FIRST: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn hourly(missed: MissedPolicy) -> Timetable {
        Timetable {
            every_seconds: 3_600,
            missed,
            is_paused: false,
            next_at: FIRST,
            is_asked: false,
        }
    }

    #[track_caller]
    fn check(timetable: Timetable, late_seconds: i64, due: Due, next_seconds: i64) {
        let now = FIRST.plus_seconds(late_seconds);
        assert_eq!(timetable.due(now), due);
        let next = timetable.next_after(now);
        assert_eq!(next.seconds_since(FIRST), next_seconds);
    }

    #[test]
    fn a_run_comes_at_its_time_and_the_next_one_in_step() {
        let hourly = hourly(MissedPolicy::Skip);
        check(hourly, -1, Due::NotYet, 0);
        check(hourly, 0, Due::Run(Trigger::Timer), HOUR);
        check(hourly, HOUR - 1, Due::Run(Trigger::Timer), HOUR);
    }

    #[test]
    fn missed_runs_are_skipped_or_made_up_for_once() {
        check(hourly(MissedPolicy::Skip), HOUR, Due::Skip, 2 * HOUR);
        let missed = Due::Run(Trigger::Missed);
        check(hourly(MissedPolicy::RunOnce), HOUR, missed, 2 * HOUR);
        check(
            hourly(MissedPolicy::RunOnce),
            10 * HOUR + 5,
            missed,
            11 * HOUR,
        );
    }

    #[test]
    fn a_paused_schedule_runs_only_when_asked() {
        let paused = Timetable {
            is_paused: true,
            ..hourly(MissedPolicy::RunOnce)
        };
        check(paused, 5 * HOUR, Due::NotYet, 6 * HOUR);
        let asked = Timetable {
            is_asked: true,
            ..paused
        };
        check(asked, -5, Due::Run(Trigger::Asked), 0);
    }

    #[test]
    fn what_is_stored_survives_its_text() {
        for policy in MissedPolicy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(policy));
        }
        for trigger in Trigger::ALL {
            assert_eq!(trigger.as_str().parse(), Ok(trigger));
        }
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
