//! What a plan says about its end and about devices.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::id::GardenId;
use crate::mac::Mac;
use crate::time::Timestamp;

/// What a plan says about how access ends and which devices it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct PlanAccess {
    /// How long access goes on after the expiry.
    pub grace_days: GraceDays,
    /// What comes after the expiry and the grace.
    pub after_expiry: AfterExpiry,
    /// The walled garden of this plan; without one, that of the tenant.
    pub garden: Option<GardenId>,
    /// How many devices are bound to a subscriber; any device without a limit.
    pub device_limit: Option<DeviceLimit>,
    /// How many of them may have made up their address; without one they count like others.
    pub private_device_limit: Option<DeviceLimit>,
}

/// Days of 24 hours, 0 to 365.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct GraceDays(u16);

/// What becomes of an account when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum AfterExpiry {
    /// Refused.
    #[default]
    Hard,
    /// Let into the walled garden.
    Walled,
}

/// A number of devices, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DeviceLimit(u8);

/// Which devices a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Those whose address their maker gave, and private ones when they have no limit of their own.
    Counted,
    /// Those that made up their address.
    Private,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanAccessError {
    #[error("'{raw}' is not a number of days: write 0 to {}", GraceDays::MAX)]
    GraceDays { raw: String },
    #[error("'{raw}' is not one of: hard, walled")]
    AfterExpiry { raw: String },
    #[error("'{raw}' is not a number of devices: write 0 to {}", DeviceLimit::MAX)]
    DeviceLimit { raw: String },
}

impl PlanAccess {
    /// The limit that a device counts against, and which devices count with it. Absent when any
    /// number of such devices will do.
    pub fn limit_of(&self, device: Mac) -> Option<(DeviceKind, DeviceLimit)> {
        match self.private_device_limit {
            Some(limit) if device.is_private() => Some((DeviceKind::Private, limit)),
            Some(_) | None => self.device_limit.map(|limit| (DeviceKind::Counted, limit)),
        }
    }

    /// How many of the known devices count against a limit of this kind.
    pub fn count(&self, kind: DeviceKind, known: &[Mac]) -> usize {
        let counts = |mac: &&Mac| match kind {
            DeviceKind::Private => mac.is_private(),
            DeviceKind::Counted => self.private_device_limit.is_none() || !mac.is_private(),
        };
        known.iter().filter(counts).count()
    }

    /// Whether devices are bound at all.
    pub const fn binds_devices(&self) -> bool {
        self.device_limit.is_some() || self.private_device_limit.is_some()
    }
}

impl GraceDays {
    pub const MAX: u16 = 365;

    pub const fn new(days: u16) -> Option<Self> {
        if Self::MAX < days {
            return None;
        }
        Some(Self(days))
    }

    pub const fn as_days(self) -> u16 {
        self.0
    }

    /// The end of the grace that begins at `expiry`.
    #[must_use]
    pub fn after(self, expiry: Timestamp) -> Timestamp {
        expiry.plus_seconds(i64::from(self.0) * 86_400)
    }
}

impl FromStr for GraceDays {
    type Err = PlanAccessError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let days = raw.parse().ok().and_then(Self::new);
        days.ok_or_else(|| PlanAccessError::GraceDays {
            raw: raw.to_owned(),
        })
    }
}

impl AfterExpiry {
    pub const ALL: [Self; 2] = [Self::Hard, Self::Walled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Walled => "walled",
        }
    }
}

impl FromStr for AfterExpiry {
    type Err = PlanAccessError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(raw))
            .ok_or_else(|| PlanAccessError::AfterExpiry {
                raw: raw.to_owned(),
            })
    }
}

impl fmt::Display for AfterExpiry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl DeviceLimit {
    pub const MAX: u8 = 100;

    pub const fn new(devices: u8) -> Option<Self> {
        if Self::MAX < devices {
            return None;
        }
        Some(Self(devices))
    }

    pub const fn as_devices(self) -> u8 {
        self.0
    }
}

impl FromStr for DeviceLimit {
    type Err = PlanAccessError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let devices = raw.parse().ok().and_then(Self::new);
        devices.ok_or_else(|| PlanAccessError::DeviceLimit {
            raw: raw.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(raw: &str) -> Mac {
        raw.parse().expect("a valid address")
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        assert!("366".parse::<GraceDays>().is_err());
        assert!("365".parse::<GraceDays>().is_ok());
        assert!("101".parse::<DeviceLimit>().is_err());
        assert!("-1".parse::<DeviceLimit>().is_err());
        assert_eq!("Walled".parse(), Ok(AfterExpiry::Walled));
        assert!("soft".parse::<AfterExpiry>().is_err());
    }

    #[test]
    fn private_devices_count_apart_when_they_have_a_limit() {
        let made = mac("00:00:5e:00:53:01");
        let private = mac("02:00:5e:00:53:01");
        let known = [made, private];
        let two = DeviceLimit::new(2).expect("in range");
        let one = DeviceLimit::new(1).expect("in range");
        let together = PlanAccess {
            device_limit: Some(two),
            ..PlanAccess::default()
        };
        assert_eq!(together.limit_of(private), Some((DeviceKind::Counted, two)));
        assert_eq!(together.count(DeviceKind::Counted, &known), 2);
        let apart = PlanAccess {
            private_device_limit: Some(one),
            ..together
        };
        assert_eq!(apart.limit_of(private), Some((DeviceKind::Private, one)));
        assert_eq!(apart.limit_of(made), Some((DeviceKind::Counted, two)));
        assert_eq!(apart.count(DeviceKind::Counted, &known), 1);
        assert_eq!(apart.count(DeviceKind::Private, &known), 1);
        let only_private = PlanAccess {
            private_device_limit: Some(one),
            ..PlanAccess::default()
        };
        assert_eq!(only_private.limit_of(made), None);
        assert!(only_private.binds_devices());
    }

    #[test]
    fn grace_is_counted_in_days_of_24_hours() {
        let expiry = Timestamp::from_seconds(1_000);
        let grace = GraceDays::new(2).expect("in range");
        assert_eq!(
            grace.after(expiry),
            Timestamp::from_seconds(1_000 + 172_800)
        );
        let never = Timestamp::from_micros(i64::MAX);
        assert_eq!(grace.after(never), never);
    }
}
