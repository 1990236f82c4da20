//! Attributes as text, one `Name:tag = value` each, as radclient reads and prints them.

use std::fmt;

use super::{Avp, TAG_MAX, decode, encode};
use crate::data_type::DataType;
use crate::dictionary::Dictionary;
use crate::dictionary::definition::Definition;
use crate::dictionary::oid::{DEPTH_MAX, Oid};
use crate::value::{Secret, Value, ValueError};

/// Most attributes in one text.
const AVPS_MAX: usize = 4_096;

/// Why a text is not an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No attribute of that name.
    #[error(
        "unknown attribute `{name}`: use a name of the dictionary, or Attr- and its number, such as Attr-26.14988.8"
    )]
    UnknownName {
        /// The name.
        name: String,
    },
    /// No `=` after the name.
    #[error("`{name}` has no value: write `{name} = value`")]
    ValueMissing {
        /// The name.
        name: String,
    },
    /// The value is not of the attribute's type.
    #[error("value of `{name}`: {source}")]
    Value {
        /// The name.
        name: String,
        /// What is accepted.
        #[source]
        source: ValueError,
    },
    /// The value has not the length that the attribute has.
    #[error("value of `{name}`: it has {octets_exact} octets")]
    Length {
        /// The name.
        name: String,
        /// The length.
        octets_exact: u8,
    },
    /// The tag is not 1 to 31, or the attribute has none.
    #[error("tag of `{name}`: tunnel attributes take a tag from 1 to 31, others none")]
    BadTag {
        /// The name.
        name: String,
    },
    /// A quote or brace is not closed.
    #[error("`{opening}` is not closed")]
    NotClosed {
        /// The opening character.
        opening: char,
    },
    /// Members in braces for an attribute that is not a TLV, or none at all.
    #[error("`{name}` takes no `{{ }}`: only a TLV does, with at least one attribute inside")]
    NotATlv {
        /// The name.
        name: String,
    },
    /// Something follows the value.
    #[error(
        "something follows the value of `{name}`: separate attributes with a comma or a new line"
    )]
    Trailing {
        /// The name.
        name: String,
    },
    /// Too many attributes, or TLVs too deep inside each other.
    #[error("at most {AVPS_MAX} attributes and {DEPTH_MAX} TLVs inside each other")]
    TooMany,
}

/// Reads one attribute: `Name = value`, `Name:tag = value`, `Attr-26.9.1 = 0x616263`, `Name = { Member = value }`.
///
/// `:=`, `+=` and `==` are taken for `=`. A name of the form `Attr-…` with `0x` digits gives the octets on the wire.
///
/// # Errors
/// Names the attribute and the remedy; the value is not repeated.
pub fn parse(dictionary: &Dictionary, text: &str) -> Result<Avp, ParseError> {
    let mut avps = parse_list(dictionary, text)?;
    match (avps.pop(), avps.is_empty()) {
        (Some(avp), true) => Ok(avp),
        (Some(avp), false) => Err(ParseError::Trailing {
            name: dictionary.name(&avp.oid),
        }),
        (None, _) => Err(ParseError::UnknownName {
            name: String::new(),
        }),
    }
}

/// Reads attributes separated by commas or new lines; `#` begins a comment.
///
/// # Errors
/// As [`parse`].
pub fn parse_list(dictionary: &Dictionary, text: &str) -> Result<Vec<Avp>, ParseError> {
    let mut parser = Parser {
        dictionary,
        rest: text,
        avps: 0,
    };
    let avps = parser.list(0)?;
    if parser.rest.is_empty() {
        Ok(avps)
    } else {
        Err(ParseError::NotClosed { opening: '{' })
    }
}

struct Parser<'d, 't> {
    dictionary: &'d Dictionary,
    rest: &'t str,
    avps: usize,
}

impl<'t> Parser<'_, 't> {
    fn list(&mut self, depth: usize) -> Result<Vec<Avp>, ParseError> {
        let mut avps = Vec::new();
        loop {
            self.skip_separators();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                return Ok(avps);
            }
            self.avps += 1;
            if AVPS_MAX < self.avps || DEPTH_MAX < depth {
                return Err(ParseError::TooMany);
            }
            avps.push(self.avp(depth)?);
        }
    }

    fn avp(&mut self, depth: usize) -> Result<Avp, ParseError> {
        let name =
            self.take_while(|symbol| symbol.is_ascii_alphanumeric() || "-_./:".contains(symbol));
        let name = name
            .strip_suffix(':')
            .filter(|_| self.rest.starts_with('='))
            .unwrap_or(name);
        let (oid, tag) = self.attribute(name)?;
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let operator = [":=", "+=", "==", "="]
            .into_iter()
            .find(|operator| self.rest.starts_with(operator));
        let Some(operator) = operator else {
            return Err(ParseError::ValueMissing {
                name: name.to_owned(),
            });
        };
        self.rest = self.rest[operator.len()..].trim_start_matches([' ', '\t']);
        let definition = self.dictionary.find_by_oid(&oid);
        let avp = if self.rest.starts_with('{') {
            self.rest = &self.rest[1..];
            let members = self.list(depth + 1)?;
            self.rest = self
                .rest
                .strip_prefix('}')
                .ok_or(ParseError::NotClosed { opening: '{' })?;
            let is_tlv =
                definition.is_none_or(|definition| definition.data_type() == DataType::Tlv);
            if !is_tlv || members.is_empty() {
                return Err(ParseError::NotATlv {
                    name: name.to_owned(),
                });
            }
            Avp {
                oid,
                tag,
                value: Value::Tlv(members),
            }
        } else if self.rest.starts_with(['"', '\'']) {
            let text = self.quoted()?;
            Avp {
                oid,
                tag,
                value: value(definition, name, &text)?,
            }
        } else {
            let word = self.take_while(|symbol| !symbol.is_whitespace() && !",#}".contains(symbol));
            match is_raw(name).then(|| crate::value::octets(word)).flatten() {
                Some(octets) => decode::decode_leaf(self.dictionary, oid, &octets),
                None if word.is_empty() => {
                    return Err(ParseError::ValueMissing {
                        name: name.to_owned(),
                    });
                }
                None => Avp {
                    oid,
                    tag,
                    value: bare_value(definition, name, word)?,
                },
            }
        };
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.rest.is_empty() || self.rest.starts_with([',', '\n', '\r', '#', '}']) {
            return Ok(avp);
        }
        Err(ParseError::Trailing {
            name: name.to_owned(),
        })
    }

    /// The attribute and its tag. A colon is part of some names, so the whole is tried first.
    fn attribute(&self, name: &str) -> Result<(Oid, Option<u8>), ParseError> {
        if let Some(oid) = self.dictionary.resolve(name) {
            return Ok((oid, None));
        }
        let unknown = || ParseError::UnknownName {
            name: name.to_owned(),
        };
        let (base, tag) = name.rsplit_once(':').ok_or_else(unknown)?;
        let oid = self.dictionary.resolve(base).ok_or_else(unknown)?;
        let has_tag = self
            .dictionary
            .find_by_oid(&oid)
            .is_some_and(|definition| definition.flags().has_tag);
        match tag.parse::<u8>() {
            Ok(tag) if has_tag && tag <= TAG_MAX => Ok((oid, Some(tag).filter(|tag| *tag != 0))),
            Ok(_) | Err(_) => Err(ParseError::BadTag {
                name: name.to_owned(),
            }),
        }
    }

    fn skip_separators(&mut self) {
        loop {
            self.rest = self
                .rest
                .trim_start_matches(|symbol: char| symbol.is_whitespace() || symbol == ',');
            if !self.rest.starts_with('#') {
                return;
            }
            self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
        }
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'t str {
        let end = self
            .rest
            .find(|symbol| !accepts(symbol))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Reads a quoted string; a backslash begins `\n`, `\r`, `\t`, three octal digits, or stands before the character meant.
    fn quoted(&mut self) -> Result<String, ParseError> {
        let mut symbols = self.rest.char_indices();
        let (_, quote) = symbols
            .next()
            .ok_or(ParseError::NotClosed { opening: '"' })?;
        let mut text = String::new();
        while let Some((at, symbol)) = symbols.next() {
            if symbol == quote {
                self.rest = &self.rest[at + 1..];
                return Ok(text);
            }
            if symbol != '\\' {
                text.push(symbol);
                continue;
            }
            let octal = self
                .rest
                .get(at + 1..at + 4)
                .and_then(|digits| u8::from_str_radix(digits, 8).ok());
            if let Some(code) = octal.filter(u8::is_ascii) {
                text.push(char::from(code));
                symbols.nth(2);
                continue;
            }
            match symbols.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 't')) => text.push('\t'),
                Some((_, other)) => text.push(other),
                None => break,
            }
        }
        Err(ParseError::NotClosed { opening: quote })
    }
}

fn is_raw(name: &str) -> bool {
    name.get(..5)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("Attr-"))
}

/// Reads an unquoted value: `0x` gives octets for text too.
fn bare_value(
    definition: Option<&Definition>,
    name: &str,
    word: &str,
) -> Result<Value, ParseError> {
    let octets = definition.filter(|definition| definition.data_type() == DataType::Text);
    match octets.and_then(|_| crate::value::octets(word)) {
        Some(octets) if definition.is_some_and(Definition::is_secret) => {
            Ok(Value::Secret(Secret::new(&octets)))
        }
        Some(octets) => Ok(Value::decode(DataType::Text, &octets)),
        None => value(definition, name, word),
    }
}

fn value(definition: Option<&Definition>, name: &str, text: &str) -> Result<Value, ParseError> {
    let parsed = match definition {
        Some(definition) => definition.parse_value(text),
        None => Value::parse(DataType::Octets, text),
    };
    let value = parsed.map_err(|source| ParseError::Value {
        name: name.to_owned(),
        source,
    })?;
    let octets_exact = definition.and_then(|definition| definition.flags().octets_exact);
    if let (Some(octets_exact), Value::Octets(octets)) = (octets_exact, &value)
        && octets.len() != usize::from(octets_exact)
    {
        return Err(ParseError::Length {
            name: name.to_owned(),
            octets_exact,
        });
    }
    Ok(value)
}

/// An attribute that prints itself with the names of a dictionary.
#[derive(Clone, Copy, Debug)]
pub struct ShownAvp<'a> {
    avp: &'a Avp,
    dictionary: &'a Dictionary,
}

impl Avp {
    /// Prints `Name:tag = value`, which [`parse`] reads back unless it is a secret, which is never printed.
    #[must_use]
    pub const fn show<'a>(&'a self, dictionary: &'a Dictionary) -> ShownAvp<'a> {
        ShownAvp {
            avp: self,
            dictionary,
        }
    }
}

impl fmt::Display for ShownAvp<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { avp, dictionary } = *self;
        let definition = dictionary.find_by_oid(&avp.oid);
        let Some(definition) = definition.filter(|definition| fits(definition, &avp.value)) else {
            return format_unfitting(avp, dictionary, formatter);
        };
        formatter.write_str(definition.name())?;
        if let Some(tag) = avp.tag {
            write!(formatter, ":{tag}")?;
        }
        formatter.write_str(" = ")?;
        format_value(avp, definition, dictionary, formatter)
    }
}

fn fits(definition: &Definition, value: &Value) -> bool {
    let has_length = match (value, definition.flags().octets_exact) {
        (Value::Octets(octets), Some(octets_exact)) => octets.len() == usize::from(octets_exact),
        _ => true,
    };
    has_length && value.fits(definition.data_type())
}

/// Prints a value without the form its attribute has, as the octets on the wire.
fn format_unfitting(
    avp: &Avp,
    dictionary: &Dictionary,
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(formatter, "Attr-{} = ", avp.oid)?;
    match (&avp.value, encode::encode_leaf(dictionary, avp)) {
        (Value::Secret(_), _) => write!(formatter, "{}", avp.value),
        (Value::Tlv(members), _) => format_members(members, dictionary, formatter),
        (_, Ok(octets)) => write!(formatter, "{}", Value::Octets(octets)),
        (_, Err(_)) => write!(formatter, "{}", avp.value),
    }
}

fn format_value(
    avp: &Avp,
    definition: &Definition,
    dictionary: &Dictionary,
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let value = &avp.value;
    if definition.is_secret() && matches!(value, Value::Text(_) | Value::Octets(_)) {
        return formatter.write_str("<<< secret >>>");
    }
    if let Value::Text(text) = value {
        return format_quoted(text, formatter);
    }
    if let Value::Tlv(members) = value {
        return format_members(members, dictionary, formatter);
    }
    let named = value
        .as_number()
        .and_then(|number| definition.value_name(number));
    match (named, definition.data_type()) {
        (Some(name), _) => formatter.write_str(name),
        (None, DataType::Date) => write!(formatter, "\"{value}\""),
        (None, _) => write!(formatter, "{value}"),
    }
}

fn format_members(
    members: &[Avp],
    dictionary: &Dictionary,
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    formatter.write_str("{")?;
    for (index, member) in members.iter().enumerate() {
        let separator = if index == 0 { " " } else { ", " };
        write!(formatter, "{separator}{}", member.show(dictionary))?;
    }
    formatter.write_str(" }")
}

fn format_quoted(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    formatter.write_char('"')?;
    for symbol in text.chars() {
        match symbol {
            '"' | '\\' => write!(formatter, "\\{symbol}")?,
            '\n' => formatter.write_str("\\n")?,
            '\r' => formatter.write_str("\\r")?,
            '\t' => formatter.write_str("\\t")?,
            '\0'..='\x1f' | '\x7f' => write!(formatter, "\\{:03o}", symbol as u32)?,
            other => formatter.write_char(other)?,
        }
    }
    formatter.write_char('"')
}
