//! The short text in which the log keeps methods, reasons and traces.
//!
//! The words are stored, so they stay as they are. Reading never fails: what a later version of the
//! program wrote, and this one does not know, is handed through as text.

use std::fmt::{self, Write as _};

use compact_str::CompactString;

use crate::access::rows::{RowOwner, RowPlace, RowTable};
use crate::access::{Method, RejectReason, Trace, TraceStep};
use crate::credential::HashScheme;
use crate::guard::GuardSubject;
use crate::limit::{Crossing, Measure, Period, ResetAt};
use crate::time::Timestamp;

const METHODS: [Method; 7] = [
    Method::Pap,
    Method::Chap,
    Method::MsChapV1,
    Method::MsChapV2,
    Method::Eap,
    Method::None,
    Method::EapMd5,
];

const SCHEMES: [HashScheme; 5] = [
    HashScheme::Bcrypt,
    HashScheme::Argon2,
    HashScheme::Sha256Crypt,
    HashScheme::Sha512Crypt,
    HashScheme::Nt,
];

/// Something that was read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged<T> {
    Known(T),
    /// Written by a later version of the program.
    Unknown(CompactString),
}

/// A trace as a few letters: a word a rule, its values behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceText(CompactString);

impl<T> Logged<T> {
    fn of(text: &str, known: Option<T>) -> Self {
        known.map_or_else(|| Self::Unknown(text.into()), Self::Known)
    }
}

impl<T: fmt::Display> fmt::Display for Logged<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => known.fmt(formatter),
            Self::Unknown(text) => write!(formatter, "not known to this version: {text}"),
        }
    }
}

impl Logged<Method> {
    pub fn read_method(text: &str) -> Self {
        Self::of(text, find_method(text))
    }
}

impl Logged<RejectReason> {
    /// Reads what [`write_reason`] wrote.
    pub fn read_reason(text: &str) -> Self {
        Self::of(text, find_reason(text))
    }

    /// A stable name, also of a reason that is not known here.
    pub fn code(&self) -> &str {
        match self {
            Self::Known(reason) => reason.code(),
            Self::Unknown(text) => text.split(' ').next().unwrap_or_default(),
        }
    }
}

/// A reason as its code and its values.
pub fn write_reason(reason: RejectReason) -> CompactString {
    let mut text = CompactString::const_new(reason.code());
    match reason {
        RejectReason::UnknownUser
        | RejectReason::MalformedUserName
        | RejectReason::Disabled
        | RejectReason::NoCredential
        | RejectReason::NasIdentifierDiffers
        | RejectReason::PlanMissing
        | RejectReason::RowsDoNotMatch
        | RejectReason::RowsReject
        | RejectReason::RowsAuthType
        | RejectReason::Pending
        | RejectReason::Suspended
        | RejectReason::NasNotAllowed
        | RejectReason::DeviceUnnamed
        | RejectReason::DeviceNotStored
        | RejectReason::DeviceOfSeveral
        | RejectReason::DeviceDiffers
        | RejectReason::UnknownRealm
        | RejectReason::RealmElsewhere
        | RejectReason::ConversationUnknown
        | RejectReason::IdentityDiffers => Ok(()),
        RejectReason::NoCommonMethod { wanted } => write!(text, " {wanted}"),
        RejectReason::NoGarden { state } => write!(text, " {state}"),
        RejectReason::DeviceLimit { limit } | RejectReason::PrivateDeviceLimit { limit } => {
            write!(text, " {limit}")
        }
        RejectReason::Expired { at } => write!(text, " {at}"),
        RejectReason::WrongPassword { method }
        | RejectReason::MalformedCredential { method }
        | RejectReason::UnsupportedMethod { method }
        | RejectReason::RowsPassword { method } => write!(text, " {method}"),
        RejectReason::MethodNeedsCleartext { method, stored } => {
            write!(text, " {method} {stored}")
        }
        RejectReason::SessionLimit { open, limit } => write!(text, " {open} {limit}"),
        RejectReason::RowDiffers(place) | RejectReason::RowFailed(place) => {
            text.push(' ');
            write_place(&mut text, place)
        }
        RejectReason::TooManyAttempts { subject } => write!(text, " {subject}"),
        RejectReason::QuotaUsedUp(Crossing {
            amount,
            measure,
            period,
            resets_at,
        }) => {
            let (measure, period) = (measure.as_str(), period.as_str());
            let resets_at = stored_reset(resets_at);
            write!(text, " {measure} {period} {amount} {resets_at}")
        }
        RejectReason::OutsideHours { opens_at: at }
        | RejectReason::NoLongerValid { ended_at: at }
        | RejectReason::NotValidYet { at } => write!(text, " {at}"),
    }
    .expect("a string takes every write");
    text
}

#[expect(
    clippy::too_many_lines,
    reason = "a table: how each reason is read back"
)]
fn find_reason(text: &str) -> Option<RejectReason> {
    let mut words = text.split(' ');
    let code = words.next()?;
    let mut word = || words.next();
    let reason = match code {
        "unknown_user" => RejectReason::UnknownUser,
        "malformed_user_name" => RejectReason::MalformedUserName,
        "disabled" => RejectReason::Disabled,
        "expired" => RejectReason::Expired {
            at: word()?.parse().ok()?,
        },
        "wrong_password" => RejectReason::WrongPassword {
            method: find_method(word()?)?,
        },
        "method_needs_cleartext" => RejectReason::MethodNeedsCleartext {
            method: find_method(word()?)?,
            stored: find_scheme(word()?)?,
        },
        "malformed_credential" => RejectReason::MalformedCredential {
            method: find_method(word()?)?,
        },
        "unsupported_method" => RejectReason::UnsupportedMethod {
            method: find_method(word()?)?,
        },
        "no_credential" => RejectReason::NoCredential,
        "nas_identifier_differs" => RejectReason::NasIdentifierDiffers,
        "session_limit" => RejectReason::SessionLimit {
            open: word()?.parse().ok()?,
            limit: word()?.parse().ok()?,
        },
        "plan_missing" => RejectReason::PlanMissing,
        "rows_do_not_match" => RejectReason::RowsDoNotMatch,
        "row_differs" => RejectReason::RowDiffers(find_place(word()?)?),
        "row_failed" => RejectReason::RowFailed(find_place(word()?)?),
        "rows_reject" => RejectReason::RowsReject,
        "rows_auth_type" => RejectReason::RowsAuthType,
        "rows_password" => RejectReason::RowsPassword {
            method: find_method(word()?)?,
        },
        "too_many_attempts" => RejectReason::TooManyAttempts {
            subject: GuardSubject::from_stored(word()?)?,
        },
        "quota_used_up" => RejectReason::QuotaUsedUp(Crossing {
            measure: Measure::find(word()?)?,
            period: Period::find(word()?)?,
            amount: word()?.parse().ok()?,
            resets_at: find_reset(word()?)?,
        }),
        "outside_hours" => RejectReason::OutsideHours {
            opens_at: word()?.parse().ok()?,
        },
        "no_longer_valid" => RejectReason::NoLongerValid {
            ended_at: word()?.parse().ok()?,
        },
        "not_valid_yet" => RejectReason::NotValidYet {
            at: word()?.parse().ok()?,
        },
        "pending" => RejectReason::Pending,
        "suspended" => RejectReason::Suspended,
        "no_garden" => RejectReason::NoGarden {
            state: word()?.parse().ok()?,
        },
        "nas_not_allowed" => RejectReason::NasNotAllowed,
        "device_unnamed" => RejectReason::DeviceUnnamed,
        "device_limit" => RejectReason::DeviceLimit {
            limit: word()?.parse().ok()?,
        },
        "private_device_limit" => RejectReason::PrivateDeviceLimit {
            limit: word()?.parse().ok()?,
        },
        "device_not_stored" => RejectReason::DeviceNotStored,
        "device_of_several" => RejectReason::DeviceOfSeveral,
        "device_differs" => RejectReason::DeviceDiffers,
        "unknown_realm" => RejectReason::UnknownRealm,
        "realm_elsewhere" => RejectReason::RealmElsewhere,
        "conversation_unknown" => RejectReason::ConversationUnknown,
        "identity_differs" => RejectReason::IdentityDiffers,
        "no_common_method" => RejectReason::NoCommonMethod {
            wanted: word()?.parse().ok()?,
        },
        _ => return None,
    };
    match word() {
        None => Some(reason),
        Some(_) => None,
    }
}

impl TraceText {
    /// The rules without the reason of a refusal, which the entry has beside them.
    pub fn of(trace: &Trace) -> Self {
        let mut text = CompactString::default();
        for (index, step) in trace.iter().enumerate() {
            if 0 < index {
                text.push(' ');
            }
            match *step {
                TraceStep::SubscriberFound => text.write_str("f"),
                TraceStep::SubscriberActive => text.write_str("a"),
                TraceStep::NotExpired => text.write_str("e"),
                TraceStep::NoExpiry => text.write_str("n"),
                TraceStep::PasswordVerified { method } => {
                    text.push('v');
                    text.write_str(method.as_str())
                }
                TraceStep::NasIdentifierMatches => text.write_str("i"),
                TraceStep::WithinSessionLimit { open, limit } => write!(text, "l{open}/{limit}"),
                TraceStep::NoSessionLimit => text.write_str("u"),
                TraceStep::SessionTimeoutUntilExpiry { seconds } => write!(text, "t{seconds}"),
                TraceStep::Granted => text.write_str("g"),
                TraceStep::Refused(_) => text.write_str("r"),
                TraceStep::RowsFound => text.write_str("R"),
                TraceStep::RowsMatch(RowOwner::User) => text.write_str("M"),
                TraceStep::RowsMatch(RowOwner::Group(place)) => write!(text, "Mg{place}"),
                TraceStep::RowsMatch(RowOwner::Profile(place)) => write!(text, "Mp{place}"),
                TraceStep::RowDiffers(place) => {
                    text.push('D');
                    write_place(&mut text, place)
                }
                TraceStep::RowsAcceptAlways => text.write_str("A"),
                TraceStep::ReplacesOldest { open, limit } => write!(text, "o{open}/{limit}"),
                TraceStep::StillValid { until } => write!(text, "qv{}", until.as_micros()),
                TraceStep::HoursOpen { seconds } => write!(text, "qh{seconds}"),
                TraceStep::WithinQuotas => text.write_str("qq"),
                TraceStep::Throttled {
                    measure,
                    period,
                    resets_at,
                } => write_crossing(&mut text, 'x', measure, period, resets_at),
                TraceStep::MovedToPlan {
                    measure,
                    period,
                    resets_at,
                } => write_crossing(&mut text, 'p', measure, period, resets_at),
                TraceStep::SessionTimeoutByLimits { seconds } => write!(text, "qt{seconds}"),
                TraceStep::InGrace { until } => write!(text, "G{}", until.as_micros()),
                TraceStep::Walled { state } => write!(text, "W{state}"),
                TraceStep::NasAllowed => text.write_str("N"),
                TraceStep::DeviceBound => text.write_str("b"),
                TraceStep::DeviceNew { limit } => write!(text, "B{limit}"),
                TraceStep::DeviceLogin => text.write_str("m"),
            }
            .expect("a string takes every write");
        }
        Self(text)
    }

    /// A trace as it was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rules of an entry that was refused for `reason`, or accepted.
    pub fn steps(&self, reason: Option<&Logged<RejectReason>>) -> Vec<Logged<TraceStep>> {
        let words = self.0.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| match (word, reason) {
                ("r", Some(Logged::Unknown(reason))) => Logged::Unknown(reason.clone()),
                ("r", Some(Logged::Known(reason))) => Logged::Known(TraceStep::Refused(*reason)),
                _ => Logged::of(word, find_step(word)),
            })
            .collect()
    }
}

fn find_step(word: &str) -> Option<TraceStep> {
    let first = word.chars().next()?;
    let value = &word[first.len_utf8()..];
    let step = match first {
        'v' => {
            return find_method(value).map(|method| TraceStep::PasswordVerified { method });
        }
        'l' | 'o' => {
            let (open, limit) = value.split_once('/')?;
            let (open, limit) = (open.parse().ok()?, limit.parse().ok()?);
            return Some(match first {
                'l' => TraceStep::WithinSessionLimit { open, limit },
                _ => TraceStep::ReplacesOldest { open, limit },
            });
        }
        't' => {
            let seconds = value.parse().ok()?;
            return Some(TraceStep::SessionTimeoutUntilExpiry { seconds });
        }
        'M' => return find_owner(value).map(TraceStep::RowsMatch),
        'D' => return find_place(value).map(TraceStep::RowDiffers),
        'R' => TraceStep::RowsFound,
        'A' => TraceStep::RowsAcceptAlways,
        'q' => return find_limit_step(value),
        'G' => {
            let until = Timestamp::from_micros(value.parse().ok()?);
            return Some(TraceStep::InGrace { until });
        }
        'W' => {
            let state = value.parse().ok()?;
            return Some(TraceStep::Walled { state });
        }
        'B' => {
            let limit = value.parse().ok()?;
            return Some(TraceStep::DeviceNew { limit });
        }
        'N' => TraceStep::NasAllowed,
        'b' => TraceStep::DeviceBound,
        'm' => TraceStep::DeviceLogin,
        'f' => TraceStep::SubscriberFound,
        'a' => TraceStep::SubscriberActive,
        'e' => TraceStep::NotExpired,
        'n' => TraceStep::NoExpiry,
        'i' => TraceStep::NasIdentifierMatches,
        'u' => TraceStep::NoSessionLimit,
        'g' => TraceStep::Granted,
        _ => return None,
    };
    value.is_empty().then_some(step)
}

fn write_place(text: &mut CompactString, place: RowPlace) -> fmt::Result {
    let RowPlace { table, id } = place;
    write!(text, "{}/{id}", table.as_str())
}

fn find_place(text: &str) -> Option<RowPlace> {
    let (table, id) = text.split_once('/')?;
    let mut tables = RowTable::ALL.into_iter();
    Some(RowPlace {
        table: tables.find(|known| known.as_str() == table)?,
        id: id.parse().ok()?,
    })
}

fn find_owner(text: &str) -> Option<RowOwner> {
    if text.is_empty() {
        return Some(RowOwner::User);
    }
    let (kind, place) = text.split_at_checked(1)?;
    let place = place.parse().ok()?;
    match kind {
        "g" => Some(RowOwner::Group(place)),
        "p" => Some(RowOwner::Profile(place)),
        _ => None,
    }
}

/// The rules of limits have two letters.
fn find_limit_step(word: &str) -> Option<TraceStep> {
    let first = word.chars().next()?;
    let value = &word[first.len_utf8()..];
    let step = match first {
        'v' => TraceStep::StillValid {
            until: Timestamp::from_micros(value.parse().ok()?),
        },
        'h' => TraceStep::HoursOpen {
            seconds: value.parse().ok()?,
        },
        't' => TraceStep::SessionTimeoutByLimits {
            seconds: value.parse().ok()?,
        },
        'q' if value.is_empty() => TraceStep::WithinQuotas,
        'x' | 'p' => {
            let mut parts = value.split('/');
            let mut part = || parts.next();
            let (measure, period) = (Measure::find(part()?)?, Period::find(part()?)?);
            let resets_at = find_reset(part()?)?;
            if part().is_some() {
                return None;
            }
            match first {
                'x' => TraceStep::Throttled {
                    measure,
                    period,
                    resets_at,
                },
                _ => TraceStep::MovedToPlan {
                    measure,
                    period,
                    resets_at,
                },
            }
        }
        _ => return None,
    };
    Some(step)
}

fn write_crossing(
    text: &mut CompactString,
    letter: char,
    measure: Measure,
    period: Period,
    resets_at: ResetAt,
) -> fmt::Result {
    let (measure, period) = (measure.as_str(), period.as_str());
    let resets_at = stored_reset(resets_at);
    write!(text, "q{letter}{measure}/{period}/{resets_at}")
}

/// Seconds since 1970, or 0 for never.
fn stored_reset(resets_at: ResetAt) -> i64 {
    resets_at.find().map_or(0, Timestamp::as_seconds)
}

fn find_reset(text: &str) -> Option<ResetAt> {
    match text.parse().ok()? {
        0 => Some(ResetAt::NEVER),
        seconds => Some(ResetAt::at(Timestamp::from_seconds(seconds))),
    }
}

fn find_method(text: &str) -> Option<Method> {
    METHODS.into_iter().find(|method| method.as_str() == text)
}

fn find_scheme(text: &str) -> Option<HashScheme> {
    SCHEMES.into_iter().find(|scheme| scheme.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriber::state::AccessState;

    const AT: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[track_caller]
    fn check_reason(reason: RejectReason, expected: &str) {
        assert_eq!(write_reason(reason), expected);
        assert_eq!(Logged::read_reason(expected), Logged::Known(reason));
        assert_eq!(Logged::read_reason(expected).code(), reason.code());
    }

    #[test]
    fn reasons_survive_storage() {
        let method = Method::MsChapV2;
        let stored = HashScheme::Sha256Crypt;
        for plain in [
            RejectReason::UnknownUser,
            RejectReason::MalformedUserName,
            RejectReason::Disabled,
            RejectReason::NoCredential,
            RejectReason::NasIdentifierDiffers,
            RejectReason::PlanMissing,
            RejectReason::RowsDoNotMatch,
            RejectReason::RowsReject,
            RejectReason::RowsAuthType,
            RejectReason::Pending,
            RejectReason::Suspended,
            RejectReason::NasNotAllowed,
            RejectReason::DeviceUnnamed,
            RejectReason::DeviceNotStored,
            RejectReason::DeviceOfSeveral,
            RejectReason::DeviceDiffers,
            RejectReason::UnknownRealm,
            RejectReason::RealmElsewhere,
        ] {
            check_reason(plain, plain.code());
        }
        for state in AccessState::ALL {
            let text = format!("no_garden {state}");
            check_reason(RejectReason::NoGarden { state }, &text);
        }
        check_reason(RejectReason::DeviceLimit { limit: 3 }, "device_limit 3");
        check_reason(
            RejectReason::PrivateDeviceLimit { limit: 0 },
            "private_device_limit 0",
        );
        check_reason(
            RejectReason::Expired { at: AT },
            "expired 2027-01-15T08:00:00Z",
        );
        check_reason(
            RejectReason::WrongPassword { method },
            "wrong_password mschapv2",
        );
        check_reason(
            RejectReason::MethodNeedsCleartext { method, stored },
            "method_needs_cleartext mschapv2 sha256-crypt",
        );
        check_reason(
            RejectReason::MalformedCredential { method },
            "malformed_credential mschapv2",
        );
        check_reason(
            RejectReason::UnsupportedMethod { method },
            "unsupported_method mschapv2",
        );
        check_reason(
            RejectReason::SessionLimit { open: 3, limit: 2 },
            "session_limit 3 2",
        );
        for table in RowTable::ALL {
            let id = i64::MAX;
            let place = format!("{}/{id}", table.as_str());
            let differs = RejectReason::RowDiffers(RowPlace { table, id });
            check_reason(differs, &format!("row_differs {place}"));
            let failed = RejectReason::RowFailed(RowPlace { table, id });
            check_reason(failed, &format!("row_failed {place}"));
        }
        let unusable = RejectReason::RowsPassword { method };
        check_reason(unusable, "rows_password mschapv2");
    }

    #[test]
    fn reasons_of_eap_are_all_read_back() {
        check_reason(RejectReason::ConversationUnknown, "conversation_unknown");
        check_reason(RejectReason::IdentityDiffers, "identity_differs");
        let wanted = RejectReason::NoCommonMethod { wanted: 25 };
        check_reason(wanted, "no_common_method 25");
    }

    #[test]
    fn reasons_to_be_kept_back_are_all_read_back() {
        for subject in GuardSubject::ALL {
            check_reason(
                RejectReason::TooManyAttempts { subject },
                &format!("too_many_attempts {subject}"),
            );
        }
    }

    #[test]
    fn reasons_of_limits_are_all_read_back() {
        let crossing = Crossing {
            amount: 50_000_000_000,
            measure: Measure::Traffic,
            period: Period::Month,
            resets_at: ResetAt::at(AT),
        };
        check_reason(
            RejectReason::QuotaUsedUp(crossing),
            "quota_used_up traffic month 50000000000 1800000000",
        );
        check_reason(
            RejectReason::QuotaUsedUp(Crossing {
                measure: Measure::Time,
                period: Period::Total,
                resets_at: ResetAt::NEVER,
                ..crossing
            }),
            "quota_used_up time total 50000000000 0",
        );
        check_reason(
            RejectReason::OutsideHours { opens_at: AT },
            "outside_hours 2027-01-15T08:00:00Z",
        );
        check_reason(
            RejectReason::NoLongerValid { ended_at: AT },
            "no_longer_valid 2027-01-15T08:00:00Z",
        );
        check_reason(
            RejectReason::NotValidYet { at: AT },
            "not_valid_yet 2027-01-15T08:00:00Z",
        );
    }

    #[test]
    fn schemes_and_methods_are_all_read_back() {
        for method in METHODS {
            check_reason(
                RejectReason::UnsupportedMethod { method },
                &format!("unsupported_method {method}"),
            );
            for stored in SCHEMES {
                check_reason(
                    RejectReason::MethodNeedsCleartext { method, stored },
                    &format!("method_needs_cleartext {method} {stored}"),
                );
            }
        }
    }

    #[test]
    fn a_reason_of_a_later_version_is_handed_through() {
        for text in ["quota_used 7", "session_limit 3", "disabled since", ""] {
            assert_eq!(
                Logged::read_reason(text),
                Logged::Unknown(CompactString::from(text))
            );
        }
        assert_eq!(Logged::read_reason("quota_used 7").code(), "quota_used");
        assert_eq!(
            Logged::read_reason("quota_used 7").to_string(),
            "not known to this version: quota_used 7"
        );
    }

    #[track_caller]
    fn check_trace(steps: &[TraceStep], reason: Option<RejectReason>, expected: &str) {
        let trace: Trace = steps.iter().copied().collect();
        let text = TraceText::of(&trace);
        assert_eq!(text.as_str(), expected);
        let reason = reason.map(Logged::Known);
        let read = TraceText::from_stored(expected).steps(reason.as_ref());
        let known: Vec<_> = steps.iter().copied().map(Logged::Known).collect();
        assert_eq!(read, known);
    }

    #[test]
    fn traces_of_accounts_and_devices_survive_storage() {
        check_trace(
            &[
                TraceStep::InGrace { until: AT },
                TraceStep::Walled {
                    state: AccessState::SuspendedWalled,
                },
                TraceStep::NasAllowed,
                TraceStep::DeviceBound,
                TraceStep::DeviceNew { limit: 2 },
                TraceStep::DeviceLogin,
            ],
            None,
            "G1800000000000000 Wsuspended_walled N b B2 m",
        );
    }

    #[test]
    fn traces_of_limits_survive_storage() {
        let (measure, period) = (Measure::Download, Period::Day);
        let resets_at = ResetAt::at(AT);
        check_trace(
            &[
                TraceStep::StillValid { until: AT },
                TraceStep::HoursOpen { seconds: 60 },
                TraceStep::WithinQuotas,
                TraceStep::SessionTimeoutByLimits { seconds: 59 },
            ],
            None,
            "qv1800000000000000 qh60 qq qt59",
        );
        check_trace(
            &[
                TraceStep::Throttled {
                    measure,
                    period,
                    resets_at,
                },
                TraceStep::MovedToPlan {
                    measure,
                    period,
                    resets_at: ResetAt::NEVER,
                },
            ],
            None,
            "qxdownload/day/1800000000 qpdownload/day/0",
        );
    }

    #[test]
    fn traces_survive_storage() {
        let method = Method::MsChapV2;
        check_trace(&[], None, "");
        check_trace(
            &[
                TraceStep::SubscriberFound,
                TraceStep::PasswordVerified { method },
                TraceStep::SubscriberActive,
                TraceStep::NoExpiry,
                TraceStep::NoSessionLimit,
                TraceStep::Granted,
            ],
            None,
            "f vmschapv2 a n u g",
        );
        check_trace(
            &[
                TraceStep::NotExpired,
                TraceStep::NasIdentifierMatches,
                TraceStep::WithinSessionLimit { open: 3, limit: 5 },
                TraceStep::SessionTimeoutUntilExpiry { seconds: 90 },
                TraceStep::ReplacesOldest { open: 1, limit: 1 },
            ],
            None,
            "e i l3/5 t90 o1/1",
        );
        let reason = RejectReason::Expired { at: AT };
        check_trace(
            &[TraceStep::SubscriberFound, TraceStep::Refused(reason)],
            Some(reason),
            "f r",
        );
        let place = RowPlace {
            table: RowTable::GroupCheck,
            id: 12,
        };
        check_trace(
            &[
                TraceStep::RowsFound,
                TraceStep::RowDiffers(place),
                TraceStep::RowsMatch(RowOwner::User),
                TraceStep::RowsMatch(RowOwner::Group(2)),
                TraceStep::RowsMatch(RowOwner::Profile(1)),
                TraceStep::RowsAcceptAlways,
                TraceStep::Granted,
            ],
            None,
            "R Dradgroupcheck/12 M Mg2 Mp1 A g",
        );
    }

    #[test]
    fn a_rule_of_a_later_version_is_handed_through() {
        let read = TraceText::from_stored("f q9 l3 g\u{e9} r").steps(None);
        let unknown = |text: &str| Logged::Unknown(text.into());
        assert_eq!(
            read,
            [
                Logged::Known(TraceStep::SubscriberFound),
                unknown("q9"),
                unknown("l3"),
                unknown("g\u{e9}"),
                unknown("r"),
            ]
        );
        let reason = Logged::read_reason("quota_used 7");
        let read = TraceText::from_stored("r").steps(Some(&reason));
        assert_eq!(read, [unknown("quota_used 7")]);
    }

    #[test]
    fn usual_traces_need_no_allocation() {
        let text = TraceText::from_stored("f vmschapv2 a n u g");
        assert!(!text.0.is_heap_allocated());
        assert!(size_of::<crate::auth_log::AuthLogEntry>() <= 208);
        assert!(size_of::<TraceStep>() <= 16);
    }
}
