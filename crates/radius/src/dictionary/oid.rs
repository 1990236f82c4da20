//! The dotted number that says where an attribute sits, such as `26.14988.8`.

use std::fmt;
use std::str::FromStr;

/// Most numbers in an [`Oid`]; a deeper TLV is kept as octets.
pub const DEPTH_MAX: usize = 8;

const VENDOR_SPECIFIC: u32 = 26;

/// The numbers from the top of the packet down to an attribute.
///
/// `1` is User-Name, `26.14988.8` a vendor's attribute, `241.5.2` a TLV inside an extended attribute and
/// `245.26.11344.1` an extended vendor attribute. Numbers above 255 at the top are internal and never sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid {
    numbers: [u32; DEPTH_MAX],
    len: u8,
}

/// Why a text is not an attribute number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidError {
    /// A part is not a number.
    #[error(
        "an attribute number is made of decimal or 0x-hexadecimal numbers joined with dots, such as 26.14988.8"
    )]
    NotANumber,
    /// More than [`DEPTH_MAX`] numbers.
    #[error("an attribute number has at most {DEPTH_MAX} parts")]
    TooDeep,
}

impl Oid {
    /// A standard attribute, or an internal one when the number is above 255.
    #[must_use]
    pub const fn standard(number: u32) -> Self {
        let mut numbers = [0; DEPTH_MAX];
        numbers[0] = number;
        Self { numbers, len: 1 }
    }

    /// A vendor's attribute inside Vendor-Specific (RFC 2865 §5.26).
    #[must_use]
    pub const fn vendor(vendor: u32, number: u32) -> Self {
        let mut numbers = [0; DEPTH_MAX];
        numbers[0] = VENDOR_SPECIFIC;
        numbers[1] = vendor;
        numbers[2] = number;
        Self { numbers, len: 3 }
    }

    /// This attribute's child with that number; `None` when it would be deeper than [`DEPTH_MAX`].
    #[must_use]
    pub fn child(&self, number: u32) -> Option<Self> {
        let mut child = *self;
        *child.numbers.get_mut(usize::from(self.len))? = number;
        child.len += 1;
        Some(child)
    }

    /// The attribute that contains this one; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.len < 2 {
            return None;
        }
        let mut parent = *self;
        parent.len -= 1;
        parent.numbers[usize::from(parent.len)] = 0;
        Some(parent)
    }

    /// The numbers, top first; at least one.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers[..usize::from(self.len)]
    }

    /// The number inside the parent.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.numbers[usize::from(self.len) - 1]
    }

    /// The vendor, for attributes inside Vendor-Specific or Extended-Vendor-Specific.
    #[must_use]
    pub fn find_vendor(&self) -> Option<u32> {
        match *self.numbers() {
            [VENDOR_SPECIFIC, vendor, _, ..] | [241..=246, VENDOR_SPECIFIC, vendor, _, ..] => {
                Some(vendor)
            }
            _ => None,
        }
    }

    /// Whether this is an attribute of the standard space that has a place on the wire.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        matches!(*self.numbers(), [0..=255])
    }

    /// Whether this number exists only inside a server and is never sent.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        255 < self.numbers[0]
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, parents) = self
            .numbers()
            .split_last()
            .expect("an oid has at least one number");
        for number in parents {
            write!(formatter, "{number}.")?;
        }
        write!(formatter, "{last}")
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Oid({self})")
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let first = parts.next().and_then(number).ok_or(OidError::NotANumber)?;
        parts.try_fold(Self::standard(first), |oid, part| {
            oid.child(number(part).ok_or(OidError::NotANumber)?)
                .ok_or(OidError::TooDeep)
        })
    }
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .map_or_else(
            || {
                text.bytes()
                    .all(|byte| byte.is_ascii_digit())
                    .then(|| text.parse().ok())
                    .flatten()
            },
            |digits| u32::from_str_radix(digits, 16).ok(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, OidError>, vendor: Option<u32>) {
        let actual = text.parse::<Oid>();
        assert_eq!(
            actual.map(|oid| oid.to_string()),
            expected.map(str::to_owned)
        );
        assert_eq!(actual.ok().and_then(|oid| oid.find_vendor()), vendor);
    }

    #[test]
    fn dotted_numbers_are_read_and_printed() {
        check("1", Ok("1"), None);
        check("26.14988.8", Ok("26.14988.8"), Some(14988));
        check("245.26.11344.1", Ok("245.26.11344.1"), Some(11344));
        check("26.9", Ok("26.9"), None);
        check("0x0702", Ok("1794"), None);
        check("1.2.3.4.5.6.7.8", Ok("1.2.3.4.5.6.7.8"), None);
    }

    #[test]
    fn malformed_numbers_are_refused() {
        check("", Err(OidError::NotANumber), None);
        check("1.", Err(OidError::NotANumber), None);
        check("+1", Err(OidError::NotANumber), None);
        check("4294967296", Err(OidError::NotANumber), None);
        check("1.2.3.4.5.6.7.8.9", Err(OidError::TooDeep), None);
    }

    #[test]
    fn child_and_parent_are_inverse() {
        let oid = Oid::vendor(9, 1);
        assert_eq!(oid.child(7).and_then(|child| child.parent()), Some(oid));
        assert_eq!(Oid::standard(1).parent(), None);
    }
}
