//! Limits that rows carry: expiry, hours, sessions, and the counters of rlm_sqlcounter.

use std::sync::Arc;

use domain::limit::Windows;

use crate::attribute::Role;
use crate::authorize::Groups;
use crate::name::stored_name;
use crate::program::{List, Operand, UserProgram};

/// A limit, with the value of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowLimit {
    /// `Expiration`: seconds since 1970 UTC.
    Expiration(u32),
    /// `Login-Time`: the times of the week that are open.
    LoginTime(Arc<Windows>),
    /// `Simultaneous-Use`: at most as many sessions.
    SimultaneousUse(u32),
    /// A counter: at most so much of it in the period.
    Counter(Counter, u64),
}

/// What a counter counts, and over which period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// What is counted.
    pub unit: CounterUnit,
    /// Since when.
    pub period: CounterPeriod,
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterUnit {
    /// Seconds on line.
    Seconds,
    /// Octets in both directions.
    Octets,
    /// Octets in both directions, the limit being in units of 2²⁰.
    Mebibytes,
}

/// The period of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterPeriod {
    /// The hour.
    Hour,
    /// The day.
    Day,
    /// The week.
    Week,
    /// The month.
    Month,
    /// For ever.
    Total,
    /// Seconds of the calendar since the first login (`Access-Period`, `Expire-After`).
    SinceFirstLogin,
}

/// The periods that counters of somebody's rows may last for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CounterPeriods(u8);

/// Which limit an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LimitKind {
    Expiration,
    LoginTime,
    SimultaneousUse,
    Counter(Counter),
}

impl CounterPeriods {
    /// All of them.
    const ALL: Self = Self(u8::MAX);

    /// Those of a user's rows, of the groups', and of the profile's, whether they match a request or not.
    #[must_use]
    pub fn of(user: &UserProgram, groups: &impl Groups) -> Self {
        let mut periods = Self::default();
        periods.look(&user.check, groups);
        periods.look_at_groups(user, groups);
        periods
    }

    /// Whether a counter may last for this period.
    #[must_use]
    pub const fn has(self, period: CounterPeriod) -> bool {
        self.0 & 1 << period as u8 != 0
    }

    /// Whether there is no counter at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn look_at_groups(&mut self, user: &UserProgram, groups: &impl Groups) {
        for name in &user.groups {
            if let Some(group) = groups.group(&name.stored) {
                self.look(&group.check, groups);
            }
        }
    }

    fn look(&mut self, checks: &List, groups: &impl Groups) {
        for entry in &checks.entries {
            let role = entry.item.attribute.role;
            if let Role::Limit(LimitKind::Counter(counter)) = role {
                self.0 |= 1 << counter.period as u8;
            } else if role == Role::UserProfile {
                if let Operand::Template(_) = entry.item.operand {
                    // Whose groups these are is known with the request.
                    *self = Self::ALL;
                } else {
                    self.look_at_profile(entry.item.octets(), groups);
                }
            }
        }
    }

    /// A profile's groups name no further profile that is asked.
    fn look_at_profile(&mut self, name: Option<&[u8]>, groups: &impl Groups) {
        let profile = name.and_then(|name| groups.user(&stored_name(name)));
        for name in profile.iter().flat_map(|profile| &profile.groups) {
            let group = groups.group(&name.stored);
            let checks = group.iter().flat_map(|group| &group.check.entries);
            for entry in checks {
                if let Role::Limit(LimitKind::Counter(counter)) = entry.item.attribute.role {
                    self.0 |= 1 << counter.period as u8;
                }
            }
        }
    }
}

/// The windows of a Login-Time.
pub(crate) fn login_time(octets: &[u8]) -> Windows {
    Windows::of_login_time(&String::from_utf8_lossy(octets))
}

impl LimitKind {
    /// The limit of that attribute, by the name in the dictionary.
    pub(crate) fn of_attribute(name: &str) -> Option<Self> {
        let (unit, period) = match name {
            "Expiration" => return Some(Self::Expiration),
            "Login-Time" => return Some(Self::LoginTime),
            "Simultaneous-Use" => return Some(Self::SimultaneousUse),
            "Max-Hourly-Session" => (CounterUnit::Seconds, CounterPeriod::Hour),
            "Max-Daily-Session" => (CounterUnit::Seconds, CounterPeriod::Day),
            "Max-Weekly-Session" => (CounterUnit::Seconds, CounterPeriod::Week),
            "Max-Monthly-Session" => (CounterUnit::Seconds, CounterPeriod::Month),
            "Max-All-Session" => (CounterUnit::Seconds, CounterPeriod::Total),
            "Max-Daily-Octets" | "Max-Daily-Traffic" => (CounterUnit::Octets, CounterPeriod::Day),
            "Max-Weekly-Octets" | "Max-Weekly-Traffic" => {
                (CounterUnit::Octets, CounterPeriod::Week)
            }
            "Max-Monthly-Octets" | "Max-Monthly-Traffic" => {
                (CounterUnit::Octets, CounterPeriod::Month)
            }
            "Max-All-Octets" | "Max-All-Traffic" | "Max-Total-Octets" => {
                (CounterUnit::Octets, CounterPeriod::Total)
            }
            "Max-All-MB" => (CounterUnit::Mebibytes, CounterPeriod::Total),
            "Expire-After" | "Access-Period" => {
                (CounterUnit::Seconds, CounterPeriod::SinceFirstLogin)
            }
            _ => return None,
        };
        Some(Self::Counter(Counter { unit, period }))
    }

    /// The limit with the octets of its row; `None` when they are not of its size.
    pub(crate) fn with_value(self, octets: &[u8]) -> Option<RowLimit> {
        Some(match self {
            Self::Expiration => RowLimit::Expiration(number(octets)?.try_into().ok()?),
            Self::LoginTime => RowLimit::LoginTime(Arc::new(login_time(octets))),
            Self::SimultaneousUse => RowLimit::SimultaneousUse(number(octets)?.try_into().ok()?),
            Self::Counter(counter) => RowLimit::Counter(counter, number(octets)?),
        })
    }
}

fn number(octets: &[u8]) -> Option<u64> {
    match *octets {
        [a, b, c, d] => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}
