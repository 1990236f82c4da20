//! The change of a plan as it is kept until its time comes: what it names, in the texts of the
//! plan's own columns.

use std::str::FromStr;

use domain::id::Id;
use domain::limit::{AtLimit, Validity, ValidityStart};
use domain::plan::access::{DeviceLimit, GraceDays};
use domain::plan::{InterimInterval, SessionLimit, TimeoutSeconds};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::limits::LimitsPatch;
use super::{AccessPatch, PlanPatch};

/// Absent leaves a field as it is, `null` empties it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    rate: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    session_timeout_seconds: Option<Option<u32>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    idle_timeout_seconds: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interim_seconds: Option<u32>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pool: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    session_limit: Option<Option<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_policy: Option<String>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    quotas: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    windows: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    validity: Option<Option<StoredValidity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_limit: Option<StoredAtLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_days: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_expiry: Option<String>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    garden: Option<Option<Uuid>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    device_limit: Option<Option<u8>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    private_device_limit: Option<Option<u8>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredValidity {
    seconds: u32,
    start: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAtLimit {
    Block,
    Throttle(String),
    Plan(Uuid),
}

/// A text that is no change of a plan.
pub(super) struct Unreadable;

/// The change as it is kept; the note about it is kept beside it.
pub(super) fn write(patch: &PlanPatch) -> String {
    let (limits, access) = (&patch.limits, &patch.access);
    let seconds = |timeout: &TimeoutSeconds| timeout.as_seconds();
    let devices = |limit: &DeviceLimit| limit.as_devices();
    let stored = Stored {
        name: patch.name.as_ref().map(ToString::to_string),
        rate: nested(&patch.rate, ToString::to_string),
        session_timeout_seconds: nested(&patch.session_timeout_seconds, seconds),
        idle_timeout_seconds: nested(&patch.idle_timeout_seconds, seconds),
        interim_seconds: patch.interim.map(InterimInterval::as_seconds),
        pool: nested(&patch.pool, ToString::to_string),
        session_limit: nested(&patch.session_limit, |limit| limit.as_sessions()),
        session_policy: patch.session_policy.map(|policy| policy.as_str().into()),
        quotas: nested(&limits.quotas, ToString::to_string),
        windows: nested(&limits.windows, ToString::to_string),
        validity: nested(&limits.validity, |validity| StoredValidity {
            seconds: validity.as_seconds(),
            start: validity.start.as_str().into(),
        }),
        resets: limits.resets.as_ref().map(ToString::to_string),
        at_limit: limits.at_limit.map(|at_limit| match at_limit {
            AtLimit::Block => StoredAtLimit::Block,
            AtLimit::Throttle(rate) => StoredAtLimit::Throttle(rate.to_string()),
            AtLimit::Plan(plan) => StoredAtLimit::Plan(plan.as_uuid()),
        }),
        grace_days: access.grace_days.map(GraceDays::as_days),
        after_expiry: access.after_expiry.map(|after| after.as_str().into()),
        garden: nested(&access.garden, |garden| garden.as_uuid()),
        device_limit: nested(&access.device_limit, devices),
        private_device_limit: nested(&access.private_device_limit, devices),
    };
    serde_json::to_string(&stored).expect("a change is made of texts and numbers")
}

/// Reads what [`write`] wrote.
pub(super) fn read(raw: &str) -> Result<PlanPatch, Unreadable> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(raw).map_err(|_| Unreadable)?;
    let stored: Stored = serde_json::from_value(object.into()).map_err(|_| Unreadable)?;
    let timeout = |seconds| TimeoutSeconds::new(seconds).map_err(|_| Unreadable);
    let interim = |seconds| InterimInterval::new(seconds).map_err(|_| Unreadable);
    let sessions = |limit| SessionLimit::new(limit).map_err(|_| Unreadable);
    let devices = |devices| DeviceLimit::new(devices).ok_or(Unreadable);
    let days = |days| GraceDays::new(days).ok_or(Unreadable);
    Ok(PlanPatch {
        name: parsed(stored.name)?,
        rate: checked(stored.rate, parse)?,
        session_timeout_seconds: checked(stored.session_timeout_seconds, timeout)?,
        idle_timeout_seconds: checked(stored.idle_timeout_seconds, timeout)?,
        interim: stored.interim_seconds.map(interim).transpose()?,
        pool: checked(stored.pool, parse)?,
        session_limit: checked(stored.session_limit, sessions)?,
        session_policy: parsed(stored.session_policy)?,
        limits: LimitsPatch {
            quotas: checked(stored.quotas, parse)?,
            windows: checked(stored.windows, parse)?,
            validity: checked(stored.validity, read_validity)?,
            resets: parsed(stored.resets)?,
            at_limit: stored.at_limit.map(read_at_limit).transpose()?,
        },
        access: AccessPatch {
            grace_days: stored.grace_days.map(days).transpose()?,
            after_expiry: parsed(stored.after_expiry)?,
            garden: stored.garden.map(|garden| garden.map(Id::from_uuid)),
            device_limit: checked(stored.device_limit, devices)?,
            private_device_limit: checked(stored.private_device_limit, devices)?,
        },
        note: None,
    })
}

fn read_validity(stored: StoredValidity) -> Result<Validity, Unreadable> {
    let start: ValidityStart = parse(stored.start)?;
    Validity::new(stored.seconds.into(), start).map_err(|_| Unreadable)
}

fn read_at_limit(stored: StoredAtLimit) -> Result<AtLimit, Unreadable> {
    Ok(match stored {
        StoredAtLimit::Block => AtLimit::Block,
        StoredAtLimit::Throttle(rate) => AtLimit::Throttle(parse(rate)?),
        StoredAtLimit::Plan(plan) => AtLimit::Plan(Id::from_uuid(plan)),
    })
}

/// What a field becomes, if it is named: a value, or nothing.
fn nested<T, U>(field: &Option<Option<T>>, show: impl Fn(&T) -> U) -> Option<Option<U>> {
    field.as_ref().map(|value| value.as_ref().map(show))
}

fn parse<T: FromStr>(raw: String) -> Result<T, Unreadable> {
    raw.parse().map_err(|_| Unreadable)
}

fn parsed<T: FromStr>(raw: Option<String>) -> Result<Option<T>, Unreadable> {
    raw.map(parse).transpose()
}

fn checked<T, U>(
    field: Option<Option<T>>,
    check: impl Fn(T) -> Result<U, Unreadable>,
) -> Result<Option<Option<U>>, Unreadable> {
    let checked = field.map(|value| value.map(check).transpose());
    checked.transpose()
}

/// `null` is a value here: it empties the field.
fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use domain::plan::PlanTerms;

    use super::*;

    fn full() -> PlanPatch {
        PlanPatch {
            name: "home-50".parse().ok(),
            rate: Some("25M/50M 30M/60M 20M/40M 10/10 5".parse().ok()),
            session_timeout_seconds: Some(TimeoutSeconds::new(3_600).ok()),
            idle_timeout_seconds: Some(None),
            interim: InterimInterval::new(600).ok(),
            pool: Some("gold".parse().ok()),
            session_limit: Some(SessionLimit::new(2).ok()),
            session_policy: "replace-oldest".parse().ok(),
            limits: LimitsPatch {
                quotas: Some("50G/month,time:2h/day".parse().ok()),
                windows: Some("Wk0800-1800".parse().ok()),
                validity: Some(Validity::new(86_400, ValidityStart::FirstUse).ok()),
                resets: "15 mon 06:00".parse().ok(),
                at_limit: Some(AtLimit::Plan(Id::from_uuid(Uuid::from_u128(7)))),
            },
            access: AccessPatch {
                grace_days: GraceDays::new(3),
                after_expiry: "walled".parse().ok(),
                garden: Some(Some(Id::from_uuid(Uuid::from_u128(9)))),
                device_limit: Some(DeviceLimit::new(2)),
                private_device_limit: Some(None),
            },
            note: None,
        }
    }

    #[test]
    fn a_change_survives_its_text() {
        let nothing = PlanPatch::default();
        assert_eq!(write(&nothing), "{}");
        for patch in [full(), nothing, PlanPatch::of(&PlanTerms::default())] {
            let text = write(&patch);
            let again = read(&text).map(|patch| format!("{patch:?}"));
            assert_eq!(again.ok(), Some(format!("{patch:?}")), "{text}");
        }
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for raw in ["", "[]", "{\"speed\":1}", "{\"rate\":\"fast\"}"] {
            assert!(read(raw).is_err(), "{raw}");
        }
    }
}
