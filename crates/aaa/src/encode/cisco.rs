//! Cisco IOS: `rate-limit` commands for the virtual-access interface, as Cisco-AVPair text.
//!
//! Input is what the router receives, the subscriber's upload. Bursts are in bytes: 1.5 seconds of
//! the rate and twice that, as Cisco recommends for `rate-limit`.

use std::fmt::Write;

use arrayvec::ArrayString;
use domain::access::Grants;
use domain::rate_limit::BitRate;
use radius::attribute::{cisco, vendor};
use radius::writer::{PacketWriter, VENDOR_VALUE_LENGTH_MAX, WriteError};

pub(super) fn write(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    push_redirect(writer, grants)?;
    let Some(rate) = grants.rate.map(|limit| limit.rate()) else {
        return Ok(());
    };
    push_rate(writer, 1, "input", rate.upload)?;
    push_rate(writer, 2, "output", rate.download)
}

/// `url-redirect`, and the list that says what is redirected (IOS security configuration guide, "Web
/// authentication redirection").
fn push_redirect(writer: &mut PacketWriter<'_>, grants: &Grants<'_>) -> Result<(), WriteError> {
    let Some(url) = grants.redirect() else {
        return Ok(());
    };
    push_pair(writer, "url-redirect", url)?;
    match grants.address_list() {
        Some(list) => push_pair(writer, "url-redirect-acl", list),
        None => Ok(()),
    }
}

fn push_pair(writer: &mut PacketWriter<'_>, name: &str, value: &str) -> Result<(), WriteError> {
    writer.push_vendor_text(vendor::CISCO, cisco::AVPAIR, &pair(name, value))
}

fn pair(name: &str, value: &str) -> ArrayString<VENDOR_VALUE_LENGTH_MAX> {
    let mut text = ArrayString::new();
    write!(text, "{name}={value}").expect("a URL is at most 200 octets long");
    text
}

fn push_rate(
    writer: &mut PacketWriter<'_>,
    line: u8,
    direction: &str,
    rate: BitRate,
) -> Result<(), WriteError> {
    if rate.is_unlimited() {
        return Ok(());
    }
    let command = command(line, direction, rate);
    writer.push_vendor_text(vendor::CISCO, cisco::AVPAIR, &command)
}

fn command(line: u8, direction: &str, rate: BitRate) -> ArrayString<192> {
    let bits = rate.as_bits_per_second();
    let burst_octets = bits / 8 * 3 / 2;
    let excess_octets = 2 * burst_octets;
    let mut text = ArrayString::new();
    write!(
        text,
        "lcp:interface-config#{line}=rate-limit {direction} {bits} {burst_octets} {excess_octets} conform-action transmit exceed-action drop"
    )
    .expect("the longest command fits");
    text
}
