//! Packet codes: what a RADIUS packet asks or answers.

use std::fmt;

/// The Code field of a packet (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Asks whether a user may log in (RFC 2865 §4.1).
    AccessRequest = 1,
    /// Lets the user in (RFC 2865 §4.2); also answers Status-Server (RFC 5997 §3).
    AccessAccept = 2,
    /// Refuses the user (RFC 2865 §4.3).
    AccessReject = 3,
    /// Reports a session (RFC 2866 §4.1).
    AccountingRequest = 4,
    /// Confirms that the report is stored (RFC 2866 §4.2).
    AccountingResponse = 5,
    /// Asks the user for more (RFC 2865 §4.4).
    AccessChallenge = 11,
    /// Asks whether the server is alive (RFC 5997 §3).
    StatusServer = 12,
    /// Reserved counterpart of Status-Server (RFC 2865 §3).
    StatusClient = 13,
    /// Asks the NAS to end sessions (RFC 5176 §3).
    DisconnectRequest = 40,
    /// The sessions are ended (RFC 5176 §3).
    DisconnectAck = 41,
    /// The sessions could not be ended (RFC 5176 §3).
    DisconnectNak = 42,
    /// Asks the NAS to change the authorization of sessions (RFC 5176 §3).
    CoaRequest = 43,
    /// The authorization is changed (RFC 5176 §3).
    CoaAck = 44,
    /// The authorization could not be changed (RFC 5176 §3).
    CoaNak = 45,
}

impl Code {
    /// The code with this number, or `None` for one that this crate does not speak.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::AccessRequest),
            2 => Some(Self::AccessAccept),
            3 => Some(Self::AccessReject),
            4 => Some(Self::AccountingRequest),
            5 => Some(Self::AccountingResponse),
            11 => Some(Self::AccessChallenge),
            12 => Some(Self::StatusServer),
            13 => Some(Self::StatusClient),
            40 => Some(Self::DisconnectRequest),
            41 => Some(Self::DisconnectAck),
            42 => Some(Self::DisconnectNak),
            43 => Some(Self::CoaRequest),
            44 => Some(Self::CoaAck),
            45 => Some(Self::CoaNak),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The name that the RFCs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessRequest => "Access-Request",
            Self::AccessAccept => "Access-Accept",
            Self::AccessReject => "Access-Reject",
            Self::AccountingRequest => "Accounting-Request",
            Self::AccountingResponse => "Accounting-Response",
            Self::AccessChallenge => "Access-Challenge",
            Self::StatusServer => "Status-Server",
            Self::StatusClient => "Status-Client",
            Self::DisconnectRequest => "Disconnect-Request",
            Self::DisconnectAck => "Disconnect-ACK",
            Self::DisconnectNak => "Disconnect-NAK",
            Self::CoaRequest => "CoA-Request",
            Self::CoaAck => "CoA-ACK",
            Self::CoaNak => "CoA-NAK",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_survives_the_wire() {
        let known = (0..=u8::MAX).filter_map(|number| Some((number, Code::from_u8(number)?)));
        let mut count = 0;
        for (number, code) in known {
            assert_eq!(code.as_u8(), number, "{code}");
            count += 1;
        }
        assert_eq!(count, 14);
    }

    #[test]
    fn code_displays_the_name_of_the_rfc() {
        assert_eq!(Code::AccessRequest.to_string(), "Access-Request");
        assert_eq!(format!("{:>8}", Code::CoaAck), " CoA-ACK");
    }
}
