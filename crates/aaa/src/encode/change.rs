//! What of an open session's terms a router can be told to change, and the attributes for it.
//!
//! Of RouterOS only what its manual lists as changeable is sent ("RADIUS client", "Change of
//! Authorization"): neither addresses, pools and routes, nor Mikrotik-Address-List and
//! Mikrotik-Total-Limit are. Filter-Id and the timeouts are those of RFC 5176 §2.2.

use domain::access::Grants;
use domain::nas::Vendor;
use domain::rate_limit::RateLimit;
use domain::terms::Term;
use radius::attribute::kind;
use radius::writer::{PacketWriter, WriteError};

use super::{mikrotik, wispr};

/// Whether a router of this vendor can be told another speed.
pub const fn has_rate(vendor: Vendor) -> bool {
    match vendor {
        Vendor::Mikrotik | Vendor::Wispr => true,
        // `rate-limit` is a command for the interface while it is made.
        Vendor::Cisco | Vendor::Generic => false,
    }
}

/// Writes a term as it is granted now; nothing for what cannot be changed, and for what is not
/// granted any more: there is no attribute for "no limit" or "no filter".
///
/// Session-Timeout is what is left from now on: a router that counts from the beginning of the
/// session ends it too early, and never too late.
pub fn write(
    writer: &mut PacketWriter<'_>,
    vendor: Vendor,
    grants: &Grants<'_>,
    term: Term,
) -> Result<(), WriteError> {
    match term {
        Term::Rate => match grants.rate {
            Some(rate) => write_rate(writer, vendor, rate),
            None => Ok(()),
        },
        Term::Limits => {
            if let Some(seconds) = grants.session_timeout_seconds {
                writer.push_integer(kind::SESSION_TIMEOUT, seconds)?;
            }
            if let Some(seconds) = grants.idle_timeout_seconds {
                writer.push_integer(kind::IDLE_TIMEOUT, seconds)?;
            }
            match vendor {
                Vendor::Mikrotik => mikrotik::push_directions(writer, grants.volume_left),
                Vendor::Cisco | Vendor::Wispr | Vendor::Generic => Ok(()),
            }
        }
        Term::Filter => match (vendor, grants.address_list()) {
            (Vendor::Cisco | Vendor::Wispr | Vendor::Generic, Some(list)) => {
                writer.push_text(kind::FILTER_ID, list)
            }
            (Vendor::Mikrotik, _) | (_, None) => Ok(()),
        },
        Term::Address | Term::Redirect | Term::Other => Ok(()),
    }
}

/// Writes a speed for a router that [`has_rate`].
pub fn write_rate(
    writer: &mut PacketWriter<'_>,
    vendor: Vendor,
    rate: &RateLimit,
) -> Result<(), WriteError> {
    match vendor {
        Vendor::Mikrotik => mikrotik::push_rate(writer, rate),
        Vendor::Wispr => wispr::push_rate(writer, rate.rate()),
        Vendor::Cisco | Vendor::Generic => Ok(()),
    }
}
