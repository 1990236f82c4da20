//! MikroTik RouterOS: one text attribute for the speed, one for the address list (manual, "RADIUS
//! client", 14988/8 and 19).

use std::fmt::Write;

use arrayvec::ArrayString;
use domain::access::Grants;
use domain::rate_limit::RateLimit;
use radius::attribute::{mikrotik, vendor};
use radius::writer::{PacketWriter, WriteError};

use super::wispr;

pub(super) fn write(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    if let Some(rate) = grants.rate {
        writer.push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, &show(rate))?;
    }
    if let Some(list) = grants.address_list() {
        writer.push_vendor_text(vendor::MIKROTIK, mikrotik::ADDRESS_LIST, list)?;
    }
    // The manual lists it among the attributes of the hotspot.
    wispr::push_redirect(writer, grants)
}

fn show(rate: &RateLimit) -> ArrayString<192> {
    // Ten rates of at most 14 digits, two times and a priority, with their separators.
    let mut text = ArrayString::new();
    write!(text, "{rate}").expect("the longest rate limit fits");
    text
}
