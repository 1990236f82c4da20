//! MikroTik RouterOS: one text attribute for the speed, one for the address list (manual, "RADIUS
//! client", 14988/8 and 19), and the bytes after which the router ends the session by itself
//! (14988/1, 2, 17 and their Gigawords).

use std::fmt::Write;
use std::num::NonZeroU64;

use arrayvec::ArrayString;
use domain::access::Grants;
use domain::limit::VolumeLeft;
use domain::rate_limit::RateLimit;
use radius::attribute::{mikrotik, vendor};
use radius::writer::{PacketWriter, WriteError};

use super::wispr;

/// The attributes of a volume: its low and its high 32 bits.
const RECEIVED: [u8; 2] = [mikrotik::RECV_LIMIT, mikrotik::RECV_LIMIT_GIGAWORDS];
const SENT: [u8; 2] = [mikrotik::XMIT_LIMIT, mikrotik::XMIT_LIMIT_GIGAWORDS];
const BOTH: [u8; 2] = [mikrotik::TOTAL_LIMIT, mikrotik::TOTAL_LIMIT_GIGAWORDS];

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
    push_volume(writer, BOTH, left.traffic)
}

pub(super) fn push_rate(writer: &mut PacketWriter<'_>, rate: &RateLimit) -> Result<(), WriteError> {
    writer.push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, &show(rate))
}

/// The bytes that are left for each direction. The router receives what the subscriber sends.
pub(super) fn push_directions(
    writer: &mut PacketWriter<'_>,
    left: VolumeLeft,
) -> Result<(), WriteError> {
    push_volume(writer, RECEIVED, left.upload)?;
    push_volume(writer, SENT, left.download)
}

/// Pushes a number of bytes as its low and its high 32 bits. A low part of 0 would mean that there
/// is no limit to a router that does not know the high part, so it is never sent: one byte less is
/// granted instead.
fn push_volume(
    writer: &mut PacketWriter<'_>,
    [low, high]: [u8; 2],
    bytes: Option<NonZeroU64>,
) -> Result<(), WriteError> {
    let Some(bytes) = bytes.map(NonZeroU64::get) else {
        return Ok(());
    };
    let is_low_zero = bytes & u64::from(u32::MAX) == 0;
    let bytes = if is_low_zero {
        bytes.saturating_sub(1)
    } else {
        bytes
    };
    let [gigawords, octets] = [bytes >> 32, bytes & u64::from(u32::MAX)]
        .map(|part| u32::try_from(part).unwrap_or(u32::MAX));
    writer.push_vendor_integer(vendor::MIKROTIK, low, octets)?;
    if gigawords != 0 {
        writer.push_vendor_integer(vendor::MIKROTIK, high, gigawords)?;
    }
    Ok(())
}

fn show(rate: &RateLimit) -> ArrayString<192> {
    // Ten rates of at most 14 digits, two times and a priority, with their separators.
    let mut text = ArrayString::new();
    write!(text, "{rate}").expect("the longest rate limit fits");
    text
}
