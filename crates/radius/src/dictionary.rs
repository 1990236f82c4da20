//! Names, numbers, types and values of attributes: built in, and from dictionary files at run time.

pub mod definition;
pub mod loader;
pub mod oid;
mod parser;

use std::collections::HashMap;

use definition::{Definition, Vendor, VendorFormat};
use oid::Oid;

/// The built-in sources, in the order they are read: a later name for the same number is the preferred one.
const BUILTIN: [(&str, &str); 33] = [
    ("compat.dict", include_str!("../dictionaries/compat.dict")),
    ("rfc.dict", include_str!("../dictionaries/rfc.dict")),
    (
        "rfc-extended.dict",
        include_str!("../dictionaries/rfc-extended.dict"),
    ),
    ("vendors.dict", include_str!("../dictionaries/vendors.dict")),
    (
        "adsl-forum.dict",
        include_str!("../dictionaries/adsl-forum.dict"),
    ),
    (
        "airespace.dict",
        include_str!("../dictionaries/airespace.dict"),
    ),
    ("aruba.dict", include_str!("../dictionaries/aruba.dict")),
    ("ascend.dict", include_str!("../dictionaries/ascend.dict")),
    ("cambium.dict", include_str!("../dictionaries/cambium.dict")),
    (
        "chillispot.dict",
        include_str!("../dictionaries/chillispot.dict"),
    ),
    ("cisco.dict", include_str!("../dictionaries/cisco.dict")),
    ("dlink.dict", include_str!("../dictionaries/dlink.dict")),
    ("extreme.dict", include_str!("../dictionaries/extreme.dict")),
    (
        "fortinet.dict",
        include_str!("../dictionaries/fortinet.dict"),
    ),
    (
        "freeradius.dict",
        include_str!("../dictionaries/freeradius.dict"),
    ),
    ("h3c.dict", include_str!("../dictionaries/h3c.dict")),
    ("huawei.dict", include_str!("../dictionaries/huawei.dict")),
    ("juniper.dict", include_str!("../dictionaries/juniper.dict")),
    ("meraki.dict", include_str!("../dictionaries/meraki.dict")),
    (
        "microsoft.dict",
        include_str!("../dictionaries/microsoft.dict"),
    ),
    (
        "mikrotik.dict",
        include_str!("../dictionaries/mikrotik.dict"),
    ),
    (
        "motorola.dict",
        include_str!("../dictionaries/motorola.dict"),
    ),
    ("nokia.dict", include_str!("../dictionaries/nokia.dict")),
    (
        "nokia-sr.dict",
        include_str!("../dictionaries/nokia-sr.dict"),
    ),
    ("nomadix.dict", include_str!("../dictionaries/nomadix.dict")),
    ("redback.dict", include_str!("../dictionaries/redback.dict")),
    (
        "roaring-penguin.dict",
        include_str!("../dictionaries/roaring-penguin.dict"),
    ),
    ("ruckus.dict", include_str!("../dictionaries/ruckus.dict")),
    (
        "ubiquiti.dict",
        include_str!("../dictionaries/ubiquiti.dict"),
    ),
    (
        "unisphere.dict",
        include_str!("../dictionaries/unisphere.dict"),
    ),
    ("wispr.dict", include_str!("../dictionaries/wispr.dict")),
    ("zte.dict", include_str!("../dictionaries/zte.dict")),
    (
        "internal.dict",
        include_str!("../dictionaries/internal.dict"),
    ),
];

/// A set of attribute definitions, looked up by name or by number.
///
/// Names are compared in any letter case. Reading a definition for a number that is already known replaces it and
/// keeps the older name as a second one, so dictionary files loaded later win over the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    definitions: Vec<Definition>,
    by_oid: HashMap<Oid, usize>,
    by_name: HashMap<Box<str>, usize>,
    vendors: Vec<Vendor>,
    vendor_by_number: HashMap<u32, usize>,
    vendor_by_name: HashMap<Box<str>, usize>,
}

impl Dictionary {
    /// A dictionary that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The dictionary that comes with this crate: the RFCs and vendors of access networks.
    ///
    /// Its names, numbers, types and values are those of the dictionaries of FreeRADIUS 3.2 (CC-BY-4.0, The FreeRADIUS
    /// Server project and contributors), selected and rearranged.
    #[must_use]
    pub fn builtin() -> Self {
        let mut dictionary = Self::new();
        let mut state = parser::State::default();
        for (name, text) in BUILTIN {
            parser::parse_builtin(&mut dictionary, &mut state, name, text)
                .expect("the built-in dictionaries are well formed");
        }
        state
            .finish(&mut dictionary)
            .expect("the built-in dictionaries define every attribute they name");
        dictionary
    }

    /// The attribute of that name, in any letter case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Definition> {
        self.by_name
            .get(folded(name).as_str())
            .map(|index| &self.definitions[*index])
    }

    /// The attribute of that number.
    #[must_use]
    pub fn find_by_oid(&self, oid: &Oid) -> Option<&Definition> {
        self.by_oid.get(oid).map(|index| &self.definitions[*index])
    }

    /// The vendor's attribute of that number.
    #[must_use]
    pub fn find_by_vendor(&self, vendor: u32, number: u32) -> Option<&Definition> {
        self.find_by_oid(&Oid::vendor(vendor, number))
    }

    /// The number of the attribute of that name, or of one written `Attr-26.14988.8`.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Oid> {
        if let Some(definition) = self.find(name) {
            return Some(definition.oid);
        }
        let prefix = name.get(..5)?;
        prefix
            .eq_ignore_ascii_case("Attr-")
            .then(|| name[5..].parse().ok())
            .flatten()
    }

    /// The name to print for a number: the preferred one, or `Attr-` and the number.
    #[must_use]
    pub fn name(&self, oid: &Oid) -> String {
        self.find_by_oid(oid).map_or_else(
            || format!("Attr-{oid}"),
            |definition| definition.name.to_string(),
        )
    }

    /// The vendor of that name, in any letter case.
    #[must_use]
    pub fn find_vendor(&self, name: &str) -> Option<&Vendor> {
        self.vendor_by_name
            .get(folded(name).as_str())
            .map(|index| &self.vendors[*index])
    }

    /// The vendor of that private enterprise number.
    #[must_use]
    pub fn find_vendor_by_number(&self, number: u32) -> Option<&Vendor> {
        self.vendor_by_number
            .get(&number)
            .map(|index| &self.vendors[*index])
    }

    /// The layout of a vendor's attributes; the usual one when the vendor is not known.
    #[must_use]
    pub fn vendor_format(&self, number: u32) -> VendorFormat {
        self.find_vendor_by_number(number)
            .map_or(VendorFormat::USUAL, Vendor::format)
    }

    /// All attributes, in the order they were defined.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.iter()
    }

    /// All vendors, in the order they were defined.
    pub fn vendors(&self) -> impl Iterator<Item = &Vendor> {
        self.vendors.iter()
    }

    fn insert_vendor(&mut self, vendor: Vendor) {
        let name = folded(&vendor.name).into_boxed_str();
        let index = *self
            .vendor_by_number
            .entry(vendor.number)
            .or_insert(self.vendors.len());
        if index == self.vendors.len() {
            self.vendors.push(vendor);
        } else {
            self.vendors[index] = vendor;
        }
        self.vendor_by_name.insert(name, index);
    }

    /// Adds a definition. A standard attribute keeps its name against a vendor's attribute of the same name, which then
    /// becomes `Vendor-Name`, and against an internal one, which is then found by number only.
    fn insert(&mut self, mut definition: Definition) {
        let mut name = folded(&definition.name);
        let is_taken = self.by_name.get(name.as_str()).is_some_and(|index| {
            self.definitions[*index].oid.is_standard() && !definition.oid.is_standard()
        });
        let is_vendors = definition.oid.find_vendor().is_some();
        if is_taken && is_vendors {
            definition.name = self.vendor_name(&definition).into();
            name = folded(&definition.name);
        }
        let index = *self
            .by_oid
            .entry(definition.oid)
            .or_insert(self.definitions.len());
        self.push_or_replace(index, definition);
        if is_vendors || !is_taken {
            self.by_name.insert(name.into_boxed_str(), index);
        }
    }

    fn vendor_name(&self, definition: &Definition) -> String {
        let number = definition.oid.find_vendor().unwrap_or_default();
        let vendor = self
            .find_vendor_by_number(number)
            .map_or_else(|| number.to_string(), |vendor| vendor.name.to_string());
        format!("{vendor}-{}", definition.name)
    }

    fn push_or_replace(&mut self, index: usize, mut definition: Definition) {
        if let Some(known) = self.definitions.get_mut(index) {
            definition.values = std::mem::take(&mut known.values);
            *known = definition;
        } else {
            self.definitions.push(definition);
        }
    }

    fn insert_alias(&mut self, alias: &str, target: &str) -> bool {
        let Some(index) = self.by_name.get(folded(target).as_str()).copied() else {
            return false;
        };
        self.by_name
            .entry(folded(alias).into_boxed_str())
            .or_insert(index);
        true
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Definition> {
        self.by_name
            .get(folded(name).as_str())
            .map(|index| &mut self.definitions[*index])
    }
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
