//! Attributes as rows name them: with a tag, by number, and with what FreeRADIUS does with some of them.

use std::fmt;
use std::sync::Arc;

use radius::data_type::DataType;
use radius::dictionary::Dictionary;
use radius::dictionary::definition::{Definition, Encryption, VendorFormat};
use radius::dictionary::oid::Oid;

use crate::cause::Problem;
use crate::limit::LimitKind;
use crate::password::{self, KnownGood, PasswordKind};

/// An attribute of the dictionary, or a number that it does not know.
pub(crate) struct Attribute {
    pub(crate) name: Arc<str>,
    pub(crate) data_type: DataType,
    pub(crate) has_tag: bool,
    pub(crate) is_secret: bool,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) role: Role,
    pub(crate) place: Place,
    /// Absent for numbers without a definition, and for `SQL-Group`.
    pub(crate) definition: Option<Definition>,
}

/// Where an attribute is in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// An attribute of the packet itself.
    Standard(u8),
    /// A vendor's attribute in the usual layout.
    Vendor {
        /// The vendor's private enterprise number.
        vendor: u32,
        /// Its number for the attribute.
        kind: u8,
    },
    /// In a TLV, in an extended attribute, or in a vendor's own layout.
    Deep(Oid),
    /// Never in a packet.
    Internal(u32),
}

/// What FreeRADIUS does with an attribute beside comparing, keeping or sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Plain,
    FallThrough,
    AuthType,
    /// Never compared.
    Skipped,
    UserPassword,
    Password(PasswordKind),
    PasswordWithHeader,
    SqlGroup,
    UserProfile,
    Limit(LimitKind),
    UserName,
    Prefix,
    Suffix,
    Virtual(Virtual),
}

impl Role {
    /// The known-good password that its value is; `None` when it is no password.
    pub(crate) fn known_good(self, octets: &[u8]) -> Option<KnownGood> {
        if let Self::Password(kind) = self {
            Some(KnownGood::new(kind, octets))
        } else {
            (self == Self::PasswordWithHeader).then(|| password::with_header(octets))
        }
    }

    /// Whether FreeRADIUS compares it with something else than instances of it in the request, also for `=~`.
    pub(crate) const fn is_called_back(self) -> bool {
        matches!(
            self,
            Self::SqlGroup | Self::Prefix | Self::Suffix | Self::Virtual(_)
        )
    }
}

/// What the server knows of a request without an attribute in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Virtual {
    SourceAddress,
    SourceAddressIpv6,
    PacketType,
    ResponsePacketType,
    Server,
}

/// The tag of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tag {
    /// Compares with any; sent as no tag.
    Any,
    Number(u8),
}

/// The group that rlm_sql compares and expands; it has no number of its own in our dictionary.
const SQL_GROUP: &str = "SQL-Group";
const SQL_GROUP_NUMBER: u32 = u32::MAX;

impl Attribute {
    /// What rlm_sql calls the group whose rows are being read.
    pub(crate) fn sql_group() -> Self {
        Self {
            name: SQL_GROUP.into(),
            data_type: DataType::Text,
            has_tag: false,
            is_secret: false,
            encryption: None,
            role: Role::SqlGroup,
            place: Place::Internal(SQL_GROUP_NUMBER),
            definition: None,
        }
    }

    fn defined(dictionary: &Dictionary, definition: &Definition) -> Self {
        let oid = definition.oid();
        let flags = definition.flags();
        let place = if definition.is_internal() {
            Place::Internal(oid.last())
        } else {
            place(dictionary, oid)
        };
        Self {
            name: definition.name().into(),
            data_type: definition.data_type(),
            has_tag: flags.has_tag,
            is_secret: definition.is_secret(),
            encryption: flags.encryption,
            role: role(definition.name(), place),
            place,
            definition: Some(definition.clone()),
        }
    }

    fn unknown(dictionary: &Dictionary, oid: Oid) -> Self {
        Self {
            name: dictionary.name(&oid).into(),
            data_type: DataType::Octets,
            has_tag: false,
            is_secret: false,
            encryption: None,
            role: Role::Plain,
            place: place(dictionary, oid),
            definition: None,
        }
    }

    /// Finds the attribute that a row or an expansion names, without a tag.
    pub(crate) fn find(dictionary: &Dictionary, name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case(SQL_GROUP) {
            return Some(Self::sql_group());
        }
        if let Some(definition) = dictionary.find(name) {
            return Some(Self::defined(dictionary, definition));
        }
        let oid = dictionary
            .resolve(name)
            .or_else(|| vendor_number(dictionary, name))?;
        if let Some(definition) = dictionary.find_by_oid(&oid) {
            return Some(Self::defined(dictionary, definition));
        }
        is_addressable(&oid).then(|| Self::unknown(dictionary, oid))
    }

    pub(crate) const fn is_internal(&self) -> bool {
        matches!(self.place, Place::Internal(_))
    }

    /// Whether both are the same attribute, whatever name led to them.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.place == other.place
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// Parts the name of a row from its tag, as FreeRADIUS does with every attribute, tagged or not.
pub(crate) fn split_tag(text: &str) -> Result<(&str, Tag), Problem> {
    let Some((name, tag)) = text.rsplit_once(':') else {
        return Ok((text, Tag::Any));
    };
    if tag == "*" {
        return Ok((name, Tag::Any));
    }
    let number = match tag.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => tag.parse(),
    };
    match number {
        Ok(number) if number <= radius::avp::TAG_MAX => Ok((name, Tag::Number(number))),
        Ok(_) | Err(_) => Err(Problem::BadTag),
    }
}

fn place(dictionary: &Dictionary, oid: Oid) -> Place {
    match *oid.numbers() {
        [kind] => match u8::try_from(kind) {
            Ok(kind) => Place::Standard(kind),
            Err(_) => Place::Internal(kind),
        },
        [26, vendor, number] if dictionary.vendor_format(vendor) == VendorFormat::USUAL => {
            match u8::try_from(number) {
                Ok(kind) => Place::Vendor { vendor, kind },
                Err(_) => Place::Deep(oid),
            }
        }
        _ => Place::Deep(oid),
    }
}

/// A number without a definition that can be sent: an attribute, or a vendor's attribute.
fn is_addressable(oid: &Oid) -> bool {
    match *oid.numbers() {
        [kind] => (1..=255).contains(&kind),
        [26, _, number] => number != 0,
        _ => false,
    }
}

/// Reads `Vendor-14988-Attr-8` and `Mikrotik-Attr-99`.
fn vendor_number(dictionary: &Dictionary, name: &str) -> Option<Oid> {
    let at = name.to_ascii_lowercase().rfind("-attr-")?;
    let (vendor, number) = (&name[..at], name[at + "-attr-".len()..].parse().ok()?);
    let vendor = match vendor.get(.."Vendor-".len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case("Vendor-") => {
            vendor["Vendor-".len()..].parse().ok()?
        }
        _ => dictionary.find_vendor(vendor)?.number(),
    };
    Some(Oid::vendor(vendor, number))
}

fn role(name: &str, place: Place) -> Role {
    match place {
        Place::Standard(1) => return Role::UserName,
        Place::Standard(2) => return Role::UserPassword,
        Place::Internal(_) => {}
        Place::Standard(_) | Place::Vendor { .. } | Place::Deep(_) => return Role::Plain,
    }
    if let Some(kind) = PasswordKind::of_attribute(name) {
        return Role::Password(kind);
    }
    if let Some(kind) = LimitKind::of_attribute(name) {
        return Role::Limit(kind);
    }
    match name {
        "Fall-Through" => Role::FallThrough,
        "Auth-Type" => Role::AuthType,
        "Autz-Type" | "Acct-Type" | "Session-Type" | "Strip-User-Name" => Role::Skipped,
        "Password-With-Header" => Role::PasswordWithHeader,
        "User-Profile" => Role::UserProfile,
        "Prefix" => Role::Prefix,
        "Suffix" => Role::Suffix,
        "Client-IP-Address" | "Packet-Src-IP-Address" => Role::Virtual(Virtual::SourceAddress),
        "Packet-Src-IPv6-Address" => Role::Virtual(Virtual::SourceAddressIpv6),
        "Packet-Type" => Role::Virtual(Virtual::PacketType),
        "Response-Packet-Type" => Role::Virtual(Virtual::ResponsePacketType),
        "Virtual-Server" => Role::Virtual(Virtual::Server),
        _ => Role::Plain,
    }
}
