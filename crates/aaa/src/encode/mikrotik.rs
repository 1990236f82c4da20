//! MikroTik RouterOS: one text attribute for the speed (manual, "RADIUS client", 14988/8).

use std::fmt::Write;

use arrayvec::ArrayString;
use domain::access::Grants;
use domain::rate_limit::RateLimit;
use radius::attribute::{mikrotik, vendor};
use radius::writer::{PacketWriter, WriteError};

pub(super) fn write(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    let Some(rate) = grants.rate else {
        return Ok(());
    };
    writer.push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, &show(rate))
}

fn show(rate: &RateLimit) -> ArrayString<192> {
    // Ten rates of at most 14 digits, two times and a priority, with their separators.
    let mut text = ArrayString::new();
    write!(text, "{rate}").expect("the longest rate limit fits");
    text
}
