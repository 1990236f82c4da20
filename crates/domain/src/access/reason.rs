//! Why access is refused: a name for scripts, a sentence for operators, and what the subscriber is
//! told.

use std::fmt;

use super::Method;
use super::rows::RowPlace;
use crate::credential::HashScheme;
use crate::guard::GuardSubject;
use crate::limit::{Crossing, Measure};
use crate::subscriber::state::AccessState;
use crate::time::Timestamp;

/// Why access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    UnknownUser,
    MalformedUserName,
    Disabled,
    Expired {
        at: Timestamp,
    },
    WrongPassword {
        method: Method,
    },
    MethodNeedsCleartext {
        method: Method,
        stored: HashScheme,
    },
    MalformedCredential {
        method: Method,
    },
    UnsupportedMethod {
        method: Method,
    },
    NoCredential,
    NasIdentifierDiffers,
    SessionLimit {
        open: u32,
        limit: u16,
    },
    PlanMissing,
    RowsDoNotMatch,
    RowDiffers(RowPlace),
    RowFailed(RowPlace),
    RowsReject,
    RowsAuthType,
    RowsPassword {
        method: Method,
    },
    TooManyAttempts {
        subject: GuardSubject,
    },
    QuotaUsedUp(Crossing),
    OutsideHours {
        opens_at: Timestamp,
    },
    NoLongerValid {
        ended_at: Timestamp,
    },
    Pending,
    Suspended,
    /// It belongs into a walled garden, and there is none.
    NoGarden {
        state: AccessState,
    },
    NasNotAllowed,
    DeviceUnnamed,
    DeviceLimit {
        limit: u8,
    },
    PrivateDeviceLimit {
        limit: u8,
    },
    DeviceNotStored,
    DeviceOfSeveral,
    DeviceDiffers,
    UnknownRealm,
    RealmElsewhere,
    /// An answer of EAP to nothing that was asked here.
    ConversationUnknown,
    /// EAP names somebody else than the request does.
    IdentityDiffers,
    /// The device does no method of EAP that is spoken here.
    NoCommonMethod {
        /// The number of the method that it would rather do; 0 when it names none.
        wanted: u8,
    },
    /// The account begins later.
    NotValidYet {
        at: Timestamp,
    },
}

impl RejectReason {
    /// A stable name for logs, metrics and scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::MalformedUserName => "malformed_user_name",
            Self::Disabled => "disabled",
            Self::Expired { .. } => "expired",
            Self::WrongPassword { .. } => "wrong_password",
            Self::MethodNeedsCleartext { .. } => "method_needs_cleartext",
            Self::MalformedCredential { .. } => "malformed_credential",
            Self::UnsupportedMethod { .. } => "unsupported_method",
            Self::NoCredential => "no_credential",
            Self::NasIdentifierDiffers => "nas_identifier_differs",
            Self::SessionLimit { .. } => "session_limit",
            Self::PlanMissing => "plan_missing",
            Self::RowsDoNotMatch => "rows_do_not_match",
            Self::RowDiffers(_) => "row_differs",
            Self::RowFailed(_) => "row_failed",
            Self::RowsReject => "rows_reject",
            Self::RowsAuthType => "rows_auth_type",
            Self::RowsPassword { .. } => "rows_password",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::QuotaUsedUp(_) => "quota_used_up",
            Self::OutsideHours { .. } => "outside_hours",
            Self::NoLongerValid { .. } => "no_longer_valid",
            Self::Pending => "pending",
            Self::Suspended => "suspended",
            Self::NoGarden { .. } => "no_garden",
            Self::NasNotAllowed => "nas_not_allowed",
            Self::DeviceUnnamed => "device_unnamed",
            Self::DeviceLimit { .. } => "device_limit",
            Self::PrivateDeviceLimit { .. } => "private_device_limit",
            Self::DeviceNotStored => "device_not_stored",
            Self::DeviceOfSeveral => "device_of_several",
            Self::DeviceDiffers => "device_differs",
            Self::UnknownRealm => "unknown_realm",
            Self::RealmElsewhere => "realm_elsewhere",
            Self::ConversationUnknown => "conversation_unknown",
            Self::IdentityDiffers => "identity_differs",
            Self::NoCommonMethod { .. } => "no_common_method",
            Self::NotValidYet { .. } => "not_valid_yet",
        }
    }

    /// What the subscriber may be told in Reply-Message: nothing that helps to guess. A reason with
    /// a [`state`](Self::state) is told by the tenant's message for it instead.
    pub const fn reply_message(self) -> &'static str {
        match self {
            Self::SessionLimit { .. } => "You are already logged in",
            Self::QuotaUsedUp(crossing) => match crossing.measure {
                Measure::Traffic | Measure::Upload | Measure::Download => {
                    "Your data volume is used up"
                }
                Measure::Time => "Your online time is used up",
            },
            Self::OutsideHours { .. } => "Your plan does not cover this time",
            Self::NoLongerValid { .. } => "Your plan has ended",
            Self::NotValidYet { .. } => "Your plan has not begun yet",
            Self::NasNotAllowed => "Your account cannot be used here",
            Self::DeviceLimit { .. } | Self::PrivateDeviceLimit { .. } => {
                "Your account is used on too many devices"
            }
            Self::Disabled
            | Self::Expired { .. }
            | Self::Pending
            | Self::Suspended
            | Self::NoGarden { .. }
            | Self::UnknownUser
            | Self::MalformedUserName
            | Self::WrongPassword { .. }
            | Self::MethodNeedsCleartext { .. }
            | Self::MalformedCredential { .. }
            | Self::UnsupportedMethod { .. }
            | Self::NoCredential
            | Self::NasIdentifierDiffers
            | Self::PlanMissing
            | Self::DeviceUnnamed
            | Self::DeviceNotStored
            | Self::DeviceOfSeveral
            | Self::DeviceDiffers
            | Self::UnknownRealm
            | Self::RowsDoNotMatch
            | Self::RowDiffers(_)
            | Self::RowFailed(_)
            | Self::RowsReject
            | Self::RowsAuthType
            | Self::RowsPassword { .. }
            | Self::TooManyAttempts { .. }
            | Self::RealmElsewhere
            | Self::ConversationUnknown
            | Self::IdentityDiffers
            | Self::NoCommonMethod { .. } => "Access denied",
        }
    }

    /// The state of the account that is the reason.
    pub const fn state(self) -> Option<AccessState> {
        match self {
            Self::Disabled => Some(AccessState::Disabled),
            Self::Expired { .. } => Some(AccessState::Expired),
            Self::Pending => Some(AccessState::Pending),
            Self::Suspended => Some(AccessState::SuspendedHard),
            Self::NoGarden { state } => Some(state),
            Self::UnknownUser
            | Self::MalformedUserName
            | Self::WrongPassword { .. }
            | Self::MethodNeedsCleartext { .. }
            | Self::MalformedCredential { .. }
            | Self::UnsupportedMethod { .. }
            | Self::NoCredential
            | Self::NasIdentifierDiffers
            | Self::SessionLimit { .. }
            | Self::PlanMissing
            | Self::NasNotAllowed
            | Self::DeviceUnnamed
            | Self::DeviceLimit { .. }
            | Self::PrivateDeviceLimit { .. }
            | Self::DeviceNotStored
            | Self::DeviceOfSeveral
            | Self::DeviceDiffers
            | Self::UnknownRealm
            | Self::RowsDoNotMatch
            | Self::RowDiffers(_)
            | Self::RowFailed(_)
            | Self::RowsReject
            | Self::RowsAuthType
            | Self::RowsPassword { .. }
            | Self::TooManyAttempts { .. }
            | Self::QuotaUsedUp(_)
            | Self::OutsideHours { .. }
            | Self::NoLongerValid { .. }
            | Self::NotValidYet { .. }
            | Self::RealmElsewhere
            | Self::ConversationUnknown
            | Self::IdentityDiffers
            | Self::NoCommonMethod { .. } => None,
        }
    }
}

/// The sentence an operator reads.
impl fmt::Display for RejectReason {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one sentence for each reason"
    )]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser => formatter.write_str("there is no subscriber of this name"),
            Self::MalformedUserName => {
                formatter.write_str("the user name is empty, too long or not printable ASCII")
            }
            Self::Disabled => formatter.write_str("the subscriber is disabled"),
            Self::Expired { at } => write!(formatter, "the subscriber expired at {at}"),
            Self::WrongPassword { method } => write!(formatter, "the {method} password is wrong"),
            Self::MethodNeedsCleartext { method, stored } => write!(
                formatter,
                "{method} needs the password itself, but only its {stored} hash is stored"
            ),
            Self::MalformedCredential { method } => {
                write!(formatter, "the {method} attributes are malformed")
            }
            Self::UnsupportedMethod { method } => {
                write!(formatter, "{method} is not spoken by this server")
            }
            Self::NoCredential => formatter.write_str("the request carries no password"),
            Self::NasIdentifierDiffers => {
                formatter.write_str("NAS-Identifier is not the one registered for this NAS")
            }
            Self::SessionLimit { open, limit } => {
                write!(
                    formatter,
                    "{open} other sessions are open and {limit} are allowed"
                )
            }
            Self::PlanMissing => formatter.write_str("the subscriber's plan is not known here yet"),
            Self::RowsDoNotMatch => {
                formatter.write_str("neither the user's rows nor those of a group match")
            }
            Self::RowDiffers(place) => write!(formatter, "{place} does not match the request"),
            Self::RowFailed(place) => write!(
                formatter,
                "{place} cannot be obeyed: lastmile rows lint says why"
            ),
            Self::RowsReject => formatter.write_str("the rows say Auth-Type := Reject"),
            Self::RowsAuthType => {
                formatter.write_str("the rows ask for an Auth-Type that this server does not have")
            }
            Self::RowsPassword { method } => {
                write!(formatter, "the rows have no password that answers {method}")
            }
            Self::TooManyAttempts { subject } => {
                let who = match subject {
                    GuardSubject::User => "of this user",
                    GuardSubject::Station => "from this device",
                    GuardSubject::Nas => "through this router",
                };
                write!(
                    formatter,
                    "too many attempts {who} failed, so none is compared for a while"
                )
            }
            Self::QuotaUsedUp(crossing) => write!(formatter, "{crossing}"),
            Self::OutsideHours { opens_at } => {
                write!(formatter, "the plan's hours begin again at {opens_at}")
            }
            Self::NoLongerValid { ended_at } => {
                write!(formatter, "the plan's validity ended at {ended_at}")
            }
            Self::NotValidYet { at } => write!(formatter, "the subscriber begins at {at}"),
            Self::Pending => formatter.write_str("the subscriber is not activated yet"),
            Self::Suspended => formatter.write_str("the subscriber is suspended"),
            Self::NoGarden { state } => write!(
                formatter,
                "the subscriber is {state} and belongs into a walled garden, but neither the plan nor the provider has one"
            ),
            Self::NasNotAllowed => formatter
                .write_str("the subscriber may not use this NAS, nor any group that it is in"),
            Self::DeviceUnnamed => formatter.write_str(
                "the plan binds devices, and Calling-Station-Id is not the MAC address of one",
            ),
            Self::DeviceLimit { limit } => write!(
                formatter,
                "this device is not bound to the subscriber, and {limit} others are"
            ),
            Self::PrivateDeviceLimit { limit } => write!(
                formatter,
                "this device made up its MAC address, and the plan allows {limit} such devices"
            ),
            Self::DeviceNotStored => {
                formatter.write_str("this device is new, and the database could not bind it now")
            }
            Self::DeviceOfSeveral => formatter.write_str(
                "the user name is the MAC address of a device that several subscribers have",
            ),
            Self::DeviceDiffers => formatter
                .write_str("the user name is a MAC address, and Calling-Station-Id is another one"),
            Self::UnknownRealm => {
                formatter.write_str("the realm of the user name is not registered")
            }
            Self::RealmElsewhere => formatter.write_str(
                "the realm of the user name is another provider's, and this NAS is not shared",
            ),
            Self::ConversationUnknown => formatter.write_str(
                "the answer of EAP belongs to no conversation here: it was answered before, took too long, or began at another node or before a restart",
            ),
            Self::IdentityDiffers => {
                formatter.write_str("the identity of EAP is not the user name of the request")
            }
            Self::NoCommonMethod { wanted: 0 } => {
                formatter.write_str("the device does not do EAP-MD5, and names no other method")
            }
            Self::NoCommonMethod { wanted } => write!(
                formatter,
                "the device does not do EAP-MD5 but {}, which this server does not speak",
                EapMethod(*wanted)
            ),
        }
    }
}

/// A method of EAP by the name under which devices are configured (RFC 3748 §6.2).
struct EapMethod(u8);

impl fmt::Display for EapMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            6 => "EAP-GTC",
            13 => "EAP-TLS",
            21 => "EAP-TTLS",
            25 => "PEAP",
            26 => "EAP-MSCHAPv2",
            43 => "EAP-FAST",
            52 => "EAP-PWD",
            55 => "TEAP",
            other => return write!(formatter, "the EAP method of number {other}"),
        };
        formatter.write_str(name)
    }
}
