//! Expansion of back-quoted values: `%{User-Name}`, `%{reply:…}`, `%{Attr[0]}`, `%{%{A}:-b}`, `%{1}`.

use std::fmt;
use std::sync::Arc;

use crate::attribute::{Attribute, Tag, split_tag};
use crate::cause::Problem;
use crate::pattern::GROUP_MAX;

/// A value with expansions, parsed.
pub(crate) struct Template {
    /// Absent when FreeRADIUS cannot parse it either: the attribute then has no value.
    pub(crate) parts: Option<Box<[Part]>>,
}

/// A piece of a template.
pub(crate) enum Part {
    Literal(Box<str>),
    Attribute(Reference),
    Group(usize),
    /// The first, unless it is empty; then the second.
    Alternative(Box<Self>, Box<[Self]>),
}

/// An attribute of a list.
pub(crate) struct Reference {
    pub(crate) source: Source,
    pub(crate) attribute: Arc<Attribute>,
    pub(crate) tag: Tag,
    pub(crate) which: Which,
}

/// The list that an expansion looks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Request,
    Reply,
    Control,
    /// A list that is always empty when rows are read.
    Empty,
}

/// Which instances of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Index(usize),
    All,
    Count,
}

/// Functions of FreeRADIUS that are not supported; other names it does not know either.
const FUNCTIONS: [&str; 34] = [
    "sql",
    "exec",
    "expr",
    "md4",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "hmacmd5",
    "hmacsha1",
    "toupper",
    "tolower",
    "rand",
    "randstr",
    "base64",
    "base64tohex",
    "hex",
    "integer",
    "string",
    "urlquote",
    "urlunquote",
    "escape",
    "unescape",
    "pairs",
    "map",
    "debug",
    "debug_attr",
    "mschap",
    "xlat",
    "crypt",
    "strlen",
    "length",
];
/// Variables of one letter.
const VARIABLES: &[u8] = b"acdgilmnpstuvxyzCDGHIMSTUVYZ";
/// Alternatives in each other.
const DEPTH_MAX: usize = 8;

/// Why a template has no meaning.
enum Flaw {
    /// FreeRADIUS cannot parse it.
    Malformed,
    /// FreeRADIUS can and we cannot.
    Unsupported,
}

type Find<'f> = dyn Fn(&str) -> Option<Arc<Attribute>> + 'f;

impl Template {
    /// Parses the inside of back quotes.
    ///
    /// # Errors
    /// When it asks for what FreeRADIUS has and we do not.
    pub(crate) fn parse(text: &str, find: &Find<'_>) -> Result<Self, Problem> {
        let mut parser = Parser { rest: text, find };
        match parser.parts(false, 0) {
            Ok(parts) => Ok(Self { parts: Some(parts) }),
            Err(Flaw::Malformed) => Ok(Self { parts: None }),
            Err(Flaw::Unsupported) => Err(Problem::BadExpansion),
        }
    }
}

/// What is not expanded may be a password.
impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Template(hidden)")
    }
}

struct Parser<'t, 'f> {
    rest: &'t str,
    find: &'f Find<'f>,
}

impl<'t> Parser<'t, '_> {
    /// Reads up to the end, or up to the brace that closes what is open.
    fn parts(&mut self, is_nested: bool, depth: usize) -> Result<Box<[Part]>, Flaw> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        loop {
            let Some(character) = self.rest.chars().next() else {
                if is_nested {
                    return Err(Flaw::Malformed);
                }
                break;
            };
            match character {
                '}' if is_nested => break,
                '%' => {
                    if let Some(part) = self.percent(&mut literal, depth)? {
                        if !literal.is_empty() {
                            parts.push(Part::Literal(std::mem::take(&mut literal).into()));
                        }
                        parts.push(part);
                    }
                }
                '\\' => {
                    // What is escaped opens and closes nothing; the escape is resolved with the value.
                    let escaped = self.rest[1..].chars().next().map_or(0, char::len_utf8);
                    literal.push_str(&self.rest[..=escaped]);
                    self.rest = &self.rest[1 + escaped..];
                }
                _ => {
                    literal.push(character);
                    self.rest = &self.rest[character.len_utf8()..];
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        Ok(parts.into())
    }

    /// Reads what begins with a per cent sign.
    fn percent(&mut self, literal: &mut String, depth: usize) -> Result<Option<Part>, Flaw> {
        match self.rest.as_bytes().get(1) {
            Some(b'%') => {
                literal.push('%');
                self.rest = &self.rest[2..];
                Ok(None)
            }
            Some(b'{') => {
                self.rest = &self.rest[2..];
                self.braces(depth).map(Some)
            }
            Some(letter) if VARIABLES.contains(letter) => Err(Flaw::Unsupported),
            Some(_) | None => Err(Flaw::Malformed),
        }
    }

    /// Reads the inside of `%{…}` and its closing brace.
    fn braces(&mut self, depth: usize) -> Result<Part, Flaw> {
        if DEPTH_MAX < depth {
            return Err(Flaw::Unsupported);
        }
        if let Some(rest) = self.rest.strip_prefix("%{") {
            self.rest = rest;
            let first = self.braces(depth + 1)?;
            self.rest = self.rest.strip_prefix(":-").ok_or(Flaw::Malformed)?;
            let second = self.parts(true, depth + 1)?;
            self.close()?;
            return Ok(Part::Alternative(Box::new(first), second));
        }
        let end = self.rest.find('}').ok_or(Flaw::Malformed)?;
        let inside = &self.rest[..end];
        let part = self.named(inside)?;
        self.rest = &self.rest[end..];
        self.close()?;
        Ok(part)
    }

    fn close(&mut self) -> Result<(), Flaw> {
        self.rest = self.rest.strip_prefix('}').ok_or(Flaw::Malformed)?;
        Ok(())
    }

    fn named(&self, inside: &'t str) -> Result<Part, Flaw> {
        if !inside.is_empty() && inside.bytes().all(|octet| octet.is_ascii_digit()) {
            return match inside.parse() {
                Ok(group) if group <= GROUP_MAX => Ok(Part::Group(group)),
                Ok(_) | Err(_) => Err(Flaw::Malformed),
            };
        }
        let inside = inside.strip_prefix('&').unwrap_or(inside);
        let (source, name) = source(inside);
        self.reference(source, name)
            .map(Part::Attribute)
            .ok_or_else(|| flaw_of(inside))
    }

    fn reference(&self, source: Source, name: &str) -> Option<Reference> {
        let (name, which) = which(name)?;
        let (name, tag) = split_tag(name).ok()?;
        let attribute = (self.find)(name)?;
        (attribute.has_tag || tag == Tag::Any).then_some(Reference {
            source,
            attribute,
            tag,
            which,
        })
    }
}

fn flaw_of(inside: &str) -> Flaw {
    let function = inside.split(':').next().unwrap_or_default();
    let is_known = inside.contains(':')
        && FUNCTIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(function));
    if is_known {
        Flaw::Unsupported
    } else {
        Flaw::Malformed
    }
}

/// Parts a name from the list in front of it; the request is what is meant without one.
fn source(text: &str) -> (Source, &str) {
    for (prefix, source) in [
        ("request:", Source::Request),
        ("reply:", Source::Reply),
        ("control:", Source::Control),
        ("session-state:", Source::Empty),
        ("proxy-request:", Source::Empty),
        ("proxy-reply:", Source::Empty),
        ("outer.request:", Source::Empty),
        ("outer.reply:", Source::Empty),
        ("outer.control:", Source::Empty),
    ] {
        if let Some(start) = text.get(..prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return (source, &text[prefix.len()..]);
        }
    }
    (Source::Request, text)
}

/// Parts a name from the brackets behind it.
fn which(text: &str) -> Option<(&str, Which)> {
    let Some(inside) = text.strip_suffix(']') else {
        return Some((text, Which::Index(0)));
    };
    let (name, index) = inside.split_once('[')?;
    let which = match index {
        "*" => Which::All,
        "#" => Which::Count,
        _ => Which::Index(index.parse().ok()?),
    };
    Some((name, which))
}

#[cfg(test)]
mod tests {
    use super::*;
    use radius::dictionary::Dictionary;

    fn parse(text: &str) -> Result<bool, Problem> {
        let dictionary = Dictionary::builtin();
        let find = |name: &str| Attribute::find(&dictionary, name).map(Arc::new);
        Template::parse(text, &find).map(|template| template.parts.is_some())
    }

    #[test]
    fn what_freeradius_expands_is_parsed() {
        for text in [
            "plain",
            "%{User-Name}",
            "%{user-name}",
            "%{&User-Name}",
            "%{reply:Filter-Id}",
            "%%",
            "%{0}",
            "%{32}",
            "%{Class[1]}",
            "%{Class[*]}",
            "%{Class[#]}",
            "%{Tunnel-Type:1}",
            "%{%{A-B}:-x}}",
            "{a}",
            "%{User-Name}}",
            "%{%{Filter-Id}:-%{%{Class}:-x}}",
        ] {
            let is_known = !text.contains("A-B");
            assert_eq!(parse(text), Ok(is_known), "{text}");
        }
    }

    #[test]
    fn what_freeradius_cannot_parse_has_no_value() {
        for text in [
            "%",
            "100%",
            "%{",
            "%{}",
            "%{User-Name",
            "%{No-Such}",
            "%{No-Such:x}",
            "%{33}",
            "%{User-Name:1}",
            "%{ User-Name}",
            "%{%{User-Name}}",
            "%{Class[n]}",
        ] {
            assert_eq!(parse(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn what_we_lack_is_an_error() {
        for text in [
            "%{sql:SELECT 1}",
            "%{md5:a}",
            "%t",
            "%{exec:/bin/true}",
            "%{expr:1 + 1}",
        ] {
            assert_eq!(parse(text), Err(Problem::BadExpansion), "{text}");
        }
    }
}
