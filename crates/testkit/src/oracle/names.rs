//! Every attribute of the dictionary in a reply of its own: numbers, types and layouts, one by one.

use radius::data_type::DataType;
use radius::dictionary::Dictionary;
use radius::dictionary::definition::Definition;

use crate::oracle::case::{Case, Method, Question, Row, Table};

/// What is about the packet or the credential and not about access; what FreeRADIUS 3.2.1 does not know
/// (`UBNT-`, ChilliSpot's Gigawords, later digest attributes, `SIP-AOR`) or keeps to itself (`Digest-`, `IPv6-6rd-`); Ascend's binary
/// filters and secrets, which the documents list.
const ASIDE: [&str; 16] = [
    "Message-Authenticator",
    "Proxy-State",
    "MS-CHAP",
    "MS-MPPE",
    "UBNT-",
    "ChilliSpot-Max-Input-Gigawords",
    "ChilliSpot-Max-Output-Gigawords",
    "ChilliSpot-Max-Total-Gigawords",
    "Digest-",
    "IPv6-6rd-",
    "SIP-AOR",
    "Ascend-Data-Filter",
    "Ascend-Call-Filter",
    "Ascend-Send-Secret",
    "Ascend-Receive-Secret",
    "Alc-Ascend-Data-Filter",
];

/// One user for each attribute that has a place in a packet and a value of its own.
pub fn names(dictionary: &Dictionary) -> Vec<Case> {
    dictionary
        .definitions()
        .filter(|definition| is_compared(definition))
        .filter_map(|definition| Some((definition.name(), value(definition.data_type())?)))
        .zip(1..)
        .map(|((name, value), number)| case(number, name, value))
        .collect()
}

fn is_compared(definition: &Definition) -> bool {
    let name = definition.name();
    let is_aside = ASIDE.iter().any(|prefix| name.starts_with(prefix));
    !definition.is_internal() && !is_aside
}

fn case(number: u64, name: &str, value: &str) -> Case {
    let user = "name-§";
    let row = |table, attribute: &str, value: &str| Row {
        table,
        owner: user.to_owned(),
        attribute: attribute.to_owned(),
        op: ":=".to_owned(),
        value: value.to_owned(),
    };
    Case {
        number,
        rows: vec![
            row(Table::Check, "Cleartext-Password", "pw"),
            row(Table::Reply, name, value),
        ],
        memberships: Vec::new(),
        questions: vec![Question {
            user: user.to_owned(),
            method: Method::Pap,
            password: "pw".to_owned(),
            attributes: Vec::new(),
        }],
    }
}

/// A value of the type; `None` for what only holds others.
const fn value(data_type: DataType) -> Option<&'static str> {
    match data_type {
        DataType::Text => Some("text"),
        DataType::Octets => Some("0x0102"),
        DataType::Integer8 | DataType::Integer16 | DataType::Integer32 | DataType::Integer64 => {
            Some("7")
        }
        DataType::Signed32 => Some("-7"),
        DataType::Date => Some("1795000000"),
        DataType::Ipv4Address | DataType::ComboAddress => Some("10.1.2.3"),
        DataType::Ipv4Prefix => Some("10.1.0.0/16"),
        DataType::Ipv6Address => Some("2001:db8::1"),
        DataType::Ipv6Prefix => Some("2001:db8::/32"),
        DataType::InterfaceId => Some("0:0:0:1"),
        DataType::Ethernet => Some("02:00:00:00:00:01"),
        DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => None,
    }
}
