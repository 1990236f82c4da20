//! Quotes around values: taken off, or a sign that the value is expanded.

use std::borrow::Cow;

/// What a value is, without the quotes around it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Quoted<'t> {
    /// Text to be read as it is.
    Text(Cow<'t, str>),
    /// The inside of back quotes, to be expanded with the request.
    Expanded(Cow<'t, str>),
}

/// Takes the quotes off a value that begins and ends with the same quote.
///
/// A quote further in ends the value, and what follows it is ignored. When the last quote is escaped, the value has
/// none.
pub(crate) fn unquoted(text: &str) -> Quoted<'_> {
    let Some(quote) = text.bytes().next().filter(|quote| b"'\"`".contains(quote)) else {
        return Quoted::Text(text.into());
    };
    if text.bytes().next_back() != Some(quote) {
        return Quoted::Text(text.into());
    }
    let Some(inside) = inside(&text[1..], quote) else {
        return Quoted::Text(text.into());
    };
    if quote == b'`' {
        Quoted::Expanded(inside)
    } else {
        Quoted::Text(inside)
    }
}

/// What comes before the first quote that is not escaped, with escaped quotes resolved.
fn inside(text: &str, quote: u8) -> Option<Cow<'_, str>> {
    let mut is_escaped = false;
    let mut has_escaped_quote = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => {
                has_escaped_quote |= octet == quote;
                is_escaped = false;
            }
            b'\\' => is_escaped = true,
            _ if octet == quote => {
                let raw = &text[..at];
                return Some(if has_escaped_quote {
                    let quote = char::from(quote);
                    raw.replace(&format!("\\{quote}"), &quote.to_string())
                        .into()
                } else {
                    raw.into()
                });
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(unquoted(text), Quoted::Text(expected.into()), "{text}");
    }

    #[test]
    fn quotes_around_a_value_are_taken_off() {
        check("\"quoted\"", "quoted");
        check("'single'", "single");
        check("'a\\'b'", "a'b");
        check("\"a\"b\"", "a");
        check("\"\"", "");
    }

    #[test]
    fn other_quotes_stay() {
        check("\"half", "\"half");
        check("\"", "\"");
        check("\"a\" ", "\"a\" ");
        check("\"a\\\"", "\"a\\\"");
    }

    #[test]
    fn back_quotes_ask_for_expansion() {
        assert_eq!(
            unquoted("`%{User-Name}`"),
            Quoted::Expanded("%{User-Name}".into())
        );
    }
}
