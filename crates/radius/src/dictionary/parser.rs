//! The dictionary file syntax, one line at a time.

use super::Dictionary;
use super::definition::{Definition, Encryption, Flags, Vendor, VendorFormat};
use super::loader::LoadErrorKind;
use super::oid::Oid;
use crate::data_type::DataType;

/// Most BEGIN-VENDOR and BEGIN-TLV blocks inside each other.
const BLOCK_DEPTH_MAX: usize = 8;

/// Flags that say nothing about the octets of RADIUS attributes; a `name=` matches any value.
const FLAGS_WITHOUT_EFFECT: [&str; 14] = [
    "array",
    "virtual",
    "abinary",
    "unsafe",
    "long",
    "length=",
    "enum=",
    "key=",
    "ref=",
    "clone=",
    "subtype=",
    "precision=",
    "prefix=",
    "offset=",
];

/// What a line of a file asks of the loader.
pub(super) enum Step<'t> {
    /// The line was dealt with.
    Done,
    /// Read another file; it may be absent when `is_optional`.
    Include { path: &'t str, is_optional: bool },
}

/// A place of a line, for errors that appear only at the end.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) line: usize,
}

/// What is open or waiting between lines.
#[derive(Default)]
pub(super) struct State {
    blocks: Vec<Block>,
    tlv_last: Option<Oid>,
    is_internal: bool,
    pending: Vec<(Place, Pending)>,
}

struct Block {
    kind: BlockKind,
    name: String,
    base: Oid,
}

#[derive(PartialEq, Eq)]
enum BlockKind {
    Vendor,
    Tlv,
}

/// A line that names an attribute defined further down.
enum Pending {
    Value {
        attribute: String,
        name: Box<str>,
        number: u64,
    },
    Alias {
        alias: String,
        target: String,
    },
}

/// Reads one of our own sources, which hold no `$INCLUDE`.
pub(super) fn parse_builtin(
    dictionary: &mut Dictionary,
    state: &mut State,
    name: &str,
    text: &str,
) -> Result<(), (Place, LoadErrorKind)> {
    let place = |line| Place {
        path: name.to_owned(),
        line,
    };
    for (index, line) in text.lines().enumerate() {
        let here = || place(index + 1);
        state
            .line(dictionary, line, &here)
            .map_err(|kind| (here(), kind))?;
    }
    state.close_file(0).map_err(|kind| (place(0), kind))
}

impl State {
    /// Reads one line.
    pub(super) fn line<'t>(
        &mut self,
        dictionary: &mut Dictionary,
        line: &'t str,
        place: &dyn Fn() -> Place,
    ) -> Result<Step<'t>, LoadErrorKind> {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = line.split_ascii_whitespace();
        let Some(keyword) = words.next() else {
            return Ok(Step::Done);
        };
        let words = words.collect::<Vec<_>>();
        match keyword.to_ascii_uppercase().as_str() {
            "ATTRIBUTE" => self.attribute(dictionary, &words)?,
            "VALUE" => self.value(dictionary, &words, place)?,
            "VENDOR" => vendor(dictionary, &words)?,
            "BEGIN-VENDOR" => self.begin_vendor(dictionary, &words)?,
            "END-VENDOR" => self.end(&BlockKind::Vendor, &words)?,
            "BEGIN-TLV" => self.begin_tlv(dictionary, &words)?,
            "END-TLV" => self.end(&BlockKind::Tlv, &words)?,
            "ALIAS" => self.alias(dictionary, &words, place)?,
            "FLAGS" => self.flags(&words)?,
            "PROTOCOL" | "BEGIN-PROTOCOL" | "END-PROTOCOL" => protocol(&words)?,
            "STRUCT" | "MEMBER" => {}
            "$INCLUDE" => return include(&words, false),
            "$INCLUDE-" => return include(&words, true),
            _ => {
                return Err(LoadErrorKind::UnknownKeyword {
                    keyword: keyword.to_owned(),
                });
            }
        }
        Ok(Step::Done)
    }

    /// How many blocks are open.
    pub(super) const fn depth(&self) -> usize {
        self.blocks.len()
    }

    /// Checks that a file closed the blocks it opened, given the number that were open before it.
    pub(super) fn close_file(&mut self, depth: usize) -> Result<(), LoadErrorKind> {
        self.tlv_last = None;
        self.is_internal = false;
        match self.blocks.get(depth) {
            None => Ok(()),
            Some(block) => Err(LoadErrorKind::BlockOpen {
                name: block.name.clone(),
            }),
        }
    }

    /// Applies the lines that named attributes before their definition.
    pub(super) fn finish(self, dictionary: &mut Dictionary) -> Result<(), (Place, LoadErrorKind)> {
        for (place, pending) in self.pending {
            match pending {
                Pending::Value {
                    attribute,
                    name,
                    number,
                } => match dictionary.find_mut(&attribute) {
                    // First, so that the name given after the definition stays the preferred one.
                    Some(definition) if definition.value_number(&name).is_none() => {
                        definition.values.insert(0, (number, name));
                    }
                    Some(_) => {}
                    None => {
                        return Err((place, LoadErrorKind::UnknownAttribute { name: attribute }));
                    }
                },
                Pending::Alias { alias, target } => {
                    if !dictionary.insert_alias(&alias, &target) {
                        return Err((place, LoadErrorKind::UnknownAttribute { name: target }));
                    }
                }
            }
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        dictionary: &mut Dictionary,
        words: &[&str],
    ) -> Result<(), LoadErrorKind> {
        let [name, number, type_name, options @ ..] = words else {
            return Err(LoadErrorKind::Incomplete {
                expected: "ATTRIBUTE name number type [flags]",
            });
        };
        check_name(name)?;
        let (data_type, octets_exact) = data_type(type_name)?;
        let mut flags = Flags {
            internal: self.is_internal,
            octets_exact,
            ..Flags::default()
        };
        let mut vendor = None;
        for option in options
            .iter()
            .flat_map(|option| option.split(','))
            .filter(|option| !option.is_empty())
        {
            if let Some(known) = dictionary.find_vendor(option) {
                vendor = Some(known.number);
            } else {
                flag(&mut flags, option)?;
            }
        }
        let oid = self.oid(number, vendor)?;
        check_parent(dictionary, &oid)?;
        if data_type == DataType::Tlv && !number.starts_with('.') {
            self.tlv_last = Some(oid);
        }
        dictionary.insert(Definition {
            name: (*name).into(),
            oid,
            data_type,
            flags,
            values: Vec::new(),
        });
        Ok(())
    }

    fn oid(&self, number: &str, vendor: Option<u32>) -> Result<Oid, LoadErrorKind> {
        let malformed = || LoadErrorKind::BadNumber {
            text: number.to_owned(),
        };
        let (base, relative) = match number.strip_prefix('.') {
            Some(relative) => (Some(self.tlv_last.ok_or_else(malformed)?), relative),
            None => (self.blocks.last().map(|block| block.base), number),
        };
        let oid = relative.parse::<Oid>().map_err(|_| malformed())?;
        let [first, rest @ ..] = oid.numbers() else {
            return Err(malformed());
        };
        let start = match (base, vendor) {
            (None, Some(vendor)) => Some(Oid::vendor(vendor, *first)),
            (Some(base), _) => base.child(*first),
            (None, None) => Some(Oid::standard(*first)),
        };
        rest.iter()
            .try_fold(start.ok_or(LoadErrorKind::TooDeep)?, |oid, number| {
                oid.child(*number)
            })
            .ok_or(LoadErrorKind::TooDeep)
    }

    fn value(
        &mut self,
        dictionary: &mut Dictionary,
        words: &[&str],
        place: &dyn Fn() -> Place,
    ) -> Result<(), LoadErrorKind> {
        let [attribute, name, number, ..] = words else {
            return Err(LoadErrorKind::Incomplete {
                expected: "VALUE attribute name number",
            });
        };
        let number = integer(number).ok_or_else(|| LoadErrorKind::BadNumber {
            text: (*number).to_owned(),
        })?;
        let name = Box::from(*name);
        match dictionary.find_mut(attribute) {
            Some(definition) => definition.push_value(number, name),
            None => self.pending.push((
                place(),
                Pending::Value {
                    attribute: (*attribute).to_owned(),
                    name,
                    number,
                },
            )),
        }
        Ok(())
    }

    fn alias(
        &mut self,
        dictionary: &mut Dictionary,
        words: &[&str],
        place: &dyn Fn() -> Place,
    ) -> Result<(), LoadErrorKind> {
        let [alias, target, ..] = words else {
            return Err(LoadErrorKind::Incomplete {
                expected: "ALIAS new-name attribute",
            });
        };
        // FreeRADIUS 4 gives a vendor's whole subtree a second name; names are not nested here.
        if target.contains('.') || dictionary.insert_alias(alias, target) {
            return Ok(());
        }
        self.pending.push((
            place(),
            Pending::Alias {
                alias: (*alias).to_owned(),
                target: (*target).to_owned(),
            },
        ));
        Ok(())
    }

    fn flags(&mut self, words: &[&str]) -> Result<(), LoadErrorKind> {
        for word in words {
            match *word {
                "internal" => self.is_internal = true,
                "!internal" => self.is_internal = false,
                other => {
                    return Err(LoadErrorKind::UnknownFlag {
                        flag: other.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn begin_vendor(
        &mut self,
        dictionary: &Dictionary,
        words: &[&str],
    ) -> Result<(), LoadErrorKind> {
        let [name, options @ ..] = words else {
            return Err(LoadErrorKind::Incomplete {
                expected: "BEGIN-VENDOR name [parent=attribute]",
            });
        };
        let vendor = dictionary
            .find_vendor(name)
            .ok_or_else(|| LoadErrorKind::UnknownVendor {
                name: (*name).to_owned(),
            })?;
        let mut parent = Oid::standard(26);
        for option in options {
            let attribute = option
                .strip_prefix("parent=")
                .or_else(|| option.strip_prefix("format="))
                .ok_or_else(|| LoadErrorKind::UnknownFlag {
                    flag: (*option).to_owned(),
                })?;
            parent = dictionary
                .find(attribute)
                .filter(|definition| {
                    matches!(
                        definition.data_type,
                        DataType::ExtendedVendorSpecific | DataType::Vsa
                    )
                })
                .ok_or_else(|| LoadErrorKind::NotAVendorSpace {
                    name: attribute.to_owned(),
                })?
                .oid;
        }
        let base = parent.child(vendor.number).ok_or(LoadErrorKind::TooDeep)?;
        self.begin(BlockKind::Vendor, name, base)
    }

    fn begin_tlv(&mut self, dictionary: &Dictionary, words: &[&str]) -> Result<(), LoadErrorKind> {
        let [name, ..] = words else {
            return Err(LoadErrorKind::Incomplete {
                expected: "BEGIN-TLV attribute",
            });
        };
        let definition = dictionary
            .find(name)
            .ok_or_else(|| LoadErrorKind::UnknownAttribute {
                name: (*name).to_owned(),
            })?;
        if definition.data_type != DataType::Tlv {
            return Err(LoadErrorKind::NotATlv {
                name: (*name).to_owned(),
            });
        }
        self.begin(BlockKind::Tlv, name, definition.oid)
    }

    fn begin(&mut self, kind: BlockKind, name: &str, base: Oid) -> Result<(), LoadErrorKind> {
        if self.blocks.len() == BLOCK_DEPTH_MAX {
            return Err(LoadErrorKind::TooDeep);
        }
        self.blocks.push(Block {
            kind,
            name: name.to_owned(),
            base,
        });
        Ok(())
    }

    fn end(&mut self, kind: &BlockKind, words: &[&str]) -> Result<(), LoadErrorKind> {
        let name = words.first().copied().unwrap_or_default();
        self.blocks
            .pop_if(|block| block.kind == *kind && block.name.eq_ignore_ascii_case(name))
            .map(drop)
            .ok_or_else(|| LoadErrorKind::BlockNotOpen {
                name: name.to_owned(),
            })
    }
}

fn check_name(name: &str) -> Result<(), LoadErrorKind> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+:".contains(&byte);
    if 128 < name.len() || !name.bytes().all(is_allowed) {
        return Err(LoadErrorKind::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// A TLV or an extended type must be defined before what it contains; the two vendor spaces need no entry of their own.
fn check_parent(dictionary: &Dictionary, oid: &Oid) -> Result<(), LoadErrorKind> {
    let is_vendor_space = matches!(*oid.numbers(), [26, _, _] | [241..=246, 26, _, _]);
    let Some(parent) = oid.parent().filter(|_| !is_vendor_space) else {
        return Ok(());
    };
    match dictionary.find_by_oid(&parent) {
        Some(definition) if definition.data_type.is_container() => Ok(()),
        Some(definition) => Err(LoadErrorKind::NotATlv {
            name: definition.name.to_string(),
        }),
        None => Err(LoadErrorKind::UnknownParent { oid: *oid, parent }),
    }
}

fn data_type(text: &str) -> Result<(DataType, Option<u8>), LoadErrorKind> {
    let unknown = || LoadErrorKind::UnknownType {
        name: text.to_owned(),
    };
    let (name, octets) = match text.split_once('[') {
        None => (text, None),
        Some((name, rest)) => {
            let octets = rest
                .strip_suffix(']')
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(unknown)?;
            (name, Some(octets))
        }
    };
    Ok((DataType::find(name).ok_or_else(unknown)?, octets))
}

fn flag(flags: &mut Flags, text: &str) -> Result<(), LoadErrorKind> {
    match text {
        "has_tag" => flags.has_tag = true,
        "concat" => flags.concat = true,
        "internal" => flags.internal = true,
        "secret" => flags.secret = true,
        "encrypt=1" | "encrypt=User-Password" => flags.encryption = Some(Encryption::UserPassword),
        "encrypt=2" | "encrypt=Tunnel-Password" => {
            flags.encryption = Some(Encryption::TunnelPassword)
        }
        "encrypt=3" | "encrypt=Ascend-Secret" => flags.encryption = Some(Encryption::AscendSecret),
        _ => {
            let has_no_effect = FLAGS_WITHOUT_EFFECT.iter().any(|known| {
                if known.ends_with('=') {
                    text.starts_with(known)
                } else {
                    text == *known
                }
            });
            if !has_no_effect {
                return Err(LoadErrorKind::UnknownFlag {
                    flag: text.to_owned(),
                });
            }
        }
    }
    Ok(())
}

fn vendor(dictionary: &mut Dictionary, words: &[&str]) -> Result<(), LoadErrorKind> {
    let [name, number, options @ ..] = words else {
        return Err(LoadErrorKind::Incomplete {
            expected: "VENDOR name number [format=t,l[,c]]",
        });
    };
    check_name(name)?;
    let number = integer(number)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| LoadErrorKind::BadNumber {
            text: (*number).to_owned(),
        })?;
    let mut format = dictionary
        .find_vendor_by_number(number)
        .map_or(VendorFormat::USUAL, Vendor::format);
    for option in options {
        format = option
            .strip_prefix("format=")
            .and_then(vendor_format)
            .ok_or_else(|| LoadErrorKind::BadVendorFormat {
                text: (*option).to_owned(),
            })?;
    }
    dictionary.insert_vendor(Vendor {
        name: (*name).into(),
        number,
        format,
    });
    Ok(())
}

fn vendor_format(text: &str) -> Option<VendorFormat> {
    let mut parts = text.split(',');
    let type_octets = parts
        .next()?
        .parse()
        .ok()
        .filter(|octets| matches!(octets, 1 | 2 | 4))?;
    let length_octets = parts.next()?.parse().ok().filter(|octets| *octets <= 2)?;
    let continuation = match parts.next() {
        None => false,
        Some("c") if type_octets == 1 && length_octets == 1 => true,
        Some(_) => return None,
    };
    parts.next().is_none().then_some(VendorFormat {
        type_octets,
        length_octets,
        continuation,
    })
}

fn protocol(words: &[&str]) -> Result<(), LoadErrorKind> {
    match words.first() {
        Some(name) if name.eq_ignore_ascii_case("RADIUS") => Ok(()),
        name => Err(LoadErrorKind::OtherProtocol {
            name: name.map_or_else(String::new, |name| (*name).to_owned()),
        }),
    }
}

fn include<'t>(words: &[&'t str], is_optional: bool) -> Result<Step<'t>, LoadErrorKind> {
    match words {
        [path] => Ok(Step::Include { path, is_optional }),
        _ => Err(LoadErrorKind::Incomplete {
            expected: "$INCLUDE path",
        }),
    }
}

fn integer(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    // A negative value of a signed attribute is kept in two's complement.
    text.parse::<u64>()
        .ok()
        .or_else(|| text.parse::<i64>().ok().map(i64::cast_unsigned))
}
