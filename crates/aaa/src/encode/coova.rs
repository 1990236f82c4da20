//! CoovaChilli: the speed as WISPr has it, and the bytes after which it ends the session by itself
//! (14559/1 to 3, and their Gigawords).

use domain::access::Grants;
use radius::attribute::{chillispot, vendor};
use radius::writer::{PacketWriter, WriteError};

use super::volume::VolumePair;
use super::wispr;

const INPUT: VolumePair = pair(
    chillispot::MAX_INPUT_OCTETS,
    chillispot::MAX_INPUT_GIGAWORDS,
);
const OUTPUT: VolumePair = pair(
    chillispot::MAX_OUTPUT_OCTETS,
    chillispot::MAX_OUTPUT_GIGAWORDS,
);
pub(super) const BOTH: VolumePair = pair(
    chillispot::MAX_TOTAL_OCTETS,
    chillispot::MAX_TOTAL_GIGAWORDS,
);

const fn pair(low: u8, high: u8) -> VolumePair {
    VolumePair::new(vendor::CHILLISPOT, low, high)
}

pub(super) fn write(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    wispr::write(writer, grants)?;
    let left = grants.volume_left;
    // What it takes in is what the subscriber sends.
    INPUT.push(writer, left.upload)?;
    OUTPUT.push(writer, left.download)?;
    BOTH.push(writer, left.traffic)
}
