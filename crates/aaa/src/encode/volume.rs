//! Bytes after which a router ends a session by itself, in two attributes of 32 bits.

use std::num::NonZeroU64;

use domain::nas::Vendor;
use radius::writer::{PacketWriter, WriteError};
use rows::attribute::Place;

use super::{coova, mikrotik};

/// The attributes of a volume: its low and its high 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct VolumePair {
    vendor: u32,
    low: u8,
    high: u8,
}

impl VolumePair {
    pub(super) const fn new(vendor: u32, low: u8, high: u8) -> Self {
        Self { vendor, low, high }
    }

    /// Those in which a router is told the bytes in both directions, if there are any.
    pub(super) const fn find_total(vendor: Vendor) -> Option<Self> {
        match vendor {
            Vendor::Mikrotik => Some(mikrotik::BOTH),
            Vendor::Coova => Some(coova::BOTH),
            Vendor::Cisco | Vendor::Wispr | Vendor::Generic => None,
        }
    }

    /// Where the low 32 bits are.
    pub(super) const fn low(self) -> Place {
        Place::Vendor {
            vendor: self.vendor,
            kind: self.low,
        }
    }

    /// Where the high 32 bits are.
    pub(super) const fn high(self) -> Place {
        Place::Vendor {
            vendor: self.vendor,
            kind: self.high,
        }
    }

    /// Pushes a number of bytes. A low part of 0 would mean that there is no limit to a router that
    /// does not know the high part, so it is never sent: one byte less is granted instead.
    pub(super) fn push(
        self,
        writer: &mut PacketWriter<'_>,
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
        writer.push_vendor_integer(self.vendor, self.low, octets)?;
        if gigawords != 0 {
            writer.push_vendor_integer(self.vendor, self.high, gigawords)?;
        }
        Ok(())
    }
}
