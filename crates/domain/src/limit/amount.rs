//! Amounts of data and of time, as people write them: `50G`, `1500M`, `2h`, `1d12h`.

use std::fmt;

/// A volume in bytes. `k`, `M`, `G` and `T` are powers of 1000, `Ki`, `Mi`, `Gi` and `Ti` of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteAmount(pub u64);

/// A length of time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationAmount(pub u64);

const BYTE_UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

const TIME_UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl ByteAmount {
    pub fn parse(raw: &str) -> Option<Self> {
        let raw = raw.strip_suffix(['B', 'b']).unwrap_or(raw);
        let end = raw.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, unit) = raw.split_at(end);
        let factor = match unit {
            "" => 1,
            unit => {
                let named = |known: &&(&str, u64)| known.0.eq_ignore_ascii_case(unit);
                BYTE_UNITS.iter().find(named)?.1
            }
        };
        let bytes = digits.parse::<u64>().ok()?.checked_mul(factor)?;
        Some(Self(bytes))
    }
}

/// The largest unit of which it is a whole number.
impl fmt::Display for ByteAmount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = &BYTE_UNITS[4..];
        let binary = &BYTE_UNITS[..4];
        for (unit, factor) in decimal.iter().chain(binary) {
            if self.0 != 0 && self.0.is_multiple_of(*factor) {
                return write!(formatter, "{}{unit}", self.0 / factor);
            }
        }
        write!(formatter, "{}", self.0)
    }
}

impl DurationAmount {
    /// Reads seconds, or numbers with their units.
    pub fn parse(raw: &str) -> Option<Self> {
        if let Ok(seconds) = raw.parse::<u64>() {
            return Some(Self(seconds));
        }
        let mut rest = raw;
        let mut total = 0_u64;
        while !rest.is_empty() {
            let end = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, behind) = rest.split_at(end);
            let letter = behind.get(..1)?.to_ascii_lowercase();
            let (_, factor) = TIME_UNITS.iter().find(|(unit, _)| **unit == letter)?;
            let part = digits.parse::<u64>().ok()?.checked_mul(*factor)?;
            total = total.checked_add(part)?;
            rest = &behind[1..];
        }
        (!raw.is_empty()).then_some(Self(total))
    }
}

impl fmt::Display for DurationAmount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let mut left = self.0;
        for (unit, factor) in TIME_UNITS {
            if factor <= left {
                write!(formatter, "{}{unit}", left / factor)?;
                left %= factor;
            }
        }
        Ok(())
    }
}
