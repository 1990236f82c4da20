//! Error-Cause: why a Disconnect or CoA request was refused (RFC 5176 §3.5).

use std::fmt;

/// The number that a router gives, also one that no RFC names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCause(pub u32);

impl ErrorCause {
    /// The session is gone, and something of it had to be removed first; this is a success.
    pub const RESIDUAL_CONTEXT_REMOVED: Self = Self(201);
    /// It carried an attribute that the router does not understand there.
    pub const UNSUPPORTED_ATTRIBUTE: Self = Self(401);
    /// An attribute that the router needs was not there.
    pub const MISSING_ATTRIBUTE: Self = Self(402);
    /// The attributes name another router.
    pub const NAS_IDENTIFICATION_MISMATCH: Self = Self(403);
    /// Something about the request as a whole is wrong.
    pub const INVALID_REQUEST: Self = Self(404);
    /// The service that it asks for does not exist here.
    pub const UNSUPPORTED_SERVICE: Self = Self(405);
    /// This kind of request is not served.
    pub const UNSUPPORTED_EXTENSION: Self = Self(406);
    /// An attribute has a value that cannot be used.
    pub const INVALID_ATTRIBUTE_VALUE: Self = Self(407);
    /// Somebody has forbidden it.
    pub const ADMINISTRATIVELY_PROHIBITED: Self = Self(501);
    /// A proxy does not know the way to the router.
    pub const REQUEST_NOT_ROUTABLE: Self = Self(502);
    /// There is no such session.
    pub const SESSION_CONTEXT_NOT_FOUND: Self = Self(503);
    /// There is such a session, and it cannot be ended.
    pub const SESSION_CONTEXT_NOT_REMOVABLE: Self = Self(504);
    /// A proxy has failed in another way.
    pub const PROXY_PROCESSING_ERROR: Self = Self(505);
    /// There is no room for it at the moment.
    pub const RESOURCES_UNAVAILABLE: Self = Self(506);
    /// The router begins an Access-Request instead (Service-Type Authorize-Only).
    pub const REQUEST_INITIATED: Self = Self(507);
    /// It means several sessions, and the router takes one at a time only.
    pub const MULTIPLE_SESSION_SELECTION_UNSUPPORTED: Self = Self(508);

    /// The name that RFC 5176 gives it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::RESIDUAL_CONTEXT_REMOVED => "Residual Session Context Removed",
            Self::UNSUPPORTED_ATTRIBUTE => "Unsupported Attribute",
            Self::MISSING_ATTRIBUTE => "Missing Attribute",
            Self::NAS_IDENTIFICATION_MISMATCH => "NAS Identification Mismatch",
            Self::INVALID_REQUEST => "Invalid Request",
            Self::UNSUPPORTED_SERVICE => "Unsupported Service",
            Self::UNSUPPORTED_EXTENSION => "Unsupported Extension",
            Self::INVALID_ATTRIBUTE_VALUE => "Invalid Attribute Value",
            Self::ADMINISTRATIVELY_PROHIBITED => "Administratively Prohibited",
            Self::REQUEST_NOT_ROUTABLE => "Request Not Routable (Proxy)",
            Self::SESSION_CONTEXT_NOT_FOUND => "Session Context Not Found",
            Self::SESSION_CONTEXT_NOT_REMOVABLE => "Session Context Not Removable",
            Self::PROXY_PROCESSING_ERROR => "Other Proxy Processing Error",
            Self::RESOURCES_UNAVAILABLE => "Resources Unavailable",
            Self::REQUEST_INITIATED => "Request Initiated",
            Self::MULTIPLE_SESSION_SELECTION_UNSUPPORTED => {
                "Multiple Session Selection Unsupported"
            }
            Self(_) => return None,
        })
    }
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "{} {name}", self.0),
            None => write!(formatter, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_shown_with_its_number_and_its_name() {
        let shown = ErrorCause::SESSION_CONTEXT_NOT_FOUND.to_string();
        assert_eq!(shown, "503 Session Context Not Found");
        assert_eq!(ErrorCause(599).to_string(), "599");
    }
}
