//! MAC addresses in one canonical form, whatever notation a router uses.

use std::fmt;
use std::str::FromStr;

/// An IEEE 802 address, shown as 12 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a MAC address: write 12 hexadecimal digits, with or without ':', '-' or '.' between them"
)]
pub struct MacError;

impl Mac {
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 6] {
        &self.0
    }

    /// Whether it was made up by its device and not given by its maker: locally administered, as
    /// telephones do to remain unrecognised (IEEE 802 §8.4).
    pub const fn is_private(&self) -> bool {
        self.0[0] & 0b10 != 0
    }

    /// Reads the notations of RFC 3580 §3.21 and of the vendors; a suffix such as `:SSID` is not
    /// part of a MAC.
    pub fn from_wire(raw: &[u8]) -> Option<Self> {
        let mut bytes = [0_u8; 6];
        let mut digits = 0_usize;
        for &octet in raw {
            if matches!(octet, b':' | b'-' | b'.') {
                continue;
            }
            let digit = char::from(octet).to_digit(16)?;
            let byte = bytes.get_mut(digits / 2)?;
            *byte = (*byte << 4) | u8::try_from(digit).ok()?;
            digits += 1;
        }
        (digits == 12).then_some(Self(bytes))
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::from_wire(raw.as_bytes()).ok_or(MacError)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Option<&str>) {
        let actual = raw.parse::<Mac>().ok().map(|mac| mac.to_string());
        assert_eq!(actual.as_deref(), expected, "{raw}");
    }

    #[test]
    fn mac_reads_every_notation() {
        check("AA:BB:CC:DD:EE:0F", Some("aabbccddee0f"));
        check("aa-bb-cc-dd-ee-0f", Some("aabbccddee0f"));
        check("aabb.ccdd.ee0f", Some("aabbccddee0f"));
        check("AABBCCDDEE0F", Some("aabbccddee0f"));
    }

    #[test]
    fn private_addresses_are_told_by_one_bit() {
        let is_private = |raw: &str| raw.parse::<Mac>().map(|mac| mac.is_private());
        assert_eq!(is_private("A8:BB:CC:DD:EE:0F"), Ok(false));
        assert_eq!(is_private("AA:BB:CC:DD:EE:0F"), Ok(true));
        assert_eq!(is_private("02:00:00:00:00:01"), Ok(true));
        assert_eq!(is_private("00:00:5E:00:53:01"), Ok(false));
    }

    #[test]
    fn mac_refuses_other_text() {
        check("", None);
        check("AA:BB:CC:DD:EE", None);
        check("AA:BB:CC:DD:EE:0F:00", None);
        check("AA:BB:CC:DD:EE:0G", None);
        check("10.0.0.1", None);
    }
}
