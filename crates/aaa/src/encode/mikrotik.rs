//! MikroTik RouterOS: one text attribute for the speed, one for the address list (manual, "RADIUS
//! client", 14988/8 and 19), and the bytes after which the router ends the session by itself
//! (14988/1, 2, 17 and their Gigawords).

use std::fmt::Write;

use arrayvec::ArrayString;
use domain::access::Grants;
use domain::limit::VolumeLeft;
use domain::rate_limit::RateLimit;
use radius::attribute::{mikrotik, vendor};
use radius::writer::{PacketWriter, WriteError};

use super::volume::VolumePair;
use super::wispr;

/// The router receives what the subscriber sends.
const RECEIVED: VolumePair = pair(mikrotik::RECV_LIMIT, mikrotik::RECV_LIMIT_GIGAWORDS);
const SENT: VolumePair = pair(mikrotik::XMIT_LIMIT, mikrotik::XMIT_LIMIT_GIGAWORDS);
pub(super) const BOTH: VolumePair = pair(mikrotik::TOTAL_LIMIT, mikrotik::TOTAL_LIMIT_GIGAWORDS);

const fn pair(low: u8, high: u8) -> VolumePair {
    VolumePair::new(vendor::MIKROTIK, low, high)
}

pub(super) fn write(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    if let Some(rate) = grants.rate {
        push_rate(writer, rate)?;
    }
    if let Some(list) = grants.address_list() {
        writer.push_vendor_text(vendor::MIKROTIK, mikrotik::ADDRESS_LIST, list)?;
    }
    // The manual lists it among the attributes of the hotspot.
    wispr::push_redirect(writer, grants)?;
    let left = grants.volume_left;
    push_directions(writer, left)?;
    BOTH.push(writer, left.traffic)
}

pub(super) fn push_rate(writer: &mut PacketWriter<'_>, rate: &RateLimit) -> Result<(), WriteError> {
    writer.push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, &show(rate))
}

/// The bytes that are left for each direction. The router receives what the subscriber sends.
pub(super) fn push_directions(
    writer: &mut PacketWriter<'_>,
    left: VolumeLeft,
) -> Result<(), WriteError> {
    RECEIVED.push(writer, left.upload)?;
    SENT.push(writer, left.download)
}

fn show(rate: &RateLimit) -> ArrayString<192> {
    // Ten rates of at most 14 digits, two times and a priority, with their separators.
    let mut text = ArrayString::new();
    write!(text, "{rate}").expect("the longest rate limit fits");
    text
}
