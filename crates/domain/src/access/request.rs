//! What a login says and shows, before any rule looks at it.

use std::fmt;

use super::{RequestingDevice, RequestingNas};
use crate::credential::HashScheme;

/// What the request says and how its proof came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRequest<'a> {
    pub proof: Proof,
    pub nas_identifier: NasIdentifierCheck,
    pub nas: RequestingNas<'a>,
    pub device: RequestingDevice,
}

/// How a user tried to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Pap,
    Chap,
    MsChapV1,
    MsChapV2,
    /// EAP, as long as no method is agreed on.
    Eap,
    None,
    EapMd5,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pap => "pap",
            Self::Chap => "chap",
            Self::MsChapV1 => "mschapv1",
            Self::MsChapV2 => "mschapv2",
            Self::Eap => "eap",
            Self::None => "none",
            Self::EapMd5 => "eap-md5",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The outcome of checking the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Verified {
        method: Method,
    },
    Mismatch {
        method: Method,
    },
    /// The stored hash cannot answer this method.
    Unusable {
        method: Method,
        stored: HashScheme,
    },
    /// The attributes of this method have the wrong size or are absent.
    Malformed {
        method: Method,
    },
    /// The method is one that this server does not speak.
    Unsupported {
        method: Method,
    },
    /// The request has no credential at all.
    Missing,
    /// A device that is registered says no more than its address, and the router vouches for it.
    Device {
        method: Method,
    },
    /// Nothing was checked, because no subscriber was found to check against.
    NotChecked {
        method: Method,
    },
}

/// Whether NAS-Identifier agrees with the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NasIdentifierCheck {
    NotRequired,
    Matches,
    Differs,
}

/// What the subscriber has open, not counting a session of the same device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Presence {
    pub other_sessions: u32,
}
