//! WISPr: maximum bandwidth in bit/s for each direction (Wi-Fi Alliance WISPr 1.0, annex C).

use domain::access::Grants;
use domain::rate_limit::RatePair;
use radius::attribute::{vendor, wispr};
use radius::writer::{PacketWriter, WriteError};

use super::rate_32;

pub(super) fn write(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    push_redirect(writer, grants)?;
    match grants.rate {
        Some(limit) => push_rate(writer, limit.rate()),
        None => Ok(()),
    }
}

pub(super) fn push_rate(writer: &mut PacketWriter<'_>, rate: RatePair) -> Result<(), WriteError> {
    if let Some(bits) = rate_32(rate.upload) {
        writer.push_vendor_integer(vendor::WISPR, wispr::BANDWIDTH_MAX_UP, bits)?;
    }
    if let Some(bits) = rate_32(rate.download) {
        writer.push_vendor_integer(vendor::WISPR, wispr::BANDWIDTH_MAX_DOWN, bits)?;
    }
    Ok(())
}

/// Where the browser is sent (WISPr 1.0, annex C).
pub(super) fn push_redirect(
    writer: &mut PacketWriter<'_>,
    grants: &Grants<'_>,
) -> Result<(), WriteError> {
    match grants.redirect() {
        Some(url) => writer.push_vendor_text(vendor::WISPR, wispr::REDIRECTION_URL, url),
        None => Ok(()),
    }
}
