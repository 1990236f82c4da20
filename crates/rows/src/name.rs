//! Under which name FreeRADIUS looks a user or group up: what may not stand in a query is written as `=XX`.

use std::borrow::Cow;
use std::fmt::Write;

/// What FreeRADIUS leaves as it is, beside letters, digits and characters beyond ASCII.
const SAFE: &[u8] = b"@.-_: /";

/// The name under which rows of a User-Name are found.
///
/// FreeRADIUS prints the name with escapes first, and then writes every character that is not safe as `=` and two
/// hexadecimal digits, so a name with an apostrophe is found under `o=27brien` and never under `o'brien`.
#[must_use]
pub fn stored_name(wire: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(wire)
        && text
            .bytes()
            .all(|octet| !octet.is_ascii() || is_plain(octet))
    {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(&printed(wire)))
}

/// The name under which the rows of a group are found: escaped in the query, but not printed before.
#[must_use]
pub fn stored_group(name: &str) -> Cow<'_, str> {
    if name
        .bytes()
        .all(|octet| !octet.is_ascii() || is_plain(octet))
    {
        return Cow::Borrowed(name);
    }
    Cow::Owned(escaped(name.as_bytes()))
}

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || SAFE.contains(&octet)
}

/// Prints octets as in double quotes: quotes and backslashes escaped, control characters and noise in octal.
pub(crate) fn printed(wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire.len() + 8);
    for chunk in wire.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                control if control.is_ascii_control() => push_octal(control as u8, &mut out),
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for octet in chunk.invalid() {
            push_octal(*octet, &mut out);
        }
    }
    out
}

fn push_octal(octet: u8, out: &mut Vec<u8>) {
    let digit = |shift: u8| b'0' + (octet >> shift & 7);
    out.extend_from_slice(&[b'\\', digit(6), digit(3), digit(0)]);
}

fn escaped(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            plain if !plain.is_ascii() || is_plain(plain as u8) => out.push(plain),
            other => write!(out, "={:02X}", other as u32).expect("a string takes everything"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wire: &[u8], expected: &str) {
        assert_eq!(stored_name(wire), expected);
    }

    #[test]
    fn safe_names_are_looked_up_as_they_are() {
        check(b"bob@isp.example", "bob@isp.example");
        check("zo\u{eb}".as_bytes(), "zo\u{eb}");
        check(b"a/b:c d_e-f", "a/b:c d_e-f");
    }

    #[test]
    fn others_are_looked_up_escaped() {
        check(b"o'brien", "o=27brien");
        check(b"a%b", "a=25b");
        check(b"a=b", "a=3Db");
        check(b"a\"b", "a=5C=22b");
        check(b"a\\b", "a=5C=5Cb");
        check(b"a\xffb", "a=5C377b");
        assert_eq!(stored_group("g=1"), "g=3D1");
    }
}
