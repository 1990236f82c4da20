//! What the dictionary knows about one vendor and one attribute.

use super::oid::Oid;
use crate::data_type::DataType;
use crate::value::{Secret, Value, ValueError};

/// How a vendor lays its attributes out inside Vendor-Specific (RFC 2865 §5.26 recommends 1 and 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorFormat {
    /// Octets of the type field: 1, 2 or 4.
    pub type_octets: u8,
    /// Octets of the length field: 0, 1 or 2.
    pub length_octets: u8,
    /// Whether an octet follows whose high bit says that the value goes on in the next attribute (WiMAX).
    pub continuation: bool,
}

impl VendorFormat {
    /// One octet of type, one of length.
    pub const USUAL: Self = Self {
        type_octets: 1,
        length_octets: 1,
        continuation: false,
    };

    /// Octets before the value.
    #[must_use]
    pub fn header_octets(self) -> usize {
        usize::from(self.type_octets)
            + usize::from(self.length_octets)
            + usize::from(self.continuation)
    }

    /// The largest type number that fits the type field.
    #[must_use]
    pub fn number_max(self) -> u32 {
        match self.type_octets {
            1 => 0xff,
            2 => 0xffff,
            _ => u32::MAX,
        }
    }
}

/// A vendor that has attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    pub(super) name: Box<str>,
    pub(super) number: u32,
    pub(super) format: VendorFormat,
}

impl Vendor {
    /// The name in dictionary files.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// The private enterprise number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The layout inside Vendor-Specific.
    #[must_use]
    pub const fn format(&self) -> VendorFormat {
        self.format
    }
}

/// How a value is hidden on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// As User-Password (RFC 2865 §5.2); `encrypt=1`.
    UserPassword,
    /// As Tunnel-Password and the MPPE keys (RFC 2868 §3.5); `encrypt=2`.
    TunnelPassword,
    /// As Ascend-Send-Secret: 16 octets hidden with MD5 of the request authenticator and the secret; `encrypt=3`.
    AscendSecret,
}

/// Properties of an attribute beside its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Carries a tag (RFC 2868 §3).
    pub has_tag: bool,
    /// A long value is split over attributes that follow each other, as EAP-Message (RFC 3579 §3.1).
    pub concat: bool,
    /// Lives only inside a server.
    pub internal: bool,
    /// The value is a secret: not to be printed.
    pub secret: bool,
    /// How the value is hidden on the wire.
    pub encryption: Option<Encryption>,
    /// The exact number of octets of the value, for `octets[16]`.
    pub octets_exact: Option<u8>,
}

/// One attribute of the dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub(super) name: Box<str>,
    pub(super) oid: Oid,
    pub(super) data_type: DataType,
    pub(super) flags: Flags,
    pub(super) values: Vec<(u64, Box<str>)>,
}

impl Definition {
    /// Adds a value; one of the same name is replaced.
    pub(super) fn push_value(&mut self, number: u64, name: Box<str>) {
        self.values
            .retain(|(_, known)| !known.eq_ignore_ascii_case(&name));
        self.values.push((number, name));
    }

    /// The preferred name.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Where the attribute sits.
    #[must_use]
    pub const fn oid(&self) -> Oid {
        self.oid
    }

    /// How its octets are read.
    #[must_use]
    pub const fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Its other properties.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Whether it is never sent.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.flags.internal || self.oid.is_internal()
    }

    /// Whether its value must not be printed.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.flags.secret || self.flags.encryption.is_some()
    }

    /// Its enumerated values as (number, name), in the order of the dictionary.
    pub fn values(&self) -> impl Iterator<Item = (u64, &str)> {
        self.values.iter().map(|(number, name)| (*number, &**name))
    }

    /// The name of an enumerated value; the last one defined, as FreeRADIUS prints.
    #[must_use]
    pub fn value_name(&self, number: u64) -> Option<&str> {
        self.values
            .iter()
            .rev()
            .find(|(candidate, _)| *candidate == number)
            .map(|(_, name)| &**name)
    }

    /// Reads a value from text: the name of an enumerated value, or what the type accepts; secrets are kept as such.
    ///
    /// # Errors
    /// Says what the type accepts, without repeating the text.
    pub fn parse_value(&self, text: &str) -> Result<Value, ValueError> {
        let named = self.value_number(text).map(|number| number.to_string());
        let value = Value::parse(self.data_type, named.as_deref().unwrap_or(text))?;
        if !self.is_secret() {
            return Ok(value);
        }
        let mut octets = Vec::new();
        value.encode(&mut octets);
        Ok(Value::Secret(Secret::new(&octets)))
    }

    /// The number of an enumerated value, its name in any letter case.
    #[must_use]
    pub fn value_number(&self, name: &str) -> Option<u64> {
        self.values
            .iter()
            .rev()
            .find(|(_, candidate)| candidate.eq_ignore_ascii_case(name))
            .map(|(number, _)| *number)
    }
}
