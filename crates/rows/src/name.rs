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

/// The User-Name whose rows are found under a name; the inverse of [`stored_name`].
#[must_use]
pub fn sent_name(stored: &str) -> Cow<'_, [u8]> {
    if !stored.contains('=') {
        return Cow::Borrowed(stored.as_bytes());
    }
    Cow::Owned(unprinted(&unescaped(stored.as_bytes())))
}

fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        let number = match (first, rest) {
            (b'=', [high, low, ..]) => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        if let Some((high, low)) = number {
            out.push(high << 4 | low);
            text = &rest[2..];
        } else {
            out.push(*first);
            text = rest;
        }
    }
    out
}

fn hexadecimal(digit: u8) -> Option<u8> {
    let number = char::from(digit).to_digit(16)?;
    u8::try_from(number).ok()
}

/// The octets that [`printed`] prints so.
fn unprinted(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        let (octet, left) = match (first, rest) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), left)
            }
            (b'\\', [b'n', left @ ..]) => (b'\n', left),
            (b'\\', [b'r', left @ ..]) => (b'\r', left),
            (b'\\', [b't', left @ ..]) => (b'\t', left),
            (b'\\', [quoted, left @ ..]) => (*quoted, left),
            _ => (*first, rest),
        };
        out.push(octet);
        text = left;
    }
    out
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn a_name_is_known_by_the_one_under_which_it_is_stored(
            wire in prop_oneof![
                "[a-z'\"=\\\\0-9\n\t\u{eb}]{0,12}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..12),
            ]
        ) {
            let stored = stored_name(&wire).into_owned();
            prop_assert_eq!(sent_name(&stored).into_owned(), wire);
        }
    }
}
